package bedrock

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

// countingPlane answers CountTokens and remembers what it was asked.
type countingPlane struct {
	asked  []string
	answer func(n int) (status int, errorType, body string)
}

func (p *countingPlane) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.asked = append(p.asked, r.URL.EscapedPath()+" "+string(body))
	status, errorType, text := p.answer(len(p.asked))
	resp := httpAnswer(status, errorType, text)
	return resp, nil
}

func counterOf(t *testing.T, id string, answer func(n int) (int, string, string)) (*Model, *countingPlane) {
	t.Helper()
	p := &countingPlane{answer: answer}
	m, err := testClient(t, Options{Transport: p}).Model(id, ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m, p
}

const claudeID = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

func TestClaudeIsCountedByAWS(t *testing.T) {
	m, p := counterOf(t, claudeID, func(n int) (int, string, string) { return 200, "", fmt.Sprintf(`{"inputTokens":%d}`, 40+n) })
	ask := func(text string) *llm.ChatRequest {
		req := question(text)
		req.Messages = append([]llm.Message{{Role: llm.RoleSystem, Parts: []llm.Part{llm.Text{Text: "Be brief."}}}}, req.Messages...)
		req.Tools = []llm.Tool{{Name: "clock"}}
		req.MaxTokens, req.NoAutoCache = 100, true
		req.Config = []byte(`{"additionalModelRequestFields":{"seed":1}}`)
		return req
	}
	for range 2 {
		if got, err := m.CountTokens(t.Context(), ask("Hi.")); err != nil || got != (llm.Count{Tokens: 41, Exact: true}) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if got, err := m.CountTokens(t.Context(), ask("Ho.")); err != nil || got.Tokens != 42 {
		t.Errorf("another request: %v, %v", got, err)
	}
	want := []string{`/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens {"input":{"converse":{` +
		`"messages":[{"role":"user","content":[{"text":"Hi."}]}],"system":[{"text":"Be brief."}],` +
		`"toolConfig":{"tools":[{"toolSpec":{"name":"clock","inputSchema":{"json":{"type":"object","properties":{}}}}}]},` +
		`"additionalModelRequestFields":{"seed":1}}}}`}
	if diff := cmp.Diff(want, p.asked[:1]); diff != "" {
		t.Errorf("the first question (-want +got):\n%s", diff)
	}
	if len(p.asked) != 2 {
		t.Errorf("asked %d times", len(p.asked))
	}
}

// TestACountIsNotWaitedForLong: then there is an estimate, and for a while nobody waits again.
func TestACountIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		m, err := testClient(t, Options{Transport: respond(func(r *http.Request) (*http.Response, error) {
			asked++
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}).Model(claudeID, ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, after := range []time.Duration{countTimeout, 0, countTimeout} {
			began := time.Now()
			got, err := m.CountTokens(t.Context(), question("Hi."))
			if err != nil || got.Exact || got.Tokens == 0 || time.Since(began) != after {
				t.Errorf("%d: after %v: %v, %v", i, time.Since(began), got, err)
			}
			if i == 1 {
				time.Sleep(slowPause)
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestCountsAreForgottenInTurn(t *testing.T) {
	m, p := counterOf(t, claudeID, func(n int) (int, string, string) { return 200, "", fmt.Sprintf(`{"inputTokens":%d}`, n) })
	for i := range countsKept + 1 {
		if _, err := m.CountTokens(t.Context(), question(fmt.Sprint("text ", i))); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.counts.byHash) != countsKept || m.counts.recent.Len() != countsKept {
		t.Errorf("%d counts are kept", len(m.counts.byHash))
	}
	for _, text := range []string{"text 1", "text 0"} { // 0 went, 1 did not
		if _, err := m.CountTokens(t.Context(), question(text)); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.asked) != countsKept+2 {
		t.Errorf("asked %d times", len(p.asked))
	}
}

// Whatever keeps AWS from counting, the client gets an estimate that says that it is one.
func TestWhatAWSDoesNotCountIsEstimated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tests := []struct {
			name, id, errorType, text      string
			status                         int
			asked, askedSoon, askedAfterIt int // questions after one count, another, and one after the pause
		}{
			{"a model that is not Claude", "us.amazon.nova-lite-v1:0", "", "", 200, 0, 0, 0},
			{"a model on another surface", "qwen.qwen3-32b", "", "", 200, 0, 0, 0},
			{"an unsupported model", claudeID, "ValidationException", "The provided model doesn't support counting tokens.", 400, 1, 1, 1},
			{"a model that is not there", claudeID, "ValidationException", "The provided model identifier is invalid.", 400, 1, 1, 1},
			{"no permission", claudeID, "AccessDeniedException", "User: x is not authorized to perform: bedrock:CountTokens", 403, 1, 1, 2},
			{"throttled", claudeID, "ThrottlingException", "Too many requests.", 429, 1, 2, 3},
			{"a strange answer", claudeID, "", "{}", 200, 1, 2, 3},
			{"a broken answer", claudeID, "", `{"inputTokens":`, 200, 1, 2, 3},
		}
		for _, tt := range tests {
			m, p := counterOf(t, tt.id, func(int) (int, string, string) {
				if tt.status == 200 {
					return 200, "", tt.text
				}
				return tt.status, tt.errorType, `{"message":"` + tt.text + `"}`
			})
			for i, want := range []int{tt.asked, tt.askedSoon, tt.askedAfterIt} {
				if i == 2 {
					time.Sleep(countPause)
				}
				got, err := m.CountTokens(t.Context(), question("What is the capital of France?"))
				if err != nil || got.Exact || got.Tokens < 7 || got.Tokens > 25 || len(p.asked) != want {
					t.Errorf("%s, time %d: %v, %v after %d questions, want %d", tt.name, i, got, err, len(p.asked), want)
				}
			}
		}
	})
}

func TestACountOfAnImpossibleRequestIsRefused(t *testing.T) {
	m, _ := counterOf(t, claudeID, func(int) (int, string, string) { return 200, "", `{"inputTokens":1}` })
	if _, err := m.CountTokens(t.Context(), &llm.ChatRequest{}); llm.AsError(err).Kind != llm.KindInvalid {
		t.Errorf("got %v", err)
	}
}

func TestALongerRequestIsNeverLess(t *testing.T) {
	m := measureOf("Claude")
	text := strings.Repeat("One 12, {\"a\": [1,2]}\n\tпривет 你好 — façade! ", 20)
	last := 0
	for i := range text {
		n := m.text(text[:i])
		if n < last-1 { // a word that grows may lose the token of its halves
			t.Fatalf("%d tokens for %d bytes, %d for fewer", n, i, last)
		}
		last = n
	}
}
