"""The client libraries that applications use, as they are: against the mock provider, which plays a model, and against a recording
upstream, which shows what of a library's request arrives."""

import asyncio
import json

import anthropic
import openai
import portkey_ai
import pytest

import upstream as u
from gateway import Gateway

KEY = "gk-of-the-sdk-tests"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "forecast", "description": "The weather to come", "parameters": SCHEMA}}
CLAUDE_TOOL = {"name": "forecast", "description": "The weather to come", "input_schema": SCHEMA}


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "keys": [{"name": "sdk", "key": KEY}],
        "providers": {
            "mock": {"provider": "mock"},
            "up": {"provider": "openai", "api_key": "sk-upstream", "base_url": upstream.base},
            "claude": {"provider": "anthropic", "api_key": "sk-claude", "base_url": upstream.base},
        },
        # Where the recording upstream is.
        "network": {"allow_hosts": ["127.0.0.1"]},
        "configs": {"careful": {"provider": "@up", "retry": {"attempts": 2}}},
    }
    with Gateway(config) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["sync", "async"])
def run(request):
    """Calls a library: `run(value)` gives what a synchronous one gave, or awaits what an asynchronous one promises."""
    if request.param == "sync":
        yield lambda value: value
    else:
        with asyncio.Runner() as runner:
            def wait(value):
                async def promised():
                    return await value
                return runner.run(promised()) if hasattr(value, "__await__") else value
            wait.is_async = True
            wait.runner = runner
            yield wait


def is_async(run):
    return getattr(run, "is_async", False)


def collected(run, stream):
    """The items of a stream of either kind."""
    if not is_async(run):
        return list(stream)

    async def all():
        return [item async for item in stream]
    return run.runner.run(all())


def headers(provider, **more):
    return {"x-portkey-provider": f"@{provider}", **more}


made = {}


def client(kind, run, **options):
    """The libraries take long to make a client, and an asynchronous one belongs to its event loop."""
    key = (kind, id(run), json.dumps(options))
    if key not in made:
        made[key] = kind(**options)
    return made[key]


def openai_client(gateway, run, provider="mock", **options):
    kind = openai.AsyncOpenAI if is_async(run) else openai.OpenAI
    options = {"base_url": gateway.url + "/v1", "api_key": KEY, "default_headers": headers(provider), "max_retries": 0, "timeout": 20} | options
    return client(kind, run, **options)


def anthropic_client(gateway, run, provider="mock", **options):
    kind = anthropic.AsyncAnthropic if is_async(run) else anthropic.Anthropic
    options = {"base_url": gateway.url, "default_headers": headers(provider), "max_retries": 0, "timeout": 20} | (options or {"api_key": KEY})
    return client(kind, run, **options)


def portkey_client(gateway, run, **options):
    kind = portkey_ai.AsyncPortkey if is_async(run) else portkey_ai.Portkey
    return client(kind, run, **{"base_url": gateway.url + "/v1", "api_key": KEY, "provider": "@mock"} | options)


def assert_arrived(recorded, **members):
    """The upstream got the library's request, with the gateway's credential and without the client's."""
    assert KEY not in recorded.text
    assert not any(name.lower().startswith("x-portkey") for name, _ in recorded.headers)
    for name, value in members.items():
        assert recorded.json.get(name) == value, name


# MARK: openai

def test_openai_chat(gateway, run):
    answer = run(openai_client(gateway, run).chat.completions.create(model="echo", messages=MESSAGES))
    assert answer.choices[0].message.content == "one two three" and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_openai_chat_arrives(gateway, upstream, run):
    sdk = openai_client(gateway, run, "up")
    answer = run(sdk.chat.completions.create(model="m", messages=MESSAGES, temperature=0.5, seed=7, user="ann", extra_body={"new": {"x": [1]}}))
    assert answer.choices[0].message.content == u.CHAT_TEXT and answer.model == "m"
    assert_arrived(upstream.only, model="m", messages=MESSAGES, temperature=0.5, seed=7, user="ann", new={"x": [1]})
    assert upstream.only.header("authorization") == "Bearer sk-upstream"


