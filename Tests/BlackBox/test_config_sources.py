"""Where a request's options come from, which of them wins (spec §2.2), what targets inherit (§4.2), and how a bad config is
refused (§4.1, §7.2)."""

import json

import pytest

import upstream as u
from client import HELLO, ask, chat, config_header, target
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "providers": {
            "up": {"provider": "openai", "api_key": "sk-server", "base_url": upstream.base},
            "other": {"provider": "openai", "api_key": "sk-other", "base_url": upstream.base},
            "listed": {"provider": "openai", "api_key": "sk-listed", "base_url": upstream.base, "models": ["gpt-a", "gpt-b"]},
            "modelled": {"provider": "openai", "api_key": "sk-m", "base_url": upstream.base, "model": "house-model"},
        },
        "configs": {
            "plain": {"provider": "@up"},
            "shaped": {"provider": "@up", "override_params": {"temperature": 0.5}},
            "features": {"override_params": {"user": "features"}, "retry": {"attempts": 0}},
        },
    }
    with Gateway(config) as gateway:
        yield gateway


def key_of(request):
    return request.header("authorization").removeprefix("Bearer ")


# MARK: Naming a provider

def test_a_named_config(gateway, upstream):
    assert chat(gateway, {"x-portkey-config": "plain"}).status == 200
    assert key_of(upstream.only) == "sk-server"


def test_an_inline_config(gateway, upstream):
    assert chat(gateway, config_header(target(upstream.base))).status == 200
    assert key_of(upstream.only) == "sk-client"


def test_a_named_provider_in_the_header(gateway, upstream):
    assert chat(gateway, {"x-portkey-provider": "@other"}).status == 200
    assert key_of(upstream.only) == "sk-other"


@pytest.mark.parametrize("name", ["other", "@other"])
def test_a_virtual_key_is_a_named_provider(gateway, upstream, name):
    assert chat(gateway, {"x-portkey-virtual-key": name}).status == 200
    assert key_of(upstream.only) == "sk-other"


def test_a_named_provider_in_a_config(gateway, upstream):
    assert chat(gateway, config_header({"provider": "@other"})).status == 200
    assert key_of(upstream.only) == "sk-other"


def test_a_virtual_key_in_a_config(gateway, upstream):
    assert chat(gateway, config_header({"virtual_key": "other"})).status == 200
    assert key_of(upstream.only) == "sk-other"


def test_a_named_provider_in_the_model(gateway, upstream):
    assert chat(gateway, model="@other/vendor/gpt-x").status == 200
    assert (key_of(upstream.only), upstream.only.json["model"]) == ("sk-other", "vendor/gpt-x")


def test_a_provider_in_the_model_without_an_at(gateway, upstream):
    assert chat(gateway, model="other/gpt-x").status == 200
    assert (key_of(upstream.only), upstream.only.json["model"]) == ("sk-other", "gpt-x")


def test_a_named_provider_in_override_params(gateway, upstream):
    assert chat(gateway, config_header({"override_params": {"model": "@other/gpt-y"}}), model="gpt-x").status == 200
    assert (key_of(upstream.only), upstream.only.json["model"]) == ("sk-other", "gpt-y")


def test_an_unknown_name_is_refused(gateway, upstream):
    for headers, body in [({"x-portkey-provider": "@nobody"}, {}), ({"x-portkey-virtual-key": "nobody"}, {}), ({}, {"model": "@nobody/m"})]:
        answer = chat(gateway, headers, **body)
        assert answer.status == 400 and "nobody" in answer.error["message"]
    assert not upstream.requests


def test_no_provider_at_all(gateway):
    answer = chat(gateway)
    assert answer.status == 400
    assert answer.json["message"] == "Either x-portkey-config or x-portkey-provider header is required"


def test_an_unknown_provider(gateway):
    answer = chat(gateway, {"x-portkey-provider": "no-such-provider", "Authorization": "Bearer x"})
    assert answer.status == 400 and answer.json["message"].startswith("Invalid provider passed")


def test_a_model_that_is_not_listed_is_refused(gateway, upstream):
    assert chat(gateway, {"x-portkey-provider": "@listed"}, model="gpt-a").status == 200
    answer = chat(gateway, {"x-portkey-provider": "@listed"}, model="gpt-c")
    assert answer.status == 403 and answer.error["code"] == "model_not_allowed"
    assert len(upstream.requests) == 1


