package bedrock

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/secret"
)

// TestAKeptConnectionThatIsClosed by the server as the next call comes is no failure: it is made again on a new one. One
// that a new connection does not answer either is a failure, and is not asked a third time.
func TestAKeptConnectionThatIsClosed(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{true, false} {
		var calls atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, said := r.Header["Idempotency-Key"]; said {
				t.Error("a key is sent")
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			if n := calls.Add(1); n == 2 || n > 2 && !again {
				panic(http.ErrAbortHandler) // closes the connection without an answer
			}
			if _, err := io.WriteString(w, `{"output":{"message":{"content":[{"text":"Yes."}],"role":"assistant"}},"stopReason":"end_turn","usage":{}}`); err != nil {
				t.Error(err)
			}
		}))
		transport := NewTransport()
		client := &Client{base: server.URL, transport: transport, catalogue: catalogue, identity: identity{bearer: newBearer(secret.New("k"))}}
		model, err := client.Model(novaLite, ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []bool{true, again} {
			_, err := llm.CollectOne(model.Chat(t.Context(), &llm.ChatRequest{Messages: ask("Hi"), Whole: true}))
			if (err == nil) != want {
				t.Errorf("call %d: %v", i, err)
			}
		}
		if calls.Load() != 3 {
			t.Errorf("%d calls, want 3", calls.Load())
		}
		transport.CloseIdleConnections()
		server.Close()
	}
}