def test_openai_headers_of_an_answer(gateway, upstream, run):
    sdk = openai_client(gateway, run, "up")
    raw = run(sdk.chat.completions.with_raw_response.create(model="m", messages=MESSAGES, extra_headers={"x-portkey-trace-id": "of-the-sdk"}))
    assert raw.headers["x-portkey-trace-id"] == "of-the-sdk" and raw.parse().choices[0].message.content == u.CHAT_TEXT


@pytest.mark.parametrize("provider, text", [("mock", "one two three"), ("up", u.CHAT_TEXT)])
def test_openai_stream(gateway, upstream, run, provider, text):
    sdk = openai_client(gateway, run, provider)
    stream = run(sdk.chat.completions.create(model="echo", messages=MESSAGES, stream=True, stream_options={"include_usage": True}))
    chunks = collected(run, stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert len(chunks) > 3 and chunks[-1].usage.total_tokens > 0
    if provider == "up":
        assert_arrived(upstream.only, stream=True, stream_options={"include_usage": True})


def test_openai_tools(gateway, run):
    sdk = openai_client(gateway, run)
    first = run(sdk.chat.completions.create(model="text", messages=MESSAGES, tools=[TOOL]))
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls" and call.function.name == "forecast" and "city" in json.loads(call.function.arguments)
    further = [*MESSAGES, first.choices[0].message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "Rain."}]
    assert run(sdk.chat.completions.create(model="text", messages=further, tools=[TOOL])).choices[0].message.content


def test_openai_tools_in_a_stream(gateway, run):
    stream = run(openai_client(gateway, run).chat.completions.create(model="tool", messages=MESSAGES, tools=[TOOL], stream=True))
    pieces = [call for chunk in collected(run, stream) if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    assert pieces[0].function.name == "forecast"
    assert "city" in json.loads("".join(piece.function.arguments or "" for piece in pieces))


def test_openai_tools_arrive(gateway, upstream, run):
    call = {"id": "call_1", "type": "function", "function": {"name": "forecast", "arguments": '{"city":"Ulm"}'}}
    base = upstream.script(u.answer(u.completion(None, message={"content": None, "tool_calls": [call]}, finish_reason="tool_calls")))
    sdk = openai_client(gateway, run, "up").with_options(default_headers={"x-portkey-config": json.dumps({"provider": "openai", "api_key": "sk-upstream", "custom_host": base})})
    answer = run(sdk.chat.completions.create(model="m", messages=MESSAGES, tools=[TOOL], tool_choice="required", parallel_tool_calls=False))
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"city":"Ulm"}'
    assert_arrived(upstream.only, tools=[TOOL], tool_choice="required", parallel_tool_calls=False)


def test_openai_structured_output(gateway, run):
    form = {"type": "json_schema", "json_schema": {"name": "forecast", "schema": SCHEMA, "strict": True}}
    answer = run(openai_client(gateway, run).chat.completions.create(model="text", messages=MESSAGES, response_format=form))
    assert isinstance(json.loads(answer.choices[0].message.content)["city"], str)


def test_openai_stream_helper(gateway, run):
    sdk = openai_client(gateway, run)
    if is_async(run):
        async def helped():
            async with sdk.chat.completions.stream(model="echo", messages=MESSAGES) as stream:
                async for _ in stream:
                    pass
                return await stream.get_final_completion()
        final = run.runner.run(helped())
    else:
        with sdk.chat.completions.stream(model="echo", messages=MESSAGES) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion()
    assert final.choices[0].message.content == "one two three"


