"""OpenAI's SDK for Python, its Azure flavour and LangChain making vectors with outcrop serve and outcrop sandbox;
Cohere's way to rank documents.

OUTCROP_URL and OUTCROP_KEY say where it is; the Go test beside this folder starts it.
"""

import asyncio
import base64
import math
import os
import struct

import cohere
import httpx
import openai
import pytest
from langchain_openai import AzureOpenAIEmbeddings, OpenAIEmbeddings

URL = os.environ["OUTCROP_URL"]
KEY = os.environ["OUTCROP_KEY"]
# The models, how long their vectors are, and another length that they have.
SIZES = {"titan": (1024, 256), "titan-1": (1536, None), "cohere": (1024, None), "cohere-4": (1536, 512), "nova": (3072, 384)}
every = pytest.mark.parametrize("model", SIZES)


@pytest.fixture(scope="module", params=["openai", "azure"])
def client(request):
    if request.param == "openai":
        made = openai.OpenAI(base_url=URL + "/openai/v1", api_key=KEY, max_retries=0)
    else:
        made = openai.AzureOpenAI(azure_endpoint=URL, api_version="2024-10-21", api_key=KEY, max_retries=0)
    with made as c:
        yield c


def vectors(reply):
    assert [item.index for item in reply.data] == list(range(len(reply.data)))
    return [item.embedding for item in reply.data]


def near(a, b):
    return len(a) == len(b) and all(math.isclose(x, y, abs_tol=1e-6) for x, y in zip(a, b))


@every
def test_string(client, model):
    reply = client.embeddings.create(model=model, input="A grey stone")
    assert reply.object == "list" and reply.model == model
    assert len(vectors(reply)[0]) == SIZES[model][0]
    assert any(vectors(reply)[0])
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 0


@every
def test_base64_is_float(client, model):
    """The SDK asks for base64 unless told otherwise, and decodes it. Both are the same numbers."""
    unsaid = client.embeddings.create(model=model, input="A grey stone")
    floats = client.embeddings.create(model=model, input="A grey stone", encoding_format="float")
    raw = client.embeddings.create(model=model, input="A grey stone", encoding_format="base64").data[0].embedding
    assert near(unsaid.data[0].embedding, floats.data[0].embedding)
    data = base64.b64decode(raw)
    assert near(struct.unpack(f"<{len(data) // 4}f", data), floats.data[0].embedding)


@every
def test_many_in_order(client, model):
    """More than any of the models takes at once; each vector is that of its own text."""
    texts = [f"stone number {n}" for n in range(210)]
    all_of_them = vectors(client.embeddings.create(model=model, input=texts))
    assert len(all_of_them) == 210
    for n in (0, 95, 96, 97, 191, 192, 209):
        assert near(all_of_them[n], vectors(client.embeddings.create(model=model, input=texts[n]))[0]), n
    assert not near(all_of_them[0], all_of_them[1])


@every
def test_dimensions(client, model):
    if SIZES[model][1]:
        reply = client.embeddings.create(model=model, input=["A grey stone", "A red fox"], dimensions=SIZES[model][1])
        assert [len(v) for v in vectors(reply)] == [SIZES[model][1]] * 2
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model=model, input="A grey stone", dimensions=77)
    assert refused.value.param == "dimensions"


@every
@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]])
def test_tokens_are_refused(client, model, tokens):
    with pytest.raises(openai.BadRequestError, match="token") as refused:
        client.embeddings.create(model=model, input=tokens)
    assert refused.value.param.startswith("input")


def test_errors(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.embeddings.create(model="no-such-model", input="x")
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="titan", input=["a", ""])
    assert refused.value.param == "input[1]"
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="chat", input="x")
    assert refused.value.message
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="titan", messages=[{"role": "user", "content": "hi"}])


@every
def test_one_of_many_fails(client, model):
    """A part of an answer is none."""
    texts = [f"stone {n}" for n in range(120)] + ["[[sandbox error=ThrottlingException]]"]
    with pytest.raises(openai.RateLimitError) as refused:
        client.embeddings.create(model=model, input=texts)
    assert int(refused.value.response.headers["retry-after"]) > 0


