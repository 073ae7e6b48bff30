"""OpenAI's SDK for Python, and its Azure flavour, making images with outcrop serve and outcrop sandbox.

OUTCROP_URL and OUTCROP_KEY say where it is; the Go test beside this folder starts it.
"""

import base64
import os
import struct
import zlib

import openai
import pytest

URL = os.environ["OUTCROP_URL"]
KEY = os.environ["OUTCROP_KEY"]


def png(width, height, alpha=255):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + bytes([200, 30, 30, alpha]) * width
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * height))
        + chunk(b"IEND", b"")
    )


def size(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


@pytest.fixture(params=["openai", "azure"])
def client(request):
    if request.param == "openai":
        made = openai.OpenAI(base_url=URL + "/openai/v1", api_key=KEY, max_retries=0)
    else:
        made = openai.AzureOpenAI(azure_endpoint=URL, api_version="2025-04-01-preview", api_key=KEY, max_retries=0)
    with made as c:
        yield c


def test_generate(client):
    reply = client.images.generate(model="core", prompt="A red fox", size="1792x1024", n=2)
    assert len(reply.data) == 2 and reply.created > 0
    assert [size(base64.b64decode(image.b64_json)) for image in reply.data] == [(64, 36)] * 2


def test_headers_tell_what_changed(client):
    raw = client.images.with_raw_response.generate(model="core", prompt="A red fox", size="1792x1024", quality="high", user="u")
    assert raw.headers["X-Outcrop-Changed"] == "size"
    assert raw.headers["X-Outcrop-Ignored"] == "quality, user"


def test_urls(client):
    reply = client.images.generate(model="core", prompt="A red fox", response_format="url", output_format="webp")
    assert reply.data[0].url.startswith("data:image/webp;base64,UklGR")


def test_stream(client):
    events = list(client.images.generate(model="core", prompt="A red fox", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]
    assert size(base64.b64decode(events[0].b64_json)) == (64, 64)


def test_edit(client):
    reply = client.images.edit(model="sd35", image=("a.png", png(640, 960)), prompt="In winter")
    assert size(base64.b64decode(reply.data[0].b64_json)) == (42, 64)


def test_edit_with_a_mask(client):
    for mask in (png(64, 64, alpha=0), png(64, 64)):
        reply = client.images.edit(model="inpaint", image=[("a.png", png(64, 64))], mask=("mask.png", mask), prompt="A wolf")
        assert reply.data[0].b64_json


def test_edit_stream(client):
    events = list(client.images.edit(model="background", image=png(64, 64), prompt="x", stream=True))
    assert [event.type for event in events] == ["image_edit.completed"]


def test_services_of_their_own(client):
    configuration = {"configuration": {"search_prompt": "the fox", "grow_mask": 4}}
    reply = client.images.edit(model="replace", image=png(64, 64), prompt="A wolf", extra_body={"custom_fields": configuration})
    assert reply.data[0].b64_json


def test_refusals(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="core", prompt="A red fox [[sandbox filter=output]]")
    assert refused.value.code == "content_filter"
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.edit(model="sd35", image=png(64, 64), prompt="x")
    assert refused.value.param == "image"
    with pytest.raises(openai.RateLimitError):
        client.images.generate(model="core", prompt="A red fox [[sandbox error=ThrottlingException]]")
    with pytest.raises(openai.BadRequestError):
        list(client.images.generate(model="core", prompt="A red fox [[sandbox filter=prompt]]", stream=True))


def test_chat(client):
    reply = client.chat.completions.create(model="core", messages=[{"role": "user", "content": "A red fox"}], seed=5)
    attachment = reply.choices[0].message.model_extra["custom_content"]["attachments"][0]
    assert attachment["type"] == "image/png" and size(base64.b64decode(attachment["data"])) == (64, 64)
    assert reply.usage.completion_tokens == 1
