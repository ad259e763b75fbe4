"""The control plane: keys, stored credentials, configs, guardrails, and what they do to running traffic."""

import json
import os
import sqlite3
import stat

import pytest

import upstream as u
from client import ask, config_header
from control import OWNER, Control
from gateway import until


@pytest.fixture(scope="module")
def control(upstream):
    with Control() as control:
        control.virtual_key("works", upstream.base)
        yield control


# MARK: Keys

def test_without_a_key_nothing_is_open(control):
    for key in ("", "nobody", "ghk-0123456789abcdef-" + 64 * "0"):
        assert control.raw_call("GET", "/configs", key=key).status == 401
        assert control.chat(key).status == 401


def test_the_owner_key_opens_the_api_and_is_not_stored(control):
    assert control.call("GET", "/admin/workspaces")["data"][0]["slug"] == "default"
    for file in control.path.iterdir():
        if file.is_file() and file.name != "gatehouse.json":
            assert OWNER.encode() not in file.read_bytes()


def test_a_key_works_at_once_and_not_after_it_was_deleted(control, upstream):
    id, key = control.key()
    assert control.chat(key, {"x-portkey-virtual-key": "works"}).status == 200
    assert upstream.requests[-1].header("authorization") == "Bearer sk-works"
    shown = control.call("GET", f"/api-keys/{id}")
    assert key not in json.dumps(shown) and shown["object"] == "api-key" and shown["type"] == "workspace-service"
    control.call("DELETE", f"/api-keys/{id}")
    assert control.chat(key, {"x-portkey-virtual-key": "works"}).status == 401


@pytest.mark.parametrize("header", ["x-portkey-api-key", "authorization", "x-api-key", "x-goog-api-key"])
def test_where_a_key_may_stand(control, upstream, header):
    _, key = control.key()
    value = f"Bearer {key}" if header == "authorization" else key
    answer = ask(
        control, "POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
        {header: value, "x-portkey-virtual-key": "works"})
    assert answer.status == 200
    assert key not in upstream.requests[-1].text and not any(key in value for _, value in upstream.requests[-1].headers)


def test_a_rotated_key_opens_until_its_grace_is_over(control):
    id, old = control.key()
    made = control.call("POST", f"/api-keys/{id}/rotate", {"key_transition_period_ms": 1_800_000})
    new = made["key"]
    assert new != old and made["key_transition_expires_at"]
    for key in (old, new):
        assert control.chat(key, {"x-portkey-virtual-key": "works"}).status == 200
    assert control.call("POST", f"/api-keys/{id}/rotate", {"key_transition_period_ms": 5}, status=400)["error"]["code"] == "invalid_fields"


def test_an_expired_key_opens_nothing(control):
    _, key = control.key(expires_at="2020-01-01T00:00:00Z")
    assert control.chat(key, {"x-portkey-virtual-key": "works"}).status == 401


def test_guessing_is_slowed_down():
    with Control() as control:
        statuses = [control.chat(f"guess-{n}").status for n in range(80)]
        assert statuses[:60] == [401] * 60 and statuses[-1] == 429
        assert control.raw_call("GET", "/configs").status == 200


def test_the_files_doors_hold_for_stored_keys(upstream):
    with Control({"allow_inline": {"config": False, "provider": False}}) as control:
        control.virtual_key("works", upstream.base)
        control.call("POST", "/configs", {"name": "c", "slug": "pc-c", "config": {"virtual_key": "works"}})
        _, key = control.key()
        assert control.chat(key, config_header({"virtual_key": "works"})).error["code"] == "inline_config_blocked"
        assert control.chat(key, {"x-portkey-provider": "openai", "authorization": "Bearer sk"}).error["code"] == "inline_provider_blocked"
        assert control.chat(key, {"x-portkey-config": "pc-c"}).status == 200


def test_a_team_does_not_raise_its_own_limits(control):
    place = control.workspace("bounded", usage_limits={"credit_limit": 1})
    _, key = control.key(place, ["workspaces.update", "workspaces.read"])
    control.call("PUT", f"/admin/workspaces/{place}", {"description": "ours"}, key=key)
    for body in ({"usage_limits": {"credit_limit": 100}}, {"rate_limits": []}, {"reset_usage": True}):
        assert control.call("PUT", f"/admin/workspaces/{place}", body, key=key, status=403)["error"]["code"] == "permission_denied"
    control.call("PUT", f"/admin/workspaces/{place}", {"usage_limits": {"credit_limit": 100}})


