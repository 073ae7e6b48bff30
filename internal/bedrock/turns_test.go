package bedrock

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// traitsFor are those of a model of the catalogue.
func traitsFor(t testing.TB, id string) *traits {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	found := traitsOf(catalogue, id, "")
	return &found
}

// outline writes a body's turns in short: "user: text | png  assistant: call a  user: result a(text)".
func outline(t testing.TB, body []byte) string {
	t.Helper()
	var request struct {
		Messages []struct {
			Role    string
			Content []map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	var turns []string
	for _, m := range request.Messages {
		var blocks []string
		for _, block := range m.Content {
			blocks = append(blocks, outlineBlock(t, block))
		}
		turns = append(turns, m.Role+": "+strings.Join(blocks, " | "))
	}
	return strings.Join(turns, "\n")
}

func outlineBlock(t testing.TB, block map[string]json.RawMessage) string {
	t.Helper()
	if len(block) != 1 {
		t.Fatalf("a block with %d members", len(block))
	}
	for kind, raw := range block {
		if kind == "text" {
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
			return text
		}
		var x struct {
			ToolUseID     string `json:"toolUseId"`
			Format, Name  string
			ReasoningText struct{ Text string }
			Content       []map[string]json.RawMessage
		}
		if err := json.Unmarshal(raw, &x); err != nil {
			t.Fatal(err)
		}
		switch kind {
		case "toolUse":
			return "call " + x.ToolUseID
		case "toolResult":
			var inner []string
			for _, block := range x.Content {
				inner = append(inner, outlineBlock(t, block))
			}
			return "result " + x.ToolUseID + "(" + strings.Join(inner, ", ") + ")"
		case "reasoningContent":
			return "thought " + x.ReasoningText.Text
		case "document":
			return x.Format + " " + x.Name
		default:
			return kind + strings.TrimRight(" "+x.Format, " ")
		}
	}
	return ""
}

// talk makes messages whose Index is their place.
func talk(messages ...llm.Message) *llm.ChatRequest {
	for i := range messages {
		messages[i].Index = i
	}
	return &llm.ChatRequest{Messages: messages, NoAutoCache: true, MaxTokens: 9}
}

func user(parts ...llm.Part) llm.Message { return llm.Message{Role: llm.RoleUser, Parts: parts} }
func assistant(parts ...llm.Part) llm.Message {
	return llm.Message{Role: llm.RoleAssistant, Parts: parts}
}

func answer1(id string, parts ...llm.Part) llm.Message {
	return llm.Message{Role: llm.RoleTool, Parts: []llm.Part{llm.ToolResult{ID: id, Parts: parts}}}
}
func said(text string) llm.Part   { return llm.Text{Text: text} }
func called(id string) llm.Part   { return llm.ToolCall{ID: id, Name: "f", Args: "{}"} }
func photo(at llm.Place) llm.Part { return llm.Blob{MIME: "image/png", Base64: pixel, At: at} }
func paper(name string, at llm.Place) llm.Part {
	return llm.Blob{Name: name, Bytes: []byte("%PDF-1.4"), At: at}
}

const (
	claude46 = "us.anthropic.claude-opus-4-6-v1"
	novaPro  = "us.amazon.nova-pro-v1:0"

	pixtral = "us.mistral.pixtral-large-2502-v1:0"
	qwenVL  = "qwen.qwen3-vl-235b-a22b"
)

func TestTurns(t *testing.T) {
	signed := llm.Reasoning{Text: "hm", Signature: "c2ln"}
	tests := []struct {
		name, model string
		req         *llm.ChatRequest
		want        string
		ignored     []string
		changed     []string
	}{
		{name: "signed reasoning goes back to Claude", model: sonnet45, req: talk(user(said("a")), assistant(signed, said("b")), user(said("c"))),
			want: "user: a\nassistant: thought hm | b\nuser: c"},
		{name: "unsigned reasoning does not", model: sonnet45, req: talk(user(said("a")), assistant(llm.Reasoning{Text: "hm"}, said("b")), user(said("c"))),
			want: "user: a\nassistant: b\nuser: c", ignored: []string{"messages[1].reasoning_content"}},
		{name: "nor any to Nova", model: novaPro, req: talk(user(said("a")), assistant(signed, said("b")), user(said("c"))),
			want: "user: a\nassistant: b\nuser: c", ignored: []string{"messages[1].reasoning_content"}},
		{name: "an assistant that only thought leaves no turn", model: novaPro, req: talk(user(said("a")), assistant(signed), user(said("c"))),
			want: "user: a | c", ignored: []string{"messages[1].reasoning_content"}},
		{name: "equal ids in one turn are paired in order", model: sonnet45,
			req:  talk(user(said("a")), assistant(called("x"), called("x")), answer1("x", said("1")), answer1("x", said("2"))),
			want: "user: a\nassistant: call x | call x.2\nuser: result x(1) | result x.2(2)"},
		{name: "an id that looks like one of ours", model: sonnet45,
			req:  talk(user(said("a")), assistant(called("x.2")), answer1("x.2"), assistant(called("x")), answer1("x"), assistant(called("x")), answer1("x")),
			want: "user: a\nassistant: call x.2\nuser: result x.2()\nassistant: call x\nuser: result x()\nassistant: call x.2.2\nuser: result x.2.2()"},
		{name: "results around text on Llama", model: llama33,
			req:  talk(user(said("a")), assistant(called("x"), called("y")), answer1("y", said("2")), user(said("b")), answer1("x", said("1"))),
			want: "user: a\nassistant: call x | call y\nuser: result y(2) | result x(1)\nassistant: OK.\nuser: b", changed: []string{"messages[3].content"}},
		{name: "a Llama that is not listed", model: "meta.llama5-99b-instruct-v1:0", req: talk(user(said("a")), assistant(called("x")), answer1("x", said("1")), user(said("b"))),
			want: "user: a\nassistant: call x\nuser: result x(1)\nassistant: OK.\nuser: b", changed: []string{"messages[3].content"}},
		{name: "text around calls on Llama", model: llama33,
			req:  talk(user(said("a")), assistant(said("b"), called("x")), assistant(said("c")), answer1("x", said("1"))),
			want: "user: a\nassistant: b | c\nuser: .\nassistant: call x\nuser: result x(1)", changed: []string{"messages[1].content"}},
		{name: "a document in a result on Pixtral stays", model: pixtral,
			req:  talk(user(said("a")), assistant(called("x")), answer1("x", paper("p.pdf", ""))),
			want: "user: a\nassistant: call x\nuser: result x(pdf p)"},
		{name: "several images of several results on Qwen", model: qwenVL,
			req:     talk(user(said("a")), assistant(called("x"), called("y")), answer1("x", said("1"), photo("content[1].image_url.url")), answer1("y", photo("content[0].image_url.url")), user(said("b"))),
			want:    "user: a\nassistant: call x | call y\nuser: result x(1) | result y() | image png | image png | b",
			changed: []string{"messages[2].content[1].image_url.url", "messages[3].content[0].image_url.url"}},
		{name: "the text of a document is in its turn", model: sonnet45, req: talk(user(paper("p.pdf", "")), assistant(said("a")), user(said("b"))),
			want: "user: pdf p | .\nassistant: a\nuser: b"},
		{name: "a text of a neighbour will do", model: sonnet45, req: talk(user(paper("p.pdf", "")), user(said("b"))), want: "user: pdf p | b"},
		{name: "a model that nobody knows is asked for everything", model: "acme.new-v1:0",
			req:  talk(assistant(said("a")), user(photo(""), paper("p.pdf", "")), assistant(called("x")), answer1("x", photo("")), assistant(said("b "))),
			want: "assistant: a\nuser: image png | pdf p | .\nassistant: call x\nuser: result x(image png)\nassistant: b "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call, err := build(test.req, traitsFor(t, test.model))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, outline(t, call.body)); diff != "" {
				t.Error(diff)
			}
			start := call.start("", "")
			if diff := cmp.Diff(test.ignored, start.Ignored); diff != "" {
				t.Error("ignored", diff)
			}
			if diff := cmp.Diff(test.changed, start.Changed); diff != "" {
				t.Error("changed", diff)
			}
		})
	}
}

