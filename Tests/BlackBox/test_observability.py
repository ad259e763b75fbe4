"""What the gateway says about itself: probes, metrics and the access log; and who may see it."""

import json
import os
import re
import subprocess
import threading

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, new_trace, target
from gateway import Gateway, binary, plugin_directory, until


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {"providers": {"up": {"provider": "openai", "api_key": "sk-server-secret", "base_url": upstream.base}}, "defaults": {"provider": "up"}}
    with Gateway(config) as gateway:
        yield gateway


# MARK: Probes

@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/health", "/health/live", "/health/ready"])
def test_a_probe(gateway, path):
    answer = ask(gateway, "GET", path)
    assert answer.status == 200 and answer.json["status"] == "ok" and answer.json["plugins"] == len(os.listdir(plugin_directory()))


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_a_probe_by_head(gateway, path):
    with Connection(gateway) as connection:
        answer = connection.request("HEAD", path)
        assert answer.status == 200 and int(answer.header("content-length")) > 0
        assert connection.request("GET", "/livez").status == 200


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/"])
def test_a_probe_takes_no_post(gateway, path):
    assert ask(gateway, "POST", path, {}).status == 405


# MARK: Metrics

LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^{}]*)\})? (-?[0-9.eE+-]+|NaN|[+-]?Inf)$")


def metrics(gateway):
    answer = ask(gateway, "GET", "/metrics")
    assert answer.status == 200 and answer.header("content-type").startswith("text/plain")
    values, types = {}, {}
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in types, f"{name} has two types"
            types[name] = kind
        elif line and not line.startswith("#"):
            match = LINE.match(line)
            assert match, line
            key = (match[1], match[2] or "")
            assert key not in values, f"{line} came twice"
            values[key] = float(match[3])
    return values, types


def total(values, name, *labels):
    return sum(value for (key, text), value in values.items() if key == name and all(label in text for label in labels))


def test_the_exposition_is_well_formed(gateway):
    chat(gateway)
    values, types = metrics(gateway)
    assert types["gatehouse_requests_total"] == "counter" and types["gatehouse_request_duration_seconds"] == "histogram"
    for (name, text), value in values.items():
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in types or base in types, name
        assert value >= 0 or types.get(name) == "gauge"


def test_requests_are_counted(gateway, upstream):
    before, _ = metrics(gateway)
    for model in ("m", "m", "status-500"):
        chat(gateway, model=model)
    ask(gateway, "GET", "/nowhere")
    def more(name, *labels):
        return total(metrics(gateway)[0], name, *labels) - total(before, name, *labels)

    # An exchange is counted when its answer has gone.
    until(lambda: more("gatehouse_requests_total", 'status="404"') == 1, "the count of the last request")
    assert more("gatehouse_requests_total", 'endpoint="chat_completions"', 'status="200"') == 2
    assert more("gatehouse_requests_total", 'status="500"') == 1
    assert more("gatehouse_requests_total", 'status="404"') == 1
    assert more("gatehouse_upstream_attempts_total") == 3
    assert more("gatehouse_request_duration_seconds_count", 'endpoint="chat_completions"') == 3


def test_buckets_add_up(gateway):
    chat(gateway)
    values, _ = metrics(gateway)
    for (name, text), value in values.items():
        if name.endswith("_bucket") and 'le="+Inf"' in text:
            labels = re.sub(r',?le="\+Inf"', "", text)
            assert value == values[(name.removesuffix("_bucket") + "_count", labels)]


def test_tokens_and_cache_and_guards_are_counted(gateway, upstream):
    config = target(upstream.base, cache={"mode": "simple"}, input_guardrails=[{"contains": {"words": ["x"], "operator": "none"}}])
    before, _ = metrics(gateway)
    for _ in range(2):
        assert chat(gateway, config_header(config), messages=[{"role": "user", "content": "counted"}]).status == 200
    until(lambda: total(metrics(gateway)[0], "gatehouse_cache_total") - total(before, "gatehouse_cache_total") == 2, "the count of the last request")
    after, _ = metrics(gateway)
    assert total(after, "gatehouse_guardrail_total", "contains") - total(before, "gatehouse_guardrail_total", "contains") == 2
    assert any("token" in name for name, _ in after)


