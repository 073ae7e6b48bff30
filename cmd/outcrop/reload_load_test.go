package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"outcrop/internal/memnet"
)

// generation is a configuration of a model of this process and one of an adapter, whose calls say which
// configuration they come from in three places.
func generationOf(n int) map[string]string {
	return map[string]string{"models.json": fmt.Sprintf(`{"models": {
		"here": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "description": "generation %[1]d"},
		"there": {"type": "chat", "endpoint": "http://adapter/%[1]d/chat/completions", "overrideName": "generation-%[1]d",
			"defaults": {"seed": %[1]d}, "upstreams": [{"key": "key-of-generation-%[1]d"}]},
		"new-in-%[1]d": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0"}}}`, n)}
}

// oneGeneration finds in what an adapter was called with the places that name a configuration.
var oneGeneration = regexp.MustCompile(`^/(\d+)/chat/completions key-of-generation-(\d+) generation-(\d+) .*"seed":(\d+)`)

// slowAdapter answers in ten pieces, and notes calls that mix two configurations.
func slowAdapter(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		call := strings.Join([]string{r.URL.Path, r.Header.Get("X-Upstream-Key"), r.Header.Get("X-Dial-Override-Name"), string(body)}, " ")
		if g := oneGeneration.FindStringSubmatch(call); g == nil || g[1] != g[2] || g[2] != g[3] || g[3] != g[4] {
			t.Errorf("a call of more than one configuration: %s", call)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 10 {
			_, _ = fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%d \"}}]}\n\n", i)
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case <-time.After(3 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	})
}

// TestAThousandReloadsBesideTwoHundredStreams: no request is dropped, none is served by two configurations, and
// nothing is left over.
func TestAThousandReloadsBesideTwoHundredStreams(t *testing.T) {
	r := newReloading(t, map[string]string{"keys.json": teamKey, "models.json": generationOf(0)["models.json"]})
	r.parts.remotes = memnet.Serve(t, slowAdapter(t))
	r.reload(t.Context(), true) // with those remotes
	base, client := r.listen()
	before := runtime.NumGoroutine()
	stop, all := make(chan struct{}), sync.WaitGroup{}
	var answered, open atomic.Int64
	for i := range 200 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp := begin(t, client, base, []string{"here", "there"}[i%2])
				open.Add(1)
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				open.Add(-1)
				if err != nil || resp.StatusCode != http.StatusOK || !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
					t.Errorf("status %d, %v, %q", resp.StatusCode, err, text)
					return
				}
				answered.Add(1)
			}
		})
	}
	const reloads = 1000
	var beside int64
	for i := 1; i <= reloads; i++ {
		beside = max(beside, open.Load())
		r.write(generationOf(i))
		r.reload(t.Context(), false)
		if got := strings.Join(r.listed(), " "); got != fmt.Sprintf("here there new-in-%d", i) {
			t.Fatalf("after reload %d: %s", i, got)
		}
	}
	close(stop)
	all.Wait()
	if beside < 50 || answered.Load() < 200 {
		t.Errorf("%d streams were answered, %d at once: it was no load", answered.Load(), beside)
	}
	wait(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.served) == 1 && len(r.pool.clients) == 1
	})
	client.CloseIdleConnections()
	wait(t, func() bool { return runtime.NumGoroutine() <= before+20 }) // idle connections of the upstreams
	r.exports(fmt.Sprintf("outcrop_config_generation %d", reloads+2), "outcrop_config_last_reload_successful 1")
}
