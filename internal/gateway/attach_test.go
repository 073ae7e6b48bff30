package gateway_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
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
	"outcrop/internal/memnet"
)

// askedFor is a model that remembers what it was askedFor.
type askedFor struct {
	turn     sync.Mutex
	requests []llm.ChatRequest
}

func (a *askedFor) Chat(_ context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		a.turn.Lock()
		a.requests = append(a.requests, *req)
		a.turn.Unlock()
		_ = yield(&llm.TextDelta{Text: "ok"}, nil) && yield(llm.Finish{Reason: llm.FinishStop}, nil)
	}
}

// gatewayOf is a gateway with one deployment and one key, "k", of the project "p".
func gatewayOf(t *testing.T, d *catalog.Deployment, f *fetch.Fetcher) http.Handler {
	t.Helper()
	visible, err := catalog.New([]*catalog.Deployment{d})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("k"), Project: "p"}}})
	if err != nil {
		t.Fatal(err)
	}
	return newHandler(t, gateway.Options{Auth: keys, Deployments: gateway.Fixed(visible), Log: slog.New(slog.DiscardHandler), Version: "test", Fetch: f})
}

func post(ctx context.Context, t *testing.T, h http.Handler, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://gateway"+path, strings.NewReader(body))
	r.Header.Set("Api-Key", "k")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// images is a chat with an image for each URL.
func images(urls ...string) string {
	parts := make([]string, len(urls))
	for i, u := range urls {
		parts[i] = fmt.Sprintf(`{"type":"image_url","image_url":{"url":%q}}`, u)
	}
	return `{"model":"m","messages":[{"role":"user","content":[` + strings.Join(parts, ",") + `]}]}`
}

// memory is a network in which h answers for every public host.
func memory(t *testing.T, h http.HandlerFunc) fetch.Options {
	return fetch.Options{
		Dial: memnet.Serve(t, h).DialContext,
		Resolve: func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
		},
	}
}

// say writes to a client that may have left.
func say(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

const chatRoute = "/openai/v1/chat/completions"

func TestFilesComeSeveralAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		model := &askedFor{}
		h := gatewayOf(t, &catalog.Deployment{Name: "m", Chat: model}, fetch.New(memory(t, func(w http.ResponseWriter, r *http.Request) {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			say(w, r.URL.Path)
		})))
		var urls []string
		for i := range 20 {
			urls = append(urls, fmt.Sprintf("http://files.example/%d", i))
		}
		urls = append(urls, "s3://bucket/key")
		began := time.Now()
		w := post(t.Context(), t, h, chatRoute, images(urls...))
		if w.Code != http.StatusOK || time.Since(began) != 3*time.Second || most.Load() != 8 {
			t.Fatalf("%d after %v, %d at once: %s", w.Code, time.Since(began), most.Load(), w.Body)
		}
		parts := model.requests[0].Messages[0].Parts
		for i := range 20 {
			b, ok := parts[i].(llm.Blob)
			if want := fmt.Sprintf("/%d", i); !ok || string(b.Bytes) != want || b.Base64 != "" || b.Name != want[1:] || b.At != llm.Place(fmt.Sprintf("content[%d].image_url.url", i)) {
				t.Errorf("part %d is %+v", i, parts[i])
			}
		}
		if l, ok := parts[20].(llm.Link); !ok || l.URL != "s3://bucket/key" {
			t.Errorf("the s3 file became %+v", parts[20])
		}
	})
}

func TestTheFirstBadFileEndsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var canceled atomic.Int32
		h := gatewayOf(t, &catalog.Deployment{Name: "m", Chat: &askedFor{}}, fetch.New(memory(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/3" {
				time.Sleep(time.Second)
				http.Error(w, "no", http.StatusForbidden)
				return
			}
			select {
			case <-r.Context().Done():
				canceled.Add(1)
			case <-time.After(20 * time.Second):
			}
		})))
		began := time.Now()
		w := post(t.Context(), t, h, chatRoute, images("http://a.example/0", "http://a.example/1", "http://a.example/2", "http://a.example/3"))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "content[3].image_url.url") || time.Since(began) != time.Second {
			t.Errorf("%d after %v: %s", w.Code, time.Since(began), w.Body)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		if w := post(ctx, t, h, chatRoute, images("http://a.example/0")); w.Code != 499 {
			t.Errorf("the client left: %d %s", w.Code, w.Body)
		}
		synctest.Wait()
		if canceled.Load() != 4 {
			t.Errorf("%d were cancelled", canceled.Load())
		}
	})
}

func TestFilesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		o := memory(t, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			switch r.URL.Path[1] {
			case 'l':
				_, _ = io.CopyN(w, &zeros{left: 20 << 20}, 20<<20) // the client may leave
			case 's':
				<-r.Context().Done()
			}
		})
		h := gatewayOf(t, &catalog.Deployment{Name: "m", Chat: &askedFor{}}, fetch.New(o))
		var many, slow []string
		for i := range 101 {
			many = append(many, fmt.Sprintf("http://a.example/e%d", i))
			slow = append(slow, fmt.Sprintf("http://a.example/s%d", i))
		}
		w := post(t.Context(), t, h, chatRoute, images(many...))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "messages[0].content[100].image_url.url") || calls.Load() != 0 {
			t.Errorf("%d files: %d %s", len(many), w.Code, w.Body)
		}
		if w := post(t.Context(), t, h, chatRoute, images(many[:100]...)); w.Code != http.StatusOK {
			t.Errorf("100 files: %d %s", w.Code, w.Body)
		}
		w = post(t.Context(), t, h, chatRoute, images("http://a.example/l1", "http://a.example/l2", "http://a.example/l3", "http://a.example/l4"))
		if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "64 MiB together") {
			t.Errorf("80 MiB: %d %s", w.Code, w.Body)
		}
		o.Timeout = 10 * time.Hour
		patient := gatewayOf(t, &catalog.Deployment{Name: "m", Chat: &askedFor{}}, fetch.New(o))
		began := time.Now()
		w = post(t.Context(), t, patient, chatRoute, images(slow[:20]...))
		if w.Code != http.StatusBadRequest || time.Since(began) != 2*time.Minute || !strings.Contains(w.Body.String(), "within 2 minutes") {
			t.Errorf("slow files: %d after %v: %s", w.Code, time.Since(began), w.Body)
		}
		none := gatewayOf(t, &catalog.Deployment{Name: "m", Chat: &askedFor{}}, nil)
		if w := post(t.Context(), t, none, chatRoute, images("http://a.example/e")); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "fetches no files") {
			t.Errorf("without a fetcher: %d %s", w.Code, w.Body)
		}
	})
}

// TestTheStorageKnowsTheCaller: DIAL's own files are fetched with what the caller came with.
func TestTheStorageKnowsTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &askedFor{}
		o := memory(t, func(w http.ResponseWriter, r *http.Request) {
			say(w, r.Host+r.URL.Path+" "+r.Header.Get("Api-Key"))
		})
		o.Origin = &url.URL{Scheme: "http", Host: "core:8080"}
		h := gatewayOf(t, &catalog.Deployment{Name: "m", Chat: model}, fetch.New(o))
		body := `{"model":"m","messages":[{"role":"user","content":"x","custom_content":{"attachments":[{"type":"image/png","url":"files/b/a.png"}]}}]}`
		if w := post(t.Context(), t, h, chatRoute, body); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if b, ok := model.requests[0].Messages[0].Parts[1].(llm.Blob); !ok || string(b.Bytes) != "core:8080/v1/files/b/a.png k" || b.MIME != "image/png" {
			t.Errorf("got %+v", b)
		}
	})
}

func TestChoicesAreAskedForSixteenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := &llmtest.Script{Steps: []llmtest.Step{{Event: llm.Start{}}, {Wait: time.Second, Event: &llm.TextDelta{Text: "a"}}, {Event: llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Output: 1}}}}}
		h := gatewayOf(t, &catalog.Deployment{Name: "m", Chat: script}, nil)
		var most atomic.Int64
		watch := time.AfterFunc(500*time.Millisecond, func() { most.Store(int64(script.Open())) })
		defer watch.Stop()
		began := time.Now()
		w := post(t.Context(), t, h, chatRoute, `{"model":"m","n":40,"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`)
		if got := strings.Count(w.Body.String(), `"finish_reason":"stop"`); got != 40 || most.Load() != 16 || time.Since(began) != 3*time.Second {
			t.Errorf("%d choices, %d at once, after %v", got, most.Load(), time.Since(began))
		}
		if !strings.Contains(w.Body.String(), `"completion_tokens":40`) || !strings.HasSuffix(w.Body.String(), "data: [DONE]\n\n") {
			t.Errorf("got %s", w.Body)
		}
		failing := &llmtest.Script{Steps: []llmtest.Step{{Wait: time.Second, Err: &llm.Error{Kind: llm.KindUnavailable, Message: "no"}}}}
		h = gatewayOf(t, &catalog.Deployment{Name: "m", Chat: failing}, nil)
		began = time.Now()
		w = post(t.Context(), t, h, chatRoute, `{"model":"m","n":40,"messages":[{"role":"user","content":"hi"}]}`)
		if w.Code != http.StatusServiceUnavailable || time.Since(began) != time.Second || failing.Open() != 0 {
			t.Errorf("%d after %v, %d open", w.Code, time.Since(began), failing.Open())
		}
	})
}
