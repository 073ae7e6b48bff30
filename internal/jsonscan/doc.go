// Package jsonscan reads strict JSON in place and appends it: no maps, no reflection, and no copy
// of a string that has no escapes.
//
// It is the one JSON reader of the hot path: the dialects read requests with it, package bedrock
// reads events with it. What it accepts is what RFC 8259 allows, in valid UTF-8, at most MaxDepth
// deep; encoding/json is the oracle of its fuzz tests. Where speed does not matter, use
// encoding/json.
package jsonscan
