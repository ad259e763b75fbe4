"""Guards in C through the real binary: redaction in windows, calls that pend, and what their failures do."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import time
from random import Random

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, parse_events, said, said_messages, target
from conftest import compile_plugin
from gateway import Gateway, command, plugin_directory, until

SECRET = "tiptop-secret"


def serve(directory, /, *, may_stall=False, **more):
    """A gateway with the plugins of this directory beside the staged ones."""
    settings = {"directories": [plugin_directory(), str(directory)]} | more.pop("plugins", {})
    return Gateway({"plugins": settings} | more, may_stall=may_stall)


@pytest.fixture(scope="module")
def gateway(plugins):
    with serve(plugins) as gateway:
        yield gateway


def redact(**parameters):
    return {"redactor.redact": {"word": SECRET} | parameters}


def guarded(gateway, base, *guards, body=None, side="output", headers=None, **config):
    """One chat request through guards of the answer, or of the request."""
    wanted = config_header(target(base, **{f"{side}_guardrails": list(guards)}, **config))
    return chat(gateway, wanted | (headers or {}), **(body or {}))


# MARK: The redactor, on whole bodies

def test_requests_are_redacted(gateway, upstream):
    messages = [
        {"role": "system", "content": f"Never say {SECRET}."},
        {"role": "user", "content": [{"type": "text", "text": "I am ada@example.org. é漢😀"}, {"type": "text", "text": "nothing"}]},
    ]
    answer = guarded(gateway, upstream.base, redact(), side="input", body={"messages": messages})
    assert answer.status == 200, answer
    sent = upstream.only.json["messages"]
    assert sent[0]["content"] == "Never say [redacted]."
    assert sent[1]["content"] == [{"type": "text", "text": "I am [redacted]. é漢😀"}, {"type": "text", "text": "nothing"}]


def test_requests_without_a_find_go_on_byte_for_byte(gateway, upstream):
    body = b'{ "messages" : [ {"content":"caf\\u00e9 \\/ 1.50"  , "role":"user"} ], "model":"m", "temperature" : 1.50 }'
    answer = ask(gateway, "POST", "/v1/chat/completions", body, config_header(target(upstream.base, input_guardrails=[redact()])))
    assert answer.status == 200
    assert upstream.only.body == body


def test_answers_are_redacted(gateway, upstream):
    base = upstream.script(u.says(f"It is {SECRET}, or write to ada.l@mail.example.org."))
    answer = guarded(gateway, base, redact())
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "It is [redacted], or write to [redacted]."


def test_a_denial_of_a_request_reaches_no_upstream(gateway, upstream):
    messages = [{"role": "user", "content": f"{SECRET} and bomb"}]
    answer = guarded(gateway, upstream.base, redact(deny="bomb"), side="input", body={"messages": messages})
    assert answer.status == 451
    assert answer.error["code"] == "forbidden_word" and answer.error["type"] == "hooks_failed"
    assert answer.error["message"] == "A word was said that ends the conversation."
    assert not upstream.requests


# MARK: The redactor, on streams

TEXT = f"Gut: {SECRET} é漢😀 ada@example.org, not@all and {SECRET}{SECRET} to b.c@d.example."
CLEAN = "Gut: [redacted] é漢😀 [redacted], not@all and [redacted][redacted] to [redacted]."


def streamed(gateway, base, *guards, **more):
    answer = guarded(gateway, base, *guards, body={"stream": True}, **more)
    assert answer.status == 200 and answer.is_complete, answer
    return answer


def test_whole_and_streamed_answers_are_redacted_alike(gateway, upstream):
    whole = guarded(gateway, upstream.script(u.says(TEXT)), redact())
    assert whole.json["choices"][0]["message"]["content"] == CLEAN
    answer = streamed(gateway, upstream.script(u.streams(u.chat_frames(TEXT))), redact())
    assert said(answer.events) == CLEAN and answer.events[-1].is_done


def test_every_border_between_chunks_is_redacted_alike(gateway, upstream):
    replies = [u.streams(u.chat_frames(TEXT[:cut], TEXT[cut:])) for cut in range(1, len(TEXT))]
    base = upstream.script(*replies)
    for cut in range(1, len(TEXT)):
        answer = streamed(gateway, base, redact())
        assert said(answer.events) == CLEAN, f"cut at {cut}: {answer}"


def test_letter_by_letter_is_redacted_alike(gateway, upstream):
    answer = streamed(gateway, upstream.script(u.streams(u.chat_frames(*TEXT))), redact())
    assert said(answer.events) == CLEAN
    # The events are all there; what was taken out left some of them empty.
    assert len(answer.events) == len(u.chat_frames(*TEXT))


def test_cuts_of_the_transport_do_not_matter(gateway, upstream):
    words = [TEXT[start:start + 5] for start in range(0, len(TEXT), 5)]
    base = upstream.script(u.streams(u.chat_frames(*words)), *(u.streams(u.chat_frames(*words), split=split) for split in [1, 2, 3, 7, 16, 61]))
    bodies = {streamed(gateway, base, redact()).body for _ in range(7)}
    assert len(bodies) == 1
    assert said(parse_events(bodies.pop())) == CLEAN


@pytest.mark.parametrize("seed", range(24))
def test_random_cuts_are_redacted_alike(gateway, upstream, seed):
    """Words that straddle windows and events, the bytes cut anywhere."""
    random = Random(seed)
    parts = [random.choice([SECRET, "ada@example.org", "é漢😀", "not@all", "x" * random.randrange(60), " "]) for _ in range(30)]
    text = " ".join(parts)
    whole = guarded(gateway, upstream.script(u.says(text)), redact()).json["choices"][0]["message"]["content"]
    assert SECRET not in whole and "ada@" not in whole
    cuts = sorted(random.sample(range(1, len(text)), random.randrange(1, min(40, len(text) - 1))))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)])]
    base = upstream.script(u.streams(u.chat_frames(*pieces), split=random.randrange(0, 200)))
    assert said(streamed(gateway, base, redact()).events) == whole


def test_reasoning_and_tool_arguments_are_redacted(gateway, upstream):
    def tool(index, arguments):
        return u.frame(u.chunk(delta={"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}))

    half, rest = SECRET[:6], SECRET[6:]
    frames = [
        u.frame(u.chunk(delta={"role": "assistant", "content": ""})),
        u.frame(u.chunk(delta={"reasoning_content": f"think {half}"})), u.frame(u.chunk(half)),
        u.frame(u.chunk(delta={"reasoning_content": f"{rest} on"})), u.frame(u.chunk(f"{rest}.")),
        u.frame(u.chunk(delta={"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "send", "arguments": ""}}]})),
        tool(0, '{"to":"ada@exa'), tool(1, f'{{"a":"{half}'), tool(0, 'mple.org"}'), tool(1, f'{rest}"}}'),
        u.frame(u.chunk(finish_reason="tool_calls")), u.DONE,
    ]
    answer = streamed(gateway, upstream.script(u.streams(frames)), redact())
    deltas = [event.json["choices"][0]["delta"] for event in answer.events if not event.is_done]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "think [redacted] on"
    assert said(answer.events) == "[redacted]."
    arguments = {0: "", 1: ""}
    for delta in deltas:
        for call in delta.get("tool_calls", []):
            arguments[call["index"]] += call["function"]["arguments"]
    assert {index: json.loads(text) for index, text in arguments.items()} == {0: {"to": "[redacted]"}, 1: {"a": "[redacted]"}}
    assert SECRET not in answer.text and SECRET not in "".join(text for text in arguments.values())


def test_two_choices_do_not_mix(gateway, upstream):
    def says(choice, text, finish=None):
        value = u.chunk(text, finish_reason=finish)
        value["choices"][0]["index"] = choice
        return u.frame(value)

    half, rest = SECRET[:4], SECRET[4:]
    frames = [says(0, half), says(1, half), says(0, "no"), says(1, rest), says(1, "", "stop"), says(0, "", "stop"), u.DONE]
    answer = streamed(gateway, upstream.script(u.streams(frames)), redact())
    texts = {0: "", 1: ""}
    for event in answer.events[:-1]:
        for choice in event.json["choices"]:
            texts[choice["index"]] += choice["delta"]["content"]
    assert texts == {0: half + "no", 1: "[redacted]"}


def test_streams_of_messages_are_redacted(gateway, upstream):
    words = ["Write to ", "ada@ex", "ample.org", " and say ", SECRET[:5], SECRET[5:], " 😀"]
    base = upstream.script(u.streams(u.message_frames(*words)), u.answer(u.message("".join(words))))
    config = config_header({"provider": "anthropic", "api_key": "k", "custom_host": base, "output_guardrails": [redact()]})
    body = {"model": "claude", "max_tokens": 10, "messages": HELLO}
    answer = ask(gateway, "POST", "/v1/messages", body | {"stream": True}, config)
    assert answer.status == 200 and answer.is_complete, answer
    assert said_messages(answer.events) == "Write to [redacted] and say [redacted] 😀"
    assert [event.name for event in answer.events][-3:] == ["content_block_stop", "message_delta", "message_stop"]
    whole = ask(gateway, "POST", "/v1/messages", body, config)
    assert whole.json["content"][0]["text"] == "Write to [redacted] and say [redacted] 😀"


def test_streams_of_completions_are_redacted(gateway, upstream):
    def piece(text, finish=None):
        return u.frame({"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": text, "finish_reason": finish}]})

    frames = [piece("a " + SECRET[:3]), piece(SECRET[3:] + " b"), piece("", "stop"), u.DONE]
    config = config_header(target(upstream.script(u.streams(frames)), output_guardrails=[redact()]))
    answer = ask(gateway, "POST", "/v1/completions", {"model": "m", "prompt": "p", "stream": True}, config)
    assert said(answer.events) == "a [redacted] b"


def test_what_is_harmless_flows_while_the_stream_goes_on(gateway, upstream):
    gate = upstream.gate()
    words = ["This is a sentence of more than forty-eight bytes, so it may go. ", "And what follows ", SECRET]
    base = upstream.script(u.streams(u.chat_frames(*words), gates={3: gate}))
    with Connection(gateway) as connection:
        body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
        connection.send_request("POST", "/v1/chat/completions", config_header(target(base, output_guardrails=[redact()])), body)
        answer = connection.read_head()
        pieces = connection.pieces(answer)
        early = b""
        while b"so it may go" not in early:
            early += next(pieces)
        # The upstream still waits for us.
        assert b"[DONE]" not in early
        gate.open()
        rest = early + b"".join(pieces)
    assert SECRET.encode() not in rest and said(parse_events(rest)) == words[0] + words[1] + "[redacted]"


def test_a_denial_in_mid_stream_ends_it(gateway, upstream):
    first = "This is a sentence of more than forty-eight bytes, so it may go. "
    base = upstream.script(u.streams(u.chat_frames(first, "What about a bo", "mb then", " and so on"), end="open"))
    answer = streamed(gateway, base, redact(deny="bomb"))
    *before, last = answer.events
    assert said(before).startswith(first)
    assert "bomb" not in answer.text and "bo" not in said(before).removeprefix(first)
    assert not any("error" in event.json for event in before)
    error = last.json["error"]
    assert error["code"] == "forbidden_word" and error["type"] == "hooks_failed"
    assert error["message"] == "A word was said that ends the conversation."
    # The upstream is not read to its end.
    assert upstream.only.abandoned.wait(10)


def test_a_denial_is_the_same_however_the_stream_was_cut(gateway, upstream):
    words = ["Some words that may go, since they are more than a window. ", "And more of them, ", SECRET, ", all ", "of it. bo", "mb", " never"]
    splits = [0, 1, 2, 5, 17, 100, 1000]
    base = upstream.script(*(u.streams(u.chat_frames(*words), split=split) for split in splits))
    seen = set()
    for _ in splits:
        answer = streamed(gateway, base, redact(), redact(deny="bomb"))
        *before, last = answer.events
        # The next window has the word that ends it, and does not leave.
        assert said(before) == words[0]
        seen.add((*(event.data for event in before), json.dumps(last.json["error"])))
    assert len(seen) == 1


def test_a_denial_at_the_end_of_a_stream_ends_it(gateway, upstream):
    answer = streamed(gateway, upstream.script(u.streams(u.chat_frames("bo", "mb"))), redact(deny="bomb"))
    assert "bomb" not in answer.text and said(answer.events[:-1]) == ""
    assert answer.events[-1].json["error"]["code"] == "forbidden_word"
    assert not any(event.is_done for event in answer.events)


def test_a_denial_in_a_stream_of_messages_is_an_error_event(gateway, upstream):
    base = upstream.script(u.streams(u.message_frames("some bo", "mb")))
    config = config_header({"provider": "anthropic", "api_key": "k", "custom_host": base, "output_guardrails": [redact(deny="bomb")]})
    answer = ask(gateway, "POST", "/v1/messages", {"model": "c", "max_tokens": 10, "messages": HELLO, "stream": True}, config)
    assert answer.is_complete and answer.events[-1].name == "error"
    assert answer.events[-1].json["type"] == "error" and "bomb" not in answer.text


def test_guards_of_a_stream_stand_in_a_row(gateway, upstream):
    # The second sees what the first left: it denies a word that only redaction makes.
    base = upstream.script(u.streams(u.chat_frames("say ", SECRET)))
    second = {"redactor.redact": {"deny": "[redacted]"}}
    answer = streamed(gateway, base, redact(), second)
    assert answer.events[-1].json["error"]["code"] == "forbidden_word"
    assert said(streamed(gateway, base, second, redact()).events) == "say [redacted]"


def test_many_streams_at_once(gateway, upstream):
    base = upstream.script(u.streams(u.chat_frames(*TEXT), split=11))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for answer in pool.map(lambda _: streamed(gateway, base, redact()), range(64)):
            assert said(answer.events) == CLEAN


# MARK: The pending guard

def judge(url, **more):
    return {"pending-guard.judge": {"url": url} | more}


def allows(allow):
    return u.answer({"allow": allow})


def compact(value):
    """As the guard reads it: without spaces."""
    return u.answer(json.dumps(value, separators=(",", ":")).encode())


def judged(gateway, upstream, base, **more):
    return guarded(gateway, upstream.base, judge(base + "/judge", **more), side="input")


def test_the_judge_may_allow(gateway, upstream):
    base = upstream.script(compact({"allow": True}))
    answer = judged(gateway, upstream, base)
    assert answer.status == 200, answer
    question, request = upstream.requests
    assert question.path.endswith("/v1/judge") and question.method == "POST"
    assert question.json["body"]["messages"] == HELLO
    assert question.header("content-type") == "application/json"
    assert not question.has("authorization") and not question.has("x-portkey-config")
    assert request.path == "/v1/chat/completions"


def test_the_judge_may_deny(gateway, upstream):
    answer = judged(gateway, upstream, upstream.script(compact({"allow": False})))
    assert answer.status == 403
    assert answer.error["code"] == "judged" and answer.error["message"] == "The judge said no."
    assert len(upstream.requests) == 1


def test_a_slow_judge_holds_nobody_else_up(gateway, upstream):
    gate = upstream.gate()
    slow = upstream.script(u.waits(gate, compact({"allow": True})))
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        waiting = [pool.submit(judged, gateway, upstream, slow) for _ in range(8)]
        upstream.wait(8, slow)
        for _ in range(5):
            assert chat(gateway, config_header(target(upstream.base))).status == 200
        assert not any(call.done() for call in waiting)
        gate.open()
        assert [call.result().status for call in waiting] == [200] * 8


def test_many_calls_pend_at_once(gateway, upstream):
    base = upstream.script(compact({"allow": True}))
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert {answer.status for answer in pool.map(lambda _: judged(gateway, upstream, base), range(200))} == {200}


def test_a_client_that_leaves_ends_the_question(gateway, upstream):
    base = upstream.script(u.hangs)
    with Connection(gateway) as connection:
        body = json.dumps({"model": "m", "messages": HELLO}).encode()
        headers = config_header(target(upstream.base, input_guardrails=[judge(base + "/judge")]))
        connection.send_request("POST", "/v1/chat/completions", headers, body)
        question, = upstream.wait(1, base)
    assert question.abandoned.wait(10), "the fetch went on without its exchange"
    assert chat(gateway, config_header(target(upstream.base))).status == 200
    assert len(upstream.requests) == 2


# The judge and streamed answers.

SENTENCE = "One sentence of more than sixteen bytes. "


def judged_stream(gateway, upstream, judge_base, *words, split=0):
    base = upstream.script(u.streams(u.chat_frames(*words), split=split))
    return streamed(gateway, base, judge(judge_base + "/judge"))


@pytest.mark.parametrize("split", [0, 1, 40, 5000])
def test_each_window_waits_for_the_judge(gateway, upstream, split):
    base = upstream.script(compact({"allow": True}))
    words = [SENTENCE, "short", " and ", "é漢😀", SENTENCE]
    answer = judged_stream(gateway, upstream, base, *words, split=split)
    assert said(answer.events) == "".join(words) and answer.events[-1].is_done
    questions = [request.body.decode() for request in upstream.at(base)]
    assert "".join(questions) == "".join(words) and len(questions) >= 2


def test_what_the_judge_has_not_let_go_stays(gateway, upstream):
    base = upstream.script(compact({"allow": True}), compact({"allow": False}))
    answer = judged_stream(gateway, upstream, base, SENTENCE, "That is what nobody may read.", " More.")
    assert said(answer.events[:-1]) == SENTENCE
    assert answer.events[-1].json["error"]["code"] == "judged" and "nobody may" not in answer.text


def test_a_judge_that_is_late_at_the_end_of_a_stream(plugins, upstream):
    """The stream has ended; the last window is still held."""
    settings = {"pending-guard": {"timeout_ms": 300, "on_failure": "closed", "on_timeout": "closed"}}
    with serve(plugins, plugins={"settings": settings}) as gateway:
        answer = judged_stream(gateway, upstream, upstream.script(u.hangs), "short")
        assert said(answer.events[:-1]) == "" and answer.events[-1].json["error"]["code"] == "guardrail_failed"
        assert not any(event.is_done for event in answer.events)


def test_a_client_that_leaves_a_judged_stream(gateway, upstream):
    judge_base = upstream.script(u.hangs)
    base = upstream.script(u.streams(u.chat_frames(SENTENCE, SENTENCE), end="open"))
    with Connection(gateway) as connection:
        body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
        config = config_header(target(base, output_guardrails=[judge(judge_base + "/judge")]))
        connection.send_request("POST", "/v1/chat/completions", config, body)
        question, = upstream.wait(1, judge_base)
    assert question.abandoned.wait(10), "the fetch went on without its exchange"
    assert upstream.at(base)[0].abandoned.wait(10), "the stream went on without its client"
    assert len(upstream.at(judge_base)) == 1


# What a judge that cannot judge does, under each policy.

POLICIES = ["closed", "open", "retry"]


@pytest.fixture(scope="module", params=POLICIES)
def strict(request, plugins):
    settings = {"pending-guard": {"timeout_ms": 400, "on_failure": request.param, "on_timeout": request.param}}
    with serve(plugins, plugins={"settings": settings}) as gateway:
        gateway.policy = request.param
        yield gateway


def expect_policy(gateway, upstream, answer, question_count):
    asked = [request for request in upstream.requests if request.path == "/v1/chat/completions"]
    if gateway.policy == "open":
        assert answer.status == 200 and len(asked) == 1, answer
        return
    # With nowhere else to go, the attempt that failed is the end.
    assert answer.status == 502, answer
    assert answer.error["type"] == "plugin_error" and "pending-guard.judge" in answer.error["message"]
    assert not asked


def expect_reason(gateway, text):
    gateway.wait_for_line(lambda line: text in line.get("reason", ""), f"the reason {text}")


def test_a_judge_that_fails_is_the_policys(strict, upstream):
    answer = judged(strict, upstream, upstream.script(u.fails(500, text="SENTINEL")))
    expect_policy(strict, upstream, answer, 1)
    assert "SENTINEL" not in answer.text
    expect_reason(strict, "the judge did not answer with 200")


def test_a_judge_that_talks_nonsense_is_the_policys(strict, upstream):
    expect_policy(strict, upstream, judged(strict, upstream, upstream.script(u.answer(b"<html>"))), 1)
    expect_reason(strict, "the judge said something else")


@pytest.mark.parametrize("reply", [u.resets, u.closes, u.raw(b"SMTP ready\r\n")], ids=["reset", "close", "noise"])
def test_a_judge_that_breaks_is_the_policys(strict, upstream, reply):
    answer = judged(strict, upstream, upstream.script(reply))
    expect_policy(strict, upstream, answer, 1)


def test_a_judge_that_is_not_there_is_the_policys(strict, upstream):
    expect_policy(strict, upstream, judged(strict, upstream, "http://127.0.0.1:9"), 0)


@pytest.mark.parametrize("url", [
    "http://10.1.2.3/x", "http://169.254.169.254/latest/meta-data", "http://192.168.0.1", "http://[fd00::1]/", "http://[::ffff:10.0.0.1]/",
    "http://metadata.google.internal/", "ftp://example.com/", "file:///etc/passwd", "http://user:pass@127.0.0.1/", "nonsense",
])
def test_a_judge_at_a_forbidden_address_is_the_policys(strict, upstream, url):
    started = time.monotonic()
    answer = judged(strict, upstream, url)
    expect_policy(strict, upstream, answer, 0)
    assert time.monotonic() - started < 5
    assert "10.1.2.3" not in answer.text and "169.254" not in answer.text


def test_a_manifest_asks_and_the_operator_grants(tmp_path, upstream):
    """What plugin.json asks for is not given by that alone; keys close the loopback addresses."""
    compile_plugin(tmp_path / "pending-guard", "pending-guard", grants={"egress": ["127.0.0.1"]})
    headers = {"authorization": "Bearer gk-0123456789abcdef0123456789abcdef"}
    keys = [{"name": "k", "key": "gk-0123456789abcdef0123456789abcdef"}]
    provider = {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}}
    for egress, status in [([], 502), (["127.0.0.1"], 200)]:
        base = upstream.script(compact({"allow": True}))
        guard = {"checks": [{"id": "pending-guard.judge", "parameters": {"url": base + "/judge"}}]}
        settings = {"pending-guard": {"on_failure": "closed"} | ({"egress": egress} if egress else {})}
        config = {"keys": keys, "providers": provider, "guardrails": {"g": guard}, "configs": {"c": {"provider": "@up", "input_guardrails": ["g"]}}}
        with serve(tmp_path, plugins={"settings": settings}, **config) as gateway:
            answer = chat(gateway, headers | {"x-portkey-config": "c"})
            assert answer.status == status, answer
            if not egress:
                line = gateway.wait_for_line(lambda line: line.get("message") == "a plugin's fetch was refused")
                assert line["asks_for"] == "127.0.0.1" and line["grant"] == "plugins.settings.pending-guard.egress"
            listed = command("plugin", "list", "--config", str(gateway.config_file))
            assert f"egress: 127.0.0.1 asked for, {', '.join(egress) or 'nothing'} granted" in listed.stdout, listed.stdout


def test_the_gateway_is_no_judge_of_its_own(strict, upstream):
    expect_policy(strict, upstream, judged(strict, upstream, strict.url), 0)


def test_a_judge_that_is_late_is_the_policys(strict, upstream):
    base = upstream.script(u.hangs)
    started = time.monotonic()
    answer = judged(strict, upstream, base)
    took = time.monotonic() - started
    assert 0.35 < took < 5
    expect_policy(strict, upstream, answer, 1)
    expect_reason(strict, "no verdict within 400 ms")
    questions = upstream.at(base)
    assert len(questions) == 1, "a policy asks no guard twice"
    assert questions[0].abandoned.wait(10), "nobody waits for the answer any more"


def test_a_fetch_may_have_a_shorter_time(strict, upstream):
    base = upstream.script(u.hangs)
    expect_policy(strict, upstream, judged(strict, upstream, base, fetch_timeout_ms=50), 1)
    expect_reason(strict, "no answer in time")


def test_a_failing_guard_may_send_the_request_elsewhere(plugins, upstream):
    settings = {"pending-guard": {"timeout_ms": 400, "on_failure": "retry", "on_timeout": "retry"}}
    with serve(plugins, plugins={"settings": settings}) as gateway:
        guards = [judge("http://10.1.2.3/")]
        config = {
            "strategy": {"mode": "fallback"},
            "targets": [target(upstream.base, input_guardrails=guards), target(upstream.base, override_params={"model": "second"})],
        }
        answer = chat(gateway, config_header(config))
        assert answer.status == 200, answer
        assert upstream.only.json["model"] == "second"


@pytest.mark.parametrize("on", ["input", "output"])
def test_a_failing_guard_counts_as_a_failed_attempt(plugins, upstream, on):
    """Also for a fallback that names other codes, and a target that would be tried again."""
    settings = {"pending-guard": {"on_failure": "retry", "on_timeout": "retry"}}
    with serve(plugins, plugins={"settings": settings}) as gateway:
        guard = {f"{on}_guardrails": [judge("http://10.1.2.3/")]}
        if on == "output":
            guard = {"output_guardrails": [{"behaviours.hook": {"do": "verdict", "number": FAIL}}]}
            settings["behaviours"] = {"on_failure": "retry"}
            gateway.reload({"plugins": {"directories": [plugin_directory(), str(plugins)], "settings": settings}})
            gateway.wait_for_line(lambda line: line.get("message") == "configuration reloaded")
        config = {
            "strategy": {"mode": "fallback", "on_status_codes": [429]}, "retry": {"attempts": 2, "on_status_codes": [502]},
            "targets": [target(upstream.base, **guard), target(upstream.base, override_params={"model": "second"})],
        }
        answer = chat(gateway, config_header(config))
        assert answer.status == 200, answer
        assert [request.json["model"] for request in upstream.requests][-1] == "second"
        assert len(upstream.requests) == (1 if on == "input" else 2)


# MARK: Another attempt, with another request

FEEDBACK = '{"role":"user","content":"That was no good."}'


def test_a_retry_may_change_what_is_asked(gateway, upstream):
    """The answer's hook asks again, each time for one attempt, until the bound."""
    guard = behave("script", text=f"verdict|{RETRY}\njson|/messages/-|{FEEDBACK}\nedit|0|0|3|Cry")
    answer = guarded(gateway, upstream.base, guard, body={"messages": HELLO})
    assert answer.status == 446, answer
    first, *others = [request.json["messages"] for request in upstream.requests]
    assert first == HELLO and len(others) == 3
    edited = HELLO[0] | {"content": "Cry" + HELLO[0]["content"][3:]}
    assert others == [[edited] + [json.loads(FEEDBACK)] * count for count in (1, 2, 3)]


