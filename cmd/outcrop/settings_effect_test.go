package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"outcrop/internal/config"
)

// TestSettingsReachWhatIsServed: what the settings say of bodies, buckets and calls to other servers is done.
func TestSettingsReachWhatIsServed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"models": {"m": {"endpoint": "`+server.URL+`"}},
		"routes": {"r": {"paths": ["/r"], "upstreams": [{"endpoint": "`+server.URL+`"}]}}, "keys": {"a-key-of-epm": {"project": "EPM-RTC-GPT", "roles": ["default"]}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load([]string{path}, config.Options{})
	if config.HasErrors(problems) {
		t.Fatal(problems)
	}
	ask := func(settings *config.Settings, method, path, body string) *httptest.ResponseRecorder {
		t.Helper()
		p := newParts(inMemory(t), nil, slog.New(slog.DiscardHandler))
		p.settle(settings)
		var err error
		if p.buckets, err = bucketsOf(settings); err != nil {
			t.Fatal(err)
		}
		handler, _, err := build(cfg, p)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header = http.Header{"Api-Key": {"a-key-of-epm"}, "Content-Type": {"application/json"}}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	const chat, long = "/openai/deployments/m/chat/completions", `{"messages":[{"role":"user","content":"Hello"}]}`
	for _, tt := range []struct {
		name               string
		environ            []string
		change             func(*config.Settings)
		method, path, body string
		status             int
		answer             string
	}{
		{"nothing stated", nil, nil, http.MethodPost, chat, long, http.StatusTeapot, ""},
		{"resources.maxSize", []string{"aidial.resources.maxSize=20"}, nil, http.MethodPost, chat, long, http.StatusRequestEntityTooLarge, ""},
		{"encryption", []string{"aidial.encryption.secret=password", "aidial.encryption.key=salt"}, nil, http.MethodGet, "/v1/bucket", "", http.StatusOK, "3CcedGxCx23EwiVbVmscVktScRyf46KypuBQ65miviST"},
		{"client.connectTimeout", nil, func(s *config.Settings) { s.ConnectTimeout = time.Nanosecond }, http.MethodPost, chat, long, http.StatusBadGateway, ""},
		{"client.connectTimeout of a route", nil, func(s *config.Settings) { s.ConnectTimeout = time.Nanosecond }, http.MethodGet, "/r", "", http.StatusBadGateway, ""},
	} {
		settings, problems := config.LoadSettings("", tt.environ)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if tt.change != nil {
			tt.change(settings)
		}
		if w := ask(settings, tt.method, tt.path, tt.body); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.answer) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, w.Code, w.Body, tt.status, tt.answer)
		}
	}
}

// TestSilenceOfOtherServers: client.idleTimeout is for deployments that state no interToken.
func TestSilenceOfOtherServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"models": {
		"none": {"endpoint": "http://a"}, "other": {"endpoint": "http://a", "timeouts": {"total": "1h"}},
		"usual": {"endpoint": "http://a", "timeouts": {"interToken": "5m"}}, "never": {"endpoint": "http://a", "timeouts": {"interToken": "0s"}}
	}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load([]string{path}, config.Options{})
	if config.HasErrors(problems) {
		t.Fatal(problems)
	}
	for stated, want := range map[string]map[string]time.Duration{
		"": {"none": 5 * time.Minute, "other": 5 * time.Minute, "usual": 5 * time.Minute, "never": 0},
		"aidial.client.idleTimeout=2 aidial.client.idleTimeoutUnit=MINUTES": {"none": 2 * time.Minute, "other": 2 * time.Minute, "usual": 5 * time.Minute, "never": 0},
		"aidial.client.idleTimeout=7000":                                    {"none": 7 * time.Second, "other": 7 * time.Second, "usual": 5 * time.Minute, "never": 0},
	} {
		p := newParts(nil, nil, slog.New(slog.DiscardHandler))
		settings, _ := config.LoadSettings("", strings.Fields(stated))
		p.settle(settings)
		for _, m := range cfg.Models {
			if got := p.elsewhere(m).Timeouts.InterToken; got != want[m.Name] {
				t.Errorf("%s, %s: %s, want %s", stated, m.Name, got, want[m.Name])
			}
		}
	}
}
