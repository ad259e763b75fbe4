"""Starting, reloading, draining and stopping; and the commands beside `serve`."""

import json
import re
import signal
import socket
import subprocess

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, said, target
from gateway import Gateway, binary, command, plugin_directory, stage, until


def mock(text="one", **more):
    return {"providers": {"mock": {"provider": "mock", "text": text}}, "defaults": {"provider": "mock"}} | more


def says(gateway):
    return chat(gateway).json["choices"][0]["message"]["content"]


# MARK: Stopping

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_gateway_stops_at_once(number):
    with Gateway(mock()) as gateway:
        gateway.signal(number)
        assert gateway.process.wait(10) == 0
        gateway.wait_for_line(lambda line: line.get("message") == "stopped")


def test_a_running_stream_is_finished(upstream):
    gate = upstream.gate()
    base = upstream.script(u.streams(u.chat_frames("first", "last"), gates={2: gate}))
    with Gateway(mock()) as gateway:
        with Connection(gateway) as connection:
            body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
            connection.send_request("POST", "/v1/chat/completions", config_header(target(base)) | {"Content-Type": "application/json"}, body)
            answer = connection.read_head()
            pieces = connection.pieces(answer)
            got = next(pieces)
            gateway.signal(signal.SIGTERM)
            gateway.wait_for_line(lambda line: line.get("message") == "stopping")
            until(lambda: not listens(gateway.port), "the end of listening")
            gate.open()
            answer.body = got + b"".join(pieces)
            assert said(answer.events) == "firstlast" and answer.events[-1].is_done
            assert connection.is_closed()
        assert gateway.process.wait(10) == 0


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_running_request_is_finished(upstream):
    gate = upstream.gate()
    base = upstream.script(u.waits(gate, u.says("late")))
    with Gateway(mock()) as gateway:
        with Connection(gateway) as connection:
            connection.send_request("POST", "/v1/chat/completions", config_header(target(base)) | {"Content-Type": "application/json"}, json.dumps({"model": "m", "messages": HELLO}).encode())
            assert gate.reached.wait(10)
            gateway.signal(signal.SIGTERM)
            gateway.wait_for_line(lambda line: line.get("message") == "stopping")
            gate.open()
            answer = connection.read_answer()
            assert answer.status == 200 and answer.header("connection") == "close"
        assert gateway.process.wait(10) == 0


def test_idle_connections_do_not_hold_it_up():
    with Gateway(mock()) as gateway:
        with Connection(gateway) as connection:
            assert connection.request("GET", "/livez").status == 200
            gateway.signal(signal.SIGTERM)
            assert connection.is_closed()
            assert gateway.process.wait(10) == 0


def test_what_outlasts_the_grace_is_cut(upstream):
    base = upstream.script(u.streams(u.chat_frames("never"), gates={1: upstream.gate()}))
    with Gateway(mock(limits={"shutdown_grace_ms": 300})) as gateway:
        with Connection(gateway) as connection:
            body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
            connection.send_request("POST", "/v1/chat/completions", config_header(target(base)) | {"Content-Type": "application/json"}, body)
            connection.read_head()
            gateway.signal(signal.SIGTERM)
            assert gateway.process.wait(10) == 0


def test_many_streams_are_cut_without_a_grace(upstream):
    base = upstream.script(u.streams(u.chat_frames("never"), gates={1: upstream.gate()}))
    body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
    with Gateway(mock(limits={"shutdown_grace_ms": 0})) as gateway:
        connections = [Connection(gateway) for _ in range(20)]
        for connection in connections:
            connection.send_request("POST", "/v1/chat/completions", config_header(target(base)) | {"Content-Type": "application/json"}, body)
            connection.read_head()
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(10) == 0
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_grace(upstream, second):
    base = upstream.script(u.streams(u.chat_frames("never"), gates={1: upstream.gate()}))
    with Gateway(mock(limits={"shutdown_grace_ms": 60_000})) as gateway:
        with Connection(gateway) as connection:
            body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
            connection.send_request("POST", "/v1/chat/completions", config_header(target(base)) | {"Content-Type": "application/json"}, body)
            connection.read_head()
            gateway.signal(signal.SIGTERM)
            gateway.wait_for_line(lambda line: line.get("message") == "stopping")
            gateway.signal(second)
            assert gateway.process.wait(10) == 0
            gateway.wait_for_line(lambda line: line.get("message") == "stopping at once")


