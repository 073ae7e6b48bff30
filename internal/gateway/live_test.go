package gateway_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/memnet"
)

// serveModel is a gateway with one deployment, "m", and one key, "k".
func serveModel(t *testing.T, m llm.ChatModel, log io.Writer) http.Handler {
	t.Helper()
	beating := catalog.Timeouts{Heartbeat: 15 * time.Second}
	visible, err := catalog.New([]*catalog.Deployment{{Name: "m", Chat: m, Timeouts: beating}, {Name: "still", Chat: m}, {Name: "silent"}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("k"), Project: "p"}}})
	if err != nil {
		t.Fatal(err)
	}
	return newHandler(t, gateway.Options{Auth: keys, Deployments: gateway.Fixed(visible), Version: "test", Log: slog.New(slog.NewTextHandler(log, nil))})
}

func newHandler(t testing.TB, o gateway.Options) http.Handler {
	t.Helper()
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const streamed = `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`

func chatRequest(ctx context.Context, body io.Reader) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/openai/v1/chat/completions", body)
	r.RequestURI = ""
	r.Header.Set("Api-Key", "k")
	r.Header.Set("Content-Type", "application/json")
	return r
}

// writes records every write of a reply.
type writes struct {
	*httptest.ResponseRecorder
	pieces []string
}

func (w *writes) Write(b []byte) (int, error) {
	w.pieces = append(w.pieces, string(b))
	return w.ResponseRecorder.Write(b)
}

func TestWhatArrivesTogetherIsWrittenTogether(t *testing.T) {
	model := llmtest.Play(llm.Start{}, &llm.TextDelta{Text: "one"}, &llm.TextDelta{Text: "two"}, llm.Pause{}, llm.Pause{},
		&llm.TextDelta{Text: "three"}, llm.Pause{}, llm.Finish{Reason: llm.FinishStop})
	w := &writes{ResponseRecorder: httptest.NewRecorder()}
	serveModel(t, model, io.Discard).ServeHTTP(w, chatRequest(t.Context(), strings.NewReader(streamed)))
	if len(w.pieces) != 3 || !strings.Contains(w.pieces[0], "one") || !strings.Contains(w.pieces[0], "two") ||
		!strings.Contains(w.pieces[1], "three") || !strings.Contains(w.pieces[2], "[DONE]") {
		t.Errorf("%d writes: %q", len(w.pieces), w.pieces)
	}
	if !w.Flushed {
		t.Error("not flushed")
	}
}

// endless talks every second until it is stopped.
func endless() *llmtest.Script {
	s := llmtest.Play(llm.Start{}, &llm.TextDelta{Text: "a"}, llm.Pause{})
	for range 1000 {
		s.Steps = append(s.Steps, llmtest.Step{Wait: time.Second, Event: &llm.TextDelta{Text: strings.Repeat("word ", 4000)}}, llmtest.Step{Event: llm.Pause{}})
	}
	return s
}

func TestAClientThatLeavesReleasesTheUpstreamAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := endless()
		client := &http.Client{Transport: memnet.Serve(t, serveModel(t, model, io.Discard))}
		ctx, leave := context.WithCancel(t.Context())
		resp, err := client.Do(chatRequest(ctx, strings.NewReader(streamed)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadAtLeast(resp.Body, make([]byte, 4096), 16); err != nil {
			t.Fatal(err)
		}
		if model.Open() != 1 {
			t.Fatal("no reply is running")
		}
		began := time.Now()
		leave()
		synctest.Wait()
		if model.Open() != 0 || time.Since(began) != 0 {
			t.Errorf("%d replies are running %v after the client left", model.Open(), time.Since(began))
		}
	})
}

func TestAClientThatReadsNoMoreIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := endless()
		client := &http.Client{Transport: memnet.Serve(t, serveModel(t, model, io.Discard))}
		resp, err := client.Do(chatRequest(t.Context(), strings.NewReader(streamed)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		time.Sleep(3 * time.Minute)
		if n := model.Open(); n != 0 {
			t.Errorf("%d replies are still running", n)
		}
	})
}

func TestAnAnswerMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &llmtest.Script{Steps: []llmtest.Step{
			{Wait: 20 * time.Minute, Event: &llm.TextDelta{Text: "at last"}}, {Event: llm.Finish{Reason: llm.FinishStop}},
		}}
		client := &http.Client{Transport: memnet.Serve(t, serveModel(t, model, io.Discard))}
		resp, err := client.Do(chatRequest(t.Context(), strings.NewReader(streamed)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || !bytes.HasSuffix(body, []byte("data: [DONE]\n\n")) {
			t.Errorf("got %q, %v", body, err)
		}
	})
}

