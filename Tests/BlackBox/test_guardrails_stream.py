"""Guardrails on streams (spec §5.4): held-back windows, refusals in mid-stream, results before the end."""

import json

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, said, said_messages, target
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    with Gateway({}) as gateway:
        yield gateway


def none_of(*words, **more):
    return more | {"contains": {"words": list(words), "operator": "none"}}


def stream(gateway, base, headers=None, text="Say hello.", **config):
    loose = {"strict_open_ai_compliance": False} | config
    return chat(gateway, config_header(target(base, **loose)) | (headers or {}), stream=True, messages=[{"role": "user", "content": text}])


def results(answer, side):
    """The hook_results events, each with its place in the stream."""
    name = f"{side}_request_hooks"
    return [(index, event.json["hook_results"][name]) for index, event in enumerate(answer.events) if not event.is_done and name in event.json.get("hook_results", {})]


WORDS = ["Hello", " from", " the", " upstream", "."]


def split_words(*words, split=0):
    return u.streams(u.chat_frames(*words), split=split)


# MARK: Before

def test_a_denial_before_a_stream_is_json(gateway, upstream):
    answer = stream(gateway, upstream.base, text="bomb", input_guardrails=[none_of("bomb", deny=True)])
    assert answer.status == 446 and answer.header("content-type") == "application/json"
    assert answer.error["type"] == "hooks_failed" and not upstream.requests


def test_a_soft_failure_is_246_and_a_stream(gateway, upstream):
    answer = stream(gateway, upstream.base, text="bomb", input_guardrails=[none_of("bomb")])
    assert answer.status == 246 and said(answer.events) == u.CHAT_TEXT and answer.events[-1].is_done


def test_loose_clients_get_the_results_first(gateway, upstream):
    answer = stream(gateway, upstream.base, input_guardrails=[none_of("bomb", id="g")])
    (index, hooks), = results(answer, "before")
    assert index == 0 and hooks[0]["id"] == "g" and hooks[0]["verdict"] is True
    assert answer.events[0].json.keys() == {"hook_results"} and answer.events[0].json["hook_results"].keys() == {"before_request_hooks"}


def test_strict_clients_get_none(gateway, upstream):
    answer = stream(
        gateway, upstream.base, strict_open_ai_compliance=True, input_guardrails=[none_of("bomb")], output_guardrails=[none_of("bomb")])
    assert answer.status == 200 and b"hook_results" not in answer.body and said(answer.events) == u.CHAT_TEXT


# MARK: After

def test_results_come_right_before_the_end(gateway, upstream):
    answer = stream(gateway, upstream.base, output_guardrails=[none_of("zebra", id="out")])
    (index, hooks), = results(answer, "after")
    assert index == len(answer.events) - 2 and answer.events[-1].is_done
    assert hooks[0]["id"] == "out" and hooks[0]["verdict"] is True and said(answer.events) == u.CHAT_TEXT


def test_a_soft_failure_of_an_answer_stays_200(gateway, upstream):
    answer = stream(gateway, upstream.base, output_guardrails=[none_of("upstream")])
    assert answer.status == 200 and said(answer.events) == u.CHAT_TEXT
    assert results(answer, "after")[0][1][0]["verdict"] is False


def test_a_denial_stops_a_stream(gateway, upstream):
    base = upstream.script(split_words("This", " is", " fine", ".", " forbidden", " word", " follows"))
    answer = stream(gateway, base, output_guardrails=[none_of("forbidden", deny=True)])
    assert answer.status == 200 and answer.is_complete
    assert "forbidden" not in answer.text and "follows" not in answer.text
    assert answer.events[-1].json["error"]["type"] == "hooks_failed"
    assert not any(event.is_done for event in answer.events)


