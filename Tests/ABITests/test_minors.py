"""Old plugins in new hosts and new plugins in old hosts.

The promise is: what was compiled with the headers of 1.x runs in every host 1.y with y >= x, and in an older one that has what it
needs. The old and the new of each side are made here: by the headers and the plugins that freeze.sh has kept, and by headers that
growth.py has let grow. Old hosts are Tests/PluginDriver, whose structs end at pages that cannot be read: whoever takes one for a
larger one falls.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

import upstream as u  # noqa: F401
from client import chat, config_header, target
from conftest import FROZEN, HERE, ROOT, SHARED, compile_swift, compile_trio, run
from gateway import Gateway, plugin_directory
from growth import grown
from layout_of import clang

INCLUDE = ROOT / "include"
COMPILERS = {"gcc": "gcc", "clang": clang()}


def said(include: pathlib.Path, name: str) -> int:
    return int(re.search(rf"#define GH_ABI_{name} (\d+)", (include / "gatehouse" / "abi.h").read_text())[1])


def frozen_test(version: str) -> pathlib.Path:
    return HERE / "Frozen" / version / f"frozen_{version.replace('.', '_')}.c"


# MARK: What was released stays

@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("version", FROZEN)
def test_todays_headers_keep_what_was_released(tmp_path, version, compiler):
    run(COMPILERS[compiler], "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", INCLUDE, frozen_test(version), "-o", tmp_path / "frozen")
    run(tmp_path / "frozen")


def test_the_newest_minor_is_kept_as_it_is():
    """Comments may change, nothing else. Before the release, run freeze.sh again; after it, what differs belongs to the next minor."""
    version = f"{said(INCLUDE, 'MAJOR')}.{said(INCLUDE, 'MINOR')}"
    assert version in FROZEN, f"run Tests/ABITests/freeze.sh {version}"

    def bare(include: pathlib.Path) -> str:
        return run("gcc", "-E", "-P", "-dD", "-I", include, "-include", "gatehouse/gatehouse.h", "-x", "c", "/dev/null").stdout

    assert bare(INCLUDE) == bare(HERE / "Frozen" / version / "include"), f"a released minor stays as it is: append, raise GH_ABI_MINOR, and freeze that"


# Changes that break compiled plugins, each by a replacement in one header.
BREAKS = {
    "a member inserted": ("hooks.h", "  uint32_t retry_after_ms;\n  uint32_t flags;      /*", "  uint32_t retry_after_ms;\n  uint64_t more;\n  uint32_t flags;      /*"),
    "members swapped": ("abi.h", "  const char *ptr;\n  size_t len;\n} gh_str;", "  size_t len;\n  const char *ptr;\n} gh_str;"),
    "a member removed": ("hooks.h", "  void (*on_done)(void *self, const gh_exchange *);\n", ""),
    "another type": ("host.h", "(const gh_host *, int32_t level,", "(const gh_host *, int64_t level,"),
    "a value struct grows": ("abi.h", "  size_t len;\n} gh_str;", "  size_t len;\n  size_t more;\n} gh_str;"),
    "another constant": ("hooks.h", "GH_DENY = 1,", "GH_DENY = 6,"),
    "constants swapped": ("abi.h", "GH_GONE = -2, ", "GH_GONE = -3, "),
    "another string": ("plugin.h", '"gh.hooks/1"', '"gh.hooks/2"'),
    "another typedef": ("abi.h", "typedef uint64_t gh_token;", "typedef uint32_t gh_token;"),
    "another argument of the entry": ("plugin.h", "gh_plugin_entry_v1(const gh_host *host);", "gh_plugin_entry_v1(gh_host *host);"),
}


@pytest.mark.parametrize("change", BREAKS)
def test_the_frozen_test_refuses(tmp_path, change):
    header, old, new = BREAKS[change]
    include = shutil.copytree(HERE / "Frozen" / FROZEN[0] / "include" / "gatehouse", tmp_path / "gatehouse") / header
    text = include.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {header}"
    include.write_text(text.replace(old, new))
    for compiler in COMPILERS.values():
        built = subprocess.run([compiler, "-std=c11", f"-I{tmp_path}", str(frozen_test(FROZEN[0])), "-o", str(tmp_path / "frozen")], capture_output=True, text=True)
        assert built.returncode != 0 or subprocess.run([str(tmp_path / "frozen")], capture_output=True).returncode != 0, change


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_frozen_test_lets_structs_grow(tmp_path, compiler):
    include = grown(HERE / "Frozen" / FROZEN[0] / "include", tmp_path / "include")
    run(COMPILERS[compiler], "-std=c11", "-Werror", "-I", include, frozen_test(FROZEN[0]), "-o", tmp_path / "frozen")
    run(tmp_path / "frozen")


# MARK: Hosts and plugins, old and new

@pytest.fixture(scope="session")
def later_include(tmp_path_factory):
    return grown(INCLUDE, tmp_path_factory.mktemp("grown") / "include")


def compile_driver(include: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    pcre = run("pkg-config", "--cflags", "--libs", "libpcre2-8").stdout.split()
    run("gcc", "-std=gnu11", "-O1", "-I", include, ROOT / "Tests" / "PluginDriver" / "driver.c", "-o", target, *pcre, "-ldl")
    return target


@pytest.fixture(scope="session")
def hosts(tmp_path_factory, later_include):
    """Today's host and a later one."""
    directory = tmp_path_factory.mktemp("hosts")
    return {"today": compile_driver(INCLUDE, directory / "today"), "later": compile_driver(later_include, directory / "later")}


