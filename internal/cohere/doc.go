// Package cohere is Cohere's rerank wire ⇄ llm: Decode turns a request's body into a llm.RerankRequest,
// WriteReply and WriteError write what Cohere's clients expect.
//
// Nothing in a request is dropped silently. A member is carried, or refused with its path, or listed in
// Shape.Ignored. A null counts as absent.
package cohere
