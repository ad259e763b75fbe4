"""Every string of the published schemas, through the real gateway: a guard that wants to see everything must have been shown it.

For each place in OpenAI's and Anthropic's types where a string may stand (published_schemas.py) a body is made with a marker at that
place and nothing else but the words that say what its objects are. A guard tells all that it was shown. A marker that it was not
shown fails the test, unless the place is in one of the two lists below. So a text member that a new version of the SDKs brings
fails until the table (Sources/Wire/SegmentTable.swift) or a list knows it.

OPENAI_OPENAPI may name OpenAI's OpenAPI document (JSON), which is then walked, too.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re

import pytest

import anthropic.types as a
import anthropic.types.beta as ab
import openai.types as o
import openai.types.chat as oc
import upstream as u
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_count_tokens_params
from anthropic.types.beta import message_create_params as beta_message_create_params
from client import ask, config_header, target
from conftest import compile_plugin
from gateway import Gateway, plugin_directory
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params
from published_schemas import Object, OpenAPIReader, TypeReader, filled, places

# MARK: What guards are not shown, and why

# Names, identifiers and keywords. A single word here is no text; more than a word is shown all the same. Patterns of paths without
# the signs for arrays, the first that fits counts; None says that even a word is shown.
WORDS = {
    "messages.name": None,
    "thread.previous_message_id": None,
    "*.audio.id": None,
    "*citation*.file_id": "an id of a file that stands in the request",
    "*.file_id": None,
    "model": "a model's name",
    "*.model": "a model's name",
    "*.recommended_model": "a model's name",
    "id": "an answer's id",
    "*.id": "an id of a call, a container, a voice or an answer",
    "*_id": "an id",
    "user": "the client's name for a user; addresses are shown",
    "safety_identifier": "a hash of a user's name",
    "prompt_cache_key": "a cache key",
    "system_fingerprint": "the provider's version",
    "inference_geo": "a region",
    "*.inference_geo": "a region",
    "betas": "names of betas",
    "container": "an id",
    "container.skills.version": "a version",
    "*.skills.version": "a version",
    "audio.voice": "a voice's name",
    "*.name": "a tool's, server's or format's name, which the API takes from a small alphabet",
    "*.toolset_name": "a tool's name",
    "*.tool_name": "a tool's name",
    "*.server_name": "a server's name",
    "*.mcp_server_name": "a server's name",
    "*.allowed_tools": "names of tools",
    "tool_choice.allowed_tools.tools.*": "names of tools",
    "*.exclude_tools": "names of tools",
    "*.clear_tool_inputs": "names of tools",
    "*.input_schema.required": "names of properties",
    "*.allowed_domains": "domains",
    "*.blocked_domains": "domains",
    "*.country": "two letters",
    "*.timezone": "a name of the IANA",
    "*.trigger*": "what made the provider go on with another model",
    "*.page_age": "a date",
    "*.retrieved_at": "a date",
    "*.stop_reason": "a keyword",
    "*.code": "a keyword",
    "*input_transformations.path": "a JSON path",
    "usage.*": "numbers and keywords",
    "*.usage.*": "numbers and keywords",
}

# The same in answers.
ANSWER_WORDS = {
    "metadata.*": "what the request said, which was shown then",
}

# Only in streams, outside of what the model says: a text of one word would hold the stream back until its end.
STREAM_WORDS = {
    "moderation.*": "a sentence where it is a text",
    "*.audio.id": "an id",
}

# What no guard is shown, whatever it is.
OPAQUE = {
    "*.signature": "a seal on the provider's own text, which the provider checks",
    "*.encrypted_index": "a place in the provider's own search results, sealed",
    "*logprobs.*": "repeats the text token by token; becomes null where the text is edited",
    "*fallback_credit_token": "a credential",
    "fallback_credit_token.token": "a credential",
    "mcp_servers.authorization_token": "a credential",
    "obfuscation": "padding against those who measure the length of events",
}
STREAM_OPAQUE = {
    "*.audio.data": "base64: counted as audio, of which no windows are made",
    "*.encrypted_content": "sealed: counted, no windows are made of it",
    "*.encrypted_stdout": "sealed: counted, no windows are made of it",
    "*content_block.data": "thinking that is sealed: counted, no windows are made of it",
    "message.content.data": "thinking that is sealed: counted, no windows are made of it",
    "*source<base64>.data": "a file in base64: counted, no windows are made of it",
    "*citation*.file_id": None,
    "*.file_id": "a file that the provider keeps: counted, no windows are made of it",
}


def reason(path: str, reasons: dict[str, str | None]) -> str | None:
    """`path` without what its objects are, as the lists have it."""
    full = path.lstrip(".").replace("[]", "")
    plain = re.sub("<[^>]*>", "", full).lstrip(".")
    return next((words for pattern, words in reasons.items() if fnmatch.fnmatchcase(plain, pattern) or fnmatch.fnmatchcase(full, pattern)), None)


# MARK: What is walked

REQUESTS = {
    "chat": ("/v1/chat/completions", chat_create_params.CompletionCreateParamsNonStreaming),
    "completions": ("/v1/completions", completion_create_params.CompletionCreateParamsNonStreaming),
    "embeddings": ("/v1/embeddings", embedding_create_params.EmbeddingCreateParams),
    "messages": ("/v1/messages", message_create_params.MessageCreateParamsNonStreaming),
    "messages-beta": ("/v1/messages", beta_message_create_params.MessageCreateParamsNonStreaming),
    "count-tokens": ("/v1/messages/count_tokens", message_count_tokens_params.MessageCountTokensParams),
    "count-tokens-beta": ("/v1/messages/count_tokens", beta_count_tokens_params.MessageCountTokensParams),
}
ANSWERS = {
    "chat": ("/v1/chat/completions", oc.ChatCompletion),
    "completions": ("/v1/completions", o.Completion),
    "messages": ("/v1/messages", a.Message),
    "messages-beta": ("/v1/messages", ab.BetaMessage),
}
STREAMS = {
    "chat": ("/v1/chat/completions", oc.ChatCompletionChunk),
    "completions": ("/v1/completions", o.Completion),
    "messages": ("/v1/messages", a.RawMessageStreamEvent),
    "messages-beta": ("/v1/messages", ab.BetaRawMessageStreamEvent),
}
if "OPENAI_OPENAPI" in os.environ:
    with open(os.environ["OPENAI_OPENAPI"]) as file:
        _document = json.load(file)
    for _kinds, _names in (
        (REQUESTS, {"chat": "CreateChatCompletionRequest", "completions": "CreateCompletionRequest", "embeddings": "CreateEmbeddingRequest"}),
        (ANSWERS, {"chat": "CreateChatCompletionResponse", "completions": "CreateCompletionResponse"}),
        (STREAMS, {"chat": "CreateChatCompletionStreamResponse", "completions": "CreateCompletionResponse"}),
    ):
        _kinds |= {f"{key}-document": (_kinds[key][0], OpenAPIReader(_document).reference(f"/{name}")) for key, name in _names.items()}


def walked(kind, keywords: bool = False) -> list[tuple[str, object]]:
    node = kind if isinstance(kind, Object) else TypeReader().read(kind)
    found = list(places(node, keywords))
    assert found, "the schema has no strings at all"
    return found


@pytest.fixture(scope="module")
def gateway(stage, tmp_path_factory):
    directory = tmp_path_factory.mktemp("witness")
    compile_plugin(directory / "witness", "witness")
    with Gateway({"plugins": {"directories": [plugin_directory(), str(directory)]}}) as gateway:
        yield gateway


def provider(endpoint: str) -> dict:
    return {"provider": "anthropic" if "messages" in endpoint else "openai"}


# Markers of two kinds: what might be a name, and what cannot be one.
MARKERS = {"word": "UNSEEN", "sentence": "This is UNSEEN, so far."}


def judge(path: str, kind: str, shown: bool, words: dict[str, str] = WORDS, hidden: dict[str, str] = OPAQUE) -> str | None:
    """What is wrong with a place, None when nothing is."""
    opaque, word = reason(path, hidden), reason(path, words)
    if opaque:
        return f"{path}: it is in the list of what is never shown, but it is shown" if shown else None
    if word and kind == "word":
        return f"{path}: it is in the list of words, but even a word is shown" if shown else None
    return None if shown else f"{path}: a {kind} here is shown to no guard"


def tell(gateway, endpoint, body, config):
    answer = ask(gateway, "POST", endpoint, body, config_header(config))
    assert answer.status == 200, f"{json.dumps(body)[:400]} → {answer}"
    return answer.json


def complete(endpoint: str, body: dict) -> dict:
    """What the gateway itself needs to know a request."""
    return {"model": "m"} | ({"messages": []} if "chat" in endpoint or "messages" in endpoint else {}) | body


def asked(endpoint: str) -> dict:
    """A request whose answer is looked at."""
    question = {"prompt": "Hello"} if endpoint == "/v1/completions" else {"messages": [{"role": "user", "content": "Hello"}]}
    return {"model": "m", "max_tokens": 1} | question


@pytest.mark.parametrize("kind", MARKERS)
@pytest.mark.parametrize("name", REQUESTS)
def test_every_string_of_a_request_is_shown(gateway, upstream, name, kind):
    endpoint, schema = REQUESTS[name]
    wrong = []
    config = target(upstream.base, input_guardrails=[{"witness.tell": {}}]) | provider(endpoint)
    for path, value in walked(schema):
        body = complete(endpoint, filled(value, MARKERS[kind]))
        segments = tell(gateway, endpoint, body, config)
        wrong.append(judge(path, kind, any("UNSEEN" in (segment["text"] or "") for segment in segments)))
    wrong = sorted({line for line in wrong if line})
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", MARKERS)
@pytest.mark.parametrize("name", ANSWERS)
def test_every_string_of_an_answer_is_shown(gateway, upstream, name, kind):
    endpoint, schema = ANSWERS[name]
    found = walked(schema)
    base = upstream.script(*(u.answer(filled(value, MARKERS[kind])) for _, value in found))
    config = target(base, output_guardrails=[{"witness.tell": {}}]) | provider(endpoint)
    wrong = []
    for path, _ in found:
        segments = tell(gateway, endpoint, asked(endpoint), config)
        wrong.append(judge(path, kind, any("UNSEEN" in (segment["text"] or "") for segment in segments), ANSWER_WORDS | WORDS))
    wrong = sorted({line for line in wrong if line})
    assert not wrong, "\n".join(wrong)


def frames(endpoint: str, event: dict) -> list[bytes]:
    if endpoint != "/v1/messages":
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]} if "chat" in endpoint else {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}
        return [u.frame(event), u.frame(end), u.DONE]
    start = {"type": "message_start", "message": u.message("", content=[], stop_reason=None)}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    events = {
        "message_start": [event], "content_block_start": [start, event], "content_block_delta": [start, block, event]
    }.get(event["type"], [start, event])
    end = [{"type": "content_block_stop", "index": 0}, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    return [u.frame(event, event["type"]) for event in events + end]


@pytest.mark.parametrize("kind", MARKERS)
@pytest.mark.parametrize("name", STREAMS)
def test_every_string_of_a_stream_is_shown(gateway, upstream, name, kind):
    endpoint, schema = STREAMS[name]
    found = walked(schema)
    base = upstream.script(*(u.streams(frames(endpoint, filled(value, MARKERS[kind]))) for _, value in found))
    config = target(base, output_guardrails=[{"witness.mark": {}}]) | provider(endpoint)
    request = asked(endpoint) | {"stream": True}
    words = STREAM_WORDS | ANSWER_WORDS | {pattern: why for pattern, why in WORDS.items() if pattern not in STREAM_WORDS}
    wrong = []
    for path, _ in found:
        answer = ask(gateway, "POST", endpoint, request, config_header(config))
        assert answer.status == 200 and answer.is_complete and ("SEEN" in answer.text), f"{path}: {answer}"
        wrong.append(judge(path, kind, "UNSEEN" not in answer.text, words, OPAQUE | STREAM_OPAQUE))
    wrong = sorted({line for line in wrong if line})
    assert not wrong, "\n".join(wrong)


# MARK: Keywords

@pytest.mark.parametrize("name", REQUESTS)
def test_no_keyword_of_a_request_is_taken_for_text(gateway, upstream, name):
    """Otherwise a guard that reads text alone would have missed something in every other request."""
    endpoint, schema = REQUESTS[name]
    config = target(upstream.base, input_guardrails=[{"witness.tell": {}}]) | provider(endpoint)
    wrong = set()
    for path, value in walked(schema, keywords=True):
        if segments := tell(gateway, endpoint, complete(endpoint, value), config):
            wrong.add(f"{path}: {segments}")
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.parametrize("name", ANSWERS)
def test_no_keyword_of_an_answer_is_taken_for_text(gateway, upstream, name):
    endpoint, schema = ANSWERS[name]
    found = walked(schema, keywords=True)
    base = upstream.script(*(u.answer(value) for _, value in found))
    config = target(base, output_guardrails=[{"witness.tell": {}}]) | provider(endpoint)
    wrong = set()
    for path, _ in found:
        if segments := tell(gateway, endpoint, asked(endpoint), config):
            wrong.add(f"{path}: {segments}")
    assert not wrong, "\n".join(sorted(wrong))