@pytest.fixture(scope="session")
def libraries(tmp_path_factory, later_include):
    """Each plugin with its cases, by a name that says with which headers it was compiled."""
    directory = tmp_path_factory.mktemp("libraries")
    found: dict[str, tuple[pathlib.Path, pathlib.Path]] = {}

    def add(name: str, library: pathlib.Path, cases: str) -> None:
        found[name] = (library, HERE / "cases" / f"{cases}.txt")

    for name, include in (("", INCLUDE), ("later-", later_include)):
        template = directory / f"{name}no-links.so"
        run("gcc", "-std=c99", *SHARED, "-I", include, ROOT / "Plugins" / "Templates" / "c" / "no_links.c", "-o", template)
        add(f"{name}c-template", template, "no-links")
        template = directory / f"{name}mask.so"
        compile_swift(ROOT / "Plugins" / "Templates" / "swift" / "Sources" / "MaskDigits" / "MaskDigits.swift", template, include)
        add(f"{name}swift-template", template, "mask")
    for language in ["c", "c++", "swift", "grown", *FROZEN]:
        add(f"trio-{language}", compile_trio(directory / f"trio-{language}" / "trio", language) / "plugin.so", "trio")
    later = directory / "later.so"
    run("gcc", "-std=c99", *SHARED, "-I", later_include, HERE / "plugins" / "later" / "later.c", "-o", later)
    found["later"] = (later, later)
    return found


NAMES = ["c-template", "swift-template", "later-c-template", "later-swift-template", "trio-c", "trio-c++", "trio-swift", "trio-grown",
         *[f"trio-{version}" for version in FROZEN]]