def test_a_listed_provider_needs_a_model(gateway, upstream):
    answer = ask(gateway, "POST", "/v1/chat/completions", {"messages": HELLO}, {"x-portkey-provider": "@listed"})
    assert answer.status in (400, 403), answer
    assert not upstream.requests


# A list of allowed models holds for bodies which the gateway does not read, too, or it would be no limit.
def test_a_listed_provider_is_not_reached_around_its_list(gateway, upstream):
    answer = ask(gateway, "POST", "/v1/responses", {"model": "gpt-c", "input": "x"}, {"x-portkey-provider": "@listed"})
    assert answer.status in (400, 403), answer
    assert not upstream.requests


@pytest.mark.parametrize("body", [{"model": "portkey-default"}, {}])
def test_the_default_model_of_the_provider(gateway, upstream, body):
    answer = ask(gateway, "POST", "/v1/chat/completions", {"messages": HELLO} | body, {"x-portkey-provider": "@modelled"})
    assert answer.status == 200
    assert upstream.only.json["model"] == "house-model"


def test_portkey_default_without_a_default_is_refused(gateway, upstream):
    answer = chat(gateway, {"x-portkey-provider": "@up"}, model="portkey-default")
    assert answer.status == 400 and "model" in answer.error["message"]
    assert not upstream.requests


# MARK: Precedence

def test_a_config_with_a_provider_ignores_the_headers(gateway, upstream):
    config = config_header(target(upstream.base, api_key="sk-config"))
    assert chat(gateway, config | {"x-portkey-provider": "anthropic", "Authorization": "Bearer sk-header"}).status == 200
    assert key_of(upstream.only) == "sk-config"


def test_the_authorization_does_not_fill_a_gap_of_a_config(gateway, upstream):
    config = config_header({"provider": "openai", "custom_host": upstream.base, "retry": {"attempts": 0}})
    answer = chat(gateway, config | {"Authorization": "Bearer sk-header"})
    assert answer.status in (400, 401)
    assert not upstream.requests


def test_a_config_with_features_takes_the_provider_of_the_headers(gateway, upstream):
    config = config_header({"retry": {"attempts": 0}, "override_params": {"user": "x"}})
    headers = {"x-portkey-provider": "openai", "Authorization": "Bearer sk-header", "x-portkey-custom-host": upstream.base}
    assert chat(gateway, config | headers).status == 200
    assert (key_of(upstream.only), upstream.only.json["user"]) == ("sk-header", "x")


def test_a_named_config_with_features_takes_a_named_provider(gateway, upstream):
    assert chat(gateway, {"x-portkey-config": "features", "x-portkey-provider": "@other"}).status == 200
    assert (key_of(upstream.only), upstream.only.json["user"]) == ("sk-other", "features")


def test_a_config_with_features_and_no_provider_is_refused(gateway):
    answer = chat(gateway, config_header({"retry": {"attempts": 1}}))
    assert answer.status == 400
    assert answer.json["message"] == (
        "Either x-portkey-provider needs to be passed. Or the x-portkey-config header should have a valid config with provider details in it.")


def test_the_timeout_header_beats_the_config(gateway, upstream):
    config = config_header(target(upstream.script(u.hangs), request_timeout=60000))
    answer = chat(gateway, config | {"x-portkey-request-timeout": "50"})
    assert answer.status == 408 and "50ms" in answer.error["message"]


def test_the_custom_host_header_beats_the_config(gateway, upstream):
    config = config_header(target("http://127.0.0.1:9/v1"))
    assert chat(gateway, config | {"x-portkey-custom-host": upstream.base}).status == 200


def test_the_custom_host_header_holds_for_every_target(gateway, upstream):
    base = upstream.script(u.fails(500), u.says("second"))
    config = {"strategy": {"mode": "fallback"}, "targets": [target("http://127.0.0.1:9/v1"), target("http://127.0.0.1:9/v1")]}
    answer = chat(gateway, config_header(config) | {"x-portkey-custom-host": base})
    assert answer.status == 200 and len(upstream.at(base)) == 2


def test_the_forward_headers_header_beats_the_config(gateway, upstream):
    config = config_header(target(upstream.base, forward_headers=["x-one"]))
    chat(gateway, config | {"x-portkey-forward-headers": "x-two", "x-one": "1", "x-two": "2"})
    assert (upstream.only.has("x-one"), upstream.only.header("x-two")) == (False, "2")