@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}], ids=str)
def test_openai_embeddings(gateway, upstream, run, options):
    """Without a word from its user the library asks for base64, and turns it into numbers."""
    first, second = run(openai_client(gateway, run).embeddings.create(model="text", input=["same", "same"], **options)).data
    assert first.embedding == second.embedding and (first.index, second.index) == (0, 1)
    answer = run(openai_client(gateway, run, "up").embeddings.create(model="embedder", input=["a", "b"], dimensions=3, **options))
    if options.get("encoding_format") != "base64":
        assert [list(item.embedding) for item in answer.data] == [u.VECTOR, u.VECTOR]
    assert_arrived(upstream.only, input=["a", "b"], dimensions=3, encoding_format=options.get("encoding_format", "base64"))


@pytest.mark.parametrize("provider", ["mock", "up"])
def test_openai_completions(gateway, run, provider):
    sdk = openai_client(gateway, run, provider)
    assert run(sdk.completions.create(model="m", prompt="Say")).choices[0].text
    stream = run(sdk.completions.create(model="m", prompt="Say", stream=True))
    assert "".join(item.choices[0].text for item in collected(run, stream))


def test_openai_models(gateway, run):
    page = run(openai_client(gateway, run).models.list())
    assert all(model.object == "model" for model in page.data)


ERRORS = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError", 409: "ConflictError",
          422: "UnprocessableEntityError", 429: "RateLimitError", 500: "InternalServerError", 503: "InternalServerError"}


@pytest.mark.parametrize("status", ERRORS)
def test_openai_errors(gateway, run, status):
    for provider, model in (("mock", f"error-{status}"), ("up", f"status-{status}")):
        for stream in (False, True):
            with pytest.raises(getattr(openai, ERRORS[status])) as caught:
                run(openai_client(gateway, run, provider).chat.completions.create(model=model, messages=MESSAGES, stream=stream))
            assert caught.value.status_code == status and caught.value.body["message"]


def test_openai_error_in_a_stream(gateway, run):
    """A stream that breaks off is no complete answer."""
    stream = run(openai_client(gateway, run, "up").chat.completions.create(model="cut", messages=MESSAGES, stream=True))
    with pytest.raises(Exception):
        collected(run, stream)


def test_openai_retries(gateway, upstream, run):
    base = upstream.script(u.fails(503, {"retry-after": "0"}), u.says("at last"))
    config = {"provider": "openai", "api_key": "sk-upstream", "custom_host": base}
    sdk = openai_client(gateway, run, max_retries=2).with_options(default_headers={"x-portkey-config": json.dumps(config)})
    assert run(sdk.chat.completions.create(model="m", messages=MESSAGES)).choices[0].message.content == "at last"
    assert len(upstream.at(base)) == 2


def test_openai_wrong_key(gateway, upstream, run):
    with pytest.raises(openai.AuthenticationError) as caught:
        run(openai_client(gateway, run, "up").with_options(api_key="wrong").chat.completions.create(model="m", messages=MESSAGES))
    assert caught.value.body["message"] and not upstream.requests


def test_openai_timeout_and_leaving(gateway, upstream, run):
    base = upstream.script(u.hangs)
    config = {"provider": "openai", "api_key": "sk-upstream", "custom_host": base}
    sdk = openai_client(gateway, run, timeout=0.5).with_options(default_headers={"x-portkey-config": json.dumps(config)})
    with pytest.raises(openai.APITimeoutError):
        run(sdk.chat.completions.create(model="m", messages=MESSAGES))
    assert upstream.wait(1, base)[0].abandoned.wait(10)


