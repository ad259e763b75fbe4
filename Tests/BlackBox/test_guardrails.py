"""Guardrails on whole answers: their forms, verdicts, statuses and results (spec §5.1 to §5.3), and the built-in checks (§5.5)."""

import datetime
import json

import pytest

import upstream as u
from client import HELLO, ask, chat, config_header, target
from gateway import Gateway, command, plugin_directory


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}},
        "guardrails": {
            "saved": {"deny": True, "contains": {"words": ["forbidden"], "operator": "none"}},
            "saved-long": {"checks": [{"id": "default.wordCount", "parameters": {"minWords": 0, "maxWords": 1}}]},
        },
    }
    with Gateway(config) as gateway:
        yield gateway


def guarded(gateway, upstream, base=None, text="Say hello.", headers=None, **config):
    return chat(gateway, config_header(target(base or upstream.base, **config)) | (headers or {}), messages=[{"role": "user", "content": text}])


def before(answer):
    return answer.json["hook_results"]["before_request_hooks"]


def after(answer):
    return answer.json["hook_results"]["after_request_hooks"]


def none_of(*words):
    return {"contains": {"words": list(words), "operator": "none"}}


# MARK: Verdicts and statuses

def test_a_passing_input_guard(gateway, upstream):
    answer = guarded(gateway, upstream, input_guardrails=[none_of("bomb")])
    assert answer.status == 200 and [result["verdict"] for result in before(answer)] == [True] and after(answer) == []
    assert answer.json["choices"][0]["message"]["content"] == u.CHAT_TEXT


def test_a_soft_failure_is_246(gateway, upstream):
    answer = guarded(gateway, upstream, text="bomb", input_guardrails=[none_of("bomb")])
    assert answer.status == 246 and answer.json["choices"] and before(answer)[0]["verdict"] is False
    assert before(answer)[0]["deny"] is False
    assert answer.portkey["cache-status"] == "DISABLED"


def test_a_denial_is_446_and_nobody_is_called(gateway, upstream):
    answer = guarded(gateway, upstream, text="bomb", input_guardrails=[{"deny": True} | none_of("bomb")])
    assert answer.status == 446 and not upstream.requests
    assert answer.error == {
        "message": "The guardrail checks defined in the config failed. You can find more information in the `hook_results` object.",
        "type": "hooks_failed", "param": None, "code": None}
    assert before(answer)[0]["deny"] is True and before(answer)[0]["verdict"] is False and after(answer) == []
    assert answer.json.keys() == {"error", "hook_results"}
    assert answer.header("content-type") == "application/json"


def test_deny_without_a_failure_is_false_in_the_result(gateway, upstream):
    answer = guarded(gateway, upstream, input_guardrails=[{"deny": True} | none_of("bomb")])
    assert answer.status == 200 and before(answer)[0]["deny"] is False


def test_an_output_guard_fails_softly(gateway, upstream):
    answer = guarded(gateway, upstream, output_guardrails=[none_of("upstream")])
    assert answer.status == 246 and after(answer)[0]["verdict"] is False and before(answer) == []
    assert answer.json["choices"][0]["message"]["content"] == u.CHAT_TEXT


def test_an_output_guard_denies(gateway, upstream):
    answer = guarded(gateway, upstream, output_guardrails=[{"deny": True} | none_of("upstream")])
    assert answer.status == 446 and answer.error["type"] == "hooks_failed"
    assert after(answer)[0]["deny"] is True and u.CHAT_TEXT not in answer.text
    assert len(upstream.requests) == 1


def test_output_guards_judge_only_successes(gateway, upstream):
    answer = guarded(gateway, upstream, upstream.script(u.fails(500)), output_guardrails=[{"deny": True} | none_of("upstream")])
    assert answer.status == 500 and "hook_results" not in answer.json


def test_both_sides_in_one_answer(gateway, upstream):
    answer = guarded(gateway, upstream, input_guardrails=[none_of("x")], output_guardrails=[none_of("y")])
    assert answer.status == 200 and len(before(answer)) == len(after(answer)) == 1


def test_without_guards_there_are_no_results(gateway, upstream):
    assert "hook_results" not in guarded(gateway, upstream).json


def test_results_come_to_strict_clients_too(gateway, upstream):
    answer = guarded(gateway, upstream, strict_open_ai_compliance=True, input_guardrails=[none_of("x")])
    assert before(answer)


