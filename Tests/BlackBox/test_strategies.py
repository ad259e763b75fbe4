"""Which target a request goes to: single, fallback, loadbalance, conditional with each operator, and their nesting (spec §4.3–4.5)."""

import collections
import json

import pytest

import upstream as u
from client import HELLO, ask, chat, config_header, target
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    with Gateway({}) as gateway:
        yield gateway


def route(gateway, config, headers=None, **body):
    return chat(gateway, config_header(config) | (headers or {}), **body)


def index(answer):
    return answer.portkey["last-used-option-index"]


def fallback(*targets, **strategy):
    return {"strategy": {"mode": "fallback"} | strategy, "targets": list(targets)}


# MARK: single, fallback

def test_single_takes_the_first(gateway, upstream):
    answer = route(gateway, {"strategy": {"mode": "single"}, "targets": [target(upstream.base), target("http://127.0.0.1:9/v1")]})
    assert (answer.status, index(answer)) == (200, "config.targets[0]")


def test_single_stays_with_a_failure(gateway, upstream):
    answer = route(gateway, {"strategy": {"mode": "single"}, "targets": [target(upstream.script(u.fails(500))), target(upstream.base)]})
    assert (answer.status, index(answer)) == (500, "config.targets[0]")


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 529])
def test_fallback_moves_on_at_any_failure(gateway, upstream, status):
    answer = route(gateway, fallback(target(upstream.script(u.fails(status))), target(upstream.base)))
    assert (answer.status, index(answer)) == (200, "config.targets[1]")


def test_fallback_stays_at_the_first_success(gateway, upstream):
    second = upstream.script(u.says("second"))
    assert index(route(gateway, fallback(target(upstream.base), target(second)))) == "config.targets[0]"
    assert not upstream.at(second)


def test_fallback_moves_on_when_nothing_answers(gateway, upstream):
    answer = route(gateway, fallback(target("http://127.0.0.1:9/v1"), target(upstream.base)))
    assert (answer.status, index(answer)) == (200, "config.targets[1]")


@pytest.mark.parametrize("name", ["nothing", "reset", "garbage", "half-head", "html", "empty-200", "broken-json", "half-body", "bad-gzip"])
def test_fallback_moves_on_when_the_answer_is_no_answer(gateway, upstream, name):
    answer = route(gateway, fallback(target(upstream.script(u.BY_MODEL[name])), target(upstream.base)))
    assert (answer.status, index(answer)) == (200, "config.targets[1]"), answer


def test_fallback_moves_on_after_a_timeout(gateway, upstream):
    answer = route(gateway, fallback(target(upstream.script(u.hangs), request_timeout=50), target(upstream.base)))
    assert (answer.status, index(answer)) == (200, "config.targets[1]")


def test_fallback_gives_the_last_failure(gateway, upstream):
    answer = route(gateway, fallback(target(upstream.script(u.fails(500))), target(upstream.script(u.fails(418, text="teapot")))))
    assert (answer.status, index(answer)) == (418, "config.targets[1]")
    assert "teapot" in answer.error["message"]


def test_fallback_with_a_list_moves_on_only_at_its_statuses(gateway, upstream):
    for status, expected in ((429, "config.targets[1]"), (500, "config.targets[0]")):
        answer = route(gateway, fallback(target(upstream.script(u.fails(status))), target(upstream.base), on_status_codes=[429]))
        assert index(answer) == expected


def test_fallback_with_an_empty_list_never_moves_on(gateway, upstream):
    answer = route(gateway, fallback(target(upstream.script(u.fails(500))), target(upstream.base), on_status_codes=[]))
    assert (answer.status, index(answer)) == (500, "config.targets[0]")


def test_fallback_with_a_list_may_leave_a_success(gateway, upstream):
    words = [{"contains": {"words": ["Say"], "operator": "none"}}]
    soft = target(upstream.base, input_guardrails=words)
    answer = route(gateway, fallback(soft, target(upstream.base), on_status_codes=[246]))
    assert (answer.status, index(answer)) == (200, "config.targets[1]")


def test_fallback_stays_with_a_soft_failure(gateway, upstream):
    words = [{"contains": {"words": ["Say"], "operator": "none"}}]
    answer = route(gateway, fallback(target(upstream.base, input_guardrails=words), target(upstream.base)))
    assert (answer.status, index(answer)) == (246, "config.targets[0]")


