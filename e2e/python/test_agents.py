"""Agents by strangers, OpenAI's Agents SDK and LangChain, against outcrop serve --config in front of outcrop sandbox.

Every agent reads a picture and a document and then calls a tool ten times, one call a turn, before it
answers with all results: [[sandbox loop=10]] makes the model do so. Claude thinks before each call and
signs its thoughts; Bedrock, and so the sandbox, refuses a conversation whose thoughts are missing or are
not its own. These clients send back nothing but the calls, so the loop ends well only because the gateway
puts the thoughts back.

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
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai.types.shared import Reasoning

URL = os.environ["OUTCROP_URL"] + "/openai/v1"
KEY = os.environ["OUTCROP_KEY"]
TURNS = 10

# The models: how hard they think, whether they take pictures and documents, and what the gateway reports of a
# request of the Agents SDK: it asks for strict tools, and Nova's schemas know fewer words.
STRICT = ("x-outcrop-ignored", "tools[0].function.strict")
SCHEMA = ("x-outcrop-changed", "tools[0].function.parameters")
MODELS = {
    "claude": ("low", True, []),
    "claude-adaptive": ("medium", True, []),
    "nova": ("low", True, [STRICT, SCHEMA]),
    "gpt-oss": ("low", False, [STRICT]),
    "llama": (None, False, [STRICT]),
    "gpt": ("low", False, []),
    "kimi": ("low", False, []),
}

set_tracing_disabled(True)


def png(width=8, height=8):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""


def data_url(mime, data):
    return f"data:{mime};base64," + base64.b64encode(data).decode()


PICTURE, DOCUMENT = data_url("image/png", png()), data_url("application/pdf", PDF)
QUESTION = f"Survey the stones of Paris. [[sandbox loop={TURNS}]]"


AFTERWARDS = "What have you read?"


def check_files(said, reads):
    """The model counts what it has read."""
    assert AFTERWARDS in said
    assert ("1 image" in said and "1 document" in said) == reads, said


class Counter:
    """The tool: it counts its calls and has a word for each."""

    def __init__(self):
        self.places = []

    def survey(self, place):
        self.places.append(place)
        return f"sample {len(self.places)} is granite"

    def check(self, said):
        assert len(self.places) == TURNS
        assert all(isinstance(p, str) and p for p in self.places), self.places
        for n in range(1, TURNS + 1):
            assert f"sample {n} is granite" in said, said


class Wire:
    """Looks at what passes between an SDK and the gateway."""

    def __init__(self):
        self.requests, self.reported = [], set()

    async def request(self, request):
        self.requests.append(json.loads(await request.aread()))

    async def response(self, response):
        for name in ("x-outcrop-ignored", "x-outcrop-changed"):
            if name in response.headers:
                self.reported.add((name, response.headers[name]))

    def client(self):
        hooks = {"request": [self.request], "response": [self.response]}
        return openai.DefaultAsyncHttpxClient(event_hooks=hooks)

    def check(self, stream, reported=()):
        assert self.reported == set(reported)
        assert len(self.requests) == TURNS + 1
        last = self.requests[-1]
        assert last.get("stream", False) == stream
        assert sum(m["role"] == "tool" for m in last["messages"]) == TURNS
        assert "signature" not in json.dumps(last), "the client sends thoughts back by itself: the test proves nothing"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", MODELS)
def test_agents_sdk(model, stream):
    asyncio.run(agents_sdk(model, stream))


async def agents_sdk(model, stream):
    effort, reads, reported = MODELS[model]
    counter, wire = Counter(), Wire()

    @function_tool
    def survey(place: str) -> str:
        """Take a sample at a place."""
        return counter.survey(place)

    content = [{"type": "input_text", "text": QUESTION}]
    if reads:
        content.append({"type": "input_image", "image_url": PICTURE, "detail": "auto"})
        content.append({"type": "input_file", "filename": "map of stones.pdf", "file_data": DOCUMENT})
    async with openai.AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0, http_client=wire.client()) as client:
        agent = Agent(
            name="geologist",
            instructions="You survey stones.",
            tools=[survey],
            model=OpenAIChatCompletionsModel(model=model, openai_client=client),
            model_settings=ModelSettings(
                max_tokens=4000, include_usage=True, reasoning=Reasoning(effort=effort) if effort else None
            ),
        )
        ask = [{"role": "user", "content": content}]
        if stream:
            result = Runner.run_streamed(agent, ask, max_turns=TURNS + 2)
            async for _ in result.stream_events():
                pass
        else:
            result = await Runner.run(agent, ask, max_turns=TURNS + 2)
        counter.check(result.final_output)
        wire.check(stream, reported)
        more = await Runner.run(agent, [*result.to_input_list(), {"role": "user", "content": AFTERWARDS}])
        check_files(more.final_output, reads)
    kinds = [item.type for item in result.new_items]
    assert kinds.count("tool_call_item") == kinds.count("tool_call_output_item") == TURNS
    if effort:
        assert kinds.count("reasoning_item") >= TURNS, kinds
    usage = result.context_wrapper.usage
    each = [r.usage for r in result.raw_responses]
    assert len(each) == usage.requests == TURNS + 1
    assert usage.input_tokens == sum(u.input_tokens for u in each) > 0
    assert usage.output_tokens == sum(u.output_tokens for u in each) > 0
    assert all(u.total_tokens == u.input_tokens + u.output_tokens for u in each)


@pytest.mark.parametrize("model", MODELS)
def test_langchain(model):
    effort, reads, _ = MODELS[model]
    asyncio.run(langchain(model, effort, reads))


async def langchain(model, effort, reads):
    counter, wire = Counter(), Wire()

    @tool
    def survey(place: str) -> str:
        """Take a sample at a place."""
        return counter.survey(place)

    llm = ChatOpenAI(
        model=model, base_url=URL, api_key=KEY, max_retries=0, max_tokens=4000, reasoning_effort=effort,
        stream_usage=True, use_responses_api=False, http_async_client=wire.client(),
    ).bind_tools([survey])
    content = [{"type": "text", "text": QUESTION}]
    if reads:
        content.append({"type": "image_url", "image_url": {"url": PICTURE}})
        content.append({"type": "file", "file": {"filename": "map.pdf", "file_data": DOCUMENT}})
    messages, usage = [HumanMessage(content)], []
    for _ in range(TURNS + 1):
        reply = AIMessageChunk("")
        async for chunk in llm.astream(messages):
            reply += chunk
        messages.append(reply)
        usage.append(reply.usage_metadata)
        for call in reply.tool_calls:
            messages.append(ToolMessage(survey.invoke(call["args"]), tool_call_id=call["id"]))
    assert reply.tool_calls == []
    counter.check(reply.text)
    wire.check(True)
    more = await llm.ainvoke([*messages, HumanMessage(AFTERWARDS)])
    check_files(more.text, reads)
    assert all(u["total_tokens"] == u["input_tokens"] + u["output_tokens"] > 0 for u in usage)
