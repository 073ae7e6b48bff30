package bedrock_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
)

// claudeCode reads a request of testdata/claudecode: what Claude Code 2.1.330 sends to a gateway, in the
// members, their order, the headers and the betas; the texts and the tools are our own.
func claudeCode(t testing.TB, file string) (r *http.Request, req *llm.MessagesRequest) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := bytes.Cut(data, []byte("\n\n"))
	line, headers, _ := strings.Cut(string(head), "\n")
	r, err = http.ReadRequest(bufio.NewReader(strings.NewReader(line + " HTTP/1.1\r\nHost: h\r\n" + strings.ReplaceAll(headers, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ Stream bool }
	if err := json.Unmarshal(body, &said); err != nil {
		t.Fatal(err)
	}
	req = &llm.MessagesRequest{Body: body, Whole: !said.Stream}
	if betas := r.Header.Get("Anthropic-Beta"); betas != "" {
		req.Betas = strings.Split(betas, ",")
	}
	return r, req
}

// TestClaudeCode: its requests are answered on both surfaces, with the sandbox's strict rules.
func TestClaudeCode(t *testing.T) {
	files, err := filepath.Glob("testdata/claudecode/*.http")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		models := []string{"us.anthropic.claude-opus-4-8", "anthropic.claude-opus-4-8"}
		if strings.Contains(file, "budget") {
			models = []string{claudeRuntime, "anthropic.claude-haiku-4-5"}
		}
		for i, id := range models {
			surface := []string{bedrock.SurfaceInvoke, bedrock.SurfaceMantle}[i]
			t.Run(strings.TrimSuffix(filepath.Base(file), ".http")+"/"+surface, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { answerClaudeCode(t, file, id, surface) })
			})
		}
	}
}

func answerClaudeCode(t *testing.T, file, id, surface string) {
	client, _ := overSandbox(t)
	options := bedrock.ModelOptions{}
	if surface == bedrock.SurfaceMantle {
		options.Surface = surface
	}
	m := nativeOf(t, client, id, options)
	r, req := claudeCode(t, file)
	if strings.Contains(r.URL.Path, "count_tokens") {
		if count, err := m.CountMessages(t.Context(), req); err != nil || !count.Exact || count.Tokens < 20 {
			t.Errorf("got %+v, %v", count, err)
		}
		return
	}
	var types, ignored []string
	calls := ""
	for p, err := range m.Messages(t.Context(), req) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Type == "" {
			continue
		}
		types, ignored = append(types, p.Type), append(ignored, p.Ignored...)
		if i := bytes.Index(p.JSON, []byte(`"name":"`)); i >= 0 {
			name, _, _ := bytes.Cut(p.JSON[i+8:], []byte(`"`))
			calls += string(name)
		}
		if p.Last && (p.Usage.Prompt() == 0 || p.Usage.Output == 0) {
			t.Errorf("usage %+v", p.Usage)
		}
	}
	switch name := filepath.Base(file); {
	case name == "probe.http" && !slices.Equal(types, []string{"message"}):
		t.Errorf("got %q", types)
	case (name == "adaptive.http" || name == "budget.http") && calls != "Bash":
		t.Errorf("called %q", calls)
	case name == "adaptive.http" && !slices.Contains(ignored, "messages[1].output_config"):
		t.Errorf("ignored %q", ignored)
	}
}

