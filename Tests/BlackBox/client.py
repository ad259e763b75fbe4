"""A plain HTTP/1.1 client which sends exactly what it is told to, and shows exactly what comes back."""

from __future__ import annotations

import itertools
import json
import socket
import ssl
from typing import Any, Iterator

from gateway import SOON, Gateway

_traces = itertools.count(1)


class Answer:
    def __init__(self, status: int, headers: list[tuple[str, str]], version: str):
        self.status = status
        self.headers = headers
        self.version = version
        self.body = b""
        # False when the connection broke before the body's announced end.
        self.is_complete = True

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def portkey(self) -> dict[str, str]:
        """The headers of the compatibility specification, without their prefix."""
        return {name.lower()[10:]: value for name, value in self.headers if name.lower().startswith("x-portkey-")}

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]

    @property
    def events(self) -> list["Event"]:
        return parse_events(self.body)

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:600]!r}>"


class Event:
    def __init__(self, name: str | None, data: str):
        self.name = name
        self.data = data

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def is_done(self) -> bool:
        return self.data == "[DONE]"

    def __repr__(self) -> str:
        return f"<{self.name or 'data'}: {self.data}>"


def parse_events(text: bytes) -> list[Event]:
    """The events of a complete stream, which has to end with an empty line."""
    events = []
    content = text.decode("utf-8").replace("\r\n", "\n")
    assert content == "" or content.endswith("\n\n"), f"the stream ends in the middle of an event: {content[-80:]!r}"
    for block in content.split("\n\n"):
        name, data = None, []
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            if field == "event":
                name = value.removeprefix(" ")
            elif field == "data":
                data.append(value.removeprefix(" "))
        if data:
            events.append(Event(name, "\n".join(data)))
    return events


def said(events: list[Event]) -> str:
    """The text of a chat stream."""
    text = ""
    for event in events:
        if not event.is_done:
            for choice in event.json.get("choices") or []:
                text += (choice.get("delta") or {}).get("content") or choice.get("text") or ""
    return text


def said_messages(events: list[Event]) -> str:
    return "".join(
        event.json["delta"].get("text", "") for event in events if event.name == "content_block_delta")


class Connection:
    """One connection, for as many requests as it takes."""

    def __init__(self, gateway: Gateway | int, tls: ssl.SSLContext | None = None, timeout: float = SOON, receive_buffer: int | None = None):
        port = gateway if isinstance(gateway, int) else gateway.port
        self.host = f"127.0.0.1:{port}"
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_request(
        self, method: str, target: str, headers: dict[str, str] | list[tuple[str, str]] = (), body: bytes | None = None
    ) -> None:
        """`Host` and `Content-Length` are added where they are not given."""
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        names = {name.lower() for name, _ in pairs}
        if "host" not in names:
            pairs.insert(0, ("Host", self.host))
        if body is not None and "content-length" not in names and "transfer-encoding" not in names:
            pairs.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/1.1"] + [f"{name}: {value}" for name, value in pairs]
        self.send("\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b""))

    def receive(self) -> bool:
        """Takes in some bytes; False at the end."""
        try:
            data = self.socket.recv(1 << 18)
        except (ConnectionResetError, BrokenPipeError):
            return False
        self.buffer += data
        return bool(data)

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            if not self.receive():
                raise EOFError(f"the connection ended after {self.buffer!r}")
        data, _, self.buffer = self.buffer.partition(mark)
        return data

    def read_exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self.receive():
                raise EOFError(f"the connection ended after {len(self.buffer)} of {count} bytes")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_head(self) -> Answer:
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, *_ = lines[0].split(" ", 2)
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        return Answer(int(status), headers, version)

    def pieces(self, answer: Answer) -> Iterator[bytes]:
        """The body piece by piece, as it comes."""
        if "chunked" in (answer.header("transfer-encoding") or ""):
            while True:
                size = int(self.read_until(b"\r\n").split(b";")[0], 16)
                piece = self.read_exactly(size)
                if self.read_exactly(2) != b"\r\n":
                    raise EOFError("a chunk has no end")
                if size == 0:
                    return
                yield piece
        elif (length := answer.header("content-length")) is not None:
            left = int(length)
            while left > 0:
                if not self.buffer and not self.receive():
                    raise EOFError(f"the connection ended {left} bytes too early")
                piece, self.buffer = self.buffer[:left], self.buffer[left:]
                left -= len(piece)
                yield piece
        else:
            while self.buffer or self.receive():
                piece, self.buffer = self.buffer, b""
                yield piece

    def read_answer(self, method: str = "GET") -> Answer:
        """The whole answer; those before it which say "continue" are passed over."""
        answer = self.read_head()
        while answer.status == 100:
            answer = self.read_head()
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        body = bytearray()
        try:
            for piece in self.pieces(answer):
                body += piece
        except EOFError:
            answer.is_complete = False
        answer.body = bytes(body)
        return answer

    def request(
        self, method: str, target: str, headers: dict[str, str] | list[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        self.send_request(method, target, headers, body)
        return self.read_answer(method)

    def is_closed(self) -> bool:
        """True when the other side has closed and everything was read."""
        try:
            return not self.buffer and not self.receive()
        except TimeoutError:
            return False


def ask(
    gateway: Gateway, method: str, target: str, body: Any = None, headers: dict[str, str] | list[tuple[str, str]] = (), **options: Any
) -> Answer:
    """One request on a connection of its own. Bodies that are no bytes are sent as JSON."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    data = body
    if body is not None and not isinstance(body, bytes):
        data = json.dumps(body).encode()
    if data is not None and not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", "application/json"))
    with Connection(gateway, **options) as connection:
        return connection.request(method, target, pairs, data)


HELLO = [{"role": "user", "content": "Say hello."}]


def chat(gateway: Gateway, headers: dict[str, str] | list[tuple[str, str]] = (), **body: Any) -> Answer:
    return ask(gateway, "POST", "/v1/chat/completions", {"model": "m", "messages": HELLO} | body, headers)


def new_trace() -> str:
    return f"trace-{next(_traces)}"


def config_header(config: Any) -> dict[str, str]:
    """A config as the SDK sends it."""
    return {"x-portkey-config": json.dumps(config)}


def target(base: str, **more: Any) -> dict[str, Any]:
    """A target of an inline config which leads to an upstream at `base`."""
    return {"provider": "openai", "api_key": "sk-client", "custom_host": base} | more
