package gateway_test

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/client"
	"outcrop/internal/fixturetest"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/memnet"
)

// TestTranslator: a Messages request, what DIAL Core is asked, what it answers, what the client gets.
func TestTranslator(t *testing.T) {
	fixturetest.RunIn(t, "testdata/translator", *update, func(t *testing.T, a *fixturetest.Archive) {
		core := &fixturetest.Upstream{T: t, Place: func(*http.Request) string { return "" }, Note: coreHeaders}
		a.Play(t, newTranslator(t, core), core, &bytes.Buffer{})
	})
}

// coreHeaders are what matters of the headers of a request to Core, and its query.
func coreHeaders(r *http.Request) string {
	var b strings.Builder
	b.WriteString("?" + r.URL.RawQuery + "\n")
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if name == "Api-Key" || name == "Content-Type" {
			b.WriteString(name + ": " + r.Header.Get(name) + "\n")
		}
	}
	return b.String()
}

// newTranslator is an adapter in front of a DIAL Core, or without one.
func newTranslator(t *testing.T, core http.Handler) http.Handler {
	t.Helper()
	empty, err := catalog.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := gateway.Options{Auth: anyone{}, Deployments: gateway.Fixed(empty), Version: "test", Log: slog.New(slog.DiscardHandler)}
	if core != nil {
		transport := memnet.Serve(t, core)
		o.Core = func(r *http.Request, deployment string) llm.ChatModel {
			return client.Model{
				URL:    "http://core/openai/deployments/" + url.PathEscape(deployment) + "/chat/completions?api-version=2024-10-21",
				Header: http.Header{"Api-Key": r.Header.Values("Api-Key")}, HTTP: &http.Client{Transport: transport},
			}
		}
	}
	g, err := gateway.NewAdapter(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// anyone lets everybody in.
type anyone struct{}

func (anyone) Authenticate(*http.Request) (auth.Caller, error) { return auth.Caller{}, nil }

// TestTranslatorWithoutCore: what is missing is told, and a Core that is not there is a 502.
func TestTranslatorWithoutCore(t *testing.T) {
	away := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, tt := range []struct {
		core   http.Handler
		status int
		want   string
	}{{nil, http.StatusInternalServerError, "DIAL_URL"}, {away, http.StatusBadGateway, "cannot be reached"}} {
		for _, body := range []string{`{"model":"m","stream":true,"messages":[{"role":"user","content":"a"}]}`, `{"model":"m","messages":[{"role":"user","content":"a"}]}`} {
			synctest.Test(t, func(t *testing.T) {
				w := httptest.NewRecorder()
				newTranslator(t, tt.core).ServeHTTP(w, messagesRequest(t.Context(), "/to-chat-completions/anthropic/v1/messages", body))
				if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || !strings.Contains(w.Body.String(), `"api_error"`) {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
	}
}
