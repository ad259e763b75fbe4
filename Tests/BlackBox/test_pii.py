"""The pii plugin through the gateway: what it costs to be hostile to it, and that values stay with the user."""

import json

import pytest

import upstream as u
from client import chat, config_header, said, target
from gateway import Gateway

# Bytes of JSON.
SIZE = 10_000_000


@pytest.fixture(scope="module")
def gateway(upstream):
    with Gateway({}) as gateway:
        yield gateway


@pytest.mark.parametrize("unit", ["@", "7", "\x00", "a@b.", "http://"], ids=["signs", "digits", "zeros", "addresses", "schemes"])
def test_ten_megabytes_pass_and_what_is_in_them_is_found(gateway, upstream, unit):
    guard = {"pii.redact": {"entities": ["EMAIL", "PHONE", "CREDIT_CARD", "IBAN"]}, "timeout_ms": 60_000, "on_timeout": "closed", "deny": True}
    bodies = []
    # The second is what is to become of the first.
    for value in "eva@example.org", "[EMAIL]":
        text = unit * (SIZE // (len(json.dumps(unit)) - 2)) + " " + value
        answer = chat(gateway, config_header(target(upstream.base, input_guardrails=[guard])), messages=[{"role": "user", "content": text}])
        assert answer.status == 200
        bodies.append(upstream.requests[-1])
    assert bodies[0].length > SIZE and bodies[0].sha256 == bodies[1].sha256


def test_a_pattern_that_explodes_fails_the_check(gateway, upstream):
    guard = {"pii.redact": {"entities": ["EMAIL"], "patterns": [{"name": "bad", "pattern": "(a+)+$"}]}, "deny": True}
    text = "a" * 100_000 + "!"
    answer = chat(gateway, config_header(target(upstream.base, input_guardrails=[guard])), messages=[{"role": "user", "content": text}])
    assert answer.status == 502 and answer.error["type"] == "plugin_error" and not upstream.requests


def test_values_come_back_and_are_in_no_log(gateway, upstream):
    answer = chat(
        gateway, config_header(target(upstream.base, input_guardrails=[{"pii.pseudonymize": {}}])), stream=True,
        messages=[{"role": "user", "content": "I am eva.secret@example.org."}])
    assert answer.status == 200 and said(answer.events) == u.CHAT_TEXT
    assert json.dumps(upstream.requests[-1].json).count("<EMAIL_1>") == 1
    assert not any("eva.secret" in line for line in gateway.lines)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", ["Hello", "I am eva@example.org."])
def test_a_guard_that_must_see_everything_need_not_judge_what_it_restores(gateway, upstream, stream, text):
    guard = {"pii.pseudonymize": {}, "deny": True, "require_full_coverage": True}
    wanted = config_header(target(upstream.base, input_guardrails=[guard]))
    answer = chat(gateway, wanted, stream=stream, messages=[{"role": "user", "content": text}])
    assert answer.status == 200
    assert (said(answer.events) if stream else answer.json["choices"][0]["message"]["content"]) == u.CHAT_TEXT
