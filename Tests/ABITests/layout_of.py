"""layout_of.py DIRECTORY VERSION: writes a C11 test which says all that a compiled plugin relies on of the headers in DIRECTORY.

Of each struct: its size, and each member's place and type. Each enumerator and each numeric macro with its value, each string, the
types behind typedefs, and the entry's. The compiler of a Swift toolchain or any other clang reads the headers.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any, Iterator


def clang() -> str:
    """clang, or the one beside swiftc."""
    if found := shutil.which("clang"):
        return found
    target = json.loads(subprocess.run(["swiftc", "-print-target-info"], capture_output=True, text=True, check=True).stdout)
    return str(pathlib.Path(target["paths"]["runtimeResourcePath"]).parent.parent / "bin" / "clang")


def run(directory: str, *arguments: str, source: str = "") -> str:
    return subprocess.run(
        [clang(), "-std=c11", f"-I{directory}", "-x", "c", *arguments, "-"], input='#include "gatehouse/gatehouse.h"\n' + source,
        capture_output=True, text=True, check=True).stdout


def declarations(directory: str) -> Iterator[dict[str, Any]]:
    """The declarations of the headers themselves, not of what they include."""
    tree = json.loads(run(directory, "-fsyntax-only", "-Xclang", "-ast-dump=json"))
    for node in tree["inner"]:
        if node.get("name", "").startswith(("gh_", "GH_")) or node["kind"] == "EnumDecl":
            yield node


def macros(directory: str) -> dict[str, str]:
    """Those that are a number or a string."""
    lines = run(directory, "-E", "-dM").splitlines()
    found = (re.fullmatch(r"#define (GH_\w+) ((?:\d+|\"[^\"]*\"))", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def type_of(node: dict[str, Any]) -> str:
    """As it can stand in a _Generic: without qualifiers of the member itself, and with tags where a typedef hides one."""
    return node["type"]["qualType"]


def structs(directory: str) -> dict[str, list[tuple[str, str]]]:
    found = {}
    for node in declarations(directory):
        if node["kind"] == "RecordDecl" and node.get("completeDefinition"):
            found[node["name"]] = [(field["name"], type_of(field)) for field in node["inner"] if field["kind"] == "FieldDecl"]
    return found


def offsets(directory: str, found: dict[str, list[tuple[str, str]]]) -> dict[str, int]:
    """Sizes and places, from the compiler: each is the length of an array in what it says of the types."""
    lines = [f"char size__{name}[sizeof(struct {name})];" for name in found]
    lines += [f"char at__{name}__{member}[offsetof(struct {name}, {member}) + 1];" for name, members in found.items() for member, _ in members]
    tree = json.loads(run(directory, "-fsyntax-only", "-Xclang", "-ast-dump=json", source="\n".join(lines) + "\n"))
    return {
        node["name"]: int(re.fullmatch(r"char\[(\d+)\]", node["type"]["qualType"])[1])
        for node in tree["inner"] if node["kind"] == "VarDecl" and node["name"].startswith(("size__", "at__"))}


def enumerators(directory: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in declarations(directory):
        if node["kind"] != "EnumDecl":
            continue
        value = -1
        for item in node.get("inner", []):
            if item["kind"] == "EnumConstantDecl" and item["name"].startswith("GH_"):
                value = int(next(iter(_values(item)), value + 1))
                found[item["name"]] = value
    return found


def _values(node: dict[str, Any]) -> Iterator[str]:
    for inner in node.get("inner", []):
        if "value" in inner:
            yield inner["value"]
        else:
            yield from _values(inner)


def test(directory: str, version: str) -> str:
    found = structs(directory)
    places = offsets(directory, found)
    numbers = {name: value for name, value in macros(directory).items() if value.isdigit()}
    # A minor grows, and a draft ends.
    numbers = {name: value for name, value in numbers.items() if name not in ("GH_ABI_MINOR", "GH_ABI_DRAFT")}
    strings = {name: value for name, value in macros(directory).items() if value.startswith('"')}
    typedefs = [
        (node["name"], node["type"]["qualType"]) for node in declarations(directory)
        if node["kind"] == "TypedefDecl" and not node["type"]["qualType"].startswith("struct ")]
    entry = next(node["type"]["qualType"] for node in declarations(directory) if node["kind"] == "FunctionDecl")
    lines = [
        f"/* Made by layout_of.py of the headers of {version}, and never changed after their release. It compiles with the headers of {version}",
        " * and of every later minor: members keep their place, their type and their meaning, and structs only grow. */",
        "#include <stdio.h>", "#include <string.h>", "",
        "/* Those of the include path, never those beside this file. */", "#include <gatehouse/gatehouse.h>", "",
        "#define MEMBER(T, place, member, ...) \\",
        '  _Static_assert(sizeof(void *) != 8 || offsetof(struct T, member) == place, #T "." #member " has moved"); \\',
        '  _Static_assert(_Generic(((struct T *)0)->member, __VA_ARGS__: 1, default: 0), #T "." #member " has another type")',
        '#define SIZE(T, size) _Static_assert(sizeof(void *) != 8 || sizeof(struct T) == size, #T " has another size")',
        '#define GROWS(T, size) _Static_assert(sizeof(void *) != 8 || sizeof(struct T) >= size, #T " has lost members")',
        '#define VALUE(name, value) _Static_assert((name) == (value), #name " has another value")',
        '#define TYPE(name, ...) _Static_assert(_Generic((name *)0, __VA_ARGS__: 1, default: 0), #name " is another type")', ""]
    for name, members in found.items():
        grows = members[0][0] == "struct_size"
        lines.append(f"{'GROWS' if grows else 'SIZE'}({name}, {places[f'size__{name}']});")
        lines += [f"MEMBER({name}, {places[f'at__{name}__{member}'] - 1}, {member}, {kind});" for member, kind in members]
        lines.append("")
    lines += [f"VALUE({name}, {value});" for name, value in (enumerators(directory) | numbers).items()] + [""]
    for name, kind in typedefs:
        # A pointer to a function pointer puts its star inside.
        pointed = kind.replace("(*)", "(**)", 1) if "(*)" in kind else f"{kind} *"
        lines.append(f"TYPE({name}, {pointed});")
    lines += ["", f"_Static_assert(_Generic(&gh_plugin_entry_v1, {entry.replace('(', '(*)(', 1)}: 1, default: 0), \"the entry has another type\");", ""]
    lines += ["int main(void) {", "  const char *const strings[][2] = {"]
    lines += [f"      {{{name}, {value}}}," for name, value in strings.items()]
    lines += [
        "  };", "  int failed = 0;", "  for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)",
        "    if (strcmp(strings[i][0], strings[i][1]) != 0) {",
        '      printf("the string %s has become %s\\n", strings[i][1], strings[i][0]);', "      failed = 1;", "    }",
        "  return failed;", "}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(test(sys.argv[1], sys.argv[2]))
