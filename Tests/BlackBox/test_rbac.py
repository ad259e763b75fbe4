"""Who may do what: every role and every route, cell by cell. The table is written here, not read from the gateway."""

import pytest

import upstream as u
from control import OWNER, Control

FIVE = ("create", "read", "list", "update", "delete")
# What each role may do in its workspace.
MEMBER = {
    "workspaces.read", "workspaces.list", "configs.read", "configs.list", "virtual_keys.list", "providers.list", "guardrails.read",
    "guardrails.list", "prompts.read", "prompts.list", "prompts.render", "collections.read", "collections.list", "labels.read", "labels.list", "logs.list", "logs.view", "logs.write", "analytics.view", "feedback.create", "feedback.update", "completions.write"}
MANAGER = MEMBER | {"logs.export", "workspace_users.read", "workspace_users.list"} | {
    f"{resource}.{action}" for action in FIVE for resource in (
        "workspace_service_api_keys", "workspace_user_api_keys", "configs", "virtual_keys", "providers", "guardrails", "policies", "prompts",
        "collections", "labels")} | {"prompts.publish"}
ADMIN = MANAGER | {"workspaces.update"} | {f"workspace_users.{action}" for action in FIVE}
ROLES = {"member": MEMBER, "manager": MANAGER, "admin": ADMIN}
EVERYTHING = ADMIN | {f"{resource}.{action}" for action in FIVE for resource in ("organisation_users", "organisation_service_api_keys", "integrations")} | {
    "workspaces.create", "workspaces.delete", "audit_logs.list"}

# Route, body, the scope that it takes. What is asked for need not be there: who may not ask is refused before that is looked up.
CELLS = [
    ("GET", "/admin/workspaces", None, "workspaces.list"),
    ("POST", "/admin/workspaces", {}, "workspaces.create"),
    ("GET", "/admin/workspaces/team", None, "workspaces.read"),
    ("PUT", "/admin/workspaces/team", {"description": "d"}, "workspaces.update"),
    ("DELETE", "/admin/workspaces/team", None, "workspaces.delete"),
    ("GET", "/admin/workspaces/team/users", None, "workspace_users.list"),
    ("POST", "/admin/workspaces/team/users", {}, "workspace_users.create"),
    ("GET", "/admin/workspaces/team/users/nobody", None, "workspace_users.read"),
    ("PUT", "/admin/workspaces/team/users/nobody", {"role": "admin"}, "workspace_users.update"),
    ("DELETE", "/admin/workspaces/team/users/nobody", None, "workspace_users.delete"),
    ("GET", "/admin/users", None, "organisation_users.list"),
    ("GET", "/admin/users/nobody", None, "organisation_users.read"),
    ("PUT", "/admin/users/nobody", {}, "organisation_users.update"),
    ("DELETE", "/admin/users/nobody", None, "organisation_users.delete"),
    ("POST", "/admin/users/invites", {}, "organisation_users.create"),
    ("GET", "/admin/users/invites", None, "organisation_users.list"),
    ("GET", "/integrations", None, "integrations.list"),
    ("POST", "/integrations", {}, "integrations.create"),
    ("GET", "/integrations/none", None, "integrations.read"),
    ("PUT", "/integrations/none", {}, "integrations.update"),
    ("DELETE", "/integrations/none", None, "integrations.delete"),
    ("GET", "/audit-logs", None, "audit_logs.list"),
    ("POST", "/api-keys/organisation/service", {}, "organisation_service_api_keys.create"),
    ("POST", "/api-keys/workspace/service", {}, "workspace_service_api_keys.create"),
    ("POST", "/api-keys/workspace/user", {}, "workspace_user_api_keys.create"),
    ("GET", "/logs", None, "logs.list"),
    ("GET", "/logs/none", None, "logs.view"),
    ("POST", "/logs", {}, "logs.write"),
    ("GET", "/logs/exports", None, "logs.export"),
    ("POST", "/logs/exports", {"x": 1}, "logs.export"),
    ("GET", "/analytics/graphs/cost", None, "analytics.view"),
    ("GET", "/analytics/groups/users", None, "analytics.view"),
    ("GET", "/analytics/summary/cache", None, "analytics.view"),
    ("POST", "/feedback", {}, "feedback.create"),
    ("PUT", "/feedback/none", {}, "feedback.update"),
    ("PUT", "/prompts/none/makeDefault", {"version": 1}, "prompts.publish"),
    ("GET", "/prompts/none/versions", None, "prompts.read"),
    ("POST", "/prompts/none/render", {}, "prompts.render"),
    ("POST", "/prompts/none/completions", {}, "completions.write"),
    ("PUT", "/prompts/partials/none/makeDefault", {"version": 1}, "prompts.publish"),
]
for path, resource in (
    ("/configs", "configs"), ("/virtual-keys", "virtual_keys"), ("/providers", "providers"), ("/guardrails", "guardrails"),
    ("/policies/usage-limits", "policies"), ("/policies/rate-limits", "policies"), ("/prompts", "prompts"), ("/prompts/partials", "prompts"),
    ("/collections", "collections"), ("/labels", "labels"),
):
    CELLS += [
        ("GET", path, None, f"{resource}.list"), ("POST", path, {}, f"{resource}.create"), ("GET", f"{path}/none", None, f"{resource}.read"),
        ("PUT", f"{path}/none", {}, f"{resource}.update"), ("DELETE", f"{path}/none", None, f"{resource}.delete")]


