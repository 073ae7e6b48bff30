package sandbox

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// responseReply is a response that is complete.
// https://platform.openai.com/docs/api-reference/responses/object
func responseReply(t epilogue) map[string]any {
	out := responseObject(t, "in_progress")
	items := []any{}
	for i, b := range t.answer.blocks {
		items = append(items, responseItem(t, b, i))
	}
	out["output"], out["usage"] = items, responseUsage(t)
	out["status"] = "completed"
	if reason := incomplete(t.answer.stop); reason != "" {
		out["status"], out["incomplete_details"] = "incomplete", map[string]any{"reason": reason}
	}
	return out
}

// incomplete says why a response is not whole, "" when it is.
func incomplete(stop string) string {
	switch finishReason(stop) {
	case "length":
		return "max_output_tokens"
	case "content_filter":
		return "content_filter"
	}
	return ""
}

// responseObject is a response before anything was said, with what the request
// set or left at its default.
func responseObject(t epilogue, status string) map[string]any {
	out := map[string]any{
		"background": false, "instructions": nil, "max_output_tokens": nil, "metadata": map[string]any{}, "parallel_tool_calls": true,
		"previous_response_id": nil, "store": false, "temperature": 1, "text": map[string]any{"format": map[string]any{"type": "text"}},
		"tool_choice": "auto", "tools": []any{}, "top_p": 1, "truncation": "disabled", "user": nil,
		"reasoning": map[string]any{"effort": nil, "summary": nil}, "service_tier": "default",
	}
	for name := range out {
		if given := t.call.Native[name]; given != nil {
			out[name] = given
		}
	}
	maps.Copy(out, map[string]any{
		"id": "resp_" + hex.EncodeToString(t.question.seed[:12]), "object": "response", "created_at": bornAt, "model": t.call.ModelID,
		"status": status, "error": nil, "incomplete_details": nil, "output": []any{}, "usage": nil,
	})
	return out
}

func responseUsage(t epilogue) map[string]any {
	return map[string]any{
		"input_tokens": t.usage.input, "input_tokens_details": map[string]any{"cached_tokens": 0, "cache_write_tokens": 0},
		"output_tokens": t.usage.output, "output_tokens_details": map[string]any{"reasoning_tokens": t.answer.reasoningTokens()},
		"total_tokens": t.usage.total(),
	}
}

// itemID names an item of the output.
func itemID(t epilogue, prefix string, i int) string {
	return fmt.Sprintf("%s_%s%02d", prefix, hex.EncodeToString(t.question.seed[:10]), i)
}

// responseItem is a whole item of the output.
func responseItem(t epilogue, b block, i int) map[string]any {
	item := openItem(t, b, i)
	item["status"] = "completed"
	switch b.kind {
	case blockTool:
		item["arguments"] = b.text()
	case blockReasoning, blockRedacted:
		delete(item, "status")
		if part := thoughtPart(t, b.text()); part != nil {
			item[thoughtMember(t)] = []any{part}
		}
		if slices.Contains(array(t.call.Native["include"]), any(encryptedContent)) {
			item["encrypted_content"] = sealThought(t.question.seed)
		}
	default:
		item["content"] = []any{textPart(b.text())}
	}
	return item
}

// encryptedContent is what a client asks for that wants to replay reasoning.
const encryptedContent = "reasoning.encrypted_content"

// openItem is an item before its deltas.
func openItem(t epilogue, b block, i int) map[string]any {
	switch b.kind {
	case blockTool:
		return map[string]any{"type": "function_call", "id": itemID(t, "fc", i), "status": "in_progress", "call_id": b.id, "name": b.name, "arguments": ""}
	case blockReasoning, blockRedacted:
		return map[string]any{"type": "reasoning", "id": itemID(t, "rs", i), "summary": []any{}}
	}
	return map[string]any{"type": "message", "id": itemID(t, "msg", i), "status": "in_progress", "role": "assistant", "content": []any{}}
}

func textPart(said string) map[string]any {
	return map[string]any{"type": "output_text", "text": said, "annotations": []any{}, "logprobs": []any{}}
}

// openThought says whether the model shows its reasoning itself, as those with
// an open weight do; the others tell a summary, when it is asked for.
func openThought(t epilogue) bool {
	return t.question.family == familyGptOSS || t.call.Model.Provider != "openai"
}

