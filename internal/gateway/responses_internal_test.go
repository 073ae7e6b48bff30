package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/proxy"
	"outcrop/internal/usage"
)

// thinker answers after a minute, unless it is left.
type thinker struct{ left atomic.Int32 }

// Chat implements llm.ChatModel.
func (m *thinker) Chat(ctx context.Context, _ *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
			m.left.Add(1)
			yield(nil, gone(ctx))
			return
		}
		if yield(llm.Start{Model: "m-1"}, nil) && yield(&llm.TextDelta{Text: "At last."}, nil) {
			yield(llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Input: 5, Output: 2}}, nil)
		}
	}
}

// pass lets time go by, and what it brings be done.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// askResponses asks as the project p and returns the status and the body.
func askResponses(t *testing.T, g *Gateway, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/openai/v1/responses"+path, strings.NewReader(body))
	r.Header = http.Header{"Api-Key": {"k"}, "Content-Type": {"application/json"}}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// idIn is the id of a response.
func idIn(t *testing.T, body string) string {
	t.Helper()
	_, rest, _ := strings.Cut(body, `"id":"`)
	id, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no id in %s", body)
	}
	return id
}

const inBackground = `{"model":"m","input":"Hello","background":true}`

// TestAResponseInTheBackground is made after its request has ended, on its own account, with the configuration that
// it began with.
func TestAResponseInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held atomic.Int32
		o := Options{Hold: func() func() {
			held.Add(1)
			return func() { held.Add(-1) }
		}}
		g, entries := over(t, o, &catalog.Deployment{Name: "m", Chat: &thinker{}})
		code, body := askResponses(t, g, http.MethodPost, "", inBackground)
		if code != http.StatusOK || !strings.Contains(body, `"status":"queued"`) || held.Load() != 1 {
			t.Fatalf("%d %s, %d held", code, body, held.Load())
		}
		id := "/" + idIn(t, body)
		pass(2 * time.Minute)
		if _, body := askResponses(t, g, http.MethodGet, id, ""); !strings.Contains(body, `"status":"completed"`) || !strings.Contains(body, "At last.") || held.Load() != 0 {
			t.Errorf("%s, %d held", body, held.Load())
		}
		if e := (*entries)[:2]; e[0].Operation != usage.Other || e[1].Operation != usage.Chat || e[1].Usage != (llm.Usage{Input: 5, Output: 2}) || e[1].Project != "p" || e[1].Model != "m-1" {
			t.Errorf("%+v", e)
		}
	})
}

