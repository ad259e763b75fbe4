"""New, changed and removed plugins while the gateway runs."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import re
import signal
import threading

import upstream as u
from client import ask, chat
from gateway import until
from tester import do, guarded, install, manifest, marked, put, said, serve


def lines(gateway, message):
    return [line for line in gateway.log() if line.get("message") == message]


def reload(gateway):
    """SIGHUP, and until it was done."""
    before = generation(gateway)
    gateway.signal(signal.SIGHUP)
    until(lambda: generation(gateway) > before, "the next generation")


def fail_to_reload(gateway):
    """SIGHUP, and what was said against it."""
    failed = "the new configuration cannot be used; the old one stays"
    seen = len(lines(gateway, failed))
    gateway.signal(signal.SIGHUP)
    return until(lambda: lines(gateway, failed)[seen:], "the refusal")[0]["errors"]


def metric(gateway, name):
    found = re.search(rf"^{name} (\S+)$", ask(gateway, "GET", "/metrics").text, re.M)
    assert found, name
    return int(float(found[1]))


def generation(gateway):
    return ask(gateway, "GET", "/health").json["generation"]


# MARK: What is picked up

def test_a_new_a_changed_and_a_removed_plugin_are_noticed(tmp_path, upstream):
    with serve(tmp_path) as gateway:
        assert guarded(gateway, upstream.base, do("mark")).status == 400, "there is no such check yet"
        folder = install(tmp_path, marked(1))
        until(lambda: guarded(gateway, upstream.base, do("mark")).status == 451, "the new plugin")
        put(folder / "tester.so", marked(2))
        until(lambda: said(guarded(gateway, upstream.base, do("mark"))) == "mark:0002", "the changed library")
        put(folder / "plugin.json", manifest(checks={"other": {"hooks": {"on_request": {}}}}))
        until(lambda: guarded(gateway, upstream.base, do("mark")).status == 400, "the changed manifest")
        put(folder / "plugin.json", manifest())
        until(lambda: guarded(gateway, upstream.base, do("mark")).status == 451, "the old manifest")
        (folder / "plugin.json").unlink()
        (folder / "tester.so").unlink()
        folder.rmdir()
        until(lambda: guarded(gateway, upstream.base, do("mark")).status == 400, "the removal")


def watches(gateway):
    links = pathlib.Path(f"/proc/{gateway.process.pid}/fd")
    return "anon_inode:inotify" in [os.readlink(link) for link in links.iterdir()]


def test_without_the_watch_only_a_signal_counts(tmp_path, upstream):
    folder = install(tmp_path, marked(1))
    with serve(tmp_path) as gateway:
        assert watches(gateway)
    with serve(tmp_path, {"watch": False}) as gateway:
        assert not watches(gateway)
        put(folder / "tester.so", marked(2))
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0001"
        reload(gateway)
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0002"


def test_unchanged_files_are_no_new_generation(tmp_path, upstream):
    folder = install(tmp_path, marked(1))
    with serve(tmp_path) as gateway:
        before = generation(gateway)
        put(folder / "tester.so", marked(1))
        put(folder / "plugin.json", manifest())
        # Another plugin, later: when it is there, the first change has been looked at, and one generation was made.
        other = tmp_path / "other"
        other.mkdir()
        put(other / "plugin.so", marked(3, 'ID="other"'))
        put(other / "plugin.json", manifest(id="other", library={"linux-x86_64": "plugin.so", "linux-aarch64": "plugin.so"}))
        until(lambda: lines(gateway, "plugins reloaded"), "the reload")
        loaded = [line["id"] for line in lines(gateway, "plugin loaded")]
        assert loaded.count("tester") == 1 and loaded.count("other") == 1
        assert generation(gateway) > before
        touched = len(lines(gateway, "plugins reloaded"))
        now = generation(gateway)
        put(folder / "tester.so", marked(1))
        # Nothing happens; what would be next does.
        put(other / "plugin.so", marked(4, 'ID="other"'))
        until(lambda: len(lines(gateway, "plugins reloaded")) > touched, "the next reload")
        assert generation(gateway) == now + 1


def test_bytes_written_over_a_loaded_library_do_nothing(tmp_path, upstream):
    folder = install(tmp_path, marked(1))
    with serve(tmp_path) as gateway:
        file = folder / "tester.so"
        file.write_bytes(b"\xcc" * file.stat().st_size)
        line = gateway.wait_for_line(lambda line: line.get("message") == "the changed plugins cannot be used; the old ones stay")
        assert str(file) in line["errors"] and "is not an ELF file" in line["errors"]
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0001"
        file.write_bytes(marked(2))
        until(lambda: said(guarded(gateway, upstream.base, do("mark"))) == "mark:0002", "the whole file")


# MARK: What fails

def test_a_reload_that_fails_leaves_everything_as_it_was(tmp_path, upstream):
    folder = install(tmp_path, marked(1))
    guard = {"input_guardrails": [do("mark")]}
    provider = {"main": {"provider": "openai", "base_url": upstream.base, "api_key": "k"}}
    with serve(tmp_path, {"watch": False}, providers=provider, defaults={"provider": "main"} | guard) as gateway:
        def is_old():
            return said(chat(gateway)) == "mark:0001" and generation(gateway) == before

        before = generation(gateway)
        cases = [
            ("plugin.json", b'{"manifest": 1,', "is not valid JSON"),
            ("plugin.json", manifest(version="2.0.0"), 'says that its version is "1.0.0"'),
            ("plugin.json", manifest(colour="red"), "/colour: unknown member"),
            ("tester.so", b"no library", "is not an ELF file"),
            ("tester.so", marked(2)[:5000], ""),
            ("tester.so", marked(2, "REFUSES"), "not in this version"),
        ]
        good = {name: (folder / name).read_bytes() for name in ("plugin.json", "tester.so")}
        for name, content, reason in cases:
            put(folder / name, content)
            errors = fail_to_reload(gateway)
            assert reason in errors, errors
            assert str(folder) in errors
            assert is_old()
            put(folder / name, good[name])
        (folder / "plugin.json").unlink()
        fail_to_reload(gateway)
        assert is_old()
        # A plugin that is new and broken does not come in by halves.
        put(folder / "plugin.json", good["plugin.json"])
        put(folder / "tester.so", marked(5))
        broken = tmp_path / "broken"
        broken.mkdir()
        (broken / "plugin.json").write_text("{}")
        assert str(broken) in fail_to_reload(gateway) and is_old()
        (broken / "plugin.json").unlink()
        broken.rmdir()
        reload(gateway)
        assert said(chat(gateway)) == "mark:0005"


def test_a_create_that_hangs_holds_up_neither_exchanges_nor_the_end(tmp_path, upstream):
    install(tmp_path, marked(1))
    guard = {"tester.do": {"do": "create_sleep"}}
    provider = {"main": {"provider": "openai", "base_url": upstream.base, "api_key": "k"}}
    with serve(tmp_path, {"watch": False}, providers=provider, defaults={"provider": "main"}) as gateway:
        gateway.reload(gateway.config | {"defaults": {"provider": "main", "input_guardrails": [guard]}})
        maps = pathlib.Path(gateway.path, "state", "running", str(gateway.process.pid))
        until(lambda: any(maps.read_bytes()[4096:20480]), "create()")
        assert chat(gateway).status == 200
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(30) == 0


# MARK: Generations

def test_a_running_exchange_ends_on_its_own_generation(tmp_path, upstream):
    folder = install(tmp_path, marked(1))
    with serve(tmp_path, {"watch": False}) as gateway:
        gate = upstream.gate()
        base = upstream.script(u.waits(gate, u.says("late")))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(guarded, gateway, base, do("answer_mark"), side="output")
            until(lambda: upstream.at(base), "the request upstream")
            put(folder / "tester.so", marked(2))
            reload(gateway)
            assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0002"
            gate.open()
            assert said(running.result()) == "mark:0001"
        until(lambda: metric(gateway, "gatehouse_plugin_instances_retired") == 0, "the end of the old instances")


def test_an_instance_that_a_call_holds_is_said_and_not_destroyed(tmp_path, upstream):
    folder = install(tmp_path, marked(1))
    with serve(tmp_path, {"watch": False, "retire_grace_ms": 1, "settings": {"tester": {"timeout_ms": 50}}}) as gateway:
        guarded(gateway, upstream.base, do("pend_forever"))
        put(folder / "tester.so", marked(2))
        reload(gateway)
        line = gateway.wait_for_line(lambda line: line.get("message") == "instances of a replaced generation are still in use")
        assert line["instances"] == "tester.do"
        assert metric(gateway, "gatehouse_plugin_instances_retired") >= 1
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0002"


def test_two_hundred_reloads_under_load_fail_no_exchange(tmp_path, upstream):
    folder = install(tmp_path, marked(1))
    with serve(tmp_path, {"watch": False}) as gateway:
        resident = metric(gateway, "gatehouse_plugin_generations_resident")
        stop = threading.Event()
        # The newest number that some reload has brought for certain, and the newest that may be there.
        brought, tried = [1], [1]
        wrong, count = [], [0, 0]

        def load(kind):
            while not stop.is_set():
                least = brought[0]
                # The same config each time: its plan is kept, and must not outlive its generation.
                answer = guarded(gateway, upstream.base, do("mark")) if kind else guarded(gateway, upstream.base)
                most = tried[0]
                count[kind] += 1
                if kind and not (answer.status == 451 and least <= int(answer.error["message"][5:]) <= most):
                    wrong.append((least, most, repr(answer)))
                if not kind and answer.status != 200:
                    wrong.append(repr(answer))

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            loads = [pool.submit(load, number % 2) for number in range(4)]
            try:
                for number in range(2, 202):
                    tried[0] = number
                    put(folder / "tester.so", marked(number))
                    reload(gateway)
                    brought[0] = number
            finally:
                stop.set()
            for job in loads:
                job.result()
        assert not wrong, wrong[:3]
        assert min(count) > 200, f"too few exchanges to say anything: {count}"
        assert metric(gateway, "gatehouse_plugin_generations_resident") == resident + 200
        until(lambda: metric(gateway, "gatehouse_plugin_instances_retired") == 0, "the end of the old instances")
        # A library that was there before is not mapped again.
        put(folder / "tester.so", marked(7))
        reload(gateway)
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0007"
        assert metric(gateway, "gatehouse_plugin_generations_resident") == resident + 200