# MARK: Virtual keys

def test_a_credential_never_comes_out(control, upstream):
    secret = "sk-very-secret-credential-0001"
    slug = control.virtual_key("silent", upstream.base, key=secret)
    answers = [control.raw_call("GET", path).text for path in ("/virtual-keys", f"/virtual-keys/{slug}", "/audit-logs")]
    answers.append(control.raw_call("PUT", f"/virtual-keys/{slug}", {"note": "n"}).text)
    assert not any(secret in text for text in answers)
    until(lambda: control.store.exists())
    for file in control.path.glob("gatehouse.db*"):
        assert secret.encode() not in file.read_bytes()
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert not any(secret in line for line in control.lines)


def test_a_rotated_credential_is_used_at_once(control, upstream):
    slug = control.virtual_key("rotated", upstream.base)
    _, key = control.key()
    control.call("PUT", f"/virtual-keys/{slug}", {"key": "sk-second"})
    assert control.chat(key, {"x-portkey-virtual-key": slug}).status == 200
    assert upstream.requests[-1].header("authorization") == "Bearer sk-second"


@pytest.mark.parametrize("way", ["virtual-key", "provider", "model", "config"])
def test_ways_to_name_a_virtual_key(control, upstream, way):
    _, key = control.key()
    headers, body = {}, {}
    match way:
        case "virtual-key": headers = {"x-portkey-virtual-key": "works"}
        case "provider": headers = {"x-portkey-provider": "@works"}
        case "model": body = {"model": "@works/gpt-x"}
        case "config": headers = config_header({"virtual_key": "works", "override_params": {"model": "gpt-x"}})
    answer = control.chat(key, headers, **body)
    assert answer.status == 200 and upstream.requests[-1].header("authorization") == "Bearer sk-works"
    assert way not in ("model", "config") or upstream.requests[-1].json["model"] == "gpt-x"


def test_a_disabled_key_and_one_that_has_expired(control, upstream):
    _, key = control.key()
    off = control.virtual_key("off", upstream.base)
    control.call("PUT", f"/virtual-keys/{off}", {"status": "disabled"})
    answer = control.chat(key, {"x-portkey-virtual-key": off})
    assert (answer.status, answer.error["code"]) == (403, "virtual_key_disabled")
    old = control.virtual_key("old", upstream.base, expires_at="2020-01-01T00:00:00Z")
    answer = control.chat(key, {"x-portkey-virtual-key": old})
    assert (answer.status, answer.error["code"]) == (403, "virtual_key_expired")


def test_allowed_models(control, upstream):
    _, key = control.key()
    slug = control.virtual_key("few", upstream.base, allowed_models=["small"])
    assert control.chat(key, {"x-portkey-virtual-key": slug}, model="small").status == 200
    assert control.chat(key, {"x-portkey-virtual-key": slug}, model="large").status == 403


def test_an_address_must_pass_the_address_rules(control):
    _, key = control.key()
    slug = control.virtual_key("inside", "http://169.254.169.254/v1")
    assert control.chat(key, {"x-portkey-virtual-key": slug}).status == 400


def test_a_credential_stays_with_its_host(control, upstream):
    slug = control.virtual_key("hosted", upstream.base)
    answer = control.call("PUT", f"/virtual-keys/{slug}", {"custom_host": "https://evil.example/v1"}, status=400)
    assert "send the key again" in answer["error"]["message"]


def test_options_of_the_provider_reach_its_adapter(control, upstream):
    _, key = control.key()
    body = {"name": "az", "slug": "az", "provider": "azure-ai", "key": "azure-secret", "azure_foundry_url": upstream.base, "azure_api_version": "2024-06-01"}
    control.call("POST", "/virtual-keys", body)
    assert control.call("GET", "/virtual-keys/az")["model_config"] == {"azure_foundry_url": upstream.base, "azure_api_version": "2024-06-01"}
    assert control.chat(key, {"x-portkey-virtual-key": "az"}).status == 200
    assert "api-version=2024-06-01" in upstream.requests[-1].target
    moved = control.call("PUT", "/virtual-keys/az", {"azure_foundry_url": "https://evil.example"}, status=400)
    assert "send the key again" in moved["error"]["message"]
    two = body | {"slug": "az2", "deploymentConfig": [{"deploymentName": "a"}, {"deploymentName": "b"}]}
    assert "one deployment" in control.call("POST", "/virtual-keys", two, status=400)["error"]["message"]


