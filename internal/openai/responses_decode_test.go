package openai

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

// openSeal seals nothing, so that tests can read it.
type openSeal struct{}

func (openSeal) Seal(plain []byte) string { return "sealed:" + string(plain) }

func (openSeal) Open(seal string) ([]byte, error) {
	plain, ok := strings.CutPrefix(seal, "sealed:")
	if !ok {
		return nil, errors.New("a forged seal")
	}
	return []byte(plain), nil
}

func decodeResponses(t *testing.T, body string) (*llm.ChatRequest, ResponsesShape) {
	t.Helper()
	req, shape, err := DecodeResponses([]byte(body), openSeal{})
	if err != nil {
		t.Fatal(err)
	}
	return req, shape
}

// input is a request of these items.
func input(items ...string) string { return `{"input":[` + strings.Join(items, ",") + `]}` }

const userItem = `{"role":"user","content":"Hi"}`

func TestDecodeResponses(t *testing.T) {
	const thought = `{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"sealed:{\"text\":\"hm\",\"signature\":\"s\"}"}`
	const call = `{"type":"function_call","id":"fc_1","status":"completed","call_id":"c1","name":"f","arguments":"{\"a\":1}"}`
	const said = `{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Let me see.","annotations":[],"logprobs":[]}]}`
	const result = `{"type":"function_call_output","call_id":"c1","output":"42"}`
	tests := []struct{ name, body, want string }{
		{"a text is a message of the user", `{"model":"m","input":"Hi"}`, `model "m"
stream=false include_usage=false whole=true
[-2] user
  text "Hi"
`},
		{"instructions come first", `{"input":"Hi","instructions":"Be brief.","stream":true}`, `stream=true include_usage=false whole=false
[-1] system
  text "Be brief."
[-2] user
  text "Hi"
`},
		{"developer is system", input(`{"role":"developer","content":"a"}`, `{"type":"message","role":"system","content":[{"type":"input_text","text":"b"}]}`, userItem), `stream=false include_usage=false whole=true
[0] system
  text "a"
[1] system
  text "b"
[2] user
  text "Hi"
`},
		{"the items of a turn are one message", input(userItem, thought, said, call, result, userItem), `stream=false include_usage=false whole=true
[0] user
  text "Hi"
[1] assistant
  reasoning "hm" signature "s" redacted ""
  text "Let me see."
  call c1 f {"a":1}
[4] tool
  result c1
    text "42"
[5] user
  text "Hi"
`},
		{"texts of a turn come before its calls", input(userItem, call, thought, said, result), `stream=false include_usage=false whole=true
[0] user
  text "Hi"
[1] assistant
  text "Let me see."
  call c1 f {"a":1}
  reasoning "hm" signature "s" redacted ""
[4] tool
  result c1
    text "42"
`},
		{"reasoning that nobody sealed is dropped", input(userItem, `{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":null}`, said), `stream=false include_usage=false whole=true
[0] user
  text "Hi"
[2] assistant
  text "Let me see."
ignored input[1]
`},
		{"files", input(`{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"auto"},{"type":"input_image","image_url":"https://x/a.png","detail":"low"},{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"},{"type":"input_file","filename":"b.pdf","file_data":"AAAA"},{"type":"input_file","file_url":"files/b/c.pdf"}]}`), `stream=false include_usage=false whole=true
[0] user
  blob "image/png" base64 AAAA at content[0].image_url
  link "" https://x/a.png at content[1].image_url
  blob "application/pdf" base64 AAAA name "a.pdf" at content[2].file_data
  blob "" base64 AAAA name "b.pdf" at content[3].file_data
  link "" files/b/c.pdf at content[4].file_url
ignored input[0].content[1].detail
`},
		{"an output of parts", input(call, `{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}`), `stream=false include_usage=false whole=true
[0] assistant
  call c1 f {"a":1}
[1] tool
  result c1
    text "a"
    blob "image/png" base64 AAAA at output[1].image_url
`},
		{"a refusal is text", input(userItem, `{"role":"assistant","content":[{"refusal":"No.","type":"refusal"}]}`), `stream=false include_usage=false whole=true
[0] user
  text "Hi"
[1] assistant
  text "No."
`},
		{"tools are flat", `{"input":"Hi","parallel_tool_calls":false,"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true},{"type":"function","name":"g"}],"tool_choice":{"type":"function","name":"g"}}`, `stream=false include_usage=false whole=true
[-2] user
  text "Hi"
tool "f" "d" {"type":"object"} strict
tool "g" "" 
one tool
tool choice named g
`},
		{"some of the tools", `{"input":"Hi","tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]},"tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}]}`, `stream=false include_usage=false whole=true
[-2] user
  text "Hi"
tool "g" "" 
tool choice required
`},
		{"sampling and length", `{"input":"Hi","temperature":0.5,"top_p":0.9,"max_output_tokens":77,"service_tier":"flex","reasoning":{"effort":"low"}}`, `stream=false include_usage=false whole=true
temperature 0.5
top_p 0.9
max_tokens 77
[-2] user
  text "Hi"
effort low
tier flex
`},
		{"a schema", `{"input":"Hi","text":{"format":{"type":"json_schema","name":"n","description":"d","schema":{"type":"object"},"strict":true},"verbosity":"medium"}}`, `stream=false include_usage=false whole=true
[-2] user
  text "Hi"
format schema "n" "d" {"type":"object"} strict
`},
		{"some JSON", `{"input":"Hi","text":{"format":{"type":"json_object"}}}`, `stream=false include_usage=false whole=true
[-2] user
  text "Hi"
format json "" "" 
`},
		{"what has no effect is told", `{"input":"Hi","user":"u","safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h","truncation":"auto","max_tool_calls":3,"text":{"verbosity":"low"},"stop":["a"],"unheard":1,"include":["file_search_call.results"],"stream_options":{"include_obfuscation":true},"conversation":null}`, `stream=false include_usage=false whole=true
[-2] user
  text "Hi"
ignored user
ignored safety_identifier
ignored prompt_cache_key
ignored prompt_cache_retention
ignored truncation
ignored max_tool_calls
ignored text.verbosity
ignored stop
ignored unheard
ignored include[0]
ignored stream_options.include_obfuscation
`},
		{"cache breakpoints", input(`{"role":"user","content":[{"type":"input_text","text":"a","prompt_cache_breakpoint":{"mode":"explicit"}},{"type":"input_image","image_url":"https://x/a.png","cache_control":{"type":"ephemeral","ttl":"1h"}}]}`,
			`{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"b","cache_control":{"type":"ephemeral"}},{"type":"input_text","text":"c"}]}`), `stream=false include_usage=false whole=true
[0] user
  text "a"
  cache at content[0].prompt_cache_breakpoint
  link "" https://x/a.png at content[1].image_url
  cache 1h0m0s at content[1].cache_control
[1] tool
  result c1
    text "b"
    text "c"
  cache at output[0].cache_control
`},
		{"a breakpoint at the end of all", `{"input":"Hi","cache_control":{"type":"ephemeral"},"prompt_cache_options":{"mode":"explicit"}}`, `stream=false include_usage=false whole=true
[-2] user
  text "Hi"
  cache
no automatic cache points
`},
		{"arguments that are no object", input(userItem, strings.Replace(call, `{\"a\":1}`, `[1]`, 1)), `stream=false include_usage=false whole=true
[0] user
  text "Hi"
[1] assistant
  call c1 f {"arguments":"[1]"}
changed input[1].arguments
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req, shape := decodeResponses(t, test.body)
			if diff := cmp.Diff(test.want, dumpRequest(req, shape.Shape)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestResponsesShape(t *testing.T) {
	for _, test := range []struct {
		members string
		want    [4]bool // store, background, encrypted, summary
	}{
		{``, [4]bool{true, false, false, false}},
		{`,"store":false`, [4]bool{}},
		{`,"background":true`, [4]bool{true, true, false, false}},
		{`,"store":false,"background":false,"include":["reasoning.encrypted_content"]`, [4]bool{false, false, true, false}},
		{`,"reasoning":{"summary":"auto"}`, [4]bool{true, false, false, true}},
		{`,"reasoning":{"effort":"high","generate_summary":"concise"}`, [4]bool{true, false, false, true}},
		{`,"reasoning":{"summary":null},"include":null`, [4]bool{true, false, false, false}},
	} {
		req, shape := decodeResponses(t, `{"input":"Hi"`+test.members+`}`)
		if got := [4]bool{shape.Store, shape.Background, shape.Encrypted, shape.Summary}; got != test.want || shape.N != 1 || req.MaxTokensAt != "" {
			t.Errorf("%s: %v", test.members, got)
		}
	}
	if req, _ := decodeResponses(t, `{"input":"Hi","max_output_tokens":1}`); req.MaxTokensAt != "max_output_tokens" {
		t.Error(req.MaxTokensAt)
	}
}

// What a response repeats of its request is JSON on one line, and has OpenAI's defaults.
func TestEcho(t *testing.T) {
	given := map[string]any{}
	body := "{\"input\":\"Hi\",\"tools\":[\n{\"type\":\"function\",\"name\":\"f\"}\r\n],\"metadata\":{\"a\":\"b\"} ,\"temperature\" : 0.50 ,\"user\":null,\"service_tier\":\"flex\",\"instructions\":\"a\\nb\"}"
	_, shape := decodeResponses(t, body)
	if strings.ContainsAny(string(shape.Echo), "\r\n") {
		t.Errorf("a line break: %q", shape.Echo)
	}
	if err := json.Unmarshal([]byte("{"+string(shape.Echo)+"}"), &given); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"background": false, "instructions": "a\nb", "max_output_tokens": nil, "max_tool_calls": nil, "metadata": map[string]any{"a": "b"},
		"parallel_tool_calls": true, "previous_response_id": nil, "prompt_cache_key": nil, "reasoning": map[string]any{"effort": nil, "summary": nil},
		"safety_identifier": nil, "store": true, "temperature": 0.5, "text": map[string]any{"format": map[string]any{"type": "text"}},
		"tool_choice": "auto", "tools": []any{map[string]any{"type": "function", "name": "f"}}, "top_logprobs": 0.0, "top_p": 1.0,
		"truncation": "disabled", "user": nil, "service_tier": "flex",
	}
	if diff := cmp.Diff(want, given); diff != "" {
		t.Error(diff)
	}
}

// A deployment's defaults do not overrule what the wire calls by another name.
func TestDefaultsOfResponses(t *testing.T) {
	defaults, err := ParseDefaults([]byte(`{"max_tokens":5,"reasoning_effort":"low","response_format":{"type":"json_object"},"temperature":0,"n":3,"max_prompt_tokens":9}`))
	if err != nil {
		t.Fatal(err)
	}
	req, shape := decodeResponses(t, `{"input":"Hi","max_output_tokens":7,"reasoning":{"effort":"high"},"text":{"format":{"type":"text"}},"temperature":1}`)
	defaults.Apply(req, &shape.Shape)
	if req.MaxTokens != 7 || req.Effort != "high" || req.Format.Kind != llm.FormatText || *req.Sampling.Temperature != 1 || shape.N != 1 || shape.MaxPromptTokens != 0 {
		t.Errorf("%+v %+v", req, shape)
	}
	req, shape = decodeResponses(t, `{"input":"Hi"}`)
	defaults.Apply(req, &shape.Shape)
	if req.MaxTokens != 5 || req.Effort != "low" || req.Format.Kind != llm.FormatJSON || *req.Sampling.Temperature != 0 || shape.N != 1 {
		t.Errorf("%+v %+v", req, shape)
	}
}

func TestResponsesThatDIALRefuses(t *testing.T) {
	for _, member := range []string{"previous_response_id", "conversation"} {
		_, _, err := DecodeResponses([]byte(`{"input":"Hi","`+member+`":"x"}`), nil)
		if e := llm.AsError(err); e.Message != member+" is not supported" || e.Param != member || e.Kind != llm.KindInvalid {
			t.Error(err)
		}
	}
}

func TestSealedReasoningWithoutASealer(t *testing.T) {
	_, _, err := DecodeResponses([]byte(input(userItem, `{"type":"reasoning","encrypted_content":"sealed:{}"}`)), nil)
	if e := llm.AsError(err); e.Param != "input[1].encrypted_content" {
		t.Error(err)
	}
}

// TestMalformedResponses decodes the table of testdata/responses_malformed.txt.
func TestMalformedResponses(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "responses_malformed.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for row := range strings.Lines(string(text)) {
		row = strings.TrimSuffix(row, "\n")
		if row == "" || row[0] == '#' {
			continue
		}
		param, body, _ := strings.Cut(row, " ")
		if slices.Contains(seen, body) {
			t.Errorf("twice: %s", body)
		}
		seen = append(seen, body)
		_, _, err := DecodeResponses([]byte(expand(t, rawBytes(t, spelledInput(body)))), openSeal{})
		e, ok := errors.AsType[*llm.Error](err)
		switch {
		case !ok:
			t.Errorf("accepted: %s", body)
		case e.Kind != llm.KindInvalid || e.Param != strings.TrimPrefix(param, "-"):
			t.Errorf("%s: got %q: %v", row, e.Param, err)
		case len(e.Message) > longestMessage || !utf8.ValidString(e.Message) || strings.Contains(e.Message, "chat"):
			t.Errorf("%s: %q", row, e.Message)
		}
	}
	if len(seen) < 120 {
		t.Errorf("%d rows", len(seen))
	}
}

func spelledInput(body string) string {
	for short, long := range map[string][2]string{
		"$IN{":   {`{"input":"a",`, `}`},
		"$ITEM{": {`{"input":[{`, `}]}`},
		"$PART{": {`{"input":[{"role":"user","content":[{`, `}]}]}`},
	} {
		if inner, ok := strings.CutPrefix(body, short); ok {
			return long[0] + inner[:len(inner)-1] + long[1]
		}
	}
	return body
}