func TestTurnsThatAreRefused(t *testing.T) {
	big := func(n int) []byte { return append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, n)...) }
	many := func(n int) (parts []llm.Part) {
		for range n {
			parts = append(parts, llm.Blob{Bytes: append([]byte("\x00\x00\x00\x18ftypisom"), make([]byte, 3_000_000)...)})
		}
		return parts
	}
	tests := []struct {
		name, model string
		req         *llm.ChatRequest
		kind        llm.Kind
		param, text string
	}{
		{"a large image", novaPro, talk(user(llm.Blob{Bytes: big(maxImage), At: "content[0].image_url.url"})), llm.KindInvalid, "messages[0].content[0].image_url.url", "3.76 MB"},
		{"a large document", sonnet45, talk(user(said("a"), llm.Blob{Bytes: zipped(t, maxDocument)})), llm.KindInvalid, "messages[0].content[1]", "4.5 MB"},
		{"a long text", sonnet45, talk(user(llm.Blob{MIME: "text/plain", Bytes: []byte(strings.Repeat("a", maxDocument+1))})), llm.KindInvalid, "messages[0].content[0]", "4.51 MB"},
		{"a large PDF on an old Claude", "anthropic.claude-3-haiku-20240307-v1:0", talk(user(llm.Blob{Bytes: append([]byte("%PDF-"), make([]byte, maxDocument)...)})), llm.KindInvalid, "messages[0].content[0]", "4.5 MB"},
		{"a long body", novaPro, talk(user(many(7)...)), llm.KindTooLarge, "messages", "25 MB"},
		{"a link that was not fetched", novaPro, talk(user(llm.Link{URL: "https://example.com/a.png"})), llm.KindInternal, "messages[0].content[0]", ""},
		{"a file in S3 of no known kind", novaPro, talk(user(llm.Link{URL: "s3://bucket/a"})), llm.KindInvalid, "messages[0].content[0]", "extension"},
		{"a file in S3 for a model nobody knows", "acme.new-v1:0", talk(user(llm.Link{URL: "s3://bucket/a.png"})), llm.KindInvalid, "messages[0].content[0]", "s3:"},
		{"six documents in S3", novaPro, talk(user(said("a"), inS3(1), inS3(2), inS3(3), inS3(4), inS3(5), inS3(6))), llm.KindInvalid, "messages[0].content[6]", "document 6"},
		{"a file of the assistant", novaPro, talk(user(said("a")), assistant(llm.Link{URL: "s3://bucket/a.png"}), user(said("b"))), llm.KindInvalid, "messages[1].content[0]", "user"},
		{"an empty file", novaPro, talk(user(llm.Blob{At: "custom_content.attachments[0].data"})), llm.KindInvalid, "messages[0].custom_content.attachments[0].data", "empty"},
		{"a long id", novaPro, talk(user(said("a")), answer1(strings.Repeat("x", 999))), llm.KindInvalid, "messages[1].tool_call_id", "…"},
		{"a prefill on Claude 4.6", claude46, talk(user(said("a")), assistant(said("b"))), llm.KindInvalid, "messages[1].role", "continue"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := build(test.req, traitsFor(t, test.model))
			e, ok := errors.AsType[*llm.Error](err)
			if !ok || e.Kind != test.kind || e.Param != test.param || !strings.Contains(e.Message, test.text) {
				t.Fatalf("got %v", err)
			}
			if len(e.Message) > 500 {
				t.Errorf("%d characters", len(e.Message))
			}
		})
	}
}

