"""What happens to a request's body and headers on the way up: nothing, unless the config says so (spec §4.7)."""

import json

import pytest

import upstream as u
from client import HELLO, ask, chat, config_header, target
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    with Gateway({}) as gateway:
        yield gateway


def post(gateway, upstream, body, path="/v1/chat/completions", headers=None, **more):
    """The body that the upstream got for these bytes."""
    answer = ask(gateway, "POST", path, body, config_header(target(upstream.base, **more)) | (headers or {}))
    assert answer.status == 200, answer
    return upstream.requests[-1].body


# MARK: Nothing changes

EXACT = [
    b'{"model":"m","messages":[]}',
    b'{"messages":[],"model":"m"}',
    b' \t\r\n{ "model" : "m" ,\n\t"messages" : [ ] } \n',
    b'{"model":"m","messages":[],"temperature":1.0,"top_p":1e0,"seed":1E+2,"n":1.50,"x":-0,"y":-0.0,"z":0.1000}',
    b'{"model":"m","messages":[],"big":123456789012345678901234567890,"small":1e-400,"huge":1e400}',
    b'{"model":"m","messages":[],"unknown_member":{"nested":[1,null,true,{"a":{}}]},"another":null}',
    b'{"model":"m","messages":[{"role":"user","content":"\\u00fc\\ud83d\\ude00\\/\\b\\f\\n\\t\\"\\\\"}]}',
    '{"model":"m","messages":[{"role":"user","content":"üé😀漢字\u2028\u2029"}]}'.encode(),
    b'{"model":"m","messages":[{"role":"user","content":"lone \\ud800 surrogate \\u0000"}]}',
    b'{"model":"m","messages":[{"role":"user","content":"x","zzz":1,"aaa":2,"role_":3}],"b":1,"a":2}',
    b'{"model":"m","messages":[{"a":1,"a":2}]}',
    b'{"model":"m","messages":[],"stream":false}',
    b'{"model":"\\u006d","messages":[]}',
    b'{"model":"m","messages":[],"temperature":9,"max_tokens":-1,"n":0}',
    b'{"model":null,"messages":[]}',
    b'{"messages":[]}',
    b'{"model":"","messages":[]}',
    b'{"model":"m","messages":[],"":""}',
    b'{"model":"m","messages":[' + b'{"role":"user","content":"' + b"x" * 100_000 + b'"}]}',
    b'{"model":"m","messages":[],"deep":' + b"[" * 250 + b"]" * 250 + b"}",
]


@pytest.mark.parametrize("body", EXACT, ids=range(len(EXACT)))
def test_a_body_goes_up_byte_for_byte(gateway, upstream, body):
    assert post(gateway, upstream, body) == body


@pytest.mark.parametrize(
    "path, body",
    [
        ("/v1/completions", b'{ "prompt":"x", "model":"m", "echo":1.0 }'),
        ("/v1/embeddings", b'{ "input":["x","y"], "model":"m", "dimensions":3.0 }'),
        ("/v1/responses", b'{ "input":"x", "model":"m", "odd":1.0 }'),
        ("/v1/whatever", b"this is no JSON at all { \xff"),
    ])
def test_bodies_of_other_endpoints_go_up_byte_for_byte(gateway, upstream, path, body):
    assert post(gateway, upstream, body, path) == body


def test_a_streams_body_goes_up_byte_for_byte(gateway, upstream):
    body = b'{ "stream":true, "model":"m", "messages":[], "x":1.0, "stream_options":{"include_usage": true} }'
    assert post(gateway, upstream, body) == body


def test_the_usage_of_a_stream_is_asked_for_and_nothing_else_changes(gateway, upstream):
    body = b'{ "stream":true, "model":"m", "messages":[], "x":1.0 }'
    assert post(gateway, upstream, body) == body[:-1] + b',"stream_options":{"include_usage":true}}'


def test_guards_that_change_nothing_leave_the_bytes(gateway, upstream):
    body = b'{ "messages" : [{"content":"hi \\u00fc","role":"user"}] , "model":"m", "x":1.0 }'
    guards = [{"contains": {"words": ["zebra"], "operator": "none"}, "wordlist.block": {"words": ["zebra"]}}]
    mutators = [{"regexReplace": {"rule": "zebra", "redactText": "horse"}}]
    assert post(gateway, upstream, body, input_guardrails=guards, input_mutators=mutators) == body