def test_openai_breaks_off_a_stream(gateway, upstream, run):
    base = upstream.script(u.streams(u.chat_frames(), end="open"))
    config = {"provider": "openai", "api_key": "sk-upstream", "custom_host": base}
    sdk = openai_client(gateway, run).with_options(default_headers={"x-portkey-config": json.dumps(config)})
    stream = run(sdk.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    if is_async(run):
        async def leave():
            async for _ in stream:
                break
            await stream.close()
        run.runner.run(leave())
    else:
        next(iter(stream))
        stream.close()
    assert upstream.wait(1, base)[0].abandoned.wait(10)


def test_openai_responses_and_files_are_relayed(gateway, upstream, run):
    sdk = openai_client(gateway, run, "up")
    reply = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "output": [
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "relayed", "annotations": []}]}]}
    config = {"provider": "openai", "api_key": "sk-upstream", "custom_host": upstream.script(u.answer(reply))}
    scripted = sdk.with_options(default_headers={"x-portkey-config": json.dumps(config)})
    assert run(scripted.responses.create(model="m", input="hi")).output_text == "relayed"
    upstream.clear()
    run(sdk.files.with_raw_response.create(file=("a.jsonl", b'{"custom_id":"1"}\n'), purpose="batch"))
    assert upstream.only.path == "/v1/files" and b'{"custom_id":"1"}' in upstream.only.body and upstream.only.header("content-type").startswith("multipart/form-data; boundary=")


# MARK: anthropic

ASK = {"max_tokens": 50, "messages": MESSAGES[1:], "system": "Be brief."}


def test_anthropic_message(gateway, run):
    answer = run(anthropic_client(gateway, run).messages.create(model="echo", **ASK))
    assert answer.content[0].text == "one two three" and answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0


def test_anthropic_message_arrives(gateway, upstream, run):
    sdk = anthropic_client(gateway, run, "claude")
    answer = run(sdk.messages.create(model="claude-x", metadata={"user_id": "ann"}, extra_body={"temperature": 0.5, "top_k": 3}, **ASK))
    assert answer.content[0].text == u.CHAT_TEXT
    assert_arrived(upstream.only, model="claude-x", temperature=0.5, top_k=3, metadata={"user_id": "ann"}, **ASK)
    assert upstream.only.header("x-api-key") == "sk-claude" and upstream.only.header("anthropic-version") and not upstream.only.has("authorization")


def test_anthropic_of_a_provider_of_another_wire(gateway, upstream, run):
    """Chat completions are translated, Messages are not."""
    with pytest.raises(anthropic.APIStatusError, match="messages is not supported by openai") as caught:
        run(anthropic_client(gateway, run, "up").messages.create(model="m", **ASK))
    assert caught.value.status_code == 501 and not upstream.requests


def test_openai_of_a_provider_of_another_wire(gateway, upstream, run):
    answer = run(openai_client(gateway, run, "claude").chat.completions.create(model="claude-x", messages=MESSAGES, max_tokens=50))
    assert answer.choices[0].message.content == u.CHAT_TEXT and upstream.only.path == "/v1/messages"
    stream = run(openai_client(gateway, run, "claude").chat.completions.create(model="claude-x", messages=MESSAGES, max_tokens=50, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in collected(run, stream) if chunk.choices) == u.CHAT_TEXT


def final_message(run, manager):
    if is_async(run):
        async def all():
            async with manager as stream:
                text = "".join([piece async for piece in stream.text_stream])
                return text, await stream.get_final_message()
        return run.runner.run(all())
    with manager as stream:
        text = "".join(stream.text_stream)
        return text, stream.get_final_message()


@pytest.mark.parametrize("provider, words", [("mock", "one two three"), ("claude", u.CHAT_TEXT)])
def test_anthropic_stream(gateway, upstream, run, provider, words):
    text, message = final_message(run, anthropic_client(gateway, run, provider).messages.stream(model="echo", **ASK))
    assert text == words and message.stop_reason == "end_turn" and message.usage.output_tokens > 0
    if provider != "mock":
        assert_arrived(upstream.only, stream=True)


def test_anthropic_stream_of_events(gateway, run):
    events = collected(run, run(anthropic_client(gateway, run).messages.create(model="echo", stream=True, **ASK)))
    names = [event.type for event in events]
    assert names[0] == "message_start" and names[-1] == "message_stop" and "content_block_delta" in names


def test_anthropic_tools(gateway, run):
    sdk = anthropic_client(gateway, run)
    first = run(sdk.messages.create(model="text", tools=[CLAUDE_TOOL], **ASK))
    use = next(block for block in first.content if block.type == "tool_use")
    assert first.stop_reason == "tool_use" and use.name == "forecast" and "city" in use.input
    further = [*ASK["messages"], {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
               {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "Rain."}]}]
    assert run(sdk.messages.create(model="text", tools=[CLAUDE_TOOL], **ASK | {"messages": further})).content[0].text
    _, message = final_message(run, sdk.messages.stream(model="tool", tools=[CLAUDE_TOOL], **ASK))
    assert "city" in next(block for block in message.content if block.type == "tool_use").input


