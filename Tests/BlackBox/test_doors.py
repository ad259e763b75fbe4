"""Each door of allow_inline, closed: for all and for one key; what is named in the file stays open."""

import pytest

import upstream as u
from client import ask, chat, config_header, target
from gateway import Gateway

OPEN, SHUT = "gh-open-0123456789", "gh-shut-0123456789"


@pytest.fixture(scope="module")
def gateway(upstream):
    shut = {"config": False, "provider": False, "custom_host": False, "forward_headers": False, "plugins": ["wordlist.*", "default.contains"]}
    doors = {name: {"name": name, "key": f"gh-{name}-0123456789", "allow_inline": {name: False}} for name in ("config", "provider", "custom_host", "forward_headers")}
    config = {
        "keys": [
            {"name": "open", "key": OPEN}, {"name": "shut", "key": SHUT, "allow_inline": shut},
            {"name": "plugins", "key": "gh-plugins-0123456789", "allow_inline": {"plugins": ["wordlist.*", "default.contains"]}},
            *doors.values(),
        ],
        "providers": {"up": {"provider": "openai", "api_key": "sk-server", "base_url": upstream.base}},
        "configs": {"named": {"provider": "@up", "forward_headers": ["x-from-file"]}},
        "guardrails": {"saved": {"regexMatch": {"rule": "x"}}},
        "network": {"allow_hosts": [f"127.0.0.1:{upstream.port}"]},
    }
    with Gateway(config) as gateway:
        yield gateway


def key(name):
    return {"x-portkey-api-key": f"gh-{name}-0123456789"}


def test_all_doors_are_open_by_default(gateway, upstream):
    headers = config_header(target(upstream.base, forward_headers=["x-mine"], input_guardrails=[{"wordCount": {"minWords": 0, "maxWords": 9}}]))
    assert chat(gateway, key("open") | headers | {"x-mine": "1"}).status == 200


@pytest.mark.parametrize("name", ["config", "shut"])
def test_the_door_for_configs(gateway, upstream, name):
    answer = chat(gateway, key(name) | config_header({"provider": "@up", "retry": {"attempts": 1}}))
    assert answer.status == 400 and answer.error["code"] == "inline_config_blocked"
    assert not upstream.requests


@pytest.mark.parametrize("text", ["{}", "\t{}", '[{"provider":"@up"}]', '"named"', "null", "\ufeff{}"])
def test_the_door_for_configs_is_no_matter_of_spelling(gateway, upstream, text):
    answer = chat(gateway, key("config") | {"x-portkey-config": text})
    assert answer.status == 400
    assert not upstream.requests


@pytest.mark.parametrize("name", ["provider", "shut"])
def test_the_door_for_providers(gateway, upstream, name):
    answer = chat(gateway, key(name) | {"x-portkey-provider": "openai", "Authorization": "Bearer sk-mine"})
    assert answer.status == 400 and answer.error["code"] == "inline_provider_blocked"
    assert not upstream.requests


def test_the_door_for_providers_in_a_config(gateway, upstream):
    answer = chat(gateway, key("provider") | config_header(target(upstream.base)))
    assert answer.status == 400 and answer.error["code"] == "inline_provider_blocked"
    assert not upstream.requests


def test_the_door_for_providers_in_a_model(gateway, upstream):
    answer = chat(gateway, key("provider"), model="openai/gpt-x")
    assert answer.status == 400
    assert not upstream.requests


@pytest.mark.parametrize("name", ["custom_host", "shut"])
def test_the_door_for_custom_hosts(gateway, upstream, name):
    headers = {"x-portkey-provider": "openai", "Authorization": "Bearer sk-mine", "x-portkey-custom-host": upstream.base}
    answer = chat(gateway, key(name) | headers)
    assert answer.status == 400 and answer.error["code"] in ("inline_custom_host_blocked", "inline_provider_blocked")
    assert not upstream.requests


def test_the_door_for_custom_hosts_in_a_config(gateway, upstream):
    nested = {"strategy": {"mode": "single"}, "targets": [target(upstream.base)]}
    for config in (target(upstream.base), nested):
        answer = chat(gateway, key("custom_host") | config_header(config))
        assert answer.status == 400 and answer.error["code"] == "inline_custom_host_blocked"
    assert not upstream.requests


