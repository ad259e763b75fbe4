"""Memory: bad inputs leave nothing behind, and nobody can make the gateway hold what others do not take."""

import json
import socket
import threading
import time

import pytest

import upstream as u
from client import HELLO, Connection, config_header, target
from gateway import Gateway, until

MIB = 1 << 20


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        # One loop, so that what is measured does not depend on which one gets a connection.
        "listen": {"loops": 1},
        "providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}, "mock": {"provider": "mock"}},
        "defaults": {"provider": "up"},
        "log": {"level": "notice", "access": False},
        "limits": {"plan_cache_entries": 100},
    }
    with Gateway(config) as gateway:
        yield gateway


JSON = {"Content-Type": "application/json"}
CHAT = "/v1/chat/completions"


def kept(gateway, times, request):
    """Sends these requests on one connection that stays."""
    with Connection(gateway) as connection:
        for number in range(times):
            connection.send_request(*request(number))
            connection.read_answer()


def fresh(gateway, times, message):
    """Sends these bytes on a connection of their own each."""
    for number in range(times):
        with Connection(gateway) as connection:
            connection.send(message(number))
            try:
                connection.read_answer()
            except EOFError:
                pass


def body(number, text):
    return ("POST", CHAT, JSON, text)


BAD = {
    "broken JSON": lambda gateway, times: kept(gateway, times, lambda n: body(n, b'{"model":"m","messages":[' + b"1," * 2000)),
    "deep JSON": lambda gateway, times: kept(gateway, times, lambda n: body(n, b'{"a":' + b"[" * 5000)),
    "many members": lambda gateway, times: kept(gateway, times, lambda n: body(n, b"{" + b",".join(b'"k%d":1' % i for i in range(500)) + b',"k0":1}')),
    "bad configs": lambda gateway, times: kept(gateway, times, lambda n: ("POST", CHAT, JSON | {"x-portkey-config": '{"retry":{},"name":"%d%s"}' % (n, "x" * 2000)}, b"{}")),
    "new configs": lambda gateway, times: kept(gateway, times, lambda n: ("POST", CHAT, JSON | config_header({"provider": "mock", "name": f"{n}", "input_guardrails": [{"contains": {"words": [f"w{n}"], "operator": "none"}}]}), b'{"model":"m","messages":[]}')),
    "unknown paths": lambda gateway, times: kept(gateway, times, lambda n: ("GET", f"/nowhere/{n}/" + "x" * 1000, {}, None)),
    "bad metadata": lambda gateway, times: kept(gateway, times, lambda n: ("POST", CHAT, JSON | {"x-portkey-metadata": '{"k%d":' % n}, b"{}")),
    "malformed HTTP": lambda gateway, times: fresh(gateway, times, lambda n: b"GARBAGE %d\r\n\r\n" % n),
    "bad chunks": lambda gateway, times: fresh(gateway, times, lambda n: b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc" + b"\r\nzz"),
    "large heads": lambda gateway, times: fresh(gateway, times, lambda n: b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"),
    "denied requests": lambda gateway, times: kept(gateway, times, lambda n: ("POST", CHAT, JSON | config_header({"provider": "mock", "input_guardrails": [{"deny": True, "contains": {"words": ["Say"], "operator": "none"}}]}), json.dumps({"model": "m", "messages": HELLO}).encode())),
    "bad upstreams": lambda gateway, times: kept(gateway, times, lambda n: body(n, json.dumps({"model": ["html", "broken-json", "empty-200", "bad-gzip", "status-500", "nothing"][n % 6], "messages": []}).encode())),
    "bad streams": lambda gateway, times: kept(gateway, times, lambda n: body(n, json.dumps({"model": ["cut", "half-frame", "error-frame", "garbage-stream"][n % 4], "stream": True, "messages": []}).encode())),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs_leave_nothing_behind(gateway, upstream, name):
    BAD[name](gateway, 400)
    upstream.clear()
    before = gateway.rss()
    for _ in range(4):
        BAD[name](gateway, 500)
        upstream.clear()
    after = gateway.rss()
    assert after < before * 1.2, f"{before >> 20} MiB became {after >> 20} MiB"


def test_truncated_bodies_leave_nothing_behind(gateway, upstream):
    def cut(times):
        for _ in range(times):
            with Connection(gateway) as connection:
                connection.send_request("POST", CHAT, JSON | {"Content-Length": "100000"}, b'{"model":"' + b"x" * 5000)
    cut(400)
    before = gateway.rss()
    cut(2000)
    until(lambda: gateway.descriptors() < 60, "the end of the connections")
    assert gateway.rss() < before * 1.2


def test_clients_that_leave_leave_nothing_behind(gateway, upstream):
    base = upstream.script(u.streams(u.chat_frames(), gates={2: upstream.gate()}))
    message = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()

    def leave(times):
        for _ in range(times):
            with Connection(gateway) as connection:
                connection.send_request("POST", CHAT, JSON | config_header(target(base)), message)
                connection.read_head()
        upstream.clear()
    leave(200)
    before = gateway.rss()
    leave(1000)
    until(lambda: gateway.descriptors() < 60, "the end of the connections")
    assert gateway.rss() < before * 1.2


# MARK: Back-pressure

def slow_reader(gateway, target_config, path, message):
    connection = Connection(gateway, receive_buffer=16 << 10, timeout=60)
    connection.send_request("POST", path, JSON | config_header(target_config), message)
    connection.read_head()
    return connection


@pytest.mark.parametrize("kind", ["relay", "stream", "guarded stream", "translated stream"])
def test_a_slow_client_stalls_a_fast_upstream(gateway, upstream, kind):
    frame = {"relay": b"x" * 65536, "translated stream": u.frame({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x" * 4000}}, "content_block_delta") * 8}.get(kind, u.frame(u.chunk("x" * 4000)) * 8)

    async def pours_for_ever(incoming):
        await incoming.head(200, [("content-type", "application/octet-stream") if kind == "relay" else u.SSE, ("transfer-encoding", "chunked")])
        if kind == "translated stream":
            for first in u.message_frames()[:2]:
                await incoming.chunk(first)
        while True:
            await incoming.chunk(frame)

    base = upstream.script(pours_for_ever)
    config = target(base)
    if kind == "guarded stream":
        config = target(base, output_guardrails=[{"deny": True, "contains": {"words": ["zebra"], "operator": "none"}}])
    if kind == "translated stream":
        config = target(base, provider="anthropic")
    message = json.dumps({"model": "m", "max_tokens": 9, "messages": HELLO, "stream": kind != "relay"}).encode()
    before = gateway.rss()
    with slow_reader(gateway, config, "/v1/files/x/content" if kind == "relay" else CHAT, message) as connection:
        request, = upstream.wait(1, base)

        def has_stalled():
            sent = request.bytes_sent
            time.sleep(0.15)
            return sent == request.bytes_sent and sent > 0

        until(has_stalled, "the upstream's standstill")
        stalled_at = request.bytes_sent
        assert stalled_at < 24 * MIB
        assert gateway.rss() - before < 32 * MIB
        # It goes on when the client takes something.
        for _ in range(40):
            connection.receive()
        until(lambda: request.bytes_sent > stalled_at, "the upstream's next bytes")
    assert request.abandoned.wait(5)


def test_a_slow_upstream_stalls_a_fast_client(gateway, upstream):
    """An upload that the upstream does not take."""
    gate = upstream.gate()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    base = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    before = gateway.rss()
    sent = 0
    with Connection(gateway) as connection:
        connection.socket.settimeout(1)
        connection.send_request("POST", "/v1/files", {"Content-Type": "application/octet-stream", "Content-Length": str(400 * MIB)} | config_header(target(base)))
        accepted, _ = listener.accept()
        try:
            while sent < 400 * MIB:
                sent += connection.socket.send(b"x" * 65536)
        except TimeoutError:
            pass
        assert sent < 64 * MIB and gateway.rss() - before < 32 * MIB
        accepted.close()
    listener.close()
    assert gate


def test_many_slow_clients_are_bounded(gateway, upstream):
    base = upstream.script(u.pours(64 * MIB))
    before = gateway.rss()
    connections = [slow_reader(gateway, target(base), "/v1/files/x/content", b"{}") for _ in range(20)]
    try:
        time.sleep(0.5)
        assert gateway.rss() - before < 20 * 2 * MIB
    finally:
        for connection in connections:
            connection.close()


def test_a_huge_answer_is_refused_before_it_is_held(upstream):
    with Gateway({"listen": {"loops": 1}, "limits": {"upstream_body_bytes": "4MiB"}}) as gateway:
        with Connection(gateway) as connection:
            connection.request("POST", CHAT, JSON | config_header(target(upstream.base)), json.dumps({"model": "huge-1000000", "messages": []}).encode())
            before = gateway.rss()
            base = upstream.script(u.pours(500 * MIB, "application/json"))
            answer = connection.request("POST", CHAT, JSON | config_header(target(base)), b'{"model":"m","messages":[]}')
            assert answer.status == 502 and "larger" in answer.error["message"]
            assert gateway.rss() - before < 24 * MIB


def test_a_bomb_does_not_go_off(upstream):
    with Gateway({"listen": {"loops": 1}}) as gateway:
        with Connection(gateway, timeout=60) as connection:
            connection.request("POST", CHAT, JSON | config_header(target(upstream.base)), b'{"model":"m","messages":[]}')
            before = gateway.rss()
            for _ in range(5):
                answer = connection.request("POST", CHAT, JSON | config_header(target(upstream.base)), b'{"model":"gzip-bomb","messages":[]}')
                assert answer.status == 502, answer
            assert gateway.rss() - before < 24 * MIB


def test_large_requests_are_given_back(gateway, upstream):
    message = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * (5 * MIB)}]}).encode()

    def load():
        threads = [threading.Thread(target=lambda: kept(gateway, 3, lambda n: body(n, message))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        upstream.clear()
    load()
    before = gateway.rss()
    for _ in range(4):
        load()
    assert gateway.rss() < before * 1.2 + 8 * MIB