def test_anthropic_tools_arrive(gateway, upstream, run):
    run(anthropic_client(gateway, run, "claude").messages.create(model="claude-x", tools=[CLAUDE_TOOL], tool_choice={"type": "any"}, **ASK))
    assert_arrived(upstream.only, tools=[CLAUDE_TOOL], tool_choice={"type": "any"})


@pytest.mark.parametrize("status", ERRORS)
def test_anthropic_errors(gateway, run, status):
    for provider, model in (("mock", f"error-{status}"), ("claude", f"status-{status}")):
        with pytest.raises(anthropic.APIStatusError) as caught:
            run(anthropic_client(gateway, run, provider).messages.create(model=model, **ASK))
        assert type(caught.value).__name__ in (ERRORS[status], "ServiceUnavailableError") and caught.value.status_code == status
        assert caught.value.body["type"] == "error" and caught.value.body["error"]["message"]


def test_anthropic_error_in_a_stream(gateway, upstream, run):
    config = {"provider": "anthropic", "api_key": "sk", "custom_host": upstream.script(u.streams([*u.message_frames()[:4], u.frame(u.anthropic_error("overloaded", "overloaded_error"), "error")]))}
    sdk = anthropic_client(gateway, run).with_options(default_headers={"x-portkey-config": json.dumps(config)})
    with pytest.raises(anthropic.APIStatusError, match="overloaded"):
        collected(run, run(sdk.messages.create(model="m", stream=True, **ASK)))


def test_anthropic_with_a_bearer_token(gateway, run):
    sdk = anthropic_client(gateway, run, auth_token=KEY)
    assert run(sdk.messages.create(model="echo", **ASK)).content[0].text == "one two three"


# MARK: portkey-ai

def test_portkey_chat(gateway, run):
    answer = run(portkey_client(gateway, run).chat.completions.create(model="echo", messages=MESSAGES))
    assert answer.choices[0].message.content == "one two three" and answer.usage.total_tokens > 0


def test_portkey_chat_arrives(gateway, upstream, run):
    sdk = portkey_client(gateway, run, provider="@up", trace_id="of-portkey", metadata={"_user": "ann"})
    answer = run(sdk.chat.completions.create(model="m", messages=MESSAGES, temperature=0.5))
    assert answer.choices[0].message.content == u.CHAT_TEXT and answer.get_headers()["trace-id"] == "of-portkey"
    assert_arrived(upstream.only, model="m", messages=MESSAGES, temperature=0.5)
    assert gateway.access_line("of-portkey")["status"] == 200


