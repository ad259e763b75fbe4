"""plugins/tester.c, compiled once and laid into plugin directories."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import subprocess
import tempfile
from typing import Any

from client import Answer, HELLO, chat, config_header, target
from gateway import Gateway, plugin_directory

ROOT = pathlib.Path(__file__).parent.parent.parent


@functools.cache
def library(*defines: str) -> bytes:
    """The compiled library. It leans on the headers alone."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "tester.so"
        subprocess.run(
            [os.environ.get("CC", "cc"), "-O0", "-fPIC", "-shared", "-fvisibility=hidden", "-I", str(ROOT / "include"),
             *(f"-D{define}" for define in defines), str(ROOT / "Tests/BlackBox/plugins/tester.c"), "-o", str(file)], check=True)
        return file.read_bytes()


def marked(number: int, *defines: str) -> bytes:
    """A library that says another number, and is another one by its hash."""
    code = library(*defines)
    assert code.count(b"mark:0000") == 1
    return code.replace(b"mark:0000", b"mark:%04d" % number)


def put(file: pathlib.Path, content: bytes | str) -> None:
    """A new file in the place of the old, in one step."""
    fresh = file.with_name("." + file.name + ".new")
    fresh.write_bytes(content if isinstance(content, bytes) else content.encode())
    fresh.rename(file)


def manifest(**more: Any) -> str:
    check = {"hooks": {"on_request": {}, "on_response": {}}} | more.pop("check", {})
    return json.dumps({
        "manifest": 1, "id": "tester", "version": "1.0.0", "abi": {"major": 1},
        "library": {"linux-x86_64": "tester.so", "linux-aarch64": "tester.so"}, "wants": ["gh.http/1"],
        "checks": {"do": check}} | more)


def install(directory: pathlib.Path, code: bytes | None = None, **more: Any) -> pathlib.Path:
    """The plugin in a directory of its own below this one."""
    folder = directory / "tester"
    folder.mkdir(parents=True, exist_ok=True)
    put(folder / "tester.so", code or library())
    put(folder / "plugin.json", manifest(**more))
    return folder


def serve(directory: pathlib.Path, plugins: dict[str, Any] | None = None, **more: Any) -> Gateway:
    """A gateway with the plugins of this directory beside the staged ones."""
    settings = {"directories": [plugin_directory(), str(directory)]} | (plugins or {})
    return Gateway({"plugins": settings} | more)


def do(what: str, text: str = "") -> dict[str, Any]:
    return {"tester.do": {"do": what, "text": text}, "deny": True}


def guarded(gateway: Gateway, base: str, *guards: dict[str, Any], side: str = "input", headers: dict[str, str] | None = None) -> Answer:
    """One chat request whose own config has these guards."""
    config = target(base, **{f"{side}_guardrails": list(guards)})
    return chat(gateway, config_header(config) | (headers or {}), messages=HELLO)


def said(answer: Answer) -> str:
    """What the plugin said in its denial."""
    assert answer.status == 451, answer
    return answer.error["message"]
