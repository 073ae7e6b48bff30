package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/memnet"
)

// draining is a server in a bubble, and what a test asks of it.
type draining struct {
	t      *testing.T
	client *http.Client
	stop   context.CancelFunc
	done   chan error
	began  time.Time
}

func newDraining(t *testing.T, d drain) *draining {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	ready := &readiness{}
	ready.configured.Store(true)
	p := newParts(inMemory(t), nil, logger)
	p.ready = ready.reason
	handler, _, err := build(demoConfig(), p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	listener := memnet.Listen()
	transport := &http.Transport{DialContext: listener.DialContext, MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	s := &draining{t, &http.Client{Transport: transport}, stop, make(chan error, 1), time.Now()}
	go func() {
		s.done <- service{newServer(handler, logger), listener, d, ready, logger, handler}.run(ctx)
	}()
	return s
}

// get returns the status and the body, and whether the server closes the connection.
func (s *draining) get(path string) (status int, body string, closes bool, err error) {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://gateway"+path, nil)
	if err != nil {
		return 0, "", false, err
	}
	return s.do(req)
}

func (s *draining) do(req *http.Request) (status int, body string, closes bool, err error) {
	req.Header.Set("Api-Key", demoKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", false, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), resp.Close, err
}

// stream asks for a stream of so many seconds, and returns it whole.
func (s *draining) stream(seconds string) (string, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://gateway/openai/deployments/nova-lite/chat/completions",
		strings.NewReader(`{"stream":true,"messages":[{"role":"user","content":"[[sandbox drip=1s tokens=`+seconds+`]]"}]}`))
	if err != nil {
		return "", err
	}
	_, body, _, err := s.do(req)
	return body, err
}

func (s *draining) ended(after time.Duration) {
	s.t.Helper()
	if err := <-s.done; err != nil {
		s.t.Error(err)
	}
	// Shutdown looks every half second.
	if took := time.Since(s.began); took < after || took > after+2*time.Second {
		s.t.Errorf("it ended %v after the signal, not %v", took, after)
	}
}

// TestWhileDrainingNewRequestsAreServed for the delay, although the server says at once that it is not ready;
// then it refuses connections, and the ones that are idle are closed.
func TestWhileDrainingNewRequestsAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDraining(t, drain{delay: 5 * time.Second, timeout: time.Minute})
		if status, body, closes, err := s.get("/ready"); status != http.StatusOK || body != `{"status":"ready"}` || closes || err != nil {
			t.Errorf("before: %d %s %t %v", status, body, closes, err)
		}
		s.stop()
		s.began = time.Now()
		synctest.Wait()
		if status, body, closes, _ := s.get("/ready"); status != http.StatusServiceUnavailable || !closes || body != `{"status":"not ready","reason":"draining: the server is stopping"}` {
			t.Errorf("draining: %d %s %t", status, body, closes)
		}
		if status, _, closes, err := s.get("/health"); status != http.StatusOK || !closes || err != nil {
			t.Errorf("health: %d %t %v", status, closes, err)
		}
		time.Sleep(4 * time.Second)
		if status, _, closes, err := s.get("/openai/models"); status != http.StatusOK || !closes || err != nil {
			t.Errorf("a request within the delay: %d %t %v", status, closes, err)
		}
		time.Sleep(2 * time.Second)
		if _, _, _, err := s.get("/health"); err == nil {
			t.Error("a request after the delay was accepted")
		}
		s.ended(5 * time.Second)
	})
}

// TestRunningStreamsEndWhole: fifty of them, and one that begins within the delay.
func TestRunningStreamsEndWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDraining(t, drain{delay: 5 * time.Second, timeout: time.Minute})
		bodies, errs := streams(s, 50, "20")
		time.Sleep(3 * time.Second)
		s.stop()
		s.began = time.Now()
		time.Sleep(time.Second)
		late, err := s.stream("10")
		bodies(func(body string) {
			if !strings.HasSuffix(body, "data: [DONE]\n\n") || strings.Contains(body, `"error"`) {
				t.Errorf("a stream ends with %q", body[max(0, len(body)-200):])
			}
		})
		if !strings.HasSuffix(late, "data: [DONE]\n\n") || err != nil || errs() != nil {
			t.Errorf("the late one: %v, %q; the others: %v", err, late[max(0, len(late)-200):], errs())
		}
		s.ended(20 * time.Second)
	})
}

