"""DIAL's own client and SDK, aidial-client and aidial-sdk.

The client talks to outcrop serve (OUTCROP_URL, OUTCROP_KEY). The SDK's types judge what outcrop adapter
(ADAPTER_URL) asks for and answers. An application of the SDK's, which this file serves at APPLICATION_PORT,
stands behind outcrop serve as a model of its configuration, "application", and calls another one through it:
"nova", with the key it has been called with. The Go test beside this folder starts the rest.
"""

import asyncio
import json
import os
import threading
import time

import aidial_client
import httpx
import openai
import pytest
import uvicorn
from aidial_client import AsyncDial, Dial
from aidial_sdk import DIALApp
from aidial_sdk.chat_completion import ChatCompletion, Request, Response
from aidial_sdk.chat_completion.request import ChatCompletionRequest, Message
from aidial_sdk.deployment.configuration import ConfigurationResponse
from aidial_sdk.deployment.tokenize import TokenizeResponse, TokenizeSuccess
from aidial_sdk.deployment.truncate_prompt import TruncatePromptResponse, TruncatePromptSuccess
from aidial_sdk.embeddings import Response as EmbeddingResponse
from aidial_sdk.exceptions import HTTPException
from aidial_sdk.utils.merge_chunks import cleanup_indices, merge_chat_completion_chunks

URL = os.environ["OUTCROP_URL"]
KEY = os.environ["OUTCROP_KEY"]
ADAPTER = os.environ["ADAPTER_URL"]
PORT = int(os.environ["APPLICATION_PORT"])
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CHATS = ["claude", "nova", "llama", "gpt-oss"]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def user(text):
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def dial():
    with Dial(base_url=URL, api_key=KEY, api_version="2024-10-21", max_retries=0) as client:
        yield client


class Echo(ChatCompletion):
    """Asks the gateway, and passes on what it hears: a chat within a chat."""

    async def chat_completion(self, request: Request, response: Response) -> None:
        question = request.messages[-1].text()
        if question == "break":
            raise HTTPException(message="out of order", status_code=503, code="broken", display_message="Later, please.")
        async with openai.AsyncAzureOpenAI(
            azure_endpoint=URL, api_key=KEY, api_version="2024-10-21", max_retries=0
        ) as client:
            with response.create_single_choice() as choice:
                with choice.create_stage("Asking") as stage:
                    stage.append_content("one moment")
                heard = await client.chat.completions.create(
                    model="nova", messages=user(question), stream=True, stream_options={"include_usage": True}
                )
                async for chunk in heard:
                    for part in chunk.choices:
                        choice.append_content(part.delta.content or "")
                    if chunk.usage:
                        response.set_usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
                choice.add_attachment(title="note", data="a note", type="text/plain")
                choice.set_state({"asked": question})


@pytest.fixture(scope="module", autouse=True)
def application():
    app = DIALApp(propagate_auth_headers=False)
    app.add_chat_completion("echo", Echo())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=PORT, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(300):
        if server.started:
            break
        time.sleep(0.05)
    assert server.started
    yield
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("model", [*CHATS, "application"])
def test_chat(dial, model):
    plain = dial.chat.completions.create(deployment_name=model, messages=user("Tell me about stones."))
    said = plain.choices[0].message.content
    assert "Tell me about stones." in said
    assert plain.choices[0].finish_reason == "stop"
    assert plain.usage.total_tokens == plain.usage.prompt_tokens + plain.usage.completion_tokens > 0
    chunks = list(dial.chat.completions.create(deployment_name=model, messages=user("Tell me about stones."), stream=True))
    assert len(chunks) > 3
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == said
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]


def test_chat_async():
    async def run():
        client = AsyncDial(base_url=URL, api_key=KEY, api_version="2024-10-21", max_retries=0)
        replies = await asyncio.gather(
            *(client.chat.completions.create(deployment_name="nova", messages=user(f'[[sandbox text="n {n}"]]')) for n in range(10))
        )
        return [reply.choices[0].message.content for reply in replies]

    assert asyncio.run(run()) == [f"n {n}" for n in range(10)]


@pytest.mark.parametrize("model", CHATS)
def test_tools(dial, model):
    reply = dial.chat.completions.create(deployment_name=model, messages=user("What is the weather in Paris?"), tools=[WEATHER])
    call = reply.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather" and json.loads(call.function.arguments)["city"]
    history = [
        *user("What is the weather in Paris?"),
        reply.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"},
    ]
    said = dial.chat.completions.create(deployment_name=model, messages=history, tools=[WEATHER]).choices[0].message.content
    assert "18 degrees" in said


def test_listings(dial):
    names = {*CHATS, "application", "titan"}
    listed = dial.deployments.list()
    assert {d.id for d in listed} == names
    assert {d.object for d in listed} <= {"deployment", "model"}
    one = dial.deployments.get("claude")
    assert (one.id, one.model) == ("claude", "claude") and one.features.tokenize and one.features.configuration
    info = dial.model.get("claude")
    assert info.id == "claude" and info.capabilities.chat_completion
    assert dial.model.get("titan").capabilities.embeddings
    schema = dial.deployments.get_configuration_schema("claude")
    assert schema["type"] == "object" and schema["properties"]


def test_user(dial):
    info = dial.user.info()
    assert info.roles == ["default"] and info.project == "p"


