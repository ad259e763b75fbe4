"""Response headers (the compatibility specification, §3), trace ids, and which headers go upstream."""

import re
import uuid

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, new_trace, target
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    with Gateway({}) as gateway:
        yield gateway


def direct(upstream, **more):
    """The headers of a request that brings its own provider."""
    return {"x-portkey-provider": "openai", "Authorization": "Bearer sk-client", "x-portkey-custom-host": upstream.base} | more


# MARK: What the client gets

def test_a_success_carries_the_headers(gateway, upstream):
    answer = chat(gateway, direct(upstream))
    assert answer.status == 200
    given = answer.portkey
    uuid.UUID(given.pop("trace-id"))
    assert given == {
        "last-used-option-index": "config", "retry-attempt-count": "0", "cache-status": "DISABLED", "provider": "openai"}


def test_a_stream_carries_the_headers(gateway, upstream):
    answer = chat(gateway, direct(upstream), stream=True)
    assert answer.status == 200
    assert answer.portkey.keys() == {"trace-id", "last-used-option-index", "retry-attempt-count", "cache-status", "provider"}
    assert answer.header("content-type").startswith("text/event-stream")


def test_a_relay_carries_the_headers(gateway, upstream):
    answer = ask(gateway, "GET", "/v1/files", headers=direct(upstream))
    assert answer.portkey.keys() == {"trace-id", "last-used-option-index", "retry-attempt-count", "cache-status", "provider"}


def test_an_upstream_error_carries_the_headers(gateway, upstream):
    answer = chat(gateway, direct(upstream), model="status-418")
    assert answer.status == 418
    assert answer.portkey.keys() == {"trace-id", "last-used-option-index", "retry-attempt-count", "cache-status", "provider"}


def test_an_unreachable_upstream_carries_the_headers(gateway, upstream):
    answer = chat(gateway, direct(upstream, **{"x-portkey-custom-host": "http://127.0.0.1:9/v1"}))
    assert answer.status == 502
    assert answer.portkey.keys() == {"trace-id", "last-used-option-index", "retry-attempt-count", "cache-status", "provider"}


def test_the_index_is_the_path_of_the_target(gateway, upstream):
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [
            target(upstream.script(u.fails(500))),
            {"strategy": {"mode": "fallback"}, "targets": [target(upstream.script(u.fails(500))), target(upstream.base)]},
        ]}
    answer = chat(gateway, config_header(config))
    assert answer.status == 200
    assert answer.portkey["last-used-option-index"] == "config.targets[1].targets[1]"


def test_the_trace_id_of_the_client_comes_back(gateway, upstream):
    assert chat(gateway, direct(upstream, **{"x-portkey-trace-id": "my-trace.7"})).portkey["trace-id"] == "my-trace.7"


def test_the_trace_id_of_a_traceparent_is_taken(gateway, upstream):
    parent = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    assert chat(gateway, direct(upstream, **parent)).portkey["trace-id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_portkeys_trace_id_goes_before_a_traceparent(gateway, upstream):
    headers = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x-portkey-trace-id": "own"}
    assert chat(gateway, direct(upstream, **headers)).portkey["trace-id"] == "own"


@pytest.mark.parametrize("given", ["", "x" * 257, "has space"])
def test_a_useless_trace_id_is_replaced(gateway, upstream, given):
    uuid.UUID(chat(gateway, direct(upstream, **{"x-portkey-trace-id": given})).portkey["trace-id"])


def test_a_useless_traceparent_is_ignored(gateway, upstream):
    parent = {"traceparent": "00-00000000000000000000000000000000-00f067aa0ba902b7-01"}
    uuid.UUID(chat(gateway, direct(upstream, **parent)).portkey["trace-id"])


# SDKs send a failed call again when an answer from 500 on has no trace id: every answer has one.
@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("POST", "/v1/chat/completions", b"{broken", 400),
        ("GET", "/v1/configs", None, 501),
        ("GET", "/v1/realtime", None, 426),
        ("GET", "/v1/chat/completions", None, 405),
        ("GET", "/nowhere", None, 404),
        ("GET", "/v1/%zz", None, 400),
        ("POST", "/v1/chat/completions", b'{"model":"m","messages":[]}', 400),
    ])
