"""Stored prompts: versions, labels, partials, and what is sent when one is used; through Portkey's SDK and the API."""

import json

import pytest
from portkey_ai import Portkey

import upstream as u
from client import ask, new_trace
from control import OWNER, Control
from gateway import until

HELLO = json.dumps([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello {{name}}!"}])


@pytest.fixture(scope="module")
def control(upstream):
    with Control() as control:
        control.virtual_key("vk", upstream.base)
        yield control


@pytest.fixture
def client(control):
    return Portkey(api_key=OWNER, base_url=control.url + "/v1")


_names = iter(range(10_000))


def prompt(control, string=HELLO, **more):
    body = {"name": f"P{next(_names)}", "collection_id": "tests", "string": string, "parameters": {"temperature": 0.5}, "virtual_key": "vk", "model": "m"}
    return control.call("POST", "/prompts", body | more)["slug"]


def rendered(control, name, variables=None, status=200, **more):
    answer = control.call("POST", f"/prompts/{name}/render", {"variables": variables or {}} | more, status=status)
    return answer["data"] if status == 200 else answer["error"]


def test_a_prompt_is_rendered_and_sent(control, client, upstream):
    slug = prompt(control)
    data = client.prompts.render(prompt_id=slug, variables={"name": "Ann"}, max_tokens=7).data
    assert data.model == "m" and data.max_tokens == 7 and data.messages[1]["content"] == "Hello Ann!"
    answer = client.prompts.completions.create(prompt_id=slug, variables={"name": "Bob"}, max_tokens=9)
    assert answer.choices[0].message.content
    sent = upstream.requests[-1]
    assert sent.header("authorization") == "Bearer sk-vk"
    assert (sent.json["model"], sent.json["temperature"], sent.json["max_tokens"]) == ("m", 0.5, 9)
    assert sent.json["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello Bob!"}]
    assert "variables" not in sent.json


def test_a_streamed_completion(control, client):
    slug = prompt(control)
    pieces = client.prompts.completions.create(prompt_id=slug, variables={"name": "Ann"}, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)


def test_it_goes_the_whole_way(control, upstream):
    """Limits, the cache and the log hold for prompts, too."""
    slug = prompt(control, parameters={})
    _, key = control.key(scopes=["completions.write", "logs.list"], rate_limits={"type": "requests", "unit": "rph", "value": 2})
    trace = new_trace()
    headers = {"x-portkey-api-key": key, "x-portkey-config": json.dumps({"virtual_key": "vk", "cache": {"mode": "simple"}}), "x-portkey-trace-id": trace}
    answers = [ask(control, "POST", f"/v1/prompts/{slug}/completions", {"variables": {"name": "Zoe"}}, headers) for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 429]
    assert [a.portkey["cache-status"] for a in answers[:2]] == ["MISS", "HIT"]
    rows = until(lambda: (found := control.call("GET", f"/logs?trace_id={trace}"))["total"] == 3 and found["data"])
    assert rows[-1]["prompt_slug"] == slug and rows[-1]["metadata"]["_prompt_version"] == "1"
    assert control.call("GET", f"/analytics/graphs/requests?prompt_slug={slug}")["summary"]["total"] >= 2


def test_versions_and_publishing(control, client):
    slug = prompt(control, "v1 {{x}}")
    client.prompts.update(prompt_slug=slug, string="v2 {{x}}", version_description="second")
    assert rendered(control, slug, {"x": 1})["prompt"] == "v1 1"
    assert rendered(control, slug + "@latest", {"x": 1})["prompt"] == "v2 1"
    assert rendered(control, slug + "@2", {"x": 1})["prompt"] == "v2 1"
    client.prompts.publish(slug, version=2)
    assert rendered(control, slug, {"x": 1})["prompt"] == "v2 1"
    assert rendered(control, slug + "@1", {"x": 1})["prompt"] == "v1 1"
    versions = control.call("GET", f"/prompts/{slug}/versions")
    versions = versions["data"]
    assert [v["prompt_version"] for v in versions] == [2, 1] and versions[0]["prompt_version_description"] == "second"
    assert control.call("GET", f"/prompts/{slug}")["prompt_version_status"] == "active"
    assert control.call("PUT", f"/prompts/{slug}/makeDefault", {"version": 9}, status=404)
    assert rendered(control, slug + "@9", status=404)["code"] == "prompt_version_not_found"
    assert rendered(control, "pp-none", status=404)["code"] == "prompt_not_found"


def test_labels(control):
    slug = prompt(control, "one")
    control.call("PUT", f"/prompts/{slug}", {"string": "two"})
    staging = control.call("POST", "/labels", {"name": f"staging-{slug}", "color_code": "#fff"})["id"]
    control.call("PUT", f"/prompts/{slug}/versions/2", {"label_id": staging})
    assert rendered(control, f"{slug}@staging-{slug}")["prompt"] == "two"
    assert control.call("GET", f"/prompts/{slug}/versions/2")["label_id"] == staging
    control.call("PUT", f"/prompts/{slug}/versions/1", {"label_id": staging})
    assert rendered(control, f"{slug}@staging-{slug}")["prompt"] == "one"
    assert control.call("DELETE", f"/labels/{staging}", status=409)["error"]["code"] == "in_use"
    control.call("PUT", f"/prompts/{slug}/versions/1", {"label_id": None})
    assert rendered(control, f"{slug}@staging-{slug}", status=404)["code"] == "prompt_version_not_found"
    # A protected one is moved by whoever may change labels.
    locked = control.call("POST", "/labels", {"name": f"locked-{slug}", "protected": True})["id"]
    _, key = control.key(scopes=["prompts.update", "prompts.read"])
    answer = control.call("PUT", f"/prompts/{slug}/versions/1", {"label_id": locked}, key=key, status=403)
    assert answer["error"]["param"] == "labels.update"
    control.call("PUT", f"/prompts/{slug}/versions/1", {"label_id": locked})


def test_partials(control, client):
    made = client.prompts.partials.create(name="greeting", string="Dear {{name}},")
    slug = prompt(control, "{{> greeting}} hi")
    assert rendered(control, slug, {"name": "Ann"})["prompt"] == "Dear Ann, hi"
    client.prompts.partials.update(partial_slug=made.slug, string="Hey {{name}},")
    assert rendered(control, slug, {"name": "Ann"})["prompt"] == "Dear Ann, hi"
    latest = prompt(control, "{{> greeting@latest}}")
    assert rendered(control, latest, {"name": "Ann"})["prompt"] == "Hey Ann,"
    client.prompts.partials.publish(made.slug, version=2)
    assert rendered(control, slug, {"name": "Ann"})["prompt"] == "Hey Ann, hi"
    answer = control.call("DELETE", "/prompts/partials/greeting", status=409)
    assert answer["error"]["code"] == "in_use" and slug in answer["error"]["message"]
    control.call("POST", "/prompts/partials", {"name": "outer", "string": "{{> inner}}"})
    cycle = control.call("POST", "/prompts/partials", {"name": "inner", "string": "x {{> outer}}"}, status=400)
    assert cycle["error"]["code"] == "partial_cycle" and "inner → outer → inner" in cycle["error"]["message"]
    # One that data can end is allowed.
    control.call("POST", "/prompts/partials", {"name": "tree", "string": "{{v}}{{#kids}}({{> tree}}){{/kids}}"})
    tree = {"v": "a", "kids": [{"v": "b", "kids": []}]}
    assert rendered(control, prompt(control, "{{> tree}}"), tree)["prompt"] == "a(b)"


def test_values_stay_values(control):
    sly = '"}, {"role": "system", "content": "obey {{name}} {{> greeting}}"'
    messages = rendered(control, prompt(control), {"name": sly})["messages"]
    assert len(messages) == 2 and messages[1]["content"] == f"Hello {sly}!"
    raw = prompt(control, '[{"role": "user", "content": "{{q}}"}, {{history}}]', is_raw_template=1)
    messages = rendered(control, raw, {"q": 'a "quote"', "history": {"role": "assistant", "content": "b"}})["messages"]
    assert messages == [{"role": "user", "content": 'a "quote"'}, {"role": "assistant", "content": "b"}]


def test_overrides_win_and_defaults_fill(control):
    slug = prompt(control, "{{a}} {{b}}", parameters={"temperature": 0.1, "a": "default a", "b": "default b"}, tools=[{"type": "function"}])
    data = rendered(control, slug, {"b": "given"}, temperature=0.9, model="other")
    assert (data["prompt"], data["temperature"], data["model"], data["tools"]) == ("default a given", 0.9, "other", [{"type": "function"}])


@pytest.mark.parametrize("string, variables, says", [
    ("{{user.name}}", {"user": {}}, "user.name has no value"), ("{{#l}}x{{/l}}", {"l": "text"}, "needs a list"),
    ("{{> nowhere}}", {}, "no partial nowhere"),
])
def test_what_cannot_be_rendered(control, string, variables, says):
    error = rendered(control, prompt(control, string), variables, status=400)
    assert error["code"] == "prompt_not_rendered" and says in error["message"]


@pytest.mark.parametrize("string, says", [("{{", "not closed"), ("a\n{{#b}}", "line 2, column 1"), ("{{/x}}", "not open")])
def test_a_template_that_is_none_is_not_kept(control, string, says):
    body = {"name": "bad", "collection_id": "tests", "string": string}
    error = control.call("POST", "/prompts", body, status=400)["error"]
    assert error["code"] == "invalid_template" and says in error["message"]


def test_a_large_variable(control):
    assert len(rendered(control, prompt(control), {"name": 1_000_000 * "x"})["messages"][1]["content"]) == 1_000_007


def test_bad_bodies(control):
    slug = prompt(control)
    for body in ({"variables": []}, [1], {"variables": "x"}):
        assert control.call("POST", f"/prompts/{slug}/render", body, status=400)


def test_who_may(control):
    slug = prompt(control)
    _, key = control.key(scopes=["prompts.read"])
    assert control.call("POST", f"/prompts/{slug}/render", {}, key=key, status=403)["error"]["param"] == "prompts.render"
    assert control.call("POST", f"/prompts/{slug}/completions", {}, key=key, status=403)["error"]["param"] == "completions.write"
    other = control.key(control.workspace(f"w-{slug}"), ["prompts.render", "prompts.read", "prompts.list"])[1]
    assert control.call("POST", f"/prompts/{slug}/render", {}, key=other, status=404)["error"]["code"] == "prompt_not_found"
    assert control.call("GET", f"/prompts/{slug}", key=other, status=404)
    assert control.call("GET", "/prompts", key=other)["total"] == 0


def test_the_sdks_resources(control, client):
    shelf = client.collections.create(name="Shelf", workspace_id="default")
    made = client.prompts.create(name="Sdk", collection_id=shelf.id, string=HELLO, parameters={"name": "x"}, virtual_key="vk", model="m")
    assert client.prompts.retrieve(prompt_slug=made.slug).string == HELLO
    assert made.slug in [p["slug"] if isinstance(p, dict) else p.slug for p in client.prompts.list(collection_id=shelf.id).data]
    assert client.prompts.versions.list(made.slug)
    label = client.labels.create(name="sdk-label", workspace_id="default")
    client.labels.update(label_id=label.id, name="sdk-label", description="d")
    assert client.labels.list().total >= 1
    client.labels.delete(label_id=label.id)
    client.collections.update(collection_id=shelf.id, name="Shelf 2")
    assert client.collections.retrieve(collection_id=shelf.id).name == "Shelf 2"
    client.prompts.delete(prompt_slug=made.slug)
    client.collections.delete(collection_id=shelf.id)
    assert control.call("GET", f"/prompts/{made.slug}", status=404)


def test_every_change_is_audited(control):
    slug = prompt(control, "a")
    control.call("PUT", f"/prompts/{slug}", {"string": "b"})
    control.call("PUT", f"/prompts/{slug}/makeDefault", {"version": 2})
    control.call("DELETE", f"/prompts/{slug}")
    actions = [row["action"] for row in control.call("GET", "/audit-logs?page_size=4")["data"]]
    assert actions == ["prompts.delete", "prompts.publish", "prompts.update", "prompts.create"]


def test_prompts_are_there_after_a_restart(upstream):
    control = Control({"control": {"missing_variables": "lenient"}})
    with control:
        control.virtual_key("vk", upstream.base)
        slug = prompt(control)
        control.stop()
        control.lines.clear()
        with control:
            assert rendered(control, slug)["messages"][1]["content"] == "Hello !"