func TestASilentModelKeepsTheConnectionAwake(t *testing.T) {
	late := func(steps ...llmtest.Step) *llmtest.Script { return &llmtest.Script{Steps: steps} }
	const wait, comment = 40 * time.Second, ": waiting for the model\n\n"
	answer := []llmtest.Step{{Wait: wait, Event: &llm.TextDelta{Text: "a"}}, {Event: llm.Pause{}}, {Wait: wait, Event: llm.Finish{Reason: llm.FinishStop}}}
	tests := []struct {
		name  string
		model llm.ChatModel
		code  int
		beats int
		ends  string

		deployment string // "m" when it is not said
	}{
		{"before and after the first word", late(append([]llmtest.Step{{Event: llm.Start{}}}, answer...)...), http.StatusOK, 4, "data: [DONE]", ""},
		{"not before the model has begun", late(answer...), http.StatusOK, 2, "data: [DONE]", ""},
		{"an error after a heartbeat is an event", late(llmtest.Step{Event: llm.Start{}}, llmtest.Step{Wait: wait, Err: llm.Invalid("", "no")}), http.StatusOK, 2, `"code":null}}`, ""},
		{"an error before it is a status", late(llmtest.Step{Event: llm.Start{}}, llmtest.Step{Wait: time.Second, Err: llm.Invalid("", "no")}), http.StatusBadRequest, 0, `"code":null}}`, ""},
		{"never where the deployment says so", late(append([]llmtest.Step{{Event: llm.Start{}}}, answer...)...), http.StatusOK, 0, "data: [DONE]", "still"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &http.Client{Transport: memnet.Serve(t, serveModel(t, tt.model, io.Discard))}
				ask := strings.Replace(streamed, `"m"`, `"`+cmp.Or(tt.deployment, "m")+`"`, 1)
				resp, err := client.Do(chatRequest(t.Context(), strings.NewReader(ask)))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if n := strings.Count(string(body), comment); err != nil || resp.StatusCode != tt.code || n != tt.beats || !strings.HasSuffix(strings.TrimSpace(string(body)), tt.ends) {
					t.Errorf("%d, %d heartbeats, %q, %v", resp.StatusCode, n, body, err)
				}
			})
		})
	}
}

// panicking yields its events and then panics.
type panicking []llm.Event

func (p panicking) Chat(context.Context, *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for _, event := range p {
			if !yield(event, nil) {
				return
			}
		}
		panic("a bug that mentions hunter2")
	}
}

func TestAPanicNeverLooksLikeAnAnswer(t *testing.T) {
	var log bytes.Buffer
	server := httptest.NewServer(serveModel(t, panicking{&llm.TextDelta{Text: "half"}, llm.Pause{}}, &log))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer server.Close()
	r := chatRequest(t.Context(), strings.NewReader(streamed))
	r.URL.Host = strings.TrimPrefix(server.URL, "http://")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the stream ended as if it were whole: %q, %v", body, err)
	}

	server.Close() // its handler has written its log line then
	early := httptest.NewServer(serveModel(t, panicking{}, &log))
	defer early.Close()
	r = chatRequest(t.Context(), strings.NewReader(streamed))
	r.URL.Host = strings.TrimPrefix(early.URL, "http://")
	refused, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Body.Close()
	body, err := io.ReadAll(refused.Body)
	if err != nil || refused.StatusCode != http.StatusInternalServerError || bytes.Contains(body, []byte("hunter2")) || refused.Header.Get("X-Request-Id") == "" {
		t.Errorf("got %d %s, %v", refused.StatusCode, body, err)
	}
	early.Close()
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "live_test.go") {
		t.Errorf("the log does not name the place: %s", log.String())
	}
}

// TestABodyThatNeverComesIsGivenUp: neither a refusal nor a listing waits for ever for what was
// announced.
func TestABodyThatNeverComesIsGivenUp(t *testing.T) {
	for _, head := range []string{
		"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\n",
		"GET /openai/models HTTP/1.1\r\nHost: g\r\nApi-Key: k\r\nContent-Length: 100\r\n\r\n",
		"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: g\r\nApi-Key: k\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		synctest.Test(t, func(t *testing.T) {
			transport := memnet.Serve(t, serveModel(t, llmtest.Echo{}, io.Discard))
			conn, err := transport.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, head); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := io.ReadAll(conn); err != nil {
				t.Logf("the connection ended with %v", err)
			}
			if d := time.Since(began); d > 6*time.Minute {
				t.Errorf("%.20q was held for %v", head, d)
			}
		})
	}
}

