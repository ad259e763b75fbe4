"""The list of models, and embeddings in both encodings."""

import base64
import json
import struct

import pytest

import upstream as u
from client import Connection, ask, config_header, target
from gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream):
    config = {
        "providers": {
            "one": {"provider": "openai", "api_key": "sk", "base_url": upstream.base, "models": ["gpt-a", "org/gpt-b"]},
            "two": {"provider": "anthropic", "api_key": "sk", "base_url": upstream.base, "models": ["claude-x"]},
            "open": {"provider": "openai", "api_key": "sk", "base_url": upstream.base},
            "mock": {"provider": "mock"},
        },
    }
    with Gateway(config) as gateway:
        yield gateway


def test_models_without_a_provider_are_those_of_the_config(gateway, upstream):
    answer = ask(gateway, "GET", "/v1/models")
    assert answer.status == 200 and answer.json["object"] == "list"
    assert [model["id"] for model in answer.json["data"]] == ["@one/gpt-a", "@one/org/gpt-b", "@two/claude-x"]
    assert {model["object"] for model in answer.json["data"]} == {"model"}
    assert all({"id", "object", "created", "owned_by"} <= model.keys() for model in answer.json["data"]) and not upstream.requests


def test_a_listed_model_works_as_it_is_listed(gateway, upstream):
    for model in ask(gateway, "GET", "/v1/models").json["data"]:
        body = {"model": model["id"], "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
        assert ask(gateway, "POST", "/v1/chat/completions", body).status == 200


def test_models_of_a_provider_are_asked_for(gateway, upstream):
    answer = ask(gateway, "GET", "/v1/models", headers={"x-portkey-provider": "@open"})
    assert answer.json["data"][0]["id"] == "upstream-model" and upstream.only.target == "/v1/models"


def test_models_with_a_query(gateway, upstream):
    ask(gateway, "GET", "/v1/models?limit=2&after=x", headers={"x-portkey-provider": "@open"})
    assert upstream.only.target == "/v1/models?limit=2&after=x"


def test_one_model(gateway, upstream):
    answer = ask(gateway, "GET", "/v1/models/org%2Fm", headers={"x-portkey-provider": "@open"})
    # An escaped slash is refused: servers disagree about it. Anything else must not reach another path.
    assert answer.status == 400 or upstream.only.target == "/v1/models/org%2Fm"
    assert ask(gateway, "GET", "/v1/models/m-1", headers={"x-portkey-provider": "@open"}).status == 200


def test_delete_a_model(gateway, upstream):
    assert ask(gateway, "DELETE", "/v1/models/ft:x", headers={"x-portkey-provider": "@open"}).status == 200
    assert (upstream.only.method, upstream.only.target) == ("DELETE", "/v1/models/ft:x")


def test_models_of_the_mock(gateway):
    assert ask(gateway, "GET", "/v1/models", headers={"x-portkey-provider": "@mock"}).json["object"] == "list"


def test_models_with_an_empty_config(upstream):
    with Gateway({}) as gateway:
        assert ask(gateway, "GET", "/v1/models").json == {"object": "list", "data": []}


# MARK: Embeddings

def embed(gateway, headers=None, **body):
    return ask(gateway, "POST", "/v1/embeddings", {"model": "e", "input": "x"} | body, headers or {"x-portkey-provider": "@open"})


def decode(text):
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def test_floats(gateway, upstream):
    answer = embed(gateway)
    assert answer.json["data"][0]["embedding"] == u.VECTOR and answer.json["usage"]["prompt_tokens"] == 3
    assert "encoding_format" not in upstream.only.json


def test_base64_passes_untouched(gateway, upstream):
    answer = embed(gateway, encoding_format="base64")
    assert decode(answer.json["data"][0]["embedding"]) == u.VECTOR and upstream.only.json["encoding_format"] == "base64"


@pytest.mark.parametrize("given, count", [("x", 1), (["x", "y", "z"], 3), ([1, 2, 3], 3), ([[1, 2], [3]], 2)])
def test_every_kind_of_input(gateway, upstream, given, count):
    answer = embed(gateway, input=given)
    assert len(answer.json["data"]) == count and upstream.only.json["input"] == given


def test_the_mock_speaks_both_encodings(gateway):
    mock = {"x-portkey-provider": "@mock"}
    floats = embed(gateway, mock, input=["a", "b"]).json["data"]
    packed = embed(gateway, mock, input=["a", "b"], encoding_format="base64").json["data"]
    for one, two in zip(floats, packed):
        assert decode(two["embedding"]) == pytest.approx(one["embedding"], abs=1e-6)


def test_equal_texts_have_equal_vectors(gateway):
    mock = {"x-portkey-provider": "@mock"}
    first, second, other = embed(gateway, mock, input=["same words", "same words", "something else"]).json["data"]
    assert first["embedding"] == second["embedding"] != other["embedding"]


def test_a_streamed_embedding_is_no_stream(gateway, upstream):
    assert embed(gateway, stream=True).json["object"] == "list"


def test_an_error_of_embeddings(gateway, upstream):
    answer = embed(gateway, config_header(target(upstream.script(u.fails(400, text="too long")))))
    assert answer.status == 400 and answer.error["message"] == "openai error: too long"


def test_anthropic_has_no_embeddings(gateway, upstream):
    answer = embed(gateway, {"x-portkey-provider": "@two"})
    assert answer.status in (403, 501) and not upstream.requests
    lean = embed(gateway, config_header({"provider": "anthropic", "api_key": "k", "custom_host": upstream.base}))
    assert lean.status == 501 and lean.error["message"] == "embed is not supported by anthropic"


def test_a_large_vector(gateway, upstream):
    data = {"object": "list", "model": "e", "data": [{"object": "embedding", "index": i, "embedding": [0.1] * 3072} for i in range(100)], "usage": {}}
    answer = embed(gateway, config_header(target(upstream.script(u.answer(data)))))
    assert answer.status == 200 and json.loads(answer.body) == data


def test_models_by_head_is_refused_or_answered(gateway):
    with Connection(gateway) as connection:
        assert connection.request("HEAD", "/v1/models").status in (200, 405)