func inS3(n int) llm.Part { return llm.Link{URL: fmt.Sprintf("s3://bucket/%d.pdf", n)} }

// zipped is a Word document of at least that size.
func zipped(t testing.TB, size int) []byte {
	return append(make([]byte, 0, size+200), append(append([]byte("PK\x03\x04"), make([]byte, size)...), shifted(zipOf(t, "", "word/document.xml"), size+4)...)...)
}

// shifted is an archive with something before it.
func shifted(archive []byte, by int) []byte {
	end := len(archive) - 22
	offset := int(archive[end+16]) | int(archive[end+17])<<8 | int(archive[end+18])<<16
	offset += by
	archive[end+16], archive[end+17], archive[end+18], archive[end+19] = byte(offset), byte(offset>>8), byte(offset>>16), byte(offset>>24)
	return archive
}

// TestLargeFilesThatAreTaken: PDF on Claude 4 and later, PDF and DOCX on Nova.
func TestLargeFilesThatAreTaken(t *testing.T) {
	pdf := llm.Blob{Bytes: append([]byte("%PDF-"), make([]byte, maxDocument)...)}
	for model, file := range map[string]llm.Blob{sonnet45: pdf, claude46: pdf, novaPro: {Bytes: zipped(t, maxDocument)}} {
		if _, err := build(talk(user(file)), traitsFor(t, model)); err != nil {
			t.Errorf("%s: %v", model, err)
		}
	}
	if _, err := build(talk(user(llm.Blob{Bytes: append(pngHeader(8000, 8000), make([]byte, maxImage-29)...)})), traitsFor(t, novaPro)); err != nil {
		t.Error(err)
	}
}

