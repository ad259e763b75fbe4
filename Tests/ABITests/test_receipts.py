"""Receipts: what there was to see, what each guard saw, and what its policy makes of the difference. All through the real binary."""

from __future__ import annotations

import hashlib
import json
import pathlib

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, new_trace, said, said_messages, target
from test_abi import serve

RECEIPTS = {"x-gatehouse-receipts": "true"}
PIXEL = "data:image/png;base64,iVBORw0KGgo="

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells the weather.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "A city."}}}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": "Köln", "days": 2})}}
CONVERSATION = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "the weather?"}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "Rain."},
]


@pytest.fixture(scope="module")
def gateway(plugins):
    with serve(plugins) as gateway:
        yield gateway


def guarded(gateway, base, *guards, side="input", headers=None, messages=HELLO, stream=False, config=None, **body):
    wanted = config_header(target(base, **{f"{side}_guardrails": list(guards)}, **(config or {})))
    if stream:
        body["stream"] = True
    return chat(gateway, wanted | RECEIPTS | (headers or {}), messages=messages, **body)


def receipts(answer):
    if answer.header("content-type").startswith("text/event-stream"):
        told = [event.json for event in answer.events if not event.is_done and "receipts" in event.json]
        assert len(told) == 1
        return told[0]["receipts"]
    return answer.json["receipts"]


def only(answer, check=None):
    found = [receipt for receipt in receipts(answer) if check in (None, receipt["check"])]
    assert len(found) == 1, found
    return found[0]


def count(segments, size, seen_segments=None, seen_size=None):
    return {
        "segments": segments, "seen_segments": segments if seen_segments is None else seen_segments,
        "bytes": size, "seen_bytes": size if seen_size is None else seen_size,
    }


def none_of(*words, **more):
    return {"contains": {"words": list(words), "operator": "none"}} | more


# MARK: What a receipt says

def test_a_receipt_says_who_judged_and_what_came_of_it(gateway, upstream, plugins):
    answer = guarded(gateway, upstream.base, {"id": "first-only", "coverage.first": {}})
    receipt = only(answer)
    library = pathlib.Path(plugins) / "coverage" / "plugin.so"
    assert receipt["file_sha256"] == hashlib.sha256(library.read_bytes()).hexdigest()
    assert receipt["config_sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert {key: receipt[key] for key in ["guardrail", "check", "plugin", "version", "side", "mode", "attempt", "verdict", "edits"]} == {
        "guardrail": "first-only", "check": "coverage.first", "plugin": "coverage", "version": "1.0.0", "side": "request",
        "mode": "enforced", "attempt": 1, "verdict": "passed", "edits": 0}
    assert receipt["latency_us"] >= 0 and "failure" not in receipt


def test_the_config_hash_is_the_parameters(gateway, upstream):
    def digest(*words):
        return only(guarded(gateway, upstream.base, none_of(*words)))["config_sha256"]

    assert digest("a") == digest("a") != digest("b")


def test_no_receipts_unless_somebody_asks(gateway, upstream):
    answer = chat(gateway, config_header(target(upstream.base, input_guardrails=[none_of("x")])))
    assert "receipts" not in answer.json
    answer = chat(gateway, config_header(target(upstream.base, input_guardrails=[none_of("x")], receipts=True)))
    assert len(answer.json["receipts"]) == 1


def test_without_guards_the_list_is_empty(gateway, upstream):
    assert receipts(chat(gateway, config_header(target(upstream.base)) | RECEIPTS)) == []


def test_the_header_is_not_sent_upstream(gateway, upstream):
    guarded(gateway, upstream.base, none_of("x"))
    assert not upstream.only.has("x-gatehouse-receipts")


def test_a_refusal_has_receipts(gateway, upstream):
    answer = guarded(gateway, upstream.base, none_of("Say", deny=True))
    assert answer.status == 446
    assert only(answer)["verdict"] == "failed"


def test_the_record_has_the_receipts_without_being_asked(plugins, upstream):
    with serve(plugins, log={"access": True, "format": "json"}) as gateway:
        trace = new_trace()
        answer = chat(
            gateway, config_header(target(upstream.base, input_guardrails=[none_of("x")])) | {"x-portkey-trace-id": trace})
        assert "receipts" not in answer.json
        receipt, = gateway.access_line(trace)["receipts"]
        assert receipt["coverage"]["text"]["seen_segments"] == 1 and receipt["verdict"] == "passed"


# MARK: Counting

