"""Trying again (spec §4.6), the three timeouts, and streams that fail before or after their first byte."""

import email.utils
import time

import pytest

import upstream as u
from client import Connection, ask, chat, config_header, said, target
from gateway import Gateway, until


@pytest.fixture(scope="module")
def gateway(upstream):
    with Gateway({}) as gateway:
        yield gateway


# "retry-after-ms" spares the tests the backoff of seconds.
AT_ONCE = {"retry-after-ms": "1"}


def retrying(base, attempts=3, **retry):
    return target(base, retry={"attempts": attempts, "use_retry_after_header": True} | retry)


# MARK: Retry

def test_a_retry_that_succeeds(gateway, upstream):
    base = upstream.script(u.fails(429, AT_ONCE), u.fails(429, AT_ONCE), u.says("third"))
    answer = chat(gateway, config_header(retrying(base)))
    assert answer.status == 200 and answer.json["choices"][0]["message"]["content"] == "third"
    assert answer.portkey["retry-attempt-count"] == "2" and len(upstream.at(base)) == 3


def test_retries_end(gateway, upstream):
    base = upstream.script(u.fails(429, AT_ONCE))
    answer = chat(gateway, config_header(retrying(base, 2)))
    assert (answer.status, answer.portkey["retry-attempt-count"], len(upstream.at(base))) == (429, "-1", 3)


def test_no_retry_without_a_word(gateway, upstream):
    base = upstream.script(u.fails(503))
    answer = chat(gateway, config_header(target(base)))
    assert (answer.status, answer.portkey["retry-attempt-count"], len(upstream.at(base))) == (503, "0", 1)


def test_backoff_is_a_second_first(gateway, upstream):
    base = upstream.script(u.fails(503), u.says("x"))
    started = time.monotonic()
    assert chat(gateway, config_header(target(base, retry={"attempts": 1}))).status == 200
    assert 0.9 <= time.monotonic() - started < 3
    first, second = upstream.at(base)
    assert second.time - first.time >= 0.9


def test_an_exchange_has_only_so_many_attempts(upstream):
    base = upstream.script(u.fails(429, AT_ONCE))
    config = {"strategy": {"mode": "fallback"}, "targets": [retrying(base, 4) for _ in range(5)]}
    with Gateway({"limits": {"attempts": 7}}) as gateway:
        answer = chat(gateway, config_header(config))
        assert (answer.status, len(upstream.at(base))) == (429, 7)
        assert answer.portkey["last-used-option-index"] == "config.targets[1]"
        assert chat(gateway, config_header({"strategy": {"mode": "fallback"}, "targets": [target(upstream.base)] * 101})).error["code"] == "too_many_targets"
        assert chat(gateway, config_header({"strategy": {"mode": "fallback"}, "targets": [target(upstream.base)] * 100})).status == 200


@pytest.mark.parametrize("status", [400, 401, 404, 408, 418, 422, 501])
def test_other_failures_are_not_retried(gateway, upstream, status):
    base = upstream.script(u.fails(status))
    assert chat(gateway, config_header(retrying(base))).status == status
    assert len(upstream.at(base)) == 1


def test_a_list_replaces_the_default_statuses(gateway, upstream):
    base = upstream.script(u.fails(429, AT_ONCE))
    chat(gateway, config_header(retrying(base, on_status_codes=[503])))
    assert len(upstream.at(base)) == 1
    listed = upstream.script(u.fails(429, AT_ONCE), u.says("x"))
    assert chat(gateway, config_header(retrying(listed, on_status_codes=[429]))).status == 200


@pytest.mark.parametrize("headers", [{"retry-after-ms": "1"}, {"x-ms-retry-after-ms": "1"}, {"retry-after": "0"}, {"retry-after-ms": "1", "retry-after": "50"}])
@pytest.mark.parametrize("spelling", ["use_retry_after_header", "use_retry_after_headers"])
def test_retry_after_replaces_the_backoff(gateway, upstream, headers, spelling):
    base = upstream.script(u.fails(429, headers), u.says("x"))
    started = time.monotonic()
    assert chat(gateway, config_header(target(base, retry={"attempts": 1, spelling: True}))).status == 200
    assert time.monotonic() - started < 0.9


def test_a_long_retry_after_ends_at_once(gateway, upstream):
    base = upstream.script(u.fails(429, {"retry-after": "61"}))
    started = time.monotonic()
    answer = chat(gateway, config_header(retrying(base)))
    assert (answer.status, answer.portkey["retry-attempt-count"], len(upstream.at(base))) == (429, "-1", 1)
    assert answer.header("retry-after") == "61" and time.monotonic() - started < 5


