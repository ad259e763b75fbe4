"""Rate limits and budgets: of keys, workspaces, virtual keys and policies; reserved before a call, settled after it."""

import concurrent.futures
import json
import time

import pytest

import upstream as u
from client import Connection, config_header
from control import Control
from gateway import until

# An answer of 100 tokens costs 0.10 USD; what goes in costs nothing.
PRICES = {"models": {"openai/m": {"input": 0, "output": 1000}}}
HUNDRED = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110}


@pytest.fixture(scope="module")
def control():
    with Control({"prices": PRICES}) as control:
        yield control


@pytest.fixture
def answers(upstream):
    """A base whose answers have 100 tokens."""
    return upstream.script(u.answer(u.completion(usage=HUNDRED)))


_names = iter(range(10_000))


def fresh(control, base, key=None, virtual_key=None, workspace=None):
    """A key and a virtual key in a workspace of their own."""
    n = next(_names)
    place = control.workspace(f"w{n}", **(workspace or {}))
    slug = control.virtual_key(f"v{n}", base, place, **(virtual_key or {}))
    id, text = control.key(place, **(key or {}))
    return place, slug, id, text


def ask(control, text, slug, **body):
    return control.chat(text, {"x-portkey-virtual-key": slug}, **({"max_tokens": 100} | body))


# MARK: Rates

@pytest.mark.parametrize("where", ["key", "virtual_key", "workspace"])
def test_a_rate_limit(control, answers, where):
    limits = {where: {"rate_limits": [{"type": "requests", "unit": "rph", "value": 3}]}}
    _, slug, _, text = fresh(control, answers, **limits)
    statuses = [ask(control, text, slug).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = ask(control, text, slug)
    assert refused.error["code"] == "rate_limit_exceeded"
    assert 0 < int(refused.header("retry-after")) <= 3600
    assert refused.header("x-ratelimit-limit-requests") == "3" and refused.header("x-ratelimit-remaining-requests") == "0"


def test_headers_count_down(control, answers):
    _, slug, _, text = fresh(control, answers, key={"rate_limits": {"type": "requests", "unit": "rpd", "value": 10}})
    assert [ask(control, text, slug).header("x-ratelimit-remaining-requests") for _ in range(3)] == ["9", "8", "7"]


def test_tokens_are_settled_by_what_was_used(control, answers):
    limit = {"rate_limits": [{"type": "tokens", "unit": "rpd", "value": 10_000}]}
    _, slug, _, text = fresh(control, answers, key=limit)
    ask(control, text, slug, max_tokens=5_000)
    # 110 were used of more than 5,000.
    left = int(ask(control, text, slug).header("x-ratelimit-remaining-tokens"))
    assert 9_700 < left < 9_800
    assert ask(control, text, slug, max_tokens=20_000).status == 429


def test_a_refused_virtual_key_gives_way_to_the_next_target(control, answers, upstream):
    place, slug, _, text = fresh(control, answers, virtual_key={"rate_limits": {"type": "requests", "unit": "rph", "value": 1}})
    other = control.virtual_key(f"{slug}-other", upstream.base, place)
    config = config_header({"strategy": {"mode": "fallback"}, "targets": [{"virtual_key": slug}, {"virtual_key": other}]})
    first, second = control.chat(text, config), control.chat(text, config)
    assert first.status == second.status == 200
    assert second.portkey["last-used-option-index"] == "config.targets[1]"


# MARK: Budgets

@pytest.mark.parametrize("where", ["key", "virtual_key", "workspace"])
def test_a_budget(control, answers, where):
    _, slug, _, text = fresh(control, answers, **{where: {"usage_limits": {"credit_limit": 0.25, "periodic_reset": "monthly"}}})
    assert [ask(control, text, slug).status for _ in range(4)] == [200, 200, 412, 412]
    refused = ask(control, text, slug)
    assert refused.error["code"] == "budget_exceeded" and int(refused.header("retry-after")) > 0


def test_two_hundred_at_once_get_what_the_budget_has(control, upstream):
    base = upstream.script(u.answer(u.completion(usage=HUNDRED)))
    _, slug, _, text = fresh(control, base, key={"usage_limits": {"credit_limit": 1}})
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(lambda _: ask(control, text, slug).status, range(200)))
    assert statuses.count(200) == 10 and statuses.count(412) == 190
    assert len(upstream.at(base)) == 10


def test_what_failed_is_given_back(control, upstream):
    base = upstream.script(u.fails(500), u.fails(500), u.fails(500), u.answer(u.completion(usage=HUNDRED)))
    _, slug, _, text = fresh(control, base, key={"usage_limits": {"credit_limit": 0.1}})
    assert [ask(control, text, slug).status for _ in range(5)] == [500, 500, 500, 200, 412]


def test_a_hit_costs_nothing(control, answers):
    place, slug, id, text = fresh(control, answers, key={"usage_limits": {"credit_limit": 0.1}})
    config = config_header({"virtual_key": slug, "cache": {"mode": "simple"}})
    found = [control.chat(text, config, max_tokens=100) for _ in range(3)]
    assert [answer.portkey["cache-status"] for answer in found] == ["MISS", "HIT", "HIT"]
    assert control.call("GET", f"/api-keys/{id}")["usage"][0]["spent"] == 0.1


