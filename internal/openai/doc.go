// Package openai is the OpenAI chat wire with DIAL's extensions, both directions: DecodeChat turns a
// request's body into llm values, WriteStream, WriteReply and WriteError turn a reply's events and
// failures into what the clients of that wire expect, and the types of wire.go are the same wire seen
// from a client.
//
// Nothing in a request is dropped silently. A member is carried, or refused with its name, or listed
// in Shape.Ignored, which the writers repeat in the response header X-Outcrop-Ignored. A null, and an
// empty value where it means nothing, counts as absent.
//
// The wire cannot express the signature of a model's reasoning or reasoning that only the vendor can
// read: of a ReasoningDelta this version writes the text.
package openai