def test_what_a_hook_asks_is_for_one_attempt(gateway, upstream):
    """The target after that gets the client's own words."""
    again = behave("script", text=f"verdict|{RETRY}\njson|/messages/-|{FEEDBACK}")
    targets = [target(upstream.base, output_guardrails=[again]), target(upstream.script(u.fails(500))), target(upstream.base)]
    answer = chat(gateway, config_header({"strategy": {"mode": "fallback"}, "targets": targets}), messages=HELLO)
    assert answer.status == 200, answer
    assert [request.json["messages"] for request in upstream.requests] == [HELLO, [*HELLO, json.loads(FEEDBACK)], HELLO]


def test_a_header_is_for_the_answer_of_its_target(gateway, upstream):
    edited = behave("script", text="side|1\nheader|X-Edited|yes")
    targets = [target(upstream.script(u.fails(500)), input_guardrails=[edited]), target(upstream.base)]
    answer = chat(gateway, config_header({"strategy": {"mode": "fallback"}, "targets": targets}), messages=HELLO)
    assert answer.status == 200 and len(upstream.requests) == 2 and answer.header("x-edited") is None
    targets.reverse()
    targets[0] |= {"custom_host": upstream.script(u.fails(500))}
    targets[1] |= {"custom_host": upstream.base}
    answer = chat(gateway, config_header({"strategy": {"mode": "fallback"}, "targets": targets}), messages=HELLO)
    assert answer.status == 200 and answer.header("x-edited") == "yes"


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_retries_of_hooks_are_bounded(plugins, upstream, limit):
    with serve(plugins, limits={"max_guard_retries": limit}) as gateway:
        answer = guarded(gateway, upstream.base, behave("script", text=f"verdict|{RETRY}"))
        assert answer.status == 446 and len(upstream.requests) == 1 + limit


