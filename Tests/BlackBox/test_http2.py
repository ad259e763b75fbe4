"""Upstreams that speak HTTP/2, and TLS to upstreams."""

import hashlib
import json
import threading
import time

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, said, target
from gateway import Gateway, until
from upstream_h2 import H2Upstream, Stream, answers, certificates, chats, fails, hangs, server_context, streams


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certificates(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(authority):
    with H2Upstream(authority) as secure:
        yield secure


def configuration(secure, authority, **network):
    return {
        # One loop has one connection to each upstream.
        "listen": {"loops": 1},
        "providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": secure.base}}, "defaults": {"provider": "up"},
        "network": {"ca_file": str(authority / "ca.pem")} | network,
    }


@pytest.fixture(scope="module")
def gateway(secure, authority):
    with Gateway(configuration(secure, authority)) as gateway:
        yield gateway


BODY = json.dumps({"model": "m", "messages": HELLO}).encode()
STREAM = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
JSON = {"Content-Type": "application/json"}


def warm(gateway, secure):
    """Makes sure that there is a connection for what clients' configs name, and gives its number."""
    assert chat(gateway, config_header(target(secure.script(chats)))).status == 200
    return secure.streams[-1].connection


def start(gateway, base, body=BODY):
    connection = Connection(gateway)
    connection.send_request("POST", "/v1/chat/completions", JSON | config_header(target(base)), body)
    return connection


# MARK: Requests

def test_a_chat(gateway, secure):
    answer = chat(gateway)
    assert answer.status == 200 and answer.json["choices"][0]["message"]["content"] == u.CHAT_TEXT
    stream = secure.streams[-1]
    assert stream.wire.protocol == "h2"
    assert (stream.header(":method"), stream.header(":scheme"), stream.path) == ("POST", "https", "/v1/chat/completions")
    assert stream.header("authorization") == "Bearer sk" and stream.json["messages"] == HELLO
    assert int(stream.header("content-length")) == len(stream.body)
    for name, _ in stream.headers:
        assert name == name.lower() and name not in ("connection", "transfer-encoding", "upgrade", "keep-alive", "host", "expect"), name


def test_a_streamed_chat(gateway, secure):
    gate = secure.gate()
    frames = u.chat_frames("one", "two", "three")
    with start(gateway, secure.script(streams(frames, {2: gate})), STREAM) as connection:
        head = connection.read_head()
        assert head.status == 200 and head.header("content-type").startswith("text/event-stream")
        pieces = connection.pieces(head)
        first = b""
        while b"one" not in first:
            first += next(pieces)
        assert b"two" not in first
        gate.open()
        head.body = first + b"".join(pieces)
    assert said(head.events) == "onetwothree" and head.events[-1].is_done