def test_fallback_moves_on_after_a_denial(gateway, upstream):
    words = [{"deny": True, "contains": {"words": ["Say"], "operator": "none"}}]
    answer = route(gateway, fallback(target(upstream.base, input_guardrails=words), target(upstream.base)))
    assert (answer.status, index(answer)) == (200, "config.targets[1]")


def test_each_target_gets_the_clients_body(gateway, upstream):
    first, second = upstream.script(u.fails(500)), upstream.script(u.says("x"))
    config = fallback(target(first, override_params={"a": 1}), target(second, override_params={"b": 2}))
    assert route(gateway, config).status == 200
    one, two = upstream.at(first)[0].json, upstream.at(second)[0].json
    assert (one.get("a"), one.get("b"), two.get("a"), two.get("b")) == (1, None, None, 2)


def test_fallback_between_formats(gateway, upstream):
    second = {"provider": "anthropic", "api_key": "sk-a", "custom_host": upstream.base, "override_params": {"model": "claude-x"}}
    answer = route(gateway, fallback(target(upstream.script(u.fails(500))), second), max_tokens=9)
    assert (answer.status, answer.portkey["provider"]) == (200, "anthropic")
    assert answer.json["object"] == "chat.completion" and upstream.requests[-1].json["model"] == "claude-x"


# MARK: loadbalance

def balance(*targets):
    return {"strategy": {"mode": "loadbalance"}, "targets": list(targets)}


def test_loadbalance_follows_the_weights(gateway, upstream):
    config = balance(target(upstream.base, weight=3), target(upstream.base, weight=1))
    counts = collections.Counter(index(route(gateway, config)) for _ in range(120))
    # Nine of ten thousand runs would leave this range.
    assert 70 <= counts["config.targets[0]"] <= 108 and sum(counts.values()) == 120


def test_loadbalance_never_takes_a_weight_of_zero(gateway, upstream):
    config = balance(target(upstream.base, weight=0), target(upstream.base, weight=0.1))
    assert {index(route(gateway, config)) for _ in range(20)} == {"config.targets[1]"}


def test_loadbalance_uses_both_without_weights(gateway, upstream):
    config = balance(target(upstream.base), target(upstream.base))
    assert {index(route(gateway, config)) for _ in range(40)} == {"config.targets[0]", "config.targets[1]"}


def test_loadbalance_does_not_fall_over(gateway, upstream):
    config = balance(target(upstream.script(u.fails(503)), weight=1), target(upstream.base, weight=0))
    assert route(gateway, config).status == 503


def test_loadbalance_with_a_sticky_field_stays(gateway, upstream):
    config = balance(target(upstream.base), target(upstream.base))
    config["strategy"]["sticky"] = {"enabled": True, "hash_fields": ["metadata.user_id"], "ttl": 60}
    for user in ("a", "b", "c"):
        headers = {"x-portkey-metadata": json.dumps({"user_id": user})}
        assert len({index(route(gateway, config, headers)) for _ in range(8)}) == 1


def test_loadbalance_inside_fallback(gateway, upstream):
    dead = balance(target(upstream.script(u.fails(500))), target(upstream.script(u.fails(500))))
    answer = route(gateway, fallback(dead, target(upstream.base)))
    assert (answer.status, index(answer)) == (200, "config.targets[1]")


# MARK: conditional

def conditional(query, **more):
    """Goes to "yes" when the query holds, to "no" otherwise."""
    return {
        "strategy": {"mode": "conditional", "conditions": [{"query": query, "then": "yes"}], "default": "no"} | more,
        "targets": [target("http://127.0.0.1:9/v1", name="unused"), target(BASE, name="yes"), target(BASE, name="no")]}


BASE = ""


@pytest.fixture(autouse=True)
def _base(upstream):
    global BASE
    BASE = upstream.base


METADATA = {"plan": "pro", "level": "5", "empty": "", "name": "Grüße", "number": "12.5", "hostile": "undefined"}

