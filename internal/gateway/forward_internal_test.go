package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/openai"
	"outcrop/internal/proxy"
	"outcrop/internal/usage"
)

// aside is a server behind the gateway that writes events, each after a second.
type aside struct {
	events []string
	cut    bool // it breaks off behind them

	mu   sync.Mutex
	open int // bodies
	left int // calls that were given up
}

// RoundTrip implements http.RoundTripper.
func (s *aside) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: &slowBody{s: s, ctx: r.Context()}}, nil
}

type slowBody struct {
	s    *aside
	ctx  context.Context //nolint:containedctx // of the request
	next int
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.next == len(b.s.events) {
		if b.s.cut {
			return 0, errors.New("reset")
		}
		return 0, io.EOF
	}
	select {
	case <-time.After(time.Second):
		b.next++
		return copy(p, b.s.events[b.next-1]), nil
	case <-b.ctx.Done():
		b.s.mu.Lock()
		defer b.s.mu.Unlock()
		b.s.left++
		return 0, b.ctx.Err()
	}
}

func (b *slowBody) Close() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.s.open--
	return nil
}

const (
	eventText  = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n"
	eventUsage = "data: {\"model\":\"m-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n"
	eventDone  = "data: [DONE]\n\n"
)

// beside is a gateway with one deployment, which that server has.
func beside(t *testing.T, kind catalog.Kind, s http.RoundTripper, total time.Duration) (*Gateway, *[]usage.Entry) {
	t.Helper()
	remote, err := proxy.New(proxy.Options{URL: "http://behind/chat", Transport: s, Total: total})
	if err != nil {
		t.Fatal(err)
	}
	d := &catalog.Deployment{Name: "there", Kind: kind, Timeouts: catalog.Timeouts{Total: total}}
	d.Remotes[catalog.Chats] = remote
	return over(t, Options{}, d)
}

func over(t *testing.T, o Options, deployments ...*catalog.Deployment) (*Gateway, *[]usage.Entry) {
	t.Helper()
	visible, err := catalog.New(deployments)
	if err != nil {
		t.Fatal(err)
	}
	passes := auth.NewPasses(time.Hour)
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("k"), Project: "p"}}, Passes: passes})
	if err != nil {
		t.Fatal(err)
	}
	var entries []usage.Entry
	var turn sync.Mutex // of requests, and of what goes on behind them
	o.Auth, o.Deployments, o.Passes, o.Log = keys, Fixed(visible), passes, slog.New(slog.DiscardHandler)
	o.Record = func(e usage.Entry) {
		turn.Lock()
		defer turn.Unlock()
		entries = append(entries, e)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g, &entries
}

func chatOf(ctx context.Context, t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/openai/deployments/there/chat/completions", strings.NewReader(`{"messages":[],"stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Api-Key": {"k"}, "Content-Type": {"application/json"}}
	return r
}

