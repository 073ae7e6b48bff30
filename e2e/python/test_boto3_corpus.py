"""Every case of the sandbox's corpus of accepted and refused requests, sent by boto3.

A case goes through boto3's typed call, which must send the very body of the case; its checks of
parameters are off, since they would refuse before the sandbox can. Then it is signed by botocore and
sent raw, which shows the reply as it is on the wire.
"""

import base64
import json
import os
import struct
import urllib.parse
import zlib

import pytest
from aws import CERTIFICATE, REGION, TLS_URL, client
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

CASES = []
for corpus in ("requests-valid.json", "requests-invalid.json", "requests-known.json"):
    with open(os.path.join(os.environ["CORPUS"], corpus), encoding="utf-8") as f:
        CASES += [c for c in json.load(f)["cases"] if not c.get("expect", {}).get("obsolete")]

# How a case that is about the state of an account, or a model's mood, is switched on: as the
# sandbox's own tests of the corpus do. r10 and r12 need no switch but a wrong key.
MOODS = {
    "r05": "no-model-access",
    "r06": "legacy-idle",
    "r07": "use-case-form",
    "r08": "marketplace",
    "r09": "iam",
    "r11": "expired-token",
    "r13": "throttle-tokens",
    "r14": "throttle-day",
    "r15": "throttle-requests",
    "m27": "too-long",
    "m29": "invalid-tool-use",
    "m30": "no-streaming",
}

# The corpus was recorded as this account; the sandbox's own is another.
RECORDED_ACCOUNT, SANDBOX_ACCOUNT = "123456789012", "000000000000"

METHODS = {
    "Converse": ("converse", "converse"),
    "ConverseStream": ("converse_stream", "converse-stream"),
    "InvokeModel": ("invoke_model", "invoke"),
    "InvokeModelWithResponseStream": ("invoke_model_with_response_stream", "invoke-with-response-stream"),
    "CountTokens": ("count_tokens", "count-tokens"),
}


