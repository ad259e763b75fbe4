"""The generic proxy (spec §1.1): methods, queries, bodies and headers as they are; uploads that stream; binary answers."""

import hashlib
import json
import os

import pytest

import upstream as u
from client import Connection, ask, config_header, target
from gateway import Gateway, until


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "providers": {
            "up": {"provider": "openai", "api_key": "sk-server", "base_url": upstream.base},
            "claude": {"provider": "anthropic", "api_key": "sk-ant", "base_url": upstream.base},
        },
        "defaults": {"provider": "up"},
        "limits": {"upload_bytes": "300MiB", "body_bytes": "1MiB"},
    }
    with Gateway(config) as gateway:
        yield gateway


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [None, b'{"a": 1.0}'])
def test_every_method(gateway, upstream, method, body):
    answer = ask(gateway, method, "/v1/things/7?x=1&y=a%20b&z", body)
    assert answer.status == 200
    request = upstream.only
    assert (request.method, request.target, request.body) == (method, "/v1/things/7?x=1&y=a%20b&z", body or b"")
    assert request.header("authorization") == "Bearer sk-server"


@pytest.mark.parametrize(
    "path",
    [
        "files", "files/file-1", "files/file-1/content", "batches", "batches/b/cancel", "responses", "responses/r/input_items",
        "fine_tuning/jobs/j/cancel", "moderations", "images/generations", "audio/speech", "assistants", "threads/t/runs/r/steps",
        "vector_stores/v/files", "uploads/u/parts", "conversations", "containers", "evals", "videos", "rerank", "anything/at/all",
    ])
def test_every_family_of_paths(gateway, upstream, path):
    assert ask(gateway, "POST", "/v1/" + path, {"x": 1}).status == 200
    assert upstream.only.target == "/v1/" + path


def test_the_old_prefix_is_stripped(gateway, upstream):
    assert ask(gateway, "POST", "/v1/proxy/some/thing?a=1", {"x": 1}).status == 200
    assert upstream.only.target == "/v1/some/thing?a=1"


def test_a_query_goes_up_as_it_came(gateway, upstream):
    query = "a=%2F&b=%00&c=../..&d=//x&e=;&f=a+b&g=%zz&h=[]&i='"
    assert ask(gateway, "GET", "/v1/files?" + query).status == 200
    assert upstream.only.query == query


def test_an_empty_query_is_taken(gateway, upstream):
    assert ask(gateway, "GET", "/v1/files?").status == 200


@pytest.mark.parametrize("segment", ["a:b", "a@b", "a,b", "a=b", "a+b", "a%20b", "a%3Ab", "%E4%BD%A0", "ft:gpt-4:org::id", "a;b=c", "a~b", "$ref", "(x)"])
def test_a_segment_goes_up_in_one_spelling(gateway, upstream, segment):
    assert ask(gateway, "GET", "/v1/files/" + segment).status == 200
    assert upstream.only.target == "/v1/files/" + segment


def test_headers_go_on(gateway, upstream):
    headers = {"X-Custom": "1", "Accept": "text/csv", "If-None-Match": '"e"', "User-Agent": "me/1", "Idempotency-Key": "k", "OpenAI-Beta": "x", "Range": "bytes=0-1"}
    ask(gateway, "POST", "/v1/files", {}, headers)
    for name, value in headers.items():
        assert upstream.only.header(name) == value


def test_headers_of_the_hop_and_credentials_stay(gateway, upstream):
    headers = {
        "Authorization": "Bearer sk-client", "x-api-key": "k", "api-key": "k", "x-goog-api-key": "k", "Cookie": "a=b", "TE": "trailers",
        "Keep-Alive": "timeout=1", "Proxy-Authorization": "Basic x", "Proxy-Connection": "keep-alive", "Trailer": "x", "Connection": "keep-alive, X-Hop", "X-Hop": "1",
    }
    ask(gateway, "POST", "/v1/files", {}, headers)
    request = upstream.only
    assert request.header("authorization") == "Bearer sk-server"
    names = {name.lower() for name, _ in request.headers}
    assert not names & {"x-api-key", "api-key", "x-goog-api-key", "cookie", "te", "keep-alive", "proxy-authorization", "proxy-connection", "trailer"}
    # What Connection names is of the hop as well (RFC 9110, 7.6.1).
    assert "x-hop" not in names


