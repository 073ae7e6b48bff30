package openai

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

const pixel = `data:image/png;base64,iVBORw0KGgo=`

// fieldExamples are requests by a member that they have; most have the members of that member too.
func fieldExamples() map[string]string {
	top := func(member string) string { return chatOf(hi, ","+member) }
	user := func(member string) string { return chatOf(`{"role":"user","content":"a",`+member+`}`, "") }
	turn := func(member string) string { return chatOf(`{"role":"assistant","content":"a",`+member+`}`, "") }
	result := func(member string) string {
		return chatOf(`{"role":"tool","tool_call_id":"x","content":"a",`+member+`}`, "")
	}
	part := func(members string) string { return chatOf(`{"role":"user","content":[`+hiPart+`,{`+members+`}]}`, "") }
	attached := func(members string) string { return user(`"custom_content":{"attachments":[{` + members + `}]}`) }
	call := func(members string) string { return turn(`"tool_calls":[{` + members + `}]`) }
	tool := func(members string) string { return top(`"tools":[{` + members + `}]`) }
	function := func(members string) string { return tool(`"type":"function","function":{"name":"f",` + members + `}`) }
	choice := func(value string) string {
		return function(`"x":null}}],"tool_choice":` + value + `,"y":[{"z":{"x":null`)
	}
	audio := top(`"audio":{"format":"wav","voice":{"id":"v"}}`)
	search := top(`"web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"c","country":"d","region":"r","timezone":"t"}}}`)
	moderation := top(`"moderation":{"model":"m","policy":{"input":{"mode":"block"},"output":{"mode":"score"}}}`)
	prediction := top(`"prediction":{"type":"content","content":[{"type":"text","text":"a","prompt_cache_breakpoint":{"mode":"explicit","ttl":"30m"}}]}`)
	format := top(`"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"},"strict":true}}`)
	fullCall := call(`"id":"i","type":"function","index":1,"function":{"name":"f","arguments":"{\"a\":1}"}`)
	customCall := call(`"id":"i","type":"custom","custom":{"name":"f","input":"a"}`)
	fullTool := tool(`"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}`)
	customTool := tool(`"type":"custom","custom":{"name":"f","description":"d","format":{"type":"grammar","grammar":{"definition":"x","syntax":"lark"}}}`)
	staticTool := tool(`"type":"static_function","static_function":{"name":"web_search","description":"d","configuration":{"a":1}}`)
	stages := turn(`"custom_content":{"stages":[{"name":"n","status":"completed","content":"c","attachments":[],"parent_stage_index":0,"index":1}]}`)
	file := part(`"type":"file","file":{"file_data":"JVBERi0=","filename":"a.pdf"}`)
	sound := part(`"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}`)
	image := part(`"type":"image_url","image_url":{"url":"` + pixel + `","detail":"high"}`)
	video := part(`"type":"video_url","video_url":{"url":"` + pixel + `"}`)
	data := attached(`"type":"image/png","title":"t","data":"AAAA","reference_type":"r","reference_url":"u","index":1`)
	functions := top(`"functions":[{"name":"f","description":"d","parameters":{},"strict":true}],"function_call":{"name":"f"}`)
	called := turn(`"function_call":{"name":"f","arguments":"{\"a\":1}"}`)
	named := choice(`{"type":"function","function":{"name":"f"}}`)
	allowed := choice(`{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}`)
	customChoice := choice(`{"type":"custom","custom":{"name":"f"}}`)
	explicit := part(`"type":"text","text":"b","prompt_cache_breakpoint":{"mode":"explicit","ttl":"30m"}`)
	const point, hour = `"cache_breakpoint":{"ttl":"1h"}`, `"cache_control":{"type":"ephemeral","ttl":"1h"}`
	const until = `"custom_fields":{"cache_breakpoint":{"expire_at":"2999-01-01T00:00:00Z"}}`
	return map[string]string{
		"model": top(`"model":"m"`), "messages": top(`"x":null`), "stream": top(`"stream":true`),
		"stream_options": top(`"stream_options":{"include_usage":true}`), "stream_options.include_usage": top(`"stream_options":{"include_usage":true}`),
		"stream_options.include_obfuscation": top(`"stream_options":{"include_obfuscation":true}`),
		"n":                                  top(`"n":2`), "max_prompt_tokens": top(`"max_prompt_tokens":5`), "temperature": top(`"temperature":1`), "top_p": top(`"top_p":1`),
		"max_completion_tokens": top(`"max_completion_tokens":5`), "max_tokens": top(`"max_tokens":5`), "stop": top(`"stop":["x"]`),
		"reasoning_effort": top(`"reasoning_effort":"low"`), "service_tier": top(`"service_tier":"flex"`), "modalities": top(`"modalities":["text"]`),
		"seed": top(`"seed":1`), "presence_penalty": top(`"presence_penalty":1`), "frequency_penalty": top(`"frequency_penalty":1`),
		"logit_bias": top(`"logit_bias":{"1":1}`), "verbosity": top(`"verbosity":"low"`), "top_logprobs": top(`"top_logprobs":1`),
		"logprobs": top(`"logprobs":true`), "store": top(`"store":true`), "user": top(`"user":"u"`), "safety_identifier": top(`"safety_identifier":"u"`),
		"metadata": top(`"metadata":{"a":"b"}`), "prompt_cache_key": top(`"prompt_cache_key":"k"`),
		"prompt_cache_retention": top(`"prompt_cache_retention":"24h"`), "prompt_cache_options": top(`"prompt_cache_options":{"mode":"explicit"}`),
		"prompt_cache_options.mode": top(`"prompt_cache_options":{"mode":"explicit"}`), "prompt_cache_options.ttl": top(`"prompt_cache_options":{"ttl":"30m"}`),
		"messages[].role": user(`"x":null`), "messages[].content": user(`"x":null`), "messages[].refusal": turn(`"refusal":"no"`),
		"messages[].name": user(`"name":"n"`), "messages[].reasoning_content": turn(`"reasoning_content":"r"`), "messages[].reasoning": turn(`"reasoning":"r"`),
		"messages[].tool_call_id": result(`"x":null`), "messages[].is_error": result(`"is_error":true`), "messages[].status": result(`"status":"error"`),
		"messages[].content[].type": part(`"type":"text","text":"b"`), "messages[].content[].text": part(`"type":"text","text":"b"`),
		"messages[].content[].refusal": part(`"type":"refusal","refusal":"b"`), "messages[].content[].file.file_id": part(`"type":"file","file":{"file_id":"i"}`),
		"custom_fields": top(`"custom_fields":{"configuration":{"a":1}}`), "custom_fields.configuration": top(`"custom_fields":{"configuration":{"a":1}}`),
		"custom_fields.interceptor_configuration": top(`"custom_fields":{"interceptor_configuration":{"a":1}}`),
		"custom_fields.skills":                    top(`"custom_fields":{"skills":[{"url":"u"}]}`),
		"messages[].custom_content":               data, "messages[].custom_content.state": turn(`"custom_content":{"state":{"outcrop":{"reasoning":[{"text":"a"}]}}}`),
		"messages[].custom_content.state.outcrop.reasoning":      turn(`"custom_content":{"state":{"outcrop":{"reasoning":[{"text":"a"}]}}}`),
		"messages[].custom_content.state.claude_message_content": turn(`"custom_content":{"state":{"claude_message_content":[{"type":"thinking","thinking":"a","signature":"s"}]}}`),
		"messages[].custom_content.attachments[].url":            attached(`"url":"files/a/b"`),
		"messages[].custom_content.form_value":                   user(`"custom_content":{"form_value":{"a":1}}`),
		"messages[].custom_content.form_schema":                  turn(`"custom_content":{"form_schema":{"a":1}}`),
		"messages[].custom_fields":                               user(`"custom_fields":{` + point + `}`), "messages[].audio": turn(`"audio":{"id":"a"}`), "messages[].audio.id": turn(`"audio":{"id":"a"}`),
		"tools[].custom_fields": tool(`"function":{"name":"f"},"custom_fields":{` + point + `}`), "parallel_tool_calls": top(`"parallel_tool_calls":false`),
		"custom_fields.cache_breakpoint.expire_at": top(until), "messages[].custom_fields.cache_breakpoint.expire_at": user(until),
		"tools[].custom_fields.cache_breakpoint.expire_at": tool(`"function":{"name":"f"},` + until),
		"audio": audio, "web_search_options": search, "moderation": moderation, "prediction": prediction, "response_format": format,
		"messages[].tool_calls": fullCall, "messages[].tool_calls[].custom": customCall, "tools": fullTool, "tools[].custom": customTool,
		"tools[].static_function": staticTool, "messages[].custom_content.stages": stages, "messages[].content[].file": file,
		"messages[].content[].input_audio": sound, "messages[].content[].image_url": image, "messages[].content[].video_url": video,
		"messages[].custom_content.attachments": data, "functions": functions, "function_call": functions, "messages[].function_call": called,
		"tool_choice": named, "tool_choice.allowed_tools": allowed, "tool_choice.custom": customChoice,
		"messages[].content[].prompt_cache_breakpoint": explicit, "custom_fields.cache_breakpoint": top(`"custom_fields":{` + point + `}`),
		"messages[].custom_fields.cache_breakpoint": user(`"custom_fields":{` + point + `}`),
		"tools[].custom_fields.cache_breakpoint":    tool(`"function":{"name":"f"},"custom_fields":{` + point + `}`),
		"cache_control":                             top(hour), "messages[].cache_control": user(hour), "messages[].content[].cache_control": part(`"type":"text","text":"b",` + hour),
		"tools[].cache_control": tool(`"function":{"name":"f"},` + hour), "tools[].function.cache_control": function(hour),
	}
}