def test_secret_options_are_kept_like_the_key(control):
    body = {"name": "aws", "slug": "aws", "provider": "openai", "aws_secret_access_key": "aws-secret-0001", "aws_region": "eu"}
    control.call("POST", "/virtual-keys", body)
    assert control.call("GET", "/virtual-keys/aws")["model_config"] == {"aws_region": "eu"}
    assert not any(b"aws-secret-0001" in file.read_bytes() for file in control.path.glob("gatehouse.db*"))


def test_what_is_in_use_is_not_deleted(control, upstream):
    control.virtual_key("used", upstream.base)
    control.call("POST", "/configs", {"name": "user", "slug": "pc-user", "config": {"virtual_key": "used"}})
    answer = control.call("DELETE", "/virtual-keys/used", status=409)
    assert answer["error"]["code"] == "in_use" and "pc-user" in answer["error"]["message"]
    control.call("DELETE", "/configs/pc-user")
    control.call("DELETE", "/virtual-keys/used")


# MARK: Configs and guardrails

def test_a_config_with_its_versions(control, upstream):
    _, key = control.key()
    made = control.call("POST", "/configs", {"name": "Main", "slug": "pc-main", "config": {"virtual_key": "works"}})
    assert made["success"] and made["data"]["slug"] == made["slug"] == "pc-main"
    assert control.chat(key, {"x-portkey-config": "pc-main"}).status == 200
    changed = control.call("PUT", "/configs/pc-main", {"config": {"virtual_key": "works", "override_params": {"user": "u2"}}})
    assert changed["version_id"] != made["version_id"]
    assert control.chat(key, {"x-portkey-config": "pc-main"}).status == 200
    assert upstream.requests[-1].json["user"] == "u2"
    shown = control.call("GET", "/configs/pc-main")
    assert shown["config"]["override_params"] == {"user": "u2"} and shown["version_id"] == changed["version_id"]
    versions = control.call("GET", "/configs/pc-main/versions")
    assert versions["total"] == 2 and json.loads(versions["data"][1]["config"]) == {"virtual_key": "works"}


@pytest.mark.parametrize("config, says", [
    ({"strategy": {"mode": "roulette"}, "targets": [{"virtual_key": "works"}]}, "strategy"),
    ({"virtual_key": "nowhere"}, "nowhere"),
    ({"virtual_key": "works", "input_guardrails": [{"default.nothing": {}}]}, "default.nothing"),
    ("no json", "config"),
    ({"targets": [{"virtual_key": "works", "prompt_id": "pp-x"}], "strategy": {"mode": "single"}}, "prompt_id"),
])
def test_a_config_that_cannot_work_is_not_kept(control, config, says):
    before = control.call("GET", "/configs")["total"]
    answer = control.call("POST", "/configs", {"name": "bad", "config": config}, status=400)
    assert says in json.dumps(answer)
    assert control.call("GET", "/configs")["total"] == before


def test_the_workspaces_default_config(control, upstream):
    place = control.workspace("with-default")
    control.virtual_key("d", upstream.base, place)
    control.call("POST", "/configs", {"name": "d", "slug": "pc-d", "workspace_id": place, "is_default": 1, "config": {"virtual_key": "d"}})
    _, key = control.key(place)
    assert control.chat(key).status == 200 and upstream.requests[-1].header("authorization") == "Bearer sk-d"


def test_a_keys_config_can_be_fixed(control, upstream):
    control.call("POST", "/configs", {"name": "f", "slug": "pc-fixed", "config": {"virtual_key": "works"}})
    _, key = control.key(defaults={"config_id": "pc-fixed", "allow_config_override": False, "metadata": {"team": "a"}})
    assert control.chat(key).status == 200
    answer = control.chat(key, {"x-portkey-config": "pc-fixed"})
    assert (answer.status, answer.error["code"]) == (400, "config_override_not_allowed")
    assert control.call("DELETE", "/configs/pc-fixed", status=409)["error"]["code"] == "in_use"


