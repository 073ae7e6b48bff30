"""Programs made with DIAL's own SDK (aidial-sdk) behind outcrop serve, as behind a DIAL Core.

This file serves, at PROGRAMS_PORT, an application ("poet"), an adapter ("parrot") and two interceptors ("polite",
"stamp"); the configuration that outcrop serve (OUTCROP_URL) was started with names them. Each calls back with the
per-request key that it was called with, and with nothing else. The Go test beside this folder starts the rest.
"""

import concurrent.futures
import json
import os
import threading
import time

import httpx
import openai
import pytest
import uvicorn
from aidial_sdk import DIALApp
from aidial_sdk.chat_completion import ChatCompletion, Request, Response
from aidial_sdk.deployment.configuration import ConfigurationRequest, ConfigurationResponse
from aidial_sdk.deployment.rate import RateRequest
from aidial_sdk.deployment.tokenize import TokenizeRequest, TokenizeResponse, TokenizeSuccess
from aidial_sdk.exceptions import HTTPException

URL = os.environ["OUTCROP_URL"]
KEY = os.environ["OUTCROP_KEY"]
PORT = int(os.environ["PROGRAMS_PORT"])
VERSION = "2024-10-21"

seen = {}  # what each program was called with last
rated = []


def azure(key, cls=openai.AzureOpenAI, **options):
    return cls(**{"azure_endpoint": URL, "api_key": key, "api_version": VERSION, "max_retries": 0} | options)


def user(text):
    return [{"role": "user", "content": text}]


def note(name, request):
    seen[name] = {k.lower(): v for k, v in request.original_request.headers.items()} | {"key": request.api_key_secret.get_secret_value()}


class Poet(ChatCompletion):
    """An application: asks a model of this process and one of an adapter, with the key of the request."""

    async def chat_completion(self, request: Request, response: Response) -> None:
        note("poet", request)
        question = request.messages[-1].text()
        if question == "break":
            raise HTTPException(message="out of order", status_code=503, code="broken", display_message="Later, please.")
        async with azure(request.api_key_secret.get_secret_value(), openai.AsyncAzureOpenAI) as client:
            with response.create_single_choice() as choice:
                for model in ("nova", "parrot"):
                    with choice.create_stage(model) as stage:
                        heard = await client.chat.completions.create(model=model, messages=user(question), stream=True)
                        async for chunk in heard:
                            for part in chunk.choices:
                                stage.append_content(part.delta.content or "")
                                choice.append_content(part.delta.content or "")
                choice.set_state({"asked": question})
        response.set_usage(7, 3)

    async def rate_response(self, request: RateRequest) -> None:
        rated.append((request.response_id, request.rate, request.api_key_secret.get_secret_value()))

    async def configuration(self, request: ConfigurationRequest) -> ConfigurationResponse:
        return ConfigurationResponse(**{"type": "object", "properties": {"metre": {"type": "string"}}})


class Parrot(ChatCompletion):
    """An adapter: says what it was told, and which upstream it would ask."""

    async def chat_completion(self, request: Request, response: Response) -> None:
        note("parrot", request)
        with response.create_single_choice() as choice:
            choice.append_content(f"{request.messages[-1].text()} ({request.upstream_endpoint})")
        response.set_usage(11, 5)

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResponse:
        note("tokenize", request)
        return TokenizeResponse(outputs=[TokenizeSuccess(token_count=42) for _ in request.inputs])


class Interceptor(ChatCompletion):
    """Changes the last message on the way in, and goes on to whatever comes next."""

    def __init__(self, name):
        self.name = name

    async def chat_completion(self, request: Request, response: Response) -> None:
        note(self.name, request)
        messages = [m.model_dump(exclude_none=True, mode="json") for m in request.messages]
        messages[-1]["content"] = f"{messages[-1]['content']} [{self.name}]"
        async with azure(request.api_key_secret.get_secret_value(), openai.AsyncAzureOpenAI) as client:
            with response.create_single_choice() as choice:
                heard = await client.chat.completions.create(model="interceptor", messages=messages, stream=True)
                async for chunk in heard:
                    for part in chunk.choices:
                        choice.append_content(part.delta.content or "")


@pytest.fixture(scope="module", autouse=True)
def programs():
    app = DIALApp(propagate_auth_headers=False)
    app.add_chat_completion("poet", Poet())
    app.add_chat_completion("parrot", Parrot())
    for name in ("polite", "stamp"):
        app.add_chat_completion(name, Interceptor(name))
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


@pytest.fixture
def client():
    with azure(KEY) as made:
        yield made