# Each query, and whether it holds for METADATA and {"model": "gpt-4", "temperature": 0.5, "n": 5, "stream": false}.
QUERIES = [
    ({"metadata.plan": "pro"}, True),
    ({"metadata.plan": "Pro"}, False),
    ({"metadata.level": 5}, False),
    ({"params.n": 5}, True),
    ({"params.n": "5"}, False),
    ({"params.temperature": 0.5}, True),
    ({"metadata.plan": {"$eq": "pro"}}, True),
    ({"metadata.plan": {"$eq": "free"}}, False),
    ({"metadata.plan": {"$ne": "free"}}, True),
    ({"metadata.plan": {"$ne": "pro"}}, False),
    ({"metadata.missing": {"$ne": "x"}}, True),
    ({"metadata.missing": {"$eq": "x"}}, False),
    ({"metadata.level": {"$gt": 4}}, True),
    ({"metadata.level": {"$gt": 5}}, False),
    ({"metadata.level": {"$gte": "5"}}, True),
    ({"metadata.number": {"$lt": 12.6}}, True),
    ({"metadata.number": {"$lte": 12.5}}, True),
    ({"metadata.number": {"$lt": 12.5}}, False),
    ({"metadata.plan": {"$gt": 1}}, False),
    ({"metadata.plan": {"$lt": 1}}, False),
    ({"metadata.missing": {"$gt": 0}}, False),
    ({"params.n": {"$gt": 4, "$lt": 6}}, True),
    ({"params.n": {"$gt": 4, "$lt": 5}}, False),
    ({"metadata.plan": {"$in": ["free", "pro"]}}, True),
    ({"metadata.plan": {"$in": ["free"]}}, False),
    ({"metadata.missing": {"$in": ["free"]}}, False),
    ({"metadata.plan": {"$in": "pro"}}, False),
    ({"metadata.level": {"$in": [5]}}, False),
    ({"metadata.plan": {"$nin": ["free"]}}, True),
    ({"metadata.plan": {"$nin": ["pro"]}}, False),
    ({"metadata.missing": {"$nin": ["pro"]}}, True),
    ({"metadata.plan": {"$nin": "pro"}}, False),
    ({"metadata.plan": {"$regex": "^p.o$"}}, True),
    ({"metadata.plan": {"$regex": "r"}}, True),
    ({"metadata.plan": {"$regex": "^r"}}, False),
    ({"metadata.plan": {"$regex": "("}}, False),
    ({"metadata.name": {"$regex": "^Gr..e$"}}, True),
    # Portkey tests a missing field as the text "undefined".
    ({"metadata.missing": {"$regex": "undefined"}}, False),
    ({"metadata.hostile": {"$regex": "undefined"}}, True),
    ({"metadata.plan": "pro", "params.n": 5}, True),
    ({"metadata.plan": "pro", "params.n": 6}, False),
    ({"$and": [{"metadata.plan": "pro"}, {"params.n": 5}]}, True),
    ({"$and": [{"metadata.plan": "pro"}, {"params.n": 6}]}, False),
    ({"$or": [{"metadata.plan": "free"}, {"params.n": 5}]}, True),
    ({"$or": [{"metadata.plan": "free"}, {"params.n": 6}]}, False),
    # What stands beside $and and $or counts as well, before and after them.
    ({"$or": [{"metadata.plan": "pro"}], "params.n": 6}, False),
    ({"params.n": 6, "$or": [{"metadata.plan": "pro"}]}, False),
    ({"$and": [{"metadata.plan": "pro"}], "params.n": 5}, True),
    ({"$or": [{"$and": [{"metadata.plan": "free"}, {"params.n": 5}]}, {"metadata.level": {"$gte": 5}}]}, True),
    ({"url.pathname": "/v1/chat/completions"}, True),
    ({"url.pathname": {"$regex": "embeddings"}}, False),
    ({"params.model": "gpt-4"}, True),
    ({"params.stream": False}, True),
    ({"params.stream": True}, False),
]


@pytest.mark.parametrize("query, holds", QUERIES, ids=[json.dumps(query) for query, _ in QUERIES])
def test_a_query(gateway, upstream, query, holds):
    headers = {"x-portkey-metadata": json.dumps(METADATA)}
    answer = route(gateway, conditional(query), headers, model="gpt-4", temperature=0.5, n=5, stream=False)
    assert answer.status == 200, answer
    assert index(answer) == ("config.targets[1]" if holds else "config.targets[2]")


def test_the_first_condition_that_holds_decides(gateway, upstream):
    config = conditional({"params.n": 5})
    config["strategy"]["conditions"].append({"query": {"params.n": 5}, "then": "no"})
    assert index(route(gateway, config, n=5)) == "config.targets[1]"


