"""OpenAI's SDK for Python, and its Azure flavour, against outcrop serve --sandbox.

OUTCROP_URL and OUTCROP_KEY say where it is; the Go test beside this folder starts it.
"""

import asyncio
import base64
import json
import os
import struct
import zlib

import openai
import pytest

URL = os.environ["OUTCROP_URL"]
KEY = os.environ["OUTCROP_KEY"]
MODEL = "claude-sonnet"

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def openai_client(cls=openai.OpenAI, **options):
    return cls(**{"base_url": URL + "/openai/v1", "api_key": KEY, "max_retries": 0} | options)


def azure_client(cls=openai.AzureOpenAI, **options):
    return cls(**{"azure_endpoint": URL, "api_version": "2024-10-21", "api_key": KEY, "max_retries": 0} | options)


# Each flavour: how its client is made, and its asynchronous class.
FLAVOURS = {
    "openai": (openai_client, openai.AsyncOpenAI),
    "azure": (azure_client, openai.AsyncAzureOpenAI),
}


@pytest.fixture(params=FLAVOURS)
def make(request):
    return FLAVOURS[request.param][0]


@pytest.fixture
def client(make):
    with make() as c:
        yield c


@pytest.fixture(params=FLAVOURS)
def async_client(request):
    make, cls = FLAVOURS[request.param]
    return make(cls)


def user(text):
    return [{"role": "user", "content": text}]


