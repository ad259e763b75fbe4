"""Hosts that a client names: what is public or allowed is asked, everything else refused before a connection is made."""

import socket
import threading

import pytest

import upstream as u
from client import ask, chat, config_header, target
from gateway import Gateway

KEY = {"x-portkey-api-key": "gh-key-0123456789"}


@pytest.fixture(scope="module")
def gateway(upstream):
    """With a key: nothing private is open but what the operator lists."""
    config = {
        "keys": [{"name": "k", "key": KEY["x-portkey-api-key"]}],
        "network": {"allow_hosts": [f"127.0.0.1:{upstream.port}", f"*.models.localhost:{upstream.port}", "127.7.0.0/16"], "connect_timeout_ms": 50},
    }
    with Gateway(config) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def keyless():
    """Without keys, on loopback: programs of this machine may name loopback hosts."""
    with Gateway({}) as gateway:
        yield gateway


def named(host):
    return {"x-portkey-provider": "openai", "Authorization": "Bearer sk-mine", "x-portkey-custom-host": host}


def refused(answer):
    assert answer.status == 400, answer
    text = answer.text
    assert "Invalid custom host" in text, text
    return text


def test_an_allowed_host_is_asked(gateway, upstream):
    assert chat(gateway, KEY | named(upstream.base)).status == 200


BLOCKED = [
    # Loopback, in the ways that it can be written.
    "http://127.0.0.1:{other}/v1", "http://localhost:{other}/v1", "http://localhost:{port}/v1", "http://127.0.0.2:{port}/v1",
    "http://[::1]:{port}/v1", "http://[::ffff:127.0.0.1]:{port}/v1", "http://[0:0:0:0:0:ffff:7f00:1]:{port}/v1",
    "http://2130706433:{port}/v1", "http://0x7f000001:{port}/v1", "http://0177.0.0.1:{port}/v1", "http://127.1:{port}/v1",
    "http://0x7f.0.0.1:{port}/v1", "http://127.0.0.1.:{port}/v1", "http://0.0.0.0:{port}/v1", "http://0:{port}/v1",
    "http://[::]:{port}/v1", "http://foo.localhost:{port}/v1", "http://localhost.:{port}/v1", "http://LOCALHOST:{port}/v1",
    "http://[::127.0.0.1]:{port}/v1", "http://[64:ff9b::7f00:1]:{port}/v1", "http://[2002:7f00:1::]:{port}/v1",
    # Private and special ranges.
    "http://10.0.0.1/v1", "http://172.16.0.1/v1", "http://192.168.1.1/v1", "http://100.64.0.1/v1", "http://169.254.1.1/v1",
    "http://192.0.2.1/v1", "http://198.18.0.1/v1", "http://224.0.0.1/v1", "http://255.255.255.255/v1", "http://240.0.0.1/v1",
    "http://[fc00::1]/v1", "http://[fe80::1]/v1", "http://[ff02::1]/v1", "http://[2001:db8::1]/v1",
    # Metadata services.
    "http://169.254.169.254/latest/meta-data", "http://metadata.google.internal/v1", "http://metadata/v1", "http://100.100.100.200/v1",
    "http://168.63.129.16/v1", "http://[fd00:ec2::254]/v1", "http://instance-data/v1", "http://169.254.170.2/v1",
    "http://[::ffff:169.254.169.254]/v1", "http://2852039166/v1",
    # Names that mean something inside only.
    "http://db.internal/v1", "http://printer.local/v1", "http://router.lan/v1", "http://intranet/v1", "http://x.corp/v1", "http://x.home.arpa/v1",
    # Texts that two parsers read differently.
    "http://user@127.0.0.1:{port}/v1", "http://127.0.0.1:{port}@example.com/v1", "http://example.com@127.0.0.1:{port}/v1",
    "http://127.0.0.1:{port}\\@example.com/v1", "http://example.com\\@127.0.0.1:{port}/v1", "http://127.0.0.1:{port}#@example.com/v1",
    "http://127.0.0.1:{port}/v1#x", "http://127.0.0.1 .example.com/v1", "http://ex%61mple.com/v1", "http://①②⑦.⓪.⓪.①:{port}/v1",
    "http://127。0。0。1:{port}/v1", "http://[::1%25lo]:{port}/v1", "http://127.0.0.1:{port}:80/v1", "http://127.0.0.1:+{port}/v1",
    "http://127.0.0.1:0/v1", "http://127.0.0.1:99999/v1", "http:///v1", "http://", "//127.0.0.1:{port}/v1", "127.0.0.1:{port}/v1",
    "http:127.0.0.1:{port}/v1", "http:/127.0.0.1:{port}/v1", "http://.example.com/v1", "http://example..com/v1", "http://{{host}}/v1",
    # Other schemes.
    "ftp://127.0.0.1:{port}/v1", "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x", "unix:/var/run/docker.sock", "dict://127.0.0.1:{port}/",
    "javascript:alert(1)", "mock:", "HTTPS+UNIX://%2Fvar%2Frun%2Fdocker.sock/v1",
]