def test_requests_in_flight(gateway, upstream):
    gate = upstream.gate()
    base = upstream.script(u.waits(gate, u.says("x")))
    thread = threading.Thread(target=lambda: chat(gateway, config_header(target(base))))
    thread.start()
    assert gate.reached.wait(10)
    assert total(metrics(gateway)[0], "gatehouse_requests_in_flight") >= 1
    gate.open()
    thread.join()
    until(lambda: total(metrics(gateway)[0], "gatehouse_requests_in_flight") <= 1, "the end of the request")


def test_open_connections(gateway):
    with Connection(gateway) as connection:
        connection.request("GET", "/livez")
        assert total(metrics(gateway)[0], "gatehouse_open_connections") >= 2


def test_names_of_clients_do_not_grow_the_metrics_without_end(upstream):
    """Whoever makes up models, paths and methods must not fill the memory."""
    config = {"listen": {"loops": 1}, "providers": {"mock": {"provider": "mock"}}, "defaults": {"provider": "mock"}, "log": {"access": False}}
    with Gateway(config) as gateway, Connection(gateway) as connection:
        def invent(numbers):
            for number in numbers:
                body = json.dumps({"model": f"model-{number}", "messages": []}).encode()
                assert connection.request("POST", "/v1/chat/completions", {"Content-Type": "application/json"}, body).status == 200
                connection.request("GET", f"/nowhere/{number}")
            return len(metrics(gateway)[0])

        full = invent(range(600))
        assert invent(range(600, 800)) <= full + 200


def test_metrics_can_be_turned_off(upstream):
    with Gateway({"metrics": {"enabled": False}}) as gateway:
        assert ask(gateway, "GET", "/metrics").status == 404


def test_no_secret_is_in_the_metrics(gateway):
    chat(gateway)
    assert "secret" not in ask(gateway, "GET", "/metrics").text


# MARK: The access log

def logged(gateway, headers=None, **body):
    headers = {"x-portkey-trace-id": new_trace()} | (headers or {})
    answer = chat(gateway, headers, **body)
    return gateway.access_line(headers["x-portkey-trace-id"]), answer


def test_a_line(gateway, upstream):
    line, answer = logged(gateway, model="gpt-x")
    assert (line["method"], line["path"], line["status"], line["stream"]) == ("POST", "/v1/chat/completions", 200, False)
    assert (line["endpoint"], line["provider"], line["model"], line["attempts"], line["target"]) == ("chat_completions", "openai", "gpt-x", 1, "config")
    assert line["bytes_out"] == len(answer.body) and line["bytes_in"] > 0 and line["duration_ms"] >= line["upstream_ms"] >= 0
    assert (line["input_tokens"], line["output_tokens"], line["client"]) == (3, 5, "127.0.0.1")


def test_a_streams_line(gateway):
    line, answer = logged(gateway, stream=True)
    assert line["stream"] is True and line["bytes_out"] == len(answer.body) and line["ttft_ms"] >= 0


def test_lines_of_failures(gateway, upstream):
    assert logged(gateway, model="status-503")[0]["status"] == 503
    line, _ = logged(gateway, model="nothing")
    assert line["status"] == 502 and line["error"]
    line, _ = logged(gateway, config_header(target(upstream.base, input_guardrails=[{"deny": True, "contains": {"words": ["Say"], "operator": "none"}}])))
    assert line["status"] == 446 and "contains" in line["denied_by"]
    line, _ = logged(gateway, {"x-portkey-config": "nobody"})
    assert line["status"] == 400


def test_a_fallbacks_line(gateway, upstream):
    config = {"strategy": {"mode": "fallback"}, "targets": [target(upstream.script(u.fails(500))), target(upstream.base)]}
    line, _ = logged(gateway, config_header(config))
    assert (line["attempts"], line["target"], line["status"]) == (2, "config.targets[1]", 200)