def test_everything_in_a_conversation_is_counted_by_kind(gateway, upstream):
    answer = guarded(gateway, upstream.base, none_of("x"), messages=CONVERSATION, tools=TOOLS)
    assert answer.status == 200, answer
    coverage = only(answer)["coverage"]
    assert coverage["text"] == count(3, len("Be kind.") + len("What is") + len("the weather?"))
    assert coverage["tool_result"] == count(1, 5)
    assert coverage["tool_schema"]["segments"] >= 2 and coverage["tool_schema"]["bytes"] == coverage["tool_schema"]["seen_bytes"]
    arguments = coverage["tool_arguments"]
    assert arguments["bytes"] >= len("Köln".encode()) and arguments["bytes"] == arguments["seen_bytes"]


def test_the_answer_is_counted(gateway, upstream):
    message = {"content": "Grüße", "reasoning_content": "Hm.", "tool_calls": [CALL]}
    answer = guarded(gateway, upstream.script(u.answer(u.completion(message=message))), none_of("x"), side="output")
    receipt = only(answer)
    assert receipt["side"] == "answer"
    assert receipt["coverage"]["text"] == count(1, 7) and receipt["coverage"]["reasoning"] == count(1, 3)
    assert receipt["coverage"]["tool_arguments"]["seen_segments"] == receipt["coverage"]["tool_arguments"]["segments"] > 0


def test_who_reads_one_segment_has_seen_one(gateway, upstream):
    answer = guarded(gateway, upstream.base, {"coverage.first": {}}, messages=CONVERSATION)
    assert answer.status == 200
    assert only(answer)["coverage"]["text"] == count(3, 27, 1, 8)


def test_who_reads_the_body_has_seen_it(gateway, upstream):
    coverage = only(guarded(gateway, upstream.base, {"coverage.whole": {}}, messages=CONVERSATION))["coverage"]
    assert coverage["text"] == count(3, 27)


def test_who_reads_a_member_has_seen_what_is_in_it(gateway, upstream):
    coverage = only(guarded(gateway, upstream.base, {"coverage.member": {}}, messages=CONVERSATION))["coverage"]
    assert coverage["text"] == count(3, 27, 1, 8)


def test_what_a_check_does_not_ask_for_is_unseen_though_it_was_passed_by(gateway, upstream):
    coverage = only(guarded(gateway, upstream.base, {"coverage.text": {}}, messages=CONVERSATION))["coverage"]
    assert coverage["text"] == count(3, 27)
    assert coverage["tool_result"] == count(1, 5, 0, 0)


def test_a_check_that_judges_no_text_has_nothing_to_count(gateway, upstream):
    receipt = only(guarded(gateway, upstream.base, {"modelWhitelist": {"models": ["m"]}, "deny": True}, model="m"))
    assert receipt["coverage"] == {} and receipt["verdict"] == "passed"


# MARK: Full coverage

