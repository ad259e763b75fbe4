"""HTTP/1.1 as clients write it, well and badly: what is taken, what is refused, and what the upstream gets of it.

The cases are in http_requests.jsonl: bytes (as Latin-1) and what becomes of them: the status, the request that the upstream sees,
and whether the connection stays open. The gateway is stricter than most: nothing is taken that another reader of the same bytes
might end elsewhere.
"""

import json
import pathlib
import re

import pytest

import upstream as u
from client import HELLO, Connection, ask, config_header, target
from gateway import Gateway

CASES = [json.loads(line) for line in (pathlib.Path(__file__).parent / "http_requests.jsonl").read_text().splitlines()]
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(TOKEN + rb" /[!-~]* HTTP/1\.1")
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t!-~\x80-\xff]*")


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {"providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}}, "defaults": {"provider": "up"}}
    with Gateway(config) as gateway:
        yield gateway


def assert_well_formed(request):
    """One request that no reader can take for two, or for another."""
    line, *fields = request.head.split(b"\r\n")
    assert REQUEST_LINE.fullmatch(line), line
    names = []
    for field in fields:
        match = FIELD.fullmatch(field)
        assert match, field
        names.append(match[1].lower())
    for name in (b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type"):
        assert names.count(name) <= 1, f"{name} came {names.count(name)} times"
    assert b"host" in names
    assert not (b"content-length" in names and b"transfer-encoding" in names)
    assert request.header("transfer-encoding") in (None, "chunked")
    if (length := request.header("content-length")) is not None:
        assert int(length) == request.length
    assert request.surplus == 0, "more came than one request"


def canary(connection, upstream):
    """A further request, which must reach the upstream as it is."""
    answer = connection.request("POST", "/v1/canary", {"Content-Type": "application/json"}, b'{"canary":true}')
    assert answer.status == 200 and upstream.requests[-1].path == "/v1/canary" and upstream.requests[-1].body == b'{"canary":true}'


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_request(gateway, upstream, case):
    message = case["send"].encode("latin-1")
    expected = case.get("upstream")
    with Connection(gateway) as connection:
        connection.send(message)
        answer = connection.read_answer()
        statuses = case["status"] if isinstance(case["status"], list) else [case["status"]]
        assert answer.status in statuses, answer
        assert len(upstream.requests) == (1 if expected else 0), upstream.requests
        if answer.status >= 400:
            assert answer.error["message"] and answer.portkey["trace-id"]
        if case["then"] == "closed":
            assert answer.header("connection") == "close" and connection.is_closed(), connection.buffer
        else:
            canary(connection, upstream)
    if expected:
        seen = upstream.requests[0]
        assert (seen.method, seen.target, seen.body) == (expected["method"], expected["target"], expected["body"].encode("latin-1"))
        for name, value in case.get("headers", {}).items():
            assert seen.header(name) == value
        for name in case.get("absent", ()):
            assert not seen.has(name), name
        assert_well_formed(seen)


TAKEN = [case for case in CASES if case.get("upstream") and case["then"] == "open"]
REFUSED = [case for case in CASES if case["then"] == "closed" and not case.get("upstream")]


def test_all_that_is_taken_on_one_connection(gateway, upstream):
    """Pipelined, in pieces that cut everywhere: the upstream sees each of them once, in order."""
    message = b"".join(case["send"].encode("latin-1") for case in TAKEN)
    for piece in (len(message), 7):
        upstream.clear()
        with Connection(gateway) as connection:
            for start in range(0, len(message), piece):
                connection.send(message[start:start + piece])
            assert [connection.read_answer().status for _ in TAKEN] == [200] * len(TAKEN)
        assert [(seen.method, seen.target, seen.body.decode("latin-1")) for seen in upstream.requests] == [
            (case["upstream"]["method"], case["upstream"]["target"], case["upstream"]["body"]) for case in TAKEN]
        for seen in upstream.requests:
            assert_well_formed(seen)


@pytest.mark.parametrize("path", ["/v1/things", "/v1/chat/completions", "/nowhere"])
def test_nothing_behind_a_refused_request_is_read(gateway, upstream, path):
    """A request hidden behind one that is refused is none, wherever the first was going."""
    hidden = b"POST /v1/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    for case in REFUSED:
        message = case["send"].replace("/v1/things", path).encode("latin-1")
        with Connection(gateway) as connection:
            connection.send(message + hidden)
            answer = connection.read_answer()
            assert answer.status >= 400, case["name"]
            assert connection.is_closed(), (case["name"], connection.buffer)
        assert not upstream.requests, (case["name"], upstream.requests)


# MARK: Smuggling

def upload(body, extra=""):
    return f"POST /v1/things HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode() + body


# Where a gateway believes one header and the server behind it the other, the rest of the body becomes a request of its own.
SMUGGLED = b"GET /v1/evil HTTP/1.1\r\nHost: localhost\r\nX: "
HOSTILE = {
    "length over coding": upload(b"0\r\n\r\n" + SMUGGLED, "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n"),
    "coding over length": upload(b"5c\r\n" + SMUGGLED + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
    "a disguised coding": upload(b"0\r\n\r\n" + SMUGGLED, "Content-Length: 44\r\nTransfer-Encoding : chunked\r\n"),
    "a coding in a folded line": upload(b"0\r\n\r\n" + SMUGGLED, "Content-Length: 44\r\nX-A: b\r\n Transfer-Encoding: chunked\r\n"),
    "a coding behind a bare CR": upload(b"0\r\n\r\n" + SMUGGLED, "Content-Length: 44\r\nX-A: b\rTransfer-Encoding: chunked\r\n"),
    "a coding behind a bare LF": upload(b"0\r\n\r\n" + SMUGGLED, "Content-Length: 44\r\nX-A: b\nTransfer-Encoding: chunked\r\n"),
    "two lengths": upload(SMUGGLED, "Content-Length: 0\r\nContent-Length: 44\r\n"),
    "a length with a sign": upload(SMUGGLED, "Content-Length: +0\r\n"),
    "a chunk that ends early": upload(b"2\r\nabX0\r\n\r\n" + SMUGGLED, "Transfer-Encoding: chunked\r\n"),
    "an extension with a bare LF": upload(b"2;a\nxx\r\nab\r\n0\r\n\r\n" + SMUGGLED, "Transfer-Encoding: chunked\r\n"),
    "a size that wraps around": upload(b"10000000000000002\r\nab\r\n0\r\n\r\n" + SMUGGLED, "Transfer-Encoding: chunked\r\n"),
    "a length in the trailers": upload(b"0\r\nContent-Length: 44\r\n\r\n" + SMUGGLED, "Transfer-Encoding: chunked\r\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream"])
def test_a_smuggled_request_does_not_arrive(gateway, upstream, name, kind):
    """Neither as one of its own nor inside of the next one."""
    message = HOSTILE[name].replace(b"Host: localhost\r\n", b"Host: localhost\r\nContent-Type: " + kind.encode() + b"\r\n", 1)
    with Connection(gateway) as connection:
        connection.send(message)
        assert connection.read_answer().status == 400 and connection.is_closed()
    with Connection(gateway) as connection:
        canary(connection, upstream)
    # An upload may have begun before its chunks were found to be broken; it never became complete.
    assert [request.path for request in upstream.requests] == ["/v1/canary"]
    assert_well_formed(upstream.only)


@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream", "multipart/form-data; boundary=x"])
def test_a_body_that_looks_like_requests_stays_a_body(gateway, upstream, kind):
    body = b"0\r\n\r\nPOST /v1/evil HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" * 50
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[start:start + 61] for start in range(0, len(body), 61))) + b"0\r\n\r\n"
    for headers, sent in (({}, body), ({"Transfer-Encoding": "chunked"}, chunked)):
        upstream.clear()
        with Connection(gateway) as connection:
            assert connection.request("POST", "/v1/things", {"Content-Type": kind} | headers, sent).status == 200
            canary(connection, upstream)
        first, second = upstream.requests
        assert first.body == body and second.path == "/v1/canary"
        assert_well_formed(first)


CONFIG_VALUES = ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00b", "a\r\n\r\nGET /v1/evil HTTP/1.1\r\n"]


MEMBERS = [
    ("openai", "api_key"), ("openai", "openai_organization"), ("openai", "openai_project"),
    ("anthropic", "api_key"), ("anthropic", "anthropic_version"), ("anthropic", "anthropic_beta"),
]


def ask_with(gateway, upstream, provider, member, value):
    config = target(upstream.base, provider=provider) | {member: value}
    return ask(gateway, "POST", "/v1/chat/completions", {"model": "m", "max_tokens": 5, "messages": HELLO}, config_header(config))


@pytest.mark.parametrize("provider, member", MEMBERS)
def test_a_line_end_in_a_config_makes_no_header(gateway, upstream, provider, member):
    """JSON can hold what a header cannot."""
    for value in CONFIG_VALUES:
        assert ask_with(gateway, upstream, provider, member, value).status >= 400
        assert not upstream.requests


@pytest.mark.parametrize("provider, member", MEMBERS)
def test_a_line_end_in_a_config_is_its_senders_fault(gateway, upstream, provider, member):
    assert ask_with(gateway, upstream, provider, member, CONFIG_VALUES[0]).status == 400


@pytest.mark.parametrize("value", CONFIG_VALUES + ["/v1/x y", "/v1/\u00e9", "#a", "?a b"], ids=repr)
def test_a_line_end_in_an_address_makes_no_request(gateway, upstream, value):
    answer = ask(gateway, "POST", "/v1/chat/completions", {"model": "m", "messages": HELLO}, config_header(target(upstream.base + value)))
    assert answer.status in (200, 400, 502), answer
    for request in upstream.requests:
        assert_well_formed(request)
        assert not request.has("x-evil")


# MARK: Odd answers of the gateway's own

def test_a_head_has_no_body(gateway, upstream):
    with Connection(gateway) as connection:
        for path in ("/livez", "/v1/models", "/nowhere", "/v1/things"):
            connection.send_request("HEAD", path)
            answer = connection.read_answer("HEAD")
            assert answer.status in (200, 404, 405) and not connection.buffer
        canary(connection, upstream)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\n\r\n"])
def test_an_answer_without_a_body_has_none(gateway, upstream, answer):
    """Its head would else be read together with the next one's."""
    base = upstream.script(u.raw(answer, close=False))
    with Connection(gateway) as connection:
        got = connection.request("POST", "/v1/things", config_header(target(base)), b"{}")
        assert got.status in (204, 304) and got.header("transfer-encoding") is None and not connection.buffer
        canary(connection, upstream)


SPLIT = {
    "nothing odd": b"X-A: b\tc\r\n",
    "a bare CR in a header": b"X-A: b\rX-Evil: 1\r\n",
    "a bare LF in a header": b"X-A: b\nX-Evil: 1\r\n",
    "a folded header": b"X-A: b\r\n X-Evil: 1\r\n",
    "a NUL in a header": b"X-A: b\x00c\r\n",
    "a space before the colon": b"X-A : b\r\n",
    "a disguised length": b"Content-Length : 9\r\n",
    "a disguised coding": b"Transfer-Encoding : chunked\r\n",
    "a name that is none": b"X(: b\r\n",
    "no name": b": b\r\n",
    "no colon": b"X-A\r\n",
    "the gateway's own headers": b"x-portkey-trace-id: forged\r\nConnection: close\r\nKeep-Alive: 1\r\nUpgrade: h2c\r\n",
}


@pytest.mark.parametrize("name", SPLIT)
def test_an_upstream_cannot_split_an_answer(gateway, upstream, name):
    base = upstream.script(u.raw(b"HTTP/1.1 200 OK\r\n" + SPLIT[name] + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi", close=False))
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/things", config_header(target(base)), b"{}")
        head = connection.read_until(b"\r\n\r\n")
        for field in head.split(b"\r\n")[1:]:
            assert FIELD.fullmatch(field), field
        assert b"forged" not in head and b"upgrade" not in head.lower()
        if head.startswith(b"HTTP/1.1 200"):
            assert connection.read_exactly(2) == b"hi"
            canary(connection, upstream)
