#!/usr/bin/env python3
"""Writes shapes.json: what Bedrock Runtime demands of a request body, one shape a line.

    python3 internal/sandbox/distil.py PATH/service-2.json > internal/sandbox/shapes.json

The source is AWS's service model (botocore, data/bedrock-runtime). Kept are the
members that travel in the body of the operations below, with types and
constraints; texts, headers and replies are not.
"""
import json
import sys

OPERATIONS = ["Converse", "ConverseStream", "CountTokens"]
BODY = ["InvokeModel", "InvokeModelWithResponseStream"]  # the body is one blob
CONSTRAINTS = ["min", "max", "pattern", "enum", "union", "sensitive", "document"]

# The service sends type "tool_use" although its own enum lacks it, and clients
# send a reply's blocks back as they came.
ALSO = {"ToolUseType": ["tool_use"]}


def members(shape):
    return [[n, m["shape"]] for n, m in shape.get("members", {}).items() if "location" not in m]


def distil(name, shape):
    out = {"name": name, "type": shape["type"]}
    if shape["type"] == "structure" and not shape.get("document"):
        out["members"] = members(shape)
        body = {m for m, _ in out["members"]}
        required = [r for r in shape.get("required", []) if r in body]
        if required:
            out["required"] = required
    if shape["type"] == "list":
        out["member"] = shape["member"]["shape"]
    if shape["type"] == "map":
        out["key"], out["value"] = shape["key"]["shape"], shape["value"]["shape"]
    out.update({k: shape[k] for k in CONSTRAINTS if k in shape})
    if name in ALSO:
        out["also"] = ALSO[name]
    return out


def reach(shapes, name, seen):
    if name in seen:
        return
    seen[name] = distil(name, shapes[name])
    s = seen[name]
    for child in [m for _, m in s.get("members", [])] + [s[k] for k in ("member", "key", "value") if k in s]:
        reach(shapes, child, seen)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        model = json.load(f)
    seen, inputs = {}, {}
    for op in OPERATIONS:
        inputs[op] = model["operations"][op]["input"]["shape"]
        reach(model["shapes"], inputs[op], seen)
    for op in BODY:
        request = model["shapes"][model["operations"][op]["input"]["shape"]]
        inputs[op] = request["members"][request["payload"]]["shape"]
        reach(model["shapes"], inputs[op], seen)
    lines = [json.dumps(seen[n], separators=(",", ":")) for n in sorted(seen)]
    print('{"inputs":%s,"shapes":[' % json.dumps(inputs, separators=(",", ":")))
    print(",\n".join(lines))
    print("]}")


if __name__ == "__main__":
    main()