def test_a_cached_line(gateway, upstream):
    config = config_header(target(upstream.base, cache={"mode": "simple"}))
    messages = [{"role": "user", "content": "logged and cached"}]
    assert [logged(gateway, config, messages=messages)[0]["cache"] for _ in range(2)] == ["MISS", "HIT"]


def test_a_refused_connections_line(gateway):
    with Connection(gateway) as connection:
        connection.send(b"nonsense\r\n\r\n")
        trace = connection.read_answer().portkey["trace-id"]
    assert gateway.access_line(trace)["status"] == 400


def test_every_request_has_one_line(gateway):
    traces = [new_trace() for _ in range(20)]
    for trace in traces:
        chat(gateway, {"x-portkey-trace-id": trace})
    for trace in traces:
        gateway.access_line(trace)
    lines = [line.get("trace_id") for line in gateway.log()]
    assert all(lines.count(trace) == 1 for trace in traces)


SECRETS = {
    "x-portkey-api-key": "pk-secret-in-header", "Authorization": "Bearer sk-secret-in-header", "x-api-key": "sk-secret-in-other-header",
    "Cookie": "session=secret-cookie", "x-portkey-metadata": '{"note":"secret-metadata"}', "x-secret": "secret-custom",
}


def test_no_body_and_no_secret_is_in_the_log(gateway, upstream):
    config = config_header(target(upstream.script(u.says("the-answers-text")), api_key="sk-secret-in-config"))
    line, _ = logged(gateway, SECRETS | config, messages=[{"role": "user", "content": "the-prompts-text"}], user="secret-user")
    logged(gateway, SECRETS | config_header({"provider": "openai", "api_key": "sk-secret-in-config", "custom_host": "http://user:secret-password@127.0.0.1/"}))
    logged(gateway, SECRETS | {"x-portkey-config": '{"api_key":"sk-secret-in-broken-config"'})
    logged(gateway, SECRETS, model="html")
    trace = new_trace()
    ask(gateway, "GET", "/v1/files?api_key=secret-query&x=1", headers=SECRETS | {"x-portkey-trace-id": trace})
    assert gateway.access_line(trace)["path"] == "/v1/files"
    ask(gateway, "POST", "/v1/chat/completions", b'{"the-broken-body": secret', SECRETS)
    # One of the plugins is called "secrets".
    text = "\n".join(line for line in gateway.lines if '"plugin loaded"' not in line)
    for word in ("secret", "the-answers-text", "the-prompts-text", "the-broken-body", "It works!"):
        assert word not in text, word
    assert line["status"] == 200


@pytest.mark.parametrize("value", ['a"b', "a\\b", "{}", "a,b"])
def test_a_clients_words_do_not_break_a_line(gateway, value):
    line, _ = logged(gateway, {"x-portkey-trace-id": value}, model='m"\n{"forged":true}\u2028')
    found = [line for line in gateway.log() if line.get("trace_id") == value]
    assert found and not any(line.get("forged") for line in gateway.log()), line


def test_a_long_word_is_cut(gateway):
    line, _ = logged(gateway, model="m" * 10_000)
    assert len(line["model"]) <= 300


def test_every_line_of_the_log_is_json(gateway):
    chat(gateway)
    assert all("text" not in line for line in gateway.log()), [line for line in gateway.log() if "text" in line]


def test_a_log_in_a_file(upstream, tmp_path):
    file = tmp_path / "access.log"
    gateway = Gateway({"providers": {"mock": {"provider": "mock"}}, "defaults": {"provider": "mock"}, "log": {"file": str(file), "format": "json"}, "listen": {"port": 0}})
    with pytest.raises(AssertionError):
        # Nothing is said on standard error, so that the port is looked for in the file.
        gateway.wait_for_line(lambda line: True, timeout=0.01)
    process = subprocess.Popen([binary(), "serve", "--config", str(gateway.config_file)], stderr=subprocess.DEVNULL)
    try:
        line = until(lambda: next((json.loads(line) for line in file.read_text().splitlines() if "listening" in line), None) if file.exists() else None, "listening")
        port = int(line["address"].rsplit(":", 1)[1])
        with Connection(port) as connection:
            assert connection.request("GET", "/livez", {"x-portkey-trace-id": "in-the-file"}).status == 200
        until(lambda: "in-the-file" in file.read_text(), "the line")
    finally:
        process.terminate()
        assert process.wait(10) == 0
        gateway.directory.cleanup()


