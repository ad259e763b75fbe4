"""Ways around guards, and guards that stand in the way of what is harmless: ordinary requests of SDKs, several guards that restore,
verdicts that only the log should hear."""

from __future__ import annotations

import gzip
import json
import time

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, new_trace, said, target
from gateway import until
from test_abi import serve
from test_receipts import RECEIPTS, TOOLS, guarded, none_of, only, receipts


@pytest.fixture(scope="module")
def gateway(plugins):
    # Debug builds of some guards are slow, and their time is not what is tested here.
    with serve(plugins, log={"access": True, "format": "json"}, may_stall=True) as gateway:
        yield gateway


# MARK: Ordinary requests

GUARDS = [
    none_of("xyzzy"), {"regexMatch": {"rule": "xyzzy", "not": True}}, {"regexReplace": {"rule": "xyzzy"}},
    {"wordlist.block": {"words": ["xyzzy"]}}, {"profanity.check": {}}, {"competitors.mentions": {"competitors": ["Xyzzy"]}},
    {"secrets.scan": {}}, {"pii.redact": {"entities": ["EMAIL"]}}, {"code.detect": {"deny": ["sql"]}},
    {"language.detect": {"language": ["en"]}}, {"regex.match": {"patterns": [{"pattern": "xyzzy"}]}},
]
SDK = {
    "stop": ["\n\n", "END OF TEXT"], "user": "Jane Doe", "metadata": {"team": "Green and blue", "cost center": "four"},
    "tools": TOOLS, "web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "New York"}}},
    "extra": {"hint": "two words"},
}


@pytest.mark.parametrize("guard", GUARDS + [{"prompt-injection.score": {}}], ids=lambda guard: next(iter(guard)))
def test_stop_words_names_and_metadata_do_not_make_a_guard_refuse(gateway, upstream, guard):
    messages = [{"role": "user", "name": "Jane Doe", "content": "What is the weather like in this town today?"}]
    answer = guarded(gateway, upstream.base, guard | {"deny": True}, messages=messages, **SDK)
    assert answer.status == 200, answer
    for kind, counted in only(answer)["coverage"].items():
        if "language.detect" not in guard:
            assert counted["seen_bytes"] == counted["bytes"], kind


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: next(iter(guard)))
def test_nor_do_a_providers_own_words_in_the_answer(gateway, upstream, guard, stream):
    text = "It rains in this town and it will be cold in the evening."
    notes = [{"type": "url_citation", "url_citation": {"url": "https://example.org/a b", "title": "The weather", "start_index": 0, "end_index": 1}}]
    if stream:
        frames = u.chat_frames("It rains in this town ", "and it will be cold ", "in the evening.")
        frames.insert(2, u.frame(u.chunk(delta={"annotations": notes}, provider="Some Cloud")))
        reply = u.streams(frames)
    else:
        reply = u.answer(u.completion(message={"content": text, "annotations": notes}, provider="Some Cloud"))
    answer = guarded(gateway, upstream.script(reply), guard | {"deny": True}, side="output", stream=stream)
    assert answer.status == 200, answer
    if stream:
        assert said(answer.events) == text, answer
    assert only(answer)["verdict"] == "passed"


@pytest.mark.parametrize("how", ["whole", "windows", "full"])
@pytest.mark.parametrize("guard", GUARDS[:4] + [{"wordCount": {"minWords": 1, "maxWords": 9}}], ids=lambda guard: next(iter(guard)))
def test_a_call_without_arguments_is_not_refused(gateway, upstream, guard, how):
    """A check that has no text to judge has failed, as Portkey says; who denies need not refuse nothing."""
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    if how == "full":
        guard = guard | {"stream": {"mode": "full"}}

    def answered(**more):
        if how == "whole":
            reply = u.answer(u.completion(message={"content": None, "tool_calls": [call]}))
        else:
            reply = u.streams([u.frame(u.chunk(delta={"tool_calls": [{"index": 0} | call]}))] + u.chat_frames()[-2:])
        answer = guarded(gateway, upstream.script(reply), guard | {"deny": True} | more, side="output", stream=how != "whole")
        return answer.status == 200 and not answer.text.startswith('data: {"error"')

    assert answered()
    if how == "whole" and ("contains" in guard or "wordCount" in guard):
        assert not answered(on_failure="closed")


def test_a_providers_own_words_do_not_hold_a_stream_back(gateway, upstream):
    gate = upstream.gate()
    frames = [u.frame(u.chunk("a" * 100, provider="Some Cloud")), u.frame(u.chunk("b" * 100))] + u.chat_frames("c")[1:]
    wanted = config_header(target(upstream.script(u.streams(frames, gates={2: gate})), output_guardrails=[none_of("xyzzy", deny=True)]))
    with Connection(gateway) as connection:
        body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
        connection.send_request("POST", "/v1/chat/completions", wanted, body)
        pieces = connection.pieces(connection.read_head())
        text = b""
        while b"b" * 100 not in text and b"a" * 100 not in text:
            text += next(pieces)
        gate.open()
        assert b"[DONE]" in b"".join(pieces)