def test_what_a_retry_asks_is_judged_anew(gateway, upstream):
    config = {
        "input_guardrails": [{"deny": True, "contains": {"words": ["no good"], "operator": "none"}}],
        "output_guardrails": [behave("script", text=f"verdict|{RETRY}\njson|/messages/-|{FEEDBACK}")],
    }
    answer = chat(gateway, config_header(target(upstream.base, **config)))
    assert answer.status == 446 and len(upstream.requests) == 1


# MARK: Other hooks, and hooks that misbehave

def behave(what, check="hook", **more):
    return {f"behaviours.{check}": {"do": what} | more}


def behaving(gateway, upstream, what, check="hook", **more):
    return guarded(gateway, upstream.base, behave(what, check, **more), side="input")


CONTINUE, DENY, ANSWER, RETRY, PENDING, FAIL = range(6)


def test_a_hook_may_answer_in_the_upstreams_place(gateway, upstream):
    answer = behaving(gateway, upstream, "verdict", number=ANSWER)
    assert answer.status == 456 and answer.json == {"canned": True}
    assert answer.header("content-type") == "application/json"
    assert not upstream.requests


def test_a_denial_may_say_when_to_come_back(gateway, upstream):
    answer = behaving(gateway, upstream, "verdict", number=DENY)
    assert answer.status == 456 and answer.header("retry-after") == "2"
    assert answer.error["code"] == "a_word" and answer.error["message"] == "A sentence."