def test_who_leaves_in_mid_stream_is_charged(control, upstream):
    base = upstream.script(u.streams([u.frame(u.chunk("one two three four ")) for _ in range(50)], end="open"))
    _, slug, id, text = fresh(control, base, key={"usage_limits": {"credit_limit": 100}})
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True, "max_tokens": 100})
    with Connection(control) as connection:
        connection.send_request(
            "POST", "/v1/chat/completions", {"x-portkey-api-key": text, "x-portkey-virtual-key": slug}, body.encode())
        connection.read_until(b"three")
    def usage():
        return control.call("GET", f"/api-keys/{id}")["usage"][0]
    until(lambda: usage()["spent"] > 0 and usage()["reserved"] == 0)


def test_a_budget_of_tokens(control, answers):
    _, slug, id, text = fresh(control, answers, key={"usage_limits": {"type": "tokens", "credit_limit": 250}})
    assert [ask(control, text, slug).status for _ in range(4)] == [200, 200, 412, 412]
    shown = control.call("GET", f"/api-keys/{id}")
    assert shown["status"] == "exhausted" or shown["usage"][0]["spent"] == 220


def test_a_budget_begins_anew_when_told(control, answers):
    _, slug, id, text = fresh(control, answers, key={"usage_limits": {"credit_limit": 0.1}})
    assert [ask(control, text, slug).status for _ in range(2)] == [200, 412]
    control.call("PUT", f"/api-keys/{id}", {"reset_usage": True})
    assert [ask(control, text, slug).status for _ in range(2)] == [200, 412]


def test_a_raised_budget_counts_at_once(control, answers):
    _, slug, id, text = fresh(control, answers, key={"usage_limits": {"credit_limit": 0.1}})
    assert [ask(control, text, slug).status for _ in range(2)] == [200, 412]
    control.call("PUT", f"/api-keys/{id}", {"usage_limits": {"credit_limit": 0.2}})
    assert [ask(control, text, slug).status for _ in range(2)] == [200, 412]


def test_an_alert_is_told_once(control, answers):
    _, slug, id, text = fresh(control, answers, key={"usage_limits": {"credit_limit": 0.5, "alert_threshold": 0.2}})
    for _ in range(4):
        assert ask(control, text, slug).status == 200
    def told():
        return [line for line in control.log() if line.get("message") == "a budget has reached its alert threshold" and id in str(line)]
    until(told)
    time.sleep(0.3)
    assert len(told()) == 1


def test_alerts_are_posted(upstream):
    base = upstream.script(u.answer(u.completion(usage=HUNDRED)))
    hook = upstream.script(u.answer({}))
    with Control({"prices": PRICES, "control": {"alert_webhook": hook + "/alerts"}}) as control:
        slug = control.virtual_key("v", base)
        id, text = control.key(usage_limits={"credit_limit": 0.2, "alert_threshold": 0.1})
        assert [ask(control, text, slug).status for _ in range(3)] == [200, 200, 412]
        told = [request.json for request in upstream.wait(2, base=hook)]
    assert [(t["event"], t["kind"], t["id"], t["spent"]) for t in told] == [
        ("budget_alert", "key", id, 0.1), ("budget_exhausted", "key", id, 0.2)]


def test_spend_is_there_after_a_restart(upstream):
    base = upstream.script(u.answer(u.completion(usage=HUNDRED)))
    with Control({"prices": PRICES}) as control:
        slug = control.virtual_key("v", base)
        id, text = control.key(usage_limits={"credit_limit": 0.3}, rate_limits={"type": "requests", "unit": "rpd", "value": 100})
        assert [ask(control, text, slug).status for _ in range(2)] == [200, 200]
        control.stop()
        control.lines.clear()
        with control:
            assert control.call("GET", f"/api-keys/{id}")["usage"][0]["spent"] == 0.2
            answers = [ask(control, text, slug) for _ in range(2)]
            assert [answer.status for answer in answers] == [200, 412]
            assert answers[0].header("x-ratelimit-remaining-requests") == "97"


# MARK: Policies

def test_a_policy_counts_each_value_apart(control, answers):
    place, slug, _, text = fresh(control, answers)
    made = control.call("POST", "/policies/usage-limits", {
        "name": "per user", "workspace_id": place, "conditions": [{"key": "metadata.tier", "value": "free"}],
        "group_by": [{"key": "metadata._user"}], "type": "cost", "credit_limit": 0.1})
    def asks(user, tier):
        headers = {"x-portkey-virtual-key": slug, "x-portkey-metadata": f'{{"_user": "{user}", "tier": "{tier}"}}'}
        return control.chat(text, headers, max_tokens=100).status
    assert [asks("a", "free"), asks("a", "free"), asks("b", "free"), asks("a", "pro"), asks("a", "pro")] == [200, 412, 200, 200, 200]
    until(lambda: len(control.call("GET", f"/policies/usage-limits/{made['id']}/entities")["data"]) == 2)
    entity = next(row for row in control.call("GET", f"/policies/usage-limits/{made['id']}/entities")["data"] if "a" in row["id"])
    assert entity["current_usage"] == 0.1


def test_a_policys_rate(control, answers):
    place, slug, _, text = fresh(control, answers)
    control.call("POST", "/policies/rate-limits", {
        "name": "r", "workspace_id": place, "conditions": [{"key": "virtual_key", "value": slug}], "type": "requests", "unit": "rph", "value": 2})
    assert [ask(control, text, slug).status for _ in range(3)] == [200, 200, 429]


# MARK: Workspaces

def test_one_workspaces_spend_is_not_anothers(control, answers):
    limit = {"usage_limits": {"credit_limit": 0.1}}
    _, slug_a, _, a = fresh(control, answers, workspace=limit)
    _, slug_b, _, b = fresh(control, answers, workspace=limit)
    assert [ask(control, a, slug_a).status, ask(control, a, slug_a).status, ask(control, b, slug_b).status] == [200, 412, 200]