def test_refusals_have_a_trace_id(gateway, method, path, body, status):
    answer = ask(gateway, method, path, body, {"x-portkey-trace-id": "mine"})
    assert answer.status == status
    assert answer.portkey.get("trace-id") == "mine"


def test_two_requests_have_two_trace_ids(gateway, upstream):
    assert chat(gateway, direct(upstream)).portkey["trace-id"] != chat(gateway, direct(upstream)).portkey["trace-id"]


def test_headers_of_the_upstream_pass(gateway, upstream):
    base = upstream.script(u.answer(u.completion(), headers={"x-request-id": "req_7", "x-ratelimit-remaining-tokens": "12"}))
    answer = chat(gateway, direct(upstream, **{"x-portkey-custom-host": base}))
    assert (answer.header("x-request-id"), answer.header("x-ratelimit-remaining-tokens")) == ("req_7", "12")


def test_headers_of_the_hop_and_cookies_do_not_pass(gateway, upstream):
    headers = [
        ("Set-Cookie", "session=upstream"), ("Keep-Alive", "timeout=5"), ("Strict-Transport-Security", "max-age=1"),
        ("Alt-Svc", 'h3=":443"'), ("Proxy-Authenticate", "Basic"), ("Upgrade", "h2c"), ("Trailer", "x"),
    ]
    base = upstream.script(u.answer(u.completion(), headers=headers))
    answer = chat(gateway, direct(upstream, **{"x-portkey-custom-host": base}))
    names = {name.lower() for name, _ in answer.headers}
    assert not names & {name.lower() for name, _ in headers}


def test_an_upstream_cannot_forge_the_gateways_headers(gateway, upstream):
    headers = {
        "x-portkey-trace-id": "forged", "X-Portkey-Cache-Status": "HIT", "x-portkey-provider": "forged",
        "x-portkey-last-used-option-index": "forged", "x-portkey-retry-attempt-count": "9", "x-gatehouse-dropped-params": "all"}
    base = upstream.script(u.answer(u.completion(), headers=headers))
    answer = chat(gateway, direct(upstream, **{"x-portkey-custom-host": base}))
    # `portkey` has one value for each name; `header` fails when there are two.
    for name in headers:
        answer.header(name)
    uuid.UUID(answer.portkey.pop("trace-id"))
    assert answer.portkey | {"trace-id": ""} == {
        "trace-id": "", "last-used-option-index": "config", "retry-attempt-count": "0", "cache-status": "DISABLED", "provider": "openai"}
    assert answer.header("x-gatehouse-dropped-params") is None


def test_a_compressed_answer_is_passed_on_plain(gateway, upstream):
    answer = chat(gateway, direct(upstream), model="gzip")
    assert answer.status == 200 and answer.header("content-encoding") is None
    assert answer.json["choices"][0]["message"]["content"] == "packed"
    assert answer.header("content-length") == str(len(answer.body))