def test_a_denial_stops_the_upstream(gateway, upstream):
    """The upstream goes on for ever: only the denial can end it."""
    async def endless(incoming):
        await incoming.head(200, [u.SSE, ("transfer-encoding", "chunked")])
        for frame in u.chat_frames("forbidden")[:-2]:
            await incoming.chunk(frame)
        while True:
            await incoming.chunk(u.frame(u.chunk("more text which pushes the window along. " * 20)))
            await u.asyncio.sleep(0.01)

    base = upstream.script(endless)
    answer = stream(gateway, base, output_guardrails=[none_of("forbidden", deny=True)])
    assert answer.events[-1].json["error"]["type"] == "hooks_failed"
    assert upstream.at(base)[0].abandoned.wait(5)


@pytest.mark.parametrize("pieces", [["forb", "idden"], list("forbidden"), ["xforbidden"], ["a" * 3000 + "forb", "idden" + "b" * 3000], ["a" * 1020 + "forbidden"], ["for", "", "bidden"]])
@pytest.mark.parametrize("split", [0, 11])
def test_a_word_across_pieces_is_found(gateway, upstream, pieces, split):
    answer = stream(gateway, upstream.script(split_words(*pieces, split=split)), output_guardrails=[none_of("forbidden", deny=True)])
    assert "error" in answer.events[-1].json
    assert "forbidden" not in said(answer.events[:-1])


@pytest.mark.parametrize("offset", range(1010, 1036, 5))
def test_a_word_across_windows_is_redacted(gateway, upstream, offset):
    text = "x" * offset + "pin 1234." + "y" * 2000
    pieces = [text[start:start + 50] for start in range(0, len(text), 50)]
    answer = stream(gateway, upstream.script(split_words(*pieces)), output_mutators=[{"regexReplace": {"rule": "/pin \\d{4}/g", "redactText": "[PIN]"}}])
    assert said(without_results(answer)) == text.replace("pin 1234", "[PIN]")


def without_results(answer):
    return [event for event in answer.events if event.is_done or "hook_results" not in event.json]


def test_redaction_of_every_match(gateway, upstream):
    pieces = ["a 1234", " b 56", "78 c", " 9", "0", "12 d"]
    answer = stream(gateway, upstream.script(split_words(*pieces)), output_mutators=[{"regexReplace": {"rule": "/\\d{4}/g", "redactText": "#"}}])
    assert said(without_results(answer)) == "a # b # c # d"
    assert results(answer, "after")[0][1][0]["transformed"] is True


def test_a_guarded_stream_keeps_everything_else(gateway, upstream):
    frames = u.chat_frames("a", "b")
    frames.insert(2, u.frame(u.chunk("c", usage={"x": 1}, odd=True)))
    answer = stream(gateway, upstream.script(u.streams(frames)), output_guardrails=[none_of("zebra")])
    chunks = [event.json for event in without_results(answer) if not event.is_done]
    assert said(without_results(answer)) == "acb"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert {chunk["id"] for chunk in chunks} == {"chatcmpl-1"} and chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert any(chunk.get("odd") for chunk in chunks)


def test_a_guarded_stream_flows(gateway, upstream):
    """What is judged goes on at once: nobody waits for the end of the stream."""
    gate = upstream.gate()
    words = ["w " * 1500] * 3
    base = upstream.script(u.streams(u.chat_frames(*words), gates={3: gate}))
    config = config_header(target(base, output_guardrails=[none_of("zebra", deny=True)]))
    with Connection(gateway) as connection:
        body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
        connection.send_request("POST", "/v1/chat/completions", config | {"Content-Type": "application/json"}, body)
        answer = connection.read_head()
        got = b""
        for piece in connection.pieces(answer):
            got += piece
            if len(got) > 2000:
                break
        assert got.count(b"w ") > 500 and gate.reached.wait(5)
        gate.open()


def test_two_guards_in_a_row(gateway, upstream):
    mutators = [{"regexReplace": {"rule": "/a/g", "redactText": "b"}}, {"regexReplace": {"rule": "/b/g", "redactText": "c"}}]
    answer = stream(gateway, upstream.script(split_words("a", "b", "a")), output_mutators=mutators)
    assert said(without_results(answer)) == "ccc" and len(results(answer, "after")[0][1]) == 2


