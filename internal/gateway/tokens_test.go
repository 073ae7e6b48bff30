package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/fetch"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

// counter counts messages, each in a second.
type counter struct{ running, most atomic.Int32 }

func (c *counter) CountTokens(ctx context.Context, req *llm.ChatRequest) (llm.Count, error) {
	c.most.Store(max(c.most.Load(), c.running.Add(1)))
	defer c.running.Add(-1)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return llm.Count{}, ctx.Err()
	}
	if text, ok := req.Messages[0].Parts[0].(llm.Text); ok && text.Text == "bad" {
		return llm.Count{}, errors.New("hunter2")
	}
	return llm.Count{Tokens: len(req.Messages), Exact: true}, nil
}

func counting(t *testing.T) (http.Handler, *counter) {
	c := &counter{}
	return gatewayOf(t, &catalog.Deployment{Name: "team/m", Chat: llmtest.Echo{}, Count: c, Configuration: func() []byte { return []byte(`{"type":"object"}`) }}, nil), c
}

func TestTokenRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := counting(t)
		inputs := func(n int) string {
			return strings.TrimSuffix(strings.Repeat(`{"type":"string","value":"x"},`, n), ",")
		}
		for _, tt := range []struct {
			path, body string
			status     int
			text       string
			took       time.Duration
		}{
			{"/v1/deployments/team%2Fm/tokenize", `{"inputs":[` + inputs(20) + `]}`, 200, `{"outputs":[{"status":"success","token_count":1,"exact":false},`, 3 * time.Second},
			{"/v1/deployments/team/m/tokenize", `{"inputs":[]}`, 200, `{"outputs":[]}`, 0},
			{"/v1/deployments/team/m/tokenize", `{}`, 400, "inputs: missing", 0},
			{"/v1/deployments/team/m/tokenize", `{"inputs":[{"type":"string","value":"bad"}]}`, 200, `[{"status":"error","error":"The server failed to process the request."}]`, time.Second},
			{"/v1/deployments/team/m/tokenize", `{"inputs":[` + inputs(129) + `]}`, 400, "128", 0},
			{"/v1/deployments/team/m/tokenize", `[]`, 400, "not a token request", 0},
			{"/v1/deployments/team/m/truncate_prompt", `{"inputs":[{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],"max_prompt_tokens":2}]}`, 200, `{"outputs":[{"status":"success","discarded_messages":[0,1],"exact":true}]}`, 2 * time.Second},
			{"/v1/deployments/team/m/truncate_prompt", `{"inputs":[7,{"messages":[{"role":"user","content":"a"}],"max_prompt_tokens":2}]}`, 200, `{"status":"success","discarded_messages":[],"exact":true}`, time.Second},
			{"/v1/deployments/team/m/rate", `{}`, 404, "no route", 0},
			{"/v1/deployments/team/n/tokenize", `{}`, 404, "no deployment", 0},
		} {
			began := time.Now()
			w := post(t.Context(), t, h, tt.path, tt.body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.text) || strings.Contains(w.Body.String(), "hunter2") || time.Since(began) != tt.took {
				t.Errorf("%s %.100s: after %v %d %s", tt.path, tt.body, time.Since(began), w.Code, w.Body)
			}
		}
		if c.most.Load() != 8 {
			t.Errorf("%d counted at once", c.most.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if w := post(ctx, t, h, "/v1/deployments/team/m/tokenize", `{"inputs":[`+inputs(20)+`]}`); w.Code != 499 {
			t.Errorf("the client left: %d %s", w.Code, w.Body)
		}
	})
}

func TestConfiguration(t *testing.T) {
	h, _ := counting(t)
	for path, want := range map[string]string{
		"/v1/deployments/team%2Fm/configuration": `200 {"type":"object"}`,
		"/v1/deployments/team/m/configuration":   `200 {"type":"object"}`,
		"/v1/deployments/team/m/limits":          "501",
		"/v1/deployments/configuration":          "404",
		"/v1/deployments/n/configuration":        "404",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://gateway"+path, http.NoBody)
		r.Header.Set("Api-Key", "k")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := fmt.Sprintf("%d %s", w.Code, w.Body); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestDefaultsAreReadOnce(t *testing.T) {
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("k"), Project: "p"}}})
	if err != nil {
		t.Fatal(err)
	}
	for defaults, want := range map[string]string{
		`{"temperature":"hot"}`: "deployment m: defaults: temperature",
		`[]`:                    "deployment m: defaults: ",
		`{"temperature":1}`:     "",
		`{"verbosity":"low"}`:   "",
	} {
		visible, err := catalog.New([]*catalog.Deployment{{Name: "m", Chat: llmtest.Echo{}, Info: catalog.Info{Defaults: []byte(defaults)}}})
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		_, err = gateway.New(gateway.Options{Auth: keys, Deployments: gateway.Fixed(visible), Log: slog.New(slog.NewTextHandler(&log, nil))})
		if want == "" != (err == nil) || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", defaults, err)
		}
		if warned := strings.Contains(log.String(), "members=verbosity"); warned != strings.Contains(defaults, "verbosity") {
			t.Errorf("%s: the log is %q", defaults, &log)
		}
	}
}

// TestInputsShareTheFiles: a token request may name no more files than a chat, however many inputs it
// has.
func TestInputsShareTheFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		f := fetch.New(memory(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
		h := gatewayOf(t, &catalog.Deployment{Name: "m", Chat: llmtest.Echo{}, Count: &counter{}}, f)
		var inputs []string
		for i := range 3 {
			var urls []string
			for j := range 50 {
				urls = append(urls, fmt.Sprintf("http://a.example/e%d-%d", i, j))
			}
			inputs = append(inputs, `{"type":"request","value":`+images(urls...)+`}`)
		}
		w := post(t.Context(), t, h, "/v1/deployments/m/tokenize", `{"inputs":[`+strings.Join(inputs, ",")+`]}`)
		good, bad := strings.Count(w.Body.String(), "token_count"), strings.Count(w.Body.String(), "at most 100 files")
		if w.Code != http.StatusOK || good != 2 || bad != 1 || calls.Load() != 100 {
			t.Errorf("%d calls, %d %s", calls.Load(), w.Code, w.Body)
		}
	})
}
