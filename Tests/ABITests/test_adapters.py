"""Providers in C through the real binary: when their instances are made, and what they may ask the host to do."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import time

import pytest

import upstream as u
from client import ask, chat, config_header, target
from conftest import compile_plugin
from gateway import Gateway, command, plugin_directory


@pytest.fixture(scope="session")
def adapters(stage, tmp_path_factory):
    directory = tmp_path_factory.mktemp("adapters")
    compile_plugin(directory / "adapter", "adapter")
    compile_plugin(directory / "signer", "signer")
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


# MARK: Signatures

@pytest.fixture(scope="module")
def signing(adapters, upstream):
    def provider(**auth):
        return {
            "provider": "openai", "api_key": "sk", "base_url": upstream.base, "signing_key": {"env": "SIGNING_KEY"},
            "auth": {"plugin": "signer"} | auth}

    providers = {way: provider(do=way) for way in ("sign", "pend", "late", "fail", "deny")}
    providers["short"] = provider() | {"auth": "signer"}
    config = {"plugins": {"directories": [plugin_directory(), str(adapters)]}, "providers": providers}
    with Gateway(config, env={"SIGNING_KEY": "sesame"}) as gateway:
        yield gateway


def signature(request):
    total = 0
    for byte in request.body:
        total = (total * 31 + byte) % (1 << 32)
    return f"{request.method} http://{request.header('host')}{request.target} {request.header('content-type')} {request.length}:{total}"


@pytest.mark.parametrize("way", ["sign", "pend", "short"])
@pytest.mark.parametrize("size", [1, 200_000])
def test_requests_are_signed_as_they_go_out(signing, upstream, way, size):
    headers = {"x-portkey-provider": f"@{way}", "openai-organization": "org"}
    assert chat(signing, headers, messages=[{"role": "user", "content": "x" * size}]).status == 200
    request = upstream.only
    assert request.header("x-signature") == signature(request)
    assert request.header("x-signed-with") == "key sesame" and request.header("authorization") == "Bearer sk"


def test_streams_and_relays_are_signed(signing, upstream):
    assert chat(signing, {"x-portkey-provider": "@sign"}, stream=True).status == 200
    assert ask(signing, "GET", "/v1/files?a=b", headers={"x-portkey-provider": "@sign"}).status == 200
    first, second = upstream.requests
    assert first.header("x-signature") == signature(first)
    assert second.header("x-signature").startswith(f"GET {upstream.base}/files?a=b")


def test_each_attempt_is_signed(signing, upstream):
    base = upstream.script(u.fails(429, {"retry-after-ms": "1"}), u.says("x"))
    config = {
        "provider": "openai", "api_key": "sk", "custom_host": base, "auth": {"plugin": "signer"},
        "retry": {"attempts": 1, "use_retry_after_header": True}}
    assert chat(signing, config_header(config)).status == 200
    assert [request.header("x-signature") == signature(request) for request in upstream.at(base)] == [True, True]


@pytest.mark.parametrize("way", ["fail", "deny", "late"])
def test_what_is_not_signed_is_not_sent(signing, upstream, way):
    answer = chat(signing, {"x-portkey-provider": f"@{way}"})
    assert answer.status == 502 and answer.error["type"] == "plugin_error" and answer.error["code"] == "signing_failed", answer
    assert "signer" in answer.error["message"] and "own words" not in answer.text
    assert not upstream.requests
    if way == "late":
        # The plugin completes long after: nothing that it holds may be gone by then.
        time.sleep(1.5)
        assert chat(signing, {"x-portkey-provider": "@sign"}).status == 200


def test_a_signer_cannot_lead_a_clients_request_astray(signing, upstream):
    auth = {"plugin": "signer", "do": "move", "url": "http://169.254.169.254/latest"}
    answer = chat(signing, config_header(target(upstream.base, auth=auth)))
    assert answer.status == 400 and "Invalid custom host" in answer.text and not upstream.requests


def test_a_client_puts_no_signer_before_a_stored_credential(signing, upstream):
    assert chat(signing, config_header({"provider": "@sign", "auth": {"plugin": "signer", "do": "fail"}})).status == 200


@pytest.mark.parametrize("auth, reason", [
    ("nobody", "no plugin nobody signs requests"), ("mock", "no plugin mock signs requests"), (7, "expected a plugin's id"),
    ({"do": "sign"}, "expected a plugin's id"), ({"plugin": "signer", "do": "wrong"}, "there is no such way")])
def test_a_bad_signer_is_refused(signing, adapters, upstream, tmp_path, auth, reason):
    answer = chat(signing, config_header(target(upstream.base, auth=auth)))
    assert answer.status == 400 and reason in answer.text, answer
    file = tmp_path / "config.json"
    plugins = {"directories": [plugin_directory(), str(adapters)], "state_directory": str(tmp_path)}
    file.write_text(json.dumps({"plugins": plugins, "providers": {"p": {"provider": "openai", "api_key": "sk", "auth": auth}}}))
    result = command("check", str(file))
    assert result.returncode != 0 and reason in result.stdout + result.stderr


def test_the_operator_decides_who_signs_for_clients(adapters, upstream):
    config = {"plugins": {"directories": [plugin_directory(), str(adapters)]}, "allow_inline": {"plugins": ["default.*"]}}
    with Gateway(config) as gateway:
        answer = chat(gateway, config_header(target(upstream.base, auth="signer")))
        assert answer.status == 400 and answer.error["code"] == "inline_plugin_blocked"
