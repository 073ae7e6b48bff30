package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"outcrop/internal/llm"
)

func TestDecodeInvalidUTF8(t *testing.T) {
	_, _, err := DecodeChat([]byte("{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}"))
	want := "The body is not valid JSON: line 1, column 39: a string is not valid UTF-8."
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Message != want {
		t.Errorf("got %v", err)
	}
}

func TestIgnoredIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"messages":[{"role":"user","content":"Hi"}]`)
	for i := range 999 {
		fmt.Fprintf(&b, `,"x%d":1`, i)
	}
	_, shape, err := DecodeChat([]byte(b.String() + "}"))
	if err != nil || len(shape.Ignored) != 65 || shape.Ignored[0] != "x0" || shape.Ignored[63] != "x63" || shape.Ignored[64] != "…and 935 more" {
		t.Errorf("%v, %d: %q", err, len(shape.Ignored), shape.Ignored)
	}
}

func TestManyMembersAreStillCheckedForDuplicates(t *testing.T) {
	for _, n := range []int{0, fewNames - 2, fewNames - 1, fewNames, fewNames + 1, 500} {
		var b strings.Builder
		b.WriteString(`{"messages":[{"role":"user","content":"Hi"}],"model":"a"`)
		for i := range n {
			fmt.Fprintf(&b, `,"x%d":1`, i)
		}
		if _, _, err := DecodeChat([]byte(b.String() + "}")); err != nil {
			t.Errorf("%d: %v", n, err)
		}
		_, _, err := DecodeChat([]byte(b.String() + `,"model":"b"}`))
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Param != "model" {
			t.Errorf("%d: got %v", n, err)
		}
	}
}

func TestIsBase64(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for c := range 256 {
		for at := range 12 {
			text := []byte(strings.Repeat("A", 12))
			text[at] = byte(c)
			want := strings.IndexByte(alphabet, byte(c)) >= 0 || c == '=' && at == 11 // every byte of a word, and the rest
			if got := llm.IsBase64(string(text)); got != want {
				t.Errorf("%q: got %t", text, got)
			}
		}
	}
	for text, want := range map[string]bool{"": false, "A": false, "AA==": true, "AAA=": true, "A===": false, "====": false, "==": false, "AAAAAAAAAAAA====": false} {
		if got := llm.IsBase64(text); got != want {
			t.Errorf("%q: got %t", text, got)
		}
	}
}

func TestAnImageIsNotCopied(t *testing.T) {
	body := imageBody(1 << 20)
	req, _, err := DecodeChat(body)
	if err != nil {
		t.Fatal(err)
	}
	blob := req.Messages[0].Parts[1].(llm.Blob)
	at := uintptr(unsafe.Pointer(unsafe.StringData(blob.Base64)))
	from := uintptr(unsafe.Pointer(unsafe.SliceData(body)))
	if at < from || at >= from+uintptr(len(body)) || len(blob.Base64) != 1<<20 {
		t.Error("the image is not a part of the body")
	}
}

func FuzzDecodeChat(f *testing.F) {
	for _, seed := range []string{
		`{"messages":[{"role":"user","content":"Hi"}]}`,
		`{"model":"m","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"\u00e9"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`,
		`{"messages":[{"role":"assistant","refusal":"no","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"a","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"required"}`,
		`{"messages":[{"role":"user","content":"a","x":1}],"stop":["a"],"temperature":1e0,"max_tokens":5,"n":1}`,
		`{"messages":[{"role":"user","content":"a","x":1e0555555}]}`,
		`{"messages":[{"role":"user","content":null}]`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	for _, request := range fixtureRequests(f) {
		f.Add([]byte(request))
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		req, shape, err := DecodeChatAt(body, now)
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
		if diff := cmp.Diff(oracleTexts(t, body), texts(req)); diff != "" {
			t.Fatalf("%q (-encoding/json +ours):\n%s", body, diff)
		}
		for _, paths := range [][]string{shape.Ignored, shape.Changed} {
			if len(paths) > maxIgnored+1 || slices.Contains(paths, "") {
				t.Fatalf("%q: told %q", body, paths)
			}
		}
		if shape.N < 1 || shape.N > maxChoices || shape.MaxPromptTokens < 0 || req.MaxTokens < 0 {
			t.Fatalf("%q: %+v", body, shape)
		}
		for _, message := range req.Messages {
			checkParts(t, body, message.Parts, false)
		}
	})
}

// fixtureRequests are the requests of the fixtures that stand there as they are.
func fixtureRequests(f *testing.F) (requests []string) {
	f.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "decode", "*.txtar"))
	if err != nil || len(paths) == 0 {
		f.Fatal("no fixtures: ", err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if request := string(archive.Files[0].Data); !strings.Contains(request, "<<") {
			requests = append(requests, request)
		}
	}
	return requests
}