@pytest.fixture(scope="module")
def control():
    with Control() as control:
        control.workspace("team")
        yield control


@pytest.fixture(scope="module")
def people(control):
    """Role to a key of a user who has it, with all scopes that a workspace's key can carry."""
    keys = {}
    for role in ROLES:
        invite = control.call("POST", "/admin/users/invites", {"email": f"{role}@example.com", "role": "member", "workspaces": [{"id": "team", "role": role}]})
        user = control.call("POST", "/" + invite["invite_link"].split("/v1/")[1])["id"]
        body = {"name": role, "workspace_id": "team", "user_id": user, "scopes": sorted(ADMIN)}
        keys[role] = (user, control.call("POST", "/api-keys/workspace/user", body)["key"])
    return keys


def expect(control, method, path, body, key, allowed):
    answer = control.call(method, path, body, key=key, status=None)
    if allowed:
        assert answer.status != 403, f"{method} {path}: {answer.text}"
    else:
        assert answer.status == 403 and answer.json["error"]["code"] == "permission_denied", f"{method} {path}: {answer.status} {answer.text}"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method, path, body, scope", CELLS)
def test_a_role(control, people, role, method, path, body, scope):
    allowed = scope in ROLES[role]
    # What a role may, tried for real, would change what the next cell finds.
    expect(control, method, path, body, people[role][1], allowed)


@pytest.mark.parametrize("scope", sorted(EVERYTHING - {"completions.write"}))
def test_one_scope_opens_its_routes_and_no_other(control, scope):
    key = control.call("POST", "/api-keys/organisation/service", {"name": "one", "scopes": [scope]})["key"]
    for method, path, body, needed in CELLS:
        if method == "DELETE" and path == "/admin/workspaces/team":
            continue
        expect(control, method, path, body, key, needed == scope)


def test_a_workspaces_key_never_reaches_the_organisation(control):
    key = control.key("team", sorted(EVERYTHING))[1]
    for method, path, body, scope in CELLS:
        if scope not in ADMIN:
            expect(control, method, path, body, key, False)


def test_a_changed_role_counts_at_once(control, people):
    user, key = people["member"]
    expect(control, "PUT", "/configs/none", {}, key, False)
    control.call("PUT", f"/admin/workspaces/team/users/{user}", {"role": "manager"})
    expect(control, "PUT", "/configs/none", {}, key, True)
    control.call("PUT", f"/admin/workspaces/team/users/{user}", {"role": "member"})
    expect(control, "PUT", "/configs/none", {}, key, False)


def test_who_leaves_the_workspace_leaves_with_the_keys(control):
    invite = control.call("POST", "/admin/users/invites", {"email": "gone@example.com", "role": "member", "workspaces": [{"id": "team", "role": "admin"}]})
    user = control.call("POST", "/" + invite["invite_link"].split("/v1/")[1])["id"]
    key = control.call("POST", "/api-keys/workspace/user", {"name": "k", "workspace_id": "team", "user_id": user, "scopes": ["configs.list"]})["key"]
    assert control.raw_call("GET", "/configs", key=key).status == 200
    control.call("DELETE", f"/admin/workspaces/team/users/{user}")
    assert control.raw_call("GET", "/configs", key=key).status == 401


def test_nobody_gives_what_they_do_not_have(control):
    key = control.key("team", ["workspace_service_api_keys.create", "workspace_service_api_keys.update", "workspace_service_api_keys.read"])[1]
    body = {"name": "more", "scopes": ["virtual_keys.create"]}
    assert control.call("POST", "/api-keys/workspace/service", body, key=key, status=403)["error"]["code"] == "scope_not_grantable"
    weak = control.key("team", ["completions.write"])[0]
    assert control.call("PUT", f"/api-keys/{weak}", {"scopes": ["configs.create"]}, key=key, status=403)["error"]["code"] == "scope_not_grantable"


def test_a_key_for_the_api_sends_no_requests(control, upstream):
    control.virtual_key("v", upstream.base, "team")
    key = control.key("team", ["configs.list"])[1]
    answer = control.chat(key, {"x-portkey-virtual-key": "v"})
    assert (answer.status, answer.error["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("role, allowed", [("member", MEMBER), ("manager", MANAGER), ("admin", ADMIN), ("owner", EVERYTHING)])
def test_keys_of_the_file_have_a_role(role, allowed):
    with Control({"keys": [{"name": "filed", "key": "key-of-the-file-0001", "workspace": "default", "role": role}]}) as control:
        for method, path, body, scope in CELLS:
            if "team" not in path:
                expect(control, method, path, body, "key-of-the-file-0001", scope in allowed)


def test_the_last_owner_stays(control):
    invite = control.call("POST", "/admin/users/invites", {"email": "owner@example.com", "role": "owner"})
    user = control.call("POST", "/" + invite["invite_link"].split("/v1/")[1])["id"]
    for method, body in (("PUT", {"role": "member"}), ("DELETE", None)):
        assert control.call(method, f"/admin/users/{user}", body, status=409)["error"]["code"] == "last_owner"