def test_one_failing_check_fails_its_hook(gateway, upstream):
    guard = none_of("bomb") | {"wordCount": {"minWords": 0, "maxWords": 99}}
    result, = before(guarded(gateway, upstream, text="bomb", input_guardrails=[guard]))
    assert result["verdict"] is False
    assert {check["id"].removeprefix("default."): check["verdict"] for check in result["checks"]} == {"contains": False, "wordCount": True}


def test_a_later_guard_may_deny(gateway, upstream):
    guards = [none_of("x"), none_of("bomb"), {"deny": True} | none_of("bomb")]
    answer = guarded(gateway, upstream, text="bomb", input_guardrails=guards)
    assert answer.status == 446 and [result["verdict"] for result in before(answer)] == [True, False, False]


# MARK: Results

def test_the_shape_of_a_result(gateway, upstream):
    guard = {"id": "my-guard", "on_success": {"feedback": {"value": 5, "weight": 1, "metadata": {"user": "x"}}}} | none_of("bomb")
    result, = before(guarded(gateway, upstream, input_guardrails=[guard]))
    assert set(result) == {"verdict", "id", "transformed", "checks", "feedback", "execution_time", "async", "type", "created_at", "deny"}
    assert (result["id"], result["type"], result["async"], result["transformed"]) == ("my-guard", "guardrail", False, False)
    assert isinstance(result["execution_time"], (int, float)) and result["execution_time"] >= 0
    datetime.datetime.fromisoformat(result["created_at"])
    assert result["feedback"]["value"] == 5 and result["feedback"]["weight"] == 1
    assert result["feedback"]["metadata"]["user"] == "x"
    assert result["feedback"]["metadata"].keys() >= {"successfulChecks", "failedChecks", "erroredChecks"}
    assert "contains" in result["feedback"]["metadata"]["successfulChecks"] and result["feedback"]["metadata"]["failedChecks"] == ""
    check, = result["checks"]
    assert set(check) == {"data", "verdict", "id", "execution_time", "transformed", "created_at", "log", "fail_on_error"}
    assert (check["verdict"], check["transformed"], check["log"], check["fail_on_error"]) == (True, False, None, False)
    assert check["id"] in ("contains", "default.contains") and check["data"]["explanation"]


def test_feedback_of_a_failure(gateway, upstream):
    guard = {"on_fail": {"feedback": {"value": -5}}, "on_success": {"feedback": {"value": 5}}} | none_of("bomb")
    result, = before(guarded(gateway, upstream, text="bomb", input_guardrails=[guard]))
    assert result["feedback"]["value"] == -5 and "contains" in result["feedback"]["metadata"]["failedChecks"]


def test_no_feedback_is_null(gateway, upstream):
    assert before(guarded(gateway, upstream, input_guardrails=[none_of("bomb")]))[0]["feedback"] is None


def test_ids_are_made_up(gateway, upstream):
    answer = guarded(gateway, upstream, input_guardrails=[none_of("x"), none_of("y")], output_guardrails=[none_of("z")])
    ids = [result["id"] for result in before(answer)]
    assert len(set(ids)) == 2 and all(name.startswith("input_guardrail_") for name in ids)
    assert after(answer)[0]["id"].startswith("output_guardrail_")


# MARK: Forms

def long(check, parameters, **more):
    return {"type": "guardrail", "id": "long", "checks": [{"id": check, "parameters": parameters}]} | more


def test_the_long_form(gateway, upstream):
    answer = guarded(gateway, upstream, text="bomb", before_request_hooks=[long("default.contains", {"words": ["bomb"], "operator": "none"}, deny=True)])
    assert answer.status == 446 and before(answer)[0]["id"] == "long"


def test_the_long_form_without_a_type_runs_nothing(gateway, upstream):
    hook = long("default.contains", {"words": ["bomb"], "operator": "none"}, deny=True)
    del hook["type"]
    answer = guarded(gateway, upstream, text="bomb", before_request_hooks=[hook])
    assert answer.status == 200 and before(answer)[0]["checks"] == [] and before(answer)[0]["verdict"] is True


def test_a_disabled_check_is_skipped(gateway, upstream):
    hook = long("default.contains", {"words": ["bomb"], "operator": "none"}, deny=True)
    hook["checks"][0]["is_enabled"] = False
    assert guarded(gateway, upstream, text="bomb", before_request_hooks=[hook]).status == 200