// checkParts checks what llm promises of the parts of a message or of a tool's result.
func checkParts(t *testing.T, body []byte, parts []llm.Part, within bool) {
	t.Helper()
	for _, part := range parts {
		bad := false
		switch p := part.(type) {
		case llm.Text:
			bad = p.Text == ""
		case llm.Blob:
			_, err := base64.StdEncoding.DecodeString(p.Base64)
			bad = err != nil || (p.Base64 == "") == (len(p.Bytes) == 0) || p.At == ""
		case llm.Link:
			bad = !isURL(p.URL) && !isDIALFile(p.URL) || p.At == ""
		case llm.Reasoning:
			bad = within || p.Calls != 0 || p.Text != "" && p.Redacted != nil
		case llm.ToolCall:
			bad = within || p.ID == "" || p.Name == "" || !json.Valid([]byte(p.Args)) || !strings.HasPrefix(strings.TrimSpace(p.Args), "{")
		case llm.ToolResult:
			bad = within || p.ID == ""
			checkParts(t, body, p.Parts, true)
		case llm.CachePoint:
			bad = within || p.TTL != 0 && p.TTL != time.Hour
		}
		if bad {
			t.Fatalf("%q: %#v", body, part)
		}
	}
}

// texts lists every text of a request, after the role of its message.
func texts(req *llm.ChatRequest) []string {
	var found []string
	for _, m := range req.Messages {
		found = append(found, "role "+m.Role.String())
		for _, part := range m.Parts {
			switch p := part.(type) {
			case llm.Text:
				found = append(found, p.Text)
			case llm.ToolResult:
				for _, inner := range p.Parts {
					if text, ok := inner.(llm.Text); ok {
						found = append(found, text.Text)
					}
				}
			}
		}
	}
	return found
}

// oracleTexts is what encoding/json finds of the same. It reads maps, because a struct would match
// names without their case.
func oracleTexts(t *testing.T, body []byte) []string {
	t.Helper()
	var doc map[string]any
	numbers := json.NewDecoder(bytes.NewReader(body))
	numbers.UseNumber() // a number outside a float64's range is JSON all the same
	if err := numbers.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	var found []string
	add := func(v any) {
		if s, _ := v.(string); s != "" {
			found = append(found, s)
		}
	}
	for _, message := range doc["messages"].([]any) {
		m := message.(map[string]any)
		role := m["role"].(string)
		switch role {
		case "developer":
			role = "system"
		case "function":
			role = "tool"
		}
		found = append(found, "role "+role)
		add(m["content"])
		parts, _ := m["content"].([]any)
		for _, part := range parts {
			p := part.(map[string]any)
			if kind := p["type"].(string); kind == "text" || kind == "refusal" {
				add(p[kind])
			}
		}
		if role == "assistant" {
			add(m["refusal"])
		}
	}
	return found
}

func imageBody(size int) []byte {
	return []byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` +
		strings.Repeat("iVBORw0K", size/8) + `"}}]}],"max_tokens":100}`)
}

// chatBody is 2 KB of an ordinary chat.
func chatBody() []byte {
	var b strings.Builder
	b.WriteString(`{"model":"claude","stream":true,"temperature":0.7,"max_tokens":1024,"messages":[{"role":"system","content":"You are a helpful assistant.\nAnswer briefly."}`)
	for i := range 6 {
		role := []string{"user", "assistant"}[i%2]
		fmt.Fprintf(&b, `,{"role":"%s","content":"%s"}`, role, strings.Repeat("The quick brown fox jumps over the lazy dog. ", 6))
	}
	b.WriteString(`,{"role":"user","content":[{"type":"text","text":"And then?"}]}]}`)
	return []byte(b.String())
}

// toolsBody is 56 KB: 20 tools, 8 turns of tool use.
func toolsBody() []byte {
	var b strings.Builder
	b.WriteString(`{"model":"claude","messages":[{"role":"user","content":"Go on."}`)
	for i := range 8 {
		fmt.Fprintf(&b, `,{"role":"assistant","content":null,"tool_calls":[{"id":"call_%d","type":"function","function":{"name":"tool_%d","arguments":"{\"path\":\"/src/%d\",\"text\":\"%s\"}"}}]}`,
			i, i, i, strings.Repeat(`line of code();\\n`, 60))
		fmt.Fprintf(&b, `,{"role":"tool","tool_call_id":"call_%d","content":"%s"}`, i, strings.Repeat(`result of the tool\n`, 143))
	}
	b.WriteString(`],"tools":[`)
	for i := range 20 {
		var properties strings.Builder
		for j := range 10 {
			fmt.Fprintf(&properties, `,"p%d":{"type":"string","description":"What the parameter of this number is meant for, at length."}`, j)
		}
		fmt.Fprintf(&b, `%s{"type":"function","function":{"name":"tool_%d","description":"Does what it says.","parameters":{"type":"object","properties":{%s},"required":["p0"]}}}`,
			[]string{"", ","}[min(i, 1)], i, properties.String()[1:])
	}
	b.WriteString("]}")
	return []byte(b.String())
}

func BenchmarkDecodeChat(b *testing.B) {
	for name, body := range map[string][]byte{"2KB": chatBody(), "56KB-tools": toolsBody(), "1MB-image": imageBody(1 << 20)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := DecodeChat(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