@pytest.mark.parametrize("what, words", [
    ("pending_without_pend", "a hook returned GH_PENDING without pend()"),
    ("pend_then_verdict", "a hook called pend() and returned another verdict"),
    ("complete_with_pending", "complete() with GH_PENDING"),
])
def test_misbehaviour_is_logged(gateway, upstream, what, words):
    behaving(gateway, upstream, what)
    gateway.wait_for_line(lambda line: line.get("message", line.get("text", "")) == "PLUGIN_MISBEHAVING: " + words, words)


def test_the_verdict_wins_over_a_pending_call(gateway, upstream):
    assert behaving(gateway, upstream, "pend_then_verdict").status == 457


def test_a_call_may_be_completed_before_the_hook_returns(gateway, upstream):
    assert behaving(gateway, upstream, "pend_complete_inside").status == 452


def test_nothing_of_a_denial_reaches_anybody(gateway, upstream):
    script = "edit|0|0|3|xxx\njson|/user|\"u\"\nattribute|k|v\nside|1\nheader|x-edited|yes\nverdict|1"
    answer = behaving(gateway, upstream, "script", text=script)
    assert answer.status == 446 and answer.header("x-edited") is None and not upstream.requests


def test_edits_and_values_arrive_together(gateway, upstream):
    script = "edit|0|0|3|Shout\njson|/user|\"u\"\nside|1\nheader|X-Edited|yes"
    answer = behaving(gateway, upstream, "script", text=script)
    assert answer.status == 200 and answer.header("x-edited") == "yes"
    assert upstream.only.json["user"] == "u"
    assert upstream.only.json["messages"] == [{"role": "user", "content": "Shout hello."}]


