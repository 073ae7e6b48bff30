package adapter

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// TestAUserIsWhoseTheKeyIs: Core is asked once about a key, and a token that comes with several keys does not
// make their users one.
func TestAUserIsWhoseTheKeyIs(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked++
		mu.Unlock()
		_, _ = io.WriteString(w, `{"project":"`+r.Header.Get("Api-Key")+`"}`)
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	a := &adapter{
		core:  &core{base: base, transport: http.DefaultTransport},
		users: newCache[digest, any](8), notices: newNotices(slog.New(slog.DiscardHandler)),
	}
	for i, tt := range []struct {
		key, token, project string
		asked               int
	}{
		{"key-1", "Bearer of-a", "key-1", 1},
		{"key-1", "Bearer of-a", "key-1", 1},
		{"key-2", "Bearer of-a", "key-2", 2},
		{"key-3", "Bearer of-b", "key-3", 3},
		{"key-4", "", "key-4", 4},
		{"key-5", "", "key-5", 5},
		{"key-4", "", "key-4", 5},
	} {
		header := http.Header{"Api-Key": {tt.key}}
		if tt.token != "" {
			header.Set("Authorization", tt.token)
		}
		user, _ := a.user(t.Context(), header).(map[string]any)
		mu.Lock()
		if user["project"] != tt.project || asked != tt.asked {
			t.Errorf("%d: %v after %d questions, want %s after %d", i, user, asked, tt.project, tt.asked)
		}
		mu.Unlock()
	}
}