def test_errors(dial):
    with pytest.raises(aidial_client.DialException) as refused:
        dial.chat.completions.create(deployment_name="no-such-model", messages=user("hi"))
    assert (refused.value.status_code, refused.value.code) == (404, "model_not_found")
    with pytest.raises(aidial_client.DialException) as refused:
        dial.deployments.get("no-such-model")
    assert refused.value.status_code == 404
    with Dial(base_url=URL, api_key="wrong", max_retries=0) as stranger, pytest.raises(aidial_client.DialException) as refused:
        stranger.deployments.list()
    assert refused.value.status_code == 401


def test_what_an_application_shows(dial):
    """Stages, attachments and state come through the gateway as the application made them, whole or in pieces."""
    plain = dial.chat.completions.create(deployment_name="application", messages=user("Hello!")).model_dump()
    content = plain["choices"][0]["message"]["custom_content"]
    assert content["state"] == {"asked": "Hello!"}
    assert content["attachments"][0]["title"] == "note" and content["attachments"][0]["data"] == "a note"
    assert content["stages"][0]["name"] == "Asking" and content["stages"][0]["content"] == "one moment"
    assert content["stages"][0]["status"] == "completed"
    chunks = [c.model_dump(exclude_none=True) for c in dial.chat.completions.create(deployment_name="application", messages=user("Hello!"), stream=True)]
    whole = cleanup_indices(merge_chat_completion_chunks(*chunks))
    streamed = whole["choices"][0]["delta"]["custom_content"]
    for shown in ("state", "attachments", "stages"):
        strip = lambda items: [{k: v for k, v in i.items() if v is not None and k != "index"} for i in items] if isinstance(items, list) else items
        assert strip(streamed[shown]) == strip(content[shown]), shown


@pytest.mark.parametrize("stream", [False, True])
def test_an_application_that_fails(dial, stream):
    """The error is the application's own, to what it wants people to be shown."""
    with pytest.raises(aidial_client.DialException) as refused:
        reply = dial.chat.completions.create(deployment_name="application", messages=user("break"), stream=stream)
        if stream:
            list(reply)
    error = refused.value
    assert (error.status_code, error.code, error.display_message) == (503, "broken", "Later, please.")
    assert "out of order" in error.message


def adapter(path, **options):
    reply = httpx.request("POST" if options else "GET", f"{ADAPTER}/openai/deployments/{CLAUDE}/{path}", headers={"Api-Key": "any"}, timeout=30, **options)
    assert reply.status_code == 200, reply.text
    return reply


@pytest.mark.parametrize("question", ["Hello!", "What is the weather in Paris? [[sandbox tools=2]]", "[[sandbox reasoning]] Why?"])
def test_the_sdk_merges_our_chunks(question):
    """A stream of ours, merged by the SDK as DIAL's applications do, is the plain reply of ours."""
    body = {"messages": user(question), "tools": [WEATHER]}
    ChatCompletionRequest.parse_obj(body)
    plain = adapter("chat/completions", json=body).json()
    lines = [line[6:] for line in adapter("chat/completions", json=body | {"stream": True}).text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    whole = cleanup_indices(merge_chat_completion_chunks(*map(json.loads, lines[:-1])))
    message, delta = plain["choices"][0]["message"], whole["choices"][0]["delta"]
    assert delta.get("content") == message.get("content")
    assert whole["choices"][0]["finish_reason"] == plain["choices"][0]["finish_reason"]
    calls = lambda of: [(c["function"]["name"], c["function"]["arguments"]) for c in of.get("tool_calls") or []]
    assert calls(delta) == calls(message)
    # What the model says is what a client may send back.
    Message.parse_obj(message)
    history = ChatCompletionRequest.parse_obj({"messages": [*user(question), message]})
    assert history.messages[1].role == "assistant"


def test_the_adapters_other_replies():
    request = {"messages": [*user("one"), {"role": "assistant", "content": "two"}, *user("three " * 50)]}
    inputs = {"inputs": [{"type": "string", "value": "Hello!"}, {"type": "request", "value": request}]}
    counted = TokenizeResponse.parse_obj(adapter("tokenize", json=inputs).json())
    assert all(isinstance(o, TokenizeSuccess) for o in counted.outputs)
    assert 0 < counted.outputs[0].token_count < counted.outputs[1].token_count
    tight = request | {"max_prompt_tokens": counted.outputs[1].token_count - 1}
    cut = TruncatePromptResponse.parse_obj(adapter("truncate_prompt", json={"inputs": [request | {"max_prompt_tokens": 9000}, tight, {"messages": user("x" * 9000), "max_prompt_tokens": 1}]}).json())
    assert isinstance(cut.outputs[0], TruncatePromptSuccess) and cut.outputs[0].discarded_messages == []
    assert cut.outputs[1].discarded_messages
    assert cut.outputs[2].status == "error" and cut.outputs[2].error
    schema = ConfigurationResponse.parse_obj(adapter("configuration").json())
    assert schema.dict()["type"] == "object"
    assert adapter("rate", json={"responseId": "r", "rate": True}).status_code == 200


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(encoding):
    body = {"input": ["A grey stone", "A red fox"], "encoding_format": encoding}
    asked = f"{URL}/openai/deployments/titan/embeddings", f"{ADAPTER}/openai/deployments/amazon.titan-embed-text-v2:0/embeddings"
    for url in asked:
        reply = httpx.post(url, headers={"Api-Key": KEY}, json=body)
        assert reply.status_code == 200, reply.text
        parsed = EmbeddingResponse.parse_obj(reply.json())
        assert [d.index for d in parsed.data] == [0, 1] and parsed.usage.prompt_tokens > 0
        assert isinstance(parsed.data[0].embedding, str if encoding == "base64" else list)
