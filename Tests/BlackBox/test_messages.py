"""Anthropic's Messages: native, as streams, with errors of their own shape; and the translation of chat completions (spec §6.6, §8.1)."""

import json

import pytest

import upstream as u
from client import HELLO, ask, chat, config_header, said, said_messages
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "providers": {
            "claude": {"provider": "anthropic", "api_key": "sk-ant", "base_url": upstream.base},
            "mock": {"provider": "mock"},
        },
        "defaults": {"provider": "claude"},
    }
    with Gateway(config) as gateway:
        yield gateway


def anthropic(base, **more):
    return {"provider": "anthropic", "api_key": "sk-ant", "custom_host": base} | more


BODY = {"model": "claude-x", "max_tokens": 9, "messages": HELLO}


def send(gateway, headers=(), **body):
    return ask(gateway, "POST", "/v1/messages", BODY | body, headers)


# MARK: Native

def test_an_answer_comes_down_byte_for_byte(gateway, upstream):
    text = json.dumps(u.message(odd=1.0), indent=1).encode()
    answer = ask(gateway, "POST", "/v1/messages", BODY, config_header(anthropic(upstream.script(u.answer(text)))))
    assert answer.status == 200 and answer.body == text


def test_a_body_goes_up_byte_for_byte(gateway, upstream):
    body = b'{ "max_tokens":9, "model":"claude-x" , "messages":[ ], "context_management":{"x":1.0}, "output_config":{} }'
    assert ask(gateway, "POST", "/v1/messages", body).status == 200
    assert upstream.only.body == body and upstream.only.target == "/v1/messages"


def test_the_credential_and_the_version(gateway, upstream):
    send(gateway)
    assert upstream.only.header("x-api-key") == "sk-ant" and upstream.only.header("anthropic-version") == "2023-06-01"
    assert not upstream.only.has("authorization")


def test_the_clients_version_and_beta_pass(gateway, upstream):
    send(gateway, {"anthropic-version": "2024-01-01", "anthropic-beta": "tools-2024, other"})
    assert upstream.only.header("anthropic-version") == "2024-01-01"
    assert upstream.only.header("anthropic-beta") == "tools-2024, other"


def test_portkeys_headers_for_version_and_beta(gateway, upstream):
    send(gateway, {"x-portkey-anthropic-version": "2025-01-01", "x-portkey-anthropic-beta": "b1"})
    assert upstream.only.header("anthropic-version") == "2025-01-01" and upstream.only.header("anthropic-beta") == "b1"


@pytest.mark.parametrize("split", [0, 1, 3, 17])
def test_a_stream_comes_down_byte_for_byte(gateway, upstream, split):
    frames = u.message_frames("a", "ü😀")
    answer = ask(gateway, "POST", "/v1/messages", BODY | {"stream": True}, config_header(anthropic(upstream.script(u.streams(frames, split=split)))))
    assert answer.body == b"".join(frames) and answer.header("content-type").startswith("text/event-stream")


def test_a_stream_has_no_done(gateway, upstream):
    answer = send(gateway, stream=True)
    assert answer.events[-1].name == "message_stop" and not any(event.is_done for event in answer.events)


def test_results_of_guards_at_the_top(gateway, upstream):
    config = anthropic(upstream.base, input_guardrails=[{"contains": {"words": ["zebra"], "operator": "none"}}])
    answer = ask(gateway, "POST", "/v1/messages", BODY, config_header(config))
    assert answer.json["hook_results"]["before_request_hooks"][0]["verdict"] is True and answer.json["type"] == "message"


def test_the_system_is_looked_at(gateway, upstream):
    config = config_header(anthropic(upstream.base, input_guardrails=[{"deny": True, "contains": {"words": ["zebra"], "operator": "none"}}]))
    for system in ("zebra", [{"type": "text", "text": "zebra"}]):
        assert ask(gateway, "POST", "/v1/messages", BODY | {"system": system}, config).status == 446


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "tool_result", "tool_use_id": "t", "content": "zebra"}],
        [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "zebra"}]}],
        [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "zebra"}}],
        [{"type": "text", "text": "zebra"}],
    ])
