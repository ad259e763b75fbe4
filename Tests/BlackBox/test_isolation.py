"""One workspace's key tries every API with another's ids and slugs, and its traffic with another's credentials: there is nothing there."""

import json
import sqlite3

import pytest

import upstream as u
from client import ask, config_header
from control import OWNER, Control
from gateway import until

SECRET = "bees-"


@pytest.fixture(scope="module")
def control():
    with Control({"prices": {"models": {"openai/m": {"input": 1000, "output": 1000}}}}) as control:
        yield control


@pytest.fixture(scope="module")
def b(control, upstream):
    """Workspace b, with one of everything; its names begin with SECRET."""
    place = control.workspace("b")
    call = control.call
    invite = call("POST", "/admin/users/invites", {"email": "bee@example.com", "role": "member", "workspaces": [{"id": "b", "role": "member"}]})
    user = call("POST", "/" + invite["invite_link"].split("/v1/")[1])["id"]
    call("POST", "/integrations", {"name": SECRET + "i", "slug": SECRET + "i", "ai_provider_id": "openai", "key": "sk-i", "configurations": {"custom_host": upstream.base}})
    made = {
        "virtual-keys": control.virtual_key(SECRET + "vk", upstream.base, place),
        "providers": call("POST", "/providers", {"name": SECRET + "p", "slug": SECRET + "p", "integration_id": SECRET + "i", "workspace_id": place})["slug"],
        "guardrails": call("POST", "/guardrails", {"name": SECRET + "g", "slug": SECRET + "g", "workspace_id": place, "checks": [
            {"id": "default.contains", "parameters": {"operator": "none", "words": ["x"]}}], "actions": {"deny": True}})["slug"],
        "configs": call("POST", "/configs", {"name": SECRET + "c", "slug": SECRET + "c", "workspace_id": place, "config": {"virtual_key": SECRET + "vk"}})["slug"],
        "policies/usage-limits": call("POST", "/policies/usage-limits", {"name": SECRET + "u", "workspace_id": place, "credit_limit": 100})["id"],
        "policies/rate-limits": call("POST", "/policies/rate-limits", {"name": SECRET + "r", "workspace_id": place, "type": "requests", "unit": "rpd", "value": 9})["id"],
        "logs/exports": call("POST", "/logs/exports", {"filters": {}, "description": SECRET + "e", "workspace_id": place})["id"],
        "admin/workspaces": place,
        "prompts": call("POST", "/prompts", {"name": SECRET + "prompt", "slug": SECRET + "prompt", "string": SECRET + "text", "workspace_id": place})["slug"],
        "prompts/partials": call("POST", "/prompts/partials", {"name": SECRET + "part", "string": SECRET + "text", "workspace_id": place})["slug"],
        "collections": call("POST", "/collections", {"name": SECRET + "shelf", "slug": SECRET + "shelf", "workspace_id": place})["slug"],
        "labels": call("POST", "/labels", {"name": SECRET + "label", "workspace_id": place})["slug"],
    }
    made["api-keys"], text = control.key(place, ["completions.write", "feedback.create", "logs.list"], name=SECRET + "key")
    assert control.chat(text, {"x-portkey-virtual-key": SECRET + "vk", "x-portkey-trace-id": "bees-trace"}).status == 200
    made["feedback"] = call("POST", "/feedback", {"trace_id": "bees-trace", "value": 3}, key=text)["feedback_ids"][0]
    made["logs"] = until(lambda: (rows := call("GET", "/logs", key=text)["data"]) and rows[0]["id"])
    ids = {}
    for kind in ("virtual-keys", "providers", "guardrails", "configs", "prompts", "prompts/partials", "collections", "labels"):
        ids[kind] = call("GET", f"/{kind}/{made[kind]}?workspace_id={place}")["id"]
    return {"slugs": made, "ids": ids, "user": user, "key": text}


