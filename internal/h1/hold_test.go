package h1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

type bounds struct {
	IdleTimeout      time.Duration
	MaxIdle, MaxHead int
}

// piped is a transport to a server within the process: each connection is served by serve.
func piped(limits bounds, serve func(net.Conn)) *Transport {
	return &Transport{
		IdleTimeout: limits.IdleTimeout, MaxIdle: limits.MaxIdle, MaxHead: limits.MaxHead,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go serve(there)
			return here, nil
		},
	}
}

func get(t *testing.T, transport http.RoundTripper) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://bedrock/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// answering answers every request with the same.
func answering(text string) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				_ = c.Close()
				return
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// TestATokenNeverWaitsForTheNext: what has come of a stream is given on, though the next chunk has begun to come. net/http
// holds it back until that chunk's size is whole.
func TestATokenNeverWaitsForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := piped(bounds{}, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n6")
			time.Sleep(time.Hour)
			_, _ = io.WriteString(c, "\r\nsecond\r\n0\r\n\r\n")
		})
		response := get(t, transport)
		began := time.Now()
		buf := make([]byte, 100)
		n, err := response.Body.Read(buf)
		if string(buf[:n]) != "first" || err != nil || time.Since(began) != 0 {
			t.Errorf("%q, %v after %v", buf[:n], err, time.Since(began))
		}
		rest, err := io.ReadAll(response.Body)
		if string(rest) != "second" || err != nil || time.Since(began) != time.Hour {
			t.Errorf("%q, %v after %v", rest, err, time.Since(began))
		}
		transport.CloseIdleConnections()
	})
}

// TestAnOpenStreamHoldsNoGoroutine.
func TestAnOpenStreamHoldsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := piped(bounds{}, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
			_, _ = c.Read(make([]byte, 1)) // until it is closed
		})
		const streams = 50
		before := runtime.NumGoroutine()
		var bodies []io.ReadCloser
		for range streams {
			body := get(t, transport).Body
			if n, err := body.Read(make([]byte, 100)); n != 5 || err != nil {
				t.Fatal(n, err)
			}
			bodies = append(bodies, body)
		}
		synctest.Wait()
		if own := runtime.NumGoroutine() - before - streams; own > 0 { // the servers have one each
			t.Errorf("%d goroutines for %d streams", own, streams)
		}
		for _, body := range bodies {
			if c := body.(interface{ held() bool }); c.held() {
				t.Error("an open stream holds a buffer")
			}
			_ = body.Close()
		}
	})
}

// TestAnAnsweredRequestIsLetGo: while an answer is read, what was sent for it is not in memory any more.
func TestAnAnsweredRequestIsLetGo(t *testing.T) {
	server := heads(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
		_, _ = io.Copy(io.Discard, c) // and reads on until it is closed
	})
	for _, size := range []int{8 << 10, 1 << 20} {
		released := make(chan struct{})
		response := func() *http.Response {
			body := bytes.Repeat([]byte{'x'}, size)
			runtime.AddCleanup(&body[0], func(c chan struct{}) { close(c) }, released)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			response, err := (&Transport{}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			return response
		}()
		if n, err := response.Body.Read(make([]byte, 100)); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		gone := false
		for i := 0; i < 500 && !gone; i++ {
			runtime.GC()
			select {
			case <-released:
				gone = true
			case <-time.After(10 * time.Millisecond):
			}
		}
		if !gone {
			t.Errorf("the body of %d bytes is still held", size)
		}
		runtime.KeepAlive(response)
		_ = response.Body.Close()
	}
}

// held says whether the connection holds a buffer.
func (b *body) held() bool { return b.conn.kept != nil }

// TestConnectTimeout bounds the making of a connection, and nothing after it.
func TestConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &Transport{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://bedrock/", nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = slow.RoundTripWithin(r, 3*time.Second)
		late, ok := errors.AsType[*ConnectTimeoutError](err)
		if !ok || late.After != 3*time.Second || time.Since(began) != 3*time.Second || !late.Timeout() {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		thinking := piped(bounds{}, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			time.Sleep(time.Minute)
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		})
		response, err := thinking.RoundTripWithin(r, 3*time.Second)
		if err != nil || response.StatusCode != http.StatusNoContent {
			t.Errorf("%v", err)
		}
		thinking.CloseIdleConnections()
	})
}