def test_changes_that_cannot_be_applied_are_a_failure(gateway, upstream):
    guard = behave("script", text="json|/nowhere/deep|1") | {"deny": True}
    answer = guarded(gateway, upstream.base, guard, side="input")
    assert answer.status == 502 and answer.error["type"] == "plugin_error" and not upstream.requests


def test_a_hook_that_stalls_its_loop_is_noticed(plugins, upstream):
    """Every other test fails when that happens in its gateway."""
    with serve(plugins, may_stall=True) as gateway:
        assert behaving(gateway, upstream, "spin", number=20).status == 200
        line = gateway.wait_for_line(lambda line: line.get("message") == "a hook stalled its event loop")
        assert line["check"] == "behaviours.hook" and 20 <= int(line["ms"]) < 1000
        assert gateway.stop() == 0
        assert line["clock"] == "wall" or gateway.stalls() == [line]


def test_a_hook_that_never_returns_holds_nobody_up(plugins, upstream):
    settings = {"behaviours": {"timeout_ms": 300, "on_timeout": "closed"}}
    gateway = serve(plugins, plugins={"settings": settings, "blocking_threads": 2})
    with gateway:
        # The hook waits for half a minute, whatever the host wants.
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(behaving, gateway, upstream, "block", "blocking") for _ in range(4)]
            for _ in range(5):
                assert chat(gateway, config_header(target(upstream.base))).status == 200
            assert [call.result().status for call in calls] == [502] * 4
        started = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - started < 10, "a hook in progress must not hold up the end"