def image_message(text="Look."):
    return [{"role": "user", "content": [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": PIXEL}}]}]


def test_a_guard_that_denies_must_have_seen_everything(gateway, upstream):
    answer = guarded(gateway, upstream.base, {"coverage.first": {}, "deny": True}, messages=CONVERSATION)
    assert answer.status == 446 and not upstream.requests
    assert answer.error["code"] == "coverage_incomplete" and "coverage.first" in answer.error["message"]
    assert only(answer)["verdict"] == "unseen"


def test_what_was_seen_whole_passes(gateway, upstream):
    assert guarded(gateway, upstream.base, {"coverage.first": {}, "deny": True}).status == 200


def test_a_guard_that_does_not_deny_need_not(gateway, upstream):
    assert guarded(gateway, upstream.base, {"coverage.first": {}}, messages=CONVERSATION).status == 200


def test_it_can_be_asked_of_any_guard(gateway, upstream):
    guard = {"coverage.first": {}, "require_full_coverage": True, "on_failure": "closed"}
    assert guarded(gateway, upstream.base, guard, messages=CONVERSATION).status == 446


def test_it_can_be_waived(gateway, upstream):
    guard = {"coverage.first": {}, "deny": True, "require_full_coverage": False}
    assert guarded(gateway, upstream.base, guard, messages=CONVERSATION).status == 200


def test_the_failure_policy_decides(gateway, upstream):
    answer = guarded(
        gateway, upstream.base, {"coverage.first": {}, "deny": True, "on_failure": "open"}, messages=CONVERSATION)
    assert answer.status == 200
    receipt = only(answer)
    assert receipt["verdict"] == "unseen" and receipt["failure"]


def test_the_policy_retry_goes_to_the_next_target(gateway, upstream):
    config = {"strategy": {"mode": "fallback"}, "targets": [
        target(upstream.base, input_guardrails=[{"coverage.first": {}, "deny": True, "on_failure": "retry"}]),
        target(upstream.base)]}
    answer = chat(gateway, config_header(config), messages=CONVERSATION)
    assert answer.status == 200 and answer.portkey["last-used-option-index"] == "config.targets[1]"


def test_an_image_that_no_guard_reads_is_the_policys(gateway, upstream):
    answer = guarded(gateway, upstream.base, none_of("x", deny=True), messages=image_message())
    assert answer.status == 446 and "image" in answer.error["message"]
    image = only(answer)["coverage"]["image"]
    assert image["segments"] == 1 and image["bytes"] > 0 and image["seen_segments"] == image["seen_bytes"] == 0
    for waived in [{"allow_unseen": ["image"]}, {"on_failure": "open"}, {"require_full_coverage": False}]:
        answer = guarded(gateway, upstream.base, none_of("x", deny=True) | waived, messages=image_message())
        assert answer.status == 200, waived
        assert only(answer)["coverage"]["image"]["seen_segments"] == 0


def test_a_check_that_measures_text_has_no_business_with_images(gateway, upstream):
    guard = {"wordCount": {"minWords": 1, "maxWords": 5}, "deny": True}
    assert guarded(gateway, upstream.base, guard, messages=image_message()).status == 200


def test_a_plugin_that_declares_less_than_the_config_demands_is_refused(gateway, upstream):
    answer = guarded(gateway, upstream.base, {"coverage.text": {}, "require_full_coverage": ["text", "tool_arguments"]})
    assert answer.status == 400 and not upstream.requests
    assert "tool_arguments" in answer.text and "coverage.text" in answer.text


@pytest.mark.parametrize("guard, side, word", [
    ({"coverage.streams": {}, "deny": True}, "output", "on_response"),
    ({"coverage.again": {}}, "input", "on_request"),
    ({"coverage.member": {}}, "output", "on_response"),
    ({"contains": {"words": ["x"], "operator": "none"}, "deny": True, "stream": {"mode": "off"}}, "output", "unseen"),
    ({"contains": {"words": ["x"], "operator": "none"}, "deny": True, "stream": {"mode": "observe"}}, "output", "too late"),
    ({"contains": {"words": ["x"], "operator": "none"}, "direction": "output"}, "input", "direction"),
    ({"contains": {"words": ["x"], "operator": "none"}, "run": "beside"}, "output", "beside"),
    ({"regexReplace": {"rule": "x"}, "run": "beside"}, "input", "beside"),
    ({"coverage.swap": {}}, "output", "restores"),
    ({"contains": {"words": ["x"], "operator": "none"}, "scope": "first"}, "input", "scope"),
    ({"contains": {"words": ["x"], "operator": "none"}, "scope": ["robot"]}, "input", "system, user, assistant, tool"),
    ({"contains": {"words": ["x"], "operator": "none"}, "allow_unseen": ["images"]}, "input", "image"),
    ({"contains": {"words": ["x"], "operator": "none"}, "on_failure": "ajar"}, "input", "open, closed, retry"),
    ({"contains": {"words": ["x"], "operator": "none"}, "stream": {"window": 3}}, "input", "window_bytes"),
    ({"contains": {"words": ["x"], "operator": "none"}, "breaker": {"failures": 0}}, "input", "greater than 0"),
])
def test_what_a_guard_cannot_do_is_refused_with_its_place(gateway, upstream, guard, side, word):
    answer = guarded(gateway, upstream.base, guard, side=side)
    assert answer.status == 400 and not upstream.requests, answer
    assert word in answer.text and f"{side}_guardrails" in answer.text, answer.text


# MARK: Scope

def test_a_scope_of_roles(gateway, upstream):
    messages = [{"role": "system", "content": "word"}, {"role": "user", "content": "hello"}]
    assert guarded(gateway, upstream.base, none_of("word", deny=True, scope=["user"]), messages=messages).status == 200
    assert guarded(gateway, upstream.base, none_of("word", deny=True, scope=["system"]), messages=messages).status == 446
    receipt = only(guarded(gateway, upstream.base, none_of("x", scope=["user"]), messages=messages))
    assert receipt["coverage"]["text"] == count(1, 5)


def test_the_scope_last(gateway, upstream):
    messages = [{"role": "user", "content": "word"}, {"role": "user", "content": "hello"}]
    assert guarded(gateway, upstream.base, none_of("word", deny=True, scope="last"), messages=messages).status == 200


def test_one_guard_for_both_directions(gateway, upstream):
    guard = none_of("word", deny=True, direction="both")
    assert guarded(gateway, upstream.base, guard, messages=[{"role": "user", "content": "word"}]).status == 446
    assert guarded(gateway, upstream.script(u.says("word")), guard).status == 446
    sides = [receipt["side"] for receipt in receipts(guarded(gateway, upstream.base, guard))]
    assert sides == ["request", "answer"]


# MARK: Streams

def test_a_stream_is_counted(gateway, upstream):
    frames = [u.frame(u.chunk(delta={"reasoning_content": "Hm, "})), u.frame(u.chunk(delta={"reasoning_content": "well."}))]
    frames += u.chat_frames("Grü", "ße")
    answer = guarded(gateway, upstream.script(u.streams(frames)), none_of("x", deny=True), side="output", stream=True)
    assert answer.status == 200 and said(answer.events) == "Grüße"
    assert answer.events[-1].is_done and "receipts" in answer.events[-2].json
    receipt = only(answer)
    assert receipt["coverage"] == {"reasoning": count(1, 9), "text": count(1, 7)} and receipt["verdict"] == "passed"


def test_a_kind_that_a_denying_guard_does_not_read_does_not_leave(gateway, upstream):
    frames = u.chat_frames("Hello. ")[:-1] + [u.frame(u.chunk(delta={"reasoning_content": "SECRET"}))] + u.chat_frames("x")
    answer = guarded(
        gateway, upstream.script(u.streams(frames)), {"coverage.text": {}, "deny": True}, side="output", stream=True)
    assert "SECRET" not in answer.text
    assert answer.events[-1].json["error"]["code"] == "coverage_incomplete"


def test_the_same_without_a_stream(gateway, upstream):
    base = upstream.script(u.answer(u.completion(message={"content": "Hello.", "reasoning_content": "SECRET"})))
    answer = guarded(gateway, base, {"coverage.text": {}, "deny": True}, side="output")
    assert answer.status == 446 and answer.error["code"] == "coverage_incomplete" and "SECRET" not in answer.text


def test_what_an_open_guard_does_not_read_is_counted_as_unseen(gateway, upstream):
    frames = [u.frame(u.chunk(delta={"reasoning_content": "Hm."}))] + u.chat_frames("Hello.")
    answer = guarded(gateway, upstream.script(u.streams(frames)), {"coverage.text": {}}, side="output", stream=True)
    assert only(answer)["coverage"] == {"reasoning": count(1, 3, 0, 0), "text": count(1, 6)}


def test_a_guard_can_be_told_to_judge_the_whole_stream(gateway, upstream):
    guard = none_of("word", deny=True, stream={"mode": "full"})
    answer = guarded(gateway, upstream.script(u.streams(u.chat_frames("a ", "wo", "rd"))), guard, side="output", stream=True)
    assert said(answer.events) == "" and answer.events[-1].json["error"]["type"] == "hooks_failed"


def test_windows_can_be_set(gateway, upstream):
    gate = upstream.gate()
    frames = u.chat_frames("a" * 20, "b" * 20)
    base = upstream.script(u.streams(frames, gates={2: gate}))
    wanted = config_header(target(base, output_guardrails=[{"coverage.text": {}, "stream": {"window_bytes": 20, "overlap_bytes": 0}}]))
    with Connection(gateway) as connection:
        connection.send_request(
            "POST", "/v1/chat/completions", wanted, json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode())
        pieces = connection.pieces(connection.read_head())
        text = b""
        while b"a" * 20 not in text:
            text += next(pieces)
        gate.open()
        assert b"b" * 20 in b"".join(pieces)


def test_an_upstream_that_breaks_off_leaves_a_receipt(plugins, upstream):
    with serve(plugins, log={"access": True, "format": "json"}) as gateway:
        trace = new_trace()
        guarded(
            gateway, upstream.script(u.streams(u.chat_frames("Hello ", "world")[:2], end="cut")), none_of("x"), side="output",
            stream=True, headers={"x-portkey-trace-id": trace})
        receipt, = gateway.access_line(trace)["receipts"]
        assert receipt["side"] == "answer" and receipt["coverage"]["text"]["bytes"] >= 6


# MARK: Every wire format

def bodies():
    """The same conversation in three formats, and the answers to it: (path, body, whole answer, frames, what the client heard)."""
    words = ["It rains ", "in Cologne", ", stay in."]
    text = "".join(words)
    arguments = json.dumps({"note": "an umbrella"})
    call = {"index": 0, "id": "c9", "type": "function", "function": {"name": "remind", "arguments": arguments}}
    chat_message = {"role": "assistant", "content": text, "tool_calls": [{k: v for k, v in call.items() if k != "index"}]}
    frames = u.chat_frames(*words)
    tool = [u.frame(u.chunk(delta={"tool_calls": [call]}))]
    yield "/v1/chat/completions", {"messages": CONVERSATION, "tools": TOOLS}, u.answer(u.completion(message=chat_message)), frames[:-2] + tool + frames[-2:]
    completion = {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [{"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}]}
    pieces = [u.frame({**completion, "choices": [{"index": 0, "text": word, "finish_reason": None, "logprobs": None}]}) for word in words]
    yield "/v1/completions", {"prompt": "What is the weather?"}, u.answer(completion), pieces + [b"data: [DONE]\n\n"]


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("word, verdict", [("thunder", "passed"), ("Cologne", "failed")])
def test_the_same_guard_on_every_format(gateway, upstream, streams, word, verdict):
    """Verdict and full coverage do not depend on the format, nor on how the answer travels."""
    guard = {"wordlist.block": {"words": [word]}}
    for path, body, whole, frames in bodies():
        base = upstream.script(u.streams(frames) if streams else whole)
        config = target(base, input_guardrails=[guard], output_guardrails=[guard])
        answer = ask(
            gateway, "POST", path, {"model": "m", **body} | ({"stream": True} if streams else {}), config_header(config) | RECEIPTS)
        told = {receipt["side"]: receipt for receipt in receipts(answer)}
        assert told["request"]["verdict"] == "passed" and told["answer"]["verdict"] == verdict, path
        for receipt in told.values():
            for kind, counted in receipt["coverage"].items():
                assert counted["seen_bytes"] == counted["bytes"] and counted["seen_segments"] == counted["segments"], (path, kind)
        assert told["answer"]["coverage"]["text"]["bytes"] == len("It rains in Cologne, stay in.")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("word, verdict", [("thunder", "passed"), ("Cologne", "failed")])
def test_the_same_guard_on_messages(gateway, upstream, streams, word, verdict):
    guard = {"wordlist.block": {"words": [word]}}
    words = ["It rains ", "in Cologne", ", stay in."]
    base = upstream.script(u.streams(u.message_frames(*words)) if streams else u.answer(u.message("".join(words))))
    config = {"provider": "anthropic", "api_key": "k", "custom_host": base, "input_guardrails": [guard], "output_guardrails": [guard]}
    body = {"model": "m", "max_tokens": 9, "system": "Be kind.", "messages": [
        {"role": "user", "content": "What is the weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Köln"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "Rain."}]}],
        "tools": [{"name": "weather", "description": "Tells the weather.", "input_schema": {"type": "object"}}]}
    answer = ask(gateway, "POST", "/v1/messages", body | ({"stream": True} if streams else {}), config_header(config) | RECEIPTS)
    told = {receipt["side"]: receipt for receipt in receipts(answer)}
    assert told["request"]["verdict"] == "passed" and told["answer"]["verdict"] == verdict
    assert {"text", "tool_arguments", "tool_result", "tool_schema"} <= set(told["request"]["coverage"])
    for receipt in told.values():
        for kind, counted in receipt["coverage"].items():
            assert counted["seen_bytes"] == counted["bytes"] and counted["seen_segments"] == counted["segments"], kind
    assert told["answer"]["coverage"]["text"]["bytes"] == len("".join(words))
    if streams:
        assert said_messages(answer.events) == "".join(words)


# MARK: Mandatory guards

def test_a_mandatory_guard_cannot_be_skipped(plugins, upstream):
    defaults = {"input_guardrails": [none_of("word", deny=True)], "output_guardrails": [none_of("word", deny=True)]}
    with serve(plugins, defaults=defaults) as gateway:
        for config in [target(upstream.base), target(upstream.base, input_guardrails=[], output_guardrails=[])]:
            answer = chat(gateway, config_header(config) | RECEIPTS)
            assert [(receipt["side"], receipt["verdict"]) for receipt in receipts(answer)] == [("request", "passed"), ("answer", "passed")]
        answer = chat(gateway, config_header(target(upstream.base)), messages=[{"role": "user", "content": "word"}])
        assert answer.status == 446
        for path in ["/v1/files", "/v1/batches", "/v1/responses", "/v1/unheard-of"]:
            answer = ask(gateway, "POST", path, {"input": "word"}, config_header(target(upstream.base)))
            assert answer.status == 446 and answer.error["code"] == "endpoint_not_scannable", path
