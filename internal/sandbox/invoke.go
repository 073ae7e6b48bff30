package sandbox

import (
	"encoding/base64"
	"strconv"

	"outcrop/internal/models"
)

// invoke answers InvokeModel and its stream in the model's own JSON.
func (s *Server) invoke(e *exchange) {
	c := e.call
	switch native := nativeFamily(c); {
	case native == familyClaude:
		s.speak(e, fromAnthropic(c.Body), anthropicDialect{})
	case native == familyNova:
		s.speak(e, fromNova(c.Body), novaDialect{})
	case native == familyPegasus:
		s.speak(e, fromPegasus(c.Body), pegasusDialect{})
	case stabilityOf(c) != nil:
		stability(e, stabilityOf(c))
	case c.Model != nil && c.Model.Kind == models.Embedding && !c.streams():
		embed(e)
	case c.Model != nil && c.Model.Kind == models.Rerank && !c.streams():
		rerank(e)
	default:
		writeError(e.w, invalid("The sandbox has no native body for %s: it knows Anthropic Messages, Nova, Pegasus, Stability, and the embedding and ranking models. "+
			"Use Converse for chat.", c.ModelID))
	}
}

// dialect is how a model family writes an answer down.
type dialect interface {
	// reply is the body of a plain reply.
	reply(t epilogue) map[string]any
	// events are the JSON chunks of a stream; the last gets the metrics.
	events(t epilogue) []event
}

// speak lets the model answer a body that was put into Converse's vocabulary.
func (s *Server) speak(e *exchange, body map[string]any, d dialect) {
	q := ask(e.call, body, e.wish)
	if err := q.fits(); err != nil {
		writeError(e.w, badDirective(err))
		return
	}
	a := q.answer()
	u := s.cache.settle(e.call, body)
	u.output = a.tokens
	t := epilogue{call: e.call, question: q, answer: a, usage: u}
	if !e.call.streams() {
		e.countHeaders(t.latency(), u)
		e.reply(d.reply(t), a.tokens)
		return
	}
	events := d.events(t)
	metrics := map[string]any{
		"inputTokenCount": u.input, "outputTokenCount": u.output, "invocationLatency": t.latency(), "firstByteLatency": t.latency() / 4,
	}
	if q.family == familyClaude {
		metrics["cacheReadInputTokenCount"], metrics["cacheWriteInputTokenCount"] = u.read, u.write
	}
	events[len(events)-1].payload["amazon-bedrock-invocationMetrics"] = metrics
	e.play(chunks(events))
}

// countHeaders are the headers of an InvokeModel reply to a chat
// (bedrock-api.md §1.4).
func (e *exchange) countHeaders(latency int, u usage) {
	h := e.w.Header()
	h.Set("X-Amzn-Bedrock-Invocation-Latency", strconv.Itoa(latency))
	h.Set("X-Amzn-Bedrock-Input-Token-Count", strconv.Itoa(u.input))
	h.Set("X-Amzn-Bedrock-Output-Token-Count", strconv.Itoa(u.output))
	h.Set("X-Amzn-Bedrock-Cache-Read-Input-Token-Count", strconv.Itoa(u.read))
	h.Set("X-Amzn-Bedrock-Cache-Write-Input-Token-Count", strconv.Itoa(u.write))
}

// chunks wraps a model's own events into the one event InvokeModel's stream has.
func chunks(events []event) []event {
	out := make([]event, len(events))
	for i, ev := range events {
		out[i] = event{"chunk", map[string]any{"bytes": base64.StdEncoding.EncodeToString(encode(ev.payload))}, ev.token, ev.pause}
	}
	return out
}

// novaDialect is Nova's own body, which is close to Converse's.
// https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
type novaDialect struct{}

// fromNova renames what Nova's body names otherwise.
func fromNova(body map[string]any) map[string]any {
	out := pick(body, "messages", "system", "toolConfig")
	config := object(body["inferenceConfig"])
	limit := config["maxTokens"]
	if limit == nil {
		limit = config["max_new_tokens"]
	}
	out["inferenceConfig"] = body["inferenceConfig"]
	if config != nil {
		renamed := pick(config, "stopSequences", "temperature", "topP")
		renamed["maxTokens"] = limit
		out["inferenceConfig"] = renamed
	}
	out["additionalModelRequestFields"] = pick(body, "reasoningConfig")
	return out
}

func (novaDialect) reply(t epilogue) map[string]any {
	whole := converseReply(t)
	return map[string]any{"output": whole["output"], "stopReason": whole["stopReason"], "usage": novaUsage(t.usage)}
}

func (novaDialect) events(t epilogue) []event {
	var out []event
	for _, ev := range converseFrames(t) {
		payload := ev.payload
		if ev.kind == "metadata" {
			payload = map[string]any{"usage": novaUsage(t.usage), "metrics": map[string]any{}, "trace": map[string]any{}}
		}
		out = append(out, event{"chunk", map[string]any{ev.kind: payload}, ev.token, ev.pause})
	}
	return out
}

func novaUsage(u usage) map[string]any {
	return map[string]any{
		"inputTokens": u.input, "outputTokens": u.output, "totalTokens": u.total(),
		"cacheReadInputTokenCount": u.read, "cacheWriteInputTokenCount": u.write,
	}
}

// pick copies the members of a body that are there.
func pick(body map[string]any, names ...string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		if v, ok := body[name]; ok {
			out[name] = v
		}
	}
	return out
}
