"""An upstream that speaks HTTP/2 over TLS, and records what comes. As in `upstream`, replies are coroutines, here of a `Stream`."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import pathlib
import ssl
import subprocess
import threading
from typing import Any, Awaitable, Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import ProtocolError, StreamClosedError

from upstream import PATIENCE, Gate, chat_frames, completion, openai_error


def certificates(directory: pathlib.Path, names: str = "DNS:localhost,IP:127.0.0.1") -> pathlib.Path:
    """Makes an authority (ca.pem) and what it signs: cert.pem and key.pem."""
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=directory)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=Test authority", "-keyout", "ca-key.pem", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=upstream", "-keyout", "key.pem", "-out", "request.pem")
    (directory / "names").write_text(f"subjectAltName={names}\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "cert.pem")
    return directory


def server_context(directory: pathlib.Path, *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    context.set_alpn_protocols(list(protocols))
    return context


class Stream:
    """One request, and the way to answer it."""

    def __init__(self, wire: "Wire", number: int, headers: list[tuple[str, str]]):
        self.wire = wire
        self.number = number
        self.headers = headers
        self.connection = wire.number
        self.body = b""
        self.bytes_sent = 0
        self.room = asyncio.Event()
        # Set when the client gave the stream up.
        self.abandoned = threading.Event()

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def path(self) -> str:
        return self.header(":path") or ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def head(self, status: int, content_type: str = "application/json", end: bool = False) -> None:
        self.wire.h2.send_headers(self.number, [(":status", str(status)), ("content-type", content_type), ("x-upstream", "h2")], end_stream=end)
        self.wire.flush()

    async def data(self, data: bytes) -> None:
        """As much as the client's window lets through, and the rest when there is room again."""
        while data:
            self.room.clear()
            size = min(len(data), self.wire.h2.local_flow_control_window(self.number), self.wire.h2.max_outbound_frame_size)
            if size <= 0:
                await self.room.wait()
                if self.abandoned.is_set():
                    raise ConnectionResetError("the client left")
                continue
            self.wire.h2.send_data(self.number, data[:size])
            self.wire.flush()
            self.bytes_sent += size
            data = data[size:]
            await asyncio.sleep(0)

    def end(self) -> None:
        self.wire.h2.end_stream(self.number)
        self.wire.flush()

    def reset(self, code: ErrorCodes = ErrorCodes.INTERNAL_ERROR) -> None:
        self.wire.h2.reset_stream(self.number, code)
        self.wire.flush()

    def go_away(self) -> None:
        self.wire.h2.close_connection()
        self.wire.flush()
        self.wire.transport.close()


Reply = Callable[[Stream], Awaitable[None]]


def answers(value: Any, status: int = 200) -> Reply:
    async def reply(stream: Stream) -> None:
        stream.head(status)
        await stream.data(value if isinstance(value, bytes) else json.dumps(value).encode())
        stream.end()
    return reply


def fails(status: int) -> Reply:
    return answers(openai_error(), status)


def streams(frames: list[bytes], gates: dict[int, Gate] | None = None, then: Callable[[Stream], None] = Stream.end) -> Reply:
    """An event stream. `gates`: what to wait for before the frame of that number. `then`: what ends it."""
    async def reply(stream: Stream) -> None:
        stream.head(200, "text/event-stream")
        for number, data in enumerate(frames):
            if gates and number in gates:
                await gates[number].wait()
            await stream.data(data)
        then(stream)
    return reply


async def chats(stream: Stream) -> None:
    if stream.json.get("stream"):
        await streams(chat_frames())(stream)
    else:
        await answers(completion())(stream)


async def echoes(stream: Stream) -> None:
    await answers({"length": len(stream.body), "sha256": hashlib.sha256(stream.body).hexdigest()})(stream)


async def hangs(stream: Stream) -> None:
    await asyncio.sleep(PATIENCE)


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, upstream: "H2Upstream", number: int):
        self.upstream = upstream
        self.number = number
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self.streams: dict[int, Stream] = {}
        self.tasks: set[asyncio.Task] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.protocol = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.transport.write(self.h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.transport.close()
            return
        for event in events:
            if isinstance(event, RequestReceived):
                self.streams[event.stream_id] = Stream(self, event.stream_id, list(event.headers))
            elif isinstance(event, DataReceived):
                self.streams[event.stream_id].body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                task = asyncio.get_running_loop().create_task(self.serve(self.streams[event.stream_id]))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            elif isinstance(event, StreamReset):
                self.left(self.streams[event.stream_id])
            elif isinstance(event, WindowUpdated):
                for stream in self.streams.values():
                    stream.room.set()
            elif isinstance(event, ConnectionTerminated):
                self.transport.close()
        self.flush()

    def left(self, stream: Stream) -> None:
        stream.abandoned.set()
        stream.room.set()

    def connection_lost(self, error: Exception | None) -> None:
        for stream in self.streams.values():
            self.left(stream)
        for task in self.tasks:
            task.cancel()

    async def serve(self, stream: Stream) -> None:
        self.upstream.note(stream)
        try:
            await self.upstream.choose(stream)(stream)
        except (ConnectionError, StreamClosedError, ProtocolError):
            pass


class H2Upstream:
    """Use as a context manager."""

    def __init__(self, directory: pathlib.Path):
        self.loop = asyncio.new_event_loop()
        self.context = server_context(directory, "h2")
        self.streams: list[Stream] = []
        self.arrived = threading.Condition()
        self.scripts: dict[str, list[Reply]] = {}
        self.numbers = itertools.count(1)
        self.names = itertools.count(1)

    def __enter__(self) -> "H2Upstream":
        self.server = self.loop.run_until_complete(
            self.loop.create_server(lambda: Wire(self, next(self.numbers)), "127.0.0.1", 0, ssl=self.context))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.run, name="upstream-h2", daemon=True)
        self.thread.start()
        return self

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return self.origin + "/v1"

    def gate(self) -> Gate:
        return Gate(self.loop)

    def script(self, *replies: Reply) -> str:
        """A base URL whose requests get these replies, one after the other; the last one stays."""
        name = f"s{next(self.names)}"
        self.scripts[name] = list(replies)
        return f"{self.origin}/{name}/v1"

    def choose(self, stream: Stream) -> Reply:
        if replies := self.scripts.get(stream.path.split("/")[1]):
            return replies.pop(0) if len(replies) > 1 else replies[0]
        return chats if stream.path.endswith("/chat/completions") else echoes

    def note(self, stream: Stream) -> None:
        with self.arrived:
            self.streams.append(stream)
            self.arrived.notify_all()

    def wait(self, count: int = 1, base: str = "", timeout: float = 10) -> list[Stream]:
        """The requests at a base, when there are `count` of them."""
        prefix = base.removeprefix(self.origin)

        def found() -> list[Stream]:
            return [stream for stream in self.streams if stream.path.startswith(prefix)]
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(found()) >= count, timeout), f"{len(found())} requests came, not {count}"
            return found()
