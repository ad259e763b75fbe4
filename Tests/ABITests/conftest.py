"""The plugin ABI from outside: plugins in C, compiled here with bare `cc`, in the real binary.

    pytest Tests/ABITests

takes the debug build of this tree, or the installed tree that GATEHOUSE_STAGE names. Client, gateway and upstream are those of
Tests/BlackBox.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "BlackBox"))

from fixtures import _clean, upstream  # noqa: E402, F401


def compile_plugin(directory: pathlib.Path, source: str, *defines: str, **manifest: object) -> pathlib.Path:
    """Makes a plugin directory out of plugins/<source>. `manifest` says other things than its plugin.json."""
    directory.mkdir(parents=True, exist_ok=True)
    file = HERE / "plugins" / source / (source.replace("-", "_") + ".c")
    fresh = directory / "plugin.so.new"
    subprocess.run(
        [os.environ.get("CC", "cc"), "-fPIC", "-shared", "-fvisibility=hidden", "-I", str(ROOT / "include"),
         *(f"-D{define}" for define in defines), str(file), "-o", str(fresh)], check=True)
    fresh.rename(directory / "plugin.so")
    told = file.parent / "plugin.json"
    base = json.loads(told.read_text()) if told.exists() else {
        "manifest": 1, "id": source, "version": "1.0.0", "abi": {"major": 1},
        "library": {"linux-x86_64": "plugin.so", "linux-aarch64": "plugin.so"}, "checks": {"check": {"hooks": {"on_request": {}}}}}
    (directory / "plugin.json").write_text(json.dumps(base | manifest))
    return directory


@pytest.fixture(scope="session", autouse=True)
def stage(tmp_path_factory):
    """An installed tree of the debug build, unless somebody made one."""
    if "GATEHOUSE_STAGE" not in os.environ:
        build, tree = ROOT / ".build" / "debug", tmp_path_factory.mktemp("stage")
        (tree / "bin").mkdir()
        (tree / "bin" / "gatehouse").symlink_to(build / "gatehouse")
        for manifest in ROOT.glob("Plugins/*/plugin.json"):
            library = json.loads(manifest.read_text())["library"]["linux-x86_64"]
            if (build / library).exists():
                plugin = tree / "lib" / "gatehouse" / "plugins" / manifest.parent.name
                shutil.copytree(manifest.parent, plugin, ignore=shutil.ignore_patterns("Sources", "*.c", "*.so"))
                shutil.copy(build / library, plugin / library)
        os.environ["GATEHOUSE_STAGE"] = str(tree)
    return pathlib.Path(os.environ["GATEHOUSE_STAGE"])


@pytest.fixture(scope="session")
def plugins(stage, tmp_path_factory):
    """A directory with the test plugins."""
    directory = tmp_path_factory.mktemp("plugins")
    for source in ["redactor", "pending-guard", "behaviours", "services", "coverage"]:
        compile_plugin(directory / source, source)
    return directory