def test_a_gateway_stops_with_calls_pending(plugins, upstream):
    base = upstream.script(u.hangs)
    gateway = serve(plugins, limits={"shutdown_grace_ms": 500})
    with gateway, concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(lambda: judged(gateway, upstream, base))
        upstream.wait(1, base)
        assert gateway.stop() == 0
        try:
            assert call.result().status in (502, 503)
        except (EOFError, ConnectionError):
            pass


# MARK: Loading and reloading

def generations(directory):
    return lambda number: compile_plugin(directory / "generations", "refusals", f"GENERATION={number}")


def test_a_reload_brings_new_code_to_new_requests(tmp_path, plugins, upstream):
    make = generations(tmp_path)
    make(1)
    guard = {"refusals.check": {}}
    with serve(tmp_path) as gateway:
        def status():
            return guarded(gateway, upstream.base, guard, side="input").status

        def reload():
            seen = sum("configuration reloaded" in line for line in gateway.lines)
            gateway.signal(1)
            until(lambda: sum("configuration reloaded" in line for line in gateway.lines) > seen, "the reload")

        assert status() == 451
        make(2)
        assert status() == 451, "a new file alone changes nothing"
        reload()
        assert status() == 452
        # Overwritten in place: the process runs from its own copy.
        library = tmp_path / "generations" / "plugin.so"
        library.write_bytes(b"\xcc" * library.stat().st_size)
        assert status() == 452
        make(1)
        reload()
        assert status() == 451