@pytest.fixture(scope="module")
def a(control, upstream):
    """A key of workspace a that may do everything a workspace's key can."""
    place = control.workspace("a")
    control.virtual_key("own", upstream.base, place)
    scopes = control.call("GET", "/api-keys")["data"][0]["scopes"]
    return control.key(place, scopes)[1]


def state(control):
    """Everything that is managed, as it is stored."""
    with sqlite3.connect(f"file:{control.store}?mode=ro", uri=True) as store:
        return [
            store.execute(f"SELECT * FROM {table} WHERE workspace = 'b' ORDER BY 1, 2, 3").fetchall()
            for table in ("objects", "versions", "credentials", "keys", "feedback")]


BODIES = {
    "virtual-keys": {"note": "mine"}, "providers": {"note": "mine"}, "guardrails": {"name": "mine"}, "configs": {"name": "mine"},
    "policies/usage-limits": {"credit_limit": 1}, "policies/rate-limits": {"value": 1}, "logs/exports": {"description": "mine"},
    "admin/workspaces": {"name": "mine"}, "api-keys": {"name": "mine"}, "feedback": {"value": 1}, "logs": {},
    "prompts": {"string": "mine"}, "prompts/partials": {"string": "mine"}, "collections": {"name": "mine"}, "labels": {"name": "mine"},
}
ROUTES = (
    [(method, kind, "") for kind in BODIES for method in ("GET", "PUT", "DELETE")]
    + [("GET", "configs", "/versions"), ("POST", "api-keys", "/rotate"), ("GET", "policies/usage-limits", "/entities")]
    + [("PUT", "policies/usage-limits", "/entities/x/reset"), ("POST", "logs/exports", "/start"), ("POST", "logs/exports", "/cancel")]
    + [("PUT", "prompts", "/makeDefault"), ("GET", "prompts", "/versions"), ("PUT", "prompts", "/versions/1"), ("POST", "prompts", "/render")]
    + [("POST", "prompts", "/completions"), ("GET", "prompts/partials", "/versions"), ("PUT", "prompts/partials", "/makeDefault")]
    + [("GET", "logs/exports", "/download"), ("GET", "admin/workspaces", "/users"), ("POST", "admin/workspaces", "/users")]
)


@pytest.mark.parametrize("method, kind, rest", ROUTES)
@pytest.mark.parametrize("by", ["slug", "id"])
def test_anothers_object_is_not_there(control, a, b, method, kind, rest, by):
    name = b["ids"].get(kind) if by == "id" else b["slugs"][kind]
    if name is None:
        name = b["slugs"][kind]
    before = state(control)
    body = None if method == "GET" else {"users": [{"id": b["user"]}]} if rest == "/users" else BODIES[kind]
    for query in ("", "?workspace_id=b"):
        theirs = control.call(method, f"/{kind}/{name}{rest}{query}", body, key=a, status=None)
        assert theirs.status in (403, 404), f"{theirs.status} {theirs.text}"
        assert SECRET not in theirs.text.replace(name, "")
    # Whether it is there or not makes no difference to be seen.
    nobodys = control.call(method, f"/{kind}/nobodys{rest}", body, key=a, status=None)
    ours = control.call(method, f"/{kind}/{name}{rest}", body, key=a, status=None)
    assert (nobodys.status, nobodys.text.replace("nobodys", name)) == (ours.status, ours.text) or nobodys.json["error"]["code"] == ours.json["error"]["code"]
    assert state(control) == before


@pytest.mark.parametrize("path", [
    "/virtual-keys", "/providers", "/guardrails", "/configs", "/policies/usage-limits", "/policies/rate-limits", "/api-keys", "/logs",
    "/logs/exports", "/admin/workspaces", "/prompts", "/prompts/partials", "/collections", "/labels",
])
def test_lists_have_ones_own_only(control, a, b, path):
    answer = control.raw_call("GET", path, key=a)
    assert answer.status == 200 and SECRET not in answer.text and b["slugs"]["api-keys"] not in answer.text
    for query in ("workspace_id=b", "workspace_slug=b"):
        answer = control.raw_call("GET", f"{path}?{query}", key=a)
        assert SECRET not in answer.text, f"{path}?{query}: {answer.text}"