def test_the_upstreams_status_and_body_are_as_they_are(gateway, upstream):
    for status in (200, 201, 202, 400, 404, 409, 418, 429, 500, 503):
        base = upstream.script(u.answer(b'{"odd" :1.0}', status, {"x-request-id": "r", "content-type": "application/x-odd"}))
        answer = ask(gateway, "GET", "/v1/files", headers=config_header(target(base)))
        assert (answer.status, answer.body, answer.header("x-request-id"), answer.header("content-type")) == (status, b'{"odd" :1.0}', "r", "application/x-odd")


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(gateway, upstream, status):
    async def empty(incoming):
        await incoming.head(status, {"etag": '"e"'})

    with Connection(gateway) as connection:
        answer = connection.request("GET", "/v1/files", config_header(target(upstream.script(empty))))
        assert answer.status == status and answer.header("etag") == '"e"'
        assert connection.request("GET", "/livez").status == 200


def test_a_redirect_is_shown_and_not_followed(gateway, upstream):
    base = upstream.script(u.redirects("/elsewhere"))
    answer = ask(gateway, "GET", "/v1/files", headers=config_header(target(base)))
    assert answer.status == 302 and answer.header("location") == "/elsewhere" and len(upstream.requests) == 1


@pytest.mark.parametrize("kind, content", [("audio/mpeg", os.urandom(300_000)), ("image/png", bytes(range(256)) * 10), ("application/octet-stream", b"\0"), ("application/octet-stream", b"")])
def test_binary_answers(gateway, upstream, kind, content):
    answer = ask(gateway, "POST", "/v1/audio/speech", {"input": "x"}, config_header(target(upstream.script(u.body(content, kind)))))
    assert (answer.status, answer.header("content-type")) == (200, kind) and answer.body == content


def test_an_event_stream_is_relayed(gateway, upstream):
    frames = [u.frame({"type": "response.created"}, "response.created"), u.frame({"type": "response.done"}, "response.done")]
    answer = ask(gateway, "POST", "/v1/responses", {"stream": True}, config_header(target(upstream.script(u.streams(frames, split=5)))))
    assert answer.body == b"".join(frames) and answer.header("content-type") == "text/event-stream"


def test_an_answer_flows(gateway, upstream):
    gate = upstream.gate()
    base = upstream.script(u.streams([b"data: 1\n\n", b"data: 2\n\n"], gates={1: gate}))
    with Connection(gateway) as connection:
        connection.send_request("GET", "/v1/files/x/content", config_header(target(base)))
        pieces = connection.pieces(connection.read_head())
        assert next(pieces) == b"data: 1\n\n"
        gate.open()
        assert b"".join(pieces) == b"data: 2\n\n"


def test_a_head_goes_down_before_its_body_comes(gateway, upstream):
    gate = upstream.gate()
    base = upstream.script(u.streams([b"late"], gates={0: gate}))
    with Connection(gateway) as connection:
        connection.send_request("GET", "/v1/files/x/content", config_header(target(base)))
        answer = connection.read_head()
        assert answer.status == 200
        gate.open()
        assert b"".join(connection.pieces(answer)) == b"late"


@pytest.mark.parametrize("name", ["bad-chunk", "bad-gzip", "nothing", "half-head"])
def test_an_answer_that_breaks_before_its_first_byte_falls_over(gateway, upstream, name):
    config = {"strategy": {"mode": "fallback"}, "targets": [target(upstream.script(u.BY_MODEL[name])), target(upstream.base)]}
    answer = ask(gateway, "GET", "/v1/files", headers=config_header(config))
    assert answer.status == 200 and answer.portkey["last-used-option-index"] == "config.targets[1]"


