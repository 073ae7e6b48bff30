package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// jsonDoor is a route that takes JSON: a good body without its last brace, a member of it that is a text, and whose
// the deployment is, unless it is this process's.
type jsonDoor struct{ path, body, text, whose string }

func jsonDoors() []jsonDoor {
	const messages = `"messages":[{"role":"user","content":"Hello"}]`
	return []jsonDoor{
		{"/openai/v1/chat/completions", `{"model":"private",` + messages, "Hello", ""},
		{"/openai/deployments/app/chat/completions", `{"model":"app",` + messages, "Hello", "(another's)"},
		{"/openai/v1/embeddings", `{"model":"far","input":"Hello"`, "Hello", "(another's)"},
		{"/openai/v1/completions", `{"model":"private","prompt":"Hello"`, "Hello", ""},
		{"/openai/v1/responses", `{"model":"private","input":"Hello"`, "Hello", ""},
		{"/anthropic/v1/messages", `{"model":"private","max_tokens":9,` + messages, "Hello", ""},
		{"/anthropic/v1/messages/count_tokens", `{"model":"team/private",` + messages, "Hello", ""},
		{"/openai/v1/embeddings", `{"model":"embed","input":"Hello"`, "Hello", ""},
		{"/openai/v1/images/generations", `{"model":"image","prompt":"Hello"`, "Hello", ""},
		{"/v2/rerank", `{"model":"rerank","query":"Hello","documents":["a"]`, "Hello", ""},
		{"/v1/deployments/private/tokenize", `{"inputs":[{"type":"string","value":"Hello"}]`, "Hello", ""},
		{"/v1/deployments/private/truncate_prompt", `{"inputs":[{` + messages + `}]`, "Hello", ""},
		{"/v1/private/rate", `{"responseId":"Hello"`, "Hello", ""},
	}
}

// jsonMass is what makes a good body a hostile one.
type jsonMass struct {
	name string
	make func(d jsonDoor) string
}

func jsonMasses() []jsonMass {
	member := func(name, value string) jsonMass {
		return jsonMass{name, func(d jsonDoor) string { return d.body + `,"x":` + value + "}" }}
	}
	text := func(name, text string) jsonMass {
		return jsonMass{name, func(d jsonDoor) string { return strings.Replace(d.body, d.text, text, 1) + "}" }}
	}
	deep := func(open, end string, n int) string { return strings.Repeat(open, n) + "1" + strings.Repeat(end, n) }
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, `,"x%d":1`, i)
	}
	return []jsonMass{
		{"(good)", func(d jsonDoor) string { return d.body + "}" }},
		member("500 levels", deep("[", "]", 500)), member("600 levels", deep("[", "]", 600)), member("100,000 arrays", deep("[", "]", 100_000)),
		member("100,000 objects", deep(`{"a":`, "}", 100_000)), member("a million open arrays", strings.Repeat("[", 1_000_000)),
		member("a number of 1 MB", strings.Repeat("9", 1<<20)), member("an exponent of 1 MB", "1e"+strings.Repeat("9", 1<<20)), member("a million zeros", "["+strings.Repeat("0,", 1_000_000)+"0]"),
		member("a text of 1 MB of escapes", `"`+strings.Repeat(`\u0041`, 1<<20/6)+`"`),
		{"100,000 members", func(d jsonDoor) string { return d.body + many.String() + "}" }},
		member("an object of 100,000", "{"+many.String()[1:]+"}"),
		{"a name of 1 MB", func(d jsonDoor) string { return d.body + `,"` + strings.Repeat("a", 1<<20) + `":1}` }},
		{"the first member twice", func(d jsonDoor) string {
			first, _, _ := strings.Cut(d.body[1:], ":")
			return d.body + "," + first + `:"other"}`
		}},
		{"twice by an escape", func(d jsonDoor) string {
			first, _, _ := strings.Cut(d.body[1:], ":")
			return d.body + "," + strings.Replace(first, first[1:2], fmt.Sprintf(`\u%04x`, first[1]), 1) + `:"other"}`
		}},
		text("a lone surrogate", `\ud800`), text("surrogates the wrong way round", `\udc00\ud800`), text("a zero byte by an escape", `a\u0000b`),
		text("a raw zero byte", "a\x00b"), text("no UTF-8", "a\xff"), text("overlong UTF-8", "\xc0\xaf"), text("a surrogate in UTF-8", "\xed\xa0\x80"), text("a bad escape", `\x41`),
		{"a second document", func(d jsonDoor) string { return d.body + "}{}" }}, {"a byte order mark", func(d jsonDoor) string { return "\ufeff" + d.body + "}" }},
		{"a comment", func(d jsonDoor) string { return d.body + "/* hi */}" }}, {"cut off", func(d jsonDoor) string { return d.body }},
		{"nothing but blanks, 1 MB", func(jsonDoor) string { return strings.Repeat(" ", 1<<20) }},
	}
}