def test_line_breaks_in_values_cannot_split_an_answer(gateway, upstream):
    # A header of the upstream with a bare CR, which some parsers take for a line's end.
    reply = u.raw(
        b"HTTP/1.1 200 OK\r\nx-odd: a\rset-cookie: b\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
    answer = chat(gateway, direct(upstream, **{"x-portkey-custom-host": upstream.script(reply)}))
    assert answer.header("set-cookie") is None
    assert b"\r" not in (answer.header("x-odd") or "").encode()


# MARK: What the upstream gets

GATEWAY_HEADERS = {
    "x-portkey-api-key": "pk-1", "x-portkey-trace-id": "t", "x-portkey-metadata": '{"a":"b"}', "x-portkey-cache": "simple",
    "x-portkey-package-version": "portkey-2.3.4", "x-portkey-runtime": "CPython", "x-portkey-anything-else": "1",
    # One for each length that a header of the hop has, too.
    "x-portkey-a": "1", "x-portkey-ab": "1", "x-portkey-abc": "1", "x-portkey-abcd": "1", "x-portkey-abcde": "1",
    "x-portkey-abcdef": "1", "x-portkey-abcdefg": "1", "x-portkey-abcdefgh": "1", "x-portkey-abcdefghi": "1",
    "x-gatehouse-a": "1", "x-gatehouse-ab": "1", "x-gatehouse-abc": "1", "x-gatehouse-abcd": "1", "x-gatehouse-abcde": "1",
    "X-PORTKEY-Strict-Open-Ai-Compliance": "false", "x-gatehouse-anything": "1",
}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files"])
def test_no_header_of_the_gateway_goes_upstream(gateway, upstream, path):
    answer = ask(gateway, "POST", path, {"model": "m", "messages": HELLO}, direct(upstream, **GATEWAY_HEADERS))
    assert answer.status == 200
    assert not [name for name, _ in upstream.only.headers if re.match("x-(portkey|gatehouse)-", name, re.I)]


def test_the_upstream_gets_the_credential_and_the_type(gateway, upstream):
    chat(gateway, direct(upstream))
    request = upstream.only
    assert request.header("authorization") == "Bearer sk-client"
    assert request.header("content-type") == "application/json"
    assert request.header("host") == f"127.0.0.1:{upstream.port}"


def test_browser_and_hop_headers_stay_here_on_chat(gateway, upstream):
    headers = {"Cookie": "a=b", "X-Custom": "1", "Accept-Language": "de", "TE": "trailers", "Keep-Alive": "timeout=9"}
    chat(gateway, direct(upstream, **headers))
    names = {name.lower() for name, _ in upstream.only.headers}
    assert not names & {"cookie", "x-custom", "accept-language", "te", "keep-alive", "expect"}


def test_options_become_the_vendors_headers(gateway, upstream):
    chat(gateway, direct(upstream, **{"x-portkey-openai-organization": "org-1", "x-portkey-openai-project": "proj-1"}))
    assert upstream.only.header("openai-organization") == "org-1"
    assert upstream.only.header("openai-project") == "proj-1"


def test_the_vendors_own_headers_pass(gateway, upstream):
    chat(gateway, direct(upstream, **{"OpenAI-Beta": "assistants=v2"}))
    assert upstream.only.header("openai-beta") == "assistants=v2"


def test_the_sdks_placeholder_is_no_credential(gateway, upstream):
    answer = chat(gateway, direct(upstream, Authorization="Bearer OPENAI_API_KEY"))
    assert answer.status == 401
    assert not upstream.requests


def test_a_request_without_a_credential_is_refused_before_the_call(gateway, upstream):
    headers = direct(upstream)
    del headers["Authorization"]
    answer = chat(gateway, headers)
    assert answer.status == 401 and "undefined" not in answer.text
    assert not upstream.requests


@pytest.mark.parametrize("scheme", ["Bearer sk-client", "bearer sk-client", "sk-client"])
def test_the_bearer_prefix_is_optional(gateway, upstream, scheme):
    chat(gateway, direct(upstream, Authorization=scheme))
    assert upstream.only.header("authorization") == "Bearer sk-client"


def test_metadata_must_be_a_json_object(gateway, upstream):
    answer = chat(gateway, direct(upstream, **{"x-portkey-metadata": "{not json"}))
    assert answer.status == 400 and answer.error["code"] == "invalid_metadata"
    assert not upstream.requests


def test_the_answer_says_which_connection_it_wants(gateway, upstream):
    with Connection(gateway) as connection:
        assert connection.request("GET", "/livez").header("connection") is None
        assert connection.request("GET", "/livez", {"Connection": "close"}).header("connection") == "close"
        assert connection.is_closed()


def test_dropped_parameters_are_named(gateway, upstream):
    headers = direct(upstream, **{"x-portkey-provider": "anthropic", "x-portkey-trace-id": new_trace()})
    answer = chat(gateway, headers, max_tokens=5, logprobs=True, seed=1)
    assert answer.status == 200
    assert {name.strip() for name in answer.header("x-gatehouse-dropped-params").split(",")} == {"logprobs", "seed"}