# Whatever an adapter makes a host of is a custom host by another name.
@pytest.mark.parametrize(
    "options",
    [
        {"provider": "openai", "base_url": "URL"},
        {"provider": "azure-ai", "azure_foundry_url": "URL"},
        {"provider": "huggingface", "huggingface_base_url": "URL"},
    ])
def test_the_door_for_custom_hosts_by_other_names(gateway, upstream, options):
    options = {name: upstream.base if value == "URL" else value for name, value in options.items()}
    chat(gateway, key("custom_host") | config_header(options | {"api_key": "sk-mine"}))
    headers = {f"x-portkey-{name.replace('_', '-')}": value for name, value in options.items()}
    chat(gateway, key("custom_host") | headers | {"Authorization": "Bearer sk-mine"})
    assert not upstream.requests


@pytest.mark.parametrize("name", ["forward_headers", "shut"])
def test_the_door_for_forward_headers(gateway, upstream, name):
    answer = chat(gateway, key(name) | {"x-portkey-provider": "@up", "x-portkey-forward-headers": "x-mine", "x-mine": "1"})
    assert answer.status == 400 and answer.error["code"] == "inline_forward_headers_blocked"
    assert not upstream.requests


def test_the_door_for_forward_headers_in_a_config(gateway, upstream):
    answer = chat(gateway, key("forward_headers") | config_header({"provider": "@up", "forward_headers": ["x-mine"]}) | {"x-mine": "1"})
    assert answer.status == 400 and answer.error["code"] == "inline_forward_headers_blocked"
    assert not upstream.requests


@pytest.mark.parametrize("check, allowed", [("wordlist.block", True), ("default.contains", True), ("contains", True), ("default.regexMatch", False), ("regexMatch", False)])
def test_the_door_for_plugins(gateway, upstream, check, allowed):
    parameters = {"rule": "x"} if "regex" in check else {"words": ["zebra"]} | ({"operator": "none"} if "contains" in check else {})
    answer = chat(gateway, key("plugins") | config_header({"provider": "@up", "input_guardrails": [{check: parameters}]}))
    assert answer.status == (200 if allowed else 400)
    if not allowed:
        assert answer.error["code"] == "inline_plugin_blocked" and not upstream.requests


def test_the_door_for_plugins_in_the_long_form(gateway, upstream):
    hook = {"type": "guardrail", "id": "h", "checks": [{"id": "default.regexMatch", "parameters": {"rule": "x"}}]}
    assert chat(gateway, key("plugins") | config_header({"provider": "@up", "before_request_hooks": [hook]})).status == 400


def test_the_door_for_plugins_in_a_header(gateway, upstream):
    headers = {"x-portkey-provider": "@up", "x-portkey-default-input-guardrails": '[{"regexMatch":{"rule":"x"}}]'}
    assert chat(gateway, key("plugins") | headers).status == 400


def test_a_saved_guardrail_needs_no_open_door(gateway, upstream):
    answer = chat(gateway, key("plugins") | config_header({"provider": "@up", "input_guardrails": ["saved"]}))
    assert answer.status in (200, 246)


def test_what_the_file_names_stays_open(gateway, upstream):
    assert chat(gateway, key("shut") | {"x-portkey-config": "named", "x-from-file": "1"}).status == 200
    assert upstream.only.header("x-from-file") == "1"
    assert chat(gateway, key("shut") | {"x-portkey-provider": "@up"}).status == 200
    assert chat(gateway, key("shut"), model="@up/m").status == 200


def test_a_door_holds_on_the_proxy(gateway, upstream):
    headers = {"x-portkey-provider": "openai", "Authorization": "Bearer sk-mine", "x-portkey-custom-host": upstream.base}
    assert ask(gateway, "GET", "/v1/files", headers=key("shut") | headers).status == 400
    assert not upstream.requests


def test_doors_of_the_file_hold_for_all(upstream):
    config = {
        "allow_inline": {"config": False, "provider": False, "custom_host": False, "forward_headers": False, "plugins": []},
        "providers": {"up": {"provider": "openai", "api_key": "sk-server", "base_url": upstream.base}},
    }
    with Gateway(config) as gateway:
        assert chat(gateway, config_header({"provider": "@up"})).error["code"] == "inline_config_blocked"
        assert chat(gateway, {"x-portkey-provider": "openai", "Authorization": "x"}).error["code"] == "inline_provider_blocked"
        assert chat(gateway, {"x-portkey-provider": "@up"}).status == 200
