package main

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"outcrop/internal/config"
	"outcrop/internal/proxy"
)

// TestOperationsBesideHaveAddresses: each operation that is not the one that its interface is there for is asked
// where overridePaths says, or at DIAL's own path.
func TestOperationsBesideHaveAddresses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"models": {
		"plain": {"baseUrl": "http://plain", "defaults": {"a": 1}, "overrideName": "o", "interfaces": {"openaiResponses": {}, "anthropicMessages": {}}},
		"own": {"baseUrl": "http://own", "interfaces": {
			"openaiResponses": {"overridePaths": {"getOpenaiResponsesById": "/g/{id}", "deleteOpenaiResponsesById": "/d?id={id}", "postOpenaiResponsesCancel": "/c/{id}/{overrideName}"}},
			"anthropicMessages": {"overridePaths": {"postAnthropicMessagesCountTokens": "/n"}}}},
		"old": {"responsesEndpoint": "http://old/r"},
		"chats": {"endpoint": "http://chats"}
	}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load([]string{path}, config.Options{})
	if config.HasErrors(problems) {
		t.Fatal(problems)
	}
	var asked string
	p := newParts(nil, nil, slog.New(slog.DiscardHandler))
	p.remotes = roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = r.URL.String()
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	deployments, err := deploymentsFor(cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][4]string{
		"plain": {"http://plain/anthropic/v1/messages/count_tokens", "http://plain/openai/v1/responses/a%2Fb", "http://plain/openai/v1/responses/a%2Fb", "http://plain/openai/v1/responses/a%2Fb/cancel"},
		"own":   {"http://own/n", "http://own/g/a%2Fb", "http://own/d?id=a%2Fb", "http://own/c/a%2Fb/own"},
		"old":   {"", "http://old/r/a%2Fb", "http://old/r/a%2Fb", "http://old/r/a%2Fb/cancel"},
		"chats": {},
	}
	for _, d := range deployments {
		b := d.Beside
		for i, remote := range []*proxy.Remote{b.CountMessages, b.GetResponse, b.DeleteResponse, b.CancelResponse} {
			if asked = ""; remote != nil {
				call := proxy.Call{ID: "a/b"}
				if i == 0 {
					call = proxy.Call{Body: []byte(`{}`)}
				}
				answer, err := remote.Call(t.Context(), &call)
				if err != nil {
					t.Fatal(err)
				}
				answer.Close()
			}
			if asked != want[d.Name][i] {
				t.Errorf("%s, %d: asked %q, want %q", d.Name, i, asked, want[d.Name][i])
			}
		}
	}
}

// roundTrip answers in a transport's place.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