@pytest.mark.parametrize("header, config", [("false", True), ("true", False), ("false", False)])
def test_an_answer_is_loose_when_either_says_so(gateway, upstream, header, config):
    extra = {"role": "assistant", "content": [{"type": "text", "text": "x"}]}
    headers = {"x-portkey-strict-open-ai-compliance": header} | config_header(guarded(upstream, config))
    assert first_event_is_results(chat(gateway, headers, stream=True)), extra


def test_strict_is_the_default(gateway, upstream):
    assert not first_event_is_results(chat(gateway, config_header(guarded(upstream, None)), stream=True))


def guarded(upstream, strict):
    """A target whose streams show whether they are strict: only loose ones begin with hook_results."""
    more = {} if strict is None else {"strict_open_ai_compliance": strict}
    return target(upstream.base, input_guardrails=[{"contains": {"words": ["hello"], "operator": "any"}}], **more)


def first_event_is_results(answer):
    assert answer.status in (200, 246), answer
    return "hook_results" in answer.events[0].json


@pytest.mark.parametrize("value", ["abc", "-5", "0", "1.5"])
def test_a_bad_timeout_header_is_refused(gateway, upstream, value):
    answer = chat(gateway, config_header(target(upstream.base)) | {"x-portkey-request-timeout": value})
    assert answer.status == 400 and "x-portkey-request-timeout" in answer.error["message"]


# MARK: Inheritance

def inherits(gateway, upstream, root, child):
    """What the upstream got, with these members at the root and at its only target."""
    config = {"strategy": {"mode": "single"}, "targets": [target(upstream.base, **child)]} | root
    answer = chat(gateway, config_header(config) | {"x-one": "1", "x-two": "2"})
    assert answer.status == 200, answer
    return upstream.requests[-1]


def test_override_params_merge_and_the_child_wins(gateway, upstream):
    request = inherits(
        gateway, upstream, {"override_params": {"a": 1, "b": {"x": 1}}}, {"override_params": {"b": {"y": 2}, "c": 3}})
    assert {name: request.json[name] for name in "abc"} == {"a": 1, "b": {"y": 2}, "c": 3}


def test_default_params_merge_and_the_child_wins(gateway, upstream):
    request = inherits(gateway, upstream, {"default_params": {"a": 1, "b": 1}}, {"default_params": {"b": 2}})
    assert (request.json["a"], request.json["b"]) == (1, 2)


def test_drop_params_add_up(gateway, upstream):
    config = {
        "strategy": {"mode": "single"}, "drop_params": ["a"], "targets": [target(upstream.base, drop_params=["b"])]}
    assert chat(gateway, config_header(config), a=1, b=2, c=3).status == 200
    assert "a" not in upstream.only.json and "b" not in upstream.only.json and upstream.only.json["c"] == 3


def test_the_childs_forward_headers_replace_the_parents(gateway, upstream):
    assert inherits(gateway, upstream, {"forward_headers": ["x-one"]}, {}).header("x-one") == "1"
    request = inherits(gateway, upstream, {"forward_headers": ["x-one"]}, {"forward_headers": ["x-two"]})
    assert not request.has("x-one") and request.header("x-two") == "2"


def test_the_custom_host_is_inherited(gateway, upstream):
    config = {
        "strategy": {"mode": "single"}, "custom_host": upstream.base,
        "targets": [{"strategy": {"mode": "single"}, "targets": [{"provider": "openai", "api_key": "sk-x"}]}]}
    assert chat(gateway, config_header(config)).status == 200


def test_the_timeout_is_inherited(gateway, upstream):
    config = {"strategy": {"mode": "single"}, "request_timeout": 60, "targets": [target(upstream.script(u.hangs))]}
    assert chat(gateway, config_header(config)).status == 408


def test_the_retry_is_inherited_and_replaced_as_a_whole(gateway, upstream):
    inherited = upstream.script(u.fails(503))
    root = {"strategy": {"mode": "single"}, "retry": {"attempts": 1, "on_status_codes": [503]}}
    chat(gateway, config_header(root | {"targets": [target(inherited)]}))
    replaced = upstream.script(u.fails(503))
    chat(gateway, config_header(root | {"targets": [target(replaced, retry={"attempts": 1, "on_status_codes": [429]})]}))
    assert (len(upstream.at(inherited)), len(upstream.at(replaced))) == (2, 1)


