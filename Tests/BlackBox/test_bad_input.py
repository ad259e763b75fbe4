"""Bad requests and bad upstreams: a clear error, the right status, and a gateway that is still there."""

import gzip
import json

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, target
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}, "claude": {"provider": "anthropic", "api_key": "sk", "base_url": upstream.base}},
        "defaults": {"provider": "up"},
        "limits": {"body_bytes": "1MiB", "upstream_body_bytes": "2MiB", "header_timeout_ms": 600, "body_timeout_ms": 600},
    }
    with Gateway(config) as gateway:
        yield gateway


def post(gateway, body, path="/v1/chat/completions", **headers):
    return ask(gateway, "POST", path, body, {"Content-Type": "application/json"} | headers)


# MARK: Bodies. Each with a word of the explanation, and with line and column where there are any.

BODIES = [
    (b"", "empty", None),
    (b"   \n ", "JSON", None),
    (b"{", "JSON", (1, 2)),
    (b'{"model":"m",}', "JSON", (1, 14)),
    (b'{"model" "m"}', "JSON", (1, 10)),
    (b'{"model":"m"', "JSON", (1, 13)),
    (b'{\n  "model": "m",\n  "messages": [1,,2]\n}', "JSON", (3, 18)),
    (b'{"model":"m"} x', "JSON", (1, 15)),
    (b'{"model":"m"}{}', "JSON", (1, 14)),
    (b"[]", "JSON", (1, 1)),
    (b'"text"', "JSON", (1, 1)),
    (b"null", "JSON", (1, 1)),
    (b"{'model':'m'}", "JSON", (1, 2)),
    (b'{model:"m"}', "JSON", (1, 2)),
    (b'{"a":01}', "JSON", (1, None)),
    (b'{"a":+1}', "JSON", (1, 6)),
    (b'{"a":.5}', "JSON", (1, 6)),
    (b'{"a":1.}', "JSON", (1, None)),
    (b'{"a":1e}', "JSON", (1, None)),
    (b'{"a":0x10}', "JSON", (1, None)),
    (b'{"a":NaN}', "JSON", (1, 6)),
    (b'{"a":Infinity}', "JSON", (1, 6)),
    (b'{"a":-}', "JSON", (1, None)),
    (b'{"a":tru}', "JSON", (1, None)),
    (b'{"a":True}', "JSON", (1, 6)),
    (b'{"a":"\\x41"}', "JSON", (1, None)),
    (b'{"a":"\\u12"}', "JSON", (1, None)),
    (b'{"a":"tab\there"}', "JSON", (1, None)),
    (b'{"a":"line\nbreak"}', "JSON", (None, None)),
    (b'{"a":"nul\x00"}', "JSON", (1, None)),
    (b'{"a":"open}', "JSON", (1, None)),
    (b'{"a":1/*comment*/}', "JSON", (1, None)),
    (b'// comment\n{"a":1}', "JSON", (1, 1)),
    (b'{"a":"\xff"}', "UTF-8", (1, None)),
    (b'{"a":"\xc3"}', "UTF-8", (1, None)),
    (b'{"a":"\xc0\xaf"}', "UTF-8", (1, None)),
    (b'{"a":"\xed\xa0\x80"}', "UTF-8", (1, None)),
    (b'{"a":"\xf5\x80\x80\x80"}', "UTF-8", (1, None)),
    (b'{"\xe4":1}', "UTF-8", (1, None)),
    ('{"a":1}'.encode("utf-16"), "JSON", None),
    ('{"a":1}'.encode("utf-32-le"), "JSON", None),
    (b"\xef\xbb\xbf{}", "byte order mark", None),
    (b'{"a":' + b"[" * 257 + b"]" * 257 + b"}", "deep", None),
    (b'{"a":' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}", "deep", None),
    (b"[" * 100_000, "JSON", None),
    (b'{"model":"m","model":"n"}', "twice", (1, None)),
    (b'{"messages":[],"messages":[]}', "twice", (1, None)),
    (b'{"unknown":1,"unknown":2}', "twice", (1, None)),
    (b'{"m\\u006fdel":"m"}', "spelled", (1, None)),
    (b'{"model":"m","m\\u006fdel":"n"}', "twice", (1, None)),
    (b'{"Model":"m"}', "spelled", (1, None)),
    (b'{"MESSAGES":[]}', "spelled", (1, None)),
    (b'{"messages ":[]}', None, None),
    (b'{"model":7}', "model must be", None),
    (b'{"model":["m"]}', "model must be", None),
    (b'{"messages":"hi"}', "messages must be", None),
    (b'{"messages":{}}', "messages must be", None),
    (b'{"stream":"true"}', "stream must be", None),
    (b'{"stream":1}', "stream must be", None),
    (b'{"stream_options":7}', "stream_options must be", None),
]


