package openai

import (
	"bytes"
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

// FuzzDecodeResponses: no body breaks the decoder, what it accepts is JSON with the texts that
// encoding/json finds, and what a response repeats of it is one line of JSON.
func FuzzDecodeResponses(f *testing.F) {
	table, err := os.ReadFile(filepath.Join("testdata", "responses_malformed.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for row := range strings.Lines(string(table)) {
		if _, body, _ := strings.Cut(strings.TrimSuffix(row, "\n"), " "); !strings.Contains(body, "<<") {
			f.Add([]byte(spelledInput(body)))
		}
	}
	for _, seed := range []string{
		`{"input":"Hi","instructions":"a","tools":[{"type":"function","name":"f","parameters":{}}],"tool_choice":"required","metadata":{"a":"b"}}`,
		`{"input":[{"role":"user","content":[{"text":"\u00e9","type":"input_text"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}]}`,
		`{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"1"},{"role":"assistant","content":"a"},{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"x"}]}]}`,
		`{"input":[{"type":"reasoning","encrypted_content":"sealed:{\"text\":\"a\"}"},{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"no"}]}],"text":{"format":{"type":"text"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, shape, err := DecodeResponses(body, openSeal{})
		if err != nil {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindInvalid || e.Message == "" || !utf8.ValidString(e.Message+e.Param) ||
				len(e.Message) > longestMessage || len(e.Param) > longestParam {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is not JSON and was accepted", body)
		}
		got := texts(req)
		slices.Sort(got)
		if diff := cmp.Diff(oracleItems(t, body), slices.DeleteFunc(got, isRole)); diff != "" {
			t.Fatalf("%q (-encoding/json +ours):\n%s", body, diff)
		}
		if !json.Valid([]byte("{"+string(shape.Echo)+"}")) || bytes.ContainsAny(shape.Echo, "\r\n") {
			t.Fatalf("%q: echo %q", body, shape.Echo)
		}
		if len(shape.Ignored) > maxIgnored+1 || slices.Contains(shape.Ignored, "") || shape.N != 1 || req.MaxTokens < 0 {
			t.Fatalf("%q: %+v", body, shape)
		}
		if object := BareResponse(&ResponsesEnvelope{Echo: shape.Echo}, "queued", nil); !json.Valid(object) {
			t.Fatalf("%q: %s", body, object)
		}
		for _, message := range req.Messages {
			checkParts(t, body, message.Parts, false)
		}
	})
}

func isRole(text string) bool { return strings.HasPrefix(text, "role ") }

// oracleItems are the texts that encoding/json finds in a request, sorted: a turn's may change places.
func oracleItems(t *testing.T, body []byte) []string {
	t.Helper()
	var doc map[string]any
	numbers := json.NewDecoder(bytes.NewReader(body))
	numbers.UseNumber() // a number outside a float64's range is JSON all the same
	if err := numbers.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	found := []string{}
	add := func(v any) {
		if s, _ := v.(string); s != "" && !isRole(s) {
			found = append(found, s)
		}
	}
	add(doc["instructions"])
	add(doc["input"])
	items, _ := doc["input"].([]any)
	for _, item := range items {
		m := item.(map[string]any)
		content := m["content"]
		switch m["type"] {
		case "reasoning", "function_call":
			continue
		case "function_call_output":
			content = m["output"]
		}
		add(content)
		parts, _ := content.([]any)
		for _, part := range parts {
			p := part.(map[string]any)
			if kind := p["type"].(string); kind == "refusal" {
				add(p[kind])
			} else if strings.HasSuffix(kind, "_text") {
				add(p["text"])
			}
		}
	}
	slices.Sort(found)
	return found
}
