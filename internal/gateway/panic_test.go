package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
)

// panickingModel is a model that panics with what it was asked, as a library may.
type panickingModel struct{ how func(prompt string) }

// Chat implements llm.ChatModel.
func (p panickingModel) Chat(_ context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(func(llm.Event, error) bool) {
		p.how(strings.Repeat("swordfish ", len(req.Messages)))
	}
}

// TestAPanicQuotesNobody: not in the log, and not to the client, who is answered all the same.
func TestAPanicQuotesNobody(t *testing.T) {
	for name, how := range map[string]func(string){
		"a text":        func(prompt string) { panic("cannot do " + prompt) },
		"an error":      func(prompt string) { panic(errors.New(prompt)) },
		"the runtime's": func(prompt string) { _ = prompt[len(prompt):][0] },
		"a wrong type":  func(prompt string) { _ = any(prompt).(int) },
		"a value":       func(prompt string) { panic(struct{ Prompt *string }{&prompt}) },
	} {
		var log bytes.Buffer
		keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("key-a"), Project: "a"}}})
		if err != nil {
			t.Fatal(err)
		}
		visible, err := catalog.New([]*catalog.Deployment{{Name: "m", Chat: panickingModel{how}}})
		if err != nil {
			t.Fatal(err)
		}
		g, err := gateway.New(gateway.Options{
			Auth: keys, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Deployments: gateway.Fixed(visible),
		})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/openai/deployments/m/chat/completions", strings.NewReader(`{"messages":[{"role":"user","content":"swordfish"}]}`))
		r.Header.Set("Api-Key", "key-a")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "swordfish") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if text := log.String(); strings.Contains(text, "swordfish") || !strings.Contains(text, "panic: ") || !strings.Contains(text, "panic_test.go") {
			t.Errorf("%s: %s", name, text)
		}
	}
}