def test_every_block_is_looked_at(gateway, upstream, content):
    config = config_header(anthropic(upstream.base, input_guardrails=[{"deny": True, "contains": {"words": ["zebra"], "operator": "none"}}]))
    assert ask(gateway, "POST", "/v1/messages", BODY | {"messages": [{"role": "user", "content": content}]}, config).status == 446


def test_a_prefix_on_messages(gateway, upstream):
    config = config_header(anthropic(upstream.base, input_mutators=[{"addPrefix": {"prefix": "Please: "}}]))
    assert ask(gateway, "POST", "/v1/messages", BODY, config).status == 200
    assert "Please: " in json.dumps(upstream.only.json["messages"])


# MARK: Errors

def shape(answer, status, kind):
    assert answer.status == status, answer
    assert answer.json["type"] == "error" and answer.error["type"] == kind and answer.error["message"]
    return answer


def test_errors_of_the_gateway(gateway):
    answer = shape(ask(gateway, "POST", "/v1/messages", b"{broken"), 400, "invalid_request_error")
    assert answer.json["request_id"] == answer.portkey["trace-id"] and "line 1" in answer.error["message"]


@pytest.mark.parametrize("status, kind", [(400, "invalid_request_error"), (401, "authentication_error"), (403, "permission_error"), (404, "not_found_error"), (413, "request_too_large"), (429, "rate_limit_error"), (500, "api_error"), (529, "overloaded_error")])
def test_errors_of_the_upstream_keep_their_shape(gateway, upstream, status, kind):
    base = upstream.script(u.answer(u.anthropic_error("the reason", kind), status))
    answer = shape(ask(gateway, "POST", "/v1/messages", BODY, config_header(anthropic(base))), status, kind)
    assert "the reason" in answer.error["message"]


def test_an_unreachable_upstream(gateway):
    shape(ask(gateway, "POST", "/v1/messages", BODY, config_header(anthropic("http://127.0.0.1:9/v1"))), 502, "api_error")


def test_a_timeout(gateway, upstream):
    answer = shape(ask(gateway, "POST", "/v1/messages", BODY, config_header(anthropic(upstream.script(u.hangs), request_timeout=50))), 408, "timeout_error")
    assert answer.error["message"] == "Request exceeded the timeout sent in the request: 50ms"


def test_a_stream_that_breaks_ends_with_an_error_event(gateway, upstream):
    base = upstream.script(u.streams(u.message_frames("a", "b")[:5], end="cut"))
    answer = ask(gateway, "POST", "/v1/messages", BODY | {"stream": True}, config_header(anthropic(base)))
    assert answer.events[-1].name == "error" and answer.events[-1].json["type"] == "error"


def test_a_denial(gateway, upstream):
    config = anthropic(upstream.base, input_guardrails=[{"deny": True, "contains": {"words": ["Say"], "operator": "none"}}])
    answer = ask(gateway, "POST", "/v1/messages", BODY, config_header(config))
    assert answer.status == 446 and answer.json["type"] == "error" and answer.json["hook_results"]


def test_a_bad_type_of_content(gateway, upstream):
    shape(ask(gateway, "POST", "/v1/messages", b"{}", {"Content-Type": "text/plain"}), 415, "invalid_request_error")


def test_count_tokens_is_relayed(gateway, upstream):
    base = upstream.script(u.answer({"input_tokens": 7}))
    answer = ask(gateway, "POST", "/v1/messages/count_tokens", {"model": "c", "messages": HELLO}, config_header(anthropic(base)) | {"anthropic-version": "2023-06-01"})
    assert answer.status == 200 and answer.json == {"input_tokens": 7}
    request, = upstream.at(base)
    assert request.target.endswith("/v1/messages/count_tokens") and request.header("x-api-key") == "sk-ant"