def png(width, height):
    """A gray picture of that size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def fold(chunks):
    """What a stream adds up to: text, tool calls by index, finish reason, usage."""
    text, calls, reason, usage = "", {}, None, None
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
            for call in choice.delta.tool_calls or []:
                known = calls.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
                known["id"] += call.id or ""
                known["name"] += call.function.name or ""
                known["arguments"] += call.function.arguments or ""
    return text, [calls[i] for i in sorted(calls)], reason, usage


def plain_calls(message):
    return [{"id": c.id, "name": c.function.name, "arguments": c.function.arguments} for c in message.tool_calls or []]


def test_plain(client):
    reply = client.chat.completions.create(model=MODEL, messages=user('[[sandbox text="Good morning."]] Hello!'))
    assert reply.object == "chat.completion"
    assert reply.model == MODEL
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].message.content == "Good morning."
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_stream_equals_plain(client):
    question = user("Tell me about stones.")
    plain = client.chat.completions.create(model=MODEL, messages=question)
    stream = client.chat.completions.create(model=MODEL, messages=question, stream=True)
    chunks = list(stream)
    text, calls, reason, usage = fold(chunks)
    assert "Tell me about stones." in text
    assert text == plain.choices[0].message.content
    # On DIAL's route, which Azure's clients use, the last chunk tells the usage unasked.
    told = plain.usage if isinstance(client, openai.AzureOpenAI) else None
    assert (calls, reason, usage) == ([], "stop", told)
    assert len(chunks) > 5, "the stream came in one piece"
    assert {c.object for c in chunks} == {"chat.completion.chunk"}
    assert len({c.id for c in chunks}) == 1


def test_include_usage(client):
    question = user('[[sandbox text="one two three"]]')
    plain = client.chat.completions.create(model=MODEL, messages=question)
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=question, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage
    assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_system_and_history(client):
    messages = [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": "My name is Ann."},
        {"role": "assistant", "content": "Hello Ann."},
        {"role": "user", "content": [{"type": "text", "text": "What is my name?"}]},
    ]
    reply = client.chat.completions.create(model=MODEL, messages=messages)
    said = reply.choices[0].message.content
    assert "What is my name?" in said
    assert "3 messages and a system prompt" in said


def test_sampling(client):
    reply = client.chat.completions.create(
        model="llama", messages=user("[[sandbox tokens=50]]"), temperature=0.3, top_p=0.5, max_tokens=7
    )
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 7
    reply = client.chat.completions.create(
        model="llama", messages=user('[[sandbox text="one two STOP three"]]'), stop=["STOP"], max_completion_tokens=100
    )
    assert reply.choices[0].finish_reason == "stop"
    assert reply.choices[0].message.content.strip() == "one two"


@pytest.mark.parametrize("reason, want", [("max_tokens", "length"), ("content_filtered", "content_filter")])
def test_stop_reasons(client, reason, want):
    reply = client.chat.completions.create(model=MODEL, messages=user(f'[[sandbox stop={reason} text="x"]]'))
    assert reply.choices[0].finish_reason == want


@pytest.mark.parametrize("stream", [False, True])
def test_image(client, stream):
    data = "data:image/png;base64," + base64.b64encode(png(8, 8)).decode()
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": data}}]
    reply = client.chat.completions.create(model=MODEL, messages=user(parts), stream=stream)
    said = fold(reply)[0] if stream else reply.choices[0].message.content
    assert "1 image" in said


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("model", ["claude-sonnet", "nova-lite", "gpt-oss"])
def test_tools(client, model, calls, stream):
    reply = client.chat.completions.create(
        model=model,
        messages=user(f"What is the weather in Paris? [[sandbox tools={calls}]]"),
        tools=[WEATHER],
        stream=stream,
    )
    if stream:
        _, made, reason, _ = fold(reply)
    else:
        made, reason = plain_calls(reply.choices[0].message), reply.choices[0].finish_reason
    assert reason == "tool_calls"
    assert [c["name"] for c in made] == ["get_weather"] * calls
    assert len({c["id"] for c in made}) == calls
    for call in made:
        assert isinstance(json.loads(call["arguments"])["city"], str)


@pytest.mark.parametrize(
    "choice, want",
    [
        ("auto", 0),
        ("none", 0),
        ("required", 1),
        ({"type": "function", "function": {"name": "get_weather"}}, 1),
    ],
)
def test_tool_choice(client, choice, want):
    reply = client.chat.completions.create(
        model=MODEL, messages=user("Hello!"), tools=[WEATHER], tool_choice=choice
    )
    assert len(plain_calls(reply.choices[0].message)) == want


@pytest.mark.parametrize("stream", [False, True])
def test_tool_loop(client, stream):
    question = "What is the weather in Paris?"
    first = client.chat.completions.create(
        model=MODEL, messages=user(question + " [[sandbox tools=2]]"), tools=[WEATHER]
    )
    message = first.choices[0].message
    # The history is told without the directive, which would ask for calls again.
    messages = user(question) + [message.model_dump(exclude_none=True)]
    for call, answer in zip(message.tool_calls, ["18 degrees", "22 degrees"], strict=True):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": answer})
    reply = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER], stream=stream)
    if stream:
        said, calls, reason, _ = fold(reply)
    else:
        choice = reply.choices[0]
        said, calls, reason = choice.message.content, plain_calls(choice.message), choice.finish_reason
    assert (calls, reason) == ([], "stop")
    assert "18 degrees" in said and "22 degrees" in said


def test_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=user("hi"))
    assert caught.value.code == "model_not_found"
    assert "no-such-model" in caught.value.message
    assert caught.value.request_id


def test_wrong_key(make):
    with make(api_key="wrong") as client, pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("hi"))
    assert caught.value.status_code == 401
    assert "wrong" not in caught.value.message.split()


@pytest.mark.parametrize("stream", [False, True])
def test_bad_request(client, stream):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "wizard", "content": "hi"}], stream=stream)
    assert caught.value.param == "messages[0].role"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[], stream=stream)
    assert caught.value.param == "messages"


def test_throttled(client, make):
    question = user(f"[[sandbox throttle=1]] {make.__name__}")
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=MODEL, messages=question)
    assert int(caught.value.response.headers["retry-after"]) > 0
    assert client.chat.completions.create(model=MODEL, messages=question).choices[0].message.content


@pytest.mark.parametrize("fault", ["cut=3", "cut-inside=3", "end=3", "badcrc=3", "exception=modelStreamErrorException after=3"])
def test_broken_stream(client, fault):
    """A broken reply never looks like a whole one."""
    question = user(f"one two three four five [[sandbox {fault}]]")
    seen = []
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model=MODEL, messages=question, stream=True):
            seen.append(chunk)
    assert fold(seen)[0], "nothing came before the fault"
    assert fold(seen)[2] is None, "a finish reason came although the reply is broken"
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=MODEL, messages=question)
    assert caught.value.status_code in (502, 503)


def test_leaving_a_stream(client):
    with client.chat.completions.create(
        model=MODEL, messages=user("[[sandbox tokens=10000 drip=10ms]]"), stream=True
    ) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
    assert client.chat.completions.create(model=MODEL, messages=user("Still there?")).choices


def test_headers(client):
    reply = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=user("hi"), extra_headers={"X-Request-Id": "my-id-1"}
    )
    assert reply.headers["x-request-id"]
    assert reply.parse().choices[0].message.content


def test_models():
    with openai_client() as client:
        names = {"claude-sonnet", "nova-lite", "llama", "gpt-oss", "titan-embed", "stable-image", "rerank"}
        assert {m.id for m in client.models.list()} == names
        assert client.models.retrieve("llama").id == "llama"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("no-such-model")


def test_stream_helper():
    """The SDK's own accumulator is stricter than a loop over chunks."""
    with openai_client() as client, client.chat.completions.stream(
        model=MODEL,
        messages=user("What is the weather in Paris? [[sandbox tools=2]]"),
        tools=[WEATHER],
        stream_options={"include_usage": True},
    ) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert len(final.choices[0].message.tool_calls) == 2
    assert final.usage.total_tokens > 0


def test_async(async_client):
    async def ask():
        async with async_client as client:
            plain, stream = await asyncio.gather(
                client.chat.completions.create(model=MODEL, messages=user("Hello!")),
                client.chat.completions.create(model=MODEL, messages=user("Hello!"), stream=True),
            )
            chunks = [c async for c in stream]
            with pytest.raises(openai.APIError):
                async for _ in await client.chat.completions.create(
                    model=MODEL, messages=user("one two three four [[sandbox cut=3]]"), stream=True
                ):
                    pass
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="no-such-model", messages=user("hi"))
            return plain, chunks

    plain, chunks = asyncio.run(ask())
    assert fold(chunks)[0] == plain.choices[0].message.content


def test_async_many(async_client):
    """Many at once, each with its own answer."""

    async def ask():
        async with async_client as client:

            async def one(n):
                stream = await client.chat.completions.create(
                    model=MODEL, messages=user(f'[[sandbox text="number {n}"]]'), stream=True
                )
                return fold([c async for c in stream])[0]

            return await asyncio.gather(*(one(n) for n in range(50)))

    assert asyncio.run(ask()) == [f"number {n}" for n in range(50)]