def test_access_lines_can_be_turned_off(upstream):
    with Gateway({"log": {"format": "json", "access": False}}) as gateway:
        ask(gateway, "GET", "/livez", headers={"x-portkey-trace-id": "quiet"})
        ask(gateway, "GET", "/livez")
        assert not any(line.get("trace_id") == "quiet" for line in gateway.log())


def test_lines_of_text(tmp_path):
    """For people; where the gateway listens is in them, too."""
    file = tmp_path / "gatehouse.log"
    gateway = Gateway({"providers": {"mock": {"provider": "mock"}}, "defaults": {"provider": "mock"}, "log": {"file": str(file), "format": "text"}})
    process = subprocess.Popen([binary(), "serve", "--config", str(gateway.config_file)], stderr=subprocess.DEVNULL)
    try:
        address = until(lambda: re.search(r"http://127\.0\.0\.1:(\d+)", file.read_text()) if file.exists() else None, "listening")
        with Connection(int(address[1])) as connection:
            headers = {"Content-Type": "application/json", "x-portkey-trace-id": "in-text"}
            assert connection.request("POST", "/v1/chat/completions", headers, b'{"model":"echo\\n","messages":[]}').status == 200
        line = until(lambda: next((line for line in file.read_text().splitlines() if "in-text" in line), None), "the line")
        assert "POST" in line and "/v1/chat/completions" in line and "200" in line and not line.startswith("{")
    finally:
        process.terminate()
        assert process.wait(10) == 0
        gateway.directory.cleanup()


# MARK: Web pages

FOREIGN = [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost.evil.example"}, {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "file://"}, {"Origin": "chrome-extension://abc"}, {"Host": "evil.example"}, {"Host": "rebound.example:8787"}, {"Host": "localhost.evil.example"},
    {"Host": "127.0.0.1.evil.example"}, {"Host": "0.0.0.0"}, {"Host": "192.168.1.5"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Host": "[::ffff:1.2.3.4]"}, {"Host": "2130706433"}, {"Origin": "http://user@evil.example"}, {"Host": "localhost@evil.example"}, {"Host": "127.evil.example"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("method, path", [("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("POST", "/v1/files"), ("GET", "/metrics")])
def test_a_web_page_is_refused(gateway, upstream, headers, method, path):
    answer = ask(gateway, method, path, {"model": "m", "messages": HELLO} if method == "POST" else None, headers)
    assert answer.status == 403, answer
    assert not upstream.requests and answer.header("access-control-allow-origin") is None


@pytest.mark.parametrize("headers", [{"Host": "localhost"}, {"Host": "localhost:8787"}, {"Host": "127.0.0.1"}, {"Host": "127.5.6.7:1"}, {"Host": "[::1]:8787"}, {"Host": "LOCALHOST"}, {"Origin": "http://localhost:3000"}, {"Origin": "http://127.0.0.1:5173"}, {"Origin": "http://[::1]:3000"}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
def test_a_program_of_this_machine_is_served(gateway, headers):
    assert chat(gateway, headers).status == 200


def test_a_preflight_is_not_granted(gateway):
    answer = ask(gateway, "OPTIONS", "/v1/chat/completions", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
    assert answer.status >= 400 and answer.header("access-control-allow-origin") is None


def test_a_form_of_a_web_page_is_no_json(gateway, upstream):
    """What a page can send without asking first: text/plain and forms, without Origin in old browsers."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert ask(gateway, "POST", "/v1/chat/completions", json.dumps({"model": "m", "messages": HELLO}).encode(), {"Content-Type": kind}).status in (400, 415)
    assert not upstream.requests