def test_strictness_is_inherited(gateway, upstream):
    guards = [{"contains": {"words": ["hello"], "operator": "any"}}]
    config = {
        "strategy": {"mode": "single"}, "strict_open_ai_compliance": False, "targets": [target(upstream.base, input_guardrails=guards)]}
    assert first_event_is_results(chat(gateway, config_header(config), stream=True))


def guard(word):
    return {"id": word, "contains": {"words": [word], "operator": "none"}}


def test_a_childs_guards_replace_the_parents_and_the_defaults_come_last(gateway, upstream):
    config = {
        "strategy": {"mode": "single"}, "input_guardrails": [guard("parent")], "default_input_guardrails": [guard("default")],
        "targets": [target(upstream.base, input_guardrails=[guard("child")])]}
    results = chat(gateway, config_header(config)).json["hook_results"]["before_request_hooks"]
    assert [result["id"] for result in results] == ["child", "default"]


def test_guards_are_inherited(gateway, upstream):
    config = {"strategy": {"mode": "single"}, "input_guardrails": [guard("parent")], "targets": [target(upstream.base)]}
    results = chat(gateway, config_header(config)).json["hook_results"]["before_request_hooks"]
    assert [result["id"] for result in results] == ["parent"]


def test_providers_and_keys_are_not_inherited(gateway, upstream):
    config = {
        "strategy": {"mode": "single"}, "provider": "openai", "api_key": "sk-root",
        "targets": [{"custom_host": upstream.base, "retry": {"attempts": 0}}]}
    assert chat(gateway, config_header(config)).status in (400, 401)
    assert not upstream.requests


def test_guard_headers_come_after_the_configs(gateway, upstream):
    config = target(upstream.base, input_guardrails=[guard("own")])
    headers = {"x-portkey-default-input-guardrails": json.dumps([guard("header")])}
    results = chat(gateway, config_header(config) | headers).json["hook_results"]["before_request_hooks"]
    assert [result["id"] for result in results] == ["own", "header"]


def test_guard_headers_may_be_written_as_python_does(gateway, upstream):
    headers = {"x-portkey-default-input-guardrails": str([{"contains": {"words": ["zebra"], "operator": "none"}}])}
    answer = chat(gateway, config_header(target(upstream.base)) | headers)
    assert answer.status == 200 and answer.json["hook_results"]["before_request_hooks"][0]["verdict"] is True


def test_camel_case_is_read(gateway, upstream):
    config = {
        "strategy": {"mode": "single"}, "overrideParams": {"maxThings": 3},
        "targets": [{"provider": "openai", "apiKey": "sk-camel", "customHost": upstream.base}]}
    assert chat(gateway, config_header(config)).status == 200
    # What is inside of override_params is the client's and keeps its case.
    assert (key_of(upstream.only), upstream.only.json["maxThings"]) == ("sk-camel", 3)


def test_unknown_members_are_ignored(gateway, upstream):
    assert chat(gateway, config_header(target(upstream.base, some_thing_new=1))).status == 200


# MARK: Refusals

INVALID = [
    ({"strategy": {"mode": "wild"}, "targets": [{}]}, "path: strategy,mode, message: Invalid 'mode' value. Must be one of: single, loadbalance, fallback, conditional"),
    ({"provider": "openai", "api_key": "x", "cache": {"mode": "wild"}}, "path: cache,mode, message: Invalid 'cache.mode' value. Must be one of: simple, semantic"),
    ({"provider": "openai", "api_key": "x", "retry": {}}, "path: retry,attempts, message: Required"),
    ({"provider": "openai", "api_key": "x", "custom_host": "not a url"}, "message: Invalid custom host"),
    ({"unknown": 1}, "Invalid configuration. It must have either 'provider' and 'api_key', or 'strategy' and 'targets', or 'cache', or 'retry', or 'request_timeout'"),
    ({"provider": "openai", "api_key": "x", "forward_headers": ["x-portkey-forward-headers"]}, "forward_headers must not contain the 'x-portkey-forward-headers' header"),
    ({"provider": "no-such", "api_key": "x"}, "Invalid 'provider' value. Must be one of: "),
    ({"strategy": {"mode": "fallback"}, "targets": [{"provider": "openai", "api_key": "x"}, {"provider": "no-such", "api_key": "x"}]}, "path: targets,1,provider, message: Invalid 'provider' value"),
    ({"strategy": {"mode": "fallback"}, "targets": []}, "path: targets, message: "),
    ({"targets": [{"provider": "openai", "api_key": "x"}]}, "path: strategy, message: "),
    ({"strategy": {"mode": "loadbalance"}, "targets": [{"provider": "openai", "api_key": "x", "weight": 0}]}, "path: targets, message: "),
    ({"provider": "openai", "api_key": "x", "request_timeout": "soon"}, "path: request_timeout, message: "),
    ({"provider": "openai", "api_key": "x", "retry": {"attempts": "many"}}, "path: retry,attempts, message: "),
    ({"provider": "openai", "api_key": "x", "override_params": [1]}, "path: override_params, message: "),
]


