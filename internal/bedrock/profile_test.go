package bedrock

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/llm"
)

const profileARN = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"

// plane is a control plane and a runtime that answer without a network.
type plane struct {
	lookups atomic.Int64
	paths   sync.Map
	answer  func(n int64) (status int, body string) // of the control plane
	wait    time.Duration
}

func (p *plane) RoundTrip(r *http.Request) (*http.Response, error) {
	p.paths.Store(r.Method+" "+r.URL.EscapedPath(), true)
	status, body := 200, `{"output":{"message":{"content":[{"text":"Hi."}],"role":"assistant"}},"stopReason":"end_turn"}`
	if r.Method == http.MethodGet {
		n := p.lookups.Add(1)
		select {
		case <-time.After(p.wait):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		status, body = p.answer(n)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func profileOf(base string) string {
	return `{"models":[{"modelArn":"arn:aws:bedrock:us-east-1::foundation-model/` + base + `"}]}`
}

func TestTheModelBehindAnARN(t *testing.T) {
	tests := []struct{ arn, answer, path, family string }{
		{profileARN, profileOf("amazon.nova-lite-v1:0"), "/inference-profiles/", "Nova"},
		{profileARN, profileOf("meta.new-model-v9:0"), "/inference-profiles/", ""},
		{
			"arn:aws:bedrock:us-east-1:111122223333:provisioned-model/abc",
			`{"modelArn":"arn:aws:bedrock:us-east-1:111122223333:custom-model/x/y","foundationModelArn":"arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"}`,
			"/provisioned-model-throughput/", "Claude",
		},
		{
			"arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-lite-v1:0:300k/abc",
			`{"modelArn":"arn:aws:bedrock:us-east-1:111122223333:custom-model/x","baseModelArn":"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"}`,
			"/custom-models/", "Nova",
		},
	}
	for _, tt := range tests {
		p := &plane{answer: func(int64) (int, string) { return 200, tt.answer }}
		m, err := testClient(t, Options{Transport: p}).Model(tt.arn, ModelOptions{Guardrail: &Guardrail{ID: "g", Version: "1"}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := m.Resolve(t.Context()); err != nil {
				t.Errorf("%s: %v", tt.arn, err)
			}
		}
		v := m.known(t.Context())
		if v.traits.family.Name != tt.family || v.traits.guardrail == nil || p.lookups.Load() != 1 {
			t.Errorf("%s: family %q after %d questions, guardrail %v", tt.arn, v.traits.family.Name, p.lookups.Load(), v.traits.guardrail)
		}
		if _, ok := p.paths.Load("GET " + tt.path + escapeLabel(tt.arn)); !ok {
			t.Errorf("%s: the control plane was asked at another path", tt.arn)
		}
		if path := v.whole.url.EscapedPath(); path != "/model/"+escapeLabel(tt.arn)+"/converse" {
			t.Errorf("%s is called at %s", tt.arn, path)
		}
	}
}

func TestNothingIsAskedAboutAModelThatIsKnown(t *testing.T) {
	for _, tt := range []struct{ id, base string }{
		{"us.amazon.nova-lite-v1:0", ""},
		{"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", ""},
		{"arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-lite-v1:0", ""},
		{"arn:aws:bedrock:us-east-1:111122223333:imported-model/abc", ""},
		{"arn:aws:bedrock:us-east-1:111122223333:default-prompt-router/anthropic.claude:1", ""},
		{profileARN, "amazon.nova-lite-v1:0"},
	} {
		p := &plane{answer: func(int64) (int, string) { return 500, "" }}
		m, err := testClient(t, Options{Transport: p}).Model(tt.id, ModelOptions{BaseModel: tt.base})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Resolve(t.Context()); err != nil || p.lookups.Load() != 0 {
			t.Errorf("%s: %v after %d questions", tt.id, err, p.lookups.Load())
		}
	}
}

func TestADeniedLookupIsPlainConverseAndAskedAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plane{answer: func(n int64) (int, string) {
			if n == 1 {
				return 403, `{"Message":"User: arn:aws:iam::111122223333:user/x is not authorized"}`
			}
			return 200, profileOf("amazon.nova-lite-v1:0")
		}}
		m, err := testClient(t, Options{Transport: p}).Model(profileARN, ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if reply, err := llm.CollectOne(m.Chat(t.Context(), wholeQuestion("Hi."))); err != nil || reply.Text != "Hi." {
				t.Fatalf("got %v, %v", reply, err)
			}
		}
		if err := m.Resolve(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("Resolve says %v", err)
		}
		if n := p.lookups.Load(); n != 1 {
			t.Errorf("asked %d times within the pause", n)
		}
		time.Sleep(lookupPause + time.Second)
		if v := m.known(t.Context()); v.traits.family.Name != "Nova" || p.lookups.Load() != 2 {
			t.Errorf("after the pause: family %q, asked %d times", v.traits.family.Name, p.lookups.Load())
		}
	})
}

func wholeQuestion(text string) *llm.ChatRequest {
	req := question(text)
	req.Whole = true
	return req
}

// A control plane that does not answer costs the first chats three seconds, together one question.
func TestASilentControlPlaneHoldsNobodyLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plane{wait: time.Hour, answer: func(int64) (int, string) { return 200, "" }}
		m, err := testClient(t, Options{Transport: p}).Model(profileARN, ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := llm.CollectOne(m.Chat(t.Context(), wholeQuestion("Hi."))); err != nil {
					t.Error(err)
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Resolve(ctx); llm.AsError(err).Kind != llm.KindTimeout {
			t.Errorf("Resolve with a shorter deadline: %v", err)
		}
		wg.Wait()
		if waited := time.Since(began); waited != lookupTimeout || p.lookups.Load() != 1 {
			t.Errorf("waited %s, asked %d times", waited, p.lookups.Load())
		}
	})
}

func TestAnAnswerThatNamesNoModel(t *testing.T) {
	for _, body := range []string{`{}`, `{"models":[]}`, `[`, `{"models":[{"modelArn":"arn:aws:bedrock:us-east-1:1:custom-model/x/y"}]}`, profileOf("")} {
		p := &plane{answer: func(int64) (int, string) { return 200, body }}
		m, err := testClient(t, Options{Transport: p}).Model(profileARN, ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Resolve(t.Context()); err == nil {
			t.Errorf("%s: taken", body)
		}
		if reply, err := llm.CollectOne(m.Chat(t.Context(), wholeQuestion("Hi."))); err != nil || reply.Text != "Hi." {
			t.Errorf("%s: the chat got %v, %v", body, reply, fmt.Sprint(err))
		}
	}
}