def test_an_upload(gateway, secure):
    """More than one window."""
    body = bytes(range(256)) * 12_000
    for headers in ({"Content-Type": "application/octet-stream"}, {"Content-Type": "application/json; charset=utf-8"}):
        data = body if "octet" in headers["Content-Type"] else json.dumps({"x": "y" * len(body)}).encode()
        answer = ask(gateway, "POST", "/v1/files", data, headers)
        assert answer.status == 200 and answer.json == {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_an_upload_in_chunks(gateway, secure):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/files", {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}, b"4\r\npear\r\n0\r\n\r\n")
        assert connection.read_answer().json["length"] == 4
    assert secure.streams[-1].body == b"pear" and secure.streams[-1].header("transfer-encoding") is None


def test_a_large_answer(gateway, secure):
    base = secure.script(answers(u.completion("x" * 3_000_000)))
    assert len(chat(gateway, config_header(target(base))).json["choices"][0]["message"]["content"]) == 3_000_000


# MARK: One connection for many

def test_requests_share_a_connection(gateway, secure):
    chat(gateway)
    assert chat(gateway).status == 200
    assert secure.streams[-1].connection == secure.streams[-2].connection


def test_requests_at_the_same_time_share_a_connection(gateway, secure):
    usual = warm(gateway, secure)
    gates = [secure.gate(), secure.gate()]
    bases = [secure.script(streams(u.chat_frames(f"answer {number}"), {0: gate})) for number, gate in enumerate(gates)]
    first, second = (start(gateway, base, STREAM) for base in bases)
    assert all(gate.reached.wait(10) for gate in gates)
    # The later one may be first.
    gates[1].open()
    assert said(second.read_answer().events) == "answer 1"
    gates[0].open()
    assert said(first.read_answer().events) == "answer 0"
    assert [stream.connection for stream in secure.streams[-2:]] == [usual, usual]
    first.close()
    second.close()


def test_many_requests_at_the_same_time(gateway, secure):
    usual = warm(gateway, secure)
    results = []

    def work(number):
        base = secure.script(answers(u.completion(f"answer {number}")))
        for _ in range(3):
            results.append((number, chat(gateway, config_header(target(base))).json["choices"][0]["message"]["content"]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 60 and all(text == f"answer {number}" for number, text in results)
    assert {stream.connection for stream in secure.streams[-60:]} == {usual}


def test_a_connection_that_the_upstream_ends(gateway, secure):
    """GOAWAY behind an answer: the next request gets a new connection."""
    async def last(stream):
        await answers(u.completion("last"))(stream)
        stream.go_away()

    base = secure.script(last)
    for _ in range(3):
        assert chat(gateway, config_header(target(base))).status == 200
    assert len({stream.connection for stream in secure.wait(3, base)}) == 3


# MARK: Failures

@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_an_error(gateway, secure, status):
    for stream in (False, True):
        answer = chat(gateway, config_header(target(secure.script(fails(status)))), stream=stream)
        assert answer.status == status and "the upstream says no" in answer.error["message"]


def test_a_retry(gateway, secure):
    base = secure.script(fails(503), answers(u.completion("at last")))
    answer = chat(gateway, config_header(target(base, retry={"attempts": 1})))
    assert answer.status == 200 and len(secure.wait(2, base)) == 2


def test_a_stream_that_is_reset_before_its_head(gateway, secure):
    async def resets(stream):
        stream.reset()

    usual = warm(gateway, secure)
    base = secure.script(resets)
    for stream in (False, True):
        answer = chat(gateway, config_header(target(base)), stream=stream)
        assert answer.status == 502 and answer.error["message"].startswith("openai error: "), answer
    assert warm(gateway, secure) == usual


def test_a_stream_that_is_reset_on_its_way(gateway, secure):
    """The client hears of it, and the neighbours on the same connection do not."""
    usual = warm(gateway, secure)
    gate, neighbour = secure.gate(), secure.gate()
    reset = start(gateway, secure.script(streams(u.chat_frames()[:3], {2: gate}, Stream.reset)), STREAM)
    other = start(gateway, secure.script(streams(u.chat_frames(), {3: neighbour})), STREAM)
    assert gate.reached.wait(10) and neighbour.reached.wait(10)
    gate.open()
    answer = reset.read_answer()
    assert answer.status == 200 and not (answer.events and answer.events[-1].is_done)
    assert not answer.is_complete or "error" in answer.events[-1].json
    neighbour.open()
    assert other.read_answer().events[-1].is_done
    assert {stream.connection for stream in secure.streams[-2:]} == {usual}
    reset.close()
    other.close()


def test_a_body_that_is_reset_on_its_way(gateway, secure):
    async def breaks(stream):
        stream.head(200)
        await stream.data(b'{"id":"half')
        stream.reset()

    assert chat(gateway, config_header(target(secure.script(breaks)))).status == 502
    assert chat(gateway).status == 200


def test_a_connection_that_breaks(gateway, secure):
    async def breaks(stream):
        stream.head(200, "text/event-stream")
        await stream.data(u.chat_frames()[0])
        stream.wire.transport.abort()

    answer = chat(gateway, config_header(target(secure.script(breaks))), stream=True)
    assert not answer.is_complete or "error" in answer.events[-1].json
    assert chat(gateway).status == 200


# MARK: Leaving

@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files/x/content"])
@pytest.mark.parametrize("has_begun", [False, True])
def test_a_client_that_leaves(gateway, secure, path, has_begun):
    """Its stream ends at once, not with the next request; by a reset or with the connection."""
    warm(gateway, secure)
    base = secure.script(streams(u.chat_frames(), {2: secure.gate()}) if has_begun else hangs)
    connection = Connection(gateway)
    connection.send_request("POST", path, JSON | config_header(target(base)), STREAM)
    stream, = secure.wait(1, base)
    if has_begun:
        connection.read_head()
    connection.close()
    assert stream.abandoned.wait(2), "the stream was not given up"
    warm(gateway, secure)


def test_a_timeout(gateway, secure):
    base = secure.script(hangs)
    answer = chat(gateway, config_header(target(base, request_timeout=200)))
    assert answer.status == 408
    assert secure.wait(1, base)[0].abandoned.wait(2)


def test_a_client_that_leaves_does_not_take_its_neighbours_along(gateway, secure):
    warm(gateway, secure)
    gate = secure.gate()
    neighbour = start(gateway, secure.script(streams(u.chat_frames(), {3: gate})), STREAM)
    assert gate.reached.wait(10)
    base = secure.script(hangs)
    leaving = start(gateway, base, STREAM)
    stream, = secure.wait(1, base)
    assert stream.connection == secure.streams[-2].connection
    leaving.close()
    gate.open()
    assert neighbour.read_answer().events[-1].is_done
    neighbour.close()
    warm(gateway, secure)
    assert stream.abandoned.wait(10)


def test_a_slow_client_stalls_a_fast_upstream(gateway, secure):
    async def pours(stream):
        stream.head(200, "application/octet-stream")
        while True:
            await stream.data(b"x" * 65536)

    base = secure.script(pours)
    before = gateway.rss()
    with Connection(gateway, receive_buffer=16 << 10) as connection:
        connection.send_request("POST", "/v1/files/x/content", JSON | config_header(target(base)), b"{}")
        connection.read_head()
        stream, = secure.wait(1, base)

        def has_stalled():
            sent = stream.bytes_sent
            time.sleep(0.15)
            return sent == stream.bytes_sent and sent > 0

        until(has_stalled, "the upstream's standstill")
        assert stream.bytes_sent < 48 << 20 and gateway.rss() - before < 48 << 20
        # The others on the same connection do not wait for it.
        assert warm(gateway, secure) == stream.connection
    warm(gateway, secure)
    assert stream.abandoned.wait(10)


# MARK: TLS

def test_an_unknown_authority(secure, authority):
    """Without `ca_file` the system's authorities decide."""
    config = configuration(secure, authority)
    del config["network"]
    with Gateway(config) as gateway:
        answer = chat(gateway)
        assert answer.status == 502 and "TLS" in answer.error["message"], answer


def test_a_certificate_of_another_host(authority, tmp_path):
    other = certificates(tmp_path, "DNS:elsewhere.example")
    with H2Upstream(other) as secure, Gateway(configuration(secure, other)) as gateway:
        answer = chat(gateway)
        assert answer.status == 502 and not secure.streams, answer


def test_an_upstream_that_only_speaks_http_1_1(authority):
    with u.Upstream(server_context(authority, "http/1.1")) as upstream, Gateway(configuration(upstream, authority)) as gateway:
        assert chat(gateway).status == 200 and chat(gateway, stream=True).events[-1].is_done
        assert {request.connection for request in upstream.requests} == {upstream.requests[0].connection}


def test_http_2_can_be_turned_off(authority):
    """An upstream that would take it is not offered it."""
    offered = []
    context = server_context(authority, "h2", "http/1.1")
    with u.Upstream(context, lambda transport: offered.append(transport.get_extra_info("ssl_object").selected_alpn_protocol())) as upstream:
        with Gateway(configuration(upstream, authority, http2=False)) as gateway:
            assert chat(gateway).status == 200
    assert offered == ["http/1.1"]


def test_a_plain_upstream_behind_https(authority, upstream):
    config = configuration(upstream, authority)
    config["providers"]["up"]["base_url"] = upstream.base.replace("http:", "https:")
    config["network"]["connect_timeout_ms"] = 300
    with Gateway(config) as gateway:
        assert chat(gateway).status == 502 and not upstream.requests