def test_an_answer_that_breaks_off_is_broken_for_the_client(gateway, upstream):
    base = upstream.script(u.stops_inside_body(b"x" * 1000, 5000, "text/plain"))
    answer = ask(gateway, "GET", "/v1/files/x/content", headers=config_header(target(base)))
    assert answer.status == 200 and not answer.is_complete


def test_a_large_answer(gateway, upstream):
    base = upstream.script(u.pours(50 << 20))
    answer = ask(gateway, "GET", "/v1/files/x/content", headers=config_header(target(base)), timeout=60)
    assert len(answer.body) == 50 << 20


def test_head_requests_have_no_body(gateway, upstream):
    with Connection(gateway) as connection:
        answer = connection.request("HEAD", "/v1/files/x")
        assert answer.status in (200, 405)
        assert connection.request("GET", "/livez").status == 200


def test_the_providers_own_auth(gateway, upstream):
    assert ask(gateway, "GET", "/v1/files", headers={"x-portkey-provider": "@claude"}).status == 200
    assert upstream.only.header("x-api-key") == "sk-ant" and not upstream.only.has("authorization")


def test_fallback_on_the_proxy(gateway, upstream):
    config = {"strategy": {"mode": "fallback"}, "targets": [target(upstream.script(u.fails(500))), target(upstream.base)]}
    answer = ask(gateway, "POST", "/v1/things", b"abc", config_header(config) | {"Content-Type": "application/json"})
    assert answer.status == 200 and answer.json["body"] == "abc" and answer.portkey["last-used-option-index"] == "config.targets[1]"


def test_an_unknown_body_is_relayed(gateway, upstream):
    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "image/png"):
        assert ask(gateway, "POST", "/v1/whatever", b"\x00\xff<x>", {"Content-Type": kind}).json["body"] == "\x00\xff<x>"
        assert upstream.requests[-1].header("content-type") == kind


# MARK: Uploads

BOUNDARY = "----boundary7"


def multipart(content):
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'
    ).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.mark.parametrize("path", ["/v1/files", "/v1/audio/transcriptions", "/v1/images/edits", "/v1/uploads/u/parts"])
def test_multipart_goes_up_byte_for_byte(gateway, upstream, path):
    body = multipart(os.urandom(100_000))
    answer = ask(gateway, "POST", path, body, MULTIPART)
    assert answer.status == 200
    assert upstream.only.header("content-type") == MULTIPART["Content-Type"]
    assert upstream.only.sha256 == hashlib.sha256(body).hexdigest()
    assert upstream.only.header("content-length") == str(len(body))


def test_a_chunked_upload(gateway, upstream):
    parts = [os.urandom(size) for size in (1, 70_000, 5, 200_000)]
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/files", MULTIPART | {"Transfer-Encoding": "chunked"})
        for part in parts:
            connection.send(b"%x\r\n%s\r\n" % (len(part), part))
        connection.send(b"0\r\n\r\n")
        assert connection.read_answer().status == 200
    assert upstream.only.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()


def test_an_upload_flows(gateway, upstream):
    """The upstream gets the first part before the last one is sent."""
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/files", MULTIPART | {"Content-Length": "200000"})
        connection.send(b"a" * 100_000)
        until(lambda: upstream.arriving and upstream.arriving[0].length >= 100_000, "the first part")
        assert not upstream.requests
        connection.send(b"b" * 100_000)
        assert connection.read_answer().status == 200
    assert upstream.only.length == 200_000


@pytest.mark.parametrize("size", [200 << 20])
def test_a_large_upload_does_not_grow_memory(gateway, upstream, size):
    ask(gateway, "POST", "/v1/files", multipart(b"x" * (4 << 20)), MULTIPART)
    before = gateway.rss()
    peak = before
    piece = b"y" * (1 << 20)
    with Connection(gateway, timeout=60) as connection:
        connection.send_request("POST", "/v1/files", MULTIPART | {"Content-Length": str(size)})
        for number in range(size >> 20):
            connection.send(piece)
            if number % 16 == 0:
                peak = max(peak, gateway.rss())
        answer = connection.read_answer()
    assert answer.status == 200 and upstream.requests[-1].length == size
    assert peak - before < 24 << 20, f"memory grew by {(peak - before) >> 20} MiB"


