"""OpenAI's Responses API with OpenAI's SDK for Python, and LangChain with AzureChatOpenAI, against outcrop serve --sandbox.

OUTCROP_URL and OUTCROP_KEY say where it is; the Go test beside this folder starts it.
"""

import asyncio
import base64
import json
import os
import time
import zlib
import struct

import openai
import pydantic
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, ChatOpenAI

URL = os.environ["OUTCROP_URL"]
KEY = os.environ["OUTCROP_KEY"]
MODEL = "claude-sonnet"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    "strict": True,
}


@pytest.fixture
def client():
    with openai.OpenAI(base_url=URL + "/openai/v1", api_key=KEY, max_retries=0) as made:
        yield made


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * 8) * 8)) + chunk(b"IEND", b"")


def test_plain(client):
    reply = client.responses.create(model=MODEL, input="Tell me about stones.", instructions="Be brief.", metadata={"a": "b"})
    assert reply.status == "completed" and reply.object == "response" and reply.id.startswith("resp_")
    assert "Tell me about stones." in reply.output_text
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens > 0
    assert reply.model == MODEL and reply.metadata == {"a": "b"} and reply.error is None and reply.incomplete_details is None


def test_stream(client):
    plain = client.responses.create(model=MODEL, input="Tell me about stones.")
    with client.responses.stream(model=MODEL, input="Tell me about stones.") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [e.sequence_number for e in events if hasattr(e, "sequence_number")] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert len(deltas) > 3 and "".join(deltas) == final.output_text == plain.output_text
    assert final.usage.output_tokens == plain.usage.output_tokens


def test_async():
    async def run():
        async with openai.AsyncOpenAI(base_url=URL + "/openai/v1", api_key=KEY, max_retries=0) as client:
            replies = await asyncio.gather(*(client.responses.create(model=MODEL, input=f'[[sandbox text="n {n}"]]') for n in range(10)))
            return [r.output_text for r in replies]

    assert asyncio.run(run()) == [f"n {n}" for n in range(10)]


@pytest.mark.parametrize("stream", [False, True])
def test_tools(client, stream):
    history = [{"role": "user", "content": "What is the weather in Paris?"}]
    if stream:
        with client.responses.stream(model=MODEL, input=history, tools=[WEATHER]) as events:
            list(events)
            reply = events.get_final_response()
    else:
        reply = client.responses.create(model=MODEL, input=history, tools=[WEATHER])
    call = next(item for item in reply.output if item.type == "function_call")
    assert call.name == "get_weather" and json.loads(call.arguments)["city"] and call.call_id
    history += [item.model_dump(exclude_none=True) for item in reply.output]
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"})
    assert "18 degrees" in client.responses.create(model=MODEL, input=history, tools=[WEATHER]).output_text


def test_reasoning_goes_on_without_a_store(client):
    """The signed thinking of a turn comes back in the next one, in encrypted_content, and is accepted."""
    asked = {"model": MODEL, "store": False, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"}}
    history = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.responses.create(input=history, tools=[WEATHER], **asked)
    thought = [item for item in first.output if item.type == "reasoning"]
    assert thought and thought[0].encrypted_content and first.usage.output_tokens_details.reasoning_tokens >= 0
    history += [item.model_dump(exclude_none=True) for item in first.output]
    call = next(item for item in first.output if item.type == "function_call")
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"})
    assert "18 degrees" in client.responses.create(input=history, tools=[WEATHER], **asked).output_text


def test_structured(client):
    class Stone(pydantic.BaseModel):
        name: str
        hardness: int

    reply = client.responses.parse(model=MODEL, input="Name a stone.", text_format=Stone)
    assert isinstance(reply.output_parsed, Stone)


def test_image(client):
    picture = "data:image/png;base64," + base64.b64encode(png()).decode()
    content = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": picture, "detail": "auto"}]
    assert client.responses.create(model=MODEL, input=[{"role": "user", "content": content}]).status == "completed"


def test_cut(client):
    reply = client.responses.create(model=MODEL, input="Tell me a long story about stones.", max_output_tokens=16)
    assert reply.status in ("incomplete", "completed")
    if reply.status == "incomplete":
        assert reply.incomplete_details.reason == "max_output_tokens"


def test_broken(client):
    """A stream that breaks off never looks complete."""
    with client.responses.stream(model=MODEL, input="[[sandbox cut=3]]") as stream:
        events = list(stream)
        with pytest.raises(RuntimeError, match="response.completed"):
            stream.get_final_response()
    assert events[-1].type == "response.failed" and events[-1].response.status == "failed" and events[-1].response.error
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model=MODEL, input="[[sandbox throttle=9]]", stream=True)


def test_kept(client):
    made = client.responses.create(model=MODEL, input="Tell me about stones.")
    assert client.responses.retrieve(made.id).output_text == made.output_text
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    forgotten = client.responses.create(model=MODEL, input="Tell me about stones.", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(forgotten.id)


def test_background(client):
    job = client.responses.create(model=MODEL, input="Tell me about stones.", background=True)
    assert job.status in ("queued", "in_progress", "completed")
    for _ in range(200):
        if job.status not in ("queued", "in_progress"):
            break
        time.sleep(0.05)
        job = client.responses.retrieve(job.id)
    assert job.status == "completed" and "stones" in job.output_text
    slow = client.responses.create(model=MODEL, input="[[sandbox drip=1s tokens=60]]", background=True)
    assert client.responses.cancel(slow.id).status == "cancelled"


@pytest.mark.parametrize("more, says", [
    ({"previous_response_id": "resp_1"}, "previous_response_id is not supported"),
    ({"conversation": "conv_1"}, "conversation is not supported"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
])
def test_refused(client, more, says):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="x", **more)
    assert says in caught.value.message


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"18 degrees in {city}"


def langchains():
    yield AzureChatOpenAI(azure_endpoint=URL, api_version="2024-10-21", api_key=KEY, azure_deployment=MODEL, max_retries=0)
    yield ChatOpenAI(base_url=URL + "/openai/v1", api_key=KEY, model=MODEL, max_retries=0, use_responses_api=True)


@pytest.mark.parametrize("llm", langchains(), ids=["azure", "responses"])
def test_langchain(llm):
    bound = llm.bind_tools([get_weather])
    history = [HumanMessage("What is the weather in Paris?")]
    answer = bound.invoke(history)
    assert answer.tool_calls[0]["name"] == "get_weather" and answer.usage_metadata["total_tokens"] > 0
    history += [answer, ToolMessage(get_weather.invoke(answer.tool_calls[0]["args"]), tool_call_id=answer.tool_calls[0]["id"])]
    assert "18 degrees" in bound.invoke(history).text
    assert "stones" in "".join(chunk.text for chunk in llm.stream("Tell me about stones."))
