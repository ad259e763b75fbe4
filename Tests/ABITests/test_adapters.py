"""Providers in C through the real binary: when their instances are made, and what they may ask the host to do."""

from __future__ import annotations

import concurrent.futures
import threading
import time

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


# MARK: Plans

def test_headers_that_no_provider_declares_make_no_instance(adapters, upstream):
    with serve(adapters) as gateway:
        for number in range(5):
            assert chat(gateway, whole(upstream, **{"x-portkey-some-thing": f"{number}"})).status == 200
    assert {request.header("x-instance") for request in upstream.requests} == {"1"}


def test_equal_requests_share_the_making_of_a_plan(adapters, upstream):
    with serve(adapters) as gateway, concurrent.futures.ThreadPoolExecutor(16) as pool:
        headers = whole(upstream, **{"x-portkey-create-ms": "300"})
        answers = list(pool.map(lambda _: chat(gateway, headers).status, range(16)))
    assert answers == [200] * 16
    assert len({request.header("x-instance") for request in upstream.requests}) == 1


def test_a_create_that_hangs_holds_no_request_for_ever(adapters, upstream):
    with serve(adapters, create_timeout_ms=300) as gateway:
        assert chat(gateway, whole(upstream)).status == 200
        slow = whole(upstream, **{"x-portkey-create-ms": "2000"})
        began = time.monotonic()
        answer = chat(gateway, slow)
        assert answer.status == 503 and answer.error["code"] == "config_not_ready", answer
        assert answer.header("retry-after")
        assert time.monotonic() - began < 1.5
        # What is made already does not wait for it.
        assert chat(gateway, whole(upstream)).status == 200
        while chat(gateway, slow).status == 503:
            assert time.monotonic() - began < 20


def test_only_so_many_plans_are_made_at_a_time(adapters, upstream):
    with serve(adapters) as gateway, concurrent.futures.ThreadPoolExecutor(200) as pool:
        barrier = threading.Barrier(200)

        def one(number):
            barrier.wait()
            return chat(gateway, whole(upstream, **{"x-portkey-create-ms": f"20.{number}"}))

        answers = list(pool.map(one, range(200)))
        refused = [answer for answer in answers if answer.status == 503]
        assert refused and all(answer.error["code"] == "too_many_new_configs" for answer in refused), refused
        assert sum(answer.status == 200 for answer in answers) >= 100
        assert chat(gateway, whole(upstream)).status == 200


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
