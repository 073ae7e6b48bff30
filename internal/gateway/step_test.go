package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/gateway"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/proxy"
)

// house is a gateway with an interceptor that goes on after it has put its name into the text.
type house struct {
	http.Handler
	passes *auth.Passes
	heard  []string // the keys that interceptors got
}

// agreed has agreed to everything.
type agreed bool

func (a agreed) Given(auth.Caller, string) bool { return bool(a) }

// Give implements gateway.Consents.
func (a agreed) Give(auth.Caller, string) error { return nil }

func newHouse(t *testing.T, consents gateway.Consents, deployments ...*catalog.Deployment) *house {
	t.Helper()
	h := &house{passes: auth.NewPasses(1e12)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.heard = append(h.heard, r.Header.Get("Api-Key"))
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		name := strings.Trim(r.URL.Path, "/")
		back := h.ask(t, "/openai/deployments/interceptor/chat/completions", r.Header.Get("Api-Key"), strings.Replace(string(body), "text", "text-"+name, 1))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(back.Code)
		_, _ = w.Write(back.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	for _, name := range []string{"one", "two"} {
		remote, err := proxy.New(proxy.Options{URL: server.URL + "/" + name, Transport: proxy.NewTransport()})
		if err != nil {
			t.Fatal(err)
		}
		deployments = append(deployments, &catalog.Deployment{Name: name, Kind: catalog.Interceptor, Remotes: [catalog.Interfaces]*proxy.Remote{catalog.Chats: remote}})
	}
	visible, err := catalog.New(deployments)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("key-a"), Project: "team-a"}}, Passes: h.passes})
	if err != nil {
		t.Fatal(err)
	}
	h.Handler = newHandler(t, gateway.Options{
		Auth: keys, Deployments: gateway.Fixed(visible), Log: slog.New(slog.DiscardHandler), Passes: h.passes, Consents: consents,
	})
	return h
}

func (h *house) ask(t *testing.T, path, key, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Api-Key", key)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestTheChainEndsAtTheModel: each interceptor gets the request after the one before it, with a key of its own, and
// the keys are good for nothing when the request has ended.
func TestTheChainEndsAtTheModel(t *testing.T) {
	h := newHouse(t, nil, &catalog.Deployment{Name: "model", Chat: llmtest.Echo{}, Interceptors: []string{"one", "two"}})
	w := h.ask(t, "/openai/deployments/model/chat/completions", "key-a", `{"messages":[{"role":"user","content":"text"}]}`)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "text-two-one") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if len(h.heard) != 2 || h.heard[0] == h.heard[1] || len(h.heard[0]) != 32 || strings.Contains(strings.Join(h.heard, ""), "key-a") {
		t.Errorf("the interceptors got the keys %q", h.heard)
	}
	for _, key := range h.heard {
		if w := h.ask(t, "/openai/deployments/model/chat/completions", key, `{"messages":[{"role":"user","content":"text"}]}`); w.Code != http.StatusUnauthorized {
			t.Errorf("afterwards a key is answered with %d", w.Code)
		}
	}
}