func thoughtMember(t epilogue) string {
	if openThought(t) {
		return "content"
	}
	return "summary"
}

// thoughtPart is the part of a reasoning item that can be read; nil for none.
func thoughtPart(t epilogue, thought string) map[string]any {
	switch summary := dig(t.call.Native, "reasoning", "summary"); {
	case openThought(t):
		return map[string]any{"type": "reasoning_text", "text": thought}
	case summary != nil:
		return map[string]any{"type": "summary_text", "text": thought}
	}
	return nil
}

// responseStream gathers the events of a response.
type responseStream struct {
	epilogue
	events []event
}

func (s *responseStream) say(kind string, members map[string]any) {
	s.events = append(s.events, event{kind: "response." + kind, payload: members})
}

// delta adds a piece of a block; it counts for the pace and may come after a
// silence.
func (s *responseStream) delta(kind string, members map[string]any, pause time.Duration) {
	s.events = append(s.events, event{kind: "response." + kind, payload: members, token: true, pause: pause})
}

// responseEvents is the stream of a response.
// https://platform.openai.com/docs/api-reference/responses-streaming
func responseEvents(t epilogue) []event {
	s := responseStream{epilogue: t}
	s.say("created", map[string]any{"response": responseObject(t, "in_progress")})
	s.say("in_progress", map[string]any{"response": responseObject(t, "in_progress")})
	for i, b := range t.answer.blocks {
		s.say("output_item.added", map[string]any{"output_index": i, "item": openItem(t, b, i)})
		switch b.kind {
		case blockTool:
			s.arguments(b, i)
		case blockReasoning, blockRedacted:
			s.thought(b, i)
		default:
			s.text(b, i)
		}
		s.say("output_item.done", map[string]any{"output_index": i, "item": responseItem(t, b, i)})
	}
	whole := responseReply(t)
	s.say(text(whole["status"]), map[string]any{"response": whole})
	return s.events
}

// at names the part of an item that an event is about.
func (s *responseStream) at(prefix string, i int, more map[string]any) map[string]any {
	out := map[string]any{"item_id": itemID(s.epilogue, prefix, i), "output_index": i}
	maps.Copy(out, more)
	return out
}

func (s *responseStream) arguments(b block, i int) {
	for _, p := range b.pieces {
		s.delta("function_call_arguments.delta", s.at("fc", i, map[string]any{"delta": p}), 0)
	}
	s.say("function_call_arguments.done", s.at("fc", i, map[string]any{"arguments": b.text(), "name": b.name}))
}

func (s *responseStream) text(b block, i int) {
	part := func(more map[string]any) map[string]any {
		more["content_index"] = 0
		return s.at("msg", i, more)
	}
	s.say("content_part.added", part(map[string]any{"part": textPart("")}))
	for _, p := range b.pieces {
		s.delta("output_text.delta", part(map[string]any{"delta": p, "logprobs": []any{}}), 0)
	}
	s.say("output_text.done", part(map[string]any{"text": b.text(), "logprobs": []any{}}))
	s.say("content_part.done", part(map[string]any{"part": textPart(b.text())}))
}

// thought streams what can be read of reasoning. Where nothing can, the silence
// of the directive think stands before the item ends.
func (s *responseStream) thought(b block, i int) {
	if thoughtPart(s.epilogue, "") == nil || b.kind == blockRedacted {
		s.events[len(s.events)-1].pause = s.question.wish.think
		return
	}
	parts, kind, index := "content_part", "reasoning_text", "content_index"
	if !openThought(s.epilogue) {
		parts, kind, index = "reasoning_summary_part", "reasoning_summary_text", "summary_index"
	}
	part := func(more map[string]any) map[string]any {
		more[index] = 0
		return s.at("rs", i, more)
	}
	s.say(parts+".added", part(map[string]any{"part": thoughtPart(s.epilogue, "")}))
	for j, p := range b.pieces {
		s.delta(kind+".delta", part(map[string]any{"delta": p}), s.question.silence(b, j, len(b.pieces)))
	}
	s.say(kind+".done", part(map[string]any{"text": b.text()}))
	s.say(parts+".done", part(map[string]any{"part": thoughtPart(s.epilogue, b.text())}))
}