def test_a_guardrail_in_a_config(control, upstream):
    _, key = control.key()
    checks = [{"id": "default.contains", "parameters": {"operator": "none", "words": ["forbidden"]}}]
    made = control.call("POST", "/guardrails", {"name": "No", "slug": "pg-no", "checks": checks, "actions": {"deny": True}})
    assert made["version_id"]
    for name in ("pg-no", made["id"]):
        config = config_header({"virtual_key": "works", "input_guardrails": [name]})
        assert control.chat(key, config).status == 200
        assert control.chat(key, config, messages=[{"role": "user", "content": "forbidden"}]).status == 446
    control.call("PUT", "/guardrails/pg-no", {"checks": [checks[0] | {"parameters": {"operator": "none", "words": ["other"]}}]})
    assert control.chat(key, config, messages=[{"role": "user", "content": "forbidden"}]).status == 200
    answer = control.call("POST", "/guardrails", {"name": "x", "checks": [{"id": "default.contains", "parameters": {"operator": 3}}]}, status=400)
    assert "operator" in json.dumps(answer)


def test_what_the_file_owns_is_the_files(upstream):
    file = {
        "providers": {"filed": {"provider": "openai", "api_key": "sk-file", "base_url": upstream.base}},
        "configs": {"from-file": {"virtual_key": "filed"}},
    }
    with Control(file) as control:
        _, key = control.key()
        assert control.chat(key, {"x-portkey-config": "from-file"}).status == 200
        item = control.call("GET", "/configs")["data"][0]
        assert (item["slug"], item["source"], item["read_only"]) == ("from-file", "file", True)
        for method, path, body in (
            ("PUT", "/configs/from-file", {"name": "x"}), ("DELETE", "/configs/from-file", None), ("DELETE", "/virtual-keys/filed", None),
        ):
            assert control.call(method, path, body, status=409)["error"]["code"] == "file_owned"
        body = {"name": "x", "slug": "from-file", "config": {"virtual_key": "filed"}}
        assert control.call("POST", "/configs", body, status=409)["error"]["code"] == "already_exists"


# MARK: Integrations and providers

def test_an_integration_serves_workspaces_that_it_is_open_to(control, upstream):
    place = control.workspace("guest")
    control.call("POST", "/integrations", {
        "name": "Shared", "slug": "shared", "ai_provider_id": "openai", "key": "sk-shared", "configurations": {"custom_host": upstream.base}})
    control.call("POST", "/providers", {"name": "P", "slug": "p", "integration_id": "shared", "workspace_id": place})
    _, key = control.key(place)
    assert control.chat(key, {"x-portkey-provider": "@p"}).status == 200
    assert upstream.requests[-1].header("authorization") == "Bearer sk-shared"
    assert "sk-shared" not in control.raw_call("GET", "/integrations/shared").text
    control.call("PUT", "/integrations/shared/workspaces", {"workspaces": [{"id": place, "enabled": False}]})
    assert control.chat(key, {"x-portkey-provider": "@p"}).status == 400
    control.call("PUT", "/integrations/shared/workspaces", {"workspaces": [{"id": place, "enabled": True}]})
    control.call("PUT", "/integrations/shared/models", {"allow_all_models": False, "models": [{"slug": "only", "enabled": True}]})
    assert control.chat(key, {"x-portkey-provider": "@p"}, model="only").status == 200
    assert control.chat(key, {"x-portkey-provider": "@p"}, model="other").status == 403
    assert control.call("DELETE", "/integrations/shared", status=409)["error"]["code"] == "in_use"


# MARK: Workspaces

def test_a_deleted_workspaces_name_stays_taken(control):
    place = control.workspace("once")
    control.key(place)
    assert control.call("DELETE", f"/admin/workspaces/{place}", status=409)["error"]["code"] == "in_use"
    for key in control.call("GET", f"/api-keys?workspace_id={place}")["data"]:
        control.call("DELETE", f"/api-keys/{key['id']}")
    control.call("DELETE", f"/admin/workspaces/{place}")
    # The log still has rows of the old one, which are nobody else's business.
    answer = control.call("POST", "/admin/workspaces", {"name": "again", "slug": "once"}, status=409)
    assert answer["error"]["code"] == "slug_was_used"