// TestWhoeverLeaves: a model is read to its end for the bill, an application is left, and nothing stays open.
func TestWhoeverLeaves(t *testing.T) {
	whole := []string{eventText, eventText, eventUsage, eventDone}
	paid := llm.Usage{Input: 5, Output: 2}
	for _, tt := range []struct {
		name   string
		kind   catalog.Kind
		events []string
		cut    bool
		leaves time.Duration
		total  time.Duration
		left   int
		took   time.Duration
		usage  llm.Usage
		failed bool
	}{
		{"nobody, from a model", catalog.Model, whole, false, 0, 0, 0, 4 * time.Second, paid, false},
		{"nobody, from an application", catalog.Application, whole, false, 0, 0, 0, 4 * time.Second, paid, false},
		{"a client from a model", catalog.Model, whole, false, 1500 * time.Millisecond, 0, 0, 4 * time.Second, paid, true},
		{"before the first event of a model", catalog.Model, whole, false, 500 * time.Millisecond, 0, 0, 4 * time.Second, paid, true},
		{"a client from an application", catalog.Application, whole, false, 1500 * time.Millisecond, 0, 1, 1500 * time.Millisecond, llm.Usage{}, true},
		{"nobody, from an interceptor: the call that it comes back with has the usage", catalog.Interceptor, whole, false, 0, 0, 0, 4 * time.Second, llm.Usage{}, false},
		{"nobody, from a model that breaks off behind its usage", catalog.Model, whole[:3], true, 0, 0, 0, 3 * time.Second, paid, true},
		{"a client from an interceptor's place", catalog.Interceptor, whole, false, 1500 * time.Millisecond, 0, 1, 1500 * time.Millisecond, llm.Usage{}, true},
		{"a client from a model that breaks off", catalog.Model, whole[:3], true, 1500 * time.Millisecond, 0, 0, 3 * time.Second, paid, true},
		{"a client from a model that never ends", catalog.Model, slowly(2000), false, 1500 * time.Millisecond, 0, 1, 1500*time.Millisecond + drainTimeout, llm.Usage{}, true},
		{"a client from a model with a timeout", catalog.Model, slowly(2000), false, 1500 * time.Millisecond, time.Minute, 1, time.Minute, llm.Usage{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which fails when a goroutine is left
				s := &aside{events: tt.events, cut: tt.cut}
				g, entries := beside(t, tt.kind, s, tt.total)
				if tt.kind == catalog.Interceptor { // nobody calls one by its name
					g, entries = besideInterceptor(t, s)
				}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				if tt.leaves > 0 {
					time.AfterFunc(tt.leaves, leave)
				}
				began := time.Now()
				func() {
					defer func() { _ = recover() }() // of an answer that is cut
					g.ServeHTTP(httptest.NewRecorder(), chatOf(ctx, t, "http://gateway"))
				}()
				if took := time.Since(began); took != tt.took || s.left != tt.left || s.open != 0 {
					t.Errorf("took %v, left %d, still open %d", took, s.left, s.open)
				}
				if len(g.bills.open) != 0 {
					t.Errorf("%d bills are open", len(g.bills.open))
				}
				e := (*entries)[0]
				if diff := cmp.Diff(tt.usage, e.Usage); diff != "" || e.Failed != tt.failed || tt.usage == paid && (e.Model != "m-1" || !e.Stream) {
					t.Errorf("%+v (-want +got):\n%s", e, diff)
				}
				synctest.Wait()
			})
		})
	}
}

func slowly(n int) []string {
	events := make([]string, n)
	for i := range events {
		events[i] = eventText
	}
	return events
}

func besideInterceptor(t *testing.T, s http.RoundTripper) (*Gateway, *[]usage.Entry) {
	t.Helper()
	remote, err := proxy.New(proxy.Options{URL: "http://behind/chat", Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	target, before := &catalog.Deployment{Name: "there", Interceptors: []string{"before"}}, &catalog.Deployment{Name: "before", Kind: catalog.Interceptor}
	target.Remotes[catalog.Chats], before.Remotes[catalog.Chats] = remote, remote
	return over(t, Options{}, target, before)
}

// TestASlowReaderIsNotTheModels: a client that reads no more is one that has left, and its connection is cut.
func TestASlowReaderIsNotTheModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &aside{events: []string{eventText, eventText, eventUsage, eventDone}}
		g, entries := beside(t, catalog.Model, s, 0)
		func() {
			defer func() {
				if cause, _ := recover().(error); !errors.Is(cause, http.ErrAbortHandler) {
					t.Error("the connection is not cut")
				}
			}()
			g.ServeHTTP(&stuck{ResponseRecorder: httptest.NewRecorder()}, chatOf(t.Context(), t, "http://gateway"))
		}()
		if e := (*entries)[0]; e.Usage != (llm.Usage{Input: 5, Output: 2}) || e.Kind != llm.KindCanceled || s.open != 0 {
			t.Errorf("%+v, still open %d", e, s.open)
		}
	})
}

// stuck is a client that takes one write.
type stuck struct {
	*httptest.ResponseRecorder
	writes int
}

func (s *stuck) Write(b []byte) (int, error) {
	if s.writes++; s.writes > 1 {
		return 0, errors.New("timeout")
	}
	return s.ResponseRecorder.Write(b)
}

