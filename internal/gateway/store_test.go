package gateway_test

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
)

// painter is a model that answers with files.
type painter []llm.BlobOut

func (p painter) Chat(context.Context, *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for _, out := range p {
			if !yield(out, nil) {
				return
			}
		}
		yield(llm.Finish{Reason: llm.FinishStop}, nil)
	}
}

// serving serves one deployment.
func serving(t *testing.T, d *catalog.Deployment, change func(*gateway.Options)) http.Handler {
	t.Helper()
	visible, err := catalog.New([]*catalog.Deployment{d})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("key-a"), Project: "team-a"}}})
	if err != nil {
		t.Fatal(err)
	}
	o := gateway.Options{Auth: keys, Deployments: gateway.Fixed(visible), Version: "test", Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestAStorageThatHangs: an image is in the reply itself when the storage has not taken it after half a minute.
func TestAStorageThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := serving(t, &catalog.Deployment{Name: "model", Chat: painter{{Blob: llm.Blob{MIME: "image/png", Base64: "cGljdHVyZQ=="}}}}, func(o *gateway.Options) {
			o.Store = func(ctx context.Context, _ http.Header, _ llm.Blob) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			}
		})
		began := time.Now()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, chatRequestWith(t.Context(), "key-a", `{"model":"model","messages":[{"role":"user","content":"A fox"}]}`))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "cGljdHVyZQ==") || time.Since(began) != 30*time.Second {
			t.Errorf("%d after %v: %s", w.Code, time.Since(began), w.Body)
		}
	})
}

// TestAFileThatHasItsPlaceStaysThere: what has a URL is not stored a second time.
func TestAFileThatHasItsPlaceStaysThere(t *testing.T) {
	handler := serving(t, &catalog.Deployment{Name: "model", Chat: painter{{URL: "files/there", Blob: llm.Blob{MIME: "image/png", Name: "Image"}}}}, func(o *gateway.Options) {
		o.Store = func(context.Context, http.Header, llm.Blob) (string, error) {
			t.Error("stored again")
			return "files/again", nil
		}
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, chatRequestWith(t.Context(), "key-a", `{"model":"model","messages":[{"role":"user","content":"A fox"}]}`))
	if !strings.Contains(w.Body.String(), `"url":"files/there"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestMessagesAreForModelsThatChat: of a deployment that only embeds, Anthropic's clients are told so.
func TestMessagesAreForModelsThatChat(t *testing.T) {
	handler := serving(t, &catalog.Deployment{Name: "vectors", Embed: uncalled(t)}, nil)
	for _, operation := range []string{"", "/count_tokens"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, messagesRequest(t.Context(), "/anthropic/v1/messages"+operation, `{"model":"vectors","max_tokens":5,"messages":[{"role":"user","content":"a"}]}`))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "The deployment vectors does not chat.") || !strings.Contains(w.Body.String(), `"invalid_request_error"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// TestAnotherServersModelHasOneDialect: a deployment whose chats are forwarded is not said to be silent.
func TestAnotherServersModelHasOneDialect(t *testing.T) {
	handler := serving(t, &catalog.Deployment{Name: "there", Remotes: newThere(t, "", false).chats()}, nil)
	for _, tt := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/anthropic/v1/messages", `{"model":"there","max_tokens":5,"messages":[{"role":"user","content":"a"}]}`, 503, "Anthropic messages not supported for this deployment type"},
		{"/openai/v1/images/generations", `{"model":"there","prompt":"a"}`, 400, "asked through another server"},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, messagesRequest(t.Context(), tt.path, tt.body))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: %d %s", tt.path, w.Code, w.Body)
		}
	}
}
