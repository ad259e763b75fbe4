"""Which paths and methods there are, and that a path has one spelling only."""

import pytest

from client import HELLO, Connection, ask, chat
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "providers": {"up": {"provider": "openai", "api_key": "sk-server", "base_url": upstream.base}},
        "defaults": {"provider": "up"},
    }
    with Gateway(config) as gateway:
        yield gateway


BODY = {"model": "m", "messages": HELLO}


def raw(gateway, method, target, body=None):
    """A request whose target is sent as it stands."""
    return ask(gateway, method, target, body)


def test_root_says_hey(gateway):
    answer = ask(gateway, "GET", "/")
    assert (answer.status, answer.text) == (200, "AI Gateway says hey!")
    assert answer.header("content-type").startswith("text/plain")


def test_root_answers_head_without_a_body(gateway):
    with Connection(gateway) as connection:
        connection.send_request("HEAD", "/")
        answer = connection.read_answer("HEAD")
        assert (answer.status, answer.header("content-length")) == (200, str(len("AI Gateway says hey!")))
        # Had a body come, it would stand in front of the next answer.
        assert connection.request("GET", "/livez").status == 200


@pytest.mark.parametrize(
    "path, body",
    [
        ("/v1/chat/completions", BODY),
        ("/v1/completions", {"model": "m", "prompt": "Say hello."}),
        ("/v1/embeddings", {"model": "m", "input": "x"}),
    ])
def test_endpoints_reach_the_same_path_upstream(gateway, upstream, path, body):
    assert ask(gateway, "POST", path, body).status == 200
    assert (upstream.only.method, upstream.only.target) == ("POST", path)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_endpoints_refuse_other_methods(gateway, upstream, path, method):
    answer = raw(gateway, method, path)
    assert (answer.status, answer.header("allow")) == (405, "POST")
    assert "POST" in answer.error["message"] and not upstream.requests


def test_models_refuses_post(gateway):
    answer = raw(gateway, "POST", "/v1/models", {})
    assert (answer.status, answer.header("allow")) == (405, "GET")


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "LOCK"])
def test_unknown_methods_are_refused(gateway, upstream, method):
    answer = raw(gateway, method, "/v1/files")
    assert answer.status == 405 and answer.header("allow")
    assert not upstream.requests


@pytest.mark.parametrize("path", ["/nope", "/v2/chat/completions", "/chat/completions", "/v1", "/v1/", "/V1/chat/completions", "/public/", "/v1x/files"])
def test_unknown_paths_are_not_found(gateway, upstream, path):
    answer = raw(gateway, "POST", path, BODY)
    assert answer.status == 404
    assert answer.json["message"] == "Not Found" and answer.json["ok"] is False
    assert answer.error["message"] == "Not Found"
    assert not upstream.requests


# Spellings of the one path: all of them are that endpoint, and go upstream in the plain spelling.
@pytest.mark.parametrize(
    "target",
    [
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "//v1/chat/completions",
        "/v1/./chat/completions",
        "/v1/x/../chat/completions",
        "/v1/%63hat/completions",
        "/v1/chat%2Dx/../%63%68%61%74/completions",
        "/%76%31/chat/completion%73",
        "/v1/proxy/chat/completions",
        "/v1/%70roxy/chat/completions",
        "/v1/chat/%2e%2e/chat/completions",
        "/../../v1/chat/completions",
        "http://example.com/v1/chat/completions",
    ])
def test_other_spellings_are_the_same_endpoint(gateway, upstream, target):
    answer = raw(gateway, "POST", target, {"messages": HELLO, "model": "m", "stream": False})
    assert answer.status == 200, answer
    assert upstream.only.target == "/v1/chat/completions"
    # Not relayed by the generic proxy: the gateway has read the body.
    assert ask(gateway, "POST", target, b"{not json").status == 400


# Spellings about which servers disagree: never relayed.
@pytest.mark.parametrize(
    "target",
    [
        "/v1/chat%2Fcompletions",
        "/v1/chat%2fcompletions",
        "/v1/chat%5Ccompletions",
        "/v1/chat\\completions",
        "/v1/chat/completions%00",
        "/v1/chat/completions%0a",
        "/v1/chat/completions%7f",
        "/v1/chat/completions%",
        "/v1/chat/completions%4",
        "/v1/chat/completions%zz",
        "/v1/..;/v1/chat/completions",
        "/v1/.;x/chat/completions",
        "/v1/%2e%2e;x/v1/chat/completions",
        "ftp://example.com/v1/chat/completions",
        "v1/chat/completions",
        "http:///v1/chat/completions",
    ])