@pytest.mark.parametrize("config, text", INVALID, ids=[text[-60:] for _, text in INVALID])
def test_an_invalid_config_is_explained(gateway, upstream, config, text):
    answer = chat(gateway, config_header(config))
    assert answer.status == 400, answer
    assert (answer.json["status"], answer.json["message"]) == ("failure", "Invalid config passed")
    assert any(text in line for line in answer.json["errors"]), answer.json["errors"]
    assert not upstream.requests


def test_all_faults_are_told_at_once(gateway):
    config = {"provider": "openai", "api_key": "x", "retry": {}, "cache": {"mode": "wild"}}
    assert len(chat(gateway, config_header(config)).json["errors"]) == 2


def test_a_config_of_the_old_version_is_refused(gateway):
    answer = chat(gateway, config_header({"provider": "openai", "api_key": "x", "options": []}))
    assert answer.status == 400
    assert answer.json["message"] == "This version of config is not supported in this route. Please migrate to the latest version"


@pytest.mark.parametrize("text", ["{not json", '{"a":1,}', '{"provider":"openai"', "[1,2]", '{"a":1}x'])
def test_a_config_that_is_no_json_is_refused(gateway, upstream, text):
    answer = chat(gateway, {"x-portkey-config": text})
    assert answer.status == 400
    assert answer.json["message"].startswith("Invalid config passed. You need to pass a valid json")
    assert not upstream.requests


def test_an_unknown_config_name_is_refused(gateway, upstream):
    answer = chat(gateway, {"x-portkey-config": "pc-unknown"})
    assert answer.status == 400 and "pc-unknown" in answer.json["message"]


def test_a_bad_config_is_refused_on_the_proxy_too(gateway, upstream):
    answer = ask(gateway, "POST", "/v1/files", {}, config_header({"strategy": {"mode": "wild"}, "targets": [{}]}))
    assert answer.status == 400 and answer.json["message"] == "Invalid config passed"
    assert not upstream.requests


def test_a_deeply_nested_config_is_refused(gateway):
    text = '{"override_params":{"a":' + "[" * 5000 + "]" * 5000 + "}}"
    answer = chat(gateway, {"x-portkey-config": text})
    assert answer.status == 400


def test_strategies_nested_deeply_are_refused_or_served(gateway, upstream):
    config = target(upstream.base)
    for _ in range(40):
        config = {"strategy": {"mode": "single"}, "targets": [config]}
    answer = chat(gateway, config_header(config))
    assert answer.status == 200
    assert answer.portkey["last-used-option-index"] == "config" + ".targets[0]" * 40


def test_the_wrong_type_in_a_header_config_names_a_path(gateway):
    answer = chat(gateway, config_header({"strategy": "fallback", "targets": "all"}))
    assert answer.status == 400 and answer.json["errors"]


def test_forwarding_the_forward_header_itself_is_refused(gateway, upstream):
    answer = chat(gateway, config_header(target(upstream.base)) | {"x-portkey-forward-headers": "x-portkey-forward-headers"})
    assert answer.status == 400
    assert answer.json["message"] == "forward_headers must not contain the 'x-portkey-forward-headers' header"


def test_a_file_reference_in_a_request_is_not_read(gateway, upstream, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("sk-of-the-machine")
    for reference in ({"file": str(secret)}, {"env": "HOME"}):
        chat(gateway, config_header({"provider": "openai", "custom_host": upstream.base, "api_key": reference}))
        chat(gateway, config_header(target(upstream.base, openai_organization=reference)))
    assert all("sk-of-the-machine" not in request.text and "/root" not in request.text for request in upstream.requests)


def test_an_environment_variable_in_a_request_is_not_read(gateway, upstream):
    chat(gateway, config_header(target(upstream.base, api_key="${HOME}")))
    assert all(request.header("authorization") == "Bearer ${HOME}" for request in upstream.requests)