// TestBillsRollUp: what a model costs is on the bill of every call that led to it, by model, once.
func TestBillsRollUp(t *testing.T) {
	all := newBills()
	outer := all.start("1", nil)
	inner := all.start("2", all.of(&auth.Pass{Span: "1"}))
	inner.own("a", llm.Usage{Input: 1})
	all.of(&auth.Pass{Span: "2"}).add("b", llm.Usage{Input: 2, Output: 1})
	all.of(&auth.Pass{Span: "1"}).add("a", llm.Usage{Output: 3})
	all.of(&auth.Pass{Span: "no more"}).add("c", llm.Usage{Output: 3})
	all.of(nil).add("c", llm.Usage{Output: 3})
	inner.add("nothing", llm.Usage{})
	want := []openai.ModelUsage{{Model: "a", Usage: llm.Usage{Input: 1, Output: 3}}, {Model: "b", Usage: llm.Usage{Input: 2, Output: 1}}}
	if diff := cmp.Diff(want, outer.lines); diff != "" {
		t.Errorf("outer (-want +got):\n%s", diff)
	}
	want = []openai.ModelUsage{{Model: "a", Usage: llm.Usage{Input: 1}}, {Model: "b", Usage: llm.Usage{Input: 2, Output: 1}}}
	if diff := cmp.Diff(want, inner.lines); diff != "" {
		t.Errorf("inner (-want +got):\n%s", diff)
	}
	if all.end("1"); outer.statistics(true, false) == nil || all.of(&auth.Pass{Span: "1"}) != nil {
		t.Error("it is not closed, or forgotten")
	}
	alone := all.start("3", nil)
	alone.own("a", llm.Usage{Input: 1})
	if alone.statistics(true, false) != nil || alone.statistics(false, false) == nil {
		t.Error("the answer knows better what it cost than nobody else")
	}
}

// TestTracesThatAreNone are not continued.
func TestTracesThatAreNone(t *testing.T) {
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for value, want := range map[string]string{
		"00-" + id + "-" + span + "-00":                  id,
		"cc-" + id + "-" + span + "-01-more":             id, // of a version to come
		"00-" + id + "-" + span + "-01-more":             "",
		"ff-" + id + "-" + span + "-01":                  "",
		"00-" + strings.ToUpper(id) + "-" + span + "-01": "",
		"00-" + id[1:] + "-" + span + "-01":              "",
		"00-" + id + "-0000000000000000-01":              "",
		"":                                               "", "-": "", "00-" + id + "-" + span + "-0\n": "",
	} {
		if got := traceOf(http.Header{"Traceparent": {value}}); got.id != want {
			t.Errorf("%q: %q", value, got.id)
		}
	}
}

// TestRoutesCarryWebSockets: after the handshake the two sides talk as they like.
func TestRoutesCarryWebSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind := memnet.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "websocket" || len(r.Header.Get("Api-Key")) != 32 || r.Header.Get("Sec-Websocket-Key") != "x" || r.Header.Get("Cookie") != "" {
				t.Errorf("it was told %v", r.Header)
			}
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			line, _ := buffered.ReadString('\n')
			_, _ = io.WriteString(conn, "you said "+line)
		}))
		server, err := proxy.NewRaw(proxy.RawOptions{URL: "ws://behind/socket", Transport: behind})
		if err != nil {
			t.Fatal(err)
		}
		path, err := WholePath("/live")
		if err != nil {
			t.Fatal(err)
		}
		g, entries := over(t, Options{Routes: []Route{{Name: "live", Paths: []*regexp.Regexp{path}, Server: server}}})
		front := memnet.Serve(t, g)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gateway/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Api-Key": {"k"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Key": {"x"}, "Cookie": {"c=1"}}
		resp, err := front.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		conn, ok := resp.Body.(io.ReadWriter)
		if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
			t.Fatalf("%s %T", resp.Status, resp.Body)
		}
		if _, err := io.WriteString(conn, "hello\n"); err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(conn)
		if string(said) != "you said hello\n" {
			t.Errorf("%q, %v", said, err)
		}
		_ = resp.Body.Close()
		if synctest.Wait(); len(*entries) != 1 || (*entries)[0].Operation != usage.Route {
			t.Errorf("%+v", *entries)
		}
	})
}

// TestAPathOfARouteIsWhole: no expression undoes what stands around it.
func TestAPathOfARouteIsWhole(t *testing.T) {
	if re, err := WholePath(`/a)|(/b`); err == nil {
		t.Errorf("%v", re)
	}
	if re, err := WholePath(`/a|/b`); err != nil || re.MatchString("/a/c") || !re.MatchString("/b") {
		t.Errorf("%v, %v", re, err)
	}
}