@pytest.mark.parametrize("host", BLOCKED)
def test_a_blocked_host_in_the_header(gateway, upstream, host):
    refused(chat(gateway, KEY | named(host.format(port=upstream.port, other=upstream.port + 1))))
    assert not upstream.requests


@pytest.mark.parametrize("host", BLOCKED)
def test_a_blocked_host_in_a_config(gateway, upstream, host):
    host = host.format(port=upstream.port, other=upstream.port + 1)
    refused(chat(gateway, KEY | config_header(target(host))))
    assert not upstream.requests


def test_a_blocked_host_in_a_nested_target(gateway, upstream):
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [target(upstream.base), {"strategy": {"mode": "single"}, "targets": [target("http://10.0.0.1/v1")]}]}
    refused(chat(gateway, KEY | config_header(config)))
    assert not upstream.requests


@pytest.mark.parametrize("member", ["base_url", "azure_foundry_url", "huggingface_base_url"])
@pytest.mark.parametrize("provider", ["openai", "azure-ai", "huggingface", "anthropic"])
def test_a_blocked_host_by_another_name(gateway, upstream, member, provider):
    other = f"http://127.0.0.1:{upstream.port + 1}/v1"
    answer = chat(gateway, KEY | config_header({"provider": provider, "api_key": "sk-mine", member: other, "custom_host": upstream.base}), max_tokens=5)
    assert answer.status in (200, 400)
    for header in (f"x-portkey-{member.replace('_', '-')}", f"x-portkey-{member}"):
        headers = {"x-portkey-provider": provider, "Authorization": "Bearer sk-mine", header: f"http://localhost:{upstream.port}/v1", "x-portkey-custom-host": upstream.base}
        assert chat(gateway, KEY | headers, max_tokens=5).status in (200, 400)


def test_a_blocked_host_on_the_proxy(gateway, upstream):
    refused(ask(gateway, "GET", "/v1/files", headers=KEY | named(f"http://localhost:{upstream.port}/v1")))
    assert not upstream.requests


def test_the_address_of_a_name_is_judged(gateway, upstream):
    """A name of /etc/hosts which leads to loopback, if there is one: names are not trusted."""
    name = socket.gethostname()
    answer = chat(gateway, KEY | named(f"http://{name}:{upstream.port}/v1"))
    assert answer.status in (400, 502) and not upstream.requests


def test_the_refusal_does_not_tell_the_address(gateway):
    text = refused(chat(gateway, KEY | named("http://localhost:5/v1")))
    assert "127.0.0.1" not in text


def test_the_refusal_names_the_remedy(gateway):
    assert "network.allow_hosts" in refused(chat(gateway, KEY | named("http://10.0.0.1/v1")))


def test_an_allowed_suffix_is_asked(gateway, upstream):
    assert chat(gateway, KEY | named(f"http://a.b.models.localhost:{upstream.port}/v1")).status == 200
    refused(chat(gateway, KEY | named(f"http://models.localhost.x.localhost:{upstream.port}/v1")))
    refused(chat(gateway, KEY | named(f"http://amodels.localhost:{upstream.port}/v1")))
    refused(chat(gateway, KEY | named(f"http://a.models.localhost:{upstream.port + 1}/v1")))


def test_an_allowed_block_is_tried(gateway):
    # Nothing listens there: what counts is that it is not refused.
    assert chat(gateway, KEY | named("http://127.7.1.2:9/v1")).status == 502
    refused(chat(gateway, KEY | named("http://127.8.1.2:9/v1")))


def test_no_connection_is_made_to_a_blocked_host(gateway):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        port = listener.getsockname()[1]
        for host in (f"http://127.0.0.1:{port}/v1", f"http://localhost:{port}/v1", f"http://[::ffff:7f00:1]:{port}/v1"):
            refused(chat(gateway, KEY | named(host)))
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_custom_host_with_a_query_or_fragment_is_refused(gateway, upstream):
    for tail in ("?x=1", "#x"):
        answer = chat(gateway, KEY | named(upstream.base + tail))
        assert answer.status == 400, answer
    assert not upstream.requests