@pytest.mark.parametrize("provider, text", [("@mock", "one two three"), ("@up", u.CHAT_TEXT)])
def test_portkey_stream(gateway, upstream, run, provider, text):
    stream = run(portkey_client(gateway, run, provider=provider).chat.completions.create(model="echo", messages=MESSAGES, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in collected(run, stream) if chunk.choices) == text


def test_portkey_config_of_a_dictionary(gateway, upstream, run):
    dead = upstream.script(u.fails(500))
    config = {"strategy": {"mode": "fallback"}, "targets": [{"provider": "openai", "api_key": "sk", "custom_host": dead}, {"provider": "@up", "override_params": {"seed": 9}}]}
    answer = run(portkey_client(gateway, run, provider=None, config=config).chat.completions.create(model="m", messages=MESSAGES))
    assert answer.choices[0].message.content == u.CHAT_TEXT and len(upstream.at(dead)) == 1
    assert_arrived(upstream.requests[-1], seed=9)
    assert answer.get_headers()["last-used-option-index"] == "config.targets[1]"


def test_portkey_config_by_name(gateway, upstream, run):
    sdk = portkey_client(gateway, run, provider=None, config="careful")
    assert run(sdk.chat.completions.create(model="m", messages=MESSAGES)).choices[0].message.content == u.CHAT_TEXT


def test_portkey_virtual_key(gateway, run):
    sdk = portkey_client(gateway, run, provider=None, virtual_key="mock")
    assert run(sdk.chat.completions.create(model="echo", messages=MESSAGES)).choices[0].message.content == "one two three"


def test_portkey_model_that_names_its_provider(gateway, run):
    sdk = portkey_client(gateway, run, provider=None)
    assert run(sdk.chat.completions.create(model="@mock/echo", messages=MESSAGES)).choices[0].message.content == "one two three"


def test_portkey_options_of_one_call(gateway, upstream, run):
    sdk = portkey_client(gateway, run).with_options(provider="@up", trace_id="of-one-call", metadata={"call": "1"})
    assert run(sdk.chat.completions.create(model="m", messages=MESSAGES)).choices[0].message.content == u.CHAT_TEXT
    assert gateway.access_line("of-one-call")["provider"] == "openai" and len(upstream.requests) == 1


def test_portkey_tools(gateway, run):
    sdk = portkey_client(gateway, run)
    assert run(sdk.chat.completions.create(model="text", messages=MESSAGES, tools=[TOOL])).choices[0].message.tool_calls[0].function.name == "forecast"
    stream = run(sdk.chat.completions.create(model="tool", messages=MESSAGES, tools=[TOOL], stream=True))
    calls = [call for chunk in collected(run, stream) if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
    assert "city" in json.loads("".join((call["function"] if isinstance(call, dict) else call.function.model_dump()).get("arguments") or "" for call in calls))


@pytest.mark.parametrize("provider", ["@mock", "@up"])
def test_portkey_embeddings_and_completions(gateway, run, provider):
    sdk = portkey_client(gateway, run, provider=provider)
    assert len(run(sdk.embeddings.create(model="embedder", input=["a", "b"], encoding_format="float")).data) == 2
    assert run(sdk.completions.create(model="m", prompt="Say")).choices[0].text


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_portkey_errors(gateway, run, status):
    """The library brings classes of its own for them."""
    for provider, model in (("@mock", f"error-{status}"), ("@up", f"status-{status}")):
        with pytest.raises(Exception) as caught:
            run(portkey_client(gateway, run, provider=provider).with_options(max_retries=0).chat.completions.create(model=model, messages=MESSAGES))
        assert caught.value.status_code == status


def test_portkey_headers_for_the_openai_library(gateway, upstream, run):
    """`createHeaders`, as Portkey's documentation shows it."""
    defaults = portkey_ai.createHeaders(api_key=KEY, provider="openai", custom_host=upstream.base, trace_id="of-headers", metadata={"_user": "ann"}, cache_force_refresh=True)
    kind = openai.AsyncOpenAI if is_async(run) else openai.OpenAI
    sdk = kind(base_url=gateway.url + "/v1", api_key="sk-of-the-client", default_headers=defaults, max_retries=0)
    assert run(sdk.chat.completions.create(model="m", messages=MESSAGES)).choices[0].message.content == u.CHAT_TEXT
    assert upstream.only.header("authorization") == "Bearer sk-of-the-client"
    assert_arrived(upstream.only, model="m")