def test_many_reloads_fail_nobody(tmp_path, upstream):
    make = generations(tmp_path)
    libraries = []
    for number in (1, 2):
        libraries.append((make(number) / "plugin.so").read_bytes())
    file = tmp_path / "generations" / "plugin.so"
    with serve(tmp_path) as gateway:
        stop, statuses = False, []

        def load():
            while not stop:
                statuses.append(guarded(gateway, upstream.base, {"refusals.check": {}}, side="input").status)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            loads = [pool.submit(load) for _ in range(4)]
            for number in range(40):
                fresh = file.with_suffix(".new")
                fresh.write_bytes(libraries[number % 2])
                fresh.rename(file)
                seen = sum("configuration reloaded" in line for line in gateway.lines)
                gateway.signal(1)
                until(lambda: sum("configuration reloaded" in line for line in gateway.lines) > seen, "the reload")
            stop = True
            for call in loads:
                call.result()
        assert set(statuses) == {451, 452}
        maps = open(f"/proc/{gateway.process.pid}/maps").read()
        mapped = {line.split()[-1] for line in maps.splitlines() if "/state/plugins/" in line}
        shipped = len(list(pathlib.Path(plugin_directory()).glob("*/plugin.json")))
        assert len(mapped) == shipped + len(set(libraries))


