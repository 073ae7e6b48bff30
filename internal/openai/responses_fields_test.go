package openai

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"outcrop/internal/llm"
)

// responsesExamples are members of a request by a member that they have.
func responsesExamples() map[string]string {
	top := func(member string) string { return `{"input":"Hi",` + member + `}` }
	item := func(members string) string { return input(userItem, `{`+members+`}`) }
	message := func(member string) string { return item(`"type":"message","role":"user","content":"a",` + member) }
	call := item(`"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}","namespace":"n","caller":{"type":"direct"}`)
	result := item(`"type":"function_call_output","call_id":"c","output":"a"`)
	thought := item(`"type":"reasoning","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"sealed:{\"text\":\"a\"}"`)
	tool := func(members string) string { return top(`"tools":[{"type":"function","name":"f",` + members + `}]`) }
	choice := func(value string) string {
		return tool(`"description":"d"},{"type":"function","name":"g"}],"tool_choice":` + value + `,"y":[{"z":1`)
	}
	allowed := choice(`{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"}]}`)
	format := top(`"text":{"format":{"type":"json_schema","name":"n","description":"d","schema":{"type":"object"},"strict":true}}`)
	examples := map[string]string{
		"model": top(`"model":"m"`), "input": top(`"model":"m"`), "stream": top(`"stream":true`), "instructions": top(`"instructions":"a"`),
		"temperature": top(`"temperature":1`), "top_p": top(`"top_p":1`), "max_output_tokens": top(`"max_output_tokens":5`),
		"reasoning": top(`"reasoning":{"effort":"low"}`), "reasoning.summary": top(`"reasoning":{"summary":"auto"}`),
		"reasoning.generate_summary": top(`"reasoning":{"generate_summary":"auto"}`), "reasoning.context": top(`"reasoning":{"context":"auto"}`),
		"reasoning.mode": top(`"reasoning":{"mode":"pro"}`), "text": format, "text.verbosity": top(`"text":{"verbosity":"low"}`),
		"service_tier": top(`"service_tier":"flex"`), "include": top(`"include":["reasoning.encrypted_content"]`), "store": top(`"store":false`),
		"background": top(`"background":true`), "metadata": top(`"metadata":{"a":"b"}`), "previous_response_id": top(`"previous_response_id":"r"`),
		"conversation": top(`"conversation":{"id":"c"}`), "prompt": top(`"prompt":{"id":"p"}`), "moderation": top(`"moderation":{"model":"m"}`),
		"top_logprobs": top(`"top_logprobs":1`), "truncation": top(`"truncation":"auto"`), "user": top(`"user":"u"`), "safety_identifier": top(`"safety_identifier":"u"`),
		"prompt_cache_key": top(`"prompt_cache_key":"k"`), "prompt_cache_retention": top(`"prompt_cache_retention":"24h"`),
		"prompt_cache_options": top(`"prompt_cache_options":{"mode":"explicit"}`), "prompt_cache_options.ttl": top(`"prompt_cache_options":{"ttl":"30m"}`),
		"cache_control": top(`"cache_control":{"type":"ephemeral","ttl":"1h"}`), "custom_fields": top(`"custom_fields":{"configuration":{"a":1}}`),
		"max_tool_calls": top(`"max_tool_calls":1`), "stream_options": top(`"stream_options":{"include_obfuscation":true}`),
		"access_programs": top(`"access_programs":{"a":1}`), "background_options": top(`"background_options":{"a":1}`),
		"context_management": top(`"context_management":[{"type":"compaction"}]`), "image": top(`"image":{"a":1}`),
		"input[].type": call, "input[].role": message(`"x":null`), "input[].content": message(`"x":null`), "input[].id": message(`"id":"i"`),
		"input[].status": message(`"status":"completed"`), "input[].phase": message(`"phase":"commentary"`), "input[].call_id": call, "input[].name": call,
		"input[].arguments": call, "input[].output": result, "input[].namespace": call, "input[].caller": call,
		"input[].encrypted_content": thought, "input[].summary": thought,
		"tools":       tool(`"description":"d","parameters":{"type":"object"},"strict":true,"cache_control":{"type":"ephemeral"},"allowed_callers":["direct"],"defer_loading":true,"output_schema":{"a":1}`),
		"tool_choice": choice(`{"type":"function","name":"f"}`), "tool_choice.mode": allowed, "tool_choice.tools": allowed,
		"parallel_tool_calls": top(`"parallel_tool_calls":false`),
	}
	for list, around := range map[string]string{
		"content": `"type":"message","role":"user","content":[{%s}]`, "output": `"type":"function_call_output","call_id":"c","output":[{%s}]`,
	} {
		for _, part := range []string{
			`"type":"input_text","text":"a","annotations":[1],"logprobs":[1],"cache_control":{"type":"ephemeral"}`, `"type":"refusal","refusal":"a"`,
			`"type":"input_image","image_url":"` + pixel + `","detail":"low"`, `"type":"input_image","file_id":"f"`,
			`"type":"input_file","file_data":"AAAA","filename":"a.pdf"`, `"type":"input_file","file_url":"https://x/a"`,
			`"type":"input_text","text":"a","prompt_cache_breakpoint":{"mode":"explicit"}`,
		} {
			for member := range strings.SplitSeq(`type text refusal image_url detail file_id file_data filename file_url annotations logprobs cache_control prompt_cache_breakpoint`, " ") {
				if strings.Contains(part, `"`+member+`":`) {
					examples["input[]."+list+"[]."+member] = item(fmt.Sprintf(around, part))
				}
			}
		}
	}
	return examples
}

