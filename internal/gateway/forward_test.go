package gateway_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/gateway"
	"outcrop/internal/proxy"
)

// there is another server that writes a text and, when it is cut, breaks off then.
type there struct {
	*proxy.Remote
	got string
}

func newThere(t *testing.T, says string, cut bool) *there {
	t.Helper()
	out := &there{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		out.got = string(body)
		if says != "" {
			_, _ = io.WriteString(w, says)
			_ = http.NewResponseController(w).Flush()
		}
		if cut {
			panic(http.ErrAbortHandler)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	remote, err := proxy.New(proxy.Options{URL: server.URL, Transport: proxy.NewTransport()})
	if err != nil {
		t.Fatal(err)
	}
	out.Remote = remote
	return out
}

// chats are the remotes of a deployment whose chats another server has.
func (o *there) chats() [catalog.Interfaces]*proxy.Remote {
	return [catalog.Interfaces]*proxy.Remote{catalog.Chats: o.Remote}
}

func TestRequestsForOtherServers(t *testing.T) {
	for _, tt := range []struct {
		name, path, body, says string
		cut                    bool
		want                   string
	}{
		{"the path names it", "/openai/deployments/there/chat/completions", `not even {"model":"JSON"}`, `{"whole":1}`, false, "200 whole"},
		{"the body names it", "/openai/v1/chat/completions", `{"messages":7,"model":"there","x":1}`, `{"whole":1}`, false, "200 whole"},
		{"nothing came", "/openai/v1/chat/completions", `{"model":"there"}`, "", true, "502 Failed to connect"},
		{"it broke off", "/openai/v1/chat/completions", `{"model":"there"}`, "data: half\n\n", true, "cut"},
		{"half a document came", "/openai/v1/chat/completions", `{"model":"there"}`, `{"choices":[`, true, "502 broke off"},
		{"a page came", "/openai/v1/chat/completions", `{"model":"there"}`, "<!doctype html><p>Sign in", false, "502 no JSON"},
		{"an unknown name", "/openai/v1/chat/completions", `{"model":"nowhere"}`, "", false, "404 no deployment"},
		{"a body that names none", "/openai/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}]}`, "", false, "400 model must name"},
		{"a role that may not", "/openai/deployments/closed/chat/completions", `{}`, "", false, "403 Forbidden"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			there := newThere(t, tt.says, tt.cut)
			visible, err := catalog.New([]*catalog.Deployment{{Name: "there", Remotes: there.chats()}, {Name: "closed", Remotes: there.chats(), Roles: []string{}}})
			if err != nil {
				t.Fatal(err)
			}
			keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("k"), Project: "p"}}})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewUnstartedServer(newHandler(t, gateway.Options{Auth: keys, Deployments: gateway.Fixed(visible), Log: slog.New(slog.DiscardHandler)}))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			server.Start()
			defer server.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Api-Key", "k")
			r.Header.Set("Content-Type", "application/json")
			status, text := answer(server.Client(), r)
			if got := status + " " + text; !strings.HasPrefix(got, tt.want[:3]) || !strings.Contains(text, strings.TrimSpace(tt.want[3:])) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			server.Close() // the handler has ended
			if tt.says != "" && there.got != tt.body {
				t.Errorf("it got %q", there.got)
			}
		})
	}
}

// answer is the status and the text of a reply; "cut" when it was not whole.
func answer(c *http.Client, r *http.Request) (status, text string) {
	resp, err := c.Do(r)
	if err != nil {
		return "cut", err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "cut", string(body)
	}
	return resp.Status[:3], string(body)
}
