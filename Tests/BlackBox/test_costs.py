"""What every exchange costs: in the access log, in the metrics, on the command line; and how the gateway learns of it."""

import json

import pytest

import upstream as u
from client import HELLO, Connection, ask, chat, config_header, new_trace, target
from gateway import Gateway, command, stage, until
from test_observability import metrics, total

CONFIG = {
    "prices": {"models": {
        "openai/m": {"input": 2, "output": 8, "cache_read": 0.5},
        "openai/grader": {"input": 2, "output": 8},
        "openai/priced": {"input": 2, "output": 8, "cache_read": 0.5},
        "openai/upstream-model": {"input": 2, "output": 8, "cache_read": 0.5},
        "anthropic/claude-upstream": {"input": 3, "output": 15},
    }},
}


@pytest.fixture(scope="module")
def gateway(upstream):
    config = CONFIG | {"providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}}, "defaults": {"provider": "up"}}
    with Gateway(config) as gateway:
        yield gateway


def logged(gateway, config=None, path="/v1/chat/completions", **body):
    trace = new_trace()
    headers = {"x-portkey-trace-id": trace} | (config_header(config) if config else {})
    answer = ask(gateway, "POST", path, {"model": "m", "messages": HELLO} | body, headers)
    return gateway.access_line(trace), answer


def named(text):
    """An upstream's words under a model name that has no price."""
    return json.loads(json.dumps(text).replace("upstream-model", "unpriced-model").replace("claude-upstream", "claude-unpriced"))


USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, "prompt_tokens_details": {"cached_tokens": 40}}
USAGE_CHUNK = u.frame(u.chunk(choices=[], usage=USAGE))


# MARK: The access log

def test_an_answers_cost(gateway, upstream):
    # 3 × 2 + 5 × 8 = 46 millionths of a dollar.
    line, answer = logged(gateway)
    assert answer.status == 200
    assert line["cost_usd"] == 0.000046 and line["price_version"].startswith("config-") and "usage_estimated" not in line


def test_cached_tokens_have_their_price(gateway, upstream):
    # 60 × 2 + 40 × 0.5 + 10 × 8 = 120 + 20 + 80
    line, _ = logged(gateway, target(upstream.script(u.answer(u.completion(usage=USAGE)))))
    assert (line["input_tokens"], line["output_tokens"], line["cached_tokens"], line["cost_usd"]) == (100, 10, 40, 0.00022)


def test_a_model_without_a_price_costs_something_unknown(gateway, upstream):
    line, _ = logged(gateway, target(upstream.script(u.answer(named(u.completion())))), model="unpriced-model")
    assert line["cost_usd"] is None and "price_version" not in line and line["input_tokens"] == 3


def test_the_catalogues_price_and_version(gateway, upstream):
    reply = u.answer(u.completion(model="gpt-4o-mini-2024-07-18", usage={"prompt_tokens": 1000, "completion_tokens": 200}))
    line, _ = logged(gateway, target(upstream.script(reply)), model="gpt-4o-mini")
    version = (stage() / "share" / "gatehouse" / "prices.txt").read_text().splitlines()[1].split()[1]
    assert line["price_version"] == version
    listed = json.loads(command("models", "--provider", "openai", "--json").stdout)
    price = {model["model"]: model for model in listed["models"]}["gpt-4o-mini"]
    assert line["cost_usd"] == pytest.approx((1000 * price["input"] + 200 * price["output"]) / 1e6, abs=1e-12)


def test_a_refusal_and_a_failure_cost_nothing_known(gateway, upstream):
    line, _ = logged(gateway, target(upstream.script(u.fails(500))))
    assert line["cost_usd"] is None and "input_tokens" not in line
    line, _ = logged(gateway, target(upstream.base, input_guardrails=[{"deny": True, "contains": {"words": ["Say"], "operator": "none"}}]))
    assert line["status"] == 446 and line["cost_usd"] is None