def test_a_count_has_no_parameters_but_its_model(gateway, upstream):
    base = upstream.script(u.answer({"input_tokens": 7}))
    config = anthropic(base, override_params={"model": "other", "max_tokens": 5}, default_params={"temperature": 1})
    assert ask(gateway, "POST", "/v1/messages/count_tokens?beta=true", {"model": "c", "messages": HELLO}, config_header(config)).status == 200
    request, = upstream.at(base)
    assert request.target.endswith("/v1/messages/count_tokens?beta=true")
    assert request.json == {"model": "other", "messages": HELLO}


def test_a_failed_count_has_anthropics_shape(gateway, upstream):
    base = upstream.script(u.answer(u.anthropic_error("no such model", "not_found_error"), status=404))
    shape(ask(gateway, "POST", "/v1/messages/count_tokens", {"model": "c", "messages": HELLO}, config_header(anthropic(base))), 404, "not_found_error")
    shape(ask(gateway, "POST", "/v1/messages/count_tokens", b"{", config_header(anthropic(base))), 400, "invalid_request_error")


def test_the_mock_speaks_messages(gateway):
    answer = ask(gateway, "POST", "/v1/messages", BODY | {"model": "echo"}, {"x-portkey-provider": "@mock"})
    assert answer.status == 200 and answer.json["content"][0]["text"] == "Say hello."
    stream = ask(gateway, "POST", "/v1/messages", BODY | {"model": "echo", "stream": True}, {"x-portkey-provider": "@mock"})
    assert said_messages(stream.events) == "Say hello."


# MARK: Chat completions for Anthropic

def test_a_chat_is_translated(gateway, upstream):
    messages = [
        {"role": "system", "content": "Be kind."}, {"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}, {"id": "t2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "t1", "content": "one"}, {"role": "tool", "tool_call_id": "t2", "content": "two"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}]
    answer = chat(gateway, messages=messages, max_tokens=9, stop="END", tools=tools, tool_choice="required", user="u1", temperature=0.5)
    assert answer.status == 200
    got = upstream.only.json
    assert upstream.only.target == "/v1/messages" and (got["max_tokens"], got["stop_sequences"], got["temperature"]) == (9, ["END"], 0.5)
    assert [block["text"] for block in got["system"]] == ["Be kind.", "Be brief."]
    assert got["tools"][0]["name"] == "f" and got["tools"][0]["input_schema"]["required"] == ["a"]
    assert got["tool_choice"]["type"] == "any" and got["metadata"] == {"user_id": "u1"}
    roles = [message["role"] for message in got["messages"]]
    assert roles == ["user", "assistant", "user"]
    uses = [block for block in got["messages"][1]["content"] if block["type"] == "tool_use"]
    assert [(use["id"], use["name"], use["input"]) for use in uses] == [("t1", "f", {"a": 1}), ("t2", "g", {})]
    assert [block["tool_use_id"] for block in got["messages"][2]["content"]] == ["t1", "t2"]