@pytest.mark.parametrize("path, body", [
    ("/virtual-keys", {"name": "x", "provider": "openai", "key": "k"}), ("/configs", {"name": "x", "config": {}}),
    ("/guardrails", {"name": "x", "checks": []}), ("/policies/usage-limits", {"credit_limit": 1}),
    ("/policies/rate-limits", {"type": "requests", "unit": "rpm", "value": 1}), ("/api-keys/workspace/service", {"name": "x"}),
    ("/prompts", {"name": "x", "string": "x"}), ("/prompts/partials", {"name": "x", "string": "x"}), ("/collections", {"name": "x"}),
    ("/labels", {"name": "x"}),
    ("/providers", {"name": "x", "integration_id": SECRET + "i"}), ("/logs/exports", {"filters": {}}),
])
def test_nothing_is_made_for_another(control, a, b, path, body):
    before = state(control)
    answer = control.call("POST", path, body | {"workspace_id": "b"}, key=a, status=None)
    assert answer.status in (403, 404)
    assert state(control) == before


@pytest.mark.parametrize("path", ["/admin/users", "/admin/users/invites", "/integrations", "/audit-logs", f"/integrations/{SECRET}i"])
def test_what_is_the_organisations(control, a, b, path):
    answer = control.raw_call("GET", path, key=a)
    assert answer.status == 403 and SECRET not in answer.text.replace(path, "")


@pytest.mark.parametrize("path", ["graphs/requests", "graphs/cost", "graphs/latency", "graphs/users", "graphs/feedbacks", "groups/users", "groups/workspaces", "groups/ai-models", "summary/cache"])
def test_analytics_are_ones_own(control, a, b, path):
    answer = control.call("GET", f"/analytics/{path}", key=a)
    whole = json.dumps(answer)
    assert SECRET not in whole and answer.get("summary", {}).get("total", 0) == 0 and not answer.get("total")
    assert control.call("GET", f"/analytics/{path}?workspace_slug=b", key=a, status=404)


# MARK: Traffic

@pytest.mark.parametrize("headers, body", [
    ({"x-portkey-virtual-key": SECRET + "vk"}, {}),
    ({"x-portkey-provider": "@" + SECRET + "vk"}, {}),
    ({"x-portkey-provider": "@" + SECRET + "p"}, {}),
    ({}, {"model": f"@{SECRET}vk/m"}),
    ({"x-portkey-config": SECRET + "c"}, {}),
    (config_header({"virtual_key": SECRET + "vk"}), {}),
    (config_header({"strategy": {"mode": "fallback"}, "targets": [{"provider": "@" + SECRET + "vk"}]}), {}),
    (config_header({"virtual_key": "own", "override_params": {"model": f"@{SECRET}vk/m"}}), {}),
    (config_header({"virtual_key": "own", "input_guardrails": [SECRET + "g"]}), {}),
])
def test_anothers_credentials_carry_no_request(control, upstream, a, b, headers, body):
    before = len(upstream.requests)
    answer = control.chat(a, headers, **body)
    used = [request.header("authorization") for request in upstream.requests[before:]]
    assert not any(SECRET in (value or "") or value == "Bearer sk-i" for value in used)
    assert answer.status == 400 or used == ["Bearer sk-own"]


def test_anothers_cache_has_nothing(control, upstream, a, b):
    base = upstream.script(u.says("for b"), u.says("for a"))
    control.virtual_key("same", base, "a", key="sk-same")
    control.virtual_key("same", base, "b", key="sk-same")
    config = config_header({"virtual_key": "same", "cache": {"mode": "simple"}})
    first, second = control.chat(b["key"], config), control.chat(a, config)
    assert [x.portkey["cache-status"] for x in (first, second)] == ["MISS", "MISS"]
    assert "for a" in second.text


