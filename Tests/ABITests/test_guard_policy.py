"""When guards run and what becomes of their verdicts: beside the upstream call, in the shadow, at the same time, behind a breaker; and
guards that put back into the answer what they took out of the request."""

from __future__ import annotations

import json
import time

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, new_trace, said, target
from gateway import until
from test_abi import serve
from test_receipts import RECEIPTS, guarded, none_of, only, receipts


@pytest.fixture(scope="module")
def gateway(plugins):
    with serve(plugins, log={"access": True, "format": "json"}) as gateway:
        yield gateway


def judge(base, **more):
    return {"pending-guard.judge": {"url": base + "/judge"}} | more


def allows(allow):
    return u.answer(json.dumps({"allow": allow}).encode().replace(b": ", b":"))


def start(connection, base, *guards, stream=False, **config):
    """Sends a chat request without waiting for its answer."""
    wanted = config_header(target(base, input_guardrails=list(guards), **config))
    body = json.dumps({"model": "m", "messages": HELLO, "stream": stream}).encode()
    connection.send_request("POST", "/v1/chat/completions", wanted | RECEIPTS, body)


# MARK: Beside

@pytest.mark.parametrize("stream", [False, True])
def test_a_guard_beside_lets_the_upstream_work_and_holds_the_answer(gateway, upstream, stream):
    gate = upstream.gate()
    judged = upstream.script(u.waits(gate, allows(True)))
    base = upstream.script(u.streams(u.chat_frames("Hel", "lo")) if stream else u.says("Hello"))
    with Connection(gateway) as connection:
        start(connection, base, judge(judged, run="beside"), stream=stream)
        upstream.wait(1, base)
        upstream.wait(1, judged)
        connection.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.read_head()
        connection.socket.settimeout(10)
        gate.open()
        answer = connection.read_answer("POST")
        assert answer.status == 200
        assert b"Hel" in answer.body


@pytest.mark.parametrize("stream", [False, True])
def test_a_denial_beside_ends_the_upstream_call(gateway, upstream, stream):
    gate = upstream.gate()
    left = []

    async def slow(incoming):
        await incoming.head(200, [u.SSE, ("transfer-encoding", "chunked")])
        await incoming.left()
        left.append(True)

    judged = upstream.script(u.waits(gate, allows(False)))
    base = upstream.script(slow)
    with Connection(gateway) as connection:
        start(connection, base, judge(judged, run="beside", deny=True), stream=stream)
        upstream.wait(1, base)
        gate.open()
        answer = connection.read_answer("POST")
        assert answer.status == 403 and answer.error["code"] == "judged"
        until(lambda: left, "the upstream to be left")


def test_a_guard_beside_that_denies_at_once_sends_nothing(gateway, upstream):
    answer = guarded(gateway, upstream.base, none_of("Say", deny=True, run="beside"))
    assert answer.status == 446 and not upstream.requests


def test_a_failing_guard_beside_is_closed(gateway, upstream):
    judged = upstream.script(u.fails(500))
    answer = guarded(gateway, upstream.base, judge(judged, run="beside", on_failure="closed"))
    assert answer.status == 502 and answer.error["code"] == "guardrail_failed"


def test_a_mandatory_guard_can_run_beside(plugins, upstream):
    with serve(plugins, defaults={"input_guardrails": [none_of("word", deny=True, run="beside")]}) as gateway:
        assert chat(gateway, config_header(target(upstream.base))).status == 200
        assert chat(gateway, config_header(target(upstream.base)), messages=[{"role": "user", "content": "word"}]).status == 446


# MARK: Shadow

def record_of(gateway, upstream, base, *guards, side="input", **more):
    trace = new_trace()
    answer = guarded(gateway, base, *guards, side=side, headers={"x-portkey-trace-id": trace}, **more)
    return answer, gateway.access_line(trace)["receipts"]


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_shadow_is_recorded_and_never_applied(gateway, upstream, side, stream):
    base = upstream.script(u.streams(u.chat_frames("Say ", "it.")) if stream else u.says("Say it."))
    live = none_of("never")
    shadow = none_of("Say", deny=True, shadow=True, id="next-version")
    answer, told = record_of(gateway, upstream, base, live, shadow, side=side, stream=stream)
    assert answer.status == 200
    assert [(receipt["mode"], receipt["verdict"]) for receipt in told] == [("enforced", "passed"), ("shadow", "failed")]
    assert told[1]["guardrail"] == "next-version" and told[1]["coverage"]["text"]["seen_bytes"] > 0


