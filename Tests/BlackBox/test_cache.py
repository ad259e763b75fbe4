"""The response cache (spec §4.9): statuses, what counts as the same request, what is stored, and streams both ways."""

import itertools
import json
import time

import pytest

import upstream as u
from client import HELLO, ask, chat, config_header, said, said_messages, target
from gateway import Gateway, until

_prompts = itertools.count(1)


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "keys": [
            {"name": "a1", "workspace": "a", "key": "gh-a1-0123456789"}, {"name": "a2", "workspace": "a", "key": "gh-a2-0123456789"},
            {"name": "b", "workspace": "b", "key": "gh-b-0123456789"},
        ],
        "providers": {
            "up": {"provider": "openai", "api_key": "sk-server", "base_url": upstream.base},
            "other": {"provider": "openai", "api_key": "sk-other", "base_url": upstream.base},
            "claude": {"provider": "anthropic", "api_key": "sk-server", "base_url": upstream.base},
        },
        "network": {"allow_hosts": [f"127.0.0.1:{upstream.port}"]},
    }
    with Gateway(config) as gateway:
        yield gateway


KEY = {"x-portkey-api-key": "gh-a1-0123456789"}
SIMPLE = {"mode": "simple"}


def cached(gateway, headers=None, config=None, prompt=None, **body):
    config = {"provider": "@up", "cache": SIMPLE} | (config or {})
    messages = [{"role": "user", "content": prompt}]
    return chat(gateway, KEY | config_header(config) | (headers or {}), messages=messages, **body)


def status(answer):
    return answer.portkey["cache-status"]


@pytest.fixture
def prompt():
    """A prompt that no other test has."""
    return f"prompt {next(_prompts)}"


# MARK: Statuses

def test_miss_then_hit(gateway, upstream, prompt):
    first, second = cached(gateway, prompt=prompt), cached(gateway, prompt=prompt)
    assert (status(first), status(second)) == ("MISS", "HIT")
    assert first.body == second.body and first.status == second.status == 200 and len(upstream.requests) == 1


def test_a_hit_has_the_other_headers_as_well(gateway, prompt):
    cached(gateway, prompt=prompt)
    hit = cached(gateway, prompt=prompt)
    assert hit.portkey.keys() == {"trace-id", "last-used-option-index", "retry-attempt-count", "cache-status", "provider"}
    assert int(hit.header("age")) >= 0


def test_without_a_config_the_cache_is_off(gateway, upstream, prompt):
    cached(gateway, prompt=prompt)
    answer = chat(gateway, KEY | config_header({"provider": "@up"}), messages=[{"role": "user", "content": prompt}])
    assert status(answer) == "DISABLED" and len(upstream.requests) == 2


def test_refresh_asks_and_stores(gateway, upstream, prompt):
    base = upstream.script(u.says("one"), u.says("two"), u.says("three"))
    config = target(base, cache=SIMPLE)
    answers = [
        cached(gateway, config=config, prompt=prompt),
        cached(gateway, {"x-portkey-cache-force-refresh": "true"}, config, prompt),
        cached(gateway, config=config, prompt=prompt),
    ]
    assert [status(answer) for answer in answers] == ["MISS", "REFRESH", "HIT"]
    assert [answer.json["choices"][0]["message"]["content"] for answer in answers] == ["one", "two", "two"]


@pytest.mark.parametrize("value", ["false", "0", "", "no"])
def test_only_true_refreshes(gateway, prompt, value):
    cached(gateway, prompt=prompt)
    assert status(cached(gateway, {"x-portkey-cache-force-refresh": value}, prompt=prompt)) == "HIT"


def test_debug_false_turns_it_off(gateway, upstream, prompt):
    cached(gateway, prompt=prompt)
    assert status(cached(gateway, {"x-portkey-debug": "false"}, prompt=prompt)) == "DISABLED"


