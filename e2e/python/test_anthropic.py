"""Anthropic's SDK for Python against /anthropic of outcrop serve or outcrop adapter.

OUTCROP_URL and OUTCROP_KEY say where it is, OUTCROP_HEADERS what every request says besides, and
OUTCROP_MODELS how the models are called there: a Claude that thinks within a budget, one that thinks as much
as it takes, and models that are not Anthropic's, for which requests are translated. The Go test beside this
folder starts it.
"""

import asyncio
import base64
import json
import os
import struct
import zlib

import anthropic
import pytest

URL = os.environ["OUTCROP_URL"] + "/anthropic"
KEY = os.environ["OUTCROP_KEY"]
HEADERS = json.loads(os.environ.get("OUTCROP_HEADERS", "{}"))
MODELS = json.loads(os.environ["OUTCROP_MODELS"])
RUN = os.urandom(4).hex()  # what a server keeps of one run does not help the next
NATIVE = ["claude", "adaptive"]
TRANSLATED = [name for name in ("nova", "llama", "gpt-oss") if name in MODELS]
READERS = [*NATIVE, "nova"]  # of pictures and documents; the same have a prompt cache
# What each model is told so that it thinks; Llama does not.
THINKING = {
    "claude": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    "adaptive": {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "medium"}},
    "nova": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    "gpt-oss": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
}
SURVEY = {
    "name": "survey",
    "description": "Take a sample at a place.",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}
every = pytest.mark.parametrize("model", NATIVE + TRANSLATED)
both = pytest.mark.parametrize("stream", [False, True])


def connect(cls=anthropic.Anthropic, **options):
    return cls(**{"base_url": URL, "api_key": KEY, "max_retries": 0, "default_headers": HEADERS} | options)


@pytest.fixture(scope="module")
def client():
    with connect() as c:
        yield c


def request(model, content, **more):
    return {"model": MODELS[model], "max_tokens": 4000, "messages": [{"role": "user", "content": content}]} | more


def ask(client, stream, **wanted):
    """The reply, whole or as the SDK puts it together from the events."""
    if not stream:
        return client.messages.create(**wanted)
    with client.messages.stream(**wanted) as events:
        return events.get_final_message()


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png(8, 8)).decode()}}
PAPER = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""
DOCUMENT = {"type": "document", "title": "map", "source": {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(PAPER).decode()}}


@every
@both
def test_text(client, model, stream):
    reply = ask(client, stream, **request(model, '[[sandbox text="Good morning."]] Hello!', system="Be brief."))
    assert (reply.type, reply.role, reply.stop_reason) == ("message", "assistant", "end_turn")
    assert text_of(reply) == "Good morning."
    assert reply.id.startswith("msg_")
    assert reply.usage.input_tokens > 0 and reply.usage.output_tokens > 0


@every
def test_stream_equals_plain(client, model):
    wanted = request(model, "Tell me about stones.")
    plain = client.messages.create(**wanted)
    with client.messages.stream(**wanted) as events:
        pieces = list(events.text_stream)
        final = events.get_final_message()
    assert len(pieces) > 3, "the stream came in one piece"
    assert "".join(pieces) == text_of(final) == text_of(plain)
    assert "Tell me about stones." in text_of(plain)
    assert (final.stop_reason, final.usage.output_tokens) == (plain.stop_reason, plain.usage.output_tokens)
    assert final.usage.input_tokens == plain.usage.input_tokens


@every
def test_raw_events(client, model):
    """The events as they are written, in the order that the API's contract has."""
    kinds, opened = [], []
    for event in client.messages.create(**request(model, "Tell me about stones."), stream=True):
        kinds.append(event.type)
        if event.type == "content_block_start":
            opened.append(event.index)
        if event.type == "message_delta":
            assert event.delta.stop_reason == "end_turn" and event.usage.output_tokens > 0
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    assert opened == list(range(len(opened))) and kinds.count("content_block_stop") == len(opened) > 0


@every
@both
def test_limits(client, model, stream):
    reply = ask(client, stream, **request(model, "[[sandbox tokens=50]]", max_tokens=7))
    assert reply.stop_reason == "max_tokens"
    assert reply.content and reply.usage.output_tokens == 7


@both
@pytest.mark.parametrize("model", [*NATIVE, *[name for name in TRANSLATED if name == "llama"]])
def test_stop_sequences(client, model, stream):
    reply = ask(client, stream, **request(model, '[[sandbox text="one two STOP three"]]', stop_sequences=["STOP"]))
    assert text_of(reply).strip() == "one two"
    assert reply.stop_reason in ("stop_sequence", "end_turn")
    if model in NATIVE:
        assert (reply.stop_reason, reply.stop_sequence) == ("stop_sequence", "STOP")