def test_a_shadow_changes_nothing(gateway, upstream):
    answer, told = record_of(gateway, upstream, upstream.base, {"regexReplace": {"rule": "hello"}, "shadow": True})
    assert answer.status == 200 and upstream.only.json["messages"] == HELLO
    assert told[0]["edits"] == 1 and told[0]["verdict"] == "edited"


def test_a_shadow_that_fails_closed_lets_everything_pass(gateway, upstream):
    judged = upstream.script(u.fails(500))
    answer, told = record_of(
        gateway, upstream, upstream.base, judge(judged, shadow=True, on_failure="closed", deny=True))
    assert answer.status == 200 and told[0]["verdict"] == "error" and "did not answer with 200" in told[0]["failure"]


def test_an_async_guard_has_its_receipt_too(gateway, upstream):
    _, told = record_of(gateway, upstream, upstream.base, none_of("x", **{"async": True}))
    assert told[0]["mode"] == "async"


# MARK: At the same time

def test_checks_that_wait_are_asked_together(gateway, upstream):
    gate = upstream.gate()
    first, second = (upstream.script(u.waits(gate, allows(True))) for _ in range(2))
    with Connection(gateway) as connection:
        start(connection, upstream.base, judge(first), judge(second))
        upstream.wait(1, first)
        upstream.wait(1, second)
        gate.open()
        answer = connection.read_answer("POST")
        assert answer.status == 200 and len(answer.json["receipts"]) == 2


def test_sequential_checks_are_asked_one_after_the_other(gateway, upstream):
    gate = upstream.gate()
    first, second = upstream.script(u.waits(gate, allows(True))), upstream.script(allows(True))
    with Connection(gateway) as connection:
        start(connection, upstream.base, judge(first, sequential=True), judge(second, sequential=True))
        upstream.wait(1, first)
        assert not upstream.at(second)
        gate.open()
        assert connection.read_answer("POST").status == 200
        assert len(upstream.at(second)) == 1


def test_the_first_denial_counts_whoever_answers_first(gateway, upstream):
    gate = upstream.gate()
    first, second = upstream.script(u.waits(gate, allows(False))), upstream.script(allows(True))
    with Connection(gateway) as connection:
        start(connection, upstream.base, judge(first), judge(second))
        upstream.wait(1, second)
        gate.open()
        answer = connection.read_answer("POST")
        assert answer.status == 403 and answer.error["code"] == "judged"


def test_one_that_was_asked_for_nothing_is_given_up(gateway, upstream):
    """The first one denies; the second, which hangs for a minute, holds nobody up."""
    first, second = upstream.script(allows(False)), upstream.script(u.hangs)
    started = time.monotonic()
    assert guarded(gateway, upstream.base, judge(first), judge(second, timeout_ms=60_000)).status == 403
    assert time.monotonic() - started < 30
    assert guarded(gateway, upstream.base, none_of("x")).status == 200


# MARK: The breaker

def test_a_breaker_stops_asking_and_stays_closed(gateway, upstream):
    judged = upstream.script(*[u.fails(500)] * 3, *[allows(True)] * 10)
    guard = judge(judged, on_failure="closed", breaker={"failures": 3, "open_ms": 60000}, id="breaks")
    for _ in range(6):
        answer = guarded(gateway, upstream.base, guard)
        assert answer.status == 502
    assert len(upstream.at(judged)) == 3
    receipt = only(answer)
    assert receipt["verdict"] == "error" and receipt["coverage"]["text"]["seen_bytes"] == 0


def test_a_breaker_tries_again(gateway, upstream):
    judged = upstream.script(u.fails(500), allows(True))
    guard = judge(judged, on_failure="closed", breaker={"failures": 1, "open_ms": 200}, id="tries")
    assert guarded(gateway, upstream.base, guard).status == 502
    until(lambda: guarded(gateway, upstream.base, guard).status == 200, "the breaker to close")


def test_an_open_guard_passes_while_its_breaker_is_open(gateway, upstream):
    judged = upstream.script(u.fails(500), allows(False))
    guard = judge(judged, breaker={"failures": 1, "open_ms": 60000}, id="open")
    assert guarded(gateway, upstream.base, guard).status == 200
    assert guarded(gateway, upstream.base, guard).status == 200
    assert len(upstream.at(judged)) == 1


# MARK: Retries