// quiet members have no effect that a request shows: they are repeated, or say what is known.
var quiet = []string{"metadata", "input[].id", "input[].status", "input[].phase", "input[].summary"}

// The tables say what the decoders do.
func TestResponsesFields(t *testing.T) {
	dump := func(body []byte) (string, []string, error) {
		req, shape, err := DecodeResponses(body, openSeal{})
		if err != nil {
			return "", nil, err
		}
		ignored := shape.Ignored
		shape.Ignored = nil
		return dumpRequest(req, shape.Shape) + fmt.Sprint(shape.Store, shape.Background, shape.Encrypted, shape.Summary), ignored, nil
	}
	checkFields(t, ResponsesFields(), responsesExamples(), dump)
}

func TestCompletionFields(t *testing.T) {
	top := func(member string) string { return `{"prompt":"Hi",` + member + `}` }
	examples := map[string]string{
		"model": top(`"model":"m"`), "stream": top(`"stream":true`), "stream_options": top(`"stream_options":{"include_usage":true}`), "prompt": top(`"model":"m"`),
		"n": top(`"n":2`), "temperature": top(`"temperature":1`), "top_p": top(`"top_p":1`), "seed": top(`"seed":1`), "max_tokens": top(`"max_tokens":1`),
		"stop": top(`"stop":"x"`), "suffix": top(`"suffix":"x"`), "logprobs": top(`"logprobs":1`), "echo": top(`"echo":true`), "best_of": top(`"best_of":2`),
		"presence_penalty": top(`"presence_penalty":1`), "frequency_penalty": top(`"frequency_penalty":1`),
		"logit_bias": top(`"logit_bias":{"1":1}`), "user": top(`"user":"u"`), "stream_options.include_obfuscation": top(`"stream_options":{"include_obfuscation":true}`),
	}
	dump := func(body []byte) (string, []string, error) {
		req, shape, err := DecodeCompletion(body)
		if err != nil {
			return "", nil, err
		}
		ignored := shape.Ignored
		shape.Ignored = nil
		return dumpRequest(req, shape), ignored, nil
	}
	checkFields(t, CompletionFields(), examples, dump)
}

func checkFields(t *testing.T, fields []Field, examples map[string]string, dump func([]byte) (string, []string, error)) {
	t.Helper()
	for _, field := range fields {
		t.Run(field.Path, func(t *testing.T) {
			body := exampleOf(field.Path, examples)
			rest, found := without(t, body, field.Path)
			if !found {
				t.Fatalf("the example does not have the member: %s", body)
			}
			got, ignored, err := dump([]byte(body))
			if field.Fate == Refused {
				if e, ok := errors.AsType[*llm.Error](err); !ok || general(e.Param) != field.Path {
					t.Errorf("refused, says the table; got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			listed := slices.ContainsFunc(ignored, func(path string) bool {
				return within(field.Path, general(path)) || within(general(path), field.Path)
			})
			switch {
			case listed != (field.Fate == Ignored) && !strings.Contains(body, `"annotations"`) && !owns(field.Path, ignored):
				t.Errorf("%s, says the table; ignored are %q", field.Fate, ignored)
			case field.Fate == Ignored || slices.Contains(quiet, field.Path):
				return
			}
			if bare, _, err := dump(rest); err == nil && bare == got && field.Path != "tool_choice.type" {
				t.Errorf("has no effect: %s", body)
			}
		})
	}
}

// owns reports whether the ignored members are of this one.
func owns(path string, ignored []string) bool {
	return slices.ContainsFunc(ignored, func(i string) bool { return general(i) != path && within(general(i), path) })
}