def test_a_disabled_mutator_is_skipped(gateway, upstream):
    hook = {"type": "mutator", "id": "m", "checks": [{"id": "default.addPrefix", "parameters": {"prefix": "P: "}, "is_enabled": False}]}
    guarded(gateway, upstream, before_request_hooks=[hook])
    assert upstream.only.json["messages"][0]["content"] == "Say hello."


def test_an_async_guard_has_no_say(gateway, upstream):
    guards = [{"async": True, "deny": True} | none_of("bomb")]
    answer = guarded(gateway, upstream, text="bomb", input_guardrails=guards)
    assert answer.status == 200 and not answer.json.get("hook_results", {}).get("before_request_hooks")
    gateway.wait_for_line(lambda line: line.get("message") == "a guardrail judged off the path" and line.get("verdict") == "false")


def test_an_async_guard_of_the_answer_judges_when_it_has_gone(gateway, upstream):
    guards = [{"id": "aside", "async": True, "deny": True} | none_of("upstream")]
    answer = guarded(gateway, upstream, output_guardrails=guards)
    assert answer.status == 200 and answer.json["choices"][0]["message"]["content"] == u.CHAT_TEXT
    assert "hook_results" not in answer.json or not after(answer)
    line = gateway.wait_for_line(lambda line: line.get("guardrail") == "aside")
    assert (line["message"], line["side"], line["verdict"]) == ("a guardrail judged off the path", "answer", "false")
    assert line["check"] == "default.contains" and line["outcome"] == "failed"


def test_an_async_mutator_changes_nothing(gateway, upstream):
    mutators = [{"id": "aside-edit", "async": True, "regexReplace": {"rule": "/upstream/g", "redactText": "#"}}]
    answer = guarded(gateway, upstream, output_mutators=mutators, input_mutators=[{"async": True, "addPrefix": {"prefix": "P: "}}])
    assert answer.json["choices"][0]["message"]["content"] == u.CHAT_TEXT
    assert upstream.only.json["messages"][0]["content"] == "Say hello."
    assert gateway.wait_for_line(lambda line: line.get("guardrail") == "aside-edit")["outcome"] == "edited"


def test_async_guards_are_counted(gateway, upstream):
    def count():
        text = ask(gateway, "GET", "/metrics").text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith("gatehouse_guardrail_total") and "default.wordCount" in line)

    earlier = count()
    guarded(gateway, upstream, output_guardrails=[{"id": "counted", "async": True, "wordCount": {"minWords": 0, "maxWords": 99}}])
    gateway.wait_for_line(lambda line: line.get("guardrail") == "counted")
    assert count() == earlier + 1


def test_short_and_long_form_together(gateway, upstream):
    answer = guarded(
        gateway, upstream, input_guardrails=[{"id": "short"} | none_of("x")], default_input_guardrails=[{"id": "default"} | none_of("x")],
        before_request_hooks=[long("default.contains", {"words": ["x"], "operator": "none"})])
    assert [result["id"] for result in before(answer)] == ["long", "short", "default"]


@pytest.mark.parametrize("name", ["contains", "default.contains"])
def test_a_check_without_a_dot_is_one_of_default(gateway, upstream, name):
    assert guarded(gateway, upstream, text="bomb", input_guardrails=[{name: {"words": ["bomb"], "operator": "none"}}]).status == 246


def test_a_saved_guardrail(gateway, upstream):
    assert guarded(gateway, upstream, text="forbidden", input_guardrails=["saved"]).status == 446
    assert guarded(gateway, upstream, text="two words", input_guardrails=["saved-long"]).status == 246


def test_an_unknown_saved_guardrail_is_refused(gateway, upstream):
    answer = guarded(gateway, upstream, input_guardrails=["nobody"])
    assert answer.status == 400 and "nobody" in json.dumps(answer.json) and not upstream.requests


def test_an_unknown_check_is_refused_at_once(gateway, upstream):
    answer = guarded(gateway, upstream, input_guardrails=[{"contians": {"words": []}}])
    assert answer.status == 400 and answer.json["message"] == "Invalid config passed"
    assert "contians" in answer.json["errors"][0] and "contains" in answer.json["errors"][0]
    assert not upstream.requests