@pytest.mark.parametrize("value", ["simple", '{"mode":"simple","max_age":60}'])
def test_the_cache_header(gateway, upstream, prompt, value):
    headers = KEY | {"x-portkey-provider": "@up", "x-portkey-cache": value}
    messages = [{"role": "user", "content": prompt}]
    assert [status(chat(gateway, headers, messages=messages)) for _ in range(2)] == ["MISS", "HIT"]


def test_a_bad_cache_header_is_refused(gateway, upstream):
    assert chat(gateway, KEY | {"x-portkey-provider": "@up", "x-portkey-cache": "sometimes"}).status == 400


def test_semantic_finds_the_same_request(gateway, prompt):
    config = {"cache": {"mode": "semantic"}}
    assert status(cached(gateway, config=config, prompt=prompt)) in ("SEMANTIC MISS", "MISS")
    assert status(cached(gateway, config=config, prompt=prompt)) in ("SEMANTIC HIT", "HIT")


# MARK: What is the same

DIFFERENCES = {
    "model": {"model": "n"}, "temperature": {"temperature": 0.5}, "user": {"user": "u"}, "tools": {"tools": []}, "unknown": {"odd": 1},
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_another_body_is_another_entry(gateway, prompt, name):
    cached(gateway, prompt=prompt)
    assert status(cached(gateway, prompt=prompt, **DIFFERENCES[name])) == "MISS"


def test_stream_false_is_as_if_absent(gateway, prompt):
    cached(gateway, prompt=prompt)
    assert status(cached(gateway, prompt=prompt, stream=False)) == "HIT"


@pytest.mark.parametrize("config", [{"provider": "@other"}, {"override_params": {"temperature": 1}}], ids=str)
def test_another_target_is_another_entry(gateway, prompt, config):
    cached(gateway, prompt=prompt)
    assert status(cached(gateway, config=config, prompt=prompt)) == "MISS"


def test_another_host_is_another_entry(gateway, upstream, prompt):
    one, two = upstream.script(u.says("one")), upstream.script(u.says("two"))
    cached(gateway, config=target(one, cache=SIMPLE), prompt=prompt)
    answer = cached(gateway, config=target(two, cache=SIMPLE), prompt=prompt)
    assert status(answer) == "MISS" and answer.json["choices"][0]["message"]["content"] == "two"


def test_another_credential_is_another_entry(gateway, upstream, prompt):
    base = upstream.script(u.says("x"))
    cached(gateway, config=target(base, cache=SIMPLE, api_key="sk-1"), prompt=prompt)
    assert status(cached(gateway, config=target(base, cache=SIMPLE, api_key="sk-2"), prompt=prompt)) == "MISS"


@pytest.mark.parametrize("name", ["openai-organization", "openai-project", "openai-beta"])
def test_another_header_for_the_provider_is_another_entry(gateway, upstream, prompt, name):
    base = upstream.script(u.says("x"))
    config = target(base, cache=SIMPLE)
    values = [{name: "one"}, {name: "two"}, {}, {name: "one"}]
    answers = [cached(gateway, headers, config, prompt=prompt) for headers in values]
    assert [status(answer) for answer in answers] == ["MISS", "MISS", "MISS", "HIT"]


def test_another_beta_is_another_entry(gateway, upstream, prompt):
    body = {"model": "claude-m", "max_tokens": 9, "messages": [{"role": "user", "content": prompt}]}
    headers = KEY | config_header({"provider": "@claude", "cache": SIMPLE})
    betas = ["context-1m", "other", None, "context-1m"]
    answers = [ask(gateway, "POST", "/v1/messages", body, headers | ({"anthropic-beta": beta} if beta else {})) for beta in betas]
    assert [status(answer) for answer in answers] == ["MISS", "MISS", "MISS", "HIT"]


def test_another_secret_is_another_entry(upstream, prompt):
    def provider(project):
        return {"provider": "openai", "api_key": "sk", "base_url": upstream.base, "openai_project": {"env": project}}

    config = {"providers": {"one": provider("ONE"), "two": provider("TWO")}, "cache": {}}
    with Gateway(config, env={"ONE": "p1", "TWO": "p2"}) as gateway:
        for name, wanted in [("one", "MISS"), ("two", "MISS"), ("one", "HIT"), ("two", "HIT")]:
            answer = chat(gateway, config_header({"provider": f"@{name}", "cache": SIMPLE}), messages=[{"role": "user", "content": prompt}])
            assert status(answer) == wanted


def test_another_endpoint_is_another_entry(gateway, upstream, prompt):
    headers = KEY | config_header({"provider": "@up", "cache": SIMPLE})
    body = {"model": "m", "prompt": prompt, "input": prompt, "messages": HELLO}
    statuses = [status(ask(gateway, "POST", path, body, headers)) for path in ("/v1/completions", "/v1/embeddings", "/v1/chat/completions")]
    assert statuses == ["MISS"] * 3


def test_tenants_are_apart(gateway, upstream, prompt):
    cached(gateway, prompt=prompt)
    assert status(cached(gateway, {"x-portkey-api-key": "gh-b-0123456789"}, prompt=prompt)) == "MISS"


def test_keys_of_one_workspace_share(gateway, prompt):
    cached(gateway, prompt=prompt)
    assert status(cached(gateway, {"x-portkey-api-key": "gh-a2-0123456789"}, prompt=prompt)) == "HIT"


def test_a_client_without_a_key_of_its_provider_gets_no_hit(gateway, upstream, prompt):
    """Whoever could not have asked the provider must not read what it said."""
    base = upstream.script(u.says("x"))
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": base, "x-portkey-cache": "simple"}
    messages = [{"role": "user", "content": prompt}]
    assert chat(gateway, KEY | headers | {"Authorization": "Bearer sk-mine"}, messages=messages).status == 200
    assert chat(gateway, KEY | headers, messages=messages).status == 401


def test_a_namespace_is_a_cache_of_its_own(gateway, prompt):
    def ask_in(namespace, metadata=None):
        return status(cached(gateway, {"x-portkey-cache-namespace": namespace} | ({"x-portkey-metadata": metadata} if metadata else {}), prompt=prompt))
    assert [ask_in("n1"), ask_in("n2"), ask_in("n1")] == ["MISS", "MISS", "HIT"]
    # It takes the place of the metadata.
    assert ask_in("n1", '{"user":"x"}') == "HIT"


def test_metadata_is_part_of_the_request(gateway, prompt):
    def ask_with(metadata):
        return status(cached(gateway, {"x-portkey-metadata": json.dumps(metadata)}, prompt=prompt))
    assert [ask_with({"a": "1"}), ask_with({"a": "2"}), ask_with({"a": "1"})] == ["MISS", "MISS", "HIT"]
    assert ask_with({"a": "1", "b": ""}) == "MISS"


def test_a_hit_after_a_retry_and_another_order_of_members(gateway, upstream, prompt):
    """Bytes that differ are no danger: at worst a miss."""
    messages = [{"role": "user", "content": prompt}]
    headers = KEY | config_header({"provider": "@up", "cache": SIMPLE})
    ask(gateway, "POST", "/v1/chat/completions", {"model": "m", "messages": messages}, headers)
    assert status(ask(gateway, "POST", "/v1/chat/completions", {"messages": messages, "model": "m"}, headers)) in ("MISS", "HIT")


# MARK: What is stored

@pytest.mark.parametrize("code", [400, 429, 500, 503])
def test_errors_are_not_stored(gateway, upstream, prompt, code):
    base = upstream.script(u.fails(code), u.says("fine"))
    config = target(base, cache=SIMPLE)
    assert cached(gateway, config=config, prompt=prompt).status == code
    answer = cached(gateway, config=config, prompt=prompt)
    assert answer.status == 200 and status(answer) == "MISS"


def test_only_200_is_stored(gateway, upstream, prompt):
    base = upstream.script(u.answer(u.completion(), 201))
    config = target(base, cache=SIMPLE)
    assert [status(cached(gateway, config=config, prompt=prompt)) for _ in range(2)] == ["MISS", "MISS"]


def test_denials_are_not_stored(gateway, upstream, prompt):
    guards = {"output_guardrails": [{"deny": True, "contains": {"words": ["upstream"], "operator": "none"}}]}
    for _ in range(2):
        assert cached(gateway, config=guards, prompt=prompt).status == 446
    assert status(cached(gateway, prompt=prompt)) == "MISS"


def test_garbage_is_not_stored(gateway, upstream, prompt):
    base = upstream.script(u.BY_MODEL["html"], u.BY_MODEL["empty-200"], u.says("fine"))
    config = target(base, cache=SIMPLE)
    assert [cached(gateway, config=config, prompt=prompt).status for _ in range(3)] == [502, 502, 200]


def test_a_broken_stream_is_not_stored(gateway, upstream, prompt):
    base = upstream.script(u.BY_MODEL["cut"], u.BY_MODEL["half-frame"], u.streams(u.chat_frames("fine")))
    config = target(base, cache=SIMPLE)
    for _ in range(2):
        cached(gateway, config=config, prompt=prompt, stream=True)
    answer = cached(gateway, config=config, prompt=prompt, stream=True)
    assert status(answer) == "MISS" and said(answer.events) == "fine"


def test_a_stream_with_an_error_in_it_is_not_stored(gateway, upstream, prompt):
    frames = u.chat_frames("half")
    base = upstream.script(u.streams(frames[:2] + [u.frame(u.openai_error("broke"))] + frames[2:]), u.says("fine"))
    config = target(base, cache=SIMPLE)
    assert status(cached(gateway, None, config, prompt=prompt, stream=True)) == "MISS"
    assert status(cached(gateway, None, config, prompt=prompt)) == "MISS"


def test_max_age_is_seconds(gateway, upstream, prompt):
    config = {"cache": {"mode": "simple", "max_age": 1}}
    cached(gateway, config=config, prompt=prompt)
    assert status(cached(gateway, config=config, prompt=prompt)) == "HIT"
    until(lambda: status(cached(gateway, config=config, prompt=prompt)) == "MISS", "the entry's end", 5)


def test_a_long_max_age_is_no_milliseconds(gateway, upstream, prompt):
    config = {"cache": {"mode": "simple", "max_age": 600}}
    cached(gateway, config=config, prompt=prompt)
    time.sleep(0.7)
    assert status(cached(gateway, config=config, prompt=prompt)) == "HIT"


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches", "/v1/responses"])
def test_other_endpoints_are_not_stored(gateway, upstream, path):
    headers = KEY | config_header({"provider": "@up", "cache": SIMPLE})
    assert [status(ask(gateway, "POST", path, {"x": 1}, headers)) for _ in range(2)] == ["DISABLED"] * 2


def test_embeddings_and_completions_are_stored(gateway, upstream, prompt):
    headers = KEY | config_header({"provider": "@up", "cache": SIMPLE})
    for path, body in (("/v1/embeddings", {"input": prompt}), ("/v1/completions", {"prompt": prompt})):
        assert [status(ask(gateway, "POST", path, {"model": "m"} | body, headers)) for _ in range(2)] == ["MISS", "HIT"]


def test_the_cache_is_bounded(upstream):
    config = {"providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}}, "cache": {"max_bytes": 200_000, "max_entry_bytes": 50_000}}
    with Gateway(config) as gateway:
        def entry(prompt, model="huge-20000"):
            return status(chat(gateway, config_header({"provider": "@up", "cache": SIMPLE}), model=model, messages=[{"role": "user", "content": prompt}]))
        assert entry("first") == "MISS" and entry("first") == "HIT"
        for number in range(30):
            entry(f"p{number}")
        assert entry("first") == "MISS" and entry("p29") == "HIT"
        # One that is too large is not kept.
        assert [entry("large", "huge-90000") for _ in range(2)] == ["MISS", "MISS"]


def test_a_size_of_zero_turns_it_off(upstream):
    config = {"providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}}, "cache": {"max_bytes": 0}}
    with Gateway(config) as gateway:
        headers = config_header({"provider": "@up", "cache": SIMPLE})
        assert "HIT" not in [status(chat(gateway, headers)) for _ in range(2)]


# MARK: Guards and hits

def test_input_guards_come_before_the_cache(gateway, upstream, prompt):
    cached(gateway, prompt=prompt)
    guard = {"input_guardrails": [{"deny": True, "contains": {"words": [prompt], "operator": "none"}}]}
    assert cached(gateway, config=guard, prompt=prompt).status == 446


def test_a_hit_does_not_get_around_an_output_guard(gateway, upstream, prompt):
    cached(gateway, prompt=prompt)
    guard = {"output_guardrails": [{"deny": True, "contains": {"words": ["upstream"], "operator": "none"}}]}
    # Answers are kept as the guards left them, so that other guards have another entry.
    assert cached(gateway, config=guard, prompt=prompt).status == 446


def test_output_guards_judge_hits(gateway, upstream, prompt):
    guard = {"output_guardrails": [{"contains": {"words": ["upstream"], "operator": "any"}}]}
    answers = [cached(gateway, config=guard, prompt=prompt) for _ in range(2)]
    assert [status(answer) for answer in answers] == ["MISS", "HIT"] and len(upstream.requests) == 1
    assert all(answer.json["hook_results"]["after_request_hooks"][0]["verdict"] for answer in answers)


def test_results_are_not_stored(gateway, upstream, prompt):
    guard = {"output_guardrails": [{"contains": {"words": ["upstream"], "operator": "none"}}]}
    assert cached(gateway, config=guard, prompt=prompt).status == 246
    second = cached(gateway, config=guard, prompt=prompt)
    assert second.status == 246 and second.body.count(b"hook_results") == 1
    assert b"hook_results" not in cached(gateway, prompt=prompt).body


def test_softly_failed_answers_are_not_stored(gateway, upstream, prompt):
    guard = {"output_guardrails": [{"contains": {"words": ["upstream"], "operator": "none"}}]}
    assert cached(gateway, config=guard, prompt=prompt).status == 246
    assert status(cached(gateway, prompt=prompt)) == "MISS"


def test_a_retry_gets_another_answer_and_not_the_stored_one(gateway, upstream, prompt):
    base = upstream.script(u.says("bad"), u.says("good"))
    guard = {"contains": {"words": ["bad"], "operator": "none"}}
    for deny, code in ((True, 446), (False, 246)):
        base = upstream.script(u.says("bad"), u.says("good"))
        config = target(base, cache=SIMPLE, retry={"attempts": 1, "on_status_codes": [code]}, output_guardrails=[{"deny": deny} | guard])
        answer = cached(gateway, config=config, prompt=prompt)
        assert answer.status == 200 and answer.json["choices"][0]["message"]["content"] == "good"


def test_one_clients_mutators_do_not_change_anothers_answer(gateway, upstream, prompt):
    """The stored answer of a request whose config rewrote it is not what a request without that config may get."""
    mutator = {"output_mutators": [{"regexReplace": {"rule": "upstream", "redactText": "POISON"}}]}
    cached(gateway, config=mutator, prompt=prompt)
    answer = cached(gateway, prompt=prompt)
    assert "POISON" not in answer.text, "an answer that another config has rewritten came out of the cache"


# MARK: Streams

def test_a_stream_is_stored_and_replayed(gateway, upstream, prompt):
    first = cached(gateway, prompt=prompt, stream=True)
    second = cached(gateway, prompt=prompt, stream=True)
    assert (status(first), status(second)) == ("MISS", "HIT") and len(upstream.requests) == 1
    assert said(first.events) == said(second.events) == u.CHAT_TEXT
    assert second.events[-1].is_done and second.header("content-type").startswith("text/event-stream")
    finishes = [choice["finish_reason"] for event in second.events[:-1] for choice in event.json["choices"]]
    assert finishes[-1] == "stop" and set(finishes[:-1]) <= {None}


def test_a_stored_stream_answers_a_plain_request(gateway, upstream, prompt):
    cached(gateway, prompt=prompt, stream=True)
    answer = cached(gateway, prompt=prompt)
    assert status(answer) == "HIT" and answer.json["object"] == "chat.completion"
    assert answer.json["choices"][0]["message"] == {"role": "assistant", "content": u.CHAT_TEXT} or answer.json["choices"][0]["message"]["content"] == u.CHAT_TEXT
    assert answer.json["choices"][0]["finish_reason"] == "stop"


def test_a_stored_answer_answers_a_stream(gateway, upstream, prompt):
    cached(gateway, prompt=prompt)
    answer = cached(gateway, prompt=prompt, stream=True, stream_options={"include_usage": True})
    assert status(answer) == "HIT" and said(answer.events) == u.CHAT_TEXT and answer.events[-1].is_done
    assert any((event.json.get("usage") or {}).get("total_tokens") == 8 for event in answer.events[:-1])


def test_tool_calls_survive_both_ways(gateway, upstream, prompt):
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":"ü"}'}}
    base = upstream.script(u.says("", message={"content": None, "tool_calls": [call]}, finish_reason="tool_calls"))
    config = target(base, cache=SIMPLE)
    cached(gateway, config=config, prompt=prompt)
    answer = cached(gateway, config=config, prompt=prompt, stream=True)
    calls = [part for event in answer.events[:-1] for choice in event.json["choices"] for part in choice["delta"].get("tool_calls") or []]
    assert calls[0]["id"] == "call_1" and calls[0]["function"]["name"] == "f" and calls[0]["index"] == 0
    assert "".join(part["function"].get("arguments", "") for part in calls) == '{"a":"ü"}'


def test_a_long_answer_is_replayed_whole(gateway, upstream, prompt):
    text = "Wörter 😀 " * 500
    config = target(upstream.script(u.says(text)), cache=SIMPLE)
    cached(gateway, config=config, prompt=prompt)
    assert said(cached(gateway, config=config, prompt=prompt, stream=True).events) == text


def test_two_choices_survive(gateway, upstream, prompt):
    choices = [{"index": index, "message": {"role": "assistant", "content": f"c{index}"}, "finish_reason": "stop"} for index in range(2)]
    config = target(upstream.script(u.answer(u.completion(choices=choices))), cache=SIMPLE)
    cached(gateway, config=config, prompt=prompt)
    answer = cached(gateway, config=config, prompt=prompt, stream=True)
    texts = {0: "", 1: ""}
    for event in answer.events[:-1]:
        for choice in event.json["choices"]:
            texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts == {0: "c0", 1: "c1"}


def messages(gateway, prompt, **body):
    config = KEY | config_header({"provider": "@claude", "cache": SIMPLE})
    return ask(gateway, "POST", "/v1/messages", {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": prompt}]} | body, config)


def test_messages_both_ways(gateway, upstream, prompt):
    assert status(messages(gateway, prompt)) == "MISS"
    stream = messages(gateway, prompt, stream=True)
    assert status(stream) == "HIT" and said_messages(stream.events) == u.CHAT_TEXT
    assert [stream.events[0].name, stream.events[-1].name] == ["message_start", "message_stop"]


def test_streamed_messages_answer_plain_ones(gateway, upstream, prompt):
    assert status(messages(gateway, prompt, stream=True)) == "MISS"
    answer = messages(gateway, prompt)
    assert status(answer) == "HIT" and answer.json["type"] == "message"
    assert "".join(block["text"] for block in answer.json["content"]) == u.CHAT_TEXT and answer.json["stop_reason"] == "end_turn"


def test_a_stored_stream_is_counted_as_one_request(gateway, upstream, prompt):
    cached(gateway, prompt=prompt, stream=True)
    text = ask(gateway, "GET", "/metrics", headers=KEY).text
    assert "gatehouse_cache_total" in text
