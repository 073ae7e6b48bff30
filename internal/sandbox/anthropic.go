package sandbox

import (
	"encoding/hex"
	"slices"
	"strings"
)

// anthropicDialect is the Messages body of Claude.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
type anthropicDialect struct{}

// fromAnthropic puts a Messages body into Converse's vocabulary, as far as the
// model of the sandbox reads it.
func fromAnthropic(body map[string]any) map[string]any {
	out := map[string]any{
		"inferenceConfig": map[string]any{
			"maxTokens": body["max_tokens"], "stopSequences": body["stop_sequences"], "temperature": body["temperature"], "topP": body["top_p"],
		},
		"additionalModelRequestFields": pick(body, "thinking", "output_config", "top_k", "anthropic_beta"),
	}
	if system := converseBlocks(body["system"]); len(system) > 0 {
		out["system"] = system
	}
	var messages []any
	for _, m := range array(body["messages"]) {
		messages = append(messages, map[string]any{"role": object(m)["role"], "content": converseBlocks(object(m)["content"])})
	}
	out["messages"] = messages
	var tools []any
	for _, t := range array(body["tools"]) {
		from := object(t)
		if from["input_schema"] == nil {
			continue // a tool of Anthropic's own, which the sandbox's model does not call
		}
		spec := map[string]any{"name": from["name"], "inputSchema": map[string]any{"json": from["input_schema"]}}
		tools = append(tools, withCachePoint(from, map[string]any{"toolSpec": spec})...)
	}
	choice := object(body["tool_choice"])
	if len(tools) > 0 && choice["type"] != "none" {
		config := map[string]any{"tools": tools}
		switch choice["type"] {
		case "any":
			config["toolChoice"] = map[string]any{"any": map[string]any{}}
		case "tool":
			config["toolChoice"] = map[string]any{"tool": map[string]any{"name": choice["name"]}}
		}
		out["toolConfig"] = config
	}
	return out
}

// converseBlocks translates content: a text, or a list of blocks.
func converseBlocks(content any) []any {
	if s, ok := content.(string); ok {
		return []any{map[string]any{"text": s}}
	}
	var out []any
	for _, b := range array(content) {
		from := object(b)
		if to := converseBlock(from); to != nil {
			out = append(out, withCachePoint(from, to)...)
		}
	}
	return out
}

func converseBlock(from map[string]any) map[string]any {
	switch kind := text(from["type"]); kind {
	case "text":
		return map[string]any{"text": from["text"]}
	case "image":
		format, _ := strings.CutPrefix(text(dig(from, "source", "media_type")), "image/")
		return map[string]any{kind: map[string]any{"format": format, "source": map[string]any{"bytes": dig(from, "source", "data")}}}
	case "document":
		return map[string]any{kind: converseDocument(from)}
	case "tool_use":
		return map[string]any{"toolUse": map[string]any{"toolUseId": from["id"], "name": from["name"], "input": from["input"]}}
	case "tool_result":
		return map[string]any{"toolResult": map[string]any{"toolUseId": from["tool_use_id"], "content": converseBlocks(from["content"])}}
	case "thinking":
		return map[string]any{"reasoningContent": map[string]any{"reasoningText": map[string]any{"text": from["thinking"], "signature": from["signature"]}}}
	case "redacted_thinking":
		return map[string]any{"reasoningContent": map[string]any{"redactedContent": from["data"]}}
	}
	return nil
}

// converseDocument is a document: a PDF, a text, or blocks of text.
func converseDocument(from map[string]any) map[string]any {
	to := map[string]any{"format": "pdf", "source": map[string]any{"bytes": dig(from, "source", "data")}}
	switch dig(from, "source", "type") {
	case "text":
		to["format"], to["source"] = "txt", map[string]any{"text": dig(from, "source", "data")}
	case "content":
		to["format"], to["source"] = "txt", map[string]any{"content": dig(from, "source", "content")}
	}
	if title := text(from["title"]); title != "" {
		to["name"] = title
	}
	if from["citations"] != nil {
		to["citations"] = from["citations"]
	}
	return to
}

// withCachePoint adds a cache point after a block that has cache_control.
func withCachePoint(from, to map[string]any) []any {
	control := object(from["cache_control"])
	if control == nil {
		return []any{to}
	}
	point := map[string]any{"type": "default"}
	if ttl := text(control["ttl"]); ttl != "" {
		point["ttl"] = ttl
	}
	return []any{to, map[string]any{"cachePoint": point}}
}