def test_every_choice_of_a_stream_is_judged(gateway, upstream):
    frames = [u.frame(u.chunk(choices=[{"index": index, "delta": {"content": text}, "finish_reason": None}])) for index, text in ((0, "forb"), (1, "fine"), (0, "idden"), (1, " too"))]
    answer = stream(gateway, upstream.script(u.streams([*frames, u.DONE])), output_guardrails=[none_of("forbidden", deny=True)])
    assert "error" in answer.events[-1].json


def test_choices_are_not_mixed_up(gateway, upstream):
    """"forb" of one choice and "idden" of another are no word."""
    frames = [u.frame(u.chunk(choices=[{"index": index, "delta": {"content": text}, "finish_reason": None}])) for index, text in ((0, "forb"), (1, "idden"))]
    answer = stream(gateway, upstream.script(u.streams([*frames, u.DONE])), output_guardrails=[none_of("forbidden", deny=True)])
    assert answer.events[-1].is_done


@pytest.mark.parametrize("delta", [{"reasoning_content": "forbidden"}, {"refusal": "forbidden"}, {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":"forbidden"}'}}]}])
def test_every_place_of_a_delta_is_judged(gateway, upstream, delta):
    frames = [u.frame(u.chunk(delta={"role": "assistant"})), u.frame(u.chunk(delta=delta)), u.frame(u.chunk(finish_reason="stop")), u.DONE]
    answer = stream(gateway, upstream.script(u.streams(frames)), output_guardrails=[none_of("forbidden", deny=True)])
    assert "error" in answer.events[-1].json and "forbidden" not in answer.text


def test_arguments_in_pieces_are_judged(gateway, upstream):
    def arguments(text, **more):
        return u.frame(u.chunk(delta={"tool_calls": [{"index": 0, "function": {"arguments": text}} | more]}))

    frames = [arguments('{"a":"fo', id="c", type="function"), arguments("rbid"), arguments('den"}'), u.frame(u.chunk(finish_reason="tool_calls")), u.DONE]
    answer = stream(gateway, upstream.script(u.streams(frames)), output_guardrails=[none_of("forbidden", deny=True)])
    assert "error" in answer.events[-1].json


# MARK: Checks that need the whole

def test_a_count_is_taken_at_the_end(gateway, upstream):
    answer = stream(gateway, upstream.base, output_guardrails=[{"wordCount": {"minWords": 1, "maxWords": 2}}])
    assert said(without_results(answer)) == u.CHAT_TEXT and results(answer, "after")[0][1][0]["verdict"] is False


def test_a_count_that_denies_holds_the_stream_back(gateway, upstream):
    answer = stream(gateway, upstream.base, output_guardrails=[{"deny": True, "wordCount": {"minWords": 1, "maxWords": 2}}])
    assert u.CHAT_TEXT not in said([event for event in answer.events if "choices" in (event.json if not event.is_done else {})])
    assert answer.status == 446 or answer.events[-1].json["error"]["type"] == "hooks_failed"


def test_a_count_that_is_content_lets_it_go(gateway, upstream):
    answer = stream(gateway, upstream.base, output_guardrails=[{"deny": True, "wordCount": {"minWords": 1, "maxWords": 9}}])
    assert said(without_results(answer)) == u.CHAT_TEXT and answer.events[-1].is_done


# MARK: Messages

def messages(gateway, upstream, base=None, **config):
    config = {"provider": "anthropic", "api_key": "sk", "custom_host": base or upstream.base, "strict_open_ai_compliance": False} | config
    body = {"model": "claude", "max_tokens": 9, "messages": HELLO, "stream": True}
    return ask(gateway, "POST", "/v1/messages", body, config_header(config))


def test_results_on_messages(gateway, upstream):
    answer = messages(gateway, upstream, input_guardrails=[none_of("x")], output_guardrails=[none_of("y")])
    assert answer.events[0].name == "hook_results" and "before_request_hooks" in answer.events[0].json["hook_results"]
    assert answer.events[-2].name == "hook_results" and "after_request_hooks" in answer.events[-2].json["hook_results"]
    assert answer.events[-1].name == "message_stop" and said_messages(answer.events) == u.CHAT_TEXT


def test_a_denial_on_messages(gateway, upstream):
    base = upstream.script(u.streams(u.message_frames("fine ", "forb", "idden")))
    answer = messages(gateway, upstream, base, output_guardrails=[none_of("forbidden", deny=True)])
    assert answer.events[-1].name == "error" and answer.events[-1].json["type"] == "error"
    assert "forbidden" not in said_messages(answer.events)


def test_redaction_on_messages(gateway, upstream):
    base = upstream.script(u.streams(u.message_frames("pin 12", "34", " ok"), split=9))
    answer = messages(gateway, upstream, base, output_mutators=[{"regexReplace": {"rule": "/\\d{4}/g", "redactText": "#"}}])
    assert said_messages(answer.events) == "pin # ok" and answer.events[-1].name == "message_stop"
    assert [event.name for event in answer.events if event.name == "content_block_start"] == ["content_block_start"]


def test_a_translated_stream_is_judged(gateway, upstream):
    base = upstream.script(u.streams(u.message_frames("forb", "idden")))
    answer = stream(gateway, base, provider="anthropic", output_guardrails=[none_of("forbidden", deny=True)])
    assert "error" in answer.events[-1].json


# MARK: Broken streams

@pytest.mark.parametrize("name", ["cut", "half-frame"])
def test_a_guarded_stream_that_breaks_says_so(gateway, upstream, name):
    answer = stream(gateway, upstream.script(u.BY_MODEL[name]), output_guardrails=[none_of("forbidden", deny=True)])
    assert answer.events[-1].json["error"]["type"] == "upstream_error"


@pytest.mark.parametrize("split", [1, 2, 3, 5, 8, 13])
def test_pieces_of_any_size(gateway, upstream, split):
    pieces = ["ü", "😀 und ", "漢字", "\u2028", "ende"]
    answer = stream(gateway, upstream.script(split_words(*pieces, split=split)), output_guardrails=[none_of("forbidden", deny=True)])
    assert said(without_results(answer)) == "".join(pieces)


# MARK: However a stream is cut

def at_once(frames):
    """All of a stream in one piece."""
    return u.streams([b"".join(frames)])


def test_a_denial_comes_at_the_same_place_however_the_stream_is_cut(gateway, upstream):
    """What the guards have let go before it goes out, also when all of it came at once."""
    frames = u.chat_frames(*["x" * 600] * 12, "forbidden", " more")
    replies = [at_once(frames), *(u.streams(frames, split=split) for split in (0, 100, 700, 1600))]
    base = upstream.script(*replies)
    guards = {"output_guardrails": [none_of("zebra", deny=True), none_of("forbidden", deny=True)]}
    texts = set()
    for _ in replies:
        answer = stream(gateway, base, **guards)
        assert answer.events[-1].json["error"]["type"] == "hooks_failed"
        texts.add(said(answer.events[:-1]))
    text, = texts
    assert len(text) > 2000 and not text.strip("x")


@pytest.mark.parametrize("first, second", [("forbidden", "late"), ("late", "forbidden")])
def test_the_first_denial_in_the_stream_counts(gateway, upstream, first, second):
    """Whichever guard it is of, and although the other would have refused what follows."""
    frames = u.chat_frames("forbidden" + "x" * 2500, "late" + "y" * 2500)
    replies = [at_once(frames), u.streams(frames), u.streams(frames, split=50)]
    base = upstream.script(*replies)
    guards = [{"id": name} | none_of(name, deny=True) for name in (first, second)]
    for _ in replies:
        answer = stream(gateway, base, output_guardrails=guards)
        assert "error" in answer.events[-1].json and said(answer.events[:-1]) == ""


def test_what_the_first_guard_let_go_is_judged_at_the_end(gateway, upstream):
    """The second guard holds what the first released, and the stream ends."""
    def check(name, **parameters):
        return {"id": f"default.{name}", "parameters": parameters}

    hooks = [
        {"type": "mutator", "id": "m", "checks": [check("regexReplace", rule="/a/g", redactText="forb")]},
        {"type": "guardrail", "id": "g", "deny": True, "checks": [check("contains", words=["forbidden"], operator="none")]},
    ]
    answer = stream(gateway, upstream.script(split_words("a", "idden")), after_request_hooks=hooks)
    assert "error" in answer.events[-1].json and said(answer.events[:-1]) == ""


# MARK: What a guard of the whole answer cannot read

WHOLE = {"deny": True, "wordCount": {"minWords": 1, "maxWords": 9}}


def closed(upstream, **limits):
    """A gateway whose checks refuse when they cannot judge."""
    config = {"limits": limits} if limits else {}
    return Gateway(config | {"plugins": {"settings": {"default": {"on_failure": "closed", "on_timeout": "closed"}}}})


def test_a_stream_longer_than_a_whole_answer_may_be_is_a_failure(upstream):
    words = ["word " * 200] * 40
    with closed(upstream, upstream_body_bytes=16384) as gateway:
        answer = stream(gateway, upstream.script(split_words(*words)), output_guardrails=[WHOLE])
        assert answer.events[-1].json["error"]["code"] == "guardrail_failed" and "word" not in answer.text.replace("wordCount", "")
        gateway.wait_for_line(lambda line: line.get("reason") == "the stream is longer than limits.upstream_body_bytes")


def test_a_stream_that_is_too_long_passes_an_open_guard(upstream):
    words = ["word " * 200] * 40
    open_policy = {"plugins": {"settings": {"default": {"on_failure": "open"}}}}
    with Gateway({"limits": {"upstream_body_bytes": 16384}} | open_policy) as gateway:
        answer = stream(gateway, upstream.script(split_words(*words)), output_guardrails=[WHOLE])
        assert said(without_results(answer)) == "".join(words) and answer.events[-1].is_done


@pytest.mark.parametrize("guard", [WHOLE, none_of("forbidden", deny=True)])
def test_an_event_that_is_no_json_is_a_failure(upstream, guard):
    frames = u.chat_frames("fine")
    frames.insert(2, b"data: forbidden\n\n")
    with closed(upstream) as gateway:
        answer = stream(gateway, upstream.script(u.streams(frames)), output_guardrails=[guard])
        assert answer.events[-1].json["error"]["code"] == "guardrail_failed" and "forbidden" not in answer.text


# MARK: Guards that nobody waits for

def test_an_async_guard_judges_a_stream_that_has_gone(gateway, upstream):
    guards = [{"id": "aside-stream", "async": True, "deny": True} | none_of("upstream")]
    answer = stream(gateway, upstream.base, output_guardrails=guards)
    assert answer.status == 200 and said(answer.events) == u.CHAT_TEXT and not results(answer, "after")
    line = gateway.wait_for_line(lambda line: line.get("guardrail") == "aside-stream")
    assert (line["message"], line["side"], line["verdict"]) == ("a guardrail judged off the path", "answer", "false")


def test_an_async_guard_sees_what_went_out(gateway, upstream):
    replace = [{"regexReplace": {"rule": "/upstream/g", "redactText": "#"}}]
    guards = [{"id": "aside-redacted", "async": True} | none_of("upstream")]
    stream(gateway, upstream.base, output_mutators=replace, output_guardrails=guards)
    assert gateway.wait_for_line(lambda line: line.get("guardrail") == "aside-redacted")["verdict"] == "true"