def test_an_answer_is_translated(gateway, upstream):
    content = [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": "ü"}}, {"type": "text", "text": "b"}]
    usage = {"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1}
    base = upstream.script(u.answer(u.message(content=content, stop_reason="tool_use", usage=usage)))
    answer = chat(gateway, config_header(anthropic(base)), max_tokens=9).json
    choice, = answer["choices"]
    assert answer["object"] == "chat.completion" and choice["message"]["content"] == "ab" and choice["finish_reason"] == "tool_calls"
    call, = choice["message"]["tool_calls"]
    assert (call["id"], call["type"], call["function"]["name"], json.loads(call["function"]["arguments"])) == ("t1", "function", "f", {"x": "ü"})
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"], answer["usage"]["total_tokens"]) == (3, 5, 11)
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 2


@pytest.mark.parametrize("reason, expected", [("end_turn", "stop"), ("max_tokens", "length"), ("stop_sequence", "stop"), ("tool_use", "tool_calls"), ("refusal", "content_filter"), ("something_new", "stop")])
def test_finish_reasons(gateway, upstream, reason, expected):
    base = upstream.script(u.answer(u.message(stop_reason=reason)))
    assert chat(gateway, config_header(anthropic(base)), max_tokens=9).json["choices"][0]["finish_reason"] == expected


@pytest.mark.parametrize("split", [0, 1, 7])
def test_a_stream_is_translated(gateway, upstream, split):
    base = upstream.script(u.streams(u.message_frames("a", "ü😀", "c"), split=split))
    answer = chat(gateway, config_header(anthropic(base)), max_tokens=9, stream=True, stream_options={"include_usage": True})
    assert answer.status == 200 and said(answer.events) == "aü😀c" and answer.events[-1].is_done
    chunks = [event.json for event in answer.events[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"} and len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["prompt_tokens"] == 3
    assert [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]] == ["stop"]


def test_a_stream_of_tool_calls_is_translated(gateway, upstream):
    def event(value):
        return u.frame(value, value["type"])

    frames = [
        event({"type": "message_start", "message": u.message("", content=[])}),
        event({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}}}),
        event({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}}),
        event({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '1}'}}),
        event({"type": "content_block_stop", "index": 0}),
        event({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}),
        event({"type": "message_stop"}),
    ]
    answer = chat(gateway, config_header(anthropic(upstream.script(u.streams(frames)))), max_tokens=9, stream=True)
    calls = [call for event in answer.events[:-1] for choice in event.json["choices"] for call in choice["delta"].get("tool_calls") or []]
    assert calls[0]["id"] == "t1" and calls[0]["index"] == 0 and calls[0]["function"]["name"] == "f"
    assert "".join(call["function"].get("arguments", "") for call in calls) == '{"a":1}'


def test_an_error_is_translated(gateway, upstream):
    base = upstream.script(u.answer(u.anthropic_error("too many", "rate_limit_error"), 429, {"retry-after": "7"}))
    answer = chat(gateway, config_header(anthropic(base)), max_tokens=9)
    assert answer.status == 429 and answer.json["provider"] == "anthropic" and answer.header("retry-after") == "7"
    assert answer.error["message"] == "anthropic error: too many" and answer.error["type"] == "rate_limit_error"


def test_an_error_in_a_translated_stream(gateway, upstream):
    frames = [*u.message_frames("a")[:4], u.frame(u.anthropic_error("overloaded", "overloaded_error"), "error")]
    answer = chat(gateway, config_header(anthropic(upstream.script(u.streams(frames)))), max_tokens=9, stream=True)
    errors = [event.json["error"] for event in answer.events if not event.is_done and "error" in event.json]
    assert len(errors) == 1 and "overloaded" in errors[0]["message"]


def test_a_translated_stream_that_breaks_off(gateway, upstream):
    base = upstream.script(u.streams(u.message_frames("a", "b")[:5]))
    answer = chat(gateway, config_header(anthropic(base)), max_tokens=9, stream=True)
    assert answer.events[-1].json["error"] and not any(event.is_done for event in answer.events)


@pytest.mark.parametrize("bytes_", [b"null", b"[]", b'{"content":7}', b'{"type":"message"}', b'{"content":[{"type":"text"}]}', b'"text"'])
def test_an_odd_answer_is_no_crash(gateway, upstream, bytes_):
    answer = chat(gateway, config_header(anthropic(upstream.script(u.answer(bytes_)))), max_tokens=9)
    assert answer.status in (200, 502)


@pytest.mark.parametrize("messages", [[{"role": "tool", "content": "x"}], [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{broken"}}]}], [{"role": "user", "content": 7}], [{"role": "user"}], [7], [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:;base64,!!!"}}]}], []])
def test_odd_messages_are_no_crash(gateway, upstream, messages):
    answer = chat(gateway, messages=messages, max_tokens=9)
    assert answer.status in (200, 400), answer