// TestJSONLimits: every route that takes JSON, and JSON that is too much of something or not quite JSON: what each
// answers, in a time and a memory that grow with the body and not faster.
func TestJSONLimits(t *testing.T) {
	d := newDoors(t)
	var b bytes.Buffer
	b.WriteString("What JSON that is too much of something, or not quite JSON, is answered by every route that takes some: the status and, in the\n" +
		"line of the first who is told it, what the client is told. 200 is for a body that is good for its route, or that another server has to read\n" +
		"(another's; of Messages Bedrock itself).\n" +
		"go test ./cmd/outcrop -run TestJSONLimits -update writes this file; without -update it is compared.\n")
	for _, mass := range jsonMasses() {
		fmt.Fprintf(&b, "\n== %s\n\n", mass.name)
		told := map[string]bool{}
		for _, door := range jsonDoors() {
			status, message := d.press(door.path, mass.make(door))
			fmt.Fprintf(&b, "%-44s %d", strings.TrimSuffix(door.path+" "+door.whose, " "), status)
			if message != "" && !told[message] {
				told[message] = true
				fmt.Fprintf(&b, "  %s", message)
			}
			b.WriteString("\n")
		}
	}
	golden(t, filepath.Join("testdata", "json-limits.txt"), b.Bytes())
}

// press sends a body, and holds what it costs against its size.
func (d *doors) press(path, body string) (status int, message string) {
	d.t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, asked := time.Now(), d.asked.Load()
	w := d.ask(http.MethodPost, path, body, http.Header{"Api-Key": {"a-key-of-team-a"}})
	spent := time.Since(began)
	runtime.ReadMemStats(&after)
	alone := asked == d.asked.Load() // or the Bedrock of this process has read it too
	if took := after.TotalAlloc - before.TotalAlloc; alone && took > uint64(4<<20+16*len(body)) {
		d.t.Errorf("%s: a body of %d bytes (%.40q…) took %d bytes of memory", path, len(body), body, took)
	}
	if alone && spent > 5*time.Second {
		d.t.Errorf("%s: a body of %d bytes (%.40q…) took %v", path, len(body), body, spent)
	}
	if w.Code >= 500 && w.Code != http.StatusBadGateway && w.Code != http.StatusNotImplemented {
		d.t.Errorf("%s: a body of %d bytes (%.40q…): %d %.300s", path, len(body), body, w.Code, w.Body)
	}
	return w.Code, toldOf(w)
}

// toldOf is the message of an error, in any dialect.
func toldOf(w *httptest.ResponseRecorder) string {
	if w.Code == http.StatusOK {
		return ""
	}
	var shape struct {
		Error   struct{ Message string }
		Message string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &shape); err != nil {
		return err.Error()
	}
	text := shape.Error.Message + shape.Message
	return text[:min(len(text), 240)]
}