@every
@both
def test_tool_loop(client, model, stream):
    """Four turns of calls; what the model has thought goes back with what it has called."""
    thinking = THINKING.get(model, {})
    wanted = request(model, "Survey the stones. [[sandbox loop=4]]", tools=[SURVEY], **thinking)
    places = []
    for turn in range(5):
        reply = ask(client, stream, **wanted)
        calls = [block for block in reply.content if block.type == "tool_use"]
        thoughts = [block for block in reply.content if block.type == "thinking"]
        if thinking and turn < 4:
            assert thoughts and thoughts[0].thinking, "no thoughts"
            if model in NATIVE:
                assert thoughts[0].signature
        if turn == 4:
            break
        assert reply.stop_reason == "tool_use" and len(calls) == 1
        assert isinstance(calls[0].input["place"], str)
        places.append(calls[0].id)
        wanted["messages"].append({"role": "assistant", "content": reply.content})
        result = {"type": "tool_result", "tool_use_id": calls[0].id, "content": f"sample {turn} is granite"}
        wanted["messages"].append({"role": "user", "content": [result]})
    assert calls == [] and reply.stop_reason == "end_turn"
    assert len(set(places)) == 4
    assert all(f"sample {n} is granite" in text_of(reply) for n in range(4)), text_of(reply)


@every
def test_parallel_calls_and_results_that_failed(client, model):
    wanted = request(model, "Survey the stones. [[sandbox tools=2]]", tools=[SURVEY])
    reply = client.messages.create(**wanted)
    calls = [block for block in reply.content if block.type == "tool_use"]
    assert len({call.id for call in calls}) == 2
    wanted["messages"] = [
        {"role": "user", "content": "Survey the stones."},
        {"role": "assistant", "content": reply.content},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": calls[0].id, "content": [{"type": "text", "text": "limestone"}]},
                {"type": "tool_result", "tool_use_id": calls[1].id, "content": "no such place", "is_error": True},
            ],
        },
    ]
    said = text_of(client.messages.create(**wanted))
    assert "limestone" in said and "no such place" in said


@every
@pytest.mark.parametrize("choice, called", [({"type": "any"}, True), ({"type": "tool", "name": "survey"}, True), ({"type": "none"}, False)])
def test_tool_choice(client, model, choice, called):
    raw = client.messages.with_raw_response.create(**request(model, "Hello!", tools=[SURVEY], tool_choice=choice))
    if model == "llama" and called:  # nothing forces Llama, and the reply says so
        assert raw.headers["x-outcrop-changed"] == "tool_choice"
    else:
        assert "x-outcrop-changed" not in raw.headers
        assert any(block.type == "tool_use" for block in raw.parse().content) == called


@pytest.mark.parametrize("model", [name for name in THINKING if name in MODELS])
@both
def test_thinking(client, model, stream):
    reply = ask(client, stream, **request(model, "Hello!", **THINKING[model]))
    assert [block.type for block in reply.content] == ["thinking", "text"]
    assert reply.content[0].thinking
    assert bool(reply.content[0].signature) == (model in NATIVE)


@pytest.mark.parametrize("model", NATIVE)
def test_forged_thoughts(client, model):
    """A thought that was changed is refused by Bedrock, and the SDK is told so."""
    wanted = request(model, "Survey the stones. [[sandbox loop=2]]", tools=[SURVEY], **THINKING[model])
    reply = client.messages.create(**wanted)
    content = [block.model_dump(exclude_none=True) for block in reply.content]
    content[0]["thinking"] = "Something else."
    call = content[-1]["id"]
    wanted["messages"] += [
        {"role": "assistant", "content": content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": "granite"}]},
    ]
    with pytest.raises(anthropic.BadRequestError, match="signature"):
        client.messages.create(**wanted)


@pytest.mark.parametrize("model", READERS)
@both
def test_files(client, model, stream):
    reply = ask(client, stream, **request(model, [{"type": "text", "text": "What are these?"}, PICTURE, DOCUMENT]))
    assert "1 image" in text_of(reply) and "1 document" in text_of(reply)


@pytest.mark.parametrize("model", READERS)
@both
def test_cache(client, model, stream):
    """The second time the prompt is read from the cache. (A word of its own for every way to ask.)"""
    system = [{"type": "text", "text": f"Be brief, {model} {stream} {RUN}. " * 500, "cache_control": {"type": "ephemeral"}}]
    wanted = request(model, "Hello!", system=system)
    first, second = ask(client, stream, **wanted).usage, ask(client, stream, **wanted).usage
    assert first.cache_creation_input_tokens > 100 and not first.cache_read_input_tokens
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens and not second.cache_creation_input_tokens


@every
def test_count_tokens(client, model):
    def count(text):
        wanted = request(model, text, system="Be brief.", tools=[SURVEY])
        del wanted["max_tokens"]
        return client.messages.count_tokens(**wanted).input_tokens

    assert 0 < count("Hello!") < count("Hello! " * 100)


@every
def test_headers(client, model):
    """A beta that Bedrock does not know is left out, and the reply says so."""
    raw = client.messages.with_raw_response.create(**request(model, "Hello!", extra_headers={"anthropic-beta": "files-api-2025-04-14"}))
    assert raw.headers["request-id"] == raw.headers["x-request-id"]
    assert "files-api-2025-04-14" in raw.headers["x-outcrop-ignored"]
    assert raw.parse()._request_id == raw.headers["request-id"]


def test_prefill(client):
    def wanted(model):
        return request(model, "Count.") | {"messages": [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "One,"}]}

    assert text_of(client.messages.create(**wanted("claude")))
    with pytest.raises(anthropic.BadRequestError, match="prefill"):
        client.messages.create(**wanted("adaptive"))