def test_bad_parameters_are_refused_at_once(gateway, upstream):
    for guard in ({"contains": {"words": "x"}}, {"regexMatch": {}}, {"regexMatch": {"rule": "("}}, {"wordCount": {"minWords": "a"}}):
        answer = guarded(gateway, upstream, input_guardrails=[guard])
        assert answer.status == 400 and answer.json["errors"], guard
    assert not upstream.requests


def test_feedback_words_are_no_checks(gateway, upstream):
    guard = {"deny": False, "async": False, "sequential": True, "id": "x", "type": "guardrail", "guardrail_version_id": "v1"} | none_of("x")
    assert len(before(guarded(gateway, upstream, input_guardrails=[guard]))[0]["checks"]) == 1


# MARK: What is looked at

CONVERSATION = [
    {"role": "system", "content": "system-word"},
    {"role": "user", "content": [{"type": "text", "text": "part-one"}, {"type": "text", "text": "part-two"}]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"q":"argument-word"}'}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "tool-word"},
    {"role": "user", "content": "last-word"},
]


@pytest.mark.parametrize("word", ["system-word", "part-one", "part-two", "argument-word", "tool-word", "last-word"])
def test_the_whole_conversation_is_looked_at(gateway, upstream, word):
    config = config_header(target(upstream.base, input_guardrails=[{"deny": True} | none_of(word)]))
    assert chat(gateway, config, messages=CONVERSATION).status == 446


@pytest.mark.parametrize("word, status", [("system-word", 200), ("part-one", 200), ("tool-word", 200), ("last-word", 446)])
def test_scope_last_looks_at_the_last_message(gateway, upstream, word, status):
    guard = {"deny": True, "contains": {"words": [word], "operator": "none", "scope": "last"}}
    assert chat(gateway, config_header(target(upstream.base, input_guardrails=[guard])), messages=CONVERSATION).status == status


def test_scope_last_takes_all_parts_of_the_last_message(gateway, upstream):
    messages = [{"role": "user", "content": [{"type": "text", "text": "alpha"}, {"type": "text", "text": "omega"}]}]
    for word in ("alpha", "omega"):
        guard = {"deny": True, "contains": {"words": [word], "operator": "none", "scope": "last"}}
        assert chat(gateway, config_header(target(upstream.base, input_guardrails=[guard])), messages=messages).status == 446


@pytest.mark.parametrize(
    "text", ["forb\\u0069dden", "\\u0066orbidden", "forbidden", "x\\nforbidden\\ty"])
def test_escapes_do_not_hide_a_word(gateway, upstream, text):
    body = b'{"model":"m","messages":[{"role":"user","content":"%s"}]}' % text.encode()
    answer = ask(gateway, "POST", "/v1/chat/completions", body, config_header(target(upstream.base, input_guardrails=["saved"])))
    assert answer.status == 446


def test_escaped_names_inside_of_messages_do_not_hide_a_word(gateway, upstream):
    body = b'{"model":"m","messages":[{"role":"user","c\\u006fntent":"forbidden"}]}'
    answer = ask(gateway, "POST", "/v1/chat/completions", body, config_header(target(upstream.base, input_guardrails=["saved"])))
    assert answer.status in (400, 446) and not upstream.requests


def test_a_second_content_does_not_hide_a_word(gateway, upstream):
    for content in (b'"content":"fine","content":"forbidden"', b'"content":"forbidden","content":"fine"'):
        body = b'{"model":"m","messages":[{"role":"user",%s}]}' % content
        answer = ask(gateway, "POST", "/v1/chat/completions", body, config_header(target(upstream.base, input_guardrails=["saved"])))
        assert answer.status in (400, 446), content
    assert not upstream.requests


@pytest.mark.parametrize("content", [b'"content":"fine","content":"pin 1234"', b'"content":"pin 1234","content":"fine"'])
def test_a_second_content_is_not_passed_around_a_redaction(gateway, upstream, content):
    body = b'{"model":"m","messages":[{"role":"user",%s}]}' % content
    config = config_header(target(upstream.base, input_mutators=[{"regexReplace": {"rule": "1234"}}]))
    ask(gateway, "POST", "/v1/chat/completions", body, config)
    assert not any(b"1234" in request.body for request in upstream.requests)


