"""The headers of a later minor, as they would be: made of today's by appending members."""

from __future__ import annotations

import pathlib
import re
import shutil


def grown(include: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """A copy of the headers in which every struct that may grow has two more members of eight bytes, and the minor is one more. The
    macro GH_LATER says so."""
    shutil.copytree(include, target)
    for header in (target / "gatehouse").rglob("*.h"):
        text = re.sub(r"(?m)^((?:typedef )?struct (gh_\w+) \{.*?\n)(\}[^\n]*;)", _append, header.read_text(), flags=re.DOTALL)
        if header.name == "abi.h":
            text, count = re.subn(r"#define GH_ABI_MINOR (\d+)", lambda match: f"#define GH_ABI_MINOR {int(match[1]) + 1}\n#define GH_LATER 1", text)
            assert count == 1
        header.write_text(text)
    return target


def _append(match: re.Match[str]) -> str:
    body, name, end = match.groups()
    if not re.search(r"\{[^\n]*\n\s*uint32_t struct_size;", body):
        return match[0]
    # What a plugin writes for the host to read is data; of tables, functions.
    kind = "int32_t (*{})(void);" if _is_table(name) else "uint64_t {};"
    return body + "".join(f"  {kind.format(member)}\n" for member in ("later_one", "later_two")) + end


def _is_table(name: str) -> bool:
    return name in ("gh_host", "gh_hooks", "gh_plugin", "gh_provider", "gh_auth", "gh_upstream")
