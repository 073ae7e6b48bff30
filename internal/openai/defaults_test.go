package openai

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

func TestDefaults(t *testing.T) {
	tests := map[string]struct{ defaults, body, want string }{
		"what the body lacks is added": {
			`{"max_tokens":100,"temperature":0.5,"stop":["x"],"reasoning_effort":"low","service_tier":"flex","n":2,"max_prompt_tokens":9,
			  "top_p":0.1,"stream_options":{"include_usage":true},"parallel_tool_calls":false,"response_format":{"type":"json_object"},
			  "prompt_cache_options":{"mode":"explicit"},"custom_fields":{"configuration":{"a":1},"cache_breakpoint":{"ttl":"1h"}},
			  "tools":[{"function":{"name":"f"}}],"tool_choice":"required"}`,
			chatOf(hi, ""),
			`stream=false include_usage=true whole=true
temperature 0.5
top_p 0.1
max_tokens 100
stop ["x"]
[0] user
  text "a"
  cache 1h0m0s
tool "f" "" 
one tool
format json "" "" 
effort low
tier flex
config {"a":1}
no automatic cache points
n 2
max_prompt_tokens 9
tool choice required
`},
		"what the body has stays": {
			`{"max_tokens":100,"temperature":0.5,"custom_fields":{"configuration":{"a":1},"cache_breakpoint":{}},"n":2,"response_format":{"type":"json_object"}}`,
			chatOf(hi, `,"max_tokens":7,"temperature":0,"custom_fields":{"x":1},"n":1,"response_format":{"type":"text"}`),
			`stream=false include_usage=false whole=true
temperature 0
max_tokens 7
[0] user
  text "a"
ignored custom_fields.x
`},
		"a null is what the body has": {
			`{"reasoning_effort":"high","max_tokens":100}`, chatOf(hi, `,"reasoning_effort":null`),
			"stream=false include_usage=false whole=true\nmax_tokens 100\n[0] user\n  text \"a\"\n",
		},
		"another name of the same counts": {
			`{"max_completion_tokens":100,"functions":[{"name":"g"}],"function_call":"none"}`,
			chatOf(hi, `,"max_tokens":7,"tools":[{"function":{"name":"f"}}],"tool_choice":"auto"`),
			"stream=false include_usage=false whole=true\nmax_tokens 7\n[0] user\n  text \"a\"\ntool \"f\" \"\" \n",
		},
		"a choice without tools is left out": {
			`{"tool_choice":"required"}`, chatOf(hi, ""), "stream=false include_usage=false whole=true\n[0] user\n  text \"a\"\n",
		},
		"functions": {
			`{"functions":[{"name":"g"}],"function_call":{"name":"g"}}`, chatOf(hi, ""),
			"stream=false include_usage=false whole=true\n[0] user\n  text \"a\"\ntool \"g\" \"\" \nfunctions\ntool choice named g\n",
		},
		"a breakpoint that is there already": {
			`{"cache_control":{"type":"ephemeral","ttl":"1h"}}`, chatOf(`{"role":"user","content":"a","cache_control":{"type":"ephemeral"}}`, ""),
			"stream=false include_usage=false whole=true\n[0] user\n  text \"a\"\n  cache at cache_control\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			defaults, err := ParseDefaults([]byte(tt.defaults))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the first request leaves the defaults as they were
				req, shape, err := DecodeChat([]byte(tt.body))
				if err != nil {
					t.Fatal(err)
				}
				defaults.Apply(req, &shape)
				if diff := cmp.Diff(tt.want, dumpRequest(req, shape)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if p := req.Sampling.Temperature; p != nil {
					*p = 9
				}
			}
		})
	}
}

func TestNoDefaultsChangeNothing(t *testing.T) {
	req, shape, err := DecodeChat([]byte(chatOf(hi, "")))
	if err != nil {
		t.Fatal(err)
	}
	before := dumpRequest(req, shape)
	var defaults *Defaults
	defaults.Apply(req, &shape)
	if diff := cmp.Diff(before, dumpRequest(req, shape)); diff != "" {
		t.Error(diff)
	}
}

func TestParseDefaults(t *testing.T) {
	tests := map[string]struct{ doc, param, message string }{
		"messages":      {`{"messages":[]}`, "messages", "messages: has no default; only a request can say it."},
		"model":         {`{"model":"x"}`, "model", "model: has no default; only a request can say it."},
		"stream":        {`{"max_tokens":1,"stream":true}`, "stream", "stream: has no default; only a request can say it."},
		"not JSON":      {`{"max_tokens":`, "", "The document of defaults is not valid JSON: line 1, column 15: unexpected end of input, expected an integer."},
		"not an object": {`[]`, "", "The document of defaults is not a chat request: expected an object, got an array."},
		"a wrong value": {`{"max_tokens":"many"}`, "max_tokens", "max_tokens: expected an integer, got a string."},
		"twice":         {`{"n":1,"n":2}`, "n", "n: given twice."},
		"a choice of another tool": {`{"tools":[{"function":{"name":"f"}}],"tool_choice":{"function":{"name":"g"}}}`,
			"tool_choice", "tool_choice: names none of the default tools."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseDefaults([]byte(tt.doc))
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Param != tt.param || e.Message != tt.message {
				t.Errorf("got %v", err)
			}
		})
	}
	defaults, err := ParseDefaults([]byte(`{"logit_bias":{"1":1},"max_tokens":5}`))
	if err != nil || !cmp.Equal(defaults.Ignored, []string{"logit_bias"}) {
		t.Errorf("%v, %v", defaults, err)
	}
}

// Whatever an operator writes is refused or gives a request that the decoder could have made.
func FuzzDefaults(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"max_tokens":1,"n":null}`, `{"tools":[{"function":{"name":"f"}}],"tool_choice":"required"}`, `{"functions":[{"name":"f"}],"function_call":{"name":"f"}}`,
		`{"custom_fields":{"configuration":{"a":1},"cache_breakpoint":{"expire_at":"2026-01-01T00:00:00Z"}}}`, `{"tool_choice":"required"}`, `{"stream":true}`, `[]`, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		defaults, err := ParseDefaults(doc)
		if err != nil {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindInvalid || e.Message == "" {
				t.Fatalf("%q: %v", doc, err)
			}
			return
		}
		req, shape, err := DecodeChat([]byte(chatOf(hi, "")))
		if err != nil {
			t.Fatal(err)
		}
		defaults.Apply(req, &shape)
		if shape.N < 1 || shape.N > maxChoices || !canMeet(req.ToolChoice, req.Tools) || len(req.Messages) != 1 || shape.Stream {
			t.Fatalf("%q: %+v %+v", doc, req, shape)
		}
	})
}
