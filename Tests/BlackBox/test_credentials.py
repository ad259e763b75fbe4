"""Credentials that the server holds go to the origin that they were configured for, whatever a request says."""

import pytest

import upstream as u
from client import HELLO, ask, chat, config_header, target
from gateway import Gateway


@pytest.fixture(scope="module")
def thief():
    """Where a client would like to see the credentials."""
    with u.Upstream() as thief:
        yield thief


@pytest.fixture(scope="module")
def gateway(upstream, thief):
    config = {
        "providers": {
            "up": {"provider": "openai", "api_key": "sk-server", "base_url": upstream.base},
            "claude": {"provider": "anthropic", "api_key": "sk-server", "base_url": upstream.base},
            "azure": {"provider": "azure-ai", "api_key": "sk-server", "azure_foundry_url": upstream.base},
        },
        "configs": {
            "named": {"provider": "@up"},
            "own": {"provider": "openai", "api_key": "sk-server", "custom_host": upstream.base},
            "own-azure": {"provider": "azure-ai", "api_key": "sk-server", "azure_foundry_url": upstream.base},
            "tree": {"strategy": {"mode": "fallback"}, "targets": [{"provider": "@up"}]},
        },
        # The thief is a host that clients may name, else nothing would be shown.
        "network": {"allow_hosts": [f"127.0.0.1:{thief.port}", f"127.0.0.1:{upstream.port}"]},
    }
    with Gateway(config) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def nothing_stolen(thief):
    thief.clear()
    yield
    stolen = [request for request in thief.requests if "sk-server" in request.text]
    assert not stolen, stolen[0].text


HOST_HEADERS = [
    "x-portkey-custom-host", "x-portkey-custom_host", "x-portkey-base-url", "x-portkey-base_url", "X-PORTKEY-BASE-URL",
    "x-portkey-azure-foundry-url", "x-portkey-huggingface-base-url", "x-portkey-customHost", "x-portkey-baseurl",
]


@pytest.mark.parametrize("header", HOST_HEADERS)
@pytest.mark.parametrize("source", [{"x-portkey-provider": "@up"}, {"x-portkey-virtual-key": "up"}, {"x-portkey-provider": "@azure"}, {"x-portkey-config": "named"}, {"x-portkey-config": "own"}, {"x-portkey-config": "own-azure"}, {"x-portkey-config": "tree"}, {"x-portkey-config": '{"provider":"@up"}'}], ids=str)
def test_a_header_cannot_move_a_credential(gateway, thief, upstream, header, source):
    answer = chat(gateway, source | {header: thief.base})
    assert not thief.requests
    assert answer.status in (200, 400)


@pytest.mark.parametrize("member", ["custom_host", "customHost", "base_url", "baseUrl", "baseURL", "azure_foundry_url", "huggingface_base_url", "resource_name", "api_base", "url", "host"])
@pytest.mark.parametrize("name", ["up", "azure", "claude"])
def test_a_member_of_a_config_cannot_move_a_credential(gateway, thief, upstream, member, name):
    for config in ({"provider": f"@{name}", member: thief.base}, {"virtual_key": name, member: thief.base}):
        chat(gateway, config_header(config), max_tokens=5)
        chat(gateway, config_header({"strategy": {"mode": "single"}, member: thief.base, "targets": [config]}), max_tokens=5)
    assert not thief.requests


def test_an_inherited_custom_host_cannot_move_a_credential(gateway, thief, upstream):
    config = {"strategy": {"mode": "single"}, "custom_host": thief.base, "targets": [{"provider": "@up"}]}
    assert chat(gateway, config_header(config)).status == 400
    assert not thief.requests and not upstream.requests


def test_a_model_name_cannot_move_a_credential(gateway, thief, upstream):
    chat(gateway, {"x-portkey-provider": "openai", "x-portkey-custom-host": thief.base, "Authorization": "Bearer sk-mine"}, model="@up/m")
    assert not [request for request in thief.requests if "sk-server" in request.text]