def test_a_retry_after_as_a_date(gateway, upstream):
    date = email.utils.formatdate(time.time() + 90, usegmt=True)
    base = upstream.script(u.fails(429, {"retry-after": date}))
    answer = chat(gateway, config_header(retrying(base)))
    assert (answer.status, len(upstream.at(base))) == (429, 1)


def test_retry_after_counts_for_429_only(gateway, upstream):
    base = upstream.script(u.fails(503, {"retry-after-ms": "1"}), u.says("x"))
    started = time.monotonic()
    assert chat(gateway, config_header(retrying(base, 1))).status == 200
    assert time.monotonic() - started >= 0.9


def test_a_retry_after_that_is_not_asked_for_is_ignored(gateway, upstream):
    base = upstream.script(u.fails(429, {"retry-after": "3600"}), u.says("x"))
    assert chat(gateway, config_header(target(base, retry={"attempts": 1}))).status == 200


def test_a_broken_connection_is_retried_whatever_the_list_says(gateway):
    # An upstream of its own: libcurl itself tries a connection again that has been used and then turns out to be dead.
    with u.Upstream() as fresh:
        base = fresh.script(u.resets, u.says("x"))
        answer = chat(gateway, config_header(target(base, retry={"attempts": 1, "on_status_codes": [418]})))
        assert (answer.status, answer.portkey["retry-attempt-count"]) == (200, "1")


def test_a_denied_answer_is_retried_when_listed(gateway, upstream):
    base = upstream.script(u.says("bad"), u.says("good"))
    guard = [{"deny": True, "contains": {"words": ["bad"], "operator": "none"}}]
    answer = chat(gateway, config_header(target(base, retry={"attempts": 1, "on_status_codes": [446]}, output_guardrails=guard)))
    assert answer.status == 200 and answer.json["choices"][0]["message"]["content"] == "good"
    # The results are those of the answer that was given.
    assert [result["verdict"] for result in answer.json["hook_results"]["after_request_hooks"]] == [True]


def test_a_softly_failed_answer_is_retried_when_listed(gateway, upstream):
    base = upstream.script(u.says("bad"), u.says("good"))
    guard = [{"contains": {"words": ["bad"], "operator": "none"}}]
    answer = chat(gateway, config_header(target(base, retry={"attempts": 1, "on_status_codes": [246]}, output_guardrails=guard)))
    assert answer.status == 200 and answer.portkey["retry-attempt-count"] == "1"


def test_each_retry_sends_the_same_bytes(gateway, upstream):
    base = upstream.script(u.fails(429, AT_ONCE), u.says("x"))
    chat(gateway, config_header(retrying(base)), user="ü")
    first, second = upstream.at(base)
    assert first.body == second.body and first.headers == second.headers


def test_a_stream_is_retried_before_it_begins(gateway, upstream):
    base = upstream.script(u.fails(429, AT_ONCE), u.streams(u.chat_frames("a", "b")))
    answer = chat(gateway, config_header(retrying(base)), stream=True)
    assert said(answer.events) == "ab" and answer.portkey["retry-attempt-count"] == "1"


def test_the_proxy_retries(gateway, upstream):
    base = upstream.script(u.fails(429, AT_ONCE), u.echoes)
    answer = ask(gateway, "POST", "/v1/things", {"a": 1}, config_header(retrying(base)))
    assert answer.status == 200 and answer.json["body"] == '{"a": 1}'


# MARK: The first timeout: until the head

def test_the_answer_to_a_timeout(gateway, upstream):
    base = upstream.script(u.hangs)
    answer = chat(gateway, config_header(target(base, request_timeout=60)))
    assert answer.status == 408
    assert answer.json == {
        "error": {"message": "Request exceeded the timeout sent in the request: 60ms", "type": "timeout_error", "param": None, "code": None}}
    assert answer.portkey["last-used-option-index"] == "config"


def test_a_timeout_closes_the_upstream(gateway, upstream):
    base = upstream.script(u.hangs)
    chat(gateway, config_header(target(base, request_timeout=60)))
    assert upstream.at(base)[0].abandoned.wait(5)


def test_the_timeout_ends_with_the_head(gateway, upstream):
    """The body may take as long as it likes."""
    gate = upstream.gate()

    async def slow_body(incoming):
        await incoming.head(200, [u.JSON, ("transfer-encoding", "chunked")])
        await gate.wait()
        await incoming.chunk(b'{"id":"late"}')
        await incoming.end_chunks()

    config = config_header(target(upstream.script(slow_body), request_timeout=100))
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", config | {"Content-Type": "application/json"}, b'{"model":"m","messages":[]}')
        assert gate.reached.wait(10)
        time.sleep(0.3)
        gate.open()
        answer = connection.read_answer()
    assert (answer.status, answer.json["id"]) == (200, "late")


