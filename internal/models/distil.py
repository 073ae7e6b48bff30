#!/usr/bin/env python3
"""Writes catalogue.json, the facts of every Bedrock model id, one id a line.

    python3 internal/models/distil.py PATH/models.json > internal/models/catalogue.json

models.json is the merged catalogue (npm @earendil-works/pi-ai 1.5.2,
@oh-my-pi/pi-catalog 18.2.11, ruby_llm's answer of ListFoundationModels of
2026-08-19, Portkey's prices of 2026-08-21, models.dev, awslabs' lifecycle
table of 2026-07-17). Only what a program decides by is kept. A key that is
absent means "not known".
"""
import json
import re
import sys

# Claude 3.7 and everything Anthropic published later is reached through
# inference profiles only (reported: anthropics/anthropic-sdk-python#894).
PROFILE_ONLY = re.compile(r"anthropic\.claude-(3-7|(opus|sonnet|haiku)-[4-9]|fable|mythos)")
# us-west-2, where the list was made, has these through profiles only; other
# regions serve them on demand.
ON_DEMAND_ELSEWHERE = {
    "amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0", "amazon.nova-pro-v1:0",
    "meta.llama3-3-70b-instruct-v1:0", "cohere.embed-v4:0",
}
THINKING = {
    "none": "none",
    "enabled+budget_tokens": "budget",
    "adaptive-only": "adaptive",
    "adaptive|enabled(deprecated)": "adaptive or budget",
    "reasoningConfig{type,maxReasoningEffort}": "nova",
    "reasoning_effort: low|medium|high (no none)": "effort",
    'reasoning_config: "low"|"high"': "level",
    "reasoning_config none..max (ListFoundationModels converse metadata)": "config",
}
# They reason without being asked (bedrock-api.md 10.1; the recorded case v027
# shows it of Kimi), which no list of features says.
ALWAYS = re.compile(r"moonshot(ai)?\.kimi-k2-thinking|minimax\.minimax-m2")
SAMPLING = {
    "temperature and topP": "both",
    "temperature XOR topP": "one",
    "rejected (non-default)": "none",
}


# What AWS's pages say of embedding models and models.json does not.
# They go over what it says.
# https://docs.aws.amazon.com/bedrock/latest/userguide/titan-embedding-models.html
# https://docs.aws.amazon.com/bedrock/latest/userguide/titan-multiemb-models.html
# https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
# https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
# https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-marengo-3.html
EMBEDDINGS = [
    (re.compile(r"amazon\.titan-embed-text-v1"), {"vector_size": 1536, "max_chars_per_text": 50000}),
    (re.compile(r"amazon\.titan-embed-g1-text-02"), {"vector_size": 1536, "max_chars_per_text": 50000}),
    (re.compile(r"amazon\.titan-embed-text-v2"), {"max_chars_per_text": 50000}),
    (re.compile(r"amazon\.titan-embed-image-v1"), {"vector_size": 1024, "vector_sizes": [256, 384, 1024]}),
    (re.compile(r"cohere\.embed-(english|multilingual)-v3"), {"input": ["text", "image"]}),
    (re.compile(r"cohere\.embed-v4"), {"max_texts": 96}),
    (re.compile(r"amazon\.nova-2-multimodal-embeddings"),
     {"input": ["text", "image", "audio", "video"], "output": ["embeddings"], "streaming": False}),
    (re.compile(r"twelvelabs\.marengo-embed-2-7"),
     {"input": ["text", "image"], "output": ["embeddings"], "streaming": False, "vector_size": 1024}),
    (re.compile(r"twelvelabs\.marengo-embed-3-0"),
     {"input": ["text", "image"], "output": ["embeddings"], "streaming": False, "vector_size": 512}),
]


def embedding_facts(m):
    return next((facts for pattern, facts in EMBEDDINGS if pattern.match(m["base_id"])), {})


def siblings(models):
    """The same model under other geo prefixes: equal but for price and region."""
    groups = {}
    for m in models:
        groups.setdefault(m["base_id"], []).append(m)
    return groups


def shared(m, group, read):
    """A fact of m, or the only value its siblings state."""
    own = read(m)
    if own is not None:
        return own
    known = {json.dumps(read(s)): read(s) for s in group if read(s) is not None}
    return next(iter(known.values())) if len(known) == 1 else None


def union(m, group, key):
    """Modalities: a source that lists fewer has not looked, it does not deny."""
    out = list(m.get(key) or [])
    for s in group:
        out += [v for v in s.get(key) or [] if v not in out]
    return out or None


def name(m, group):
    if m.get("name") and m["name"] != m["id"]:
        return m["name"]
    for s in group:
        if s.get("name") and s["name"] != s["id"]:
            return re.sub(r" \((US|EU|AU|JP|APAC|CA|IN|Global|GovCloud)[^)]*\)$", "", s["name"])
    return m["base_id"].split(".", 1)[1]


