"""Who may ask: gateway keys in every header that SDKs use, and that no key ever reaches a provider."""

import hashlib

import pytest

from client import HELLO, Connection, ask, chat, config_header, new_trace
from gateway import Gateway, until

ALICE, BOB = "gh-alice-0123456789", "gh-bob-0123456789"


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "keys": [
            {"name": "alice", "workspace": "a", "key": ALICE, "metadata": {"team": "red"}},
            {"name": "bob", "workspace": "b", "sha256": hashlib.sha256(BOB.encode()).hexdigest(), "config": "bobs"},
        ],
        "providers": {
            "up": {"provider": "openai", "api_key": "sk-server", "base_url": upstream.base},
            "claude": {"provider": "anthropic", "api_key": "sk-server", "base_url": upstream.base},
        },
        "configs": {"bobs": {"provider": "@up", "override_params": {"user": "bob"}}},
        "defaults": {"provider": "up"},
        "network": {"allow_hosts": [f"127.0.0.1:{upstream.port}"]},
    }
    with Gateway(config) as gateway:
        yield gateway


WAYS = {
    "x-portkey-api-key": {"x-portkey-api-key": ALICE},
    "authorization": {"Authorization": f"Bearer {ALICE}"},
    "x-api-key": {"x-api-key": ALICE},
    "x-goog-api-key": {"x-goog-api-key": ALICE},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_taken_from_each_header(gateway, upstream, way):
    assert chat(gateway, WAYS[way]).status == 200


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files", "/v1/models"])
def test_a_key_is_never_forwarded(gateway, upstream, way, path):
    method = "GET" if path == "/v1/models" else "POST"
    body = None if method == "GET" else {"model": "m", "messages": HELLO}
    headers = WAYS[way] | ({"x-portkey-provider": "@up"} if method == "GET" else {})
    assert ask(gateway, method, path, body, headers).status == 200
    assert ALICE not in upstream.only.text
    assert upstream.only.header("authorization") == "Bearer sk-server"


def test_a_key_in_all_headers_at_once_is_never_forwarded(gateway, upstream):
    everything = {name: value for way in WAYS.values() for name, value in way.items()}
    everything |= {"Cookie": f"key={ALICE}", "Proxy-Authorization": f"Bearer {ALICE}", "api-key": ALICE}
    assert ask(gateway, "POST", "/v1/files", {"a": 1}, everything).status == 200
    assert ALICE not in upstream.only.text


def test_another_callers_key_is_never_forwarded(gateway, upstream):
    headers = {"x-portkey-api-key": ALICE, "Authorization": f"Bearer {BOB}", "x-portkey-provider": "openai", "x-portkey-custom-host": upstream.base}
    chat(gateway, headers)
    assert all(BOB not in request.text for request in upstream.requests)


def test_forwarding_authorization_does_not_forward_a_key(gateway, upstream):
    headers = {"Authorization": f"Bearer {ALICE}", "x-portkey-forward-headers": "Authorization"}
    chat(gateway, headers)
    assert all(ALICE not in request.text for request in upstream.requests)


@pytest.mark.parametrize("name", ["x-api-key", "x-portkey-api-key", "x_portkey_api_key", "x-goog-api-key", "cookie"])
def test_forwarding_any_key_header_does_not_forward_a_key(gateway, upstream, name):
    headers = {"x-portkey-api-key": ALICE, "x-api-key": ALICE, "x-goog-api-key": ALICE, "x-portkey-forward-headers": name}
    chat(gateway, headers)
    assert all(ALICE not in request.text for request in upstream.requests)


def test_a_gateway_key_and_a_providers_key_go_different_ways(gateway, upstream):
    headers = {
        "x-portkey-api-key": ALICE, "Authorization": "Bearer sk-mine", "x-portkey-provider": "openai", "x-portkey-custom-host": upstream.base}
    assert chat(gateway, headers).status == 200
    assert upstream.only.header("authorization") == "Bearer sk-mine"


def test_an_api_key_header_can_carry_the_providers_key(gateway, upstream):
    headers = {
        "x-portkey-api-key": ALICE, "x-api-key": "sk-mine", "x-portkey-provider": "anthropic", "x-portkey-custom-host": upstream.base}
    answer = ask(gateway, "POST", "/v1/messages", {"model": "m", "max_tokens": 5, "messages": HELLO}, headers)
    assert answer.status == 200
    assert upstream.only.header("x-api-key") == "sk-mine"


@pytest.mark.parametrize("headers", [{"x-portkey-api-key": "pk-wrong"}, {"Authorization": "Bearer sk-wrong"}, {"x-api-key": "wrong"}])
def test_a_wrong_key_is_refused(gateway, upstream, headers):
    answer = chat(gateway, headers)
    assert answer.status == 401 and answer.header("www-authenticate") == "Bearer"
    assert answer.error["type"] == "authentication_error" and answer.error["code"] == "invalid_api_key"
    assert not upstream.requests


def test_no_key_is_refused(gateway, upstream):
    answer = chat(gateway)
    assert answer.status == 401 and "x-portkey-api-key" in answer.error["message"]
    assert not upstream.requests


@pytest.mark.parametrize("headers", [{"x-portkey-api-key": ""}, {"Authorization": "Bearer OPENAI_API_KEY"}, {"Authorization": "Bearer "}, {"Authorization": ""}])
def test_empty_words_and_placeholders_are_no_key(gateway, upstream, headers):
    assert chat(gateway, headers).status == 401
    assert not upstream.requests


def test_the_placeholder_is_not_forwarded_beside_a_key(gateway, upstream):
    headers = {"x-portkey-api-key": ALICE, "Authorization": "Bearer OPENAI_API_KEY"}
    assert chat(gateway, headers).status == 200
    assert "OPENAI_API_KEY" not in upstream.only.text


def test_the_placeholder_is_not_forwarded_when_asked_to(gateway, upstream):
    headers = {"x-portkey-api-key": ALICE, "Authorization": "Bearer OPENAI_API_KEY", "x-portkey-forward-headers": "Authorization"}
    chat(gateway, headers)
    assert all("OPENAI_API_KEY" not in request.text for request in upstream.requests)


@pytest.mark.parametrize("key", [ALICE.upper(), ALICE + " x", ALICE[:-1], ALICE + "0", hashlib.sha256(BOB.encode()).hexdigest()])
def test_nearly_right_is_wrong(gateway, upstream, key):
    assert chat(gateway, {"x-portkey-api-key": key}).status == 401
    assert not upstream.requests


def test_the_sdks_own_shape_on_messages(gateway):
    answer = ask(gateway, "POST", "/v1/messages", {"model": "m", "max_tokens": 5, "messages": HELLO}, {"x-api-key": "wrong"})
    assert answer.status == 401
    assert answer.json["type"] == "error" and answer.json["error"]["type"] == "authentication_error"
    assert answer.json["request_id"] == answer.portkey["trace-id"]


@pytest.mark.parametrize("path", ["/v1/files", "/v1/models", "/v1/files/f"])
def test_every_path_under_v1_needs_a_key(gateway, upstream, path):
    assert ask(gateway, "GET", path).status == 401
    assert not upstream.requests


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/"])
def test_probes_need_no_key(gateway, path):
    assert ask(gateway, "GET", path).status == 200


def test_a_keys_config_holds_for_requests_that_name_none(gateway, upstream):
    assert chat(gateway, {"x-portkey-api-key": BOB}).status == 200
    assert upstream.only.json["user"] == "bob"


def test_the_request_is_logged_under_the_keys_name(gateway, upstream):
    trace = new_trace()
    chat(gateway, {"x-portkey-api-key": ALICE, "x-portkey-trace-id": trace})
    line = gateway.access_line(trace)
    assert (line["workspace"], line["principal"]) == ("a", "alice")


def test_keys_are_nowhere_in_the_log(gateway, upstream):
    trace = new_trace()
    chat(gateway, {"x-portkey-api-key": "pk-wrong-key-777", "x-portkey-trace-id": trace})
    gateway.access_line(trace)
    text = "\n".join(gateway.lines)
    assert ALICE not in text and BOB not in text and "pk-wrong-key-777" not in text and "sk-server" not in text


def test_a_key_does_not_open_another_keys_requests(gateway, upstream):
    # Bob's key selects Bob's config, also when Alice's stands in a header that counts less.
    assert chat(gateway, {"x-portkey-api-key": BOB, "Authorization": f"Bearer {ALICE}"}).status == 200
    assert upstream.only.json["user"] == "bob"


def test_with_keys_a_web_page_may_ask(gateway, upstream):
    headers = {"x-portkey-api-key": ALICE, "Origin": "https://app.example", "Sec-Fetch-Site": "cross-site", "Host": "gateway.example"}
    assert chat(gateway, headers).status == 200


def test_a_key_file_is_read(upstream, tmp_path):
    (tmp_path / "key").write_text("gh-from-file-123456\n")
    config = {"keys": [{"name": "f", "key_file": str(tmp_path / "key")}], "providers": {"mock": {"provider": "mock"}}, "defaults": {"provider": "mock"}}
    with Gateway(config) as gateway:
        assert chat(gateway, {"x-portkey-api-key": "gh-from-file-123456"}).status == 200
        assert chat(gateway, {"x-portkey-api-key": "gh-from-file"}).status == 401


def test_a_key_of_the_environment_is_read(upstream):
    config = {"keys": [{"name": "e", "key": "${TEST_GATEWAY_KEY}"}], "providers": {"mock": {"provider": "mock"}}, "defaults": {"provider": "mock"}}
    with Gateway(config, env={"TEST_GATEWAY_KEY": "gh-from-env-1234567"}) as gateway:
        assert chat(gateway, {"x-portkey-api-key": "gh-from-env-1234567"}).status == 200


# MARK: Before the body

REFUSED = {"Authorization": "Bearer gh-nobody", "Content-Type": "application/json"}


def test_the_body_of_a_stranger_is_not_waited_for(gateway):
    """401 comes with the head; a body that follows is thrown away, and the connection serves on."""
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", REFUSED | {"Content-Length": "400000"})
        assert connection.read_answer().status == 401
        connection.send(b"x" * 400_000)
        connection.send_request("GET", "/livez")
        assert connection.read_answer().status == 200


def test_a_stranger_is_not_told_to_go_on(gateway):
    """No 100 means that the body may never come: what comes next must not be taken for it."""
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", REFUSED | {"Expect": "100-continue", "Content-Length": "200"})
        answer = connection.read_answer()
        assert answer.status == 401 and answer.header("connection") == "close"


def test_a_long_body_of_a_stranger_ends_the_connection(gateway):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", REFUSED | {"Content-Length": str(8 << 20)})
        answer = connection.read_answer()
        assert answer.status == 401 and answer.header("connection") == "close"


def test_garbage_in_the_body_of_a_stranger_is_answered_once(gateway):
    with Connection(gateway) as connection:
        connection.send_request("POST", "/v1/chat/completions", REFUSED | {"Transfer-Encoding": "chunked"})
        assert connection.read_answer().status == 401
        connection.send(b"ZZ\r\n")
        with pytest.raises(EOFError):
            connection.read_head()