def test_readiness_ends_with_the_drain(upstream):
    """Seen on a connection that is open already: new ones are refused."""
    gate = upstream.gate()
    base = upstream.script(u.waits(gate, u.says("x")))
    with Gateway(mock()) as gateway:
        with Connection(gateway) as connection:
            connection.send_request("POST", "/v1/chat/completions", config_header(target(base)) | {"Content-Type": "application/json"}, json.dumps({"model": "m", "messages": HELLO}).encode())
            connection.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert gate.reached.wait(10)
            gateway.signal(signal.SIGTERM)
            gateway.wait_for_line(lambda line: line.get("message") == "stopping")
            gate.open()
            assert connection.read_answer().status == 200
            try:
                assert connection.read_answer().status == 503
            except EOFError:
                pass


# MARK: Reloading

def reloaded(gateway):
    return [line for line in gateway.log() if line.get("message") == "configuration reloaded"]


def test_a_changed_file_is_taken_over():
    with Gateway(mock("one")) as gateway:
        assert says(gateway) == "one"
        gateway.write(mock("two"))
        until(lambda: says(gateway) == "two", "the new text")
        until(lambda: len(reloaded(gateway)) == 1, "the log's line")


def test_sighup_reloads():
    with Gateway(mock("one")) as gateway:
        gateway.write(mock("two"))
        gateway.signal(signal.SIGHUP)
        until(lambda: says(gateway) == "two", "the new text")


def test_sighup_reloads_an_unchanged_file():
    with Gateway(mock()) as gateway:
        gateway.signal(signal.SIGHUP)
        until(lambda: reloaded(gateway), "the reload")
        assert says(gateway) == "one"


@pytest.mark.parametrize("text, word", [("{broken", "gatehouse.json:1"), ('{"listn":{}}', "listn"), ('{"providers":{"x":{"provider":"no-such"}}}', "no-such"), ("", None), ('{"configs":{"a":{"provider":"@nobody"}}}', "nobody"), ('{"defaults":{"input_guardrails":[{"contians":{}}]}}', "contians"), ('{"guardrails":{"g":{"contians":{}}}}', "contians")])
def test_an_invalid_file_changes_nothing(text, word):
    with Gateway(mock()) as gateway:
        gateway.write_text(text)
        gateway.signal(signal.SIGHUP)
        if word is None:
            gateway.wait_for_line(lambda line: "configuration" in line.get("message", "") and "listening" not in line["message"])
            return
        line = gateway.wait_for_line(lambda line: "the old one stays" in line.get("message", ""))
        assert line["level"] == "error" and word in line["errors"]
        assert says(gateway) == "one" and ask(gateway, "GET", "/readyz").status == 200
        gateway.reload(mock("mended"))
        until(lambda: says(gateway) == "mended", "the mended file")


def test_a_file_that_is_gone_changes_nothing():
    with Gateway(mock()) as gateway:
        gateway.config_file.unlink()
        gateway.signal(signal.SIGHUP)
        gateway.wait_for_line(lambda line: "the old one stays" in line.get("message", ""))
        assert says(gateway) == "one"


def test_a_running_stream_keeps_its_config(upstream):
    gate = upstream.gate()
    base = upstream.script(u.streams(u.chat_frames("forb", "idden"), gates={2: gate}))
    guard = {"deny": True, "contains": {"words": ["forbidden"], "operator": "none"}}
    with Gateway(mock(defaults={"provider": "mock", "output_guardrails": [guard]})) as gateway:
        with Connection(gateway) as connection:
            body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
            connection.send_request("POST", "/v1/chat/completions", config_header(target(base)) | {"Content-Type": "application/json"}, body)
            assert gate.reached.wait(10)
            gateway.reload(mock("two"))
            until(lambda: says(gateway) == "two", "the new text")
            gate.open()
            answer = connection.read_answer()
            assert "error" in answer.events[-1].json and "forbidden" not in said([event for event in answer.events if "choices" in event.json])