@pytest.mark.parametrize(
    "path, body",
    [
        ("/v1/completions", {"prompt": "forbidden"}),
        ("/v1/completions", {"prompt": ["fine", "forbidden"]}),
        ("/v1/embeddings", {"input": "forbidden"}),
        ("/v1/embeddings", {"input": ["fine", "forbidden"]}),
        ("/v1/completions", {"prompt": "fine", "suffix": "forbidden"}),
        ("/v1/chat/completions", {"messages": HELLO, "tools": [{"type": "function", "function": {"name": "f", "description": "forbidden"}}]}),
        ("/v1/chat/completions", {"messages": HELLO, "prediction": {"type": "content", "content": "forbidden"}}),
        ("/v1/chat/completions", {"messages": [{"role": "developer", "content": "forbidden"}]}),
    ])
def test_every_place_that_a_text_can_stand_is_looked_at(gateway, upstream, path, body):
    answer = ask(gateway, "POST", path, {"model": "m"} | body, config_header(target(upstream.base, input_guardrails=["saved"])))
    assert answer.status == 446, answer
    assert not upstream.requests


@pytest.mark.parametrize("message", [{"content": "forbidden"}, {"content": None, "refusal": "forbidden"}, {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":"forbidden"}'}}]}, {"content": "", "reasoning_content": "forbidden"}])
def test_every_place_of_an_answer_is_looked_at(gateway, upstream, message):
    answer = guarded(gateway, upstream, upstream.script(u.says("", message=message)), output_guardrails=["saved"])
    assert answer.status == 446, answer


def test_every_choice_is_looked_at(gateway, upstream):
    choices = [{"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"} for index, text in enumerate(["fine", "forbidden"])]
    assert guarded(gateway, upstream, upstream.script(u.answer(u.completion(choices=choices))), output_guardrails=["saved"]).status == 446


def test_embeddings_have_input_guards_only(gateway, upstream):
    config = config_header(target(upstream.base, input_guardrails=[none_of("x")], output_guardrails=[{"deny": True, "wordCount": {"minWords": 100, "maxWords": 200}}], input_mutators=[{"addPrefix": {"prefix": "P: "}}]))
    answer = ask(gateway, "POST", "/v1/embeddings", {"model": "m", "input": "hello"}, config)
    assert answer.status == 200 and len(before(answer)) >= 1 and after(answer) == []
    assert upstream.only.json["input"] == "hello"


def test_other_endpoints_have_no_guards(gateway, upstream):
    answer = ask(gateway, "POST", "/v1/files", {"x": "forbidden"}, config_header(target(upstream.base, input_guardrails=["saved"])))
    assert answer.status == 200


# MARK: Mutators

def test_a_prefix(gateway, upstream):
    answer = guarded(gateway, upstream, input_mutators=[{"addPrefix": {"prefix": "Please: "}}])
    assert upstream.only.json["messages"][0]["content"] == "Please: Say hello."
    assert answer.status == 200 and before(answer)[0]["transformed"] is True and before(answer)[0]["type"] == "mutator"


def test_redaction_on_the_way_up(gateway, upstream):
    mutator = {"regexReplace": {"rule": "/\\d{4}/g", "redactText": "####"}}
    guarded(gateway, upstream, text="pin 1234 and 5678", input_mutators=[mutator])
    assert upstream.only.json["messages"][0]["content"] == "pin #### and ####"


def test_redaction_on_the_way_down(gateway, upstream):
    answer = guarded(gateway, upstream, upstream.script(u.says("call 1234 now", odd=1)), output_mutators=[{"regexReplace": {"rule": "\\d{4}"}}])
    assert answer.json["choices"][0]["message"]["content"] == "call [REDACTED] now"
    assert answer.json["odd"] == 1 and after(answer)[0]["transformed"] is True


def test_redaction_leaves_the_other_bytes(gateway, upstream):
    body = b'{ "x":1.0, "messages":[ {"content":"pin 1234 \\u00fc","role":"user"} ] ,"model":"m" }'
    ask(gateway, "POST", "/v1/chat/completions", body, config_header(target(upstream.base, input_mutators=[{"regexReplace": {"rule": "\\d{4}"}}])))
    assert upstream.only.body.startswith(b'{ "x":1.0, "messages":[ {"content":"pin [REDACTED] ') and upstream.only.body.endswith(b'","role":"user"} ] ,"model":"m" }')


def test_redaction_in_arguments_and_results_of_tools(gateway, upstream):
    messages = json.loads(json.dumps(CONVERSATION))
    messages[2]["tool_calls"][0]["function"]["arguments"] = '{"q": "pin 1234"}'
    messages[3]["content"] = "pin 1234"
    chat(gateway, config_header(target(upstream.base, input_mutators=[{"regexReplace": {"rule": "1234"}}])), messages=messages)
    assert "1234" not in upstream.only.body.decode()
    json.loads(upstream.only.json["messages"][2]["tool_calls"][0]["function"]["arguments"])


def test_each_mutator_sees_what_the_one_before_made(gateway, upstream):
    mutators = [{"regexReplace": {"rule": "a", "redactText": "b"}}, {"regexReplace": {"rule": "b", "redactText": "c"}}]
    guarded(gateway, upstream, text="a", input_mutators=mutators)
    assert upstream.only.json["messages"][0]["content"] == "c"


def test_a_replacement_with_quotes_stays_json(gateway, upstream):
    guarded(gateway, upstream, text="a", input_mutators=[{"regexReplace": {"rule": "a", "redactText": '"}],"x":"\\ \n'}}])
    assert upstream.only.json["messages"][0]["content"] == '"}],"x":"\\ \n'


def test_fail_on_detection(gateway, upstream):
    mutator = {"deny": True, "regexReplace": {"rule": "1234", "failOnDetection": True}}
    assert guarded(gateway, upstream, text="pin 1234", input_mutators=[mutator]).status == 446
    assert not upstream.requests


def test_guards_after_override_params(gateway, upstream):
    override = {"messages": [{"role": "user", "content": "forbidden"}]}
    assert guarded(gateway, upstream, input_guardrails=["saved"], override_params=override).status == 446


# MARK: Checks, one line each: (check, parameters, text, verdict)

CHECKS = [
    ("regexMatch", {"rule": "h.llo"}, "hello", True),
    ("regexMatch", {"rule": "^x"}, "hello", False),
    ("regexMatch", {"rule": "h.llo", "not": True}, "hello", False),
    ("contains", {"words": ["a", "b"], "operator": "any"}, "b", True),
    ("contains", {"words": ["a", "b"], "operator": "all"}, "b", False),
    ("contains", {"words": ["a", "b"], "operator": "all"}, "ab", True),
    ("contains", {"words": ["A"], "operator": "any"}, "a", False),
    ("wordCount", {"minWords": 1, "maxWords": 2}, " one  two ", True),
    ("wordCount", {"minWords": 1, "maxWords": 2}, "one two three", False),
    ("sentenceCount", {"minSentences": 2, "maxSentences": 2}, "One. Two!", True),
    ("sentenceCount", {"minSentences": 2, "maxSentences": 2}, "One.", False),
    ("characterCount", {"minCharacters": 2, "maxCharacters": 2}, "😀", True),
    ("characterCount", {"minCharacters": 2, "maxCharacters": 2}, "abc", False),
    ("endsWith", {"suffix": "end"}, "the end.", True),
    ("endsWith", {"suffix": "end"}, "the end!", False),
    ("alluppercase", {}, "ABC 1", True),
    ("alluppercase", {}, "ABc", False),
    ("alllowercase", {}, "abc", True),
    ("alllowercase", {}, "abC", False),
    ("notNull", {}, "x", True),
    ("notNull", {}, "  ", False),
    ("containsCode", {"format": "Python"}, "```python\nx\n```", True),
    ("containsCode", {"format": "SQL"}, "```python\nx\n```", False),
    ("modelWhitelist", {"models": ["m"]}, "x", True),
    ("modelWhitelist", {"models": ["n"]}, "x", False),
    ("requiredMetadataKeys", {"metadataKeys": ["team"]}, "x", True),
    ("requiredMetadataKeys", {"metadataKeys": ["team", "other"]}, "x", False),
    ("allowedRequestTypes", {"allowedTypes": ["chatComplete"]}, "x", True),
    ("allowedRequestTypes", {"blockedTypes": "chatComplete"}, "x", False),
    ("wordlist.block", {"words": ["straße"]}, "die STRAẞE", False),
    ("wordlist.block", {"words": ["cat"]}, "concatenate", True),
]


@pytest.mark.parametrize("check, parameters, text, verdict", CHECKS, ids=[f"{c[0]}-{i}" for i, c in enumerate(CHECKS)])
def test_a_check(gateway, upstream, check, parameters, text, verdict):
    answer = guarded(gateway, upstream, text=text, headers={"x-portkey-metadata": '{"team":"red"}'}, input_guardrails=[{check: parameters}])
    assert before(answer)[0]["verdict"] is verdict, before(answer)
    assert answer.status == (200 if verdict else 246)


def test_a_check_that_cannot_judge_passes(gateway, upstream):
    """No text for a pattern: an errored check, which counts as passed."""
    answer = chat(gateway, config_header(target(upstream.base, input_guardrails=[{"endsWith": {"suffix": "x"}}])), messages=[])
    result = before(answer)[0]
    if "error" in result["checks"][0]:
        assert result["checks"][0]["error"] == {"name": "Check error", "message": "Error executing check"}
        assert result["verdict"] is True and answer.status == 200


def test_a_check_that_cannot_judge_fails_when_told_to(gateway, upstream):
    guard = {"endsWith": {"suffix": "x", "failOnError": True}}
    answer = chat(gateway, config_header(target(upstream.base, input_guardrails=[guard])), messages=[])
    result = before(answer)[0]
    assert result["verdict"] is False and result["checks"][0]["fail_on_error"] is True and answer.status == 246


@pytest.mark.parametrize("rule", ["(a+)+$", "(a|aa)+$", "(.*a){30}$"])
def test_a_patterns_work_is_bounded(upstream, rule):
    # Bounded is not short: the loop may notice.
    with Gateway({}, may_stall=True) as gateway:
        answer = guarded(gateway, upstream, text="a" * 20_000 + "!", input_guardrails=[{"regexMatch": {"rule": rule}}])
        assert answer.status in (200, 246)
        assert ask(gateway, "GET", "/livez", timeout=5).status == 200


def test_guards_on_a_large_text(gateway, upstream):
    answer = guarded(gateway, upstream, text="word " * 200_000 + "forbidden", input_guardrails=["saved"])
    assert answer.status == 446


# MARK: The operator's own

@pytest.fixture(scope="module")
def strict_house(upstream):
    config = {
        "providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}, "claude": {"provider": "anthropic", "api_key": "sk", "base_url": upstream.base}},
        "defaults": {
            "provider": "up",
            "input_guardrails": [{"id": "house", "deny": True, "contains": {"words": ["forbidden"], "operator": "none"}}],
            "output_guardrails": [{"id": "house-out", "deny": True, "contains": {"words": ["leak"], "operator": "none"}}],
        },
    }
    with Gateway(config) as gateway:
        yield gateway


def test_mandatory_guards_judge_every_request(strict_house, upstream):
    sources = [{}, {"x-portkey-provider": "@up"}, config_header({"provider": "@up", "input_guardrails": []}), config_header({"provider": "@up", "before_request_hooks": []}), {"x-portkey-default-input-guardrails": "[]"}]
    for headers in sources:
        assert chat(strict_house, headers, messages=[{"role": "user", "content": "forbidden"}]).status == 446
    assert not upstream.requests


def test_mandatory_guards_judge_every_answer(strict_house, upstream):
    answer = chat(strict_house, config_header(target(upstream.script(u.says("a leak")))))
    assert answer.status == 446 and "a leak" not in answer.text


def test_mandatory_guards_run_once_for_many_attempts(strict_house, upstream):
    config = {"strategy": {"mode": "fallback"}, "targets": [target(upstream.script(u.fails(500))), target(upstream.base)]}
    assert [result["id"] for result in before(chat(strict_house, config_header(config)))] == ["house"]


def test_mandatory_guards_come_first(strict_house, upstream):
    answer = chat(strict_house, config_header(target(upstream.base, input_guardrails=[{"id": "mine"} | none_of("x")])))
    assert [result["id"] for result in before(answer)] == ["house", "mine"]
    assert "house-out" in [result["id"] for result in after(answer)]


def test_what_nobody_can_read_is_refused(strict_house, upstream):
    for path in ("/v1/responses", "/v1/files", "/v1/audio/speech"):
        answer = ask(strict_house, "POST", path, {"input": "forbidden"})
        assert answer.status == 446 and answer.error["code"] == "endpoint_not_scannable"
    assert not upstream.requests


def test_the_operator_may_let_unread_paths_pass(upstream):
    config = {
        "providers": {"up": {"provider": "openai", "api_key": "sk", "base_url": upstream.base}},
        "defaults": {
            "provider": "up", "input_guardrails": [{"deny": True} | none_of("forbidden")],
            "allow_unscannable": ["/v1/files", "/v1/audio/*"]}}
    with Gateway(config) as gateway:
        for path in ("/v1/files", "/v1/proxy/files", "/v1/files?purpose=x", "/v1/audio/speech", "/v1/audio/a/b", "/v1/x/../audio/y"):
            assert ask(gateway, "POST", path, {"input": "forbidden"}).status == 200, path
        passed = len(upstream.requests)
        for path in ("/v1/files/f", "/v1/audio", "/v1/audiox", "/v1/responses", "/v1/audio/../responses", "/v1/Files"):
            assert ask(gateway, "POST", path, {"input": "forbidden"}).status in (404, 446), path
        assert chat(gateway, messages=[{"role": "user", "content": "forbidden"}]).status == 446
        assert len(upstream.requests) == passed


@pytest.mark.parametrize("path", ["/v1", "*", "/*", "files", "/v1/*/x", "/metrics"])
def test_a_bad_unscannable_path_is_refused(path, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"defaults": {"allow_unscannable": [path]}, "plugins": {"directories": [plugin_directory()], "state_directory": str(tmp_path)}}))
    result = command("check", str(file))
    assert result.returncode != 0 and "/defaults/allow_unscannable/0" in result.stdout + result.stderr


ambiguous = pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[{"role":"user","content":"fine","content":"forbidden"}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"fine","t\\u0065xt":"forbidden"}]}]}',
    ])