def test_an_upload_that_is_too_large(gateway, upstream):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/files", MULTIPART | {"Content-Length": str(301 << 20)})
        assert connection.read_answer().status == 413
    assert not upstream.requests


def test_a_json_body_on_the_proxy_is_bounded_like_others(gateway, upstream):
    assert ask(gateway, "POST", "/v1/things", b'"' + b"x" * (2 << 20) + b'"').status == 413
    assert not upstream.requests


def test_an_upload_that_is_cut_is_no_upload(gateway, upstream):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/files", MULTIPART | {"Content-Length": "200000"})
        connection.send(b"a" * 100_000)
        until(lambda: upstream.arriving and upstream.arriving[0].length >= 100_000, "the first part")
    assert upstream.arriving[0].abandoned.wait(5)
    assert not upstream.requests


def test_an_upload_that_the_upstream_refuses_early(gateway, upstream):
    """The answer comes while the body is still on its way."""
    async def refuse_early(incoming):
        await u.fails(413)(incoming)

    base = upstream.script(refuse_early)
    answer = ask(gateway, "POST", "/v1/files", multipart(b"x" * (3 << 20)), config_header(target(base)) | MULTIPART)
    assert answer.status == 413


def test_an_upload_is_not_sent_twice(gateway, upstream):
    """A body that streams is gone with the first attempt: there is no second one."""
    base = upstream.script(u.fails(503), u.echoes)
    answer = ask(gateway, "POST", "/v1/files", multipart(b"x" * 100_000), config_header(target(base, retry={"attempts": 1})) | MULTIPART)
    requests = upstream.at(base)
    assert answer.status in (200, 503)
    assert all(request.length > 100_000 for request in requests), requests


def test_an_upload_to_nobody(gateway):
    answer = ask(gateway, "POST", "/v1/files", multipart(b"x" * (1 << 20)), config_header(target("http://127.0.0.1:9/v1")) | MULTIPART)
    assert answer.status == 502


def test_an_upload_without_a_provider(upstream):
    with Gateway({}) as gateway:
        answer = ask(gateway, "POST", "/v1/files", multipart(b"x" * (1 << 20)), MULTIPART)
        assert answer.status == 400 and "x-portkey-provider" in answer.error["message"]


def test_a_compressed_upload_is_passed_on(gateway, upstream):
    answer = ask(gateway, "POST", "/v1/files", b"\x1f\x8b" + os.urandom(1000), MULTIPART | {"Content-Encoding": "gzip"})
    assert answer.status in (200, 415)
    if answer.status == 200:
        assert upstream.only.header("content-encoding") == "gzip"


def test_the_answers_of_many_paths_at_once(gateway, upstream):
    with Connection(gateway) as connection:
        for number in range(20):
            assert json.loads(connection.request("GET", f"/v1/files/{number}").body)["target"] == f"/v1/files/{number}"


@pytest.mark.parametrize("lengths", ["content-length: 3\r\ntransfer-encoding: chunked\r\n", "content-length: 3\r\ncontent-length: 11\r\n", "content-length: 11\r\ncontent-length: 3\r\n"])
def test_an_upstream_that_says_two_lengths(gateway, upstream, lengths):
    """However libcurl reads it: what the client gets is one answer, and the next one is the next request's."""
    sent = b"b\r\nhello world\r\n0\r\n\r\n" if "chunked" in lengths else b"hello world"
    base = upstream.script(u.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n" + lengths.encode() + b"\r\n" + sent))
    with Connection(gateway) as connection:
        connection.send_request("GET", "/v1/files/x/content", config_header(target(base)))
        answer = connection.read_answer()
        assert answer.status in (200, 502)
        if answer.status == 200:
            assert answer.body in (b"hel", b"hello world")
        if answer.is_complete and answer.header("connection") != "close":
            connection.send_request("GET", "/livez")
            assert connection.read_answer().json["status"] == "ok"
