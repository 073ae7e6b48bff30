"""OpenAI's SDK for Python asks outcrop adapter (ADAPTER_URL), and outcrop serve (OUTCROP_URL, OUTCROP_KEY) whose
models are that adapter's: the answers are equal. The Go test beside this folder starts both.
"""

import json
import os

import openai
import pytest

MODELS = json.loads(os.environ["OUTCROP_MODELS"])  # here -> there
CHATS = [name for name in MODELS if name != "titan"]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTIONS = {
    "text": {},
    "tools": {"tools": [WEATHER], "tool_choice": "auto"},
    "length": {"max_tokens": 5},
    "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}}},
}


def only_statistics(chunk):
    """The chunk that a Core adds behind an adapter's stream."""
    return not chunk.choices and not chunk.usage and "statistics" in (chunk.model_extra or {})


def told(reply):
    """What a reply says, but for names, and for the statistics, which are a Core's to tell."""
    said = without_names(reply.model_dump())
    said.pop("statistics", None)
    return said


def azure(url, key):
    return openai.AzureOpenAI(azure_endpoint=url, api_version="2024-10-21", api_key=key, max_retries=0)


@pytest.fixture(scope="module")
def sides():
    with azure(os.environ["OUTCROP_URL"], os.environ["OUTCROP_KEY"]) as through, azure(os.environ["ADAPTER_URL"], "any") as direct:
        yield through, direct


def chat(client, model, text="What is the weather in Paris?", **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


def without_names(value):
    """A reply without what is another for every request: ids, times, and what the model is called."""
    if isinstance(value, dict):
        return {k: without_names(v) for k, v in value.items() if k not in ("id", "created", "model", "tool_call_id")}
    return [without_names(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("model", CHATS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_plain(sides, model, question):
    through, direct = (chat(c, name, **QUESTIONS[question]) for c, name in zip(sides, (model, MODELS[model])))
    assert through.choices[0].message.content or through.choices[0].message.tool_calls or question == "length"
    assert told(through) == told(direct)


@pytest.mark.parametrize("model", CHATS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_stream(sides, model, question):
    options = {"stream": True, "stream_options": {"include_usage": True}} | QUESTIONS[question]
    through, direct = ([told(c) for c in chat(client, name, **options) if not only_statistics(c)] for client, name in zip(sides, (model, MODELS[model])))
    assert len(through) >= 2 and through[-1]["usage"]["total_tokens"] > 0
    assert through == direct


@pytest.mark.parametrize("model", CHATS)
@pytest.mark.parametrize("fault", ["cut=5", "end=5", "exception=modelStreamErrorException after=5"])
def test_broken_stream(sides, model, fault):
    for client, name in zip(sides, (model, MODELS[model])):
        seen = []
        with pytest.raises(openai.APIError):
            for chunk in chat(client, name, f"one two three four five six seven [[sandbox {fault}]]", stream=True):
                seen += chunk.choices
        assert seen and not any(choice.finish_reason for choice in seen)


@pytest.mark.parametrize("model", CHATS)
def test_errors(sides, model):
    def refused(client, name, text, **more):
        with pytest.raises(openai.APIStatusError) as caught:
            chat(client, name, text, **more)
        return caught.value.status_code, caught.value.code, caught.value.param, caught.value.message

    for text, more, status in (("hi", {"temperature": 9}, 400), ("[[sandbox error=ThrottlingException]]", {}, 429), ("[[sandbox refuse=unavailable]]", {}, 503)):
        through, direct = (refused(c, name, text, **more) for c, name in zip(sides, (model, MODELS[model])))
        assert through[0] == status
        assert through == direct


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(sides, encoding):
    texts = [f"stone {n}" for n in range(120)]
    asked = {"input": texts, "dimensions": 256, "encoding_format": encoding}
    through, direct = (c.embeddings.create(model=name, **asked) for c, name in zip(sides, ("titan", MODELS["titan"])))
    assert len(through.data) == 120
    assert without_names(through.model_dump()) == without_names(direct.model_dump())