func TestNamesWithSlashes(t *testing.T) {
	visible, err := catalog.New([]*catalog.Deployment{{Name: "team/model", Chat: llmtest.Echo{}}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("k"), Project: "p"}}})
	if err != nil {
		t.Fatal(err)
	}
	handler := newHandler(t, gateway.Options{Auth: keys, Deployments: gateway.Fixed(visible), Log: slog.New(slog.DiscardHandler), Version: "test"})
	for path, want := range map[string]int{
		"/openai/deployments/team/model/chat/completions":   http.StatusOK,
		"/openai/deployments/team%2Fmodel/chat/completions": http.StatusOK,
		"//openai/deployments/team/model/chat/completions":  http.StatusOK,
		"/openai/deployments/team/other/chat/completions":   http.StatusNotFound,
		"/openai/deployments/team/model/nonsense":           http.StatusNotFound,
		"/openai/models/team/model":                         http.StatusOK,
		"/openai/models/team%2Fmodel":                       http.StatusOK,
	} {
		method := http.MethodPost
		if strings.Contains(path, "/models/") {
			method = http.MethodGet
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "http://gateway"+path, strings.NewReader(streamed))
		r.Header.Set("Api-Key", "k")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// zeros is a body of a size that is not announced.
type zeros struct{ left int64 }

func (z *zeros) Read(b []byte) (int, error) {
	if z.left <= 0 {
		return 0, io.EOF
	}
	n := min(int64(len(b)), z.left)
	clear(b[:n])
	z.left -= n
	return int(n), nil
}

func TestBodies(t *testing.T) {
	announced := chatRequest(t.Context(), strings.NewReader("{}"))
	announced.ContentLength = 64<<20 + 1
	silent := chatRequest(t.Context(), strings.NewReader(strings.Replace(streamed, `"m"`, `"silent"`, 1)))
	tests := []struct {
		name    string
		request *http.Request
		status  int
		text    string
	}{
		{"announced as too large", announced, http.StatusRequestEntityTooLarge, "64 MiB"},
		{"too large without saying so", chatRequest(t.Context(), io.MultiReader(&zeros{64<<20 + 1})), http.StatusRequestEntityTooLarge, "64 MiB"},
		{"broken off", chatRequest(t.Context(), io.MultiReader(strings.NewReader(`{"model"`), &failing{})), http.StatusBadRequest, "broke off"},
		{"empty", chatRequest(t.Context(), strings.NewReader("")), http.StatusBadRequest, "line 1, column 1"},
		{"a deployment that does not chat", silent, http.StatusBadRequest, "does not chat"},
	}
	handler := serveModel(t, llmtest.Echo{}, io.Discard)
	for _, tt := range tests {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, tt.request)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
		if w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", tt.name)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRequestIDsFromClientsAreChecked(t *testing.T) {
	handler := serveModel(t, llmtest.Echo{}, io.Discard)
	for id, kept := range map[string]bool{"abc-1.2_3": true, "AZ-az-09": true, "a/b": false, "a:b": false, "a@b": false, "a[b": false, "a`b": false, "a{b": false, "": false, "two words": false, "a\nb": false, strings.Repeat("x", 129): false} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health", http.NoBody)
		r.Header["X-Request-Id"] = []string{id}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Header().Get("X-Request-Id"); (got == id) != kept || got == "" {
			t.Errorf("%q became %q", id, got)
		}
	}
}

// TestRequestsDoNotMix: bodies are read into buffers that requests share one after the other, and a
// request's strings alias its buffer. Whatever is asked at once, everybody gets their own words back.
func TestRequestsDoNotMix(t *testing.T) {
	server := httptest.NewServer(serveModel(t, llmtest.Echo{}, io.Discard))
	defer server.Close()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 25 {
				words := strings.Repeat(fmt.Sprintf("word-%d-%d ", i, j), 1+(i*j)%40) + "end"
				body := fmt.Sprintf(`{"model":"m","stream":%v,"messages":[{"role":"user","content":%q}]}`, j%2 == 0, words)
				r := chatRequest(t.Context(), strings.NewReader(body))
				r.URL.Host = strings.TrimPrefix(server.URL, "http://")
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				reply, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if got := strings.Count(string(reply), fmt.Sprintf("word-%d-%d ", i, j)); err != nil || got != 1+(i*j)%40 || strings.Count(string(reply), "word-") != got {
					t.Errorf("asked %q, got %q, %v", words, reply, err)
				}
			}
		})
	}
	wg.Wait()
}