def test_new_keys_hold_at_once():
    key = {"x-portkey-api-key": "gh-new-0123456789"}
    with Gateway(mock()) as gateway:
        assert chat(gateway).status == 200
        gateway.reload(mock(keys=[{"name": "k", "key": key["x-portkey-api-key"]}]))
        until(lambda: chat(gateway).status == 401, "the key's rule")
        assert chat(gateway, key).status == 200


def test_a_changed_secret_file_is_noticed(upstream, tmp_path):
    secret = tmp_path / "key"
    secret.write_text("sk-first")
    config = {"providers": {"up": {"provider": "openai", "base_url": upstream.base, "api_key": {"file": str(secret)}}}, "defaults": {"provider": "up"}}
    with Gateway(config) as gateway:
        assert chat(gateway).status == 200 and upstream.requests[-1].header("authorization") == "Bearer sk-first"
        secret.write_text("sk-second")
        until(lambda: chat(gateway).status == 200 and upstream.requests[-1].header("authorization") == "Bearer sk-second", "the new secret")


def test_many_reloads_cost_no_memory():
    with Gateway(mock()) as gateway:
        def reload(times):
            for _ in range(times):
                count = len(reloaded(gateway))
                gateway.signal(signal.SIGHUP)
                until(lambda: len(reloaded(gateway)) > count, "a reload")
                chat(gateway)
        reload(5)
        before = gateway.rss()
        reload(15)
        assert gateway.rss() < before * 1.2


def test_requests_during_reloads_all_succeed():
    with Gateway(mock()) as gateway:
        with Connection(gateway) as connection:
            for number in range(40):
                if number % 10 == 0:
                    gateway.signal(signal.SIGHUP)
                assert connection.request("POST", "/v1/chat/completions", {"Content-Type": "application/json"}, json.dumps({"model": "m", "messages": HELLO}).encode()).status == 200


# MARK: Starting

def test_a_port_that_is_taken():
    with Gateway(mock()) as gateway, pytest.raises(AssertionError, match="cannot listen"):
        with Gateway(mock(listen={"port": gateway.port})):
            pass


def test_public_listening_without_keys_is_refused():
    with pytest.raises(AssertionError, match="allow_public_without_keys|key"):
        with Gateway(mock(listen={"address": "0.0.0.0"})):
            pass


@pytest.mark.parametrize("text", ["{broken", '{"listn":1}', '{"keys":[{"name":"x"}]}'])
def test_an_invalid_file_does_not_start(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    result = command("serve", "--config", str(tmp_path / "c.json"))
    assert result.returncode == 2 and "c.json" in result.stderr


def test_a_missing_file_does_not_start():
    result = command("serve", "--config", "/nowhere/c.yaml")
    assert result.returncode != 0 and "/nowhere/c.yaml" in result.stderr


def test_a_missing_certificate_does_not_start(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"listen": {"port": 0}, "plugins": {"directories": [plugin_directory()]}, "tls": {"certificate_file": "/nowhere/c.pem", "key_file": "/nowhere/k.pem"}}))
    result = command("serve", "--config", str(tmp_path / "c.json"))
    assert result.returncode != 0 and "/nowhere/" in result.stderr


def test_listen_on_the_command_line():
    with Gateway(mock(listen={"port": 1}), arguments=("--listen", "127.0.0.1:0")) as gateway:
        assert gateway.port > 1024 and says(gateway) == "one"


def test_a_yaml_file():
    gateway = Gateway({}, file="gatehouse.yaml")
    gateway.write_text(f"""
# A comment
listen: {{address: 127.0.0.1, port: 0}}
plugins:
  directories: ["{plugin_directory()}"]
  state_directory: {gateway.path}/state
providers:
  mock:
    provider: mock
    text: from yaml
defaults:
  provider: mock
""")
    with gateway:
        assert says(gateway) == "from yaml"


# MARK: check, schema, version

