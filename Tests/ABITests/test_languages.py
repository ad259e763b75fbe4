"""The same three checks in C, C++ and Swift, with today's headers and those of each released minor: equal results of all.

The gateway is today's. So what runs here from Frozen/ is an old plugin in a new host.
"""

from __future__ import annotations

import json

import pytest

import upstream as u
from client import chat, config_header, said, target
from conftest import FROZEN, compile_trio
from gateway import Gateway, command, plugin_directory

LANGUAGES = ["c", "c++", "swift", "grown", *FROZEN]


@pytest.fixture(scope="module", params=LANGUAGES)
def gateway(request, stage, tmp_path_factory):
    directory = tmp_path_factory.mktemp("trio")
    compile_trio(directory / "trio", request.param)
    with Gateway({"plugins": {"directories": [plugin_directory(), str(directory)]}}) as gateway:
        gateway.trio = directory / "trio"
        yield gateway


def guarded(gateway, base, guard, side="input", **body):
    return chat(gateway, config_header(target(base, **{f"{side}_guardrails": [guard]})), **body)


WORD = {"trio.deny": {"word": "zebra"}}
MESSAGES = [{"role": "system", "content": "Be \"kind\"\n\\ \u0001"}, {"role": "user", "content": [{"type": "text", "text": "é漢😀"}]}]


def test_echo(gateway, upstream):
    answer = guarded(gateway, upstream.base, {"trio.echo": {}}, messages=MESSAGES)
    assert answer.status == 200 and answer.json == [[1, "Be \"kind\"\n\\ \u0001"], [2, "é漢😀"]]
    assert not upstream.requests


@pytest.mark.parametrize("text, status", [("a zebra", 451), ("a horse", 200), ("zebr", 200), ("", 200), ("é漢😀 zebra😀", 451)])
def test_deny(gateway, upstream, text, status):
    asked = guarded(gateway, upstream.base, WORD, messages=[{"role": "user", "content": text}])
    told = guarded(gateway, upstream.script(u.says(text)), WORD, side="output")
    assert (asked.status, told.status) == (status, status)
    if status == 451:
        for answer in (asked, told):
            assert answer.error["code"] == "word" and answer.error["message"] == "A word that is not allowed."


def test_deny_in_a_stream(gateway, upstream):
    words = ["Look", ", ", "a ze", "bra", " runs"]
    answer = guarded(gateway, upstream.script(u.streams(u.chat_frames(*words))), WORD, side="output", stream=True)
    assert answer.events[-1].json["error"]["code"] == "word" if not answer.events[-1].is_done else "error" in answer.events[-2].json
    assert "bra" not in answer.text
    answer = guarded(gateway, upstream.script(u.streams(u.chat_frames("Look", ", a horse"))), WORD, side="output", stream=True)
    assert said(answer.events) == "Look, a horse" and answer.events[-1].is_done


@pytest.mark.parametrize("reply, status", [
    (u.answer({"verdict": "allow"}), 200), (u.answer({"verdict": "deny"}), 451), (u.fails(500), None), (u.resets, None)])
def test_judge(gateway, upstream, reply, status):
    judge = upstream.script(reply)
    answer = guarded(gateway, upstream.base, {"trio.judge": {"url": judge}}, messages=[{"role": "user", "content": "Is é right?"}])
    assert json.loads(upstream.at(judge)[0].body) == "Is é right?"
    if status:
        assert answer.status == status, answer
    else:
        # The check could not judge, and its manifest says "closed".
        assert answer.status not in (200, 451) and not [request for request in upstream.requests if request.path.endswith("completions")], answer


def test_parameters_are_refused_at_their_place(gateway, upstream):
    answer = guarded(gateway, upstream.base, {"trio.deny": {"word": ""}})
    assert answer.status == 400 and "trio.deny,word, message: must not be empty" in answer.text, answer


def test_plugin_check_finds_nothing(gateway):
    result = command("plugin", "check", str(gateway.trio))
    assert result.returncode == 0, result.stdout + result.stderr
