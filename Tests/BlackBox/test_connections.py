"""Connections of clients: keep-alive, pipelining, Expect, TLS, limits, timeouts, and what happens when somebody leaves."""

import json
import socket
import ssl
import subprocess
import threading
import time

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, target
from gateway import Gateway, until


def common(upstream):
    return {"providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}}, "defaults": {"provider": "up"}}


@pytest.fixture(scope="module")
def gateway(upstream):
    with Gateway(common(upstream)) as gateway:
        yield gateway


BODY = json.dumps({"model": "m", "messages": HELLO}).encode()
JSON = {"Content-Type": "application/json"}


def request_bytes(body=BODY, path="/v1/chat/completions", extra=""):
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


# MARK: Keep-alive and pipelining

def test_a_connection_serves_many_requests(gateway):
    with Connection(gateway) as connection:
        for _ in range(20):
            assert connection.request("POST", "/v1/chat/completions", JSON, BODY).status == 200


def test_a_connection_outlives_errors(gateway):
    with Connection(gateway) as connection:
        for body, status in ((b"{", 400), (BODY, 200), (b"[]", 400), (BODY, 200)):
            assert connection.request("POST", "/v1/chat/completions", JSON, body).status == status
        assert connection.request("GET", "/nowhere").status == 404
        assert connection.request("POST", "/nowhere", JSON, BODY).status == 404
        assert connection.request("POST", "/v1/chat/completions", JSON, BODY).status == 200


def test_a_stream_leaves_the_connection_usable(gateway):
    with Connection(gateway) as connection:
        stream = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
        for _ in range(3):
            assert connection.request("POST", "/v1/chat/completions", JSON, stream).events[-1].is_done
            assert connection.request("POST", "/v1/chat/completions", JSON, BODY).status == 200


def test_connection_close_is_kept(gateway):
    with Connection(gateway) as connection:
        answer = connection.request("POST", "/v1/chat/completions", JSON | {"Connection": "close"}, BODY)
        assert answer.header("connection") == "close" and connection.is_closed()


def test_http_1_0_closes(gateway):
    with Connection(gateway) as connection:
        connection.send(b"GET /livez HTTP/1.0\r\n\r\n")
        answer = connection.read_answer()
        assert answer.status == 200 and connection.is_closed()


def test_http_1_0_with_keep_alive(gateway):
    with Connection(gateway) as connection:
        for _ in range(2):
            connection.send(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = connection.read_answer()
            assert answer.status == 200 and answer.header("connection") == "keep-alive"


def test_a_stream_for_http_1_0_ends_with_the_connection(gateway):
    body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
    with Connection(gateway) as connection:
        connection.send(b"POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = connection.read_answer()
        assert answer.header("transfer-encoding") is None and answer.events[-1].is_done


def test_pipelined_requests_are_answered_in_order(gateway, upstream):
    count = 12
    bodies = [json.dumps({"model": f"m{number}", "messages": HELLO}).encode() for number in range(count)]
    with Connection(gateway) as connection:
        connection.send(b"".join(request_bytes(body) for body in bodies))
        assert [connection.read_answer().json["model"] for _ in range(count)] == [f"m{number}" for number in range(count)]


def test_a_slow_answer_holds_back_the_pipelined_ones(gateway, upstream):
    gate = upstream.gate()
    slow = config_header(target(upstream.script(u.waits(gate, u.says("slow")))))
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", JSON | slow, BODY)
        connection.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert gate.reached.wait(10)
        gate.open()
        assert connection.read_answer().json["choices"][0]["message"]["content"] == "slow"
        assert connection.read_answer().json["status"] == "ok"


def test_many_pipelined_requests_in_small_pieces(gateway):
    message = (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" + request_bytes()) * 30
    with Connection(gateway) as connection:
        sender = threading.Thread(target=lambda: [connection.send(message[start:start + 97]) for start in range(0, len(message), 97)])
        sender.start()
        assert [connection.read_answer().status for _ in range(60)] == [200] * 60
        sender.join()


def test_a_client_that_pipelines_without_reading_is_bounded(gateway):
    """Answers that nobody takes must not pile up without end."""
    ask(gateway, "GET", "/livez")
    before = gateway.rss()
    with Connection(gateway, receive_buffer=4096) as connection:
        connection.socket.settimeout(2)
        message = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
        sent = 0
        try:
            while sent < 40:
                connection.send(message)
                sent += 1
        except TimeoutError:
            pass
        assert gateway.rss() - before < 64 << 20


# MARK: Expect

def test_expect_100_continue(gateway):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", JSON | {"Expect": "100-continue", "Content-Length": str(len(BODY))})
        assert connection.read_head().status == 100
        connection.send(BODY)
        assert connection.read_answer().status == 200


def test_a_refusal_comes_in_the_place_of_100(gateway):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", JSON | {"Expect": "100-continue", "Content-Length": str(10 << 30)})
        assert connection.read_head().status == 413


def test_another_expectation_is_refused(gateway):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", JSON | {"Expect": "the-unexpected", "Content-Length": "2"}, b"{}")
        assert connection.read_answer().status == 417


def test_expect_on_an_upload(gateway, upstream):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/files", {"Content-Type": "application/octet-stream", "Expect": "100-continue", "Content-Length": "5"})
        assert connection.read_head().status == 100
        connection.send(b"hello")
        assert connection.read_answer().json["body"] == "hello"
    assert not upstream.only.has("expect")


# MARK: Limits and timeouts

@pytest.fixture(scope="module")
def tight(upstream):
    limits = {"header_timeout_ms": 400, "body_timeout_ms": 400, "idle_timeout_ms": 700, "connections": 5, "header_bytes": 4096, "header_count": 20}
    with Gateway(common(upstream) | {"limits": limits}) as gateway:
        yield gateway


def test_a_head_that_is_too_large(tight):
    with Connection(tight) as connection:
        answer = connection.request("GET", "/livez", {"x": "y" * 5000})
        assert answer.status == 431 and "4096" in answer.error["message"] and connection.is_closed()


def test_a_head_that_never_ends(tight):
    with Connection(tight) as connection:
        connection.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
        try:
            for number in range(100):
                connection.send(b"x-%d: " % number + b"y" * 1000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert connection.read_answer().status == 431


def test_too_many_headers(tight):
    with Connection(tight) as connection:
        assert connection.request("GET", "/livez", [(f"x-{number}", "") for number in range(25)]).status == 431


def test_a_head_that_does_not_come(tight):
    with Connection(tight) as connection:
        connection.send(b"GET /livez HT")
        answer = connection.read_answer()
        assert answer.status == 408 and "headers" in answer.error["message"] and connection.is_closed()


def test_a_head_that_drips_has_one_deadline(tight):
    """A byte now and then does not keep a connection for ever."""
    with Connection(tight) as connection:
        started = time.monotonic()
        try:
            for byte in b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200:
                connection.send(bytes([byte]))
                time.sleep(0.02)
                if time.monotonic() - started > 3:
                    break
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() - started < 3
        assert connection.read_answer().status == 408


def test_a_body_that_does_not_come(tight, upstream):
    with Connection(tight) as connection:
        connection.send_request("POST", "/v1/chat/completions", JSON | {"Content-Length": "100"}, b'{"model"')
        answer = connection.read_answer()
        assert answer.status == 408 and "body" in answer.error["message"] and connection.is_closed()
    assert not upstream.requests


def test_an_upload_that_stalls(tight, upstream):
    with Connection(tight) as connection:
        connection.send_request("POST", "/v1/files", {"Content-Type": "application/octet-stream", "Content-Length": "100000"}, b"x" * 1000)
        answer = connection.read_answer()
        assert answer.status == 408, answer
    until(lambda: upstream.arriving[0].abandoned.is_set(), "the end of the upstream's request")


def test_a_body_whose_pieces_come_in_time(tight):
    with Connection(tight) as connection:
        connection.send_request("POST", "/v1/chat/completions", JSON | {"Content-Length": str(len(BODY))})
        for start in range(0, len(BODY), 10):
            connection.send(BODY[start:start + 10])
            time.sleep(0.1)
        assert connection.read_answer().status == 200


def test_an_idle_connection_is_closed(tight):
    with Connection(tight) as connection:
        started = time.monotonic()
        assert connection.is_closed() and 0.4 < time.monotonic() - started < 5
    with Connection(tight) as connection:
        assert connection.request("GET", "/livez").status == 200
        assert connection.is_closed()


def test_a_connection_that_waits_for_its_answer_is_not_idle(tight, upstream):
    gate = upstream.gate()
    with Connection(tight) as connection:
        connection.send_request("POST", "/v1/chat/completions", JSON | config_header(target(upstream.script(u.waits(gate, u.says("x"))))), BODY)
        assert gate.reached.wait(10)
        time.sleep(1)
        gate.open()
        assert connection.read_answer().status == 200


def test_one_connection_too_many(tight):
    until(lambda: tight.descriptors() < 1000 and ask(tight, "GET", "/livez").status == 200)
    connections = [Connection(tight) for _ in range(5)]
    try:
        for connection in connections:
            assert connection.request("GET", "/livez").status == 200
        with Connection(tight) as extra:
            answer = extra.read_answer()
            assert answer.status == 503 and "connections" in answer.error["message"] and answer.portkey["trace-id"]
            assert extra.is_closed()
    finally:
        for connection in connections:
            connection.close()
    until(lambda: ask(tight, "GET", "/livez").status == 200, "room again")


def test_the_rest_of_a_refused_body_is_not_a_request(gateway, upstream):
    """What follows a refused head belongs to that message."""
    smuggled = request_bytes()
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", JSON | {"Content-Length": str(1 << 40)}, smuggled)
        assert connection.read_answer().status == 413
        assert connection.is_closed() and not upstream.requests


# MARK: Leaving

def left_within_a_second(request, since):
    assert request.abandoned.wait(5), "the upstream was not left"
    assert request.abandoned_at - since < 1.0, f"it took {request.abandoned_at - since:.2f} s"


def test_a_client_that_leaves_before_the_answer(gateway, upstream):
    base = upstream.script(u.hangs)
    connection = Connection(gateway)
    connection.send_request("POST", "/v1/chat/completions", JSON | config_header(target(base)), BODY)
    request, = upstream.wait(1, base)
    since = time.monotonic()
    connection.close()
    left_within_a_second(request, since)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files/x/content"])
@pytest.mark.parametrize("busy", [False, True])
def test_a_client_that_leaves_a_stream(gateway, upstream, path, busy):
    """Whether the upstream is quiet or pours."""
    async def endless(incoming):
        await incoming.head(200, [u.SSE, ("transfer-encoding", "chunked")])
        await incoming.chunk(u.chat_frames()[0])
        while busy:
            await incoming.chunk(u.frame(u.chunk("x" * 1000)))
        await incoming.left()

    base = upstream.script(endless)
    connection = Connection(gateway)
    connection.send_request("POST", path, JSON | config_header(target(base)), json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode())
    next(connection.pieces(connection.read_head()))
    request, = upstream.wait(1, base)
    since = time.monotonic()
    connection.close()
    left_within_a_second(request, since)


def test_a_client_that_resets(gateway, upstream):
    base = upstream.script(u.hangs)
    connection = Connection(gateway)
    connection.send_request("POST", "/v1/chat/completions", JSON | config_header(target(base)), BODY)
    request, = upstream.wait(1, base)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    since = time.monotonic()
    connection.close()
    left_within_a_second(request, since)


def test_a_client_that_leaves_during_a_backoff(gateway, upstream):
    base = upstream.script(u.fails(503))
    connection = Connection(gateway)
    headers = JSON | config_header(target(base, retry={"attempts": 5})) | {"x-portkey-trace-id": "left-in-backoff"}
    connection.send_request("POST", "/v1/chat/completions", headers, BODY)
    upstream.wait(1, base)
    connection.close()
    line = gateway.access_line("left-in-backoff")
    assert line["status"] == 499 and line["aborted"] is True and len(upstream.at(base)) == 1


def test_a_client_that_leaves_a_slow_mock(upstream):
    with Gateway({"providers": {"mock": {"provider": "mock"}}, "defaults": {"provider": "mock"}}) as gateway:
        connection = Connection(gateway)
        connection.send_request("POST", "/v1/chat/completions", JSON | {"x-portkey-trace-id": "left-mock"}, b'{"model":"slow","messages":[]}')
        until(lambda: "gatehouse_requests_in_flight 1" in ask(gateway, "GET", "/metrics").text or "gatehouse_requests_in_flight 2" in ask(gateway, "GET", "/metrics").text, "the request")
        connection.close()
        assert gateway.access_line("left-mock")["status"] == 499


def test_a_client_that_only_closes_its_writing_side(gateway, upstream):
    """Half-closed: the request is complete, and its answer wanted or not; either way nothing hangs."""
    with Connection(gateway) as connection:
        connection.send(request_bytes())
        connection.socket.shutdown(socket.SHUT_WR)
        try:
            assert connection.read_answer().status == 200
        except EOFError:
            pass
    assert ask(gateway, "GET", "/livez").status == 200


def test_many_clients_that_leave_cost_no_descriptors(gateway, upstream):
    ask(gateway, "GET", "/livez")
    before = gateway.descriptors()
    base = upstream.script(u.hangs)
    for _ in range(50):
        connection = Connection(gateway)
        connection.send_request("POST", "/v1/chat/completions", JSON | config_header(target(base)), BODY)
        connection.close()
    until(lambda: gateway.descriptors() <= before + 4, "the end of all connections")


def test_upstream_connections_are_used_again(gateway, upstream):
    for _ in range(10):
        assert chat(gateway).status == 200
    # One for each loop at most.
    assert len({request.connection for request in upstream.requests}) <= 4


def test_a_stale_upstream_connection_is_no_error(gateway, upstream):
    """The upstream closes after each answer without saying so."""
    async def closing(incoming):
        await u.says("x")(incoming)
        incoming.close()

    base = upstream.script(closing)
    assert [chat(gateway, config_header(target(base))).status for _ in range(8)] == [200] * 8


def test_many_clients_at_once(gateway, upstream):
    statuses = []

    def work():
        with Connection(gateway) as connection:
            for _ in range(5):
                statuses.append(connection.request("POST", "/v1/chat/completions", JSON, BODY).status)

    threads = [threading.Thread(target=work) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200


# MARK: TLS

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"],
        check=True, capture_output=True)
    return directory


@pytest.fixture(scope="module")
def secure(upstream, certificate):
    tls = {"certificate_file": str(certificate / "cert.pem"), "key_file": str(certificate / "key.pem")}
    with Gateway(common(upstream) | {"tls": tls}) as gateway:
        yield gateway


@pytest.fixture
def trust(certificate):
    return ssl.create_default_context(cafile=str(certificate / "cert.pem"))


def test_tls(secure, trust):
    assert secure.url.startswith("https://")
    with Connection(secure, tls=trust) as connection:
        assert connection.socket.version() in ("TLSv1.2", "TLSv1.3")
        for _ in range(3):
            assert connection.request("POST", "/v1/chat/completions", JSON, BODY).status == 200


def test_tls_streams(secure, trust):
    with Connection(secure, tls=trust) as connection:
        body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
        assert connection.request("POST", "/v1/chat/completions", JSON, body).events[-1].is_done


def test_tls_large_answers(secure, trust, upstream):
    base = upstream.script(u.pours(5 << 20))
    with Connection(secure, tls=trust) as connection:
        assert len(connection.request("GET", "/v1/files/x/content", config_header(target(base))).body) == 5 << 20


def test_tls_offers_http_1_1(secure, trust):
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with Connection(secure, tls=trust) as connection:
        assert connection.socket.selected_alpn_protocol() in ("http/1.1", None)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(secure):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    try:
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    except ValueError:
        pytest.skip("this Python cannot speak TLS 1.1")
    with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
        Connection(secure, tls=old)


def test_plain_http_on_a_tls_port(secure):
    with Connection(secure) as connection:
        connection.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while connection.receive():
            pass
        assert b"200" not in connection.buffer
    with Connection(secure) as connection:
        connection.send(b"\x16\x03\x01\x00\x05garbage")
        while connection.receive():
            pass
    assert secure.is_alive


def test_a_tls_handshake_that_never_ends(upstream, certificate):
    tls = {"certificate_file": str(certificate / "cert.pem"), "key_file": str(certificate / "key.pem")}
    with Gateway(common(upstream) | {"tls": tls, "limits": {"idle_timeout_ms": 500, "header_timeout_ms": 500}}) as gateway:
        with Connection(gateway) as connection:
            connection.send(b"\x16\x03\x01\x02\x00\x01")
            assert connection.is_closed()


def test_http_1_0_knows_no_expectation(gateway):
    with Connection(gateway) as connection:
        head = f"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n"
        connection.send(head.encode() + (BODY if isinstance(BODY, bytes) else BODY.encode()))
        assert connection.read_head().status == 200
