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
	"outcrop/internal/llm"
	"outcrop/internal/secret"
)

// forwarder is another server that writes a text and then fails.
type forwarder struct {
	says string
	err  error
	got  string
}

func (f *forwarder) Forward(w http.ResponseWriter, _ *http.Request, body []byte) error {
	f.got = string(body)
	if f.says != "" {
		_, _ = io.WriteString(w, f.says)
	}
	return f.err
}

func TestRequestsForOtherServers(t *testing.T) {
	broken := &llm.Error{Kind: llm.KindUpstream, Message: "It broke off."}
	for _, tt := range []struct {
		name, path, body, says string
		err                    error
		want                   string
	}{
		{"the path names it", "/openai/deployments/there/chat/completions", `not even {"model":"JSON"}`, "whole", nil, "200 whole"},
		{"the body names it", "/openai/v1/chat/completions", `{"messages":7,"model":"there","x":1}`, "whole", nil, "200 whole"},
		{"nothing came", "/openai/v1/chat/completions", `{"model":"there"}`, "", broken, "502 It broke off."},
		{"it broke off", "/openai/v1/chat/completions", `{"model":"there"}`, "half", broken, "cut"},
		{"an unknown name", "/openai/v1/chat/completions", `{"model":"nowhere"}`, "", nil, "404 no deployment"},
		{"a body that names none", "/openai/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}]}`, "", nil, "400 model must name"},
		{"a role that may not", "/openai/deployments/closed/chat/completions", `{}`, "", nil, "403 Forbidden"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			there := &forwarder{says: tt.says, err: tt.err}
			visible, err := catalog.New([]*catalog.Deployment{{Name: "there", Chats: there}, {Name: "closed", Chats: there, Roles: []string{}}})
			if err != nil {
				t.Fatal(err)
			}
			keys, err := auth.New([]auth.Key{{Secret: secret.New("k"), Project: "p"}})
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
