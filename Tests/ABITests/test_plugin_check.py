"""gatehouse plugin check: every trial catches the plugin that was made for it, and nothing that ships fails one."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest

from conftest import HERE, ROOT
from gateway import command

ANSWER = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "It is secret, keep it."}}]}
FIXTURE = {
    "check": "word", "request": {"model": "m", "messages": [{"role": "user", "content": "no word"}]}, "answer": ANSWER,
    "expected": {"request": {"passed": True}, "answer": {"passed": False}}}


def build(directory: pathlib.Path, *flags: str, manifest: dict | None = None, fixture: bool = True) -> pathlib.Path:
    directory.mkdir(parents=True)
    source = HERE / "plugins" / "bad" / "bad.c"
    subprocess.run(
        [os.environ.get("CC", "cc"), "-fPIC", "-shared", "-fvisibility=hidden", "-I", str(ROOT / "include"), str(source),
         "-o", str(directory / "plugin.so"), *flags], check=True)
    told = {
        "manifest": 1, "id": "bad", "name": "Bad", "version": "1.0.0", "abi": {"major": 1, "min_minor": 0}, "runtime": "c",
        "library": {"linux-x86_64": "plugin.so", "linux-aarch64": "plugin.so"}, "wants": ["gh.regex/1"],
        "checks": {"word": {
            "hooks": {"on_request": {}, "on_response": {}, "on_stream": {"mode": "window", "window_bytes": 4, "hold_bytes": 16}},
            "schema": {"type": "object", "properties": {"count": {"type": "integer"}}, "additionalProperties": False}}}}
    (directory / "plugin.json").write_text(json.dumps(told | (manifest or {})))
    if fixture:
        (directory / "fixtures").mkdir()
        (directory / "fixtures" / "word.json").write_text(json.dumps(FIXTURE))
    return directory


def check(directory: pathlib.Path, *more: str) -> tuple[int, dict[str, str]]:
    """The exit code, and of each check that failed the reason."""
    result = command("plugin", "check", str(directory), *more, timeout=400)
    failed = {}
    for line in result.stdout.splitlines():
        if line.startswith("FAIL "):
            name, _, reason = line[5:].partition(": ")
            failed[name] = reason
    assert result.returncode == (1 if failed else 0), result.stdout + result.stderr
    return result.returncode, failed


def test_a_good_plugin_passes(tmp_path):
    assert check(build(tmp_path / "good")) == (0, {})


def test_in_this_process_too(tmp_path):
    assert check(build(tmp_path / "good"), "--in-process") == (0, {})


PROVIDER = {"checks": {}, "needs": ["gh.upstream/1"], "providers": {"bad": {"endpoints": {"chat_completions": "translate"}, "base_url": "https://upstream.example"}}}


@pytest.mark.parametrize("flag, name, reason", [
    ("ENTRY", "the entry function", "NULL"),
    ("LEAK", "instances are created", "left"),
    ("TYPES", "parameters of wrong types", "crashed: Aborted"),
    ("EXTENSION", "it lives in a host", "crashed: Segmentation fault"),
    ("TAIL", "it lives in a host", "crashed: Segmentation fault"),
    ("STRLEN", "it reads no view beyond", "crashed: Segmentation fault"),
    ("KEEP", "it keeps no view", "crashed: Segmentation fault"),
    ("ODD", "odd texts", "crashed: Aborted"),
    ("NEVER", "calls that end late", "never completed"),
    ("TWICE", "calls that end late", "used before"),
    ("STREAM", "fixtures, as streams", "is not judged like the whole answer"),
    ("THREADS", "eight threads", "judged otherwise"),
])
def test_each_trial_catches_its_plugin(tmp_path, flag, name, reason):
    _, failed = check(build(tmp_path / "bad", f"-DBAD_{flag}"))
    found = [told for told in failed.items() if told[0].startswith(name)]
    assert found and reason in found[0][1], failed


@pytest.mark.parametrize("flag, reason", [("PROVIDER", "another request"), ("EVENTS", "not JSON")])
def test_providers_are_tried(tmp_path, flag, reason):
    _, failed = check(build(tmp_path / "bad", f"-DBAD_{flag}", manifest=PROVIDER, fixture=False))
    assert any(name.startswith("requests are built alike") and reason in told for name, told in failed.items()), failed


@pytest.mark.parametrize("flags, manifest, name, reason", [
    (["-DBAD_EXPORT"], {}, "it exports", "helper_that_should_be_hidden"),
    (["-Wl,-z,execstack"], {}, "its stack", "it is"),
    (["-Wl,-rpath,/opt/elsewhere"], {}, "its run path", "/opt/elsewhere"),
    (["-Wl,--no-as-needed", "-lutil", "-lcrypto"], {}, "it links", "libcrypto"),
    (["-DBAD_GO"], {}, "a Go library", "process-only"),
    ([], {"checks": {"word": {"hooks": {"on_reqest": {}}}}}, "the manifest", "on_reqest"),
    ([], {"id": "other"}, "it loads", "other"),
])
def test_files_are_looked_at(tmp_path, flags, manifest, name, reason):
    _, failed = check(build(tmp_path / "bad", *flags, manifest=manifest, fixture=False))
    found = [told for told in failed.items() if told[0].startswith(name)]
    assert found and reason in found[0][1], failed


def test_declared_libraries_are_fine(tmp_path):
    directory = build(tmp_path / "links", "-Wl,--no-as-needed", "-lcrypto", manifest={"links": ["libcrypto.so"]}, fixture=False)
    assert not any(name.startswith("it links") for name in check(directory)[1])


def test_a_library_from_elsewhere(tmp_path):
    directory = build(tmp_path / "good")
    elsewhere = tmp_path / "built.so"
    (directory / "plugin.so").rename(elsewhere)
    assert check(directory, "--library", str(elsewhere)) == (0, {})
    result = command("plugin", "check", str(directory))
    assert result.returncode == 1 and "plugin.so" in result.stdout


@pytest.mark.parametrize("fixture, place", [
    ("{", "not valid JSON"),
    ({"check": "word"}, "expected"),
    ({"check": "word", "expected": {}}, "expects nothing"),
    ({"check": "word", "expected": {"request": {"verdict": "maybe"}}, "request": {}}, "verdict"),
    ({"check": "word", "expected": {"answer": {}}}, "answer"),
    ({"check": "word", "endpoint": "proxy", "expected": {"request": {}}}, "endpoint"),
    ({"check": "word", "extra": 1, "expected": {"request": {}}}, "extra"),
])
def test_a_broken_fixture_is_named_with_its_place(tmp_path, fixture, place):
    directory = build(tmp_path / "good")
    (directory / "fixtures" / "word.json").write_text(fixture if isinstance(fixture, str) else json.dumps(fixture))
    result = command("plugin", "test", str(directory))
    assert result.returncode != 0 and "fixtures/word.json" in result.stderr and place in result.stderr


@pytest.mark.parametrize("change, reason", [
    ({"expected": {"request": {"passed": False}}}, "the check passed"),
    ({"expected": {"request": {"verdict": "deny"}}}, "the verdict is continue"),
    ({"expected": {"request": {"texts": ["another word"]}}}, "the texts are"),
    ({"expected": {"request": {"unchanged": False}}}, "not changed"),
    ({"expected": {"config_error": "/count"}}, "was taken"),
    ({"config": {"count": "x"}}, "/count"),
    ({"check": "words"}, "no check"),
])
def test_a_fixture_that_is_not_met_fails(tmp_path, change, reason):
    directory = build(tmp_path / "good")
    (directory / "fixtures" / "word.json").write_text(json.dumps(FIXTURE | change))
    result = command("plugin", "test", str(directory))
    assert result.returncode == 1 and reason in result.stdout and "0 passed, 1 failed" in result.stdout


def test_the_cost_is_told(tmp_path):
    result = command("plugin", "test", "--bench", str(build(tmp_path / "good")))
    assert result.returncode == 0 and "bad.word  1 KB" in result.stdout and "MB/s" in result.stdout


@pytest.mark.parametrize("source", ["Wordlist", "DefaultChecks", "OpenAI", "Anthropic", "Mock", "OutageAnswer"])
def test_what_ships_passes(stage, source):
    directory = ROOT / "Plugins" / source
    manifest = json.loads((directory / "plugin.json").read_text())
    library = stage / "lib" / "gatehouse" / "plugins" / manifest["id"] / manifest["library"]["linux-x86_64"]
    code, failed = check(directory, "--library", str(library))
    assert code == 0, failed