def test_override_params_cannot_move_a_credential(gateway, thief, upstream):
    config = target(thief.base, override_params={"model": "@up/m"})
    chat(gateway, config_header(config))


@pytest.mark.parametrize("model", ["../../x", "..%2f..%2fx", "a/../../../b", "http://127.0.0.1/", "m?x=1", "m#x", "m\r\nx: y", "@up/../x"])
def test_a_model_name_cannot_leave_the_path(gateway, upstream, model):
    answer = chat(gateway, {"x-portkey-provider": "@up"}, model=model)
    assert answer.status in (200, 400, 403)
    assert all(request.target == "/v1/chat/completions" for request in upstream.requests)


@pytest.mark.parametrize("path", ["//127.0.0.1:{port}/x", "/@127.0.0.1:{port}/x", "/http://127.0.0.1:{port}/x", "/..//127.0.0.1:{port}/x", "/v1/http:%2f%2f127.0.0.1:{port}/x", "/v1//127.0.0.1:{port}/x", "/v1/@127.0.0.1:{port}/x"])
def test_a_proxied_path_cannot_move_a_credential(gateway, thief, upstream, path):
    ask(gateway, "POST", path.format(port=thief.port), {"a": 1}, {"x-portkey-provider": "@up"})
    assert not thief.requests


def test_a_host_header_cannot_move_a_credential(gateway, thief, upstream):
    headers = {"x-portkey-provider": "@up", "Host": f"127.0.0.1:{thief.port}", "X-Forwarded-Host": f"127.0.0.1:{thief.port}"}
    assert chat(gateway, headers).status == 200
    assert upstream.only.header("host") == f"127.0.0.1:{upstream.port}" and not thief.requests


def test_forwarding_host_does_not_rename_the_upstream(gateway, upstream):
    headers = {"x-portkey-provider": "@up", "x-portkey-forward-headers": "host", "Host": "localhost:1"}
    chat(gateway, headers)
    assert all(request.header("host") == f"127.0.0.1:{upstream.port}" for request in upstream.requests)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(gateway, thief, upstream, status):
    base = upstream.script(u.redirects(thief.base + "/chat/completions", status))
    answer = chat(gateway, config_header(target(base)))
    assert not thief.requests and answer.status != 200
    answer = ask(gateway, "GET", "/v1/files", headers=config_header(target(base)))
    assert not thief.requests


def test_the_clients_own_credential_replaces_the_servers_only_when_listed(gateway, upstream):
    headers = {"x-portkey-provider": "@up", "Authorization": "Bearer sk-mine"}
    ask(gateway, "POST", "/v1/files", {}, headers)
    chat(gateway, headers)
    assert [request.header("authorization") for request in upstream.requests] == ["Bearer sk-server"] * 2
    chat(gateway, headers | {"x-portkey-forward-headers": "Authorization"})
    assert upstream.requests[-1].header("authorization") == "Bearer sk-mine"


def test_a_credential_is_in_no_answer(gateway, upstream):
    answers = [
        chat(gateway, {"x-portkey-provider": "@up"}, model="status-401"),
        chat(gateway, {"x-portkey-config": "own"}, model="html"),
        chat(gateway, {"x-portkey-provider": "@up", "x-portkey-config": "{broken"}),
    ]
    assert all("sk-server" not in answer.text and "sk-server" not in str(answer.headers) for answer in answers)


def test_a_credential_is_in_no_log(gateway, upstream):
    chat(gateway, {"x-portkey-provider": "@up", "x-portkey-trace-id": "logged"}, model="nothing")
    gateway.access_line("logged")
    assert "sk-server" not in "\n".join(gateway.lines)


def test_credentials_of_two_providers_do_not_mix_on_one_connection(gateway, upstream):
    for name in ("up", "claude", "up"):
        chat(gateway, {"x-portkey-provider": f"@{name}"}, max_tokens=5)
    first, second, third = upstream.requests
    assert first.has("authorization") and not first.has("x-api-key")
    assert second.header("x-api-key") == "sk-server" and not second.has("authorization")
    assert third.has("authorization") and not third.has("x-api-key")
