"""A recording upstream: speaks the wire of OpenAI and Anthropic, and misbehaves on demand.

It listens on a loopback port of its own, in a thread with an event loop, and keeps every request that it gets. What it answers is
decided, in this order, by

- a script: `upstream.script(*replies)` gives an origin of its own for one test; each request takes the next reply, the last one
  stays;
- the name of the model in a JSON body (`BY_MODEL` below: `status-503`, `html`, `cut`, …);
- the path: chat completions, completions, embeddings and messages answer as the vendors do; all other paths echo the request.

A reply is a coroutine that gets an `Incoming` and writes whatever it likes, byte by byte if need be. Only the standard library.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import itertools
import json
import ssl
import struct
import threading
import time
from typing import Any, Awaitable, Callable

# How long the upstream waits for a test to open a gate, or for a client to leave.
PATIENCE = 30.0
# Request bodies beyond this are recorded by length and hash.
KEPT_BYTES = 1 << 20


class Gate:
    """Something that a reply waits for and a test lets happen."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._event = asyncio.Event()
        self.reached = threading.Event()

    def open(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        self.reached.set()
        await asyncio.wait_for(self._event.wait(), PATIENCE)


class Recorded:
    """One request as it came over the wire."""

    def __init__(self, method: str, target: str, headers: list[tuple[str, str]], connection: int):
        self.method = method
        self.target = target
        self.headers = headers
        self.body = b""
        self.length = 0
        self.sha256 = ""
        self.connection = connection
        self.time = time.monotonic()
        # Set when the client closed the connection before the answer was complete.
        self.abandoned = threading.Event()
        self.abandoned_at = 0.0
        # Set when the reply has been written.
        self.answered = threading.Event()
        self.bytes_sent = 0
        # The head as it came, and how much came behind the body before there was an answer.
        self.head = b""
        self.surplus = 0

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def has(self, name: str) -> bool:
        return any(key.lower() == name.lower() for key, _ in self.headers)

    @property
    def text(self) -> str:
        """Everything, for tests which look for what must not be there."""
        head = "\n".join(f"{name}: {value}" for name, value in self.headers)
        return f"{self.method} {self.target}\n{head}\n\n{self.body.decode('latin-1')}"

    def __repr__(self) -> str:
        return f"<{self.method} {self.target} {self.length} bytes>"


class Incoming:
    """A request on its way to an answer."""

    def __init__(self, wire: "Wire", recorded: Recorded):
        self.wire = wire
        self.request = recorded
        self.is_closing = False

    @property
    def body(self) -> dict:
        try:
            value = json.loads(self.request.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    async def write(self, data: bytes) -> None:
        """Writes and waits until the transport has room again, so that a slow client is felt."""
        if self.wire.gone.is_set():
            raise ConnectionResetError("the client left")
        self.wire.transport.write(data)
        self.request.bytes_sent += len(data)
        # A reply that writes without end must let the loop see that its client has left.
        await asyncio.sleep(0)
        await self.wire.drain()

    async def head(self, status: int, headers: list[tuple[str, str]] | dict[str, str] = (), reason: str = "Whatever") -> None:
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        lines = [f"HTTP/1.1 {status} {reason}"] + [f"{name}: {value}" for name, value in pairs]
        await self.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def chunk(self, data: bytes) -> None:
        if data:
            await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def end_chunks(self) -> None:
        await self.write(b"0\r\n\r\n")

    async def whole(self, status: int, body: bytes, headers: list[tuple[str, str]] | dict[str, str] = ()) -> None:
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        body_of_reply = b"" if self.request.method == "HEAD" else body
        await self.head(status, pairs + [("content-length", str(len(body)))])
        if body_of_reply:
            await self.write(body_of_reply)

    def close(self) -> None:
        """Closes after what has been written."""
        self.is_closing = True

    def reset(self) -> None:
        """Drops the connection on the floor."""
        self.is_closing = True
        self.wire.transport.abort()

    async def left(self) -> None:
        """Waits until the client closes the connection."""
        await asyncio.wait_for(self.wire.gone.wait(), PATIENCE)


Reply = Callable[[Incoming], Awaitable[None]]


# MARK: What vendors say

CHAT_TEXT = "Hello from the upstream."


def completion(text: str = CHAT_TEXT, **more: Any) -> dict:
    message = {"role": "assistant", "content": text}
    message.update(more.pop("message", {}))
    body = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "upstream-model",
        "choices": [{"index": 0, "message": message, "finish_reason": more.pop("finish_reason", "stop"), "logprobs": None}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }
    return body | more


def chunk(content: str | None = None, **more: Any) -> dict:
    delta = {} if content is None else {"content": content}
    delta.update(more.pop("delta", {}))
    return {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "upstream-model",
        "choices": [{"index": 0, "delta": delta, "finish_reason": more.pop("finish_reason", None)}],
    } | more


def frame(value: Any, event: str | None = None) -> bytes:
    data = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return (f"event: {event}\n" if event else "").encode() + b"data: " + data.encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def chat_frames(*words: str) -> list[bytes]:
    """The events of a chat stream which says these words."""
    words = words or ("Hello", " from", " the", " upstream", ".")
    return [
        frame(chunk(delta={"role": "assistant", "content": ""})),
        *[frame(chunk(word)) for word in words],
        frame(chunk(finish_reason="stop")),
        DONE,
    ]


def message(text: str = CHAT_TEXT, **more: Any) -> dict:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-upstream",
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
    } | more


def message_frames(*words: str) -> list[bytes]:
    words = words or ("Hello", " from", " the", " upstream", ".")
    events: list[dict] = [
        {"type": "message_start", "message": message("", content=[], stop_reason=None, usage={"input_tokens": 3, "output_tokens": 1})},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *[{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in words],
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    return [frame(event, event["type"]) for event in events]


def openai_error(text: str = "the upstream says no", type: str = "server_error", code: str | None = "upstream_code") -> dict:
    return {"error": {"message": text, "type": type, "param": None, "code": code}}


def anthropic_error(text: str = "the upstream says no", type: str = "api_error") -> dict:
    return {"type": "error", "error": {"type": type, "message": text}}


# MARK: Replies

JSON = ("content-type", "application/json")
SSE = ("content-type", "text/event-stream")


def answer(value: Any, status: int = 200, headers: list[tuple[str, str]] | dict[str, str] = ()) -> Reply:
    """A whole JSON answer. Bytes are sent as they are."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(JSON)

    async def reply(incoming: Incoming) -> None:
        await incoming.whole(status, body, pairs)

    return reply


def says(text: str, **more: Any) -> Reply:
    return answer(completion(text, **more))


def fails(status: int, headers: list[tuple[str, str]] | dict[str, str] = (), text: str = "the upstream says no") -> Reply:
    return answer(openai_error(text), status, headers)


def body(content: bytes, content_type: str, status: int = 200, headers: list[tuple[str, str]] = ()) -> Reply:
    return answer(content, status, [("content-type", content_type), *headers])


def in_two_parts(content: bytes, headers: list[tuple[str, str]], pause: float = 0.05) -> Reply:
    """The head at once, the body a moment later: whoever takes the head for the answer has been hasty."""

    async def reply(incoming: Incoming) -> None:
        await incoming.head(200, [*headers, ("content-length", str(len(content)))])
        await asyncio.sleep(pause)
        await incoming.write(content)

    return reply


def raw(data: bytes, close: bool = True) -> Reply:
    """These bytes in place of an answer, head and all."""

    async def reply(incoming: Incoming) -> None:
        await incoming.write(data)
        if close:
            incoming.close()

    return reply


def streams(
    frames: list[bytes], split: int = 0, end: str = "clean", gates: dict[int, Gate] | None = None,
    headers: list[tuple[str, str]] = (), status: int = 200,
) -> Reply:
    """An event stream. `split`: pieces of so many bytes, wherever they cut. `end`: "clean", or "cut" for a reset after the last
    frame, or "open" to wait until the client leaves. `gates`: what to wait for before the frame of that number."""

    async def reply(incoming: Incoming) -> None:
        await incoming.head(status, [SSE, ("transfer-encoding", "chunked"), *headers])
        for number, data in enumerate(frames):
            if gates and number in gates:
                await gates[number].wait()
            step = split or max(len(data), 1)
            for start in range(0, len(data), step):
                await incoming.chunk(data[start:start + step])
                if split:
                    await asyncio.sleep(0)
        if gates and len(frames) in gates:
            await gates[len(frames)].wait()
        if end == "clean":
            await incoming.end_chunks()
        elif end == "cut":
            # What was written has to arrive before the reset.
            await incoming.wire.flushed()
            incoming.close()
        else:
            await incoming.left()

    return reply


def waits(gate: Gate, then: Reply) -> Reply:
    """Nothing, not even a head, until the gate opens."""

    async def reply(incoming: Incoming) -> None:
        await gate.wait()
        await then(incoming)

    return reply


async def hangs(incoming: Incoming) -> None:
    """Never answers."""
    await incoming.left()


async def closes(incoming: Incoming) -> None:
    """Closes the connection without a word."""
    incoming.close()


async def resets(incoming: Incoming) -> None:
    incoming.reset()


def stops_inside_body(value: bytes, promised: int, content_type: str = "application/json") -> Reply:
    """Fewer bytes than the head promised."""

    async def reply(incoming: Incoming) -> None:
        await incoming.head(200, [("content-type", content_type), ("content-length", str(promised))])
        await incoming.write(value)
        await incoming.wire.flushed()
        incoming.close()

    return reply


def pours(total: int, content_type: str = "application/octet-stream", piece: bytes = b"x" * 65536) -> Reply:
    """`total` bytes as fast as they are taken."""

    async def reply(incoming: Incoming) -> None:
        await incoming.head(200, [("content-type", content_type), ("content-length", str(total))])
        left = total
        while left > 0:
            part = piece[:left]
            await incoming.write(part)
            left -= len(part)

    return reply


async def echoes(incoming: Incoming) -> None:
    """What was asked, as JSON."""
    request = incoming.request
    await incoming.whole(
        200,
        json.dumps({
            "method": request.method, "target": request.target, "headers": request.headers, "length": request.length,
            "sha256": request.sha256, "body": request.body.decode("latin-1") if request.length <= 65536 else None,
        }).encode(), [JSON, ("x-upstream", "echo")])


# MARK: The usual

async def chats(incoming: Incoming) -> None:
    body = incoming.body
    if body.get("stream"):
        frames = chat_frames()
        if (body.get("stream_options") or {}).get("include_usage"):
            usage = completion()["usage"]
            frames.insert(-1, frame(chunk(choices=[], usage=usage)))
        await streams(frames)(incoming)
    else:
        await answer(completion(model=body.get("model") or "none"))(incoming)


async def completes(incoming: Incoming) -> None:
    base = {"id": "cmpl-1", "object": "text_completion", "created": 1700000000, "model": "upstream-model"}
    choice = {"index": 0, "text": CHAT_TEXT, "finish_reason": "stop", "logprobs": None}
    if incoming.body.get("stream"):
        await streams([frame(base | {"choices": [choice]}), DONE])(incoming)
    else:
        usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        await answer(base | {"choices": [choice], "usage": usage})(incoming)


VECTOR = [0.5, -0.25, 0.125]


async def embeds(incoming: Incoming) -> None:
    given = incoming.body.get("input")
    count = len(given) if isinstance(given, list) else 1
    vector: Any = VECTOR
    if incoming.body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    await answer({"object": "list", "data": data, "model": "embedder", "usage": usage})(incoming)


async def writes_messages(incoming: Incoming) -> None:
    if incoming.body.get("stream"):
        await streams(message_frames())(incoming)
    else:
        await answer(message(model=incoming.body.get("model") or "none"))(incoming)


async def lists_models(incoming: Incoming) -> None:
    await answer({"object": "list", "data": [{"id": "upstream-model", "object": "model", "created": 1, "owned_by": "upstream"}]})(incoming)


BY_PATH: dict[str, Reply] = {
    "/chat/completions": chats, "/completions": completes, "/embeddings": embeds, "/messages": writes_messages,
    "/models": lists_models,
}


# MARK: Behaviours by model name

def gzip_bomb(megabytes: int = 64) -> Reply:
    packed = gzip.compress(b"\0" * (megabytes << 20), 9)
    return answer(packed, 200, [("content-encoding", "gzip"), JSON])


HALF_FRAME = [*chat_frames()[:2], b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"conte']

BY_MODEL: dict[str, Reply] = {
    "html": body(b"<html><body><h1>It works!</h1></body></html>", "text/html"),
    "html-502": body(b"<html><body>502 Bad Gateway</body></html>", "text/html", 502),
    "text-503": body(b"upstream connect error", "text/plain", 503),
    "empty-200": answer(b""),
    "empty-stream": streams([]),
    "null": answer(b"null"),
    "array": answer(b"[1,2,3]"),
    "broken-json": answer(b'{"id":"chatcmpl-1","choices":['),
    "latin1": answer(b'{"id":"\xe4\xf6\xfc"}'),
    "garbage": raw(b"\x16\x03\x01 this is no HTTP at all \x00\xff\r\n\r\n"),
    "garbage-stream": streams([b"\xff\xfe\x00garbage\n\n" * 3]),
    "html-stream": streams([b"<html><body>busy</body></html>\n\n"]),
    "half-frame": streams(HALF_FRAME),
    "half-first-frame": streams([HALF_FRAME[-1]]),
    "cut": streams(chat_frames()[:3], end="cut"),
    "cut-first": streams([], end="cut"),
    "nothing": closes,
    "reset": resets,
    "hang": hangs,
    "half-body": stops_inside_body(b'{"id":"chatcmpl-1","choi', 5000),
    "half-head": raw(b"HTTP/1.1 200 OK\r\ncontent-type: applica"),
    "two-lengths": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 9\r\n\r\n{}   "),
    "bad-chunk": raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "bad-status": raw(b"HTTP/1.1 banana OK\r\ncontent-length: 2\r\n\r\n{}"),
    "huge-head": raw(b"HTTP/1.1 200 OK\r\nx-long: " + b"a" * (512 << 10) + b"\r\ncontent-length: 2\r\n\r\n{}"),
    "bad-gzip": in_two_parts(b"this is not gzip", [("content-encoding", "gzip"), JSON]),
    "gzip-bomb": gzip_bomb(),
    "gzip": answer(gzip.compress(json.dumps(completion("packed")).encode()), 200, [("content-encoding", "gzip"), JSON]),
    "error-in-200": answer(openai_error("an error with the status 200")),
    "error-frame": streams([frame(openai_error("failed before the first token"))]),
    "switching": raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
}


def by_model(name: str) -> Reply | None:
    if reply := BY_MODEL.get(name):
        return reply
    word, _, rest = name.partition("-")
    if word == "status" and rest.isdigit():
        return fails(int(rest))
    if word == "huge" and rest.isdigit():
        return answer(completion("x" * int(rest)))
    return None


def redirects(to: str, status: int = 302) -> Reply:
    return answer(b"{}", status, [("location", to), JSON])


# MARK: The server

class Wire(asyncio.Protocol):
    """One connection. Its own little HTTP parser, so that nothing is made prettier than it came."""

    def __init__(self, upstream: "Upstream", number: int):
        self.upstream = upstream
        self.number = number
        self.buffer = bytearray()
        self.more = asyncio.Event()
        self.gone = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.current: Recorded | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=1 << 16)
        self.upstream.open_connections += 1
        self.upstream.connected(transport)
        self.task = asyncio.get_running_loop().create_task(self.serve())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.more.set()
        # The client is made to wait for whoever reads.
        if len(self.buffer) > 1 << 20:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.left()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.upstream.open_connections -= 1
        self.left()

    def left(self) -> None:
        if self.current and not self.current.answered.is_set() and not self.current.abandoned.is_set():
            self.current.abandoned_at = time.monotonic()
            self.current.abandoned.set()
        self.gone.set()
        self.more.set()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    async def drain(self) -> None:
        await self.writable.wait()
        if self.gone.is_set():
            raise ConnectionResetError("the client left")

    async def flushed(self) -> None:
        self.transport.set_write_buffer_limits(high=0)
        await self.drain()

    async def take(self) -> bool:
        """Waits for more bytes; False at the end."""
        if self.gone.is_set():
            return False
        self.more.clear()
        self.transport.resume_reading()
        await self.more.wait()
        return bool(self.buffer) or not self.gone.is_set()

    async def until(self, mark: bytes) -> bytes | None:
        while (end := self.buffer.find(mark)) < 0:
            if not await self.take():
                return None
        data = bytes(self.buffer[:end])
        del self.buffer[:end + len(mark)]
        return data

    async def serve(self) -> None:
        try:
            while await self.exchange():
                pass
        except (ConnectionError, asyncio.TimeoutError):
            pass
        finally:
            self.transport.close()

    async def exchange(self) -> bool:
        head = await self.until(b"\r\n\r\n")
        if head is None:
            return False
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        recorded = Recorded(method, target, headers, self.number)
        recorded.head = head
        self.current = recorded
        self.upstream.arriving.append(recorded)
        if not await self.read_body(recorded):
            self.left()
            return False
        recorded.surplus = len(self.buffer)
        self.upstream.note(recorded)
        incoming = Incoming(self, recorded)
        await self.upstream.choose(recorded, incoming)(incoming)
        recorded.answered.set()
        return not incoming.is_closing and not self.gone.is_set()

    async def read_body(self, recorded: Recorded) -> bool:
        names = {name.lower(): value for name, value in recorded.headers}
        if names.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        digest = hashlib.sha256()
        kept = bytearray()

        async def take(count: int) -> bool:
            while count > 0:
                if not self.buffer and not await self.take():
                    return False
                if not self.buffer:
                    continue
                part = bytes(self.buffer[:count])
                del self.buffer[:len(part)]
                digest.update(part)
                recorded.length += len(part)
                if recorded.length <= KEPT_BYTES:
                    kept.extend(part)
                count -= len(part)
            return True

        if names.get("transfer-encoding", "").lower() == "chunked":
            while True:
                line = await self.until(b"\r\n")
                if line is None:
                    return False
                size = int(line.split(b";")[0], 16)
                if not await take(size):
                    return False
                if await self.until(b"\r\n") is None:
                    return False
                if size == 0:
                    break
        elif not await take(int(names.get("content-length", "0"))):
            return False
        recorded.body = bytes(kept)
        recorded.sha256 = digest.hexdigest()
        return True


class Upstream:
    """Use as a context manager."""

    def __init__(self, tls: ssl.SSLContext | None = None, connected: Callable[[asyncio.BaseTransport], None] = lambda transport: None) -> None:
        self.tls = tls
        # Called with each new connection.
        self.connected = connected
        self.loop = asyncio.new_event_loop()
        self.requests: list[Recorded] = []
        # Those whose bodies have not come yet, too.
        self.arriving: list[Recorded] = []
        self.open_connections = 0
        self.arrived = threading.Condition()
        self.scripts: dict[str, list[Reply]] = {}
        self.numbers = itertools.count(1)
        self.names = itertools.count(1)

    def __enter__(self) -> "Upstream":
        self.thread = threading.Thread(target=self.run, name="upstream", daemon=True)
        ready = threading.Event()
        self.loop.call_soon(ready.set)
        self.server = self.loop.run_until_complete(
            self.loop.create_server(lambda: Wire(self, next(self.numbers)), "127.0.0.1", 0, backlog=512, ssl=self.tls))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread.start()
        ready.wait(5)
        return self

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        """What goes into custom_host and base_url."""
        return self.origin + "/v1"

    def gate(self) -> Gate:
        return Gate(self.loop)

    def script(self, *replies: Reply) -> str:
        """A base URL whose requests get these replies, one after the other; the last one stays."""
        name = f"s{next(self.names)}"
        self.scripts[name] = list(replies)
        return f"{self.origin}/{name}/v1"

    def choose(self, recorded: Recorded, incoming: Incoming) -> Reply:
        name = recorded.path.split("/")[1]
        if replies := self.scripts.get(name):
            return replies.pop(0) if len(replies) > 1 else replies[0]
        if reply := by_model(str(incoming.body.get("model") or "")):
            return reply
        for path, reply in BY_PATH.items():
            if recorded.path.endswith(path):
                return reply
        return echoes

    def note(self, recorded: Recorded) -> None:
        with self.arrived:
            self.requests.append(recorded)
            self.arrived.notify_all()

    # MARK: What tests ask

    def clear(self) -> None:
        with self.arrived:
            self.requests.clear()
            self.arriving.clear()

    def at(self, base: str) -> list[Recorded]:
        """The requests that a script got."""
        prefix = base.removeprefix(self.origin)
        return [request for request in self.requests if request.target.startswith(prefix)]

    def wait(self, count: int = 1, base: str | None = None, timeout: float = 10) -> list[Recorded]:
        """The requests, when there are `count` of them."""
        def found() -> list[Recorded]:
            return self.at(base) if base else list(self.requests)
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(found()) >= count, timeout):
                raise AssertionError(f"{len(found())} requests came, not {count}")
            return found()

    @property
    def only(self) -> Recorded:
        assert len(self.requests) == 1, f"one request was expected: {self.requests}"
        return self.requests[0]
