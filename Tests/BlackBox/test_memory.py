"""Memory: bad inputs leave nothing behind, and nobody can make the gateway hold what others do not take.

Five hundred of each kind are sent; with GATEHOUSE_LONG=1 ten thousand. GATEHOUSE_FIGURES names a file for the figures.
"""

import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

import upstream as u
from canned import ANSWERS
from client import HELLO, Connection, config_header, target
from gateway import Gateway, until

MIB = 1 << 20
JSON = {"Content-Type": "application/json"}
CHAT = "/v1/chat/completions"
# Of each kind of bad input.
TIMES = 10_000 if os.environ.get("GATEHOUSE_LONG") else 500
ALLOWED_GROWTH = 1.2


@pytest.fixture(scope="module")
def canned():
    """The base URLs of an upstream that always gives the same answer, by the answer's name."""
    process = subprocess.Popen([sys.executable, str(pathlib.Path(__file__).parent / "canned.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = int(process.stdout.readline())
    yield {name.decode(): f"http://127.0.0.1:{port}/{name.decode()}/v1" for name in ANSWERS}
    process.stdin.close()
    process.wait(10)


def configuration(upstream, **limits):
    return {
        # One loop, so that what is measured does not depend on which one gets a connection.
        "listen": {"loops": 1},
        "providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}, "mock": {"provider": "mock"}},
        "defaults": {"provider": "up"},
        "log": {"level": "notice", "access": False},
        "limits": {"plan_cache_entries": 100} | limits,
    }


@pytest.fixture(scope="module")
def gateway(upstream):
    with Gateway(configuration(upstream)) as gateway:
        yield gateway


# MARK: Bad inputs

def message(method, path, headers=(), body=None):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in dict(headers).items())]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def post(body, headers=()):
    return message("POST", CHAT, JSON | dict(headers), body)


def says(model="m", **more):
    return json.dumps({"model": model, "messages": HELLO} | more).encode()


class Kept:
    """Requests on a few connections that stay, several at a time on each."""

    def __init__(self, make, *statuses):
        self.make, self.statuses = make, statuses

    def send(self, gateway, times):
        connections = [Connection(gateway, timeout=60) for _ in range(4)]
        number = 0
        while number < times:
            for connection in connections:
                connection.send(b"".join(self.make(number + part) for part in range(5)))
                number += 5
            for connection in connections:
                for _ in range(5):
                    assert skip_answer(connection) in self.statuses
        for connection in connections:
            connection.close()


class Fresh:
    """Each on a connection of its own, which ends with it. `then`: what the client does when all is sent."""

    def __init__(self, make, *statuses, leaves=False):
        self.make, self.statuses, self.leaves = make, statuses, leaves

    def send(self, gateway, times):
        for number in range(times):
            connection = Connection(gateway)
            # So that thousands of closed connections do not wait for late packets.
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                connection.send(self.make(number))
            except (BrokenPipeError, ConnectionResetError):
                pass
            if not self.leaves:
                try:
                    assert skip_answer(connection) in self.statuses
                except EOFError:
                    # What was sent too late may take the answer away.
                    assert 0 in self.statuses
            connection.close()


LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


def skip_answer(connection):
    """Reads one answer as fast as Python can, and gives its status."""
    head = connection.read_until(b"\r\n\r\n")
    if length := LENGTH.search(head):
        connection.read_exactly(int(length[1]))
    else:
        assert b"chunked" in head, head
        if not connection.buffer.startswith(b"0\r\n\r\n"):
            connection.read_until(b"\r\n0\r\n\r\n")
        else:
            connection.read_exactly(5)
    return int(head[9:12])


def reaching(provider, *statuses, stream=False):
    return Kept(lambda n: post(says(stream=stream), {"x-portkey-provider": "@" + provider}), *statuses)


DENY = json.dumps({"provider": "mock", "input_guardrails": [{"deny": True, "contains": {"words": ["Say"], "operator": "none"}}]})
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

BAD = {
    "no HTTP": Fresh(lambda n: b"GARBAGE %d\r\n\r\n" % n, 400),
    "a broken header": Fresh(lambda n: b"GET / HTTP/1.1\r\nHost: localhost\r\nX-%d : y\r\n\r\n" % n, 400),
    "broken chunks": Fresh(lambda n: HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\nzz\r\n", 400),
    "a head that is too large": Fresh(lambda n: b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
    "a config header of a megabyte": Fresh(lambda n: HEAD + b'x-portkey-config: {"x":"' + MEGABYTE + b'"}\r\n\r\n', 431, 0),
    "a body announced as too large": Fresh(lambda n: HEAD + b"Content-Length: %d\r\n\r\n" % ((1 << 30) + n), 413),
    "chunks that become too large": Fresh(lambda n: HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK * 5, 413, 0),
    "a truncated body": Fresh(lambda n: HEAD + b"Content-Length: 100000\r\n\r\n" + b'{"model":"' + b"x" * 5000, leaves=True),
    "a truncated head": Fresh(lambda n: HEAD + b"X-A: " + b"x" * 5000, leaves=True),
    "a client that leaves": Fresh(lambda n: post(says("slow"), {"x-portkey-provider": "@mock"}), leaves=True),
    "invalid JSON": Kept(lambda n: post(b'{"model":"m","messages":[' + b"1," * 2000), 400),
    "invalid UTF-8": Kept(lambda n: post(b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * (n % 1000) + b'\xff"}]}'), 400),
    "deep nesting": Kept(lambda n: post(b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"), 400),
    "nesting without an end": Kept(lambda n: post(b'{"a":' + b'{"b":[' * 2000), 400),
    "many members, one of them twice": Kept(lambda n: post(MEMBERS), 400),
    "an empty body": Kept(lambda n: post(b""), 400),
    "unknown endpoints": Kept(lambda n: message("GET", f"/nowhere/{n}/" + "x" * 1000), 404),
    "wrong methods": Kept(lambda n: message(("DELETE", "OPTIONS", "PUT", "TRACE")[n % 4], CHAT), 405),
    "wrong content types": Kept(lambda n: message("POST", CHAT, {"Content-Type": f"text/x-{n}"}, says()), 400, 415),
    "unknown providers": Kept(lambda n: post(says(), {"x-portkey-provider": f"@nobody-{n}"}), 400),
    "broken configs": Kept(lambda n: post(says(), {"x-portkey-config": '{"retry":{},"name":"%d%s"}' % (n, "x" * 2000)}), 400),
    "broken metadata": Kept(lambda n: post(says(), {"x-portkey-metadata": '{"k%d":' % n}), 400),
    # Not bad, but no two alike.
    "ever new configs": Kept(lambda n: post(says(), {"x-portkey-config": json.dumps({"provider": "mock", "name": f"{n}", "input_guardrails": [{"contains": {"words": [f"w{n}"], "operator": "none"}}]})}), 200, 246),
    "ever new models": Kept(lambda n: post(says(f"model-{n}"), {"x-portkey-provider": "@mock"}), 200),
    "denied requests": Kept(lambda n: post(says(), {"x-portkey-config": DENY}), 446),
    "an upstream that answers garbage": reaching("garbage", 502),
    "an upstream that answers HTML": reaching("html", 502),
    "an upstream that answers HTML for a stream": reaching("html", 502, stream=True),
    "an upstream whose error is HTML": reaching("html-503", 503),
    "an upstream that answers an empty 200": reaching("empty", 502),
    "an upstream that answers an empty 200 for a stream": reaching("empty", 502, stream=True),
    "an upstream that answers half a document": reaching("broken-json", 502),
    "an upstream that answers no UTF-8": reaching("bad-utf8", 200, 502),
    "an upstream that answers half a frame": reaching("half-frame", 200, stream=True),
    "an upstream that says nothing": reaching("nothing", 502),
    "an upstream that closes inside of a stream": reaching("cut-stream", 200, stream=True),
    "an upstream that closes inside of a body": reaching("cut-body", 502),
    "an upstream that fails inside of a stream": reaching("error-frame", 200, 500, 502, stream=True),
    # What good requests leave behind, for comparison.
    "an upstream that is well": reaching("good", 200),
    "an upstream that streams well": reaching("good-stream", 200, stream=True),
}
MEGABYTE = b"x" * MIB
CHUNK = b"10000\r\n" + b" " * 65536 + b"\r\n"
MEMBERS = b"{" + b",".join(b'"k%d":1' % number for number in range(500)) + b',"k0":1}'


@pytest.fixture(scope="module")
def hardened(upstream, canned):
    """A gateway that has seen some of everything, and the memory that it then has: once caches are full and the allocator has as
    much as the work of some seconds needs, thousands more make no difference."""
    config = configuration(upstream, body_bytes="256KiB")
    config["providers"] |= {name: {"provider": "openai", "api_key": "sk", "base_url": base} for name, base in canned.items()}
    with Gateway(config) as gateway:
        for _ in range(2):
            for kind in BAD.values():
                kind.send(gateway, TIMES // 10)
        gateway.steady = gateway.rss()
        yield gateway


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs_leave_nothing_behind(hardened, name):
    """All of them are sent to the same process: what they leave adds up."""
    BAD[name].send(hardened, TIMES)
    assert hardened.is_alive
    until(lambda: hardened.rss() < hardened.steady * ALLOWED_GROWTH, f"less than {hardened.steady >> 20} MiB and a fifth (now {hardened.rss() >> 20})", 10)
    until(lambda: hardened.descriptors() < 60, "the end of the connections")
    if figures := os.environ.get("GATEHOUSE_FIGURES"):
        with open(figures, "a") as file:
            print(f"{name:55} {TIMES:6} {hardened.steady / MIB:7.1f} {hardened.rss() / MIB:7.1f} MiB", file=file)


def test_clients_that_leave_a_stream_leave_nothing_behind(gateway, upstream):
    base = upstream.script(u.streams(u.chat_frames(), gates={2: upstream.gate()}))

    def leave(times):
        for _ in range(times):
            with Connection(gateway) as connection:
                connection.send_request("POST", CHAT, JSON | config_header(target(base)), says(stream=True))
                connection.read_head()
        upstream.clear()
    leave(200)
    before = gateway.rss()
    leave(500)
    until(lambda: gateway.descriptors() < 60, "the end of the connections")
    assert gateway.rss() < before * ALLOWED_GROWTH


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
    question = json.dumps({"model": "m", "max_tokens": 9, "messages": HELLO, "stream": kind != "relay"}).encode()
    before = gateway.rss()
    with slow_reader(gateway, config, "/v1/files/x/content" if kind == "relay" else CHAT, question) as connection:
        request, = upstream.wait(1, base)

        def has_stalled():
            sent = request.bytes_sent
            time.sleep(0.15)
            return sent == request.bytes_sent and sent > 0

        until(has_stalled, "the upstream's standstill")
        stalled_at = request.bytes_sent
        assert stalled_at < 24 * MIB
        assert gateway.rss() - before < 32 * MIB
        # It goes on when the client takes something. What has piled up on the way is taken first.
        taken = 0
        while request.bytes_sent == stalled_at and taken < 32 * MIB:
            connection.receive()
            taken += len(connection.buffer)
            connection.buffer = b""
        assert request.bytes_sent > stalled_at, f"the upstream stands still after {taken} bytes"
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
    with Gateway({"listen": {"loops": 1}, "limits": {"upstream_body_bytes": "4MiB"}}) as gateway:
        with Connection(gateway, timeout=60) as connection:
            connection.request("POST", CHAT, JSON | config_header(target(upstream.base)), b'{"model":"m","messages":[]}')
            before = gateway.rss()
            for _ in range(5):
                answer = connection.request("POST", CHAT, JSON | config_header(target(upstream.base)), b'{"model":"gzip-bomb","messages":[]}')
                assert answer.status == 502, answer
            assert gateway.rss() - before < 24 * MIB


def test_large_requests_are_given_back(gateway, upstream):
    """Soon after the last answer, not only when later requests need the room."""
    large = post(says(messages=[{"role": "user", "content": "x" * (5 * MIB)}]))

    def ask_often():
        with Connection(gateway, timeout=60) as connection:
            for _ in range(4):
                connection.send(large)
                assert skip_answer(connection) == 200

    def load():
        threads = [threading.Thread(target=ask_often) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        upstream.clear()
    load()
    until(lambda: gateway.rss() < 150 * MIB, "the end of what the first ones need")
    for _ in range(4):
        load()
    # Four at a time, each a few times over.
    assert gateway.rss() < 150 * MIB, f"{gateway.rss() >> 20} MiB"