def test_an_answer_that_a_guard_refuses_is_charged(gateway, upstream):
    guard = {"deny": True, "contains": {"words": ["Hello"], "operator": "none"}}
    line, answer = logged(gateway, target(upstream.base, output_guardrails=[guard]))
    assert answer.status == 446 and line["cost_usd"] == 0.000046


def test_all_attempts_are_added_up(gateway, upstream):
    """A fallback after a failure costs what the second says; one after an unpriced answer is unknown."""
    targets = [target(upstream.script(u.fails(500))), target(upstream.base)]
    line, _ = logged(gateway, {"strategy": {"mode": "fallback"}, "targets": targets})
    assert line["attempts"] == 2 and line["cost_usd"] == 0.000046
    guard = {"deny": True, "contains": {"words": ["Hello"], "operator": "none"}}
    targets = [target(upstream.base, output_guardrails=[guard]), target(upstream.script(u.says("Good day.")))]
    line, answer = logged(gateway, {"strategy": {"mode": "fallback", "on_status_codes": [446]}, "targets": targets})
    assert answer.status == 200 and line["attempts"] == 2 and line["cost_usd"] == 0.000092


def test_a_cache_hit_costs_nothing(gateway, upstream):
    config = target(upstream.base, cache={"mode": "simple"})
    body = {"messages": [{"role": "user", "content": "once " + new_trace()}]}
    assert logged(gateway, config, **body)[0]["cost_usd"] == 0.000046
    line, _ = logged(gateway, config, **body)
    assert line["cache"] == "HIT" and line["cost_usd"] == 0 and "price_version" in line


def test_usage_that_is_not_told_is_estimated(gateway, upstream):
    answer = u.completion("x" * 400)
    del answer["usage"]
    line, _ = logged(gateway, target(upstream.script(u.answer(answer))))
    # "Say hello." has 10 bytes.
    assert line["usage_estimated"] is True and line["input_tokens"] == 3 and 100 <= line["output_tokens"] <= 105
    assert line["cost_usd"] == pytest.approx((3 * 2 + line["output_tokens"] * 8) / 1e6, abs=1e-12)


def test_messages(gateway, upstream):
    config = {"provider": "anthropic", "api_key": "sk", "custom_host": upstream.script(u.answer(u.message()))}
    # 3 × 3 + 5 × 15 = 84
    assert logged(gateway, config, path="/v1/messages", max_tokens=9)[0]["cost_usd"] == 0.000084
    config["custom_host"] = upstream.script(u.streams(u.message_frames()))
    line, answer = logged(gateway, config, path="/v1/messages", max_tokens=9, stream=True)
    assert line["cost_usd"] == 0.000084 and (line["input_tokens"], line["output_tokens"]) == (3, 5)
    assert "stream_options" not in upstream.requests[-1].json


# MARK: include_usage

@pytest.mark.parametrize("split", [0, 1, 7])
def test_the_usage_chunk_is_asked_for_and_hidden(gateway, upstream, split):
    frames = u.chat_frames()
    base = upstream.script(u.streams([*frames[:-1], USAGE_CHUNK, frames[-1]], split=split))
    line, answer = logged(gateway, target(base), stream=True)
    assert upstream.requests[-1].json["stream_options"] == {"include_usage": True}
    assert answer.body == b"".join(frames)
    assert line["cost_usd"] == 0.00022 and "usage_estimated" not in line


def test_odd_bytes_around_the_usage_chunk_stay(gateway, upstream):
    """Comments, ids and spaces are the upstream's; all in one piece, and only the chunk goes."""
    before = b": hello\n\nid: 1\ndata:" + json.dumps(u.chunk("Hi")).encode() + b"\r\n\r\n"
    usage = b"id: 2\nevent: message\ndata: " + json.dumps(u.chunk(choices=[], usage=USAGE), indent=None).encode() + b"\n\n"
    after = b": bye\n\ndata: [DONE]\n\n"
    base = upstream.script(u.streams([before + usage + after]))
    line, answer = logged(gateway, target(base), stream=True)
    assert answer.body == before + after and line["cost_usd"] == 0.00022


