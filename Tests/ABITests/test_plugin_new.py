"""`gatehouse plugin new`: what it writes builds with one command, and passes check and test."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import pytest

from conftest import ROOT


def gatehouse(stage: pathlib.Path, *arguments: str, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(stage / "bin" / "gatehouse"), *arguments], capture_output=True, text=True, timeout=600, **options)


def installed(stage: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A prefix with templates and headers: the stage, or one made of this tree."""
    if (stage / "share" / "gatehouse" / "templates").exists():
        return stage
    prefix = tmp_path / "prefix"
    shutil.copytree(ROOT / "Plugins" / "Templates", prefix / "share" / "gatehouse" / "templates")
    shutil.copytree(ROOT / "include", prefix / "include")
    shutil.copytree(ROOT / "include", prefix / "share" / "gatehouse" / "sdk" / "include")
    shutil.copytree(ROOT / "Sources" / "PluginSDK", prefix / "share" / "gatehouse" / "sdk" / "Sources" / "PluginSDK")
    shutil.copy(ROOT / "Sources" / "Distribution" / "sdk.Package.swift", prefix / "share" / "gatehouse" / "sdk" / "Package.swift")
    return prefix


@pytest.mark.parametrize("language, build", [("c", ["make"]), ("swift", ["./build.sh"])])
def test_a_new_plugin_builds_and_passes(tmp_path, stage, language, build):
    prefix, project = installed(stage, tmp_path), tmp_path / "project"
    made = gatehouse(stage, "plugin", "new", "--lang", language, "my-guard", "--directory", str(project), "--prefix", str(prefix))
    assert made.returncode == 0, made.stderr
    assert json.loads((project / "plugin.json").read_text())["id"] == "my-guard"
    built = subprocess.run(build, cwd=project, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    for command in ["check", "test"]:
        result = gatehouse(stage, "plugin", command, str(project))
        assert result.returncode == 0 and " 0 failed" in result.stdout, result.stdout + result.stderr
    again = gatehouse(stage, "plugin", "new", "--lang", language, "my-guard", "--directory", str(project), "--prefix", str(prefix))
    assert again.returncode != 0 and "is there already" in again.stderr


@pytest.mark.parametrize("name, type_name", [("plugin", "PluginGuard"), ("string", "StringGuard"), ("swift", "SwiftGuard"), ("a-1--b", "A1B")])
def test_a_name_that_swift_has_taken(tmp_path, stage, name, type_name):
    prefix, project = installed(stage, tmp_path), tmp_path / "project"
    made = gatehouse(stage, "plugin", "new", "--lang", "swift", name, "--directory", str(project), "--prefix", str(prefix))
    assert made.returncode == 0, made.stderr
    code = (project / "Sources" / type_name / f"{type_name}.swift").read_text()
    assert f"struct {type_name}: Guardrail" in code and f'Plugin(id: "{name}"' in code
    assert json.loads((project / "plugin.json").read_text())["library"]["linux-x86_64"] == f"lib{type_name}.so"


@pytest.mark.parametrize("name", ["My-Guard", "1guard", "a/b", "a.b", "guard-", ""])
def test_a_wrong_name_is_refused(tmp_path, stage, name):
    result = gatehouse(stage, "plugin", "new", "--lang", "c", name, "--directory", str(tmp_path / "p"), "--prefix", str(tmp_path))
    assert result.returncode != 0 and "is no name of a plugin" in result.stderr
    assert not (tmp_path / "p").exists()
