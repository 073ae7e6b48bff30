"""boto3 against the sandbox: its three services, its event streams, and its faults."""

import base64
import json
import time

import boto3
import botocore.exceptions
import pytest
import urllib3.exceptions
from aws import CERTIFICATE, REGION, TLS_URL, client

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def ask(text):
    return {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": text}]}]}


def said(stream):
    return "".join(e["contentBlockDelta"]["delta"].get("text", "") for e in stream if "contentBlockDelta" in e)


@pytest.fixture(params=["http", "https"])
def tls(request):
    return request.param == "https"


@pytest.fixture
def runtime(tls):
    return client("bedrock-runtime", tls=tls, **({"key": "x", "secret": "y"} if tls else {}))


def test_converse(runtime):
    reply = runtime.converse(**ask('[[sandbox text="Good morning."]]'))
    assert reply["output"]["message"] == {"role": "assistant", "content": [{"text": "Good morning."}]}
    assert reply["stopReason"] == "end_turn"


def test_stream_equals_converse(runtime):
    question = ask("Tell me about stones.")
    plain = runtime.converse(**question)
    events = list(runtime.converse_stream(**question)["stream"])
    assert said(events) == plain["output"]["message"]["content"][0]["text"]
    assert events[-1]["metadata"]["usage"] == plain["usage"]


def test_invoke_stream(runtime):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": '[[sandbox text="one two"]]'}],
    }
    reply = runtime.invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(body))
    events = [json.loads(e["chunk"]["bytes"]) for e in reply["body"]]
    assert events[0]["type"] == "message_start"
    assert events[-1]["type"] == "message_stop"
    assert "".join(e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta") == "one two"


def test_exception_in_a_stream(runtime):
    stream = runtime.converse_stream(**ask("[[sandbox exception=throttlingException after=2]] one two three"))["stream"]
    seen = []
    with pytest.raises(botocore.exceptions.EventStreamError) as caught:
        for event in stream:
            seen.append(event)
    assert len(seen) == 2
    assert caught.value.response["Error"]["Code"] == "throttlingException"
    assert caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("fault", ["cut=2", "cut-inside=2", "badcrc=2"])
def test_broken_stream(runtime, fault):
    stream = runtime.converse_stream(**ask(f"[[sandbox {fault}]] one two three"))["stream"]
    seen = []
    with pytest.raises(
        (
            urllib3.exceptions.ProtocolError,
            botocore.exceptions.ResponseStreamingError,
            botocore.eventstream.ChecksumMismatch,
        )
    ):
        for event in stream:
            seen.append(event)
    assert len(seen) == 2


def test_throttled_then_served():
    """boto3's own retries get through."""
    retried = client("bedrock-runtime", retries={"total_max_attempts": 3, "mode": "standard"})
    reply = retried.converse(**ask("[[sandbox throttle=2]] patience"))
    assert reply["ResponseMetadata"]["RetryAttempts"] == 2


def test_wishes_by_header():
    reply = client("bedrock-runtime", wishes='text="from a header"').converse(**ask("hello"))
    assert reply["output"]["message"]["content"] == [{"text": "from a header"}]


def test_api_key(monkeypatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "sandbox")
    runtime = boto3.client("bedrock-runtime", region_name=REGION, endpoint_url=TLS_URL, verify=CERTIFICATE)
    sent = []
    runtime.meta.events.register("before-send", lambda request, **_: sent.append(request.headers["Authorization"]))
    assert runtime.converse(**ask("hello"))["stopReason"] == "end_turn"
    assert sent == [b"Bearer sandbox"] or sent == ["Bearer sandbox"]


def test_wrong_secret():
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client("bedrock-runtime", secret="wrong").converse(**ask("hello"))
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_models(tls):
    bedrock = client("bedrock", tls=tls, **({"key": "x", "secret": "y"} if tls else {}))
    models = bedrock.list_foundation_models()["modelSummaries"]
    assert len(models) > 50
    anthropic = bedrock.list_foundation_models(byProvider="anthropic")["modelSummaries"]
    assert 0 < len(anthropic) < len(models)
    assert {m["providerName"] for m in anthropic} == {"Anthropic"}
    one = bedrock.get_foundation_model(modelIdentifier="amazon.nova-lite-v1:0")["modelDetails"]
    assert one["modelId"] == "amazon.nova-lite-v1:0"
    assert one["responseStreamingSupported"] is True
    availability = bedrock.get_foundation_model_availability(modelId="amazon.nova-lite-v1:0")
    assert availability["authorizationStatus"] == "AUTHORIZED"
    with pytest.raises(bedrock.exceptions.ClientError) as caught:
        bedrock.get_foundation_model(modelIdentifier="no.such-model")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)


def test_inference_profiles():
    bedrock = client("bedrock")
    pages = list(bedrock.get_paginator("list_inference_profiles").paginate(PaginationConfig={"PageSize": 5}))
    profiles = [p for page in pages for p in page["inferenceProfileSummaries"]]
    assert len(pages) > 1
    assert all(len(page["inferenceProfileSummaries"]) <= 5 for page in pages)
    ids = [p["inferenceProfileId"] for p in profiles]
    assert MODEL in ids
    assert len(ids) == len(set(ids))
    one = bedrock.get_inference_profile(inferenceProfileIdentifier=MODEL)
    assert one["inferenceProfileId"] == MODEL
    assert one["models"]
    reply = client("bedrock-runtime").converse(**(ask("hello") | {"modelId": one["inferenceProfileArn"]}))
    assert reply["stopReason"] == "end_turn"


def test_caller_identity():
    who = client("sts").get_caller_identity()
    assert len(who["Account"]) == 12
    assert who["Arn"].startswith(f"arn:aws:iam::{who['Account']}:")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client("sts", key="nobody").get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"


def as_role(credentials):
    return {
        "key": credentials["AccessKeyId"],
        "secret": credentials["SecretAccessKey"],
        "token": credentials["SessionToken"],
    }


def test_assume_role():
    role = "arn:aws:iam::210987654321:role/bedrock-reader"
    reply = client("sts").assume_role(RoleArn=role, RoleSessionName="e2e", DurationSeconds=900)
    session = as_role(reply["Credentials"])
    who = client("sts", **session).get_caller_identity()
    assert who["Account"] == "210987654321"
    assert who["Arn"] == "arn:aws:sts::210987654321:assumed-role/bedrock-reader/e2e"
    assert client("bedrock-runtime", **session).converse(**ask("hello"))["stopReason"] == "end_turn"
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client("bedrock-runtime", **(session | {"token": "forged"})).converse(**ask("hello"))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_assume_role_with_web_identity():
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"iss": "https://issuer.example", "sub": "pod", "aud": "sts.amazonaws.com", "exp": int(time.time()) + 600}
    token = ".".join([part({"alg": "RS256", "typ": "JWT"}), part(claims), "c2lnbmF0dXJl"])
    reply = client("sts").assume_role_with_web_identity(
        RoleArn="arn:aws:iam::210987654321:role/pod", RoleSessionName="e2e", WebIdentityToken=token
    )
    assert reply["SubjectFromWebIdentityToken"] == "pod"
    assert client("bedrock-runtime", **as_role(reply["Credentials"])).converse(**ask("hello"))["stopReason"] == "end_turn"
