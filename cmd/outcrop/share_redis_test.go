package main

import (
	"cmp"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/models"
	"outcrop/internal/redis"
	"outcrop/internal/redis/redistest"
	"outcrop/internal/usage"
)

const sharedConfig = `{
  "models": {"nova": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"}},
  "applications": {"app": {"endpoint": "http://app/chat", "features": {"consentRequired": true}}},
  "roles": {"default": {}},
  "keys": {"key-of-team-a": {"project": "team-a", "role": "default"}, "key-of-team-b": {"project": "team-b", "role": "default"}}
}`

// besideReplicas are the servers behind two replicas: Bedrock, and an application that asks the second one with the key of
// its request.
type besideReplicas struct {
	t     *testing.T
	asks  http.Handler
	holds chan struct{} // until which Bedrock answers, when it is not nil
	left  atomic.Int32
	told  atomic.Pointer[httptest.ResponseRecorder]
}

// RoundTrip implements http.RoundTripper.
func (e *besideReplicas) RoundTrip(r *http.Request) (*http.Response, error) {
	text := `{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":5,"outputTokens":1,"totalTokens":6}}`
	if r.URL.Host == "app" {
		text = `{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}]}`
		e.told.Store(askAs(e.t, e.asks, r.Header.Get("Api-Key"), http.MethodPost, "/openai/deployments/nova/chat/completions", aChat))
	} else if e.holds != nil {
		select {
		case <-e.holds:
		case <-r.Context().Done():
			e.left.Add(1)
			return nil, r.Context().Err()
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r, Body: io.NopCloser(strings.NewReader(text)),
	}, nil
}

const aChat = `{"messages":[{"role":"user","content":"Hello"}]}`

func askAs(t *testing.T, at http.Handler, key, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header = http.Header{"Api-Key": {key}, "Content-Type": {"application/json"}}
	w := httptest.NewRecorder()
	at.ServeHTTP(w, r)
	return w
}

// replicaAt is a gateway as serve makes it, with a Redis.
func replicaAt(t *testing.T, url string, behind http.RoundTripper) http.Handler {
	t.Helper()
	file := filepath.Join(t.TempDir(), "aidial.config.json")
	if err := os.WriteFile(file, []byte(sharedConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load([]string{file}, config.Options{})
	settings, more := config.LoadSettings("", []string{"aidial.encryption.secret=" + strings.Repeat("s", 32), "aidial.encryption.key=" + strings.Repeat("k", 32)})
	if config.HasErrors(append(problems, more...)) {
		t.Fatal(problems, more)
	}
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	clients := newPool(func(s bedrock.Settings) (*bedrock.Client, error) {
		return bedrock.New(bedrock.Options{
			Region: cmp.Or(s.Region, "us-east-1"), Endpoint: "http://bedrock", Transport: behind, Catalogue: catalogue,
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "hunter2", ""),
		})
	})
	p := newParts(clients.upstreams(), nil, slog.New(slog.DiscardHandler))
	p.settle(settings)
	p.remotes, p.record = behind, func(usage.Entry) {}
	c, err := redis.Open(t.Context(), redis.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := p.share(common{c, c, c}); err != nil {
		t.Fatal(err)
	}
	g, _, err := build(cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestReplicasWithARedis behave like one: for consents, for what an application asks with its key and what that costs,
// for responses, and for those that are made in the background.
func TestReplicasWithARedis(t *testing.T) {
	server := redistest.Start(t)
	behind := &besideReplicas{t: t}
	first, second := replicaAt(t, server.URL(), behind), replicaAt(t, server.URL(), behind)
	behind.asks = second
	expect := func(at http.Handler, key, request, body string, status int, text string) string {
		t.Helper()
		method, path, _ := strings.Cut(request, " ")
		w := askAs(t, at, key, method, path, body)
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s: %d %s", request, w.Code, w.Body.String())
		}
		return w.Body.String()
	}
	const a, b, responses = "key-of-team-a", "key-of-team-b", "/openai/v1/responses"

	expect(second, a, "POST /v1/consent/app", "", http.StatusOK, `"consentRequired":false`)
	expect(first, b, "POST /openai/deployments/app/chat/completions", aChat, http.StatusForbidden, "consent")
	expect(first, a, "POST /openai/deployments/app/chat/completions", aChat, http.StatusOK, `"model":"nova","prompt_tokens":5,"completion_tokens":1`)
	if told := behind.told.Load(); told.Code != http.StatusOK {
		t.Errorf("the application is told %d %s", told.Code, told.Body.String())
	}

	id := idOf(t, expect(first, a, "POST "+responses, `{"model":"nova","input":"Hello"}`, http.StatusOK, "completed"))
	expect(second, a, "GET "+responses+"/"+id, "", http.StatusOK, "Hi")
	expect(second, b, "GET "+responses+"/"+id, "", http.StatusNotFound, "no response with that id")
	expect(second, b, "DELETE "+responses+"/"+id, "", http.StatusNotFound, "no response with that id")
	expect(second, a, "DELETE "+responses+"/"+id, "", http.StatusOK, "deleted")
	expect(first, a, "GET "+responses+"/"+id, "", http.StatusNotFound, "")

	behind.holds = make(chan struct{})
	const inBackground = `{"model":"nova","input":"Hello","background":true}`
	job := idOf(t, expect(first, a, "POST "+responses, inBackground, http.StatusOK, "queued"))
	expect(second, a, "GET "+responses+"/"+job, "", http.StatusOK, "queued")
	expect(second, b, "POST "+responses+"/"+job+"/cancel", "{}", http.StatusNotFound, "no response with that id")
	expect(second, a, "POST "+responses+"/"+job+"/cancel", "{}", http.StatusOK, "cancelled")
	eventually(t, func() bool { return behind.left.Load() == 1 })
	expect(first, a, "GET "+responses+"/"+job, "", http.StatusOK, "cancelled")

	job = idOf(t, expect(first, a, "POST "+responses, inBackground, http.StatusOK, "queued"))
	server.Kill()
	expect(second, a, "GET "+responses+"/"+job, "", http.StatusServiceUnavailable, "try again later")
	close(behind.holds)
	eventually(t, func() bool {
		return strings.Contains(askAs(t, first, a, http.MethodGet, responses+"/"+job, "").Body.String(), "completed")
	})
	expect(first, a, "POST "+responses, `{"model":"nova","input":"Hello"}`, http.StatusOK, "completed")
}

// idOf is the id of a response.
func idOf(t *testing.T, body string) string {
	t.Helper()
	_, rest, _ := strings.Cut(body, `"id":"`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no id in %s", body)
	}
	return id
}

// await waits until something is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for !so() {
		select {
		case <-deadline:
			t.Fatal("it never came to that")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