FAULTS = [
    ('listen:\n  port: 8787\n  adress: "x"\n', ["/listen/adress", ":3:", "address"]),
    ("listen:\n  port: 99999\n", ["/listen/port", ":2:", "65535"]),
    ("providers:\n  a:\n    provider: openai\n    api_key: sk\n  b: {}\n", ["/providers/b", "provider", ":5:"]),
    ("configs:\n  c:\n    strategy:\n      mode: wild\n    targets: []\n", ["/configs/c/strategy/mode", ":4:"]),
    ("configs:\n  c:\n    provider: '@nobody'\n", ["/configs/c/provider", "nobody", ":3:"]),
    ("log:\n  level: loud\n", ["/log/level", ":2:", "debug"]),
    ("limits:\n  body_bytes: many\n", ["/limits/body_bytes", ":2:"]),
    ("a: 1\na: 2\n", ["a", ":2:"]),
    ("a:\n\t- b\n", [":2:"]),
    ("limits: [1\n", [":"]),
    ("network:\n  allow_hosts: ['not a host']\n", ["/network/allow_hosts/0"]),
    ("configs:\n  c:\n    provider: mock\n    input_guardrails:\n      - contains: {words: 7}\n", ["/configs/c", "words"]),
    ("configs:\n  c:\n    provider: mock\n    input_guardrails:\n      - contians: {words: [x]}\n", ["/configs/c", "contians", "contains"]),
    ("keys:\n  - name: x\n    key: short\n    sha256: abc\n", ["/keys/0"]),
    ("providers:\n  a:\n    provider: openai\n    api_key: ${NOT_SET_ANYWHERE}\n", ["NOT_SET_ANYWHERE", "/providers/a/api_key"]),
]


@pytest.mark.parametrize("text, words", FAULTS, ids=[words[0] for _, words in FAULTS])
def test_check_names_the_place(tmp_path, text, words):
    file = tmp_path / "c.yaml"
    file.write_text(text + f"plugins: {{directories: ['{plugin_directory()}'], state_directory: '{tmp_path}/state'}}\n")
    result = command("check", str(file))
    assert result.returncode == 1, result.stdout
    for word in words:
        assert word in result.stdout, result.stdout
    assert "error: " in result.stdout and str(file) in result.stdout


def test_check_finds_all_faults_at_once(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("listen: {port: 99999, adress: x}\nlog: {level: loud}\n")
    assert command("check", str(file)).stdout.count("error: ") == 3


def test_check_of_a_good_file(tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps(mock(keys=[{"name": "k", "key": "gh-0123456789abcdef"}], plugins={"directories": [plugin_directory()], "state_directory": str(tmp_path / "state")}, configs={"c": {"provider": "@mock"}})))
    result = command("check", str(file))
    assert result.returncode == 0, result.stdout
    assert re.search(r"is valid: 1 configs, 1 providers, 1 keys, \d+ plugins", result.stdout)


def test_check_shows_no_secret(tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"providers": {"a": {"provider": "openai", "api_key": "sk-very-secret-123456", "oops": {"api_key": "sk-other-secret-123456"}}}, "keys": [{"name": "k", "key": "gh-secret-0123456789", "wrong": 1}]}))
    result = command("check", str(file))
    assert "secret-" not in result.stdout + result.stderr


