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

// TestUsersAreAskedForOnce: Core gives every request a key of its own, so that a user is known by the token
// that it forwards; without one by the key. A user is never taken for another.
func TestUsersAreAskedForOnce(t *testing.T) {
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
		{"key-2", "Bearer of-a", "key-1", 1},
		{"key-3", "Bearer of-b", "key-3", 2},
		{"key-4", "", "key-4", 3},
		{"key-5", "", "key-5", 4},
		{"key-4", "", "key-4", 4},
		{"Bearer of-a", "", "Bearer of-a", 5}, // a key that looks like a token is none
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