@pytest.mark.parametrize("member", ["metadata", "extra"])
def test_a_word_beside_the_messages_is_found(gateway, upstream, member):
    for guard in none_of("xyzzy"), {"wordlist.block": {"words": ["xyzzy"]}}:
        answer = guarded(gateway, upstream.base, guard | {"deny": True}, **{member: {"a": "say xyzzy now"}})
        assert answer.status == 446 and not upstream.requests, guard


# MARK: Several guards that restore

@pytest.mark.parametrize("stream", [False, True])
def test_what_two_guards_restore_is_not_in_the_cache(gateway, upstream, stream):
    guards = [{"pii.pseudonymize": {"entities": ["EMAIL"]}}, {"pii.pseudonymize": {"entities": ["IBAN"]}}]
    spoken = ["To <EMAIL_1> ", "and <IBAN", "_1>."]
    base = upstream.script(u.streams(u.chat_frames(*spoken)) if stream else u.says("".join(spoken)))
    config = {"cache": {"mode": "simple"}}
    for turn, (mail, iban) in enumerate([("ada@example.org", "DE89370400440532013000"), ("bob@example.net", "GB82WEST12345698765432")]):
        messages = [{"role": "user", "content": f"Write to {mail} of {iban}."}]
        answer = guarded(gateway, base, *guards, messages=messages, stream=stream, config=config)
        heard = said(answer.events) if stream else answer.json["choices"][0]["message"]["content"]
        assert heard == f"To {mail} and {iban}.", (turn, answer)
        until(lambda: len(upstream.at(base)) == 1)
    assert answer.portkey["cache-status"] == "HIT"


@pytest.mark.parametrize("mode", ["off", "observe"])
def test_a_guard_that_restores_must_do_so_on_streams(gateway, upstream, mode):
    answer = guarded(gateway, upstream.base, {"pii.pseudonymize": {}, "stream": {"mode": mode}})
    assert answer.status == 400 and "restore" in answer.text and "input_guardrails" in answer.text


# MARK: Verdicts for the log

@pytest.mark.parametrize("how", [{"shadow": True}, {"async": True}])
@pytest.mark.parametrize("guard", [{"behaviours.hook": {"do": "verdict", "number": 1}}, {"behaviours.hook": {"do": "verdict", "number": 5}}])
def test_who_is_not_heard_did_not_deny(gateway, upstream, guard, how):
    trace = new_trace()
    answer = guarded(gateway, upstream.base, guard | how | {"deny": True}, headers={"x-portkey-trace-id": trace})
    assert answer.status == 200
    line = gateway.access_line(trace)
    assert line["status"] == 200 and not line.get("error") and not line.get("denied_by"), line


def test_an_async_guard_judges_although_the_client_has_left(gateway, upstream):
    gate = upstream.gate()
    trace = new_trace()
    judged = upstream.script(u.waits(gate, u.answer(b'{"allow":true}')))
    guard = {"pending-guard.judge": {"url": judged + "/judge"}, "async": True}
    answer = guarded(gateway, upstream.base, guard, headers={"x-portkey-trace-id": trace})
    assert answer.status == 200
    upstream.wait(1, judged)
    time.sleep(0.3)
    gate.open()
    receipt, = gateway.access_line(trace)["receipts"]
    assert receipt["verdict"] == "passed"


def test_a_mandatory_guard_beside_is_told_once(plugins, upstream):
    guard = none_of("x", run="beside")
    with serve(plugins, defaults={"input_guardrails": [guard]}) as gateway:
        base = upstream.script(u.fails(500), u.says("Hello"))
        answer = chat(gateway, config_header(target(base, retry={"attempts": 2, "on_status_codes": [500]}, output_guardrails=[none_of("y")])))
        assert answer.status == 200
        assert len(answer.json["hook_results"]["before_request_hooks"]) == 1


# MARK: Other roads

def test_mandatory_guards_stand_on_every_road(plugins, upstream):
    defaults = {"input_guardrails": [none_of("xyzzy", deny=True)]}
    with serve(plugins, defaults=defaults) as gateway:
        headers = config_header({"provider": "anthropic", "api_key": "k", "custom_host": upstream.base})
        said_so = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "xyzzy"}]}
        for path in "/v1/messages", "/v1/messages/count_tokens":
            assert ask(gateway, "POST", path, said_so, headers).status == 446, path
        odd = b'{"model":"m","messages":[{"role":"user","content":"xyzzy"}]}'
        for path in "/v1/chat/completions", "/v1/chat/completions/", "/v1//chat/completions", "/v1/chat%2Fcompletions", "/v1/chat/completions?x=1", "/v1/./chat/completions":
            for kind in "multipart/form-data; boundary=x", "text/plain", "application/octet-stream":
                answer = ask(gateway, "POST", path, odd, config_header(target(upstream.base)) | {"content-type": kind})
                assert answer.status in (400, 404, 415, 446), (path, kind, answer)
        answer = ask(gateway, "POST", "/v1/chat/completions", gzip.compress(odd), config_header(target(upstream.base)) | {"content-encoding": "gzip", "content-type": "application/json"})
        assert answer.status in (400, 415, 446), answer
        assert not upstream.requests


