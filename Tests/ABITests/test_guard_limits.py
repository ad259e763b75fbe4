"""What hostile texts and lists do to the guards: patterns that explode, large texts of every kind, lists of a hundred thousand words. How
long that takes is the benchmark's business; here everything must come to an end, and everything must have been seen."""

from __future__ import annotations

import json
import random

import pytest

from client import chat, config_header, target
from gateway import Gateway
from test_receipts import RECEIPTS, only, receipts

EXPLODES = "(a+)+$"

# One of each that reads text, deaf to what is in the texts below.
SCANNERS = {
    "code": {"code.detect": {}},
    "competitors": {"competitors.mentions": {"competitors": ["Initech", {"name": "Globex", "domains": ["globex.example"]}]}},
    "default": {"contains": {"words": ["forbidden"], "operator": "none"}},
    "language": {"language.detect": {"language": ["en"]}},
    "pii": {"pii.redact": {}},
    "pii.pseudonymize": {"pii.pseudonymize": {}},
    "profanity": {"profanity.check": {}},
    "prompt-injection": {"prompt-injection.score": {}},
    "regex": {"regex.match": {"patterns": [{"pattern": "[a-z]+@[a-z]+\\.example"}, {"pattern": "\\d{4}-\\d{4}$"}]}},
    "secrets": {"secrets.scan": {}},
    "size": {"size.limit": {"words": {"max": 1}}},
    "urls": {"urls.check": {"deny": ["evil.example"]}},
    "wordlist": {"wordlist.block": {"words": ["forbidden", "secretword"]}},
}

TEXTS = {
    "digits": "7", "signs": "@", "numbers": "1 1 1 ", "versions": "1.1.1", "colons": "1::", "keys": "key=", "passwords": "password: ",
    "tokens": "eyJ.", "zeros": "\x00", "braces": "((((1", "json": '{"a":["b', "hexadecimal": "deadbeef", "addresses": "a@b.",
    "schemes": "http://", "ibans": "DE00 ", "prose": "The quick brown fox jumps over the lazy dog. ", "spaces": " ", "lines": "\n",
    "ideographs": "漢", "joiners": "a\u200d", "marks": "e\u0301",
}


@pytest.fixture(scope="module")
def gateway():
    # Texts this long are decoded on the loop, which takes its time in a debug build.
    with Gateway({"log": {"access": True, "format": "json"}}, may_stall=True) as gateway:
        yield gateway


def judged(gateway, base, text, *guards, **config):
    wanted = config_header(target(base, input_guardrails=list(guards), **config)) | RECEIPTS
    return chat(gateway, wanted, messages=[{"role": "user", "content": text}])


# MARK: Patterns

@pytest.mark.parametrize("deny", [True, False], ids=["closed", "open"])
@pytest.mark.parametrize("guard", [
    {"regex.match": {"patterns": [{"name": "bad", "pattern": EXPLODES}]}},
    {"default.regexMatch": {"rule": EXPLODES}},
    {"pii.redact": {"entities": ["EMAIL"], "patterns": [{"name": "bad", "pattern": EXPLODES}]}},
    {"pii.detect": {"entities": ["EMAIL"], "patterns": [{"name": "bad", "pattern": EXPLODES}]}},
    {"pii.pseudonymize": {"entities": ["EMAIL"], "patterns": [{"name": "bad", "pattern": EXPLODES}]}},
], ids=lambda guard: next(iter(guard)))
def test_a_pattern_that_explodes_is_the_policys(gateway, upstream, guard, deny):
    answer = judged(gateway, upstream.base, "a" * 1_000_000 + "!", guard | {"deny": deny})
    if deny:
        assert answer.status == 502 and answer.error["type"] == "plugin_error" and not upstream.requests
    else:
        assert answer.status in (200, 246) and len(upstream.requests) == 1
    receipt = next(receipt for receipt in receipts(answer) if receipt["side"] == "request")
    assert receipt["verdict"] == "error" and receipt["failure"] == "the check could not judge"
    trace = answer.header("x-portkey-trace-id")
    # The reason is for the operator's eyes.
    told = gateway.access_line(trace)["receipts"][0]
    assert "match limit" in told["failure"], told
    assert judged(gateway, upstream.base, "aaa", guard | {"deny": deny}).status in (200, 246, 446)


# MARK: Large texts

@pytest.mark.parametrize("kind", TEXTS)
def test_a_large_text_of_one_kind_passes_all_guards(gateway, upstream, kind):
    size = 100_000
    text = (TEXTS[kind] * (size // len(TEXTS[kind].encode()) + 1))
    patience = {"timeout_ms": 120_000, "require_full_coverage": True, "on_failure": "closed"}
    answer = judged(gateway, upstream.base, text, *(guard | patience for guard in SCANNERS.values()))
    assert answer.status in (200, 246), answer
    assert len(upstream.requests) == 1
    found = [receipt for receipt in receipts(answer) if receipt["side"] == "request"]
    assert len(found) == len(SCANNERS)
    for receipt in found:
        assert receipt["verdict"] in ("passed", "failed", "edited"), receipt
        seen = receipt["coverage"]["text"]
        assert seen["seen_bytes"] == seen["bytes"] > size / 2 and seen["seen_segments"] == 1


# MARK: Long lists

def words(count):
    chance = random.Random(7)
    return ["".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(chance.randint(6, 12))) + "qx" for _ in range(count)]


LISTS = {
    "wordlist": lambda words: {"wordlist.block": {"words": words}},
    "profanity": lambda words: {"profanity.check": {"languages": [], "words": words}},
    "competitors": lambda words: {"competitors.mentions": {"competitors": words}},
}


@pytest.mark.parametrize("plugin", LISTS)
def test_a_list_of_a_hundred_thousand_words(upstream, plugin):
    listed = words(100_000)
    saved = {"provider": "openai", "custom_host": upstream.base, "api_key": "sk-x", "input_guardrails": [LISTS[plugin](listed) | {"deny": True}]}
    settings = {"configs": {"listed": saved}, "network": {"allow_hosts": ["127.0.0.1"]}}
    with Gateway(settings, may_stall=True) as gateway:
        def ask(text):
            return chat(gateway, {"x-portkey-config": "listed"} | RECEIPTS, messages=[{"role": "user", "content": text}])

        prose = "Nothing of that kind stands in here. " * 300
        for word in listed[0], listed[50_000], listed[-1]:
            answer = ask(prose + "But " + word + ", of all words.")
            assert answer.status == 446, word
        assert not upstream.requests
        answer = ask(prose)
        assert answer.status == 200 and only(answer)["verdict"] == "passed"


@pytest.mark.parametrize("loop", [
    {"$ref": "#"},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
], ids=["itself", "two", "within"])
def test_a_schema_that_loops_is_refused_at_load(gateway, upstream, loop):
    wanted = config_header(target(upstream.base, output_guardrails=[{"schema.json": {"schema": loop}}]))
    answer = chat(gateway, wanted)
    assert answer.status == 400 and not upstream.requests
    assert any("output_guardrails,0" in problem and "schema" in problem for problem in answer.json["errors"]), answer.json