// TestWhoMayGoFurther: what the roles allow is not all that a deployment asks for.
func TestWhoMayGoFurther(t *testing.T) {
	echo := llmtest.Echo{}
	deployments := func() []*catalog.Deployment {
		return []*catalog.Deployment{
			{Name: "guarded", Chat: echo, Interceptors: []string{"one"}}, {Name: "lost", Chat: echo, Interceptors: []string{"nobody"}},
			{Name: "asks", Chat: echo, Consent: true}, {Name: "people", Chat: echo, Direct: true}, {Name: "program", Chat: echo},
		}
	}
	chat, messages := `{"messages":[{"role":"user","content":"text"}]}`, `{"model":"guarded","max_tokens":5,"messages":[{"role":"user","content":"text"}]}`
	nested := (&auth.Pass{Caller: auth.Caller{Project: "team-a"}, Holder: "an-application"})
	endless := &auth.Pass{Caller: nested.Caller, Holder: "an-application", Path: slices.Repeat([]string{"an-application"}, 50)}
	for _, tt := range []struct {
		name, path, body string
		consents         gateway.Consents
		pass             *auth.Pass // instead of the caller's own key
		status           int
		says             string
	}{
		{"an interceptor that is not configured", "/openai/deployments/lost/chat/completions", chat, nil, nil, 404, "Interceptor is not found: nobody"},
		{"the chain is nobody's to enter", "/openai/deployments/interceptor/chat/completions", chat, nil, nil, 403, "Only an interceptor"},
		{"nor an application's", "/openai/deployments/interceptor/chat/completions", chat, nil, nested, 403, "Only an interceptor"},
		{"an interceptor has no name of its own", "/openai/deployments/one/chat/completions", chat, nil, nil, 404, "no deployment"},
		{"Messages do not pass by", "/anthropic/v1/messages", messages, nil, nil, 503, "Anthropic messages not supported"},
		{"nor does what the body names", "/openai/v1/chat/completions", `{"model":"guarded",` + chat[1:], nil, nil, 200, "text-one"},
		{"consent that is not given", "/openai/deployments/asks/chat/completions", chat, agreed(false), nil, 403, "wants your consent first"},
		{"consent that nobody keeps", "/openai/deployments/asks/chat/completions", chat, nil, nil, 403, "wants your consent first"},
		{"consent that is given", "/openai/deployments/asks/chat/completions", chat, agreed(true), nil, 200, "text"},
		{"what is for people", "/openai/deployments/people/chat/completions", chat, nil, nil, 200, "text"},
		{"is not for programs", "/openai/deployments/people/chat/completions", chat, nil, nested, 403, "not accessible by an-application"},
		{"which does not call itself for ever", "/openai/deployments/program/chat/completions", chat, nil, endless, 403, "does an-application call itself"},
		{"which may call the others", "/openai/deployments/program/chat/completions", chat, nil, nested, 200, "text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, key := newHouse(t, tt.consents, deployments()...), "key-a"
			if tt.pass != nil {
				key = h.passes.Issue(tt.pass)
			}
			w := h.ask(t, tt.path, key, tt.body)
			if w.Code != tt.status || !bytes.Contains(w.Body.Bytes(), []byte(tt.says)) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// TestAnInterceptorMayGoOnMoreThanOnce, also side by side, as one that compares answers does; and not after it has
// answered.
func TestAnInterceptorMayGoOnMoreThanOnce(t *testing.T) {
	var h *house
	late := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		key := r.Header.Get("Api-Key")
		answers := make(chan *httptest.ResponseRecorder, 4)
		for range cap(answers) {
			go func() {
				answers <- h.ask(t, "/openai/deployments/interceptor/chat/completions", key, string(body))
			}()
		}
		for range cap(answers) {
			if answer := <-answers; answer.Code != http.StatusOK {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		}
		late <- key
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"1","object":"chat.completion","choices":[]}`)
	}))
	defer server.Close()
	remote, err := proxy.New(proxy.Options{URL: server.URL, Transport: proxy.NewTransport()})
	if err != nil {
		t.Fatal(err)
	}
	h = newHouse(t, nil, &catalog.Deployment{Name: "model", Chat: llmtest.Echo{}, Interceptors: []string{"many"}},
		&catalog.Deployment{Name: "many", Kind: catalog.Interceptor, Remotes: [catalog.Interfaces]*proxy.Remote{catalog.Chats: remote}})
	const chat = `{"messages":[{"role":"user","content":"text"}]}`
	w := h.ask(t, "/openai/deployments/model/chat/completions", "key-a", chat)
	var reply struct {
		Statistics struct {
			PerModel []struct {
				Model string `json:"model"`
				Total int    `json:"total_tokens"`
			} `json:"usage_per_model"`
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
		t.Fatal(err)
	}
	alone := h.ask(t, "/openai/deployments/model/chat/completions", "key-a", chat) // the same again, for the same sum
	if lines := reply.Statistics.PerModel; len(lines) != 1 || lines[0].Model != "model" || lines[0].Total == 0 || lines[0].Total%4 != 0 || alone.Body.String() != w.Body.String() {
		t.Errorf("%s, then %s", w.Body, alone.Body)
	}
	if w := h.ask(t, "/openai/deployments/interceptor/chat/completions", <-late, chat); w.Code != http.StatusUnauthorized {
		t.Errorf("after its answer: %d %s", w.Code, w.Body)
	}
}