# MARK: The audit log

def test_changes_are_in_the_audit_log(control, upstream):
    control.virtual_key("audited", upstream.base)
    control.call("DELETE", "/virtual-keys/audited")
    rows = control.call("GET", "/audit-logs?page_size=2")["data"]
    assert [(row["action"], row["resource"]) for row in rows] == [
        ("virtual_keys.delete", "virtual-key/audited"), ("virtual_keys.create", "virtual-key/audited")]
    assert rows[0]["sequence"] == rows[1]["sequence"] + 1 and rows[0]["user_name"] == "owner"


# MARK: Bad input

@pytest.mark.parametrize("method, path, body, status, code", [
    ("POST", "/configs", "not json", 400, "invalid_body"),
    ("POST", "/configs", [], 400, "invalid_body"),
    ("POST", "/configs", {}, 400, "invalid_fields"),
    ("POST", "/configs", {"name": 5, "config": {}}, 400, "invalid_fields"),
    ("POST", "/configs", {"name": "n", "config": {}, "colour": "red"}, 400, "invalid_fields"),
    ("POST", "/virtual-keys", {"name": "n", "provider": "nobody", "key": "k"}, 400, "invalid_fields"),
    ("POST", "/virtual-keys", {"name": "n", "provider": "openai", "key": "a\nb"}, 400, "invalid_fields"),
    ("POST", "/virtual-keys", {"name": "n", "provider": "openai", "usage_limits": {"credit_limit": -1}}, 400, "invalid_fields"),
    ("POST", "/virtual-keys", {"name": "n", "provider": "openai", "usage_limits": {"credit_limit": -99999999999}}, 400, "invalid_fields"),
    ("POST", "/virtual-keys", {"name": "n", "provider": "openai", "usage_limits": {"credit_limit": 1, "alert_threshold": -99999999999}}, 400, "invalid_fields"),
    ("POST", "/virtual-keys", {"name": "n", "provider": "openai", "usage_limits": {"credit_limit": 1e300}}, 400, "invalid_fields"),
    ("POST", "/virtual-keys", {"name": "n", "provider": "openai", "rate_limits": [{"unit": "rpy", "value": 1}]}, 400, "invalid_fields"),
    ("POST", "/virtual-keys", {"name": "n", "provider": "openai", "slug": "a b"}, 400, "invalid_fields"),
    ("POST", "/virtual-keys", {"name": "n", "provider": "openai", "workspace_id": "nowhere"}, 404, "not_found"),
    ("POST", "/api-keys/workspace/service", {"name": "n", "scopes": ["everything"]}, 400, "invalid_fields"),
    ("POST", "/api-keys/planet/service", {"name": "n"}, 400, "invalid_fields"),
    ("POST", "/api-keys/workspace/service", {"name": "n", "defaults": {"metadata": {"k": 129 * "x"}}}, 400, "invalid_fields"),
    ("POST", "/admin/workspaces", {"name": "x", "slug": "default"}, 409, "already_exists"),
    ("DELETE", "/admin/workspaces/default", None, 409, "default_workspace"),
    ("POST", "/policies/usage-limits", {"credit_limit": 0}, 400, "invalid_fields"),
    ("POST", "/policies/rate-limits", {"type": "requests", "unit": "rpm", "value": -3}, 400, "invalid_fields"),
    ("GET", "/configs?page_size=100000", None, 400, "invalid_parameter"),
    ("GET", "/configs/nothing", None, 404, "not_found"),
    ("GET", "/virtual-keys/'; DROP TABLE objects; --".replace(" ", "%20"), None, 404, "not_found"),
    ("PATCH", "/configs", {}, 404, "not_found"),
    ("GET", "/mcp-servers", None, 501, "not_implemented"),
])
def test_bad_input(control, method, path, body, status, code):
    answer = control.call(method, path, body, status=status)
    assert answer["error"]["code"] == code and answer["error"]["message"]


def test_two_of_one_slug(control, upstream):
    control.virtual_key("twin", upstream.base)
    body = {"name": "t", "slug": "twin", "provider": "openai", "key": "k"}
    assert control.call("POST", "/virtual-keys", body, status=409)["error"]["code"] == "already_exists"
