package gateway_test

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		a.Play(t, newTranslator(t, core), core, &fixturetest.Log{})
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
func newTranslator(t *testing.T, core http.Handler, with ...func(*gateway.Options)) http.Handler {
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
	for _, set := range with {
		set(&o)
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

// TestTranslatorTimeouts: a Core that never answers, or falls silent, is a timeout: as a status while there
// can be one, else as an error at the end of the stream.
func TestTranslatorTimeouts(t *testing.T) {
	const half = `data: {"choices":[{"index":0,"delta":{"content":"a"}}]}` + "\n\n"
	for _, tt := range []struct {
		name, stream, said string
		after              time.Duration
		status             int
	}{
		{"whole", "false", "", 3 * time.Minute, http.StatusGatewayTimeout},
		{"whole, in pieces", "false", half, 3 * time.Minute, http.StatusGatewayTimeout},
		{"nothing of a stream", "true", "", time.Minute, http.StatusGatewayTimeout},
		{"half of a stream", "true", half, 2 * time.Minute, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body) // a server notices no sooner that its client has left
					if tt.said != "" {
						w.Header().Set("Content-Type", "text/event-stream")
						_, _ = w.Write([]byte(tt.said))
						_ = http.NewResponseController(w).Flush()
					}
					<-r.Context().Done()
				})
				limits := catalog.Timeouts{FirstToken: time.Minute, InterToken: 2 * time.Minute, Whole: 3 * time.Minute, Total: time.Hour}
				began, w := time.Now(), httptest.NewRecorder()
				newTranslator(t, core, func(o *gateway.Options) { o.CoreTimeouts = limits }).ServeHTTP(w, messagesRequest(t.Context(),
					"/to-chat-completions/anthropic/v1/messages", `{"model":"m","stream":`+tt.stream+`,"messages":[{"role":"user","content":"a"}]}`))
				if w.Code != tt.status || !strings.Contains(w.Body.String(), `"timeout_error"`) || time.Since(began) != tt.after {
					t.Errorf("after %v: %d %s", time.Since(began), w.Code, w.Body)
				}
			})
		})
	}
}

// TestTranslatorStaysInItsPath: a name that would be a step of the path is no deployment's.
func TestTranslatorStaysInItsPath(t *testing.T) {
	core := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("Core was asked for %s", r.URL.Path) })
	for _, name := range []string{".", ".."} {
		r := messagesRequest(t.Context(), "/to-chat-completions/anthropic/v1/messages", `{"model":"m","messages":[{"role":"user","content":"a"}]}`)
		r.Header.Set("X-Dial-Deployment-Id", name)
		w := httptest.NewRecorder()
		newTranslator(t, core).ServeHTTP(w, r)
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `"not_found_error"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestNoNameFillsTheLog: where a name is not looked up, it is bounded.
func TestNoNameFillsTheLog(t *testing.T) {
	long := strings.Repeat("x", 50_000)
	for path, status := range map[string]int{
		"/to-chat-completions/anthropic/v1/messages": http.StatusBadRequest,
		"/openai/deployments/" + long + "/rate":      http.StatusOK,
		"/openai/deployments/a/" + long + "/rate":    http.StatusOK,
	} {
		var log bytes.Buffer
		core := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("Core was asked") })
		w := httptest.NewRecorder()
		newTranslator(t, core, func(o *gateway.Options) { o.Log = slog.New(slog.NewJSONHandler(&log, nil)) }).ServeHTTP(w,
			messagesRequest(t.Context(), path, `{"model":"`+long+`","messages":[{"role":"user","content":"a"}]}`))
		if w.Code != status || log.Len() == 0 || log.Len() > 4096 {
			t.Errorf("%.60s: %d, %d bytes of log", path, w.Code, log.Len())
		}
	}
}