func (d anthropicDialect) reply(t epilogue) map[string]any {
	out := d.message(t)
	content := []any{}
	for _, b := range anthropicBlocks(t) {
		block := d.open(b)
		switch b.kind {
		case blockText:
			block["text"] = b.text()
			if b.citation != nil {
				block["citations"] = []any{b.citation.anthropic()}
			}
		case blockReasoning:
			block["thinking"], block["signature"] = b.text(), b.signature
		case blockTool:
			block["input"] = b.input
		}
		content = append(content, block)
	}
	out["content"] = content
	out["stop_reason"], out["stop_sequence"] = t.answer.stop, stopSequence(t.answer)
	out["usage"].(map[string]any)["output_tokens"] = t.usage.output
	return out
}

func stopSequence(a answer) any {
	if a.stopSequence == "" {
		return nil
	}
	return a.stopSequence
}

// anthropicBlocks leaves out what Claude never says.
func anthropicBlocks(t epilogue) []block {
	return slices.DeleteFunc(slices.Clone(t.answer.blocks), func(b block) bool {
		return b.kind == blockImage || b.kind == blockServerUse || b.kind == blockServerSay
	})
}

// message is a message before anything was said.
func (anthropicDialect) message(t epilogue) map[string]any {
	u := t.usage
	model := orElse(baseOf(t.call), "claude") // what an application inference profile stands for is not known
	if _, name, ok := strings.Cut(model, "."); ok {
		model = name
	}
	return map[string]any{
		"id": "msg_bdrk_" + hex.EncodeToString(t.question.seed[:12]), "type": "message", "role": "assistant", "model": model,
		"content": []any{}, "stop_reason": nil, "stop_sequence": nil,
		"usage": map[string]any{
			"input_tokens": u.input, "output_tokens": 1, "cache_creation_input_tokens": u.write, "cache_read_input_tokens": u.read,
			"cache_creation": map[string]any{"ephemeral_5m_input_tokens": u.byTTL["5m"], "ephemeral_1h_input_tokens": u.byTTL["1h"]},
		},
	}
}

// open is a block before its first delta.
func (anthropicDialect) open(b block) map[string]any {
	switch b.kind {
	case blockReasoning:
		return map[string]any{"type": "thinking", "thinking": "", "signature": ""}
	case blockRedacted:
		return map[string]any{"type": "redacted_thinking", "data": b.text()}
	case blockTool:
		return map[string]any{"type": "tool_use", "id": strings.Replace(b.id, "tooluse_", "toolu_bdrk_", 1), "name": b.name, "input": map[string]any{}}
	}
	return map[string]any{"type": "text", "text": ""}
}

// events is Anthropic's stream.
// https://docs.claude.com/en/docs/build-with-claude/streaming
func (d anthropicDialect) events(t epilogue) []event {
	var out []event
	say := func(kind string, token bool, members map[string]any) {
		members["type"] = kind
		out = append(out, event{kind: kind, payload: members, token: token})
	}
	say("message_start", false, map[string]any{"message": d.message(t)})
	for i, b := range anthropicBlocks(t) {
		say("content_block_start", false, map[string]any{"index": i, "content_block": d.open(b)})
		deltas := d.deltas(b)
		for j, delta := range deltas {
			say("content_block_delta", true, map[string]any{"index": i, "delta": delta})
			out[len(out)-1].pause = t.question.silence(b, j, len(deltas))
		}
		say("content_block_stop", false, map[string]any{"index": i})
	}
	say("message_delta", false, map[string]any{
		"delta": map[string]any{"stop_reason": t.answer.stop, "stop_sequence": stopSequence(t.answer)},
		"usage": map[string]any{"output_tokens": t.usage.output},
	})
	say("message_stop", false, map[string]any{})
	return out
}

func (anthropicDialect) deltas(b block) []map[string]any {
	kind, member := "text_delta", "text"
	switch b.kind {
	case blockReasoning:
		kind, member = "thinking_delta", "thinking"
	case blockRedacted:
		return nil // it came whole with its start
	case blockTool:
		kind, member = "input_json_delta", "partial_json"
	}
	var out []map[string]any
	if b.citation != nil {
		out = append(out, map[string]any{"type": "citations_delta", "citation": b.citation.anthropic()})
	}
	for _, p := range b.pieces {
		out = append(out, map[string]any{"type": kind, member: p})
	}
	if b.kind == blockReasoning && b.signature != "" {
		out = append(out, map[string]any{"type": "signature_delta", "signature": b.signature})
	}
	return out
}