def test_ambiguous_spellings_are_refused(gateway, upstream, target):
    answer = raw(gateway, "POST", target, BODY)
    assert answer.status == 400, answer
    assert not upstream.requests


# Paths which only a forgiving server would take for a guarded one: not relayed either.
@pytest.mark.parametrize(
    "target",
    [
        "/v1/Chat/completions",
        "/v1/chat/Completions",
        "/v1/CHAT/COMPLETIONS",
        "/v1/messages;x=1",
        "/v1/chat/completions;x",
        "/v1/chat%2520/../completions;",
        "/v1/chat/completions%20",
        "/v1/%2563hat/completions",
        "/v1/%252e%252e/admin",
        "/v1/Configs/x",
        "/v1/virtual-keys;x",
        "/v1/Realtime",
    ])
def test_disguised_spellings_are_not_relayed(gateway, upstream, target):
    answer = raw(gateway, "POST", target, BODY)
    assert answer.status in (400, 404, 501), answer
    assert not upstream.requests


def test_a_repeated_proxy_prefix_never_reaches_a_guarded_path(gateway, upstream):
    # A Portkey or a Gatehouse behind this one would take what is relayed for the endpoint.
    raw(gateway, "POST", "/v1/proxy/proxy/chat/completions", BODY)
    assert [request.target for request in upstream.requests] in ([], ["/v1/chat/completions"])


def test_the_query_is_no_part_of_the_path(gateway, upstream):
    assert ask(gateway, "POST", "/v1/chat/completions?api-version=7&x=/../y", BODY).status == 200
    assert upstream.only.path == "/v1/chat/completions"


def test_a_fragment_in_the_target_is_refused(gateway, upstream):
    assert raw(gateway, "POST", "/v1/files#x", {}).status == 400
    assert raw(gateway, "POST", "/v1/files?a=1#x", {}).status == 400
    assert not upstream.requests


# The control plane's words: their bodies hold keys, so that nobody relays them.
@pytest.mark.parametrize(
    "path",
    [
        "configs", "configs/pc-1", "virtual-keys", "virtual-keys/x", "prompts", "prompts/p/completions", "prompts/p/render",
        "api-keys/workspace/user", "feedback", "logs", "logs/exports/1/start", "guardrails", "collections", "labels",
        "analytics/graphs/cost", "admin/users", "admin/workspaces", "integrations", "providers", "mcp-integrations", "mcp-servers",
        "policies/usage-limits", "audit-logs", "secret-references", "scim/workspaces", "model-configs/pricing/a/b",
    ])
def test_reserved_paths_are_not_implemented(gateway, upstream, path):
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = raw(gateway, method, "/v1/" + path, None if method == "GET" else {"key": "sk-secret"})
        assert answer.status == 501, (method, answer)
        assert answer.error["code"] == "not_implemented" and answer.json["status"] == "failure"
    assert not upstream.requests


def test_reserved_paths_are_reserved_behind_the_proxy_prefix(gateway, upstream):
    assert raw(gateway, "POST", "/v1/proxy/virtual-keys", {"key": "sk-secret"}).status == 501
    assert not upstream.requests


def test_realtime_without_a_websocket_needs_an_upgrade(gateway, upstream):
    assert raw(gateway, "GET", "/v1/realtime?model=m").status == 426
    assert not upstream.requests


def test_an_upgrade_is_never_granted(gateway):
    with Connection(gateway) as connection:
        answer = connection.request("GET", "/livez", {"Connection": "Upgrade", "Upgrade": "websocket"})
        assert answer.status == 200


def test_head_is_no_method_of_the_endpoints(gateway, upstream):
    with Connection(gateway) as connection:
        assert connection.request("HEAD", "/v1/chat/completions").status == 405
    assert not upstream.requests


def test_a_provider_that_lacks_the_endpoint_is_named(gateway, upstream):
    answer = ask(gateway, "POST", "/v1/messages", {"model": "m", "max_tokens": 5, "messages": HELLO})
    assert answer.status == 501
    assert answer.error["message"] == "messages is not supported by openai"
    assert not upstream.requests


def test_errors_of_the_gateway_carry_both_shapes(gateway):
    answer = chat(gateway, {"x-portkey-config": "no-such-config"})
    assert answer.status == 400
    assert answer.json["status"] == "failure"
    assert answer.json["message"] == answer.error["message"]
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert answer.header("content-type") == "application/json"