def test_each_attempt_has_its_own_timeout(gateway, upstream):
    base = upstream.script(u.hangs)
    answer = chat(gateway, config_header(target(base, request_timeout=60, retry={"attempts": 1, "on_status_codes": [408]})))
    assert (answer.status, len(upstream.at(base))) == (408, 2)


def test_a_timeout_is_not_retried_unless_listed(gateway, upstream):
    base = upstream.script(u.hangs)
    assert chat(gateway, config_header(target(base, request_timeout=60, retry={"attempts": 1}))).status == 408
    assert len(upstream.at(base)) == 1


def test_the_proxy_has_the_timeout_too(gateway, upstream):
    answer = ask(gateway, "GET", "/v1/files", headers=config_header(target(upstream.script(u.hangs), request_timeout=60)))
    assert answer.status == 408 and answer.error["type"] == "timeout_error"


# MARK: The second and third: streams

def waiting(upstream, number, frames=None):
    """A stream that waits before this frame for ever."""
    return upstream.script(u.streams(frames or u.chat_frames("one", "two", "three"), gates={number: upstream.gate()}))


def test_the_first_token_has_a_timeout(gateway, upstream):
    config = target(waiting(upstream, 0), timeouts={"first_token_ms": 80})
    answer = chat(gateway, config_header(config), stream=True)
    assert answer.status == 408 and answer.error["type"] == "timeout_error" and "80ms" in answer.error["message"]


def test_the_first_tokens_timeout_falls_over(gateway, upstream):
    slow = target(waiting(upstream, 0), timeouts={"first_token_ms": 80})
    config = {"strategy": {"mode": "fallback"}, "targets": [slow, target(upstream.base)]}
    answer = chat(gateway, config_header(config), stream=True)
    assert answer.status == 200 and said(answer.events) == u.CHAT_TEXT
    assert answer.portkey["last-used-option-index"] == "config.targets[1]"


def test_comments_and_pings_are_no_token(gateway, upstream):
    frames = [b": keep-alive\n\n"] * 3 + u.chat_frames("x")
    config = target(waiting(upstream, 3, frames), timeouts={"first_token_ms": 80})
    assert chat(gateway, config_header(config), stream=True).status == 408


def test_between_tokens_there_is_a_timeout(gateway, upstream):
    base = waiting(upstream, 2)
    answer = chat(gateway, config_header(target(base, timeouts={"between_tokens_ms": 80})), stream=True)
    assert answer.status == 200 and answer.is_complete
    assert said(answer.events[:-1]) == "one"
    error = answer.events[-1].json["error"]
    assert error["type"] == "timeout_error" and "80" in error["message"]
    assert upstream.at(base)[0].abandoned.wait(5)


def test_a_steady_stream_outlasts_its_timeouts(gateway, upstream):
    async def steady(incoming):
        await incoming.head(200, [u.SSE, ("transfer-encoding", "chunked")])
        for frame in u.chat_frames(*"abcdefgh"):
            await u.asyncio.sleep(0.05)
            await incoming.chunk(frame)
        await incoming.end_chunks()

    config = target(upstream.script(steady), timeouts={"first_token_ms": 400, "between_tokens_ms": 400})
    answer = chat(gateway, config_header(config), stream=True)
    assert said(answer.events) == "abcdefgh" and answer.events[-1].is_done


def test_the_whole_exchange_has_a_deadline(upstream):
    with Gateway({"limits": {"request_deadline_ms": 300}}) as gateway:
        started = time.monotonic()
        answer = chat(gateway, config_header(target(upstream.script(u.hangs), retry={"attempts": 5, "on_status_codes": [408]})))
        assert answer.status in (408, 504) and time.monotonic() - started < 5
        streaming = chat(gateway, config_header(target(waiting(upstream, 2))), stream=True)
        assert "error" in streaming.events[-1].json
        # A wait between attempts ends with the deadline, too.
        waits = target(upstream.script(u.fails(503)), retry={"attempts": 5})
        started = time.monotonic()
        chat(gateway, config_header(waits))
        assert time.monotonic() - started < 5


def test_a_plugins_provider_keeps_the_deadline(upstream):
    with Gateway({"limits": {"request_deadline_ms": 200}, "providers": {"mock": {"provider": "mock", "delay_ms": 30000}}}) as gateway:
        started = time.monotonic()
        assert chat(gateway, {"x-portkey-provider": "@mock"}).status == 408
        assert time.monotonic() - started < 5


