package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"outcrop/internal/client"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// serve answers every request with fn and returns a client of it.
func serve(t *testing.T, fn http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(fn)
	t.Cleanup(server.Close)
	return client.New(server.URL+"/", "k-1", server.Client())
}

// answer collects the text of a chat, and its error.
func answer(t *testing.T, c *client.Client) (text string, usage *openai.Usage, err error) {
	t.Helper()
	req := &openai.Request{Model: "a/b c", Messages: []openai.Message{openai.TextMessage("user", "Hi")}}
	for chunk, err := range c.Chat(t.Context(), req) {
		if err != nil {
			return text, usage, err
		}
		for _, choice := range chunk.Choices {
			text += choice.Delta.Content
		}
		if chunk.Usage != nil {
			usage = chunk.Usage
		}
	}
	return text, usage, nil
}

func TestChatOverOurOwnWire(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/openai/deployments/a%2Fb%20c/chat/completions" || r.Header.Get("Api-Key") != "k-1" {
			t.Errorf("got %s with key %q", r.URL.EscapedPath(), r.Header.Get("Api-Key"))
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		req, shape, err := openai.DecodeChat(body)
		if err != nil || !shape.Stream || len(req.Messages) != 1 {
			t.Errorf("%v: %s", err, body)
		}
		err = openai.WriteStream(w, func(yield func(llm.Event, error) bool) {
			_ = yield(&llm.TextDelta{Text: "Hel"}, nil) && yield(llm.Pause{}, nil) && yield(&llm.TextDelta{Text: "lo"}, nil) &&
				yield(llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Input: 1, Output: 2}}, nil)
		}, openai.Envelope{ID: "x", Model: "m", IncludeUsage: true})
		if err != nil {
			t.Error(err)
		}
	})
	text, usage, err := answer(t, c)
	if err != nil || text != "Hello" || usage == nil || usage.TotalTokens != 3 {
		t.Errorf("got %q %+v %v", text, usage, err)
	}
}

func TestFailures(t *testing.T) {
	chunk := `data: {"choices":[{"delta":{"content":"Once"}}]}` + "\n\n"
	tests := []struct {
		name, text string
		status     int
		header     string
		body       string
		check      func(error) bool
	}{
		{name: "a status with our body", status: 429, body: `{"error":{"message":"Too much.","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`,
			check: func(err error) bool {
				e, ok := errors.AsType[*client.Error](err)
				return ok && e.Status == 429 && e.Message == "Too much." && e.Code == "rate_limit_exceeded" && e.RequestID == "req-7" &&
					e.RetryAfter == 2*time.Second && e.Error() == "429: Too much. (request req-7)"
			}},
		{name: "a status with a text", status: 401, body: "Unknown api key\n", check: func(err error) bool {
			return err.Error() == "401: Unknown api key (request req-7)"
		}},
		{name: "a status with nothing", status: 503, check: func(err error) bool {
			return err.Error() == "503: Service Unavailable (request req-7)"
		}},
		{name: "an error inside the stream", text: "Once", status: 200, header: "text/event-stream",
			body: chunk + `data: {"error":{"message":"Broke.","type":"api_error","param":null,"code":"upstream_error"}}` + "\n\n",
			check: func(err error) bool {
				e, ok := errors.AsType[*client.Error](err)
				return ok && e.Status == 200 && e.Code == "upstream_error" && e.Error() == "Broke. (request req-7)"
			}},
		{name: "a stream without its end", text: "Once", status: 200, header: "text/event-stream; charset=utf-8", body: chunk,
			check: func(err error) bool { return errors.Is(err, client.ErrCut) }},
		{name: "a stream cut inside a frame", text: "Once", status: 200, header: "text/event-stream", body: chunk + chunk[:20],
			check: func(err error) bool { return errors.Is(err, client.ErrCut) }},
		{name: "a chunk that is not JSON", status: 200, header: "text/event-stream", body: "data: {\n\n",
			check: func(err error) bool { return strings.Contains(err.Error(), "cannot be read") }},
		{name: "another server", status: 200, header: "text/html", body: "<html>",
			check: func(err error) bool { return strings.Contains(err.Error(), `"text/html" instead of a stream`) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.header)
				w.Header().Set("X-Request-Id", "req-7")
				w.Header().Set("Retry-After", "2")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			text, _, err := answer(t, c)
			if err == nil || !tt.check(err) || text != tt.text {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
}

func TestLeavingTheLoopCancelsTheRequest(t *testing.T) {
	gone := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	for _, err := range c.Chat(t.Context(), &openai.Request{Model: "m"}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	<-gone
}

func TestModels(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/openai/models" || r.Method != http.MethodGet || r.Header.Get("Api-Key") != "k-1" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"a","display_name":{"en":"A"}},{"id":"b"}]}`)
	})
	models, err := c.Models(t.Context())
	if err != nil || len(models) != 2 || models[0].ID != "a" || models[1].ID != "b" {
		t.Errorf("got %+v, %v", models, err)
	}
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if _, err := broken.Models(t.Context()); err == nil {
		t.Error("a page was taken for a list")
	}
}

func TestTheServerMayBeAbsent(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, _, err := answer(t, client.New(server.URL, "secret-key", nil))
	if err == nil || strings.Contains(err.Error(), "secret-key") {
		t.Errorf("got %v", err)
	}
	if _, err := client.New("::", "", nil).Models(t.Context()); err == nil {
		t.Error("a broken URL was accepted")
	}
}

func TestARequestIsWhatTheDoorDecodes(t *testing.T) {
	half := 0.5
	body, err := json.Marshal(openai.Request{
		Model: "m", MaxTokens: 9, Temperature: &half, Stream: true, StreamOptions: &openai.StreamOptions{IncludeUsage: true},
		Messages: []openai.Message{
			openai.TextMessage("system", "Be brief."),
			openai.PartsMessage("user", openai.Part{Type: "text", Text: "Look"}, openai.Part{Type: "image_url", ImageURL: &openai.ImageURL{URL: "data:image/png;base64,AAAA"}}),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	req, shape, err := openai.DecodeChat(body)
	if err != nil || len(shape.Ignored) != 0 || !shape.IncludeUsage || req.MaxTokens != 9 || *req.Sampling.Temperature != half || len(req.Messages[1].Parts) != 2 {
		t.Errorf("%v: %+v %+v", err, req, shape)
	}
}