def play(host: pathlib.Path, library: pathlib.Path, cases: pathlib.Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Plays cases; a fall is a negative return code."""
    runtime = pathlib.Path(os.environ["GATEHOUSE_STAGE"]) / "lib" / "gatehouse" / "swift"
    target = json.loads(run("swiftc", "-print-target-info").stdout)["paths"]["runtimeLibraryPaths"][0]
    environment = os.environ | {"LD_LIBRARY_PATH": f"{runtime}:{target}"}
    return subprocess.run([str(host), *map(str, options), str(library), str(cases)], capture_output=True, text=True, env=environment, timeout=120)


def size_of_host(include: pathlib.Path, tmp_path: pathlib.Path) -> int:
    (tmp_path / "size.c").write_text('#include <stdio.h>\n#include "gatehouse/gatehouse.h"\nint main(void) { printf("%zu", sizeof(gh_host)); return 0; }\n')
    run("gcc", "-I", include, tmp_path / "size.c", "-o", tmp_path / "size")
    return int(run(tmp_path / "size").stdout)


@pytest.mark.parametrize("age", ["today", "later"])
@pytest.mark.parametrize("name", NAMES)
def test_plugins_of_each_age_run_in_hosts_of_each_age(hosts, libraries, name, age):
    result = play(hosts[age], *libraries[name])
    assert result.returncode == 0 and " 0 failures" in result.stdout, f"{result.returncode}\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("name", NAMES)
def test_a_table_that_is_too_small_is_refused(hosts, libraries, tmp_path, name):
    """No such host was released. Whoever reads past its table falls at the page behind it."""
    for size in [4, *range(8, size_of_host(INCLUDE, tmp_path), 8)]:
        result = play(hosts["today"], *libraries[name], "--host-size", size)
        assert result.returncode == 2 and "the plugin refused" in result.stderr, f"{size} bytes: {result.returncode}\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("name", NAMES)
def test_later_tables_of_each_size_will_do(hosts, libraries, later_include, tmp_path, name):
    for size in range(size_of_host(INCLUDE, tmp_path), size_of_host(later_include, tmp_path) + 1, 4):
        result = play(hosts["later"], *libraries[name], "--host-size", size)
        assert result.returncode == 0, f"{size} bytes: {result.returncode}\n{result.stdout}{result.stderr}"


def test_a_plugin_finds_the_members_that_its_host_has(hosts, libraries, later_include, tmp_path):
    library, _ = libraries["later"]
    cases = tmp_path / "cases.txt"

    def finds(host: str, size: int) -> list[int]:
        cases.write_text("case ask\ncheck ask\nexpect data ?\n")
        result = play(hosts[host], library, cases, "--host-size", size)
        assert result.returncode == 1, f"{result.returncode}\n{result.stdout}{result.stderr}"
        return json.loads(re.search(r"got +(\[.*\])", result.stdout)[1])

    small, large = size_of_host(INCLUDE, tmp_path), size_of_host(later_include, tmp_path)
    assert large == small + 16
    assert finds("today", small) == [0, 0, 0]
    # A member counts when all of it is there.
    assert [finds("later", size) for size in range(small, large + 1, 4)] == [[0, 0, 1], [0, 0, 1], [7, 0, 1], [7, 0, 1], [7, 7, 1]]


@pytest.mark.parametrize("mistake", ["TRUSTS_THE_TABLE", "TRUSTS_THE_DECISION"])
def test_who_does_not_ask_falls_in_an_old_host(hosts, later_include, tmp_path, mistake):
    """The bad plugin of the tests above: they would see one."""
    library, cases = tmp_path / "later.so", tmp_path / "cases.txt"
    run("gcc", "-std=c99", *SHARED, f"-D{mistake}", "-I", later_include, HERE / "plugins" / "later" / "later.c", "-o", library)
    cases.write_text("case ask\ncheck ask\nexpect pass\n")
    fallen = play(hosts["today"], library, cases, "--host-size", size_of_host(INCLUDE, tmp_path))
    assert fallen.returncode == -signal.SIGSEGV, f"{fallen.returncode}\n{fallen.stdout}{fallen.stderr}"
    assert play(hosts["later"], library, cases).returncode == 0


def test_a_missing_extension_is_told_and_not_called(hosts, stage):
    library = stage / "lib" / "gatehouse" / "plugins" / "default" / "libDefaultChecks.so"
    result = play(hosts["today"], library, HERE / "cases" / "no-regex.txt", "--without", "gh.regex/1")
    assert result.returncode == 0 and " 0 failures" in result.stdout, f"{result.returncode}\n{result.stdout}{result.stderr}"


def test_the_gateway_refuses_members_that_it_does_not_know(stage, upstream, later_include, tmp_path):
    """A later plugin's struct with a new member set asks for something that this host would not do: it must be told."""
    directory = tmp_path / "plugins" / "later"
    directory.mkdir(parents=True)
    run("gcc", "-std=c99", *SHARED, "-I", later_include, HERE / "plugins" / "later" / "later.c", "-o", directory / "plugin.so")
    shutil.copy(HERE / "plugins" / "later" / "plugin.json", directory)
    with Gateway({"plugins": {"directories": [plugin_directory(), str(tmp_path / "plugins")]}}) as gateway:
        told = chat(gateway, config_header(target(upstream.base, input_guardrails=[{"later.tell": {}}])))
        # GH_OK and the text; no token for the request with a set member, one without; GH_UNSUPPORTED.
        assert told.status == 451 and told.error["message"] == "segment 0 Say hello. 1, fetch 0 1, complete -3", told
        asked = chat(gateway, config_header(target(upstream.base, input_guardrails=[{"later.ask": {}}])))
        assert asked.status == 200, asked
        assert asked.json["hook_results"]["before_request_hooks"][0]["checks"][0]["data"] == [0, 0, 0], asked
