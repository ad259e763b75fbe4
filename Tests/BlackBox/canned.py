"""An upstream that answers each path with the same bytes, as fast as it can: a process of its own, for tests that send thousands.

    python canned.py        prints its port; ends with its standard input
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

from upstream import DONE, HALF_FRAME, chat_frames, completion

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


def whole(body: bytes, content_type: str = "application/json", status: int = 200) -> bytes:
    return b"HTTP/1.1 %d Whatever\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (status, content_type.encode(), len(body)) + body


def stream(frames: list[bytes], is_complete: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(frame), frame) for frame in frames) + (b"0\r\n\r\n" if is_complete else b"")


# The answer, and whether the connection ends with it.
ANSWERS: dict[bytes, tuple[bytes, bool]] = {
    b"good": (whole(json.dumps(completion()).encode()), False),
    b"good-stream": (stream(chat_frames()), False),
    b"garbage": (b"\x16\x03\x01 this is no HTTP \x00\xff\r\n\r\n", True),
    b"html": (whole(b"<html><body>" + b"busy " * 200 + b"</body></html>", "text/html"), False),
    b"html-503": (whole(b"<html><body>busy</body></html>", "text/html", 503), False),
    b"empty": (whole(b""), False),
    b"broken-json": (whole(b'{"id":"x","choices":[' + b"1," * 500), False),
    b"bad-utf8": (whole(b'{"id":"\xff\xfe"}'), False),
    b"half-frame": (stream(HALF_FRAME), False),
    b"cut-stream": (stream(chat_frames()[:3], is_complete=False), True),
    b"cut-body": (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n" + b'{"id":' + b" " * 1000, True),
    b"error-frame": (stream([b'data: {"error":{"message":"no","type":"server_error"}}\n\n', DONE]), False),
    b"nothing": (b"", True),
}


class Canned(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.buffer, 0, end)
            end += 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < end:
                return
            name = self.buffer.split(b"/", 2)[1]
            self.buffer = self.buffer[end:]
            answer, is_last = ANSWERS[name]
            self.transport.write(answer)
            if is_last:
                self.transport.close()


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