def validate(schema, value, root=None, path=""):
    """As much of JSON Schema as the config's schema uses."""
    root = root or schema
    if "$ref" in schema:
        node = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return validate(node, value, root, path)
    problems = []
    for word in ("oneOf", "anyOf"):
        if word in schema:
            results = [validate(option, value, root, path) for option in schema[word]]
            if not any(not result for result in results):
                problems.append(f"{path}: none of {word}: {results}")
    for option in schema.get("allOf", []):
        problems += validate(option, value, root, path)
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None)}
    if "type" in schema:
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(isinstance(value, types[name]) and not (name in ("integer", "number") and isinstance(value, bool)) for name in wanted):
            return problems + [f"{path}: {value!r} is no {schema['type']}"]
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        problems.append(f"{path}: {value!r} is not like {schema['pattern']}")
    if "enum" in schema and value not in schema["enum"]:
        problems.append(f"{path}: {value!r} is none of {schema['enum']}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            problems.append(f"{path}: {value} is out of range")
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                problems.append(f"{path}: {name} is missing")
        for name, item in value.items():
            if name in schema.get("properties", {}):
                problems += validate(schema["properties"][name], item, root, f"{path}/{name}")
            elif isinstance(schema.get("additionalProperties"), dict):
                problems += validate(schema["additionalProperties"], item, root, f"{path}/{name}")
            elif schema.get("additionalProperties") is False and not any(re.search(pattern, name) for pattern in schema.get("patternProperties", {})):
                problems.append(f"{path}: {name} is not allowed")
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            problems += validate(schema["items"], item, root, f"{path}/{index}")
    return problems


@pytest.fixture(scope="module")
def schema():
    result = command("schema")
    assert result.returncode == 0
    return json.loads(result.stdout)


def test_the_schema_takes_what_the_gateway_takes(schema):
    assert validate(schema, mock(keys=[{"name": "k", "key": "x" * 20}], limits={"body_bytes": "1MiB"}, configs={"c": {"strategy": {"mode": "fallback"}, "targets": [{"provider": "@mock"}]}})) == []


@pytest.mark.parametrize("config", [{"listn": {}}, {"listen": {"port": "x"}}, {"listen": {"port": 99999}}, {"log": {"level": "loud"}}, {"keys": [{}]}, {"configs": {"c": {"strategy": {"mode": "wild"}}}}])
def test_the_schema_refuses_what_the_gateway_refuses(schema, config):
    assert validate(schema, config)


def examples():
    share = stage() / "share" / "gatehouse"
    return sorted(share.glob("*.yaml")) if share.is_dir() else []


def test_there_are_examples():
    assert examples(), f"{stage()}/share/gatehouse holds no example"


@pytest.mark.parametrize("file", examples(), ids=lambda file: file.name)
def test_an_example_is_valid(schema, file, tmp_path):
    yaml = pytest.importorskip("yaml")
    assert validate(schema, yaml.safe_load(file.read_text())) == []


@pytest.mark.parametrize("file", examples(), ids=lambda file: file.name)
def test_an_example_passes_check(file):
    env = {name: "sk-0123456789abcdef" for name in re.findall(r"\$\{([A-Z_0-9]+)\}|env: ([A-Z_0-9]+)", file.read_text()) for name in name if name}
    result = command("check", str(file), env=env)
    assert result.returncode == 0, result.stdout


def test_the_reference_names_every_key(schema):
    reference = command("schema", "--reference").stdout
    for name in schema["properties"]:
        assert name == "$schema" or name in reference


def test_version():
    result = command("--version")
    assert result.returncode == 0 and re.search(r"gatehouse \d+\.\d+\.\d+", result.stdout)
    assert command("version").stdout == result.stdout


def test_plugin_list(tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"plugins": {"directories": [plugin_directory()], "state_directory": str(tmp_path / "state")}}))
    result = command("plugin", "list", "--config", str(file), "--verbose")
    assert result.returncode == 0, result.stdout + result.stderr
    for word in ("default ", "wordlist ", "openai ", "anthropic ", "mock ", "default.contains", "groq"):
        assert word in result.stdout


@pytest.mark.parametrize("name", ["anthropic", "default", "mock", "openai", "outage-answer", "wordlist"])
def test_plugin_check(name):
    result = command("plugin", "check", f"{plugin_directory()}/{name}")
    assert result.returncode == 0, result.stdout


def test_a_broken_plugin_is_refused_and_the_rest_serves(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "plugin.json").write_text("{broken")
    (tmp_path / "nolib").mkdir()
    (tmp_path / "nolib" / "plugin.json").write_text(json.dumps({"manifest": 1, "id": "nolib", "name": "x", "version": "1.0.0", "license": "x", "library": {"linux-x86_64": "libNone.so", "linux-aarch64": "libNone.so"}, "abi": {"major": 1, "min_minor": 0}, "runtime": "c"}))
    with Gateway(mock(plugins={"directories": [plugin_directory(), str(tmp_path)]})) as gateway:
        refused = [line for line in gateway.log() if line.get("message") == "plugin refused"]
        assert len(refused) == 2 and says(gateway) == "one"


def test_the_binary_is_there():
    assert subprocess.run([binary(), "--help"], capture_output=True, text=True).stdout.startswith("OVERVIEW")