const small = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestIdleConnectionsEnd: too many, for too long, those that the server has left, and all when nobody wants them.
func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int32
		transport := piped(bounds{MaxIdle: 2, IdleTimeout: time.Minute}, func(c net.Conn) {
			open.Add(1)
			answering(small)(c)
			open.Add(-1)
		})
		use := func(n int) {
			bodies := make([]io.ReadCloser, n)
			for i := range bodies {
				bodies[i] = get(t, transport).Body
			}
			for _, body := range bodies {
				if text, err := io.ReadAll(body); string(text) != "ok" || err != nil {
					t.Fatalf("%q, %v", text, err)
				}
				_ = body.Close()
			}
			synctest.Wait()
		}
		use(3)
		if open := open.Load(); open != 2 {
			t.Errorf("%d connections idle, at most 2 are to be", open)
		}
		time.Sleep(50 * time.Second)
		use(1)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if open := open.Load(); open != 1 {
			t.Errorf("%d connections, one of which has been idle for 30 s and one for 80 s", open)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if open := open.Load(); open != 0 || transport.sweeper != nil {
			t.Errorf("%d connections after two minutes of silence", open)
		}
		body := get(t, transport).Body
		transport.CloseIdleConnections()
		if _, err := io.ReadAll(body); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if open.Load() != 0 {
			t.Error("a connection that was in use when all were closed is kept")
		}
	})
}

// TestACallGoesBeforeWhatIsIdle: where the process has no descriptor left, connections that wait for a call to their server are closed
// for one to another.
func TestACallGoesBeforeWhatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, refused atomic.Int32
		transport := piped(bounds{}, func(c net.Conn) {
			answering(small)(c)
			open.Add(-1)
		})
		dial := transport.Dial
		transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			synctest.Wait() // for those that are being closed
			if open.Load() == 2 {
				refused.Add(1)
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
			}
			open.Add(1)
			return dial(ctx, network, address)
		}
		ask := func(host string) (*http.Response, error) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			return transport.RoundTrip(r)
		}
		both := func(host string) (bodies [2]io.ReadCloser) {
			for i := range bodies {
				response, err := ask(host)
				if err != nil {
					t.Fatalf("%s, call %d: %v", host, i, err)
				}
				bodies[i] = response.Body
			}
			return bodies
		}
		for _, body := range both("one") {
			if _, err := io.Copy(io.Discard, body); err != nil {
				t.Error(err)
			}
			_ = body.Close()
		}
		inUse := both("other")
		if open.Load() != 2 || refused.Load() != 1 {
			t.Errorf("%d connections, %d refused", open.Load(), refused.Load())
		}
		if _, err := ask("other"); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("with all in use: %v", err)
		}
		for _, body := range inUse {
			_ = body.Close()
		}
		transport.CloseIdleConnections()
	})
}

// TestClosesWhileItIsRead: a Close ends a Read that waits.
func TestClosesWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := piped(bounds{}, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			_, _ = c.Read(make([]byte, 1))
		})
		body := get(t, transport).Body
		ended := make(chan error)
		go func() {
			_, err := body.Read(make([]byte, 10))
			ended <- err
		}()
		synctest.Wait()
		_ = body.Close()
		if err := <-ended; err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
		if _, err := body.Read(make([]byte, 10)); !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("%v", err)
		}
	})
}

// TestHeadsAreBounded: what stands where a server should costs no more memory than is allowed.
func TestHeadsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, text := range map[string]string{
			"a line without end":   "HTTP/1.1 200 " + strings.Repeat("x", 1<<20),
			"headers without end":  "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\n", 1<<17),
			"hints without end":    strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("x", 3000)+"\r\n\r\n", 100),
			"a chunk's extension":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 1<<20),
			"trailers without end": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X-A: b\r\n", 1<<17),
		} {
			transport := piped(bounds{MaxHead: 8 << 10}, answering(text))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://bedrock/", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := transport.RoundTrip(r)
			if err == nil {
				_, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
			}
			if !errors.Is(err, errLongHead) && !errors.Is(err, errAnswer) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