def test_no_conditions_means_the_default(gateway, upstream):
    assert index(route(gateway, conditional({}, conditions=[]))) == "config.targets[2]"


def test_metadata_of_the_body_counts_under_the_headers(gateway, upstream):
    query = {"metadata.tier": "gold", "metadata.plan": "pro"}
    answer = route(gateway, conditional(query), {"x-portkey-metadata": '{"plan":"pro"}'}, metadata={"tier": "gold", "plan": "free"})
    assert index(answer) == "config.targets[1]"
    assert upstream.only.json["metadata"] == {"tier": "gold", "plan": "free"}


def test_the_user_is_metadata(gateway, upstream):
    assert index(route(gateway, conditional({"metadata._user": "u1"}), user="u1")) == "config.targets[1]"


def test_a_condition_may_lead_into_a_strategy(gateway, upstream):
    config = conditional({"params.n": 5})
    config["targets"][1] = fallback(target(upstream.script(u.fails(500))), target(upstream.base)) | {"name": "yes"}
    assert index(route(gateway, config, n=5)) == "config.targets[1].targets[1]"


CONDITIONAL_FAULTS = [
    ({"strategy": {"mode": "conditional", "conditions": [{"query": {"params.n": 1}, "then": "yes"}]}}, "Query router did not resolve to any valid target"),
    ({"strategy": {"mode": "conditional", "conditions": [], "default": "nobody"}}, "Invalid target name found in the query router: nobody"),
    ({"strategy": {"mode": "conditional", "conditions": [{"query": {"params.n": {"$near": 1}}, "then": "yes"}], "default": "yes"}}, "Unsupported operator used in the query router: $near"),
    ({"strategy": {"mode": "conditional", "default": "yes"}}, "No conditions passed in the query router"),
]


@pytest.mark.parametrize("path, body", [("/v1/chat/completions", {"messages": HELLO}), ("/v1/embeddings", {"input": "x"}), ("/v1/completions", {"prompt": "x"}), ("/v1/files", {})])
@pytest.mark.parametrize("config, text", CONDITIONAL_FAULTS, ids=[text[:40] for _, text in CONDITIONAL_FAULTS])
def test_faults_of_the_router_are_400_everywhere(gateway, upstream, config, text, path, body):
    answer = ask(gateway, "POST", path, {"model": "m"} | body, config_header(config | {"targets": [target(upstream.base, name="yes")]}))
    assert answer.status == 400, answer
    assert text in json.dumps(answer.json), answer
    assert not upstream.requests


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){25}$", "(?:(?:a*)*)*b"])
def test_a_patterns_work_is_bounded(gateway, upstream, pattern):
    """Catastrophic backtracking in a client's pattern must not stall the loop that serves everybody."""
    headers = {"x-portkey-metadata": json.dumps({"text": "a" * 5000 + "!"})}
    answer = route(gateway, conditional({"metadata.text": {"$regex": pattern}}), headers)
    assert answer.status in (200, 400)
    assert ask(gateway, "GET", "/livez", timeout=5).status == 200


# MARK: Breaker

def test_an_open_breaker_leaves_its_target_out(gateway, upstream):
    sick, well = upstream.script(u.fails(503)), upstream.script(u.says("well"))
    config = fallback(target(sick), target(well), cb_config={"failure_threshold": 3, "cooldown_interval": 60000})
    for _ in range(6):
        assert route(gateway, config).status == 200
    assert len(upstream.at(well)) == 6
    assert len(upstream.at(sick)) in (3, 4)


def test_breakers_that_are_all_open_are_passed_by(gateway, upstream):
    sick = upstream.script(u.fails(503))
    config = fallback(target(sick), cb_config={"failure_threshold": 2, "cooldown_interval": 60000})
    for _ in range(5):
        assert route(gateway, config).status == 503
    assert len(upstream.at(sick)) == 5


def test_a_deep_tree(gateway, upstream):
    leaf = target(upstream.base)
    dead = target(upstream.script(u.fails(500)))
    config = fallback(dead, {"strategy": {"mode": "loadbalance"}, "targets": [fallback(dead, fallback(dead, leaf))]})
    answer = route(gateway, config)
    assert (answer.status, index(answer)) == (200, "config.targets[1].targets[0].targets[1].targets[1]")
