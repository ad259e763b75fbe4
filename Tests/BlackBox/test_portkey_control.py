"""The control plane through Portkey's own SDK: the quick start that its users know, and what can be asked afterwards."""

import datetime
import json
import urllib.request

import pytest
from portkey_ai import Portkey

import upstream as u
from client import new_trace
from control import OWNER, Control
from gateway import command, until

MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def control():
    prices = {"models": {"openai/gpt-4o-mini": {"input": 1, "output": 2}, "openai/upstream-model": {"input": 1, "output": 2}}}
    with Control({"prices": prices, "store": {"log_bodies": "full"}}) as control:
        yield control


def client(control, key=OWNER, **more):
    return Portkey(api_key=key, base_url=control.url + "/v1", **more)


def around_now():
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "time_of_generation_min": (now - datetime.timedelta(hours=1)).isoformat(),
        "time_of_generation_max": (now + datetime.timedelta(hours=1)).isoformat(),
    }


def logs_of(control, trace, count=1):
    return until(lambda: (found := control.call("GET", f"/logs?trace_id={trace}"))["total"] >= count and found)["data"]


def test_the_quick_start(control, upstream):
    place = control.workspace("quick")
    owner = client(control)
    anthropic = upstream.script(u.answer(u.anthropic_error(), 500))
    openai = upstream.script(u.answer(u.completion(usage={"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500})))
    for slug, provider, base in (("anthropic-prod", "anthropic", anthropic), ("openai-prod", "openai", openai)):
        made = owner.virtual_keys.create(name=slug, slug=slug, provider=provider, key=f"sk-{provider}", custom_host=base, workspace_id=place)
        assert made.slug == slug
    key = owner.api_keys.create(type="workspace", sub_type="service", name="app", workspace_id=place, scopes=["completions.write"]).key
    app = client(control, key, virtual_key="openai-prod", config={
        "strategy": {"mode": "fallback"},
        "targets": [
            {"virtual_key": "anthropic-prod", "override_params": {"model": "claude-3-5-sonnet-20241022"}},
            {"virtual_key": "openai-prod", "override_params": {"model": "gpt-4o-mini"}}],
        "cache": {"mode": "simple", "max_age": 600}})
    trace = new_trace()
    ask = lambda: app.with_options(trace_id=trace).chat.completions.create(  # noqa: E731
        messages=MESSAGES, metadata={"user_id": "u-42", "tier": "pro"}, max_tokens=500)
    first, second = ask(), ask()
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.get_headers()["last-used-option-index"] == "config.targets[1]"
    assert (first.get_headers()["cache-status"], second.get_headers()["cache-status"]) == ("MISS", "HIT")
    assert len(upstream.at(anthropic)) == 2 and len(upstream.at(openai)) == 1
    assert upstream.at(openai)[0].header("authorization") == "Bearer sk-openai"

    # What it cost, which target served it, whether the cache hit.
    hit, miss = logs_of(control, trace, 2)
    assert (miss["cost_usd"], miss["cost"], hit["cost_usd"]) == (0.002, 0.2, 0)
    assert [(a["provider"], a["status"]) for a in miss["attempts"]] == [("anthropic", 500), ("openai", 200)]
    assert (miss["virtual_key"], miss["cache_status"], hit["cache_status"]) == ("openai-prod", "MISS", "HIT")
    assert miss["metadata"] == {"user_id": "u-42", "tier": "pro"} and miss["workspace"] == place

    told = command("explain", "--store", str(control.store), trace).stdout
    assert 'The key "app" (' in told and "virtual key openai-prod" in told and "HIT" not in told.split("\n\n")[0]
    assert miss["timings"]["total_ms"] >= miss["timings"]["upstream_ms"] and "overhead_ms" in miss["timings"]

    # How much u-42 and tier=pro have spent.
    for name, value in (("user_id", "u-42"), ("tier", "pro")):
        group = owner.analytics.groups.metadata(metadata_key=name, workspace_slug=place, **around_now()) if hasattr(
            owner.analytics.groups, "metadata") else control.call("GET", f"/analytics/groups/metadata/{name}?workspace_slug={place}")
        group = group if isinstance(group, dict) else json.loads(group.model_dump_json())
        row = group["data"][0]
        assert (row["metadata_value"], row["requests"], row["cost"]) == (value, 2, 0.2)
    cost = owner.analytics.graphs.cost(workspace_slug=place, **around_now())
    assert cost.summary["total"] == 0.2 and sum(point["total"] for point in cost.data_points) == pytest.approx(0.2)


def test_feedback(control, upstream):
    place = control.workspace("liked")
    slug = control.virtual_key("f", upstream.base, place)
    _, key = control.key(place, ["completions.write", "feedback.create", "feedback.update", "analytics.view"])
    app = client(control, key, virtual_key=slug)
    trace = new_trace()
    app.with_options(trace_id=trace).chat.completions.create(model="m", messages=MESSAGES)
    logs_of(control, trace)
    given = app.feedback.create(trace_id=trace, value=4, weight=0.5, metadata={"by": "x"})
    assert given.status == "success" and len(given.feedback_ids) == 1
    app.feedback.bulk_create(feedbacks=[{"trace_id": trace, "value": 1}, {"trace_id": "other", "value": -3}])
    app.feedback.update(feedback_id=given.feedback_ids[0], value=10, weight=1)
    graph = lambda name: control.call("GET", f"/analytics/graphs/{name}?workspace_slug={place}", key=key)  # noqa: E731
    assert graph("feedbacks")["summary"]["total"] == 3
    assert [(p["score"], p["total"]) for p in graph("feedbacks/scores")["data_points"]] == [(-3, 1), (1, 1), (10, 1)]
    assert graph("feedbacks/weighted")["summary"]["avg"] == pytest.approx((10 - 3 + 1) / 3, abs=0.001)
    model = graph("feedbacks/ai-models")["data_points"][0]
    assert (model["ai_model"], model["total"], model["avg_weighted_feedback"]) == ("m", 2, 5.5)
    for bad in ({"trace_id": "t"}, {"trace_id": "t", "value": 11}, {"trace_id": "t", "value": 1, "weight": 2}, {"value": 1}, []):
        assert control.call("POST", "/feedback", bad, key=key, status=400)


def test_sent_logs(control):
    place = control.workspace("sent")
    _, key = control.key(place, ["logs.write", "logs.list", "logs.view"])
    app = client(control, key)
    trace = new_trace()
    app.logs.create(
        request={"url": "https://api.openai.com/v1/chat/completions", "provider": "openai", "body": {"model": "gpt-x"}},
        response={"status": 200, "body": {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, "response_time": 250},
        metadata={"traceId": trace, "spanId": "s1", "_user": "ann"})
    log = logs_of(control, trace)[0]
    assert (log["span_id"], log["total_units"], log["response_time"], log["metadata"]) == ("s1", 7, 250, {"_user": "ann"})
    shown = control.call("GET", f"/logs/{log['id']}", key=key)
    assert shown["metrics"]["ai_model"] == "gpt-x"
    for bad in ({}, {"request": {"url": "u"}}, {"request": {"url": "u"}, "response": {"status": 7}}, "x"):
        assert control.call("POST", "/logs", bad, key=key, status=400)


def test_one_log_with_its_texts(control, upstream):
    slug = control.virtual_key("texts", upstream.base)
    trace = new_trace()
    client(control, virtual_key=slug, trace_id=trace).chat.completions.create(model="m", messages=MESSAGES)
    id = logs_of(control, trace)[0]["id"]
    log = control.call("GET", f"/logs/{id}")
    assert log["request"]["body"]["messages"] == MESSAGES and log["response"]["body"]["choices"]
    assert control.call("GET", "/logs/01890000-0000-7000-8000-000000000000", status=404)


def test_pages_of_logs(control, upstream):
    place = control.workspace("paged")
    slug = control.virtual_key("p", upstream.base, place)
    _, key = control.key(place, ["completions.write", "logs.list"])
    for _ in range(7):
        assert control.chat(key, {"x-portkey-virtual-key": slug}).status == 200
    until(lambda: control.call("GET", "/logs", key=key)["total"] == 7)
    seen, cursor = [], ""
    while True:
        page = control.call("GET", f"/logs?page_size=3&cursor={cursor}", key=key)
        seen += [row["id"] for row in page["data"]]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 7 and seen == sorted(seen, reverse=True)


def test_an_export(control, upstream):
    place = control.workspace("exported")
    slug = control.virtual_key("e", upstream.base, place)
    _, key = control.key(place, ["completions.write", "logs.list", "logs.export"])
    for user in ("a", "b", "b"):
        assert control.chat(key, {"x-portkey-virtual-key": slug, "x-portkey-metadata": json.dumps({"_user": user})}).status == 200
    until(lambda: control.call("GET", "/logs", key=key)["total"] == 3)
    app = client(control, key)
    made = app.logs.exports.create(filters={"metadata": {"_user": "b"}}, requested_data=["trace_id", "cost", "metadata"])
    assert made.total == 2
    app.logs.exports.start(export_id=made.id)
    until(lambda: app.logs.exports.retrieve(export_id=made.id).status == "success")
    assert app.logs.exports.list().total == 1
    url = app.logs.exports.download(export_id=made.id).signed_url
    lines = [json.loads(line) for line in urllib.request.urlopen(url).read().splitlines()]
    assert len(lines) == 2 and all(set(line) == {"trace_id", "cost", "metadata"} and line["metadata"] == {"_user": "b"} for line in lines)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url[:-1] + ("0" if url[-1] != "0" else "1"))


def test_every_graph_and_group(control, upstream):
    place = control.workspace("drawn")
    slug = control.virtual_key("g", upstream.base, place)
    _, key = control.key(place, ["completions.write", "analytics.view"])
    broken = upstream.script(u.fails(503), u.says("fine"))
    control.virtual_key("broken", broken, place)
    retry = {"virtual_key": "broken", "retry": {"attempts": 1, "on_status_codes": [503]}, "cache": {"mode": "simple"}}
    assert control.chat(key, {"x-portkey-config": json.dumps(retry), "x-portkey-metadata": '{"_user": "ann"}'}, model="gpt-4o-mini").status == 200
    assert control.chat(key, {"x-portkey-config": json.dumps(retry), "x-portkey-metadata": '{"_user": "ann"}'}, model="gpt-4o-mini").status == 200
    assert control.chat(key, {"x-portkey-virtual-key": slug, "x-portkey-metadata": '{"_user": "bob"}'}, model="gpt-4o-mini").status == 200
    assert control.chat(key, {"x-portkey-virtual-key": "nowhere"}).status == 400
    graph = lambda name: control.call("GET", f"/analytics/graphs/{name}?workspace_slug={place}", key=key)  # noqa: E731
    until(lambda: graph("requests")["summary"]["total"] == 4)
    assert graph("errors")["summary"]["total"] == 1
    assert graph("errors/rate")["summary"]["rate"] == 25
    assert graph("errors/stacks")["summary"]["total"] == 1
    assert graph("errors/status-codes")["data_points"] == [{"status_code": 400, "count": 1}]
    assert graph("requests/rescued")["summary"] == {"retry": 1, "fallback": 0}
    assert graph("cache/hit-rate")["summary"] == {"total": 1, "rate": 25}
    assert graph("users")["summary"]["total"] == 2
    assert graph("users/requests")["summary"] == {"total": 3, "unique": 2, "avg": 1.5}
    assert graph("tokens")["summary"]["total"] > 0 and graph("cost")["summary"]["total"] > 0
    latency = graph("latency")["summary"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
    assert graph("cache/latency")["data_points"]
    group = lambda name: control.call("GET", f"/analytics/groups/{name}?workspace_slug={place}", key=key)["data"]  # noqa: E731
    assert [(row["user"], row["requests"]) for row in group("users")] == [("ann", 2), ("bob", 1)]
    assert {row["ai_model"] for row in group("ai-models")} >= {"gpt-4o-mini"}
    assert [(row["workspace"], row["requests"]) for row in group("workspaces")] == [(place, 4)]
    summary = control.call("GET", f"/analytics/summary/cache?workspace_slug={place}", key=key)["summary"]
    assert (summary["hits"], summary["total_requests"]) == (1, 4)
    assert control.call("GET", "/analytics/graphs/nothing", key=key, status=404)
    filtered = control.call("GET", f"/analytics/graphs/requests?status_code=400,404&workspace_slug={place}", key=key)
    assert filtered["summary"]["total"] == 1
    for bad in ("time_of_generation_min=yesterday", "cost_min=cheap", "status_code=abc", "metadata=[1]", "ai_org_model=gpt"):
        assert control.call("GET", f"/analytics/graphs/requests?{bad}", key=key, status=400)["error"]["code"] == "invalid_parameter"
    # Nobody else's rows.
    _, other = control.key(control.workspace("blind"), ["analytics.view", "logs.list"])
    assert control.call("GET", "/analytics/graphs/requests", key=other)["summary"]["total"] == 0
    assert control.call("GET", f"/analytics/graphs/requests?workspace_slug={place}", key=other, status=404)


def test_the_sdks_resources(control, upstream):
    owner = client(control)
    place = owner.admin.workspaces.create(name="SDK", description="d", defaults={"metadata": {"team": "x"}})
    assert owner.admin.workspaces.retrieve(workspace_id=place.id).name == "SDK"
    owner.admin.workspaces.update(workspace_id=place.id, description="other")
    invite = owner.admin.users.invites.create(email="ann@example.com", role="member", workspaces=[{"id": place.id, "role": "manager"}])
    assert owner.admin.users.invites.retrieve(invite_id=invite.id).status == "pending"
    urllib.request.urlopen(urllib.request.Request(invite.invite_link, method="POST", headers={"x-portkey-api-key": OWNER}))
    assert owner.admin.users.invites.list().data[0].status == "accepted"
    user = next(user for user in owner.admin.users.list().data if user.email == "ann@example.com")
    assert owner.admin.workspaces.users.list(workspace_id=place.id).data[0]["role"] == "manager"
    owner.admin.workspaces.users.update(workspace_id=place.id, user_id=user.id, role="member")
    key = owner.api_keys.create(type="workspace", sub_type="user", name="k", workspace_id=place.id, user_id=user.id, scopes=["completions.write", "configs.list"])
    assert owner.api_keys.retrieve(id=key.id).type == "workspace-user"
    made = owner.virtual_keys.create(name="sdk-vk", slug="sdk-vk", provider="openai", key="sk", workspace_id=place.id)
    assert owner.virtual_keys.retrieve(slug=made.slug).name == "sdk-vk"
    assert owner.virtual_keys.list(workspace_id=place.id).total == 1
    config = owner.configs.create(name="c", config={"virtual_key": "sdk-vk"}, workspace_id=place.id)
    assert owner.configs.retrieve(slug=config.slug).config == {"virtual_key": "sdk-vk"}
    owner.configs.update(slug=config.slug, name="c2", config={"virtual_key": "sdk-vk", "cache": {"mode": "simple"}})
    assert owner.configs.list(workspace_id=place.id).data[-1]["name"] == "c2"
    rail = owner.guardrails.create(name="g", checks=[{"id": "default.wordCount", "parameters": {"minWords": 1, "maxWords": 5}}], actions={"deny": True}, workspace_id=place.id)
    owner.guardrails.update(guardrail_id=rail.id, name="g2")
    assert owner.guardrails.list(workspace_id=place.id).total == 1
    owner.guardrails.delete(guardrail_id=rail.id)
    owner.configs.delete(slug=config.slug)
    owner.virtual_keys.delete(slug="sdk-vk")
    owner.api_keys.delete(id=key.id)
    owner.admin.workspaces.users.delete(workspace_id=place.id, user_id=user.id)
    owner.admin.workspaces.delete(workspace_id=place.id, name="SDK")
    assert place.id not in [w.id for w in owner.admin.workspaces.list().data]
