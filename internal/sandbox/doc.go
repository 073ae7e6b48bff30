// Package sandbox is Bedrock, pretending: the runtime, the control plane and
// STS as one [net/http.Handler] that AWS's own clients cannot tell from the
// service.
//
// Signatures are verified, requests are validated against a distilled service
// model and Converse's own rules, errors carry AWS's types and texts, and event
// streams carry AWS's frames. Behind it stands a model that answers with
// deterministic text, calls tools when asked to and misbehaves on demand: a
// directive such as
//
//	[[sandbox exception=throttlingException after=3]]
//
// in the last user message, or the same words in the header X-Sandbox, chooses
// the fault. Every directive is in docs/sandbox.md.
//
// One request reads like this: server.go routes it and reads its body, sigv4.go
// says who sent it, directive.go takes the wishes out of it, validate refuses it
// as AWS would, question.go tells what the model sees, answer.go is the model,
// and converse.go, stream.go or invoke.go write the answer down. openai.go and its
// neighbours do the same for the OpenAI-shaped APIs of bedrock-mantle and of the
// runtime. control.go and sts.go are the other two services.
package sandbox