const hiPart = `{"type":"text","text":"a"}`

// exampleOf is the example of the path itself or of the nearest member around it.
func exampleOf(path string, examples map[string]string) string {
	nearest := ""
	for owner := range examples {
		if within(path, owner) && len(owner) > len(nearest) {
			nearest = owner
		}
	}
	return examples[nearest]
}

// within reports whether path is the member owner, or is part of it.
func within(path, owner string) bool {
	rest, ok := strings.CutPrefix(path, owner)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// constants say nothing that another member does not say, or have one legal value.
var constants = []string{
	"modalities", "messages[].tool_calls[].type", "tools[].type", "tool_choice.type", "messages[].content[].prompt_cache_breakpoint.mode",
	"cache_control.type", "messages[].cache_control.type", "messages[].content[].cache_control.type", "tools[].cache_control.type",
	"tools[].function.cache_control.type",
}

// The table says what the decoder does.
func TestFields(t *testing.T) {
	examples := fieldExamples()
	for _, field := range Fields() {
		t.Run(field.Path, func(t *testing.T) {
			body := exampleOf(field.Path, examples)
			rest, found := without(t, body, field.Path)
			if !found {
				t.Fatalf("the example does not have the member: %s", body)
			}
			req, shape, err := DecodeChat([]byte(body))
			if field.Fate == Refused {
				e, ok := errors.AsType[*llm.Error](err)
				if !ok || !within(field.Path, parent(general(e.Param))) {
					t.Errorf("refused, says the table; got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			listed := slices.ContainsFunc(shape.Ignored, func(path string) bool { return within(field.Path, general(path)) })
			if listed != (field.Fate == Ignored) {
				t.Errorf("%s, says the table; ignored are %q", field.Fate, shape.Ignored)
			}
			if field.Fate == Ignored || slices.Contains(constants, field.Path) {
				return
			}
			bare, bareShape, err := DecodeChat(rest)
			shape.Ignored, bareShape.Ignored = nil, nil
			if err == nil && dumpRequest(req, shape) == dumpRequest(bare, bareShape) {
				t.Errorf("has no effect: %s", body)
			}
		})
	}
}

// general is a path as Fields writes it.
func general(path string) string {
	return regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, "[]")
}

// parent is the object that a member is in; a type that is refused speaks for its siblings.
func parent(path string) string {
	if owner, ok := strings.CutSuffix(path, ".type"); ok {
		return owner
	}
	return path
}

// without removes a member from a request, wherever it is, and reports whether there was one.
func without(t *testing.T, body, path string) (rest []byte, found bool) {
	t.Helper()
	var doc any
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	found = remove(doc, strings.Split(strings.ReplaceAll(path, "[]", ".[]"), "."))
	rest, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return rest, found
}

func remove(doc any, path []string) bool {
	switch v := doc.(type) {
	case map[string]any:
		_, has := v[path[0]]
		if len(path) == 1 {
			delete(v, path[0])
			return has
		}
		return has && remove(v[path[0]], path[1:])
	case []any:
		found := false
		for _, element := range v {
			found = path[0] == "[]" && remove(element, path[1:]) || found
		}
		return found
	default:
		return false
	}
}

// Every member that OpenAI and DIAL name is in the table, and the rest of the table is known to be of
// others, so that a new member cannot come or go unseen.
func TestFieldsAreTheWire(t *testing.T) {
	want := append(names(t, "openai-chat-request-members.txt"), names(t, "dial-chat-request-members.txt")...)
	others := []string{
		"messages[].reasoning", "messages[].is_error", "messages[].status", "messages[].content[].video_url", "messages[].content[].video_url.url",
		"messages[].custom_content.state.outcrop.reasoning", "messages[].custom_content.state.claude_message_content",
		"custom_fields.cache_breakpoint.ttl",
	}
	for _, owner := range []string{"", "messages[].", "messages[].content[].", "tools[].", "tools[].function."} {
		others = append(others, owner+"cache_control", owner+"cache_control.type", owner+"cache_control.ttl")
	}
	want = append(want, others...)
	slices.Sort(want)
	var got []string
	for _, field := range Fields() {
		got = append(got, field.Path)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-the lists +Fields):\n%s", diff)
	}
}

// names reads a list of members.
func names(t *testing.T, file string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			found = append(found, line)
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s: no members", file)
	}
	return found
}
