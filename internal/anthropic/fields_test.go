package anthropic

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

const hi = `{"role":"user","content":"a"}`

func bodyOf(messages, more string) string { return `{"messages":[` + messages + `]` + more + `}` }

// fieldExamples are requests by a member that they have; most have the members of that member too.
func fieldExamples() map[string]string {
	top := func(member string) string { return bodyOf(hi, ","+member) }
	user := func(block string) string { return bodyOf(`{"role":"user","content":[`+block+`]}`, "") }
	turn := func(block string) string { return bodyOf(hi+`,{"role":"assistant","content":[`+block+`]}`, "") }
	result := user(`{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"a"}],"is_error":true}`)
	call := turn(`{"type":"tool_use","id":"i","name":"f","input":{"a":1},"caller":{"type":"direct"}}`)
	tool := top(`"tools":[{"type":"custom","name":"f","description":"d","input_schema":{"type":"object"},"strict":true,` +
		`"defer_loading":true,"eager_input_streaming":true,"input_examples":[{"a":1}],"allowed_callers":["direct"],` +
		`"cache_control":{"type":"ephemeral","ttl":"1h"}}]`)
	choice := top(`"tools":[{"name":"f"}],"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}`)
	document := user(`{"type":"document","title":"t","context":"c","citations":{"enabled":true},"source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}`)
	const late = `{"role":"system","content":"s","clear_at":"next_user_message","output_config":{"effort":"low"}},`
	return map[string]string{
		"model": top(`"model":"m"`), "stream": top(`"stream":true`), "messages": top(`"x":null`), "max_tokens": top(`"max_tokens":5`),
		"system":      top(`"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]`),
		"temperature": top(`"temperature":1`), "top_p": top(`"top_p":1`), "top_k": top(`"top_k":1`), "stop_sequences": top(`"stop_sequences":["x"]`),
		"thinking":      top(`"thinking":{"type":"enabled","budget_tokens":2000,"display":"omitted"}`),
		"output_config": top(`"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"a":1}},"task_budget":{"type":"tokens","total":5}}`),
		"output_format": top(`"output_format":{"type":"json_schema","schema":{"a":1}}`), "service_tier": top(`"service_tier":"standard_only"`),
		"metadata": top(`"metadata":{"user_id":"u"}`), "context_management": top(`"context_management":{"edits":[{}]}`),
		"container": top(`"container":"c"`), "mcp_servers": top(`"mcp_servers":[{"name":"m"}]`), "inference_geo": top(`"inference_geo":"us"`),
		"speed": top(`"speed":"fast"`), "compaction": top(`"compaction":{"a":1}`), "anthropic_version": top(`"anthropic_version":"v"`),
		"anthropic_beta": top(`"anthropic_beta":["b"]`), "messages[].role": top(`"x":null`), "messages[].content": user(`{"type":"text","text":"a"}`),
		"messages[].clear_at": bodyOf(late+hi, ""), "messages[].output_config.effort": bodyOf(hi+","+strings.Replace(late[:len(late)-1], `"clear_at":"next_user_message",`, "", 1), ""),
		"messages[].content[]":          turn(`{"type":"server_tool_use","id":"i","name":"web_search","input":{}}`),
		"messages[].content[].thinking": turn(`{"type":"thinking","thinking":"t","signature":"s"}`), "messages[].content[].signature": turn(`{"type":"thinking","thinking":"t","signature":"s"}`),
		"messages[].content[].text": user(`{"type":"text","text":"a"}`), "messages[].content[].type": user(`{"type":"text","text":"a"}`),
		"messages[].content[].data": turn(`{"type":"redacted_thinking","data":"d"}`), "messages[].content[].id": call, "messages[].content[].name": call,
		"messages[].content[].input": call, "messages[].content[].caller": call, "messages[].content[].tool_use_id": result,
		"messages[].content[].content": result, "messages[].content[].is_error": result, "messages[].content[].title": document,
		"messages[].content[].citations.enabled": document, "messages[].content[].context": document,
		"messages[].content[].source":      user(`{"type":"search_result","source":"https://a","title":"t","content":[{"type":"text","text":"a"}]}`),
		"messages[].content[].source.type": document, "messages[].content[].source.media_type": document, "messages[].content[].source.data": document,
		"messages[].content[].source.url":     user(`{"type":"image","source":{"type":"url","url":"https://a/b.png"}}`),
		"messages[].content[].source.content": user(`{"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}`),
		"thread":                              `{"thread":{"type":"create"},"messages":[{"role":"user","content":"x"}]}`,
		"messages[].content[].source.file_id": user(`{"type":"image","source":{"type":"file","file_id":"f"}}`),
		"messages[].content[].cache_control":  user(`{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}`),
		"cache_control":                       top(`"cache_control":{"type":"ephemeral","ttl":"1h"}`), "tools": tool, "tool_choice": choice,
	}
}

// constants say nothing that another member does not say, or have one legal value.
var constants = []string{
	"metadata", "cache_control.type", "system[].cache_control.type", "messages[].content[].cache_control.type", "tools[].cache_control.type", "tools[].type",
	"output_config.format.type", "output_format.type", "thinking.display",
}

// TestFields: the table says what the decoder does.
func TestFields(t *testing.T) {
	examples := fieldExamples()
	for _, field := range Fields() {
		t.Run(field.Path, func(t *testing.T) {
			body := exampleOf(field.Path, examples)
			rest, found := without(t, body, field.Path)
			if !found {
				t.Fatalf("the example does not have the member: %s", body)
			}
			req, shape, err := Decode([]byte(body))
			if field.Fate == Refused {
				e, ok := errors.AsType[*llm.Error](err)
				if !ok || !strings.HasPrefix(field.Path, strings.TrimSuffix(general(e.Param), ".type")) {
					t.Errorf("refused, says the table; got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			listed := func(list []string) bool {
				return slices.ContainsFunc(list, func(path string) bool { return within(field.Path, general(path)) })
			}
			if listed(shape.Ignored) != (field.Fate == Ignored) || listed(shape.Changed) != (field.Fate == Changed) {
				t.Errorf("%s, says the table; ignored are %q, changed %q", field.Fate, shape.Ignored, shape.Changed)
			}
			if field.Fate == Ignored || slices.Contains(constants, field.Path) {
				return
			}
			bare, bareShape, err := Decode(rest)
			shape.Ignored, bareShape.Ignored, shape.Changed, bareShape.Changed = nil, nil, nil, nil
			if err == nil && cmp.Equal(req, bare) && cmp.Equal(shape, bareShape) {
				t.Errorf("has no effect: %s", body)
			}
		})
	}
}

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

// general is a path as Fields writes it.
func general(path string) string {
	return regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, "[]")
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
			found = path[0] == "[]" && (len(path) == 1 || remove(element, path[1:])) || found
		}
		return found
	default:
		return false
	}
}