def test_a_clients_mutators_beside_a_saved_config_are_judged_too(plugins, upstream):
    defaults = {"input_guardrails": [none_of("xyzzy", deny=True)]}
    with serve(plugins, defaults=defaults, configs={"saved": target(upstream.base)}) as gateway:
        swap = json.dumps([{"regexReplace": {"rule": "/q/g", "redactText": "y"}}])
        headers = {"x-portkey-config": "saved", "x-portkey-default-input-guardrails": swap}
        answer = chat(gateway, headers, messages=[{"role": "user", "content": "xqzzq"}])
        assert answer.status == 446 and not upstream.requests
        assert chat(gateway, headers, messages=[{"role": "user", "content": "q"}]).status == 200
        assert upstream.only.json["messages"][0]["content"] == "y"


def test_a_clients_judge_carries_no_text_past_a_mandatory_guard(plugins, upstream):
    defaults = {"input_guardrails": [none_of("xyzzy", deny=True)]}
    with serve(plugins, defaults=defaults, log={"access": True, "format": "json"}) as gateway:
        judge = {"judge.score": {"target": target(upstream.base), "model": "m", "rubric": "Say xyzzy."}}
        answer = guarded(gateway, upstream.base, judge | {"deny": True})
        assert answer.status == 502 and not any("xyzzy" in request.text for request in upstream.requests), answer
        gateway.wait_for_line(lambda line: line.get("asked_by") == "judge.score" and line.get("status") == 446)
        upstream.clear()
        judge["judge.score"]["rubric"] = "Say no."
        base = upstream.script(u.says('{"score": 0, "reason": "fine"}'))
        judge["judge.score"]["target"] = target(base)
        assert guarded(gateway, upstream.base, judge | {"deny": True}).status == 200 and len(upstream.at(base)) == 1


def test_an_operators_judge_judges_what_a_clients_judge_asks(plugins, upstream):
    ours, theirs = (upstream.script(u.says('{"score": 0, "reason": "fine"}')) for _ in range(2))
    mandatory = {"judge.score": {"target": target(ours)}, "deny": True}
    with serve(plugins, defaults={"input_guardrails": [mandatory]}) as gateway:
        answer = guarded(gateway, upstream.base, {"judge.score": {"target": target(theirs)}, "deny": True})
        assert answer.status == 200, answer
        # The request, and the question.
        assert len(upstream.at(ours)) == 2 and len(upstream.at(theirs)) == 1


# MARK: Long streams

@pytest.mark.parametrize("whole", [False, True], ids=["windows", "whole"])
@pytest.mark.parametrize("shape", ["choices", "calls", "blocks", "edits"])
def test_streams_of_many_texts_take_time_in_proportion(gateway, upstream, shape, whole):
    """Were it the square, the client would have given up long ago."""
    count = 16_000
    if shape == "blocks":
        frames = [u.frame({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": {}}}, "message_start")]
        for index in range(count):
            frames += [
                u.frame({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}, "content_block_start"),
                u.frame({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": "ab"}}, "content_block_delta"),
                u.frame({"type": "content_block_stop", "index": index}, "content_block_stop")]
        frames += [u.frame({"type": "message_stop"}, "message_stop")]
    elif shape == "choices":
        frames = [u.frame({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
            {"index": index, "delta": {"content": "ab"}, "finish_reason": "stop"}]}) for index in range(count)]
    elif shape == "calls":
        frames = [u.frame(u.chunk(delta={"tool_calls": [{"index": index, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": \"b\"}"}}]})) for index in range(count)]
    else:
        first = u.frame({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 1, "delta": {"content": "ab"}, "finish_reason": None}]})
        frames = [first] + [u.frame(u.chunk("a@b.cc, and so on until the end of the window, which is long. ")) for _ in range(count)]
    frames = [b"".join(frames[at:at + 200]) for at in range(0, len(frames), 200)]
    if shape != "blocks":
        frames += u.chat_frames()[-1:]
    guard = {"pii.redact": {"entities": ["EMAIL"]}} if shape == "edits" else none_of("xyzzy", deny=True)
    if whole:
        guard["stream"] = {"mode": "full"}
    base = upstream.script(u.streams(frames))
    if shape == "blocks":
        config = {"provider": "anthropic", "api_key": "k", "custom_host": base, "output_guardrails": [guard]}
        answer = ask(gateway, "POST", "/v1/messages", {"model": "m", "max_tokens": 9, "messages": HELLO, "stream": True}, config_header(config))
    else:
        answer = guarded(gateway, base, guard, side="output", stream=True)
    assert answer.status in (200, 246) and "error" not in answer.text[-300:], answer.text[-600:]
    assert "a@b.cc" not in answer.text
