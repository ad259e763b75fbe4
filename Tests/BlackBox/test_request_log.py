"""The request log: what is kept of an exchange, what becomes of it when the process dies or the disk is full, and how it is read."""

import json
import os
import pathlib
import resource
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import upstream as u
from client import Connection, ask, chat, config_header, new_trace, said, target
from gateway import SOON, Gateway, binary, command, until


def config(upstream, path="store.db", **store):
    return {
        "providers": {"up": {"provider": "openai", "api_key": "sk-server-secret", "base_url": upstream.base}},
        "configs": {"plain": {"provider": "@up"}},
        "defaults": {"config": "plain"},
        "store": {"path": str(path)} | store,
    }


@pytest.fixture(scope="module")
def gateway(upstream):
    with Gateway(config(upstream, log_bodies="full")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def redacting(upstream):
    with Gateway(config(upstream, log_bodies="redacted", body_bytes=2048)) as gateway:
        yield gateway


def file(gateway):
    return gateway.path / "store.db"


def query(path, sql, *values):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    try:
        return database.execute(sql, values).fetchall()
    finally:
        database.close()


def row(gateway, trace, count=1):
    """The row of a trace, once it is there."""
    rows = until(
        lambda: found if len(found := query(file(gateway), "SELECT * FROM requests WHERE trace = ? ORDER BY id", trace)) >= count else None,
        f"the row of {trace}")
    assert len(rows) == count
    return rows[-1] if count == 1 else rows


def bodies(gateway, trace):
    """The texts of an exchange; None for those that were not kept."""
    found = query(file(gateway), "SELECT * FROM bodies WHERE request = ?", row(gateway, trace)["id"])
    if not found:
        return None, None
    return tuple(text and text.decode() for text in (found[0]["request_body"], found[0]["answer_body"]))


def traced(gateway, headers=None, **body):
    trace = new_trace()
    return trace, chat(gateway, {"x-portkey-trace-id": trace} | (headers or {}), **body)


def metric(gateway, name):
    for line in ask(gateway, "GET", "/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def logs(gateway, *arguments):
    done = command("logs", *arguments, "--store", str(file(gateway)))
    assert done.returncode == 0, done.stderr
    return done.stdout


# MARK: Rows

def test_a_row_has_what_the_access_line_has(gateway, upstream):
    trace, answer = traced(gateway, {"x-portkey-metadata": '{"user": "eva", "tier": "pro"}', "x-portkey-parent-span-id": "span-1"})
    assert answer.status == 200
    kept = row(gateway, trace)
    line = gateway.access_line(trace)
    for column, member in [
        ("status", "status"), ("endpoint", "endpoint"), ("provider", "provider"), ("model", "model"), ("target", "target"), ("method", "method"),
        ("path", "path"), ("bytes_in", "bytes_in"), ("bytes_out", "bytes_out"), ("input_tokens", "input_tokens"), ("output_tokens", "output_tokens"),
    ]:
        assert kept[column] == line[member], column
    assert kept["workspace"] == "default" and kept["parent"] == "span-1" and kept["config"] == "plain" and kept["config_origin"] == "default"
    assert kept["duration"] > 0 and 0 < kept["upstream_duration"] <= kept["duration"] and kept["stream"] == 0 and kept["aborted"] == 0
    assert abs(kept["started_at"] / 1e9 - time.time()) < 60 and int.from_bytes(kept["id"][:6]) == kept["started_at"] // 1_000_000
    assert [tuple(pair) for pair in query(file(gateway), "SELECT key, value FROM metadata WHERE request = ? ORDER BY key", kept["id"])] == [
        ("tier", "pro"), ("user", "eva")]
    [attempt] = query(file(gateway), "SELECT * FROM attempts WHERE request = ?", kept["id"])
    assert (attempt["provider"], attempt["status"], attempt["target"], attempt["retry"]) == ("openai", 200, kept["target"], 0)


def test_every_attempt_is_there(gateway, upstream):
    base = upstream.script(u.fails(503), u.fails(503), u.says("at last"))
    trace, answer = traced(gateway, config_header({
        "strategy": {"mode": "fallback"},
        "targets": [target(base, retry={"attempts": 1, "on_status_codes": [503]}), target(base)],
    }))
    assert answer.status == 200
    kept = row(gateway, trace)
    attempts = query(file(gateway), "SELECT * FROM attempts WHERE request = ? ORDER BY number", kept["id"])
    assert [attempt["status"] for attempt in attempts] == [503, 503, 200]
    assert [attempt["retry"] for attempt in attempts] == [0, 1, 0]
    assert attempts[0]["target"] == attempts[1]["target"] != attempts[2]["target"] == kept["target"]
    assert kept["route"] == "fallback 2/2" and kept["config_origin"] == "request" and kept["config"] is None
    text = command("explain", trace, "--store", str(file(gateway))).stdout
    assert "came to 503" in text and "so it was tried again" in text and "the fallback came to it (number 2 of 2)" in text
    assert "Its config came with the request" in text and "No cache was asked for." in text


def test_a_stream_has_a_row_and_its_text(gateway):
    trace, answer = traced(gateway, stream=True)
    assert said(answer.events) == u.CHAT_TEXT
    kept = row(gateway, trace)
    assert kept["stream"] == 1 and kept["first_token"] > 0 and kept["status"] == 200
    request, text = bodies(gateway, trace)
    assert json.loads(request)["stream"] is True
    assert json.loads(text)["choices"][0]["message"]["content"] == u.CHAT_TEXT


def test_refused_requests_have_rows_and_own_pages_have_none(gateway):
    trace = new_trace()
    headers = {"x-portkey-trace-id": trace}
    for path in "/livez", "/metrics", "/":
        assert ask(gateway, "GET", path, headers=headers).status == 200
    assert ask(gateway, "GET", "/v2/nothing", headers=headers).status == 404
    refused, answer = traced(gateway, {"x-portkey-config": "nobody"})
    assert answer.status == 400
    assert row(gateway, refused)["error"] == "invalid_config"
    assert [kept["status"] for kept in [row(gateway, trace)]] == [404]


def test_the_cache_and_guards_are_told(gateway, upstream):
    guarded = config_header(target(
        upstream.base, cache={"mode": "simple"}, input_guardrails=[{"deny": True, "default.contains": {"words": ["zebra"], "operator": "none"}}]))
    miss, _ = traced(gateway, guarded, messages=[{"role": "user", "content": "cached here"}])
    hit, _ = traced(gateway, guarded, messages=[{"role": "user", "content": "cached here"}])
    assert row(gateway, miss)["cache"] == "MISS" and row(gateway, hit)["cache"] == "HIT"
    denied, answer = traced(gateway, guarded, messages=[{"role": "user", "content": "a zebra"}])
    assert answer.status == 446
    kept = row(gateway, denied)
    assert kept["denied_by"] == "default.contains" and json.loads(kept["receipts"])[0]["verdict"] == "failed"
    assert "The cache had the answer" in command("explain", hit, "--store", str(file(gateway))).stdout
    assert "default.contains refused it" in command("explain", denied, "--store", str(file(gateway))).stdout


def test_nobody_else_can_read_the_file(gateway):
    row(gateway, traced(gateway)[0])
    for name in "store.db", "store.db-wal", "store.db-shm":
        assert (gateway.path / name).stat().st_mode & 0o777 == 0o600, name


def test_what_an_exchange_cost(gateway):
    trace, answer = traced(gateway, model="gpt-4o")
    assert answer.status == 200
    line, kept = gateway.access_line(trace), row(gateway, trace)
    assert line["cost_usd"] > 0 and kept["cost_picodollars"] == round(line["cost_usd"] * 1e12) and kept["price_version"] == line["price_version"]
    [shown] = [json.loads(line) for line in logs(gateway, "list", "--json", "--trace", trace).splitlines()]
    assert shown["cost_usd"] == line["cost_usd"]
    assert f"It cost ${kept['cost_picodollars'] / 1e12:.12f}".rstrip("0") in command("explain", trace, "--store", str(file(gateway))).stdout
    unknown, _ = traced(gateway, model="nobody-sells-this")
    assert row(gateway, unknown)["cost_picodollars"] is None


# MARK: Commands

def test_listing(gateway):
    trace, _ = traced(gateway, {"x-portkey-metadata": '{"case": "listing"}'}, model="listed-model")
    row(gateway, trace)
    failed, _ = traced(gateway, model="status-503")
    row(gateway, failed)
    lines = logs(gateway, "list", "--since", "1h").splitlines()
    assert lines[0].startswith("TIME") and any(trace in line and "listed-model" in line for line in lines)
    assert lines[1].endswith(failed)
    for option in [("--metadata", "case=listing"), ("--model", "listed-model"), ("--trace", trace)]:
        [found] = [json.loads(line) for line in logs(gateway, "list", "--json", *option).splitlines()]
        assert found["trace_id"] == trace and found["metadata"] == {"case": "listing"} and found["attempts"][0]["status"] == 200
    assert all(json.loads(line)["status"] == 503 for line in logs(gateway, "list", "--json", "--status", "5xx").splitlines())
    assert len(logs(gateway, "list", "--json", "-n", "2").splitlines()) == 2
    assert logs(gateway, "list", "--json", "--provider", "nobody") == ""
    page = logs(gateway, "show", trace)
    assert f"trace        {trace}" in page and "case=listing" in page and u.CHAT_TEXT in page
    shown = json.loads(logs(gateway, "show", "--json", found["id"]))
    assert shown["bodies"]["policy"] == "full" and json.loads(shown["bodies"]["request"])["model"] == "listed-model"
    with_config = command("logs", "list", "--json", "--trace", trace, "--config", str(gateway.config_file))
    assert json.loads(with_config.stdout)["trace_id"] == trace


@pytest.mark.parametrize("arguments, text", [
    (["logs", "list"], "Name the store"),
    (["logs", "list", "--store", "/nowhere/x.db"], "No such file"),
    (["logs", "list", "--store", "x.db", "--since", "yesterday"], "neither a span"),
    (["logs", "list", "--store", "x.db", "--status", "6xx"], "429, 5xx, 400-499"),
    (["logs", "list", "--store", "x.db", "--metadata", "x"], "key=value"),
    (["store", "check", "/dev/null"], "gatehouse:"),
    (["store", "backup", "/nowhere/x.db", "/nowhere/y.db"], "No such file"),
])
def test_a_command_says_what_is_wrong(arguments, text):
    done = command(*arguments)
    assert done.returncode != 0 and text in done.stderr


def test_what_is_not_there_is_said(gateway):
    row(gateway, traced(gateway)[0])
    for words in ["logs", "show"], ["explain"]:
        done = command(*words, "no-such-trace", "--store", str(file(gateway)))
        assert done.returncode == 1 and "there is no exchange no-such-trace" in done.stderr


def test_tail_shows_what_comes(gateway):
    row(gateway, traced(gateway)[0])
    with subprocess.Popen(
            [binary(), "logs", "tail", "--json", "-n", "1", "--store", str(file(gateway))], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as tail:
        try:
            json.loads(tail.stdout.readline())
            trace, _ = traced(gateway)
            assert json.loads(tail.stdout.readline())["trace_id"] == trace
        finally:
            tail.kill()


# MARK: Texts

GUARDS = [{"pii.pseudonymize": {}}]
MAIL = "eva.secret@example.org"


def asking(text=f"I am {MAIL}."):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("stream", [False, True])
def test_redacted_texts_hold_nothing_that_a_guard_took_out(redacting, upstream, stream):
    reply = u.streams(u.chat_frames("Dear ", "<EMAIL_1>", "!")) if stream else u.says("Dear <EMAIL_1>!")
    trace, answer = traced(redacting, config_header(target(upstream.script(reply), input_guardrails=GUARDS)), messages=asking(), stream=stream)
    assert MAIL in (said(answer.events) if stream else answer.text)
    request, text = bodies(redacting, trace)
    assert "<EMAIL_1>" in request and "<EMAIL_1>" in text
    assert json.loads(text)["choices"][0]["message"]["content"] == "Dear <EMAIL_1>!"
    assert "eva.secret" not in raw(redacting)


@pytest.mark.parametrize("stream", [False, True])
def test_full_texts_are_those_of_the_client(gateway, upstream, stream):
    reply = u.streams(u.chat_frames("Dear ", "<EMAIL_1>", "!")) if stream else u.says("Dear <EMAIL_1>!")
    trace, _ = traced(gateway, config_header(target(upstream.script(reply), input_guardrails=GUARDS)), messages=asking(), stream=stream)
    request, text = bodies(gateway, trace)
    assert MAIL in request and json.loads(text)["choices"][0]["message"]["content"] == f"Dear {MAIL}!"


def raw(gateway):
    """Everything in the store's files."""
    return b"".join(path.read_bytes() for path in gateway.path.glob("store.db*")).decode("latin-1")


def test_what_was_refused_or_not_judged_is_not_in_the_redacted_log(redacting, upstream):
    # Refused before the guard that would have taken it out.
    denied, answer = traced(
        redacting, config_header(target(upstream.base, input_guardrails=[{"deny": True, "default.contains": {"words": ["eva"], "operator": "none"}}, *GUARDS])),
        messages=asking())
    assert answer.status == 446 and bodies(redacting, denied) == (None, None)
    # The guard cannot judge and is let off: what it would have taken out has gone to the provider, but not to the log.
    broken = {"pii.redact": {"entities": ["EMAIL"], "patterns": [{"name": "bad", "pattern": "(a+)+$"}]}, "on_failure": "open"}
    unsure, answer = traced(
        redacting, config_header(target(upstream.base, input_guardrails=[broken])), messages=asking("a" * 100_000 + "! " + MAIL))
    assert answer.status == 200 and bodies(redacting, unsure) == (None, None)
    # An answer that its guard refused.
    refused, answer = traced(
        redacting, config_header(target(upstream.script(u.says(MAIL)), output_guardrails=[{"deny": True, "default.contains": {"words": ["eva"], "operator": "none"}}])))
    assert answer.status == 446 and bodies(redacting, refused)[1] is None
    assert "eva.secret" not in raw(redacting)


def test_texts_are_cut_and_secrets_masked(redacting, upstream):
    key = "sk-proj-" + "Ab3" * 10
    trace, _ = traced(redacting, messages=asking(f"my key is {key} " + "é" * 4000))
    request, text = bodies(redacting, trace)
    assert "my key is sk-[redacted]" in request and len(request.encode()) <= 2048 and u.CHAT_TEXT in text
    kept = query(file(redacting), "SELECT * FROM bodies WHERE request = ?", row(redacting, trace)["id"])[0]
    assert kept["request_size"] > 8000
    assert key not in raw(redacting) and "sk-server-secret" not in raw(redacting)
    assert "of them kept" in logs(redacting, "show", trace)


def test_an_error_of_the_upstream_is_kept(redacting, upstream):
    trace, answer = traced(redacting, config_header(target(upstream.script(u.fails(400, text="the model says no")))))
    assert answer.status == 400 and "the model says no" in bodies(redacting, trace)[1]


def test_without_a_word_no_text_is_kept_and_the_policy_follows_the_file(upstream):
    with Gateway(config(upstream)) as gateway:
        assert bodies(gateway, traced(gateway)[0]) == (None, None)
        gateway.reload(config(upstream, log_bodies="full"))
        gateway.wait_for_line(lambda line: line.get("message") == "configuration reloaded")
        assert u.CHAT_TEXT in bodies(gateway, traced(gateway)[0])[1]
        gateway.reload(config(upstream, path="elsewhere.db"))
        gateway.wait_for_line(lambda line: "takes effect with the next start" in line.get("message", ""))
        assert bodies(gateway, traced(gateway)[0]) == (None, None)


def test_without_a_store_nothing_is_stored(upstream):
    plain = config(upstream)
    del plain["store"]
    with Gateway(plain) as gateway:
        assert chat(gateway).status == 200
        assert "gatehouse_store" not in ask(gateway, "GET", "/metrics").text
        assert not list(gateway.path.glob("*.db*"))


# MARK: The file at the start

def refusal(upstream, tmp_path):
    gateway = Gateway(config(upstream, tmp_path / "store.db"))
    with gateway.directory:
        done = command("serve", "--config", str(gateway.config_file))
        assert done.returncode == 1
        return done.stderr


def test_a_file_of_a_newer_version_is_refused(upstream, tmp_path):
    with Gateway(config(upstream, tmp_path / "store.db")) as gateway:
        chat(gateway)
    database = sqlite3.connect(tmp_path / "store.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    assert "newer version of Gatehouse (schema 99" in refusal(upstream, tmp_path)


def test_a_damaged_file_is_refused(upstream, tmp_path):
    path = tmp_path / "store.db"
    path.write_bytes(b"nothing of the kind " * 1000)
    path.chmod(0o600)
    assert "this is no SQLite file" in refusal(upstream, tmp_path)
    assert command("store", "check", str(path)).returncode == 1


def test_a_file_of_something_else_and_a_directory_that_is_not_there(upstream, tmp_path):
    database = sqlite3.connect(tmp_path / "store.db")
    database.execute("CREATE TABLE mine (x)")
    database.close()
    assert "a database of something else" in refusal(upstream, tmp_path)
    assert "No such file or directory" in refusal(upstream, tmp_path / "nowhere")


def test_a_disk_that_is_read_only(upstream, tmp_path):
    with Gateway(config(upstream, tmp_path / "store.db")) as gateway:
        row_count = len([chat(gateway)])
    if os.geteuid() == 0:
        if subprocess.run(["mount", "--bind", str(tmp_path), str(tmp_path)], stderr=subprocess.DEVNULL).returncode != 0:
            pytest.skip("root, but nothing can be mounted here")
        subprocess.run(["mount", "-o", "remount,ro,bind", str(tmp_path)], check=True)
    else:
        (tmp_path / "store.db").chmod(0o400)
        tmp_path.chmod(0o500)
    try:
        with Gateway(config(upstream, tmp_path / "store.db")) as gateway:
            assert "cannot be written" in gateway.wait_for_line(lambda line: line.get("level") == "error")["reason"]
            assert chat(gateway).status == 200 and metric(gateway, "gatehouse_store_writable") == 0
            # It ends in time, and says what it could not keep.
        gateway.wait_for_line(lambda line: line.get("message") == "rows of the request log were lost")
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(tmp_path)], check=True)
        else:
            tmp_path.chmod(0o700)
            (tmp_path / "store.db").chmod(0o600)
    assert query(tmp_path / "store.db", "SELECT count(*) FROM requests")[0][0] == row_count


# MARK: Trouble while it runs

class Lock:
    """Keeps the file as another process would."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, isolation_level=None)

    def __enter__(self):
        self.database.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_):
        self.database.execute("ROLLBACK")
        self.database.close()


class Full:
    """Lets no file of the gateway's grow beyond what the store has."""

    def __init__(self, gateway):
        self.process = gateway.process.pid
        self.limit = max(path.stat().st_size for path in gateway.path.glob("store.db*"))

    def __enter__(self):
        self.old = resource.prlimit(self.process, resource.RLIMIT_FSIZE, (self.limit, resource.RLIM_INFINITY))

    def __exit__(self, *_):
        resource.prlimit(self.process, resource.RLIMIT_FSIZE, self.old)


@pytest.mark.parametrize("kind", ["locked", "full"])
def test_requests_go_on_and_losses_are_counted(upstream, kind):
    with Gateway(config(upstream, queue_rows=1000)) as gateway:
        row(gateway, traced(gateway)[0])
        with Lock(file(gateway)) if kind == "locked" else Full(gateway):
            sent = 0
            with Connection(gateway) as connection:
                # Some rows may still find room in the file.
                while sent < 1100 or sent < 3000 and metric(gateway, "gatehouse_store_rows_lost_total") < 100:
                    answer = connection.request("POST", "/v1/chat/completions", [("content-type", "application/json")], json.dumps({"model": "m", "messages": asking("x")}).encode())
                    assert answer.status == 200
                    sent += 1
            until(lambda: metric(gateway, "gatehouse_store_rows_lost_total") >= 100, "losses")
            gateway.wait_for_line(lambda line: line.get("message") == "the request log cannot be written; it is tried again")
            gateway.wait_for_line(lambda line: line.get("message") == "rows of the request log were lost")
            assert metric(gateway, "gatehouse_store_writable") == 0 and metric(gateway, "gatehouse_store_failures_total") > 0
        until(lambda: metric(gateway, "gatehouse_store_queue_rows") == 0, "the queue's end")
        row(gateway, traced(gateway)[0])
        lost = metric(gateway, "gatehouse_store_rows_lost_total")
        assert query(file(gateway), "SELECT count(*) FROM requests")[0][0] + lost == sent + 2
        assert sum(line.get("message", "").startswith("the request log cannot") for line in gateway.log()) == 1
        assert "is sound" in command("store", "check", str(file(gateway))).stdout


@pytest.mark.parametrize("kind", ["locked", "full"])
def test_requests_are_refused_while_rows_cannot_be_written(upstream, kind):
    with Gateway(config(upstream, log_loss="refuse")) as gateway:
        row(gateway, traced(gateway)[0])
        answered = []
        with Lock(file(gateway)) if kind == "locked" else Full(gateway):
            def is_refused():
                trace, answer = traced(gateway)
                if answer.status == 200:
                    answered.append(trace)
                return answer if answer.status == 503 else None
            answer = until(is_refused, "a refusal")
            assert answer.error["code"] == "log_unavailable" and answer.header("retry-after") == "1"
            asked = len(upstream.requests)
            assert traced(gateway)[1].status == 503 and len(upstream.requests) == asked
            assert ask(gateway, "GET", "/readyz").status == 503 and ask(gateway, "GET", "/livez").status == 200
        until(lambda: ask(gateway, "GET", "/readyz").status == 200, "the recovery")
        assert traced(gateway)[1].status == 200
        # What was answered has its row; what was refused for the lack of one has none.
        for trace in answered:
            row(gateway, trace)
        assert metric(gateway, "gatehouse_store_rows_lost_total") == 0
        assert not query(file(gateway), "SELECT * FROM requests WHERE status = 503")


def test_a_backup_while_it_runs(gateway, tmp_path):
    trace, _ = traced(gateway)
    row(gateway, trace)
    stop = threading.Event()

    def load():
        while not stop.is_set():
            chat(gateway)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(3):
            copy = tmp_path / f"copy{number}.db"
            done = command("store", "backup", str(file(gateway)), str(copy))
            assert done.returncode == 0, done.stderr
            assert "is sound" in command("store", "check", str(copy)).stdout
            assert command("explain", trace, "--store", str(copy)).returncode == 0
            assert copy.stat().st_mode & 0o777 == 0o600
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert command("store", "backup", str(file(gateway)), str(copy)).returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir() if "partial" in path.name) == []


def test_killed_at_any_moment(upstream, tmp_path):
    """No file is ever damaged, and what was answered a second before the end is there."""
    path = tmp_path / "store.db"
    missing, answered = [], 0
    for round in range(6):
        gateway = Gateway(config(upstream, path, log_bodies="full"))
        with gateway.directory:
            gateway.__enter__()
            done = []
            stop = threading.Event()

            def load():
                while not stop.is_set():
                    try:
                        trace, answer = traced(gateway)
                    except (OSError, EOFError, AssertionError):
                        return
                    if answer.status == 200 and answer.is_complete:
                        done.append((trace, time.monotonic()))

            threads = [threading.Thread(target=load) for _ in range(4)]
            for thread in threads:
                thread.start()
            until(lambda: len(done) > 50, "some load")
            time.sleep(1.2 + round * 0.037)
            gateway.signal(signal.SIGKILL)
            killed = time.monotonic()
            stop.set()
            for thread in threads:
                thread.join()
            gateway.process.wait()
        report = command("store", "check", str(path))
        assert report.returncode == 0, report.stdout + report.stderr
        known = {found["trace"] for found in query(path, "SELECT trace FROM requests")}
        safe = [trace for trace, moment in done if moment < killed - 1]
        answered += len(safe)
        missing += [trace for trace in safe if trace not in known]
    assert answered > 50 and not missing


def test_old_rows_go(upstream, tmp_path):
    path = tmp_path / "store.db"
    with Gateway(config(upstream, path)) as gateway:
        old, young = traced(gateway)[0], traced(gateway)[0]
    database = sqlite3.connect(path)
    long_ago = int((time.time() - 40 * 86400) * 1000).to_bytes(6)
    database.execute("PRAGMA foreign_keys = OFF")
    [[known]] = database.execute("SELECT id FROM requests WHERE trace = ?", (old,)).fetchall()
    for table, column in ("requests", "id"), ("attempts", "request"):
        database.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (long_ago + known[6:], known))
    database.commit()
    database.close()
    with Gateway(config(upstream, path, retention_days=30)) as gateway:
        until(lambda: metric(gateway, "gatehouse_store_rows_removed_total") == 1, "the removal")
    assert [found["trace"] for found in query(path, "SELECT trace FROM requests")] == [young]