def test_who_asks_gets_the_usage_chunk(gateway, upstream):
    frames = [*u.chat_frames()[:-1], USAGE_CHUNK, u.DONE]
    line, answer = logged(gateway, target(upstream.script(u.streams(frames))), stream=True, stream_options={"include_usage": True})
    assert answer.body == b"".join(frames) and line["cost_usd"] == 0.00022


def test_other_stream_options_stay(gateway, upstream):
    logged(gateway, target(upstream.base), stream=True, stream_options={"include_usage": False, "include_obfuscation": False})
    assert upstream.requests[-1].json["stream_options"] == {"include_usage": True, "include_obfuscation": False}


def test_a_provider_that_is_not_known_to_understand_it_is_not_asked(gateway, upstream):
    line, answer = logged(gateway, target(upstream.base, provider="mistral-ai"), stream=True)
    assert answer.status == 200 and "stream_options" not in upstream.requests[-1].json and line["usage_estimated"] is True


def test_the_operator_can_forbid_it(upstream):
    with Gateway({"prices": {"ask_for_stream_usage": False}}) as gateway:
        line, answer = logged(gateway, target(upstream.base), stream=True)
        assert answer.body == b"".join(u.chat_frames()) and "stream_options" not in upstream.requests[-1].json
        assert line["usage_estimated"] is True


def test_it_is_hidden_behind_guards_too(gateway, upstream):
    frames = [*u.chat_frames()[:-1], USAGE_CHUNK, u.DONE]
    guard = {"deny": True, "contains": {"words": ["forbidden"], "operator": "none"}}
    line, answer = logged(gateway, target(upstream.script(u.streams(frames)), output_guardrails=[guard]), stream=True)
    assert line["cost_usd"] == 0.00022
    assert not any("usage" in event.json for event in answer.events if not event.is_done and "choices" in event.json and not event.json["choices"])


def test_a_translated_stream_tells_its_usage(gateway, upstream):
    config = {"provider": "anthropic", "api_key": "sk", "custom_host": upstream.script(u.streams(u.message_frames()))}
    line, answer = logged(gateway, config, stream=True, max_tokens=9)
    assert line["cost_usd"] == 0.000084 and "stream_options" not in upstream.requests[-1].json
    assert all(event.json["choices"] for event in answer.events if not event.is_done)


def test_a_cached_stream_knows_its_usage(gateway, upstream):
    config = target(upstream.base, cache={"mode": "simple"})
    body = {"messages": [{"role": "user", "content": "streamed " + new_trace()}]}
    logged(gateway, config, stream=True, **body)
    line, answer = logged(gateway, config, **body)
    assert line["cache"] == "HIT" and answer.json["usage"]["total_tokens"] == 8 and line["cost_usd"] == 0


# MARK: Streams that end early

def leave(gateway, config, frames_wanted, **body):
    trace = new_trace()
    connection = Connection(gateway)
    headers = {"content-type": "application/json", "x-portkey-trace-id": trace} | config_header(config)
    connection.send_request("POST", body.pop("path", "/v1/chat/completions"), headers, json.dumps({"model": "m", "messages": HELLO, "stream": True} | body).encode())
    connection.read_until(frames_wanted)
    connection.close()
    return gateway.access_line(trace)


def test_a_client_that_leaves_is_charged_for_what_has_come(gateway, upstream):
    base = upstream.script(u.streams(u.chat_frames()[:4], end="open"))
    line = leave(gateway, target(base), b'" the"')
    # Opening, "Hello", " from", " the": each word is a token at least.
    assert line["aborted"] is True and line["usage_estimated"] is True and line["input_tokens"] == 3 and 3 <= line["output_tokens"] <= 6
    assert line["cost_usd"] == pytest.approx((3 * 2 + line["output_tokens"] * 8) / 1e6, abs=1e-12)


def test_a_client_that_leaves_messages_pays_what_was_told_of_the_input(gateway, upstream):
    config = {"provider": "anthropic", "api_key": "sk", "custom_host": upstream.script(u.streams(u.message_frames()[:6], end="open"))}
    line = leave(gateway, config, b"the", path="/v1/messages", max_tokens=9)
    assert line["input_tokens"] == 3 and line["usage_estimated"] is True and line["cost_usd"] > 0.000009