def test_a_redirect_to_a_blocked_host_is_not_followed(gateway, upstream):
    for to in ("http://169.254.169.254/latest", f"http://localhost:{upstream.port}/secret", "file:///etc/passwd"):
        base = upstream.script(u.redirects(to))
        assert chat(gateway, KEY | named(base)).status != 200
    assert not [request for request in upstream.requests if "secret" in request.target]


# MARK: Without keys

@pytest.mark.parametrize("host", ["http://127.0.0.1:{port}/v1", "http://localhost:{port}/v1"])
def test_without_keys_loopback_is_open(keyless, upstream, host):
    assert chat(keyless, named(host.format(port=upstream.port))).status == 200


@pytest.mark.parametrize("host", ["http://127.0.0.1:{own}/v1", "http://localhost:{own}/v1", "http://127.0.0.2:{own}/v1", "http://[::1]:{own}/v1", "http://[::ffff:127.0.0.1]:{own}/v1"])
def test_the_gateway_does_not_ask_itself(keyless, host):
    refused(chat(keyless, named(host.format(own=keyless.port))))


@pytest.mark.parametrize("host", ["http://10.0.0.1/v1", "http://169.254.169.254/v1", "http://192.168.0.1/v1", "http://0.0.0.0:{port}/v1", "http://metadata.google.internal/v1", "http://x.internal/v1"])
def test_without_keys_the_rest_is_closed(keyless, upstream, host):
    refused(chat(keyless, named(host.format(port=upstream.port))))


def test_a_file_config_may_name_private_hosts(upstream):
    config = {"keys": [{"name": "k", "key": KEY["x-portkey-api-key"]}], "configs": {"private": {"provider": "openai", "api_key": "sk", "custom_host": upstream.base}}}
    with Gateway(config) as gateway:
        assert chat(gateway, KEY | {"x-portkey-config": "private"}).status == 200
        refused(chat(gateway, KEY | named(upstream.base)))


def test_public_listening_without_keys_opens_no_loopback(upstream):
    config = {"listen": {"address": "127.0.0.1", "allow_public_without_keys": True}}
    with Gateway(config) as gateway:
        refused(chat(gateway, named(upstream.base)))


def test_a_plugin_may_not_fetch_what_is_blocked(gateway, upstream):
    """A guard that fetches reaches no other addresses than clients do: it fails, and its policy decides."""
    hook = {"webhook": {"webhookURL": f"http://localhost:{upstream.port}/hook"}}
    answer = chat(gateway, KEY | config_header({"provider": "mock", "input_guardrails": [hook]}))
    assert answer.status == 200 and not upstream.requests
    assert answer.json["hook_results"]["before_request_hooks"][0]["checks"][0]["error"]
    answer = chat(gateway, KEY | config_header({"provider": "mock", "input_guardrails": [hook | {"on_failure": "closed"}]}))
    assert answer.status == 502 and not upstream.requests


def test_many_at_once_are_all_refused(gateway, upstream):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(chat(gateway, KEY | named(f"http://localhost:{upstream.port}/v1")).status))
        for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [400] * 16 and not upstream.requests


# MARK: Behind a proxy, which looks names up by itself

@pytest.fixture(scope="module")
def proxied(upstream):
    network = {
        "proxy": f"http://127.0.0.1:{upstream.port}", "no_proxy": "127.0.0.0/8,.direct.example",
        "allow_hosts": [f"127.0.0.1:{upstream.port}", "*.partner.example"], "connect_timeout_ms": 2000}
    with Gateway({"keys": [{"name": "k", "key": KEY["x-portkey-api-key"]}], "network": network}) as gateway:
        yield gateway


def test_a_proxy_looks_up_no_host_of_a_clients(proxied, upstream):
    text = refused(chat(proxied, KEY | named("http://rebound.example.net/v1")))
    assert "proxy" in text and "network.allow_hosts" in text
    assert not upstream.requests


@pytest.mark.parametrize("host", ["http://api.partner.example/v1", "http://93.184.216.34/v1"])
def test_a_proxy_is_asked_for_what_is_known_to_be_open(proxied, upstream, host):
    assert chat(proxied, KEY | named(host), model="status-418").status == 418
    assert upstream.only.target == f"{host}/chat/completions"


def test_what_needs_no_proxy_is_asked_directly_and_judged(proxied, upstream):
    assert chat(proxied, KEY | named(upstream.base)).status == 200
    assert upstream.only.target == "/v1/chat/completions"
    refused(chat(proxied, KEY | named(f"http://127.0.0.1:{upstream.port + 1}/v1")))
    assert chat(proxied, KEY | named("http://x.direct.example/v1")).status == 502