// TestMessagesAreCounted: by AWS where it can, else estimated, and never asked again for nothing.
func TestMessagesAreCounted(t *testing.T) {
	body := `{"model":"x","messages":[{"role":"user","content":"How many words are in this sentence?"}],"max_tokens":5,"stream":true}`
	for _, c := range []struct {
		id, path, sent string
		reply          canned
		want           llm.Count
	}{
		{claudeRuntime, "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens",
			`{"input":{"invokeModel":{"body":"eyJtZXNzYWdlcyI6W3sicm9sZSI6InVzZXIiLCJjb250ZW50IjoiSG93IG1hbnkgd29yZHMgYXJlIGluIHRoaXMgc2VudGVuY2U/In1dLCJtYXhfdG9rZW5zIjo1LCJhbnRocm9waWNfdmVyc2lvbiI6ImJlZHJvY2stMjAyMy0wNS0zMSJ9"}}}`,
			canned{body: []byte(`{"inputTokens":17}`)}, llm.Count{Tokens: 17, Exact: true}},
		{claudeMantle, "/anthropic/v1/messages/count_tokens",
			`{"messages":[{"role":"user","content":"How many words are in this sentence?"}],"model":"anthropic.claude-haiku-4-5"}`,
			canned{body: []byte(`{"input_tokens":18}`)}, llm.Count{Tokens: 18, Exact: true}},
		{claudeRuntime, "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens", "",
			canned{status: 403, header: http.Header{"X-Amzn-Errortype": {"AccessDeniedException"}}, body: []byte(`{"message":"no"}`)}, llm.Count{Tokens: 16}},
		{claudeMantle, "/anthropic/v1/messages/count_tokens", "",
			canned{status: 404, body: []byte(`{"type":"error","error":{"type":"not_found_error","message":"no"}}`)}, llm.Count{Tokens: 16}},
	} {
		m := scripted(t, &c.reply, c.id, bedrock.ModelOptions{})
		got, err := m.CountMessages(t.Context(), &llm.MessagesRequest{Body: []byte(body)})
		if err != nil || got != c.want || !strings.HasSuffix(c.reply.path, c.path) || c.sent != "" && string(c.reply.sent) != c.sent {
			t.Errorf("got %+v, %v from %s %s", got, err, c.reply.path, c.reply.sent)
		}
	}
	m := scripted(t, &canned{}, claudeRuntime, bedrock.ModelOptions{})
	if _, err := m.CountMessages(t.Context(), &llm.MessagesRequest{Body: []byte(`{}`)}); llm.AsError(err).Param != "messages" {
		t.Errorf("got %v", err)
	}
}

// TestMessagesAreEstimated: more of anything is never less.
func TestMessagesAreEstimated(t *testing.T) {
	denied := func() *canned {
		return &canned{status: 403, header: http.Header{"X-Amzn-Errortype": {"AccessDeniedException"}}, body: []byte(`{"message":"no"}`)}
	}
	last := 0
	for _, body := range []string{
		`{"messages":[{"role":"user","content":"Hi"}]}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"system":"Be brief, please."}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"Hi there"},{"type":"document","source":{"type":"text","data":"A document of some words."}}]}],"system":[{"type":"text","text":"Be brief, please."}]}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"document","source":{"type":"url","url":"https://x"}}]}],"system":"Be brief."}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"document","source":{"type":"url","url":"https://x"}}]},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"clock","input":{"city":"Oslo"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"noon"}]}],"tools":[{"name":"clock","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]}`,
	} {
		m := scripted(t, denied(), claudeRuntime, bedrock.ModelOptions{})
		got, err := m.CountMessages(t.Context(), &llm.MessagesRequest{Body: []byte(body)})
		if err != nil || got.Exact || got.Tokens <= last {
			t.Errorf("%s: got %+v after %d, %v", body, got, last, err)
		}
		last = got.Tokens
	}
}

// BenchmarkMessages is a reply of a hundred pieces, of which 95 are text.
func BenchmarkMessages(b *testing.B) {
	pieces := []string{`{"type":"message_start","message":{"usage":{"input_tokens":3}}}`, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`}
	for range 95 {
		pieces = append(pieces, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few words"}}`)
	}
	pieces = append(pieces, `{"type":"content_block_stop","index":0}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":95}}`, `{"type":"message_stop"}`)
	for id, body := range map[string][]byte{claudeRuntime: asChunks(b, pieces...), claudeMantle: asEvents(b, pieces...)} {
		b.Run(id, func(b *testing.B) {
			server := &again{body: body}
			m := scriptedBy(b, server, id)
			req := &llm.MessagesRequest{Body: []byte(`{"messages":[]}`)}
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range m.Messages(b.Context(), req) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n < 100 {
					b.Fatal(n)
				}
			}
		})
	}
}

// BenchmarkMessageBody is a request of Claude Code's on its way.
func BenchmarkMessageBody(b *testing.B) {
	_, req := claudeCode(b, "testdata/claudecode/adaptive.http")
	req.Body = bytes.Replace(req.Body, []byte("Answer briefly."), bytes.Repeat([]byte("Answer briefly. "), 3000), 1)
	m := scriptedBy(b, &again{body: asChunks(b, `{"type":"message_stop"}`)}, claudeRuntime)
	b.SetBytes(int64(len(req.Body)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range m.Messages(b.Context(), req) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// again answers every call with the same bytes and keeps nothing.
type again struct{ body []byte }

func (a *again) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a.body))}, nil
}