# MARK: Streams that fail

@pytest.mark.parametrize("name", ["nothing", "reset", "cut-first", "empty-stream", "half-first-frame", "garbage-stream", "html-stream", "error-frame", "status-500", "garbage"])
def test_a_stream_that_fails_before_its_first_event_falls_over(gateway, upstream, name):
    config = {"strategy": {"mode": "fallback"}, "targets": [target(upstream.script(u.by_model(name))), target(upstream.base)]}
    answer = chat(gateway, config_header(config), stream=True)
    assert answer.status == 200 and answer.portkey["last-used-option-index"] == "config.targets[1]"
    assert said(answer.events) == u.CHAT_TEXT and answer.events[-1].is_done


@pytest.mark.parametrize("name, status", [("error-frame", 502), ("empty-stream", 502), ("html-stream", 502), ("cut-first", 502), ("status-429", 429)])
def test_a_stream_that_never_begins_is_a_json_error(gateway, upstream, name, status):
    answer = chat(gateway, config_header(target(upstream.base)), stream=True, model=name)
    assert answer.status == status and answer.header("content-type") == "application/json"
    assert answer.error["message"] and answer.json["provider"] == "openai"


@pytest.mark.parametrize("kind, status", [("overloaded_error", 529), ("rate_limit_error", 429), ("invalid_request_error", 400), ("whatever", 502)])
def test_an_error_as_the_first_event_has_its_status(gateway, upstream, kind, status):
    base = upstream.script(u.streams([u.frame(u.openai_error("no", kind, None))]))
    assert chat(gateway, config_header(target(base)), stream=True).status == status


def test_a_stream_that_breaks_off_says_so(gateway, upstream):
    answer = chat(gateway, config_header(target(upstream.base)), stream=True, model="cut")
    assert answer.status == 200 and answer.is_complete
    assert said(answer.events[:-1]) == "Hello from"
    assert answer.events[-1].json["error"]["type"] == "upstream_error"
    assert not any(event.is_done for event in answer.events)


def test_a_stream_that_broke_is_not_retried(gateway, upstream):
    base = upstream.script(u.streams(u.chat_frames("a")[:2], end="cut"), u.says("never"))
    config = {"strategy": {"mode": "fallback"}, "targets": [retrying(base), target(upstream.base)]}
    answer = chat(gateway, config_header(config), stream=True)
    assert "error" in answer.events[-1].json and len(upstream.requests) == 1


def test_an_error_in_mid_stream_passes(gateway, upstream):
    frames = [*u.chat_frames("a")[:2], u.frame(u.openai_error("later")), u.DONE]
    answer = chat(gateway, config_header(target(upstream.script(u.streams(frames)))), stream=True)
    assert answer.events[2].json["error"]["message"] == "later"


@pytest.mark.parametrize("end", ["clean", "cut"])
@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("split", [0, 1, 7])
def test_half_an_event_at_the_end_is_not_passed_on(gateway, upstream, end, guarded, split):
    base = upstream.script(u.streams(u.HALF_FRAME, split=split, end=end))
    more = {"output_guardrails": [{"contains": {"words": ["zebra"], "operator": "none"}}]} if guarded else {}
    answer = chat(gateway, config_header(target(base, **more)), stream=True)
    assert answer.is_complete
    *whole, last = answer.events
    # A check holds back the end of the text in case that more comes.
    assert said(whole) == ("Hello" if not guarded else said(whole))
    assert last.json["error"]["type"] == "upstream_error"


@pytest.mark.parametrize("tail", [b"data: [DONE]", b"data: [DONE]\n", b'data: {"id":"x","choices":[]}', b""])
@pytest.mark.parametrize("split", [0, 1])
def test_a_last_event_without_its_empty_line_counts(gateway, upstream, tail, split):
    frames = [*u.chat_frames("a")[:-1], tail]
    answer = chat(gateway, config_header(target(upstream.script(u.streams(frames, split=split)))), stream=True)
    assert said(answer.events) == "a" and answer.events[-1].is_done
    assert sum(event.is_done for event in answer.events) == 1


@pytest.mark.parametrize("ends", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("split", [0, 1, 2, 3, 5])
def test_every_line_end_is_understood(gateway, upstream, ends, split):
    frames = [frame[:-2] + ends for frame in u.chat_frames("a", "b")]
    base = upstream.script(u.streams(frames, split=split))
    answer = chat(gateway, config_header(target(base)), stream=True)
    # Line ends of CR alone are rare, and most clients do not know them: such streams are written anew.
    assert answer.body == b"".join(frames).replace(b"\r\r", b"\n\n")