@pytest.mark.parametrize("body, word, place", [entry for entry in BODIES if entry[1]], ids=[repr(entry[0][:30]) for entry in BODIES if entry[1]])
def test_a_bad_body(gateway, upstream, body, word, place):
    answer = post(gateway, body)
    assert answer.status == 400, answer
    message = answer.error["message"]
    assert word in message, message
    if place:
        line, column = place
        assert f"line {line or ''}" in message and f"column {column or ''}" in message, message
    assert answer.error["type"] == "invalid_request_error" and answer.error["code"]
    assert not upstream.requests


def test_the_explanation_does_not_repeat_the_body(gateway):
    answer = post(gateway, b'{"api_secret_value": "sk-topsecret-1234567890", oops}')
    assert "topsecret" not in answer.text


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings", "/v1/messages"])
def test_bad_bodies_of_other_endpoints(gateway, upstream, path):
    for body in (b"", b"{", b'{"model":"m","model":"n"}', b"\xff"):
        assert post(gateway, body, path).status == 400
    assert not upstream.requests


def test_nesting_up_to_the_limit_is_taken(gateway, upstream):
    assert post(gateway, b'{"model":"m","messages":[],"a":' + b"[" * 200 + b"]" * 200 + b"}").status == 200


def test_a_body_that_is_too_large(gateway, upstream):
    large = b'{"model":"m","messages":[],"x":"' + b"x" * (1 << 20) + b'"}'
    answer = post(gateway, large)
    assert answer.status == 413 and "1048576" in answer.error["message"]
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        for _ in range(20):
            try:
                connection.send(b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16)))
            except (BrokenPipeError, ConnectionResetError):
                break
        assert connection.read_answer().status == 413
    assert not upstream.requests


def test_an_announced_length_that_is_too_large_is_refused_at_once(gateway):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", {"Content-Type": "application/json", "Content-Length": str(10 << 30)})
        assert connection.read_answer().status == 413


def test_a_truncated_body(gateway, upstream):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", {"Content-Type": "application/json", "Content-Length": "1000"}, b'{"model":')
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", {"Content-Type": "application/json", "Content-Length": "1000"}, b'{"model":')
        answer = connection.read_answer()
        assert answer.status == 408 and "body" in answer.error["message"]
    assert not upstream.requests


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, identity", "GZIP", "compress"])
def test_compressed_bodies_are_refused(gateway, upstream, encoding):
    answer = post(gateway, gzip.compress(b'{"model":"m","messages":[]}'), **{"Content-Encoding": encoding})
    assert answer.status == 415 and "Content-Encoding" in answer.error["message"]
    assert not upstream.requests


def test_identity_is_no_compression(gateway):
    assert post(gateway, b'{"model":"m","messages":[]}', **{"Content-Encoding": "identity"}).status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/jsonx", "", "garbage"])
def test_a_wrong_content_type(gateway, upstream, kind):
    answer = ask(gateway, "POST", "/v1/chat/completions", b'{"model":"m","messages":[]}', {"Content-Type": kind})
    assert answer.status in (400, 415) and "content type" in answer.error["message"].lower(), answer
    assert not upstream.requests


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"])
def test_content_types_that_are_json(gateway, kind):
    assert ask(gateway, "POST", "/v1/chat/completions", b'{"model":"m","messages":[]}', {"Content-Type": kind}).status == 200


