package sandbox

import "strings"

// fromChat puts a body of chat completions into Converse's vocabulary, as far as
// the model of the sandbox reads it.
// https://platform.openai.com/docs/api-reference/chat/create
func fromChat(body map[string]any) map[string]any {
	out := openaiCommon(body, either(body["max_completion_tokens"], body["max_tokens"]))
	config := object(out["inferenceConfig"])
	if stop, ok := body["stop"].(string); ok {
		config["stopSequences"] = []any{stop}
	} else if stops := array(body["stop"]); stops != nil {
		config["stopSequences"] = stops
	}
	var t transcript
	for _, m := range array(body["messages"]) {
		message := object(m)
		switch role := text(message["role"]); role {
		case "system", "developer":
			t.system = append(t.system, openaiParts(message["content"])...)
		case "tool":
			t.say("user", toolResultBlock(message["tool_call_id"], message["content"]))
		case "assistant":
			t.say(role, openaiParts(message["content"])...)
			for _, c := range array(message["tool_calls"]) {
				t.say(role, toolUseBlock(dig(c, "id"), object(dig(c, "function"))))
			}
		default:
			t.say(role, openaiParts(message["content"])...)
		}
	}
	var tools []any
	for _, tool := range array(body["tools"]) {
		tools = append(tools, dig(tool, "function"))
	}
	t.into(out)
	openaiTools(out, tools, body["tool_choice"])
	if effort := body["reasoning_effort"]; effort != nil {
		out["additionalModelRequestFields"] = map[string]any{"reasoning_effort": effort}
	}
	openaiSchema(out, body["response_format"], dig(body, "response_format", "json_schema", "schema"))
	return out
}

// fromResponses does the same for a body of the Responses API.
// https://platform.openai.com/docs/api-reference/responses/create
func fromResponses(body map[string]any) map[string]any {
	out := openaiCommon(body, body["max_output_tokens"])
	var t transcript
	if s := text(body["instructions"]); s != "" {
		t.system = append(t.system, map[string]any{"text": s})
	}
	if s, ok := body["input"].(string); ok {
		t.say("user", map[string]any{"text": s})
	}
	for _, i := range array(body["input"]) {
		item := object(i)
		switch item["type"] {
		case "function_call":
			t.say("assistant", toolUseBlock(item["call_id"], item))
		case "function_call_output":
			t.say("user", toolResultBlock(item["call_id"], item["output"]))
		case nil, "message":
			switch role := text(item["role"]); role {
			case "system", "developer":
				t.system = append(t.system, openaiParts(item["content"])...)
			default:
				t.say(role, openaiParts(item["content"])...)
			}
		}
	}
	t.into(out)
	openaiTools(out, array(body["tools"]), body["tool_choice"])
	if effort := dig(body, "reasoning", "effort"); effort != nil {
		out["additionalModelRequestFields"] = map[string]any{"reasoning_effort": effort}
	}
	openaiSchema(out, dig(body, "text", "format"), dig(body, "text", "format", "schema"))
	return out
}

// either is the first of two values that is there.
func either(a, b any) any {
	if a != nil {
		return a
	}
	return b
}

func openaiCommon(body map[string]any, limit any) map[string]any {
	return map[string]any{"inferenceConfig": map[string]any{"maxTokens": limit, "temperature": body["temperature"], "topP": body["top_p"]}}
}

// transcript gathers turns; neighbours of one role are one turn.
type transcript struct {
	system   []any
	messages []any
}

func (t *transcript) say(role string, blocks ...any) {
	if n := len(t.messages); n > 0 && object(t.messages[n-1])["role"] == role {
		last := object(t.messages[n-1])
		last["content"] = append(array(last["content"]), blocks...)
		return
	}
	t.messages = append(t.messages, map[string]any{"role": role, "content": append([]any{}, blocks...)})
}

func (t *transcript) into(body map[string]any) {
	body["messages"] = t.messages
	if t.system != nil {
		body["system"] = t.system
	}
}

// openaiParts translates content: a text, or a list of parts of either API.
func openaiParts(content any) []any {
	if s, ok := content.(string); ok {
		return []any{map[string]any{"text": s}}
	}
	var out []any
	for _, p := range array(content) {
		part := object(p)
		switch part["type"] {
		case "text", "input_text", "output_text", "refusal":
			out = append(out, map[string]any{"text": part["text"]})
		case "image_url", "input_image":
			url := text(part["image_url"])
			if url == "" {
				url = text(dig(part, "image_url", "url"))
			}
			format, data, _ := dataURL(url)
			out = append(out, map[string]any{"image": map[string]any{
				"format": strings.TrimPrefix(format, "image/"), "source": map[string]any{"bytes": data},
			}})
		case "file", "input_file":
			_, data, _ := dataURL(orElse(text(part["file_data"]), text(dig(part, "file", "file_data"))))
			out = append(out, map[string]any{"document": map[string]any{"format": "pdf", "source": map[string]any{"bytes": data}}})
		}
	}
	return out
}

// dataURL takes data:TYPE;base64,DATA apart.
func dataURL(url string) (mediaType, data string, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	head, data, found := strings.Cut(rest, ",")
	mediaType, encoded := strings.CutSuffix(head, ";base64")
	return mediaType, data, ok && found && encoded
}

func toolUseBlock(id any, function map[string]any) any {
	input := decodeObject([]byte(text(function["arguments"])))
	if input == nil {
		input = map[string]any{}
	}
	return map[string]any{"toolUse": map[string]any{"toolUseId": id, "name": function["name"], "input": input}}
}

func toolResultBlock(id, content any) any {
	return map[string]any{"toolResult": map[string]any{"toolUseId": id, "content": openaiParts(content)}}
}

// openaiTools translates functions, and the choice among them in either API.
func openaiTools(body map[string]any, functions []any, choice any) {
	var tools []any
	for _, f := range functions {
		function := object(f)
		schema := object(function["parameters"])
		if schema == nil {
			schema = map[string]any{"type": "object"}
		}
		tools = append(tools, map[string]any{"toolSpec": map[string]any{"name": function["name"], "inputSchema": map[string]any{"json": schema}}})
	}
	if tools == nil || choice == "none" {
		return
	}
	config := map[string]any{"tools": tools}
	if choice == "required" {
		config["toolChoice"] = map[string]any{"any": map[string]any{}}
	} else if name := chosenTool(choice); name != "" {
		config["toolChoice"] = map[string]any{"tool": map[string]any{"name": name}}
	}
	body["toolConfig"] = config
}

// chosenTool is the tool that a choice names in either API, "" for none.
func chosenTool(choice any) string {
	return orElse(text(dig(choice, "function", "name")), text(dig(choice, "name")))
}

// openaiSchema translates a structured answer: that of a schema, or any object.
func openaiSchema(body map[string]any, format, schema any) {
	switch dig(format, "type") {
	case "json_object":
		schema = map[string]any{"type": "object", "required": []any{"answer"}, "properties": map[string]any{"answer": map[string]any{"type": "string"}}}
	case "json_schema":
	default:
		return
	}
	if object(schema) != nil {
		body["outputConfig"] = map[string]any{"textFormat": map[string]any{"structure": map[string]any{
			"jsonSchema": map[string]any{"schema": string(encode(schema))},
		}}}
	}
}