def inference_types(m, group):
    own = m.get("inference_types")
    if own or m.get("geo"):
        return own or (["INFERENCE_PROFILE"] if m.get("geo") else None)
    if m["base_id"] in ON_DEMAND_ELSEWHERE:
        return ["ON_DEMAND", "INFERENCE_PROFILE"]
    if any(s.get("inference_types") == ["INFERENCE_PROFILE"] for s in group):
        return ["INFERENCE_PROFILE"]
    if PROFILE_ONLY.match(m["base_id"]) and m.get("surfaces") != ["mantle"]:
        return ["INFERENCE_PROFILE"]
    return None


def prices(m):
    p, other = m.get("price_per_1m_usd") or {}, m.get("price_other") or {}
    return plain({
        "input": p.get("input"), "output": p.get("output"),
        "cache_read": p.get("cache_read"), "cache_write": p.get("cache_write"),
        "cache_write_1h": other.get("cache_write_1h_per_1m"),
        "per_image": other.get("per_image_usd"),
        "per_1k_queries": other.get("per_1k_queries_usd_portkey_raw"),
    })


def cache(c):
    if c is None:
        return None
    if c["mode"] == "none":
        return {"explicit": False}
    return drop({"explicit": True, "min_tokens": c["min_tokens"], "max_checkpoints": c["max_checkpoints"],
                 "ttl_1h": c["ttl_1h"], "places": c["places"]})


def thinking(m, text):
    if ALWAYS.match(m["base_id"]):
        return "always"
    if text is None:
        return None
    if text.startswith("r1: always"):
        return "always" if ".r1-" in m["base_id"] else "level"
    return THINKING[text]


def converse(m):
    c = (m.get("features") or {}).get("converse")
    if not c:
        return None
    out = {k: c.get(k) for k in ("tools", "streaming_tools", "tool_choice", "system", "prefill", "s3_media",
                                 "tool_result_alone", "tool_result_media", "tool_result_status", "top_k_key")}
    if not c.get("tools"):
        out["streaming_tools"] = False
    out["leading_assistant"] = c.get("leading_assistant_ok")
    out["thinking"] = thinking(m, c.get("thinking"))
    out["thinking_off"] = c.get("thinking_disabled_allowed")
    sampling = c.get("sampling_params")
    out["sampling"] = SAMPLING[sampling.strip()] if sampling else None
    return drop(out)


def converse_max_tokens(m, stated):
    """What Converse holds maxTokens against: what ListFoundationModels states,
    or for Claude the published maximum (case c15). For others a publisher's
    maximum is a habit, not a limit: Kimi K2 takes 262,144 where 16,000 are
    published."""
    return stated or (m.get("max_output_tokens") if m["provider"] == "anthropic" else None)


def lifecycle(m):
    life = m.get("lifecycle") or {}
    return drop({"status": life["status"].split(" ", 1)[0], "eol": life.get("eol")})


def plain(d):
    """Whole prices as integers, so that 3 and 3.0 do not differ from line to line."""
    return {k: int(v) if v == int(v) else v for k, v in drop(d).items()}


def drop(d):
    return {k: v for k, v in d.items() if v is not None}


def distil(m, group):
    def feature(key):
        return shared(m, group, lambda x: (x.get("features") or {}).get(key))

    structured = feature("structured_outputs")
    talk = converse(m)
    f = {k: feature(k) for k in ("document_types", "image_types", "video_types")}
    sizes = (m.get("features") or {})
    return drop({
        "id": m["id"], "base": m["base_id"] if m["base_id"] != m["id"] else None, "geo": m.get("geo"),
        "provider": m["provider"], "name": name(m, group), "kind": m["kind"],
        "surfaces": shared(m, group, lambda x: x.get("surfaces")),
        "input": union(m, group, "input_modalities"),
        "output": union(m, group, "output_modalities"),
        "streaming": shared(m, group, lambda x: x.get("streaming")),
        "inference_types": inference_types(m, group),
        "context_window": shared(m, group, lambda x: x.get("context_window")),
        "max_output_tokens": shared(m, group, lambda x: x.get("max_output_tokens")),
        "converse_max_tokens": converse_max_tokens(m, feature("max_tokens_maximum_converse")),
        "prices": prices(m) or None,
        "lifecycle": lifecycle(m),
        "reasoning": True if (talk or {}).get("thinking", "none") != "none" else feature("reasoning"),
        # a text instead of a boolean says that the sources disagree
        "structured_outputs": structured if isinstance(structured, bool) else None,
        "prompt_cache": cache(feature("prompt_cache")),
        **f,
        "vector_size": sizes.get("vector_size_default") or sizes.get("vector_size"),
        "vector_sizes": sizes.get("vector_sizes"),
        "max_texts": sizes.get("max_texts"), "max_chars_per_text": sizes.get("max_chars_per_text"),
        "converse": talk,
        **embedding_facts(m),
    })


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        source = json.load(f)
    groups = siblings(source["models"])
    lines = [json.dumps(distil(m, groups[m["base_id"]]), ensure_ascii=False, separators=(",", ":"))
             for m in sorted(source["models"], key=lambda m: m["id"])]
    print('{"generated":%s,"models":[' % json.dumps(source["generated"]))
    print(",\n".join(lines))
    print("]}")


if __name__ == "__main__":
    main()
