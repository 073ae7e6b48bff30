package sandbox

import (
	"encoding/hex"
	"strings"
)

// chatReply is a chat completion. Every choice says the same.
// https://platform.openai.com/docs/api-reference/chat/object
func chatReply(t epilogue) map[string]any {
	choices := []any{}
	for i := range chatChoices(t) {
		message := map[string]any{"role": "assistant", "content": nil, "refusal": nil}
		var calls []any
		for _, b := range t.answer.blocks {
			switch b.kind {
			case blockText:
				message["content"] = text(message["content"]) + b.text()
			case blockReasoning:
				message["reasoning_content"] = b.text()
			case blockTool:
				calls = append(calls, map[string]any{"id": b.id, "type": "function", "function": map[string]any{"name": b.name, "arguments": b.text()}})
			}
		}
		if calls != nil {
			message["tool_calls"] = calls
		}
		choices = append(choices, map[string]any{
			"index": i, "message": message, "finish_reason": finishReason(t.answer.stop), "logprobs": t.logprobs(strings.Fields(text(message["content"]))),
		})
	}
	out := chatObject(t, "chat.completion")
	out["choices"], out["usage"] = choices, chatUsage(t)
	return out
}

func chatChoices(t epilogue) int { return int(min(max(1, number(t.call.Native["n"])), maxChoices)) }

func chatObject(t epilogue, kind string) map[string]any {
	out := map[string]any{
		"id": "chatcmpl-" + hex.EncodeToString(t.question.seed[:12]), "object": kind, "created": bornAt, "model": t.call.ModelID,
		"system_fingerprint": nil,
	}
	if tier := t.call.Native["service_tier"]; tier != nil {
		out["service_tier"] = tier
	}
	return out
}

func chatUsage(t epilogue) map[string]any {
	u, n := t.usage, chatChoices(t)
	return map[string]any{
		"prompt_tokens": u.input, "completion_tokens": n * u.output, "total_tokens": u.input + n*u.output,
		"prompt_tokens_details":     map[string]any{"cached_tokens": 0},
		"completion_tokens_details": map[string]any{"reasoning_tokens": n * t.answer.reasoningTokens()},
	}
}

// finishReason is Converse's reason to stop in OpenAI's words; one that was
// wished for and that nobody knows stays as it is.
func finishReason(stop string) string {
	switch stop {
	case "end_turn", "stop_sequence":
		return "stop"
	case "max_tokens", "model_context_window_exceeded":
		return "length"
	case "tool_use":
		return "tool_calls"
	case "guardrail_intervened", "content_filtered":
		return "content_filter"
	}
	return stop
}

// logprobs are invented: every token was almost certain. nil unless asked for.
func (t epilogue) logprobs(tokens []string) any {
	if t.call.Native["logprobs"] != true {
		return nil
	}
	content := []any{}
	for _, token := range tokens {
		content = append(content, map[string]any{"token": token, "logprob": -0.01, "bytes": nil, "top_logprobs": []any{}})
	}
	return map[string]any{"content": content, "refusal": nil}
}

// chatEvents is the stream of a chat completion: the role first, the reason to
// stop last, then the usage if it was asked for, and the end.
// https://platform.openai.com/docs/api-reference/chat-streaming
func chatEvents(t epilogue) []event {
	var out []event
	counted := dig(t.call.Native, "stream_options", "include_usage") == true
	chunk := func(choices []any) map[string]any {
		c := chatObject(t, "chat.completion.chunk")
		c["choices"] = choices
		if counted {
			c["usage"] = nil
		}
		return c
	}
	for i := range chatChoices(t) {
		say := func(ev event, finish any) {
			choice := map[string]any{"index": i, "delta": ev.payload, "finish_reason": finish, "logprobs": nil}
			if said, ok := ev.payload["content"].(string); ok && ev.token {
				choice["logprobs"] = t.logprobs([]string{said})
			}
			out = append(out, event{kind: "chunk", payload: chunk([]any{choice}), token: ev.token, pause: ev.pause})
		}
		say(event{payload: map[string]any{"role": "assistant", "content": ""}}, nil)
		calls := 0
		for _, b := range t.answer.blocks {
			for _, ev := range chatDeltas(t.question, b, calls) {
				say(ev, nil)
			}
			if b.kind == blockTool {
				calls++
			}
		}
		say(event{payload: map[string]any{}}, finishReason(t.answer.stop))
	}
	if counted {
		last := chunk([]any{})
		last["usage"] = chatUsage(t)
		out = append(out, event{kind: "chunk", payload: last})
	}
	return append(out, event{kind: endOfChat})
}

// chatDeltas are the deltas of one block; index is that of a tool call.
func chatDeltas(q *question, b block, index int) []event {
	var out []event
	function := func(first map[string]any, members map[string]any) map[string]any {
		first["index"], first["function"] = index, members
		return map[string]any{"tool_calls": []any{first}}
	}
	if b.kind == blockTool {
		head := map[string]any{"id": b.id, "type": "function"}
		out = append(out, event{payload: function(head, map[string]any{"name": b.name, "arguments": ""})})
	}
	for j, piece := range b.pieces {
		var delta map[string]any
		switch b.kind {
		case blockText:
			delta = map[string]any{"content": piece}
		case blockReasoning:
			delta = map[string]any{"reasoning_content": piece}
		case blockTool:
			delta = function(map[string]any{}, map[string]any{"arguments": piece})
		default:
			continue // what is redacted has no place here
		}
		out = append(out, event{payload: delta, token: true, pause: q.silence(b, j, len(b.pieces))})
	}
	return out
}
