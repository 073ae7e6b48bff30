// Package anthropic is a dialect: Anthropic's Messages wire ⇄ llm.
//
// Decode reads a request for a model of any vendor, WriteStream and WriteReply tell its answer in
// Anthropic's events. A model that speaks the wire itself gets the body as it is: Peek finds what the
// server has to know of it, WriteNative passes the answer on.
package anthropic