def test_a_whole_answer_comes_down_byte_for_byte(gateway, upstream):
    body = b' { "id":"x" , "object":"chat.completion", "choices":[ {"index":0,"message":{"role":"assistant","content":"\\u00fc"}} ], "odd":1.0 }\n'
    answer = chat(gateway, config_header(target(upstream.script(u.answer(body)))))
    assert answer.body == body


@pytest.mark.parametrize("split", [0, 1, 2, 3, 7, 50])
def test_a_stream_comes_down_byte_for_byte(gateway, upstream, split):
    frames = [b": a comment\n\n", b"retry: 1000\n\n", b"event: x\nid: 7\n", *u.chat_frames("a", "ü\u2028😀", 'q"\\'), ]
    answer = chat(gateway, config_header(target(upstream.script(u.streams(frames, split=split)))), stream=True)
    assert answer.body == b"".join(frames)


def test_a_model_prefix_is_the_only_change(gateway, upstream):
    config = {"providers": {"up": {"provider": "openai", "api_key": "k", "base_url": upstream.base}}}
    with Gateway(config) as named:
        body = b'{ "messages":[], "model" : "@up/org/m" , "x":1.0 }'
        assert ask(named, "POST", "/v1/chat/completions", body).status == 200
    assert upstream.only.body == b'{ "messages":[], "model" : "org/m" , "x":1.0 }'


# MARK: Shaping

def shaped(gateway, upstream, config, **body):
    return json.loads(post(gateway, upstream, json.dumps({"model": "m", "messages": HELLO} | body).encode(), **config))


def test_override_params_replace_and_add(gateway, upstream):
    got = shaped(gateway, upstream, {"override_params": {"model": "other", "temperature": 0.1, "new": {"a": [1]}}}, temperature=1)
    assert (got["model"], got["temperature"], got["new"]) == ("other", 0.1, {"a": [1]})


def test_override_params_are_shallow(gateway, upstream):
    assert shaped(gateway, upstream, {"override_params": {"x": {"b": 2}}}, x={"a": 1})["x"] == {"b": 2}


def test_default_params_fill_only_gaps(gateway, upstream):
    got = shaped(gateway, upstream, {"default_params": {"temperature": 0.1, "top_p": 0.2, "user": "u"}}, temperature=1, user=None)
    assert (got["temperature"], got["top_p"], got["user"]) == (1, 0.2, None)


def test_drop_params_take_away(gateway, upstream):
    body = {
        "logprobs": True, "response_format": {"type": "json_schema", "json_schema": {"name": "x"}},
        "tools": [{"function": {"name": "a", "strict": True}}, {"function": {"name": "b", "strict": True}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}, {"type": "text", "text": "y", "cache_control": {}}]}, {"role": "user", "content": "z"}],
    }
    drops = ["logprobs", "response_format.json_schema", "tools[0].function.strict", "messages[*].content[*].cache_control", "missing", "a.b[3].c", "tools[9].x"]
    got = shaped(gateway, upstream, {"drop_params": drops}, **body)
    assert "logprobs" not in got and got["response_format"] == {"type": "json_schema"}
    assert got["tools"] == [{"function": {"name": "a"}}, {"function": {"name": "b", "strict": True}}]
    assert got["messages"][0]["content"] == [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]


def test_the_order_is_default_override_drop(gateway, upstream):
    config = {"default_params": {"a": 1, "b": 1, "c": 1}, "override_params": {"b": 2, "c": 2}, "drop_params": ["c"]}
    got = shaped(gateway, upstream, config)
    assert (got["a"], got["b"], "c" in got) == (1, 2, False)


def test_shaping_leaves_the_rest_byte_for_byte(gateway, upstream):
    body = b'{ "temperature" : 1.0, "messages":[ ] ,"model":"m", "x" : 1E2 }'
    got = post(gateway, upstream, body, override_params={"temperature": 0.5})
    assert got == b'{ "temperature" : 0.5, "messages":[ ] ,"model":"m", "x" : 1E2 }'


def test_a_number_of_a_config_keeps_its_spelling(gateway, upstream):
    text = '{"provider":"openai","api_key":"k","custom_host":"%s","override_params":{"x":1.0,"y":12345678901234567890}}' % upstream.base
    answer = ask(gateway, "POST", "/v1/chat/completions", b'{"model":"m","messages":[]}', {"x-portkey-config": text})
    assert answer.status == 200
    assert b'"x":1.0' in upstream.only.body and b'"y":12345678901234567890' in upstream.only.body


