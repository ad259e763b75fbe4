"""A process that dies inside of a plugin: the next one says where."""

from __future__ import annotations

import json
import os
import signal
import threading

import pytest

from gateway import Gateway, command, plugin_directory, until
from tester import do, guarded, install, library, marked, put, said

DIED = "the gateway died inside of a plugin"


def config(tmp_path, **plugins):
    return {"directories": [plugin_directory(), str(tmp_path / "plugins")], "state_directory": str(tmp_path / "state")} | plugins


def die(tmp_path, upstream, what, **more):
    """Runs a gateway into its end, and gives its status."""
    gateway = Gateway({"plugins": config(tmp_path)} | more)
    try:
        with gateway:
            try:
                guarded(gateway, upstream.base, do(what))
            except (OSError, EOFError, AssertionError):
                pass
            gateway.process.wait(60)
    except AssertionError:
        # Its end was not that of an orderly stop.
        pass
    return gateway.process.returncode


def died(gateway):
    return [line for line in gateway.log() if line.get("message") == DIED]


@pytest.mark.parametrize(("what", "check", "hook", "names"), [
    ("abort", {}, "on_request", "SIGABRT"),
    ("segv", {}, "on_request", "SIGSEGV"),
    ("overflow", {}, "on_request", "SIGSEGV"),
    ("segv", {"blocking": True}, "on_request", "SIGSEGV"),
    ("abort", {"blocking": True}, "on_request", "SIGABRT"),
    ("create_abort", {}, "create", "SIGABRT"),
    ("create_segv", {}, "create", "SIGSEGV"),
])
def test_the_next_start_names_plugin_and_hook(tmp_path, upstream, what, check, hook, names):
    hooks = {"hooks": {"on_request": {}, "on_response": {}}}
    install(tmp_path / "plugins", check=hooks | check)
    status = die(tmp_path, upstream, what)
    assert status == -signal.Signals[names], "it dies as it would have without the marker"
    with Gateway({"plugins": config(tmp_path)}) as gateway:
        line, = died(gateway)
        assert (line["plugin"], line["version"], line["hook"], line["signal"]) == ("tester", "1.0.0", hook, names)
        # It was only reported.
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0000"
    with Gateway({"plugins": config(tmp_path)}) as gateway:
        assert not died(gateway), "it is said once"
    file = tmp_path / "gatehouse.json"
    file.write_text(json.dumps({"plugins": config(tmp_path)}))
    listed = command("plugin", "list", "--config", str(file))
    assert f"the gateway died in {hook} of tester 1.0.0 ({names})" in listed.stdout, listed


def test_it_can_start_without_the_plugin(tmp_path, upstream):
    folder = install(tmp_path / "plugins")
    die(tmp_path, upstream, "segv")
    settings = config(tmp_path, after_crash="disable", watch=False)
    file = tmp_path / "gatehouse.json"
    file.write_text(json.dumps({"plugins": settings}))
    for _ in range(2):
        with Gateway({"plugins": settings}) as gateway:
            refusal, = [line for line in gateway.log() if line.get("message") == "plugin refused"]
            assert refusal["file"] == str(folder / "tester.so") and "in on_request of tester 1.0.0 (SIGSEGV)" in refusal["reason"]
            assert guarded(gateway, upstream.base, do("mark")).status == 400
    listed = command("plugin", "list", "--config", str(file))
    assert listed.returncode == 1 and "is disabled" in listed.stdout
    # Another library is another matter.
    put(folder / "tester.so", marked(2))
    with Gateway({"plugins": settings}) as gateway:
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0002"
    put(folder / "tester.so", library())
    assert command("plugin", "enable", "tester", "--config", str(file)).returncode == 0
    assert command("plugin", "enable", "tester", "--config", str(file)).returncode == 1
    with Gateway({"plugins": settings}) as gateway:
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0000"


def test_a_mandatory_guard_that_is_disabled_keeps_the_gateway_from_starting(tmp_path, upstream):
    install(tmp_path / "plugins")
    die(tmp_path, upstream, "segv")
    file = tmp_path / "gatehouse.json"
    file.write_text(json.dumps({
        "listen": {"port": 0}, "plugins": config(tmp_path, after_crash="disable"), "defaults": {"input_guardrails": [do("mark")]}}))
    ended = command("serve", "--config", str(file))
    assert ended.returncode == 1
    assert "is disabled: the gateway died in on_request of tester" in ended.stderr
    assert "defaults,input_guardrails,0,tester.do" in ended.stderr


def test_an_orderly_stop_leaves_nothing_to_say(tmp_path, upstream):
    install(tmp_path / "plugins")
    with Gateway({"plugins": config(tmp_path)}) as gateway:
        guarded(gateway, upstream.base, do("mark"))
        assert len(os.listdir(tmp_path / "state" / "running")) == 1
    assert os.listdir(tmp_path / "state" / "running") == []
    with Gateway({"plugins": config(tmp_path)}) as gateway:
        assert not [line for line in gateway.log() if "died" in line.get("message", "") or "without a word" in line.get("message", "")]


@pytest.mark.parametrize("ended_by", ["kill", "exit"])
def test_an_end_without_a_signal_of_its_own_names_what_ran(tmp_path, upstream, ended_by):
    install(tmp_path / "plugins", check={"hooks": {"on_request": {}, "on_response": {}}, "blocking": True})
    gateway = Gateway({"plugins": config(tmp_path)})
    with pytest.raises(AssertionError, match="ended with"):
        with gateway:
            if ended_by == "exit":
                with pytest.raises((OSError, EOFError, AssertionError)):
                    guarded(gateway, upstream.base, do("exit"))
            else:
                threading.Thread(target=lambda: _quietly(guarded, gateway, upstream.base, do("sleep")), daemon=True).start()
                marker = next((tmp_path / "state" / "running").iterdir())
                # A slot's first byte is the call, and 4 is on_request; before it a thread may be in another plugin's create.
                until(lambda: 4 in marker.read_bytes()[4096:20480:64], "the call")
                gateway.signal(signal.SIGKILL)
            gateway.process.wait(60)
    with Gateway({"plugins": config(tmp_path, after_crash="disable")}) as gateway:
        line, = [line for line in gateway.log() if line.get("message") == "the gateway was ended without a word while plugins ran"]
        assert line["running"] == "on_request of tester"
        # Nobody is to blame for certain.
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0000"


def _quietly(call, *arguments):
    try:
        call(*arguments)
    except Exception:
        pass


def test_the_marker_of_a_living_gateway_is_left_alone(tmp_path, upstream):
    install(tmp_path / "plugins")
    with Gateway({"plugins": config(tmp_path)}) as first:
        with Gateway({"plugins": config(tmp_path)}) as second:
            assert said(guarded(second, upstream.base, do("mark"))) == "mark:0000"
            assert len(os.listdir(tmp_path / "state" / "running")) == 2
        assert len(os.listdir(tmp_path / "state" / "running")) == 1
        assert not died(first)


def test_a_state_directory_that_cannot_be_written_is_no_reason_not_to_run(tmp_path, upstream):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "running").write_text("a file in the way")
    install(tmp_path / "plugins")
    with Gateway({"plugins": config(tmp_path)}) as gateway:
        assert [line for line in gateway.log() if line.get("message") == "calls of plugins are not marked"]
        assert said(guarded(gateway, upstream.base, do("mark"))) == "mark:0000"