def png(width, height):
    """A black picture of that size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" * (width + 1)) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def image(width):
    return {"image": {"format": "png", "source": {"bytes": base64.b64encode(png(width, 1)).decode()}}}


def words(body, n):
    """The text that makes the body's input n tokens long, by the sandbox's own count."""
    first = body["messages"][0]["content"][0]
    first["text"] = "word"
    counted = client("bedrock-runtime").count_tokens(
        modelId="anthropic.claude-sonnet-4-20250514-v1:0", input={"converse": {"messages": body["messages"]}}
    )
    return "word" * (n + 1 - counted["inputTokens"])


def expand(case):
    """What the corpus leaves to its reader."""
    body = case["request"]["body"]
    match case["id"]:
        case "m25":  # <200049 tokens>
            body["messages"][0]["content"][0]["text"] = words(body, 200_049)
        case "m26":  # <MASSIVE_TEXT>
            body["messages"][0]["content"][0]["text"] = "word" * 1_000_001
        case "m28":  # 21 images, the last one wider than 2000 pixels
            body["messages"][0]["content"] += [image(1)] * 20 + [image(2001)]
        case "i03":  # a text longer than 50,000 characters
            body["inputText"] = "x" * 160_000
        case "i04":  # <9875 tokens>
            body["inputText"] = "word" * 9_875
        case other:
            pytest.fail(f"{other}: a placeholder that the test does not know")


def typed(shape, value):
    """A JSON value as boto3 wants it: bytes where its model has a blob."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False) and isinstance(value, dict):
        return {k: typed(shape.members[k], v) for k, v in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [typed(shape.member, v) for v in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {k: typed(shape.value, v) for k, v in value.items()}
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value)
    return value


def by_boto3(case):
    """The reply, or the ClientError, of boto3's typed call."""
    options = {"tls": True, "parameter_validation": False, "key": "nobody" if case["id"] == "r10" else "x", "secret": "y"}
    if case["id"] in MOODS:
        options["wishes"] = f"refuse={MOODS[case['id']]}"
    if case["id"] == "r12":  # the API key of the environment is used when there is no other
        options |= {"key": None, "secret": None}
    made = client("bedrock-runtime", **options)
    body = case["request"]["body"]
    if case["op"].startswith("Invoke"):
        parameters = {"body": json.dumps(body), "contentType": "application/json", "accept": "application/json"}
    else:
        parameters = typed(made.meta.service_model.operation_model(case["op"]).input_shape, body)
    sent = []
    made.meta.events.register("before-send", lambda request, **_: sent.append(request.body))
    try:
        reply = getattr(made, METHODS[case["op"]][0])(modelId=case["model"], **parameters)
    except ClientError as e:
        reply = e
    assert json.loads(sent[0]) == body, "boto3 sent another body"
    return reply


def check_reply(op, reply):
    """The reply of an accepted request is whole."""
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert len(reply["ResponseMetadata"]["RequestId"]) == 36
    match op:
        case "Converse":
            assert reply["output"]["message"]["content"]
            assert reply["stopReason"]
            usage = reply["usage"]
            parts = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
            assert usage["totalTokens"] == sum(usage.get(part, 0) for part in parts)
        case "ConverseStream":
            kinds = [next(iter(event)) for event in reply["stream"]]
            assert kinds[0] == "messageStart"
            assert kinds[-2:] == ["messageStop", "metadata"]
            assert kinds.count("contentBlockStop") >= 1
        case "CountTokens":
            assert reply["inputTokens"] > 0
        case _:
            assert json.loads(reply["body"].read())


def check_refusal(expect, status, kind, message):
    assert (status, kind) == (expect["status"], expect["errortype"]), message
    want = expect["message"].replace(RECORDED_ACCOUNT, SANDBOX_ACCOUNT)
    match expect["match"]:
        case "exact":
            assert message == want
        case "prefix":
            assert message.startswith(want)
        case "contains":
            assert want in message
        case "any":
            assert message
        case other:
            pytest.fail(f"match {other!r} is not known")


def send_raw(case):
    """Status, headers and body of a case signed by botocore and sent as it stands."""
    path = METHODS[case["op"]][1]
    request = AWSRequest(
        "POST",
        f"{TLS_URL}/model/{urllib.parse.quote(case['model'], safe='')}/{path}",
        headers={"Content-Type": "application/json"},
        data=json.dumps(case["request"]["body"]).encode(),
    )
    if case["id"] in MOODS:
        request.headers["X-Sandbox"] = f"refuse={MOODS[case['id']]}"
    if "authorization" in case["request"].get("headers", {}):
        request.headers["Authorization"] = case["request"]["headers"]["authorization"]
    else:
        key = "nobody" if case["id"] == "r10" else "x"
        SigV4Auth(Credentials(key, "y"), "bedrock", REGION).add_auth(request)
    reply = URLLib3Session(verify=CERTIFICATE).send(request.prepare())
    return reply.status_code, reply.headers, reply.content


def check_raw(case, status, headers, content):
    assert len(headers["x-amzn-requestid"]) == 36
    expect = case.get("expect")
    if expect is None:
        assert status == 200, content
        if headers["content-type"] == "application/vnd.amazon.eventstream":
            frames = EventStreamBuffer()
            frames.add_data(content)
            kinds = [frame.headers[":event-type"] for frame in frames]
            assert kinds[0] == "messageStart"
            assert kinds[-2:] == ["messageStop", "metadata"]
        else:
            assert json.loads(content)
        return
    members = json.loads(content)
    key = expect.get("body_key", "message")
    check_refusal(expect, status, headers["x-amzn-errortype"].partition(":")[0], members[key])
    if "errortype_header" in expect:
        assert headers["x-amzn-errortype"] == expect["errortype_header"]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_case(case, monkeypatch):
    case = json.loads(json.dumps(case))
    expect = case.get("expect", {})
    if expect.get("placeholder"):
        expand(case)
    if expect.get("layer") in ("auth", "throttle"):
        assert case["id"] in MOODS or case["id"] in ("r10", "r12"), "a state that nothing switches on"
    if case["id"] == "r12":
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "nope")

    check_raw(case, *send_raw(case))

    reply = by_boto3(case)
    if not isinstance(reply, ClientError):
        assert not expect, f"accepted, want {expect['status']} {expect['errortype']}: {expect['message']}"
        check_reply(case["op"], reply)
        return
    error = reply.response
    assert expect, error
    check_refusal(expect, error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"])


def test_corpus_is_whole():
    count = {"accepted": sum("expect" not in c for c in CASES), "refused": sum("expect" in c for c in CASES)}
    assert count == {"accepted": 42, "refused": 54 + 37}
    assert set(MOODS) <= {c["id"] for c in CASES}