// TestManyPartsCostWhatTheyAre: pairing is not quadratic, in whatever order the results come, nor are
// the reports of what is left out.
func TestManyPartsCostWhatTheyAre(t *testing.T) {
	const n = 50_000
	var calls, same []llm.Part
	results := make([]llm.Message, n)
	for i := range n {
		calls, same = append(calls, called(fmt.Sprint("call_", i))), append(same, called("call_0"))
		results[n-1-i] = answer1(fmt.Sprint("call_", i))
	}
	began := time.Now()
	if _, err := build(talk(append([]llm.Message{user(said("a")), assistant(calls...)}, results...)...), &traits{}); err != nil {
		t.Fatal(err)
	}
	for i := range results {
		results[i] = answer1("call_0")
	}
	if _, err := build(talk(append([]llm.Message{user(said("a")), assistant(same...)}, results...)...), &traits{}); err != nil {
		t.Fatal(err)
	}
	blanks := []llm.Message{user(said("a"))}
	for range n {
		blanks = append(blanks, user(said(" "), llm.Reasoning{Text: "x"}, llm.Reasoning{Text: "y"}))
	}
	if _, err := build(talk(blanks...), &traits{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

// TestDocumentNames are legal, unique, and the same when the conversation has gone on.
func TestDocumentNames(t *testing.T) {
	names := func(files ...llm.Blob) (out []string) {
		c := &converse{}
		for _, f := range files {
			name := c.documentName(f)
			if len(name) == 0 || len(name) > maxDocumentName || strings.Contains(name, "  ") || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -()[]") != "" {
				t.Errorf("%q became %q", f.Name, name)
			}
			out = append(out, name)
		}
		return out
	}
	a := llm.Blob{Name: "a.pdf", Bytes: []byte("1")}
	files := []llm.Blob{
		a, {Name: "a.docx", Bytes: []byte("2")}, a, a, {Bytes: []byte("3")}, {Bytes: []byte("4")}, {Name: "...", Bytes: []byte("5")},
		{Name: "日本語.txt", Bytes: []byte("6")}, {Name: " x \t y\u3000z__(1)[2].tar.gz", Bytes: []byte("7")},
		{Name: strings.Repeat("long ", 99), Bytes: []byte("8")}, {Name: strings.Repeat("long ", 99) + "er", Bytes: []byte("9")}, {Name: "../../etc/passwd", Bytes: []byte("10")},
		{Name: strings.Repeat("long ", 34) + "longs and", Bytes: []byte("11")}, {Name: strings.Repeat("long ", 34) + "longs and", Bytes: []byte("12")},
	}
	all := names(files...)
	for i := range files {
		if diff := cmp.Diff(all[:i], names(files[:i]...), cmp.Transformer("", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
			t.Error(diff)
		}
	}
	seen := map[string]bool{}
	for _, name := range all {
		if seen[name] {
			t.Errorf("%q twice", name)
		}
		seen[name] = true
	}
	if all[0] != "a" || all[8] != "x y z-(1)[2]-tar" || all[11] != "etc-passwd" {
		t.Errorf("%q", all)
	}
}

// TestBytesAndBase64AreTheSame on the wire.
func TestBytesAndBase64AreTheSame(t *testing.T) {
	one, err := build(talk(user(llm.Blob{Base64: pixel})), &traits{})
	if err != nil {
		t.Fatal(err)
	}
	two, err := build(talk(user(llm.Blob{Bytes: encoded{llm.Blob{Base64: pixel}}.at(0, 999)})), &traits{})
	if err != nil || string(one.body) != string(two.body) {
		t.Errorf("%v\n%s\n%s", err, one.body, two.body)
	}
}