def test_a_guard_has_so_many_tries(gateway, upstream):
    base = upstream.script(*[u.says("one")] * 9)
    answer = guarded(gateway, base, {"coverage.again": {}, "max_guard_retries": 1}, side="output")
    assert len(upstream.at(base)) == 2
    assert answer.status == 246 and [receipt["verdict"] for receipt in receipts(answer)] == ["retried", "failed"]
    upstream.clear()
    answer = guarded(gateway, base, {"coverage.again": {}, "max_guard_retries": 1, "deny": True}, side="output")
    assert answer.status == 446 and len(upstream.at(base)) == 2


# MARK: Restoring

ASKS = [{"role": "user", "content": "Greet Ada Lovelace."}]


def test_what_was_replaced_comes_back(gateway, upstream):
    base = upstream.script(u.says("Hello <NAME_1>, dear <NAME_1>!"))
    answer = guarded(gateway, base, {"coverage.swap": {}}, messages=ASKS)
    assert upstream.at(base)[0].json["messages"][0]["content"] == "Greet <NAME_1>."
    assert answer.json["choices"][0]["message"]["content"] == "Hello Ada Lovelace, dear Ada Lovelace!"
    assert [(receipt["side"], receipt["verdict"], receipt["edits"]) for receipt in receipts(answer)] == [
        ("request", "edited", 1), ("answer", "edited", 2)]


def test_streams_are_restored_at_every_cut(gateway, upstream):
    text = "Hello <NAME_1>, dear <NAME_1>!"
    base = upstream.script(*[u.streams(u.chat_frames(text[:cut], text[cut:])) for cut in range(1, len(text))])
    for cut in range(1, len(text)):
        answer = guarded(gateway, base, {"coverage.swap": {}}, messages=ASKS, stream=True)
        assert said(answer.events) == "Hello Ada Lovelace, dear Ada Lovelace!", cut


@pytest.mark.parametrize("fill, read", [(False, False), (False, True), (True, False), (True, True)])
def test_the_cache_keeps_what_was_not_restored(gateway, upstream, fill, read):
    """A second request finds what the model said, and restores it for itself; one whose guard does not restore sees the mark."""
    base = upstream.script(u.streams(u.chat_frames("Hello ", "<NA", "ME_1>!")) if fill else u.says("Hello <NAME_1>!"))
    config = {"cache": {"mode": "simple"}}
    trace = new_trace()

    def ask_it(stream, *guards, messages=ASKS):
        answer = guarded(gateway, base, *guards, messages=messages, stream=stream, config=config, headers={"x-portkey-trace-id": trace})
        heard = said(answer.events) if stream else answer.json["choices"][0]["message"]["content"]
        return heard, answer.portkey["cache-status"]

    assert ask_it(fill, {"coverage.swap": {}}) == ("Hello Ada Lovelace!", "MISS")
    assert ask_it(read, {"coverage.swap": {}}) == ("Hello Ada Lovelace!", "HIT")
    assert ask_it(read, messages=[{"role": "user", "content": "Greet <NAME_1>."}]) == ("Hello <NAME_1>!", "HIT")
    assert len(upstream.at(base)) == 1


def test_other_guards_see_what_the_model_said(gateway, upstream):
    base = upstream.script(u.says("Hello <NAME_1>!"))
    config = {"output_guardrails": [none_of("Ada", deny=True)]}
    answer = guarded(gateway, base, {"coverage.swap": {}}, messages=ASKS, config=config)
    assert answer.status == 200 and "Ada Lovelace" in answer.text


def test_the_name_is_not_in_the_log(plugins, upstream):
    with serve(plugins, log={"access": True, "format": "json", "level": "debug"}) as gateway:
        trace = new_trace()
        guarded(gateway, upstream.script(u.says("<NAME_1>")), {"coverage.swap": {}}, messages=ASKS, headers={"x-portkey-trace-id": trace})
        gateway.access_line(trace)
        assert "Lovelace" not in json.dumps(gateway.log())


# MARK: Metrics

def test_the_delay_that_a_guard_adds_to_streams_is_measured(gateway, upstream):
    base = upstream.script(u.streams(u.chat_frames("Hel", "lo")))
    guarded(gateway, base, {"coverage.text": {}, "id": "measured"}, side="output", stream=True)

    def is_there():
        text = ask(gateway, "GET", "/metrics").text
        return all(
            f'gatehouse_guardrail_stream_delay_seconds_count{{check="coverage.text",event="{event}"}}' in text
            for event in ["first", "next"])

    until(is_there, "the metric")


def test_what_was_not_seen_is_counted(gateway, upstream):
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    guarded(gateway, upstream.base, {"coverage.first": {}}, messages=messages)
    until(lambda: 'gatehouse_guardrail_unseen_total{check="coverage.first"}' in ask(gateway, "GET", "/metrics").text, "the metric")