def test_a_stream_that_breaks_off_is_charged(gateway, upstream):
    base = upstream.script(u.streams(u.chat_frames()[:4], end="cut"))
    line, _ = logged(gateway, target(base), stream=True)
    assert line["error"] and line["usage_estimated"] is True and line["cost_usd"] > 0


# MARK: Metrics, the command line and bad input

def test_the_metrics(gateway, upstream):
    def seen():
        values, _ = metrics(gateway)
        label = 'model="priced"'
        return [total(values, "gatehouse_cost_usd_total", label)] + [
            total(values, "gatehouse_tokens_total", label, f'type="{kind}"') for kind in ("input", "output", "cached")]

    before = seen()
    for _ in range(3):
        logged(gateway, target(upstream.script(u.answer(u.completion(usage=USAGE)))), model="priced")
    def moved():
        return [round(now - then, 9) for now, then in zip(seen(), before)]
    until(lambda: moved() == [0.00066, 300, 30, 120], "the metrics of three answers")
    logged(gateway, target(upstream.script(u.answer(named(u.completion())))), model="unpriced-model")
    until(lambda: total(metrics(gateway)[0], "gatehouse_unpriced_answers_total", 'model="unpriced-model"') >= 1, "the unpriced answer")


def test_what_a_judge_costs_is_its_own(upstream):
    """Its call has a line of its own, under the same trace; the request's line has the request's cost alone."""
    config = CONFIG | {"providers": {"judge": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}}}
    with Gateway(config) as gateway:
        trace = new_trace()
        answers = upstream.script(u.answer(u.completion(usage=USAGE)))
        guard = {"judge.score": {"target": "@judge", "model": "grader"}}
        chat(gateway, config_header(target(answers, input_guardrails=[guard])) | {"x-portkey-trace-id": trace})

        def line(asked):
            return gateway.wait_for_line(
                lambda entry: entry.get("trace_id") == trace and "method" in entry and ("asked_by" in entry) == asked, "a line")
        assert line(True)["cost_usd"] == 0.000046 and line(False)["cost_usd"] == 0.00022


def test_models_are_listed(tmp_path):
    everything = command("models")
    assert everything.returncode == 0 and everything.stdout.startswith("version 2") and "anthropic\n" in everything.stdout
    file = tmp_path / "gatehouse.json"
    file.write_text(json.dumps(CONFIG))
    own = command("models", "--config", str(file), "--provider", "openai")
    assert "  priced: input 2, output 8, cache_read 0.5 [config-" in own.stdout and "anthropic" not in own.stdout
    nobody = command("models", "--provider", "nobody")
    assert nobody.returncode == 1 and "nobody" in nobody.stderr and "openai" in nobody.stderr


@pytest.mark.parametrize("prices, place", [
    ({"models": {"gpt": {"input": 1}}}, "/prices/models/gpt"),
    ({"models": {"openai/gpt": {}}}, "/prices/models/openai~1gpt"),
    ({"models": {"openai/gpt": {"input": 0.0000001}}}, "/prices/models/openai~1gpt/input"),
    ({"models": {"openai/gpt": {"input": -1}}}, "/prices/models/openai~1gpt/input"),
    ({"models": {"openai/gpt": {"inptu": 1}}}, "/prices/models/openai~1gpt/inptu"),
    ({"models": {"openai/gpt": {"input": "1"}}}, "/prices/models/openai~1gpt/input"),
    ({"file": "nowhere.txt"}, "/prices/file"),
    ({"file": "broken.txt"}, "/prices/file"),
])
def test_bad_prices(tmp_path, prices, place):
    (tmp_path / "broken.txt").write_text("gatehouse-prices 1\nversion 1\nprovider p\nm input=cheap\n")
    file = tmp_path / "gatehouse.json"
    file.write_text(json.dumps({"prices": prices}))
    result = command("check", str(file))
    assert result.returncode == 1 and place in result.stdout, result.stdout