def test_async_many():
    async def run():
        async with openai.AsyncOpenAI(base_url=URL + "/openai/v1", api_key=KEY, max_retries=0) as client:
            asked = [client.embeddings.create(model="titan", input=f"stone {n % 5}") for n in range(30)]
            return [reply.data[0].embedding for reply in await asyncio.gather(*asked)]

    found = asyncio.run(run())
    assert all(near(found[n], found[n % 5]) for n in range(30))


def langchain(cls=OpenAIEmbeddings, **options):
    if cls is OpenAIEmbeddings:
        options |= {"base_url": URL + "/openai/v1"}
    else:
        options |= {"azure_endpoint": URL, "api_version": "2024-10-21"}
    return cls(**{"model": "titan", "api_key": KEY, "max_retries": 0} | options)


@pytest.mark.parametrize("cls", [OpenAIEmbeddings, AzureOpenAIEmbeddings])
def test_langchain(cls):
    embeddings = langchain(cls, check_embedding_ctx_length=False)
    texts = [f"stone number {n}" for n in range(250)]
    documents = embeddings.embed_documents(texts)
    assert [len(v) for v in documents] == [1024] * 250
    for n in (0, 100, 249):
        assert near(documents[n], embeddings.embed_query(texts[n]))


def test_langchain_counts_tokens_itself(monkeypatch):
    """As LangChain is by itself it sends numbers of OpenAI's tokens. No other model can read them: the refusal says
    what to set. (LangChain would fetch OpenAI's vocabulary; here a smaller one stands in.)"""
    import tiktoken

    vocabulary = {bytes([n]): n for n in range(256)}
    small = tiktoken.Encoding("small", pat_str=r".", mergeable_ranks=vocabulary, special_tokens={})
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: small)
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: small)
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length") as refused:
        langchain().embed_documents(["A grey stone"])
    assert refused.value.param.startswith("input")


@pytest.mark.parametrize("model", ["rerank", "rerank-amazon"])
@pytest.mark.parametrize("path", ["/v2/rerank", "/v1/rerank"])
def test_rerank(model, path):
    def ask(**body):
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.post(URL + path, headers=headers, json={"model": model, "query": "grey stone"} | body)

    documents = ["a red fox", "a grey stone", "the sea"]
    reply = ask(documents=documents)
    assert reply.status_code == 200, reply.text
    results = reply.json()["results"]
    assert sorted(r["index"] for r in results) == [0, 1, 2]
    scores = [r["relevance_score"] for r in results]
    assert scores == sorted(scores, reverse=True) and results[0]["index"] == 1
    assert len(ask(documents=documents, top_n=1).json()["results"]) == 1
    assert reply.json()["meta"]["billed_units"]["search_units"] >= 1
    for body, named in (({"documents": []}, "documents"), ({"documents": documents, "top_n": 0}, "top_n"), ({"documents": documents, "query": ""}, "query")):
        refused = ask(**body)
        assert refused.status_code == 400 and named in refused.json()["message"], refused.text
    assert ask(documents=documents, model="no-such-model").status_code == 404


def test_cohere():
    """Cohere's own SDK, with our address in place of theirs."""
    client = cohere.ClientV2(api_key=KEY, base_url=URL)
    documents = ["a red fox", "a grey stone", "the sea"]
    reply = client.rerank(model="rerank", query="grey stone", documents=documents, top_n=2)
    assert [r.index for r in reply.results][0] == 1 and len(reply.results) == 2
    assert reply.results[0].relevance_score >= reply.results[1].relevance_score
    with pytest.raises(cohere.NotFoundError) as refused:
        client.rerank(model="no-such-model", query="x", documents=documents)
    assert "no-such-model" in refused.value.body["message"]
    with pytest.raises(cohere.BadRequestError):
        client.rerank(model="rerank", query="", documents=documents)