// TestAResponseThatNobodyWants ends its model, whether it is cancelled or deleted.
func TestAResponseThatNobodyWants(t *testing.T) {
	for _, tt := range []struct{ method, path, then string }{
		{http.MethodPost, "/cancel", `"status":"cancelled"`}, {http.MethodDelete, "", "There is no response"},
	} {
		synctest.Test(t, func(t *testing.T) {
			model := &thinker{}
			g, entries := over(t, Options{}, &catalog.Deployment{Name: "m", Chat: model})
			_, body := askResponses(t, g, http.MethodPost, "", inBackground)
			id := "/" + idIn(t, body)
			pass(time.Second)
			if code, body := askResponses(t, g, tt.method, id+tt.path, "{}"); code != http.StatusOK {
				t.Errorf("%d %s", code, body)
			}
			synctest.Wait()
			if _, body := askResponses(t, g, http.MethodGet, id, ""); !strings.Contains(body, tt.then) || model.left.Load() != 1 {
				t.Errorf("%s, left %d times", body, model.left.Load())
			}
			if e := (*entries)[len(*entries)-2]; e.Usage != (llm.Usage{}) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestDrainWaitsForTheBackground: what is made there is made, or cut with a reason that its caller can read, and accounted for.
func TestDrainWaitsForTheBackground(t *testing.T) {
	stopping := &llm.Error{Kind: llm.KindServerUnavailable, Message: "The server is stopping."}
	for _, tt := range []struct {
		within time.Duration
		cut    bool
		then   string
		usage  llm.Usage
	}{
		{5 * time.Minute, false, `"status":"completed"`, llm.Usage{Input: 5, Output: 2}},
		{time.Second, true, `"status":"failed"`, llm.Usage{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, entries := over(t, Options{}, &catalog.Deployment{Name: "m", Chat: &thinker{}})
			_, body := askResponses(t, g, http.MethodPost, "", inBackground)
			ctx, cancel := context.WithTimeout(t.Context(), tt.within)
			defer cancel()
			if finished := g.Drain(ctx); finished == tt.cut {
				t.Errorf("finished: %v", finished)
			}
			if tt.cut {
				g.Cut(stopping)
				if !g.Drain(t.Context()) {
					t.Error("what is cut does not end")
				}
			}
			if n := len(*entries); n != 2 || (*entries)[1].Usage != tt.usage || (*entries)[1].Operation != usage.Chat {
				t.Errorf("%d entries: %+v", n, *entries)
			}
			_, body = askResponses(t, g, http.MethodGet, "/"+idIn(t, body), "")
			if !strings.Contains(body, tt.then) || tt.cut && !strings.Contains(body, stopping.Message) {
				t.Errorf("%s", body)
			}
			synctest.Wait()
		})
	}
}

// TestOneCallerDoesNotTakeAllJobs, and a job that ends makes room.
func TestOneCallerDoesNotTakeAllJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := over(t, Options{}, &catalog.Deployment{Name: "m", Chat: &thinker{}})
		g.responses.limits.own = 2
		for range 2 {
			if code, body := askResponses(t, g, http.MethodPost, "", inBackground); code != http.StatusOK {
				t.Fatal(body)
			}
		}
		code, body := askResponses(t, g, http.MethodPost, "", inBackground)
		if code != http.StatusTooManyRequests {
			t.Errorf("%d %s", code, body)
		}
		pass(2 * time.Minute)
		if code, body := askResponses(t, g, http.MethodPost, "", inBackground); code != http.StatusOK {
			t.Error(body)
		}
		pass(2 * time.Minute)
	})
}

// respond is a server that makes responses in the background: each call is answered by the next text, the last for
// all that follow.
type respond struct {
	texts []string
	calls []string // method, path and key
}

// RoundTrip implements http.RoundTripper.
func (s *respond) RoundTrip(r *http.Request) (*http.Response, error) {
	text := s.texts[min(len(s.calls), len(s.texts)-1)]
	s.calls = append(s.calls, r.Method+" "+r.URL.Path+" "+r.Header.Get("Api-Key"))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func remoteOf(t *testing.T, url string, s http.RoundTripper) *proxy.Remote {
	t.Helper()
	remote, err := proxy.New(proxy.Options{URL: url, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	return remote
}

// TestAResponseOfAnotherServerIsFollowed until it has ended: it is accounted for though its client never comes, and
// its key ends with it.
func TestAResponseOfAnotherServerIsFollowed(t *testing.T) {
	const running, ended = `{"id":"resp_1","status":"in_progress"}`, `{"id":"resp_1","status":"completed","model":"m-1","usage":{"input_tokens":5,"output_tokens":2}}`
	for _, tt := range []struct {
		name  string
		texts []string
		after time.Duration // when all is over
		calls int
		usage llm.Usage
		fails bool
	}{
		{"it ends", []string{running, running, ended}, time.Minute, 3, llm.Usage{Input: 5, Output: 2}, false},
		{"it fails", []string{running, `{"id":"resp_1","status":"failed"}`}, time.Minute, 2, llm.Usage{}, true},
		{"its server is gone", []string{running, `half`}, 3 * time.Minute, 11, llm.Usage{}, true},
		{"it never ends", []string{running}, 25 * time.Hour, 1 + 24*360 - 1, llm.Usage{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &respond{texts: tt.texts}
				d := &catalog.Deployment{Name: "m", Beside: catalog.Beside{GetResponse: remoteOf(t, "http://there/responses/{id}", s)}}
				d.Remotes[catalog.Responses] = remoteOf(t, "http://there/responses", s)
				g, entries := over(t, Options{}, d)
				if code, body := askResponses(t, g, http.MethodPost, "", inBackground); code != http.StatusOK || strings.Contains(body, "resp_1") {
					t.Fatalf("%d %s", code, body)
				}
				if g.passes.Len() != 1 {
					t.Errorf("%d keys while it runs", g.passes.Len())
				}
				pass(tt.after)
				e := (*entries)[len(*entries)-1]
				if len(*entries) != 2 || e.Usage != tt.usage || e.Failed != tt.fails || e.Operation != usage.Chat || g.passes.Len() != 0 {
					t.Errorf("%d keys, %+v", g.passes.Len(), *entries)
				}
				if n := len(s.calls); n < tt.calls || n > tt.calls+1 || s.calls[1][:20] != "GET /responses/resp_" {
					t.Errorf("%d calls, %.60q", n, s.calls[:2])
				}
			})
		})
	}
}

// TestIDsOfResponsesAreTheirCallers: nobody else's, of no other process, and not to be changed.
func TestIDsOfResponsesAreTheirCallers(t *testing.T) {
	mine, other := auth.Caller{Project: "a"}, auth.Caller{User: "a"}
	s, err := newResponses([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	same, err := newResponses([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := newResponses(nil)
	if err != nil {
		t.Fatal(err)
	}
	at := remoteResponse{"gpt", "resp_original"}
	id, err := s.sealID(mine, at)
	if err != nil || strings.Contains(id, "original") {
		t.Fatal(id, err)
	}
	for _, of := range []*responses{s, same} { // the same secret after a restart
		if got, err := of.openID(mine, id); err != nil || got != at {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, err := s.openID(other, id); !errors.Is(err, errNotOwner) {
		t.Errorf("another caller: %v", err)
	}
	if _, err := foreign.openID(mine, id); llm.AsError(err).Kind != llm.KindNoRoute {
		t.Errorf("another process: %v", err)
	}
	for i := range id {
		changed := id[:i] + string(id[i]^1) + id[i+1:]
		if got, err := s.openID(mine, changed); err == nil && got != at {
			t.Errorf("changed at %d: %+v", i, got)
		}
	}
	theirs, err := s.sealID(other, at)
	if err != nil {
		t.Fatal(err)
	}
	data := func(id string) []byte {
		out, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(id, responsePrefix))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	head := sha256.Size + s.aead.Overhead()
	spliced := responsePrefix + base64.RawURLEncoding.EncodeToString(append(data(id)[:head:head], data(theirs)[head:]...))
	if got, err := s.openID(mine, spliced); err == nil {
		t.Errorf("half of mine and half of another's is %+v", got)
	}
	sealed := s.sealer(mine, "m").Seal([]byte("thinking"))
	if plain, err := same.sealer(mine, "m").Open(sealed); err != nil || string(plain) != "thinking" {
		t.Errorf("%q, %v", plain, err)
	}
	for name, sealer := range map[string]responseSealer{"another caller": s.sealer(other, "m"), "another deployment": s.sealer(mine, "n"), "another process": foreign.sealer(mine, "m")} {
		if _, err := sealer.Open(sealed); err == nil {
			t.Error(name)
		}
	}
}

// TestKeptResponsesAreBounded by number and by bytes; the oldest goes first, but never one that is being made.
func TestKeptResponsesAreBounded(t *testing.T) {
	s, err := newResponses(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.limits.entries, s.limits.bytes, s.limits.entry = 3, 1000, 500
	caller := auth.Caller{Project: "a"}
	s.keep(&keptResponse{id: "job", owner: caller.ID(), running: true, cancel: func() {}})
	for i := range 5 {
		s.put(caller, fmt.Sprint(i), []byte("small"))
	}
	s.put(caller, "huge", make([]byte, 501))
	for id, want := range map[string]bool{"job": true, "0": false, "2": false, "3": true, "4": true, "huge": false} {
		if _, err := s.find(caller, id); (err == nil) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
	s.put(caller, "5", make([]byte, 499))
	s.put(caller, "6", make([]byte, 499))
	if s.bytes > 1000 || len(s.kept) > 3 {
		t.Errorf("%d bytes in %d responses", s.bytes, len(s.kept))
	}
}

// TestNamesOfAnAnswerAreBounded: another server's stream does not fill the memory.
func TestNamesOfAnAnswerAreBounded(t *testing.T) {
	s, err := newResponses(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := &responseNames{responses: s, deployment: "m", known: map[string]string{}}
	stream := &proxy.Answer{Stream: true}
	for i := range 2 * maxNames {
		_, err = n.rename(fmt.Appendf(nil, "data: {\"response\":{\"id\":\"resp_%d\"}}\n\n", i), stream, false)
		if (err != nil) != (i >= maxNames) {
			t.Fatalf("name %d: %v", i, err)
		}
	}
	n = &responseNames{responses: s, deployment: "m", known: map[string]string{}}
	for err = nil; err == nil && len(n.line) <= maxNamedLine; {
		_, err = n.rename(make([]byte, 8<<20), stream, false)
	}
	if err == nil {
		t.Error("a line without an end")
	}
}