@both
def test_unknown_model(client, stream):
    MODELS["none"] = "no-such-model"
    with pytest.raises(anthropic.NotFoundError) as caught:
        ask(client, stream, **request("none", "hi"))
    assert caught.value.body["error"]["type"] == "not_found_error"
    assert caught.value.request_id


def test_batches_are_not_there(client):
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.list()
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.create(requests=[{"custom_id": "a", "params": request("claude", "hi")}])


@every
@both
def test_bad_request(client, model, stream):
    """Where the mistake is, in Bedrock's words for Claude and in ours for the others."""
    wanted = request(model, "hi")
    wanted["messages"].append({"role": "wizard", "content": "hi"})
    with pytest.raises(anthropic.BadRequestError, match=r"messages(\.1|\[1\])\.role") as caught:
        ask(client, stream, **wanted)
    assert caught.value.body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("model", TRANSLATED)
@both
def test_unknown_block(client, model, stream):
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\]\.content\[1\]\.type"):
        ask(client, stream, **request(model, [{"type": "text", "text": "hi"}, {"type": "hologram"}]))


@every
@both
def test_throttled(client, model, stream):
    wanted = request(model, f"Hello {model} {stream} {RUN}! [[sandbox throttle=1]]")
    with pytest.raises(anthropic.RateLimitError) as caught:
        ask(client, stream, **wanted)
    assert caught.value.body["error"]["type"] == "rate_limit_error"
    assert int(caught.value.response.headers["retry-after"]) > 0
    assert text_of(ask(client, stream, **wanted)), "the second call is not refused"


def test_the_sdk_tries_again():
    """With its usual retries nobody sees a throttled call."""
    with connect(max_retries=2) as client:
        reply = client.messages.create(**request("claude", f"Hello again, {RUN}! [[sandbox throttle=1]]"))
    assert text_of(reply)


@every
@pytest.mark.parametrize("fault", ["cut=5", "cut-inside=5", "end=5", "badcrc=5", "exception=modelStreamErrorException after=5"])
def test_broken_stream(client, model, fault):
    """A broken reply never looks like a whole one: the SDK raises."""
    wanted = request(model, f"one two three four five six seven eight [[sandbox {fault}]]")
    kinds = []
    with pytest.raises((anthropic.APIError, ValueError)) as caught:
        for event in client.messages.create(**wanted, stream=True):
            kinds.append(event.type)
    assert not isinstance(caught.value, anthropic.APIStatusError) or caught.value.body["error"]["message"]
    assert "message_stop" not in kinds and "message_delta" not in kinds, kinds
    assert kinds[:1] == ["message_start"], "nothing came before the fault"
    with pytest.raises(anthropic.APIError), client.messages.stream(**wanted) as events:
        events.get_final_message()
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(**wanted)
    assert caught.value.status_code >= 500


def test_leaving_a_stream(client):
    with client.messages.stream(**request("claude", "[[sandbox tokens=10000 drip=10ms]]")) as events:
        for _ in events.text_stream:
            break
    assert text_of(client.messages.create(**request("claude", "Still there?")))


@every
def test_tool_runner(client, model):
    """The SDK's own loop. It asks the server to hold the conversation, and sends it whole when that is refused."""
    places = []

    @anthropic.beta_tool
    def survey(place: str) -> str:
        """Take a sample at a place."""
        places.append(place)
        return f"sample {len(places)} is granite"

    wanted = request(model, "Survey the stones. [[sandbox loop=3]]", **THINKING.get(model, {}))
    last = client.beta.messages.tool_runner(tools=[survey], **wanted).until_done()
    assert len(places) == 3
    assert all(f"sample {n} is granite" in text_of(last) for n in (1, 2, 3))


def test_async():
    async def run():
        async with connect(anthropic.AsyncAnthropic) as client:

            async def one(n, model):
                async with client.messages.stream(**request(model, f'[[sandbox text="number {n}"]]')) as events:
                    return "".join([piece async for piece in events.text_stream])

            names = NATIVE + TRANSLATED
            return await asyncio.gather(*(one(n, names[n % len(names)]) for n in range(40)))

    assert asyncio.run(run()) == [f"number {n}" for n in range(40)]