def test_refusals_are_said_at_the_start(tmp_path, stage, upstream):
    compile_plugin(tmp_path / "null", "refusals", "ENTRY_NULL", id="null")
    compile_plugin(tmp_path / "other", "refusals", id="other")
    writable = compile_plugin(tmp_path / "writable", "refusals")
    (writable / "plugin.so").chmod(0o666)
    with serve(tmp_path) as gateway:
        for words in ["its entry function returned NULL", 'says that its id is \\"refusals\\"', "has mode 0666"]:
            until(lambda: any(words in line for line in gateway.lines), words)
        answer = guarded(gateway, upstream.base, {"refusals.check": {}}, side="input")
        assert answer.status == 400 and "no plugin has the check refusals.check" in answer.text


def test_plugin_check_passes_sound_plugins(plugins, stage):
    for name in ["redactor", "pending-guard"]:
        result = command("plugin", "check", str(plugins / name))
        assert result.returncode == 0, result.stdout + result.stderr
        assert "0 failed" in result.stdout


@pytest.mark.parametrize("define, words", [
    ("ENTRY_NULL", "its entry function returned NULL"), ("NO_HOOK", "plugin.json promises on_request"), ("NO_ENTRY", "exports nothing"),
    ("STRUCT_SIZE=0", "struct_size 0"),
])
def test_plugin_check_names_what_is_wrong(tmp_path, stage, define, words):
    result = command("plugin", "check", str(compile_plugin(tmp_path / "p", "refusals", define)))
    assert result.returncode == 1 and words in result.stdout, result.stdout


def test_plugin_check_leaves_nothing_behind(tmp_path, plugins, stage):
    result = command("plugin", "check", str(plugins / "redactor"), env={"TMPDIR": str(tmp_path)})
    assert result.returncode == 0
    assert list(tmp_path.iterdir()) == []