@ambiguous
@pytest.mark.parametrize("side", ["input_guardrails", "output_guardrails", "input_mutators"])
def test_what_can_be_read_in_two_ways_is_refused_where_a_guard_is(gateway, upstream, body, side):
    # Nothing denies: an open guard must not be walked around either.
    guard = {"addPrefix": {"prefix": "x"}} if side == "input_mutators" else none_of("x")
    answer = ask(gateway, "POST", "/v1/chat/completions", body, config_header(target(upstream.base, **{side: [guard]})))
    assert answer.status == 400 and answer.error["type"] == "invalid_request_error", answer
    assert not upstream.requests


@ambiguous
def test_what_can_be_read_in_two_ways_goes_on_where_no_guard_is(gateway, upstream, body):
    assert ask(gateway, "POST", "/v1/chat/completions", body, config_header(target(upstream.base))).status == 200
    assert upstream.only.body == body


@ambiguous
def test_what_can_be_read_in_two_ways_is_refused_by_open_mandatory_guards(upstream, body):
    guards = {"input_guardrails": [none_of("x")], "on_failure": "open"}
    with Gateway({"defaults": guards}) as gateway:
        answer = ask(gateway, "POST", "/v1/chat/completions", body, config_header(target(upstream.base)))
        assert answer.status == 400 and not upstream.requests


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/v1/messages/count_tokens?beta=true", "/v1/proxy/messages/count_tokens"])
def test_mandatory_guards_judge_what_is_counted(strict_house, upstream, path):
    body = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "forbidden"}]}]}
    answer = ask(strict_house, "POST", path, body, {"x-portkey-provider": "@claude"})
    assert answer.status == 446 and answer.json["type"] == "error" and not upstream.requests
    body["messages"][0]["content"] = "fine"
    answer = ask(strict_house, "POST", path, body, {"x-portkey-provider": "@claude"})
    assert answer.status == 200 and upstream.only.json == body


def test_mandatory_guards_judge_messages(strict_house, upstream):
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "text", "text": "forbidden"}]}]}
    answer = ask(strict_house, "POST", "/v1/messages", body, {"x-portkey-provider": "@claude"})
    assert answer.status == 446 and not upstream.requests


def test_an_override_cannot_bring_in_what_is_forbidden(strict_house, upstream):
    """The words of a client's own config are the client's words as well."""
    override = {"messages": [{"role": "user", "content": "forbidden"}]}
    answer = chat(strict_house, config_header({"provider": "@up", "override_params": override}))
    assert answer.status == 446, answer
    assert not upstream.requests


def test_a_prefix_cannot_bring_in_what_is_forbidden(strict_house, upstream):
    answer = chat(strict_house, config_header({"provider": "@up", "input_mutators": [{"addPrefix": {"prefix": "forbidden "}}]}))
    assert answer.status == 446, answer
    assert not upstream.requests