def test_anothers_spend_does_not_grow(control, a, b):
    def spent():
        return control.call("GET", f"/policies/usage-limits/{b['slugs']['policies/usage-limits']}/entities")["data"]
    before = spent()
    assert control.chat(a, {"x-portkey-virtual-key": "own"}).status == 200
    assert spent() == before


# MARK: What lies at the provider

@pytest.fixture(scope="module")
def shared(control, upstream):
    """Two workspaces with one credential."""
    keys = {}
    for place in ("left", "right"):
        control.workspace(place)
        control.virtual_key("shared", upstream.base, place, key="sk-shared-by-two")
        keys[place] = control.key(place, ["completions.write"])[1]
    return keys


def proxied(control, upstream, key, method, path, reply, body=None):
    headers = {"x-portkey-api-key": key, "x-portkey-virtual-key": "shared"}
    original = upstream.choose
    upstream.choose = lambda recorded, incoming: reply
    try:
        return ask(control, method, "/v1" + path, body, headers)
    finally:
        upstream.choose = original


@pytest.mark.parametrize("family", ["/files", "/batches", "/responses", "/fine_tuning/jobs", "/vector_stores"])
def test_objects_at_the_provider_are_their_makers(control, upstream, shared, family):
    id = family.strip("/").replace("/", "-") + "-1"
    made = u.answer({"id": id, "object": "thing"})
    assert proxied(control, upstream, shared["left"], "POST", family, made, {"model": "m", "input": "x"}).json["id"] == id
    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/content")):
        assert proxied(control, upstream, shared["left"], method, f"{family}/{id}{rest}", made).status == 200
        before = len(upstream.requests)
        other = proxied(control, upstream, shared["right"], method, f"{family}/{id}{rest}", made)
        assert other.status == 404 and len(upstream.requests) == before
    listed = u.answer({"object": "list", "data": [{"id": id}, {"id": "nobodys"}], "first_id": id, "last_id": "nobodys"})
    assert [item["id"] for item in proxied(control, upstream, shared["left"], "GET", family, listed).json["data"]] == [id, "nobodys"]
    right = proxied(control, upstream, shared["right"], "GET", family, listed).json
    assert [item["id"] for item in right["data"]] == ["nobodys"] and right["first_id"] == "nobodys"


def test_anothers_object_is_no_input(control, upstream, shared):
    proxied(control, upstream, shared["left"], "POST", "/files", u.answer({"id": "file-in"}), {"x": 1})
    for path, body in (("/batches", {"input_file_id": "file-in"}), ("/fine_tuning/jobs", {"training_file": "file-in"})):
        assert proxied(control, upstream, shared["right"], "POST", path, u.answer({"id": "b"}), body).status == 404
        assert proxied(control, upstream, shared["left"], "POST", path, u.answer({"id": f"b{path}"}), body).status == 200


def test_a_streamed_response_is_its_makers(control, upstream, shared):
    event = u.frame({"type": "response.created", "response": {"id": "resp_streamed"}}, "response.created")
    answer = proxied(control, upstream, shared["left"], "POST", "/responses", u.streams([event]), {"model": "m", "input": "x", "stream": True})
    assert "resp_streamed" in answer.text
    assert proxied(control, upstream, shared["right"], "GET", "/responses/resp_streamed", u.answer({"id": "resp_streamed"})).status == 404


def test_makers_are_remembered_after_a_restart(upstream):
    control = Control()
    with control:
        for place in ("left", "right"):
            if place != "default":
                control.workspace(place)
            control.virtual_key("shared", upstream.base, place, key="sk-shared-by-two")
        keys = {place: control.key(place, ["completions.write"])[1] for place in ("left", "right")}
        proxied(control, upstream, keys["left"], "POST", "/files", u.answer({"id": "file-kept"}), {"x": 1})
        control.stop()
        control.lines.clear()
        with control:
            assert proxied(control, upstream, keys["right"], "GET", "/files/file-kept", u.answer({"id": "file-kept"})).status == 404
            assert proxied(control, upstream, keys["left"], "GET", "/files/file-kept", u.answer({"id": "file-kept"})).status == 200