def said(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def usage_of(statistics):
    return {line["model"]: line["usage"] for line in statistics["usage_per_model"]}


@pytest.mark.parametrize("stream", [False, True])
def test_application(client, stream):
    """An application's answer comes whole, and says what the models cost that it asked."""
    reply = client.chat.completions.create(model="poet", messages=user("stones"), stream=stream)
    if stream:
        chunks = list(reply)
        text, statistics = said(chunks), [c.model_extra["statistics"] for c in chunks if "statistics" in (c.model_extra or {})][-1]
    else:
        text, statistics = reply.choices[0].message.content, reply.model_extra["statistics"]
    assert "stones" in text and "(http://parrots/1)" in text
    used = usage_of(statistics)
    assert used["parrot"]["prompt_tokens"] == 11 and used["parrot"]["completion_tokens"] == 5
    assert used["nova"]["total_tokens"] > 0


def test_keys_of_requests(client):
    """A program gets a key of its own, good while the request lasts, and never the caller's."""
    client.chat.completions.create(model="poet", messages=user("stones"))
    keys = {seen[name]["key"] for name in ("poet", "parrot")}
    assert len(keys) == 2 and KEY not in keys
    for key in keys:
        with pytest.raises(openai.AuthenticationError):
            azure(key).chat.completions.create(model="nova", messages=user("late"))
    for name in ("poet", "parrot"):
        assert KEY not in json.dumps(seen[name])
        assert not [h for h in seen[name] if h in ("authorization", "cookie", "x-api-key")]


def test_adapter_headers(client):
    """An adapter is told its upstream; what a client says of upstreams stays with the client."""
    client.chat.completions.create(model="parrot", messages=user("hello"), extra_headers={
        "X-Upstream-Key": "forged", "X-Upstream-Endpoint": "http://forged", "X-Conversation-Id": "conversation-1",
    })
    got = seen["parrot"]
    assert got["x-upstream-endpoint"] == "http://parrots/1" and got["x-upstream-key"] == "upstreams-key"
    assert json.loads(got["x-upstream-extra-data"]) == {"region": "eu-west-1"}
    assert got["x-conversation-id"] == "conversation-1" and got["x-dial-deployment-features"]
    assert "forged" not in json.dumps(got)


@pytest.mark.parametrize("model", ["guarded-nova", "guarded-parrot"])
@pytest.mark.parametrize("stream", [False, True])
def test_interceptors(client, model, stream):
    """The global interceptor, then the deployment's own, then the model, here or at an adapter."""
    reply = client.chat.completions.create(model=model, messages=user("stones"), stream=stream)
    text = said(list(reply)) if stream else reply.choices[0].message.content
    assert "stones [stamp] [polite]" in text
    assert seen["stamp"]["key"] != seen["polite"]["key"]


def test_interceptors_cannot_be_passed_by(client):
    """Other dialects would not pass the interceptors, and the chain is nobody's to enter."""
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="interceptor", messages=user("stones"))
    for path, body in {
        "/anthropic/v1/messages": {"model": "guarded-nova", "max_tokens": 9, "messages": user("stones")},
        "/openai/v1/responses": {"model": "guarded-nova", "input": "stones"},
    }.items():
        assert httpx.post(URL + path, json=body, headers={"api-key": KEY}).status_code == 503, path


def test_errors_of_programs(client):
    """What a program says of its failure is what the client reads."""
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="poet", messages=user("break"))
    assert caught.value.status_code == 503 and caught.value.code == "broken"
    assert caught.value.body["display_message"] == "Later, please."


def test_features_of_programs():
    """Rating, counting and the configuration's schema are the program's own."""
    headers = {"api-key": KEY}
    assert httpx.post(f"{URL}/v1/poet/rate", json={"responseId": "r1", "rate": True}, headers=headers).status_code == 200
    assert rated[-1][:2] == ("r1", True) and rated[-1][2] != KEY
    counted = httpx.post(f"{URL}/v1/deployments/parrot/tokenize", json={"inputs": [{"type": "string", "value": "a"}]}, headers=headers)
    assert counted.json() == {"outputs": [{"status": "success", "token_count": 42}]}
    schema = httpx.get(f"{URL}/v1/deployments/poet/configuration", headers=headers).json()
    assert schema["properties"]["metre"] == {"type": "string"}


def test_listings():
    headers = {"api-key": KEY}
    applications = httpx.get(f"{URL}/openai/applications", headers=headers).json()
    assert [(a["id"], a["object"], a["application"]) for a in applications["data"]] == [("poet", "application", "poet")]
    everything = {d["id"] for d in httpx.get(f"{URL}/v1/deployments?interface_type=all", headers=headers).json()}
    assert {"poet", "parrot", "nova", "guarded-nova", "guarded-parrot"} <= everything and not {"polite", "stamp"} & everything


def test_many_at_once():
    """Nested calls of many requests do not mix: each hears its own question, and its own bill."""

    def one(n):
        with azure(KEY) as client:
            reply = client.chat.completions.create(model="poet", messages=user(f'[[sandbox text="n{n}"]]'))
            return reply.choices[0].message.content, len(reply.model_extra["statistics"]["usage_per_model"])

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for n, (text, lines) in enumerate(pool.map(one, range(60))):
            assert f"n{n}" in text.replace('"', " ").split() or text.startswith(f"n{n}[["), text
            assert lines == 2