def test_no_content_type_is_taken_for_json(gateway):
    with Connection(gateway) as connection:
        assert connection.request("POST", "/v1/chat/completions", {}, b'{"model":"m","messages":[]}').status == 200


# MARK: Headers

@pytest.mark.parametrize("size", [100_000, 1 << 20])
def test_a_config_header_that_is_too_large(gateway, upstream, size):
    with Connection(gateway) as connection:
        try:
            connection.send_request("POST", "/v1/chat/completions", {"x-portkey-config": json.dumps({"provider": "@up", "x": "x" * size})}, b"{}")
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = connection.read_answer()
        assert answer.status == 431 and "32768" in answer.error["message"]
    assert not upstream.requests


def test_a_large_config_header_within_the_limit(gateway, upstream):
    config = target(upstream.base, override_params={"x": "x" * 25_000})
    assert chat(gateway, config_header(config)).status == 200


def test_too_many_headers(gateway):
    with Connection(gateway) as connection:
        answer = connection.request("GET", "/livez", [(f"x-{number}", "1") for number in range(150)])
        assert answer.status == 431


def test_a_target_that_is_too_long(gateway):
    with Connection(gateway) as connection:
        try:
            connection.send_request("GET", "/v1/files?" + "x" * 100_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert connection.read_answer().status in (414, 431)


@pytest.mark.parametrize("value", ["\xff\xfe", "Ü", "\u2028"])
def test_headers_that_are_no_ascii(gateway, value):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", {"x-portkey-metadata": '{"a":"%s"}' % value, "x-portkey-trace-id": value}, b'{"model":"m","messages":[]}')
        assert connection.read_answer().status in (200, 400)


METADATA = ["[1]", '"x"', "{", '{"a":1,"a":2}', "null", '{"a":{"b":' + "[" * 300 + "]" * 300 + "}}"]


@pytest.mark.parametrize("value", METADATA)
def test_bad_metadata(gateway, upstream, value):
    answer = post(gateway, b'{"model":"m","messages":[]}', **{"x-portkey-metadata": value})
    assert answer.status == 400 and "x-portkey-metadata" in answer.error["message"]
    assert not upstream.requests


# MARK: Messages of HTTP itself. What is no HTTP/1.1 (RFC 9112), or might be read in two ways, is refused and the connection closed.

HOST = b"Host: localhost\r\n"
OK_BODY = b'{"model":"m","messages":[]}'

MALFORMED = {
    "no request line": b"\x00\x01\x02\x03\r\n\r\n",
    "only garbage": b"garbage\r\n\r\n",
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.0": b"GET / HTTP/3.0\r\n" + HOST + b"\r\n",
    "bad version": b"GET / HTTP/1.x\r\n" + HOST + b"\r\n",
    "no version": b"GET / HTTP\r\n" + HOST + b"\r\n",
    "lower-case protocol": b"GET / http/1.1\r\n" + HOST + b"\r\n",
    "another protocol": b"GET / SMTP/1.0\r\n" + HOST + b"\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n",
    "method with a bad character": b"GE\x7fT / HTTP/1.1\r\n" + HOST + b"\r\n",
    "lower-case method": b"get / HTTP/1.1\r\n" + HOST + b"\r\n",
    "space before the method": b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no target": b"GET HTTP/1.1\r\n" + HOST + b"\r\n",
    "two targets": b"GET / /x HTTP/1.1\r\n" + HOST + b"\r\n",
    "control character in the target": b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the target": b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "target with raw bytes": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in a header name": b"GET / HTTP/1.1\r\n" + HOST + b"X Y: 1\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\n" + HOST + b"X-A : 1\r\n\r\n",
    "header without a name": b"GET / HTTP/1.1\r\n" + HOST + b": 1\r\n\r\n",
    "header without a colon": b"GET / HTTP/1.1\r\n" + HOST + b"nothing\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: 1\r\n  continued\r\n\r\n",
    "first header folded": b"GET / HTTP/1.1\r\n " + HOST + b"\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\x00b\r\n\r\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\rX-B: b\r\n\r\n",
    "control character in a value": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\x01b\r\n\r\n",
    "raw byte in a name": b"GET / HTTP/1.1\r\n" + HOST + b"X-\xff: 1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: y\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two lengths that differ": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 27\r\n\r\n" + OK_BODY,
    "a list of lengths": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 27, 27\r\n\r\n" + OK_BODY,
    "negative length": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    "length with a sign": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: +27\r\n\r\n" + OK_BODY,
    "length that is no number": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: many\r\n\r\n",
    "hexadecimal length": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 0x1b\r\n\r\n" + OK_BODY,
    "length beyond 64 bits": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "empty length": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\n",
    "length and chunks": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "unknown transfer coding": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: cow\r\n\r\n",
    "chunked not last": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "chunked twice": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two transfer encodings": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "disguised chunked": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a vertical tab": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /v1/chat/completions HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size that is no number": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "chunk size with a sign": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "chunk size beyond 64 bits": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "empty chunk size": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
    "chunk longer than its size": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n0\r\n\r\n",
    "chunk without its end": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab0\r\n\r\n",
    "bad chunk extension": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2;\x00\r\nab\r\n0\r\n\r\n",
    "expectation that nobody knows": b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}",
    "CONNECT": b"CONNECT example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "asterisk form": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_http(gateway, upstream, name):
    with Connection(gateway) as connection:
        connection.send(MALFORMED[name])
        answer = connection.read_answer()
        assert 400 <= answer.status < 600 and answer.status not in (500, 502), answer
        if answer.body:
            assert answer.error["message"]
    assert not upstream.requests
    assert ask(gateway, "GET", "/livez").status == 200


# After these nobody can say where the next request begins: the connection ends.
@pytest.mark.parametrize("name", [name for name in MALFORMED if "length" in name or "chunk" in name or "transfer" in name or "garbage" in name])
def test_nothing_is_read_behind_a_broken_message(gateway, upstream, name):
    smuggled = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n" + OK_BODY
    with Connection(gateway) as connection:
        connection.send(MALFORMED[name] + smuggled)
        first = connection.read_answer()
        assert first.status >= 400
        assert connection.is_closed(), f"another answer came: {connection.buffer!r}"
    assert not upstream.requests


def test_empty_lines_before_a_request_are_skipped(gateway):
    with Connection(gateway) as connection:
        connection.send(b"\r\n\r\nGET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
        assert connection.read_answer().status == 200


@pytest.mark.parametrize("piece", [1, 3])
def test_a_request_in_single_bytes(gateway, piece):
    message = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" + OK_BODY[:10] + b"\r\n11\r\n" + OK_BODY[10:] + b"\r\n0\r\n\r\n"
    with Connection(gateway) as connection:
        for start in range(0, len(message), piece):
            connection.send(message[start:start + piece])
        assert connection.read_answer().status == 200


def test_chunk_extensions_and_trailers_are_skipped(gateway):
    message = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1b;x=y\r\n" + OK_BODY + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"
    with Connection(gateway) as connection:
        connection.send(message)
        assert connection.read_answer().status == 200


def test_half_a_request_and_nothing_more(gateway):
    for part in (b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"):
        with Connection(gateway) as connection:
            connection.send(part)
            assert connection.read_answer().status == 408
            assert connection.is_closed()


# MARK: Upstreams. What a whole answer becomes.

UPSTREAMS = {
    "html": 502, "html-502": 502, "text-503": 503, "empty-200": 502, "null": 502, "array": 502, "broken-json": 502, "garbage": 502, "nothing": 502,
    "reset": 502, "half-body": 502, "half-head": 502, "two-lengths": 502, "bad-chunk": 502, "bad-status": 502, "bad-gzip": 502,
    "gzip-bomb": 502, "huge-3000000": 502, "switching": 502,
}


@pytest.mark.parametrize("name", UPSTREAMS)
def test_a_bad_upstream(gateway, upstream, name):
    answer = chat(gateway, model=name)
    assert answer.status == UPSTREAMS[name], answer
    assert answer.error["message"].startswith(("openai error: ", "Invalid response received from openai: ")), answer
    assert answer.json["provider"] == "openai" and set(answer.error) == {"message", "type", "param", "code"}
    assert len(answer.body) < 4000
    assert ask(gateway, "GET", "/livez").status == 200


@pytest.mark.parametrize("name", ["huge-head", "latin1"])
def test_an_odd_upstream(gateway, upstream, name):
    answer = chat(gateway, model=name)
    assert answer.status in (200, 502)
    assert ask(gateway, "GET", "/livez").status == 200


@pytest.mark.parametrize("name", [name for name in UPSTREAMS if name not in ("huge-3000000",)])
def test_a_bad_upstream_of_the_proxy(gateway, upstream, name):
    answer = ask(gateway, "POST", "/v1/things", {"model": name})
    assert answer.status in (200, 502, 503) or not answer.is_complete
    assert ask(gateway, "GET", "/livez").status == 200


@pytest.mark.parametrize("name", UPSTREAMS)
def test_a_bad_upstream_of_a_stream(gateway, upstream, name):
    answer = chat(gateway, model=name, stream=True)
    assert answer.status in (UPSTREAMS[name], 200, 502), answer
    if answer.status == 200:
        assert answer.is_complete
    assert ask(gateway, "GET", "/livez").status == 200


@pytest.mark.parametrize("name", UPSTREAMS)
def test_a_bad_upstream_of_messages(gateway, upstream, name):
    answer = ask(gateway, "POST", "/v1/messages", {"model": name, "max_tokens": 5, "messages": HELLO}, {"x-portkey-provider": "@claude"})
    assert answer.status == UPSTREAMS[name] and answer.json["type"] == "error" and answer.error["message"]


@pytest.mark.parametrize("name", UPSTREAMS)
def test_a_bad_upstream_of_a_translation(gateway, upstream, name):
    answer = chat(gateway, {"x-portkey-provider": "@claude"}, model=name, max_tokens=5)
    assert answer.status == UPSTREAMS[name] and answer.error["message"] and answer.json["provider"] == "anthropic"


def test_an_error_inside_of_a_200(gateway, upstream):
    """Some providers say 200 and mean an error."""
    answer = chat(gateway, model="error-in-200")
    assert answer.status in (200, 502) and "an error with the status 200" in answer.text


def test_an_excerpt_of_a_bad_answer_is_valid_text(gateway, upstream):
    base = upstream.script(u.body(("ü" * 600 + "<html>").encode(), "text/html"))
    answer = chat(gateway, config_header(target(base)))
    assert answer.status == 502 and "\ufffd" not in answer.error["message"]


def test_an_event_that_never_ends(gateway, upstream):
    async def endless(incoming):
        await incoming.head(200, [u.SSE, ("transfer-encoding", "chunked")])
        await incoming.chunk(b"data: ")
        while True:
            await incoming.chunk(b"x" * 65536)

    body = {"model": "m", "messages": HELLO, "stream": True}
    answer = ask(gateway, "POST", "/v1/chat/completions", body, config_header(target(upstream.script(endless))), timeout=60)
    assert answer.status == 502 and "larger" in answer.error["message"]


@pytest.mark.parametrize("status", [600, 99, 0, 999])
def test_a_status_that_is_none(gateway, upstream, status):
    base = upstream.script(u.raw(b"HTTP/1.1 %d Odd\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}" % status))
    answer = chat(gateway, config_header(target(base)))
    assert 400 <= answer.status < 600, answer


def test_informational_answers_are_skipped(gateway, upstream):
    reply = u.raw(b'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"id":"real"}')
    answer = chat(gateway, config_header(target(upstream.script(reply))))
    assert (answer.status, answer.json["id"], answer.header("link")) == (200, "real", None)
