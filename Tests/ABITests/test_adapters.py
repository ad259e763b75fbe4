"""Providers in C through the real binary: when their instances are made, and what they may ask the host to do."""

from __future__ import annotations

import pytest

import upstream as u
from client import chat
from conftest import compile_plugin
from gateway import Gateway, plugin_directory


@pytest.fixture(scope="session")
def adapters(stage, tmp_path_factory):
    directory = tmp_path_factory.mktemp("adapters")
    compile_plugin(directory / "adapter", "adapter")
    return directory


def serve(directory, /, **settings):
    return Gateway({"plugins": {"directories": [plugin_directory(), str(directory)]} | settings})


@pytest.fixture(scope="module")
def adapters_gateway(adapters):
    with serve(adapters) as gateway:
        yield gateway


def whole(upstream, **more):
    """The headers of a request to the adapter, which has an answer of its own for whatever the upstream says."""
    return {"x-portkey-provider": "adapter", "x-portkey-custom-host": upstream.base, "Authorization": "Bearer sk-client"} | more


# MARK: Lines of JSON

LINES = b'{"text":"Hello"}\n{"text":" from"}\r\n\r\n{"text":" lines\xc3\xa9"}\n{"end":true}'


def lines(pieces):
    async def reply(incoming):
        await incoming.head(200, [("content-type", "application/x-ndjson"), ("transfer-encoding", "chunked")])
        for piece in pieces:
            await incoming.chunk(piece)
        await incoming.end_chunks()

    return reply


def pieces(size):
    return [LINES[start:start + size] for start in range(0, len(LINES), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 17, 18, 1000])
@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n"])
def test_lines_of_json_become_events(adapters_gateway, upstream, size, tail):
    base = upstream.script(lines(pieces(size) + ([tail] if tail else [])))
    answer = chat(adapters_gateway, whole(upstream, **{"x-portkey-custom-host": base}), stream=True)
    assert answer.status == 200 and answer.header("content-type").startswith("text/event-stream")
    assert "".join(event.json["choices"][0]["delta"]["content"] for event in answer.events[:-1]) == "Hello from linesé"
    assert answer.events[-1].is_done and len(answer.events) == 5


def test_lines_that_end_too_early_are_an_error(adapters_gateway, upstream):
    base = upstream.script(lines([b'{"text":"Hello"}\n{"text":"and']))
    answer = chat(adapters_gateway, whole(upstream, **{"x-portkey-custom-host": base}), stream=True)
    assert answer.events[0].json["choices"][0]["delta"]["content"] == "Hello"
    assert "error" in answer.events[-1].json and not any(event.is_done for event in answer.events)


def test_an_answer_that_is_whole_is_no_stream(adapters_gateway, upstream):
    assert chat(adapters_gateway, whole(upstream)).json["choices"][0]["message"]["content"] == "whole"