// TestStreamsThatRunOnEndWithAnError, none of them as if it were whole.
func TestStreamsThatRunOnEndWithAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDraining(t, drain{delay: time.Second, timeout: 3 * time.Second})
		bodies, errs := streams(s, 50, "100")
		time.Sleep(3 * time.Second)
		s.stop()
		s.began = time.Now()
		bodies(func(body string) {
			if !strings.Contains(body, `data: {"error":{"message":"The server is stopping`) || strings.Contains(body, "[DONE]") {
				t.Errorf("a stream ends with %q", body[max(0, len(body)-200):])
			}
		})
		if errs() != nil {
			t.Error(errs())
		}
		s.ended(4 * time.Second)
	})
}

// streams begins n of them. bodies waits for all; errs is for afterwards.
func streams(s *draining, n int, seconds string) (bodies func(func(string)), errs func() error) {
	var all sync.WaitGroup
	out, failed := make([]string, n), make([]error, n)
	for i := range n {
		all.Go(func() { out[i], failed[i] = s.stream(seconds) })
	}
	return func(look func(string)) {
		all.Wait()
		for _, body := range out {
			look(body)
		}
	}, func() error { return errors.Join(failed...) }
}

func TestDrainFlagsAreChecked(t *testing.T) {
	for _, tt := range []struct{ flag, want string }{
		{"--drain-delay=-1s", "--drain-delay is negative"}, {"--drain-timeout=-1s", "--drain-timeout is negative"},
	} {
		for _, command := range []string{"serve", "adapter"} {
			var stderr output
			if code := run(t.Context(), []string{command, "--sandbox", tt.flag}, strings.NewReader(""), io.Discard, &stderr); code != 1 || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("%s %s: exit status %d, %s", command, tt.flag, code, &stderr)
			}
		}
	}
}

// TestWhatIsMadeInTheBackgroundIsWaitedFor as long as replies are, and then ends as they do.
func TestWhatIsMadeInTheBackgroundIsWaitedFor(t *testing.T) {
	for _, tt := range []struct{ timeout, ends time.Duration }{{time.Minute, 20 * time.Second}, {5 * time.Second, 5 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s := newDraining(t, drain{timeout: tt.timeout})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway/openai/v1/responses",
				strings.NewReader(`{"model":"nova-lite","background":true,"input":"[[sandbox start=20s text=late]]"}`))
			if err != nil {
				t.Fatal(err)
			}
			if status, body, _, err := s.do(req); status != http.StatusOK || !strings.Contains(body, `"status":"queued"`) || err != nil {
				t.Fatalf("%d %s %v", status, body, err)
			}
			s.stop()
			s.began = time.Now()
			s.ended(tt.ends)
		})
	}
}

// TestWebSocketsAreWaitedFor, and cut when their time is over, as a stream is.
func TestWebSocketsAreWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name         string
		leaves, ends time.Duration // after the signal
	}{
		{"it ends by itself", 10 * time.Second, 10 * time.Second},
		{"it does not", time.Hour, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				echo := memnet.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					conn, buffered, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer func() { _ = conn.Close() }()
					_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
					_, _ = io.Copy(conn, buffered)
				}))
				front := &httputil.ReverseProxy{Transport: echo, Rewrite: func(p *httputil.ProxyRequest) {
					p.Out.URL = &url.URL{Scheme: "http", Host: "echo"}
					p.Out.Header["Connection"], p.Out.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
				}}
				ctx, stop := context.WithCancel(t.Context())
				listener, log, done := memnet.Listen(), slog.New(slog.DiscardHandler), make(chan error, 1)
				go func() {
					done <- service{server: newServer(front, log), listener: listener, drain: drain{timeout: time.Minute}, log: log}.run(ctx)
				}()
				conn, err := listener.DialContext(t.Context(), "tcp", "gateway:80")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				lines := bufio.NewReader(conn)
				for line := ""; line != "\r\n"; {
					if line, err = lines.ReadString('\n'); err != nil {
						t.Fatal(err)
					}
				}
				stop()
				began := time.Now()
				time.AfterFunc(tt.leaves, func() { _ = conn.Close() })
				time.Sleep(5 * time.Second)
				_, _ = io.WriteString(conn, "still there?\n")
				if said, err := lines.ReadString('\n'); said != "still there?\n" {
					t.Errorf("%q, %v while the server drains", said, err)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took < tt.ends || took > tt.ends+3*time.Second {
					t.Errorf("it ended after %v, not %v", took, tt.ends)
				}
				_ = conn.Close()
			})
		})
	}
}
