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
import tempfile

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "BlackBox"))

from fixtures import _clean, upstream  # noqa: E402, F401
from growth import grown  # noqa: E402


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


# The minors that were released, "1.0" and later: their headers, and a plugin of that day.
FROZEN = sorted(path.name for path in (HERE / "Frozen").iterdir())
SHARED = ["-fPIC", "-shared", "-fvisibility=hidden"]


def compile_trio(directory: pathlib.Path, language: str) -> pathlib.Path:
    """Makes a plugin directory of the three checks in a language: "c", "c++" or "swift"; "grown" is C with headers of a later minor;
    a released minor is its own C source with its own headers."""
    source, include = HERE / "languages", ROOT / "include"
    if language in FROZEN:
        source = HERE / "Frozen" / language
        include = source / "include"
    directory.mkdir(parents=True)
    if language == "grown":
        include = grown(include, directory.parent / "grown-include")
    library = directory / "plugin.so"
    one_symbol = f"-Wl,--version-script={ROOT}/Sources/PluginSDK/plugin.map"
    if language == "swift":
        compile_swift(source / "trio.swift", library, include)
    elif language == "c++":
        run(os.environ.get("CXX", "c++"), "-std=c++17", *SHARED, one_symbol, "-I", include, source / "trio.cpp", "-o", library)
    else:
        run(os.environ.get("CC", "cc"), "-std=c99", *SHARED, "-I", include, source / "trio.c", "-o", library)
    shutil.copy(source / "plugin.json", directory)
    return directory


def compile_swift(source: pathlib.Path, library: pathlib.Path, include: pathlib.Path) -> None:
    """A plugin in Swift, and the SDK with it, against these headers."""
    with tempfile.TemporaryDirectory() as work:
        strict = [
            "-O", "-swift-version", "6", "-parse-as-library", "-I", include, "-enable-upcoming-feature", "InternalImportsByDefault",
            "-enable-upcoming-feature", "MemberImportVisibility", "-enable-upcoming-feature", "ExistentialAny"]
        if not (include / "module.modulemap").exists():
            shutil.copy(ROOT / "include" / "module.modulemap", include)
        run("swiftc", *strict, "-module-name", "PluginSDK", "-emit-module", "-emit-module-path", f"{work}/PluginSDK.swiftmodule", "-wmo",
            "-emit-object", "-o", f"{work}/PluginSDK.o", *sorted((ROOT / "Sources" / "PluginSDK").glob("*.swift")))
        run("swiftc", *strict, "-module-name", source.stem, "-emit-library", "-I", work, source, f"{work}/PluginSDK.o", "-o", library,
            "-no-toolchain-stdlib-rpath", "-Xlinker", f"--version-script={ROOT}/Sources/PluginSDK/plugin.map")


def run(*command: object, **options) -> subprocess.CompletedProcess[str]:
    """Runs a command that has to succeed."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}"
    return result


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
