"""The plugin `schema`: a model that answers with the wrong JSON is told what is wrong and asked again, within its bounds."""

import json

import pytest

import upstream as u
from client import ask, chat, config_header, target
from gateway import Gateway

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
WRONG, RIGHT = '{"age": "old"}', '{"age": 36}'


@pytest.fixture(scope="module")
def gateway():
    with Gateway({}) as gateway:
        yield gateway


def checked(deny=False, **parameters):
    return {"output_guardrails": [{"deny": deny, "schema.json": {"schema": SCHEMA, "on_violation": "retry"} | parameters}]}


def data_of(answer):
    return answer.json["hook_results"]["after_request_hooks"][-1]["checks"][0]["data"]


def test_a_chat_model_is_told_and_asked_again(gateway, upstream):
    base = upstream.script(u.says(WRONG), u.says(RIGHT))
    answer = chat(gateway, config_header(target(base, **checked(deny=True))))
    assert answer.status == 200 and answer.json["choices"][0]["message"]["content"] == RIGHT
    first, second = (request.json["messages"] for request in upstream.at(base))
    assert second[: len(first)] == first and second[-2] == {"role": "assistant", "content": WRONG}
    told = second[-1]
    assert told["role"] == "user" and "/age: expected an integer, found a string" in told["content"]
    assert json.dumps(SCHEMA, separators=(",", ":")) in told["content"]


def test_it_is_asked_again_once_and_then_the_config_decides(gateway, upstream):
    base = upstream.script(u.says(WRONG))
    answer = chat(gateway, config_header(target(base, **checked())))
    assert answer.status == 246 and len(upstream.at(base)) == 2
    assert data_of(answer)["validationErrors"] == [{"path": "/age", "message": "expected an integer, found a string"}]
    assert chat(gateway, config_header(target(upstream.script(u.says(WRONG)), **checked(deny=True)))).status == 446


def test_its_own_bound_may_be_higher(gateway, upstream):
    base = upstream.script(u.says("no"), u.says(WRONG), u.says(RIGHT))
    answer = chat(gateway, config_header(target(base, **checked(deny=True, max_retries=2))))
    assert answer.status == 200 and len(upstream.at(base)) == 3
    # Each time it is told of the last answer, behind what was said before.
    assert "there is no JSON in it" in upstream.at(base)[1].json["messages"][-1]["content"]
    assert upstream.at(base)[2].json["messages"][-2]["content"] == WRONG


def test_the_servers_bound_holds_as_well(upstream):
    base = upstream.script(u.says(WRONG))
    with Gateway({"limits": {"max_guard_retries": 1}}) as gateway:
        chat(gateway, config_header(target(base, **checked(deny=True, max_retries=9))))
    assert len(upstream.at(base)) == 2


def test_a_stream_is_not_asked_for_again(gateway, upstream):
    base = upstream.script(u.streams(u.chat_frames(WRONG)))
    answer = chat(gateway, config_header(target(base, **checked())), stream=True)
    assert answer.status == 200 and len(upstream.at(base)) == 1


def test_messages_are_asked_again_in_their_shape(gateway, upstream):
    base = upstream.script(u.answer(u.message(WRONG)), u.answer(u.message(RIGHT)))
    config = {"provider": "anthropic", "api_key": "sk", "custom_host": base} | checked(deny=True)
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "How old?"}]}
    answer = ask(gateway, "POST", "/v1/messages", body, config_header(config))
    assert answer.status == 200 and answer.json["content"][0]["text"] == RIGHT
    told = upstream.at(base)[1].json["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "user"] and told[1]["content"] == WRONG


def test_completions_are_asked_again_behind_their_prompt(gateway, upstream):
    def completed(text):
        choice = {"index": 0, "text": text, "finish_reason": "stop"}
        return u.answer({"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]})

    base = upstream.script(completed(WRONG), completed(RIGHT))
    body = {"model": "m", "prompt": "How old?"}
    answer = ask(gateway, "POST", "/v1/completions", body, config_header(target(base, **checked(deny=True))))
    assert answer.status == 200 and answer.json["choices"][0]["text"] == RIGHT
    prompt = upstream.at(base)[1].json["prompt"]
    assert prompt.startswith("How old?" + WRONG) and "/age: expected an integer" in prompt


@pytest.mark.parametrize(
    "schema, pointer",
    [
        ({"$ref": "#"}, "schema"),
        ({"properties": {"a": {"$ref": "https://example.com/a.json"}}}, "schema,properties,a,$ref"),
        ({"type": "strin"}, "schema,type"),
    ],
)
def test_a_bad_schema_is_refused_with_the_config(gateway, upstream, schema, pointer):
    base = upstream.script(u.says(RIGHT))
    answer = chat(gateway, config_header(target(base, **checked(schema=schema))))
    assert answer.status == 400 and f"schema.json,{pointer}, message" in answer.text and not upstream.at(base)