def test_shaping_does_not_touch_the_proxy(gateway, upstream):
    body = b'{"a": 1.0}'
    assert post(gateway, upstream, body, "/v1/files", override_params={"b": 1}) == body


def test_names_inside_of_override_params_keep_their_case(gateway, upstream):
    assert shaped(gateway, upstream, {"override_params": {"camelCase": {"innerCase": 1}}})["camelCase"] == {"innerCase": 1}


def test_an_empty_override_changes_nothing(gateway, upstream):
    body = b'{ "model":"m", "messages":[] }'
    assert post(gateway, upstream, body, override_params={}, default_params={}, drop_params=[]) == body


def test_override_stream_makes_a_stream(gateway, upstream):
    """What the upstream was asked for decides what is read; what the client asked for decides what it gets."""
    answer = chat(gateway, config_header(target(upstream.base, override_params={"stream": True})))
    assert answer.status in (200, 502), answer
    assert upstream.only.json["stream"] is True


# MARK: Headers

def test_forwarded_headers(gateway, upstream):
    headers = {"X-One": "1", "x-two": "2", "x-three": "3", "x-portkey-forward-headers": "x-one, X-TWO"}
    post(gateway, upstream, b'{"model":"m","messages":[]}', headers=headers)
    assert (upstream.only.header("x-one"), upstream.only.header("x-two"), upstream.only.has("x-three")) == ("1", "2", False)


@pytest.mark.parametrize("listed", ["x_one", "x-one", "X_One"])
def test_underscores_and_dashes_are_equal(gateway, upstream, listed):
    post(gateway, upstream, b'{"model":"m","messages":[]}', headers={"x-one": "1", "x-portkey-forward-headers": listed})
    assert upstream.only.header("x-one") == "1"


def test_a_forwarded_header_replaces_the_adapters(gateway, upstream):
    headers = {"Authorization": "Bearer sk-mine", "x-portkey-forward-headers": "authorization"}
    post(gateway, upstream, b'{"model":"m","messages":[]}', headers=headers)
    assert upstream.only.header("authorization") == "Bearer sk-mine"


def test_a_listed_header_that_did_not_come_is_no_gap(gateway, upstream):
    post(gateway, upstream, b'{"model":"m","messages":[]}', headers={"x-portkey-forward-headers": "authorization,x-nothing"})
    assert upstream.only.header("authorization") == "Bearer sk-client"


@pytest.mark.parametrize("listed", ["content-length", "transfer-encoding", "connection", "host", "expect", "te", "upgrade", "trailer", "keep-alive", "content_length"])
def test_headers_that_frame_a_message_are_not_forwarded(gateway, upstream, listed):
    """Two lengths in one request are how requests are smuggled."""
    body = b'{"model":"m","messages":[]}'
    got = post(gateway, upstream, body, headers={"x-portkey-forward-headers": listed, "Keep-Alive": "timeout=1", "TE": "trailers"}, override_params={"longer": "than before"})
    assert json.loads(got)["longer"] == "than before"
    assert upstream.only.header("host") == f"127.0.0.1:{upstream.port}"
    assert int(upstream.only.header("content-length")) == len(got)
    assert not upstream.only.has("keep-alive") and not upstream.only.has("te")


@pytest.mark.parametrize("listed", ["x-portkey-trace-id", "x-portkey-config", "x-gatehouse-x", "x_portkey_metadata"])
def test_the_gateways_own_headers_are_not_forwarded(gateway, upstream, listed):
    headers = {"x-portkey-trace-id": "t", "x-gatehouse-x": "1", "x-portkey-metadata": "{}", "x-portkey-forward-headers": listed}
    post(gateway, upstream, b'{"model":"m","messages":[]}', headers=headers)
    assert not [name for name, _ in upstream.only.headers if name.lower().startswith(("x-portkey", "x-gatehouse", "x_portkey"))]


def test_a_forwarded_header_that_came_twice(gateway, upstream):
    pairs = [*config_header(target(upstream.base)).items(), ("x-portkey-forward-headers", "x-one"), ("x-one", "1"), ("x-one", "2")]
    assert chat(gateway, pairs).status == 200
    assert [value for name, value in upstream.only.headers if name.lower() == "x-one"] in (["1", "2"], ["1, 2"])
