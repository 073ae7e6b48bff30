package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
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

// loaded is a gateway in a bubble with one deployment, "m", and two keys, "a" and "b".
type loaded struct {
	t    *testing.T
	load *gateway.Load
	net  *memnet.Listener
	log  *lines
}

func newLoaded(t *testing.T, m llm.ChatModel, o gateway.LoadOptions) *loaded {
	t.Helper()
	visible, err := catalog.New([]*catalog.Deployment{{Name: "m", Chat: m}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.New(auth.Options{Keys: []auth.Key{{Digest: auth.Digest("a"), Project: "a"}, {Digest: auth.Digest("b"), Project: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	l := &loaded{t: t, load: gateway.NewLoad(o), net: memnet.Listen(), log: &lines{}}
	server := &http.Server{Handler: newHandler(t, gateway.Options{
		Auth: keys, Deployments: gateway.Fixed(visible), Version: "test", Log: slog.New(slog.NewTextHandler(l.log, nil)), Load: l.load,
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l.net) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		<-time.After(time.Second) // net/http waits a little before it closes a connection whose body it did not read
	})
	return l
}

// send opens a connection and writes text to it.
func (l *loaded) send(text string) net.Conn {
	l.t.Helper()
	conn, err := l.net.DialContext(l.t.Context(), "", "")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		l.t.Fatal(err)
	}
	synctest.Wait()
	return conn
}

// chatOf is a chat of the key as it is on the wire; body may be less than its length says.
func chatOf(key, body string, length int) string {
	return fmt.Sprintf("POST /openai/v1/chat/completions HTTP/1.1\r\nHost: g\r\nApi-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", key, length, body)
}

// head is the status line of the answer.
func head(t *testing.T, conn net.Conn) string {
	t.Helper()
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		return err.Error()
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\r\n")
	return line
}

func (l *loaded) running(want int) {
	l.t.Helper()
	synctest.Wait()
	if s := l.load.State(); s.Running != want {
		l.t.Errorf("%d requests have a place, not %d", s.Running, want)
	}
}

// stuck is a model that says a word, and nothing more until it is left.
type stuck struct{}

// Chat implements llm.ChatModel.
func (stuck) Chat(ctx context.Context, _ *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		if yield(llm.Start{}, nil) && yield(&llm.TextDelta{Text: "one"}, nil) && yield(llm.Pause{}, nil) {
			<-ctx.Done()
			yield(nil, ctx.Err())
		}
	}
}

// lines are what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestARefusalDoesNotReadTheBody: it is there as soon as the headers are, however long the body is.
func TestARefusalDoesNotReadTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoaded(t, stuck{}, gateway.LoadOptions{Places: 1, Bodies: 1000})
		first := l.send(chatOf("a", streamed, len(streamed)))
		l.running(1)
		if got := head(t, l.send(chatOf("b", "", 50<<20))); got != "HTTP/1.1 503 Service Unavailable" {
			t.Errorf("a long body: %s", got)
		}
		if s := l.load.State(); s.Refused["bodies"]+s.Refused["places"] != 1 || s.Bodies != int64(len(streamed)) {
			t.Errorf("state %+v", s)
		}
		_ = first.Close()
		l.running(0)
	})
}

// TestASlowUploadLosesItsPlace after 30 seconds and one more for each 16 KiB.
func TestASlowUploadLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoaded(t, stuck{}, gateway.LoadOptions{Places: 2, Share: 2})
		l.send(chatOf("a", streamed[:10], len(streamed)))
		l.send(chatOf("a", streamed[:10], 160<<10))
		l.running(2)
		time.Sleep(29 * time.Second)
		l.running(2)
		time.Sleep(2 * time.Second)
		l.running(1)
		time.Sleep(8 * time.Second)
		l.running(1)
		time.Sleep(2 * time.Second)
		l.running(0)
	})
}

// TestAnUploadOfUnknownLengthIsBounded in time by what has come of it, and in memory.
func TestAnUploadOfUnknownLengthIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const chunked = "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: g\r\nApi-Key: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
		chunk := fmt.Sprintf("%x\r\n%s\r\n", 16<<10, strings.Repeat(" ", 16<<10))
		l := newLoaded(t, stuck{}, gateway.LoadOptions{Places: 4, Bodies: 1 << 20})
		slow := l.send(chunked + "1\r\n{\r\n")
		time.Sleep(33 * time.Second)
		l.running(1)
		time.Sleep(2 * time.Second) // 64 KiB are counted
		l.running(0)
		_ = slow.Close()
		steady := l.send(chunked)
		for range 60 { // a second for each is what there is
			if _, err := io.WriteString(steady, chunk); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		l.running(1)
		other := l.send(chatOf("b", streamed, len(streamed)))
		l.running(2)
		second := l.send(chunked)
		go func() {
			for range 60 { // of two long ones one is refused
				if _, err := io.WriteString(second, chunk); err != nil {
					return
				}
			}
		}()
		if got := head(t, second); got != "HTTP/1.1 503 Service Unavailable" {
			t.Errorf("the second long one: %s", got)
		}
		l.running(2)
		_ = steady.Close()
		_ = other.Close()
		l.running(0)
	})
}

// TestASlowReaderLosesItsPlace when it has taken nothing for a minute, and the upstream is left.
func TestASlowReaderLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := []llm.Event{llm.Start{}}
		for range 1000 {
			events = append(events, &llm.TextDelta{Text: strings.Repeat("word ", 1000)}, llm.Pause{})
		}
		l := newLoaded(t, llmtest.Play(events...), gateway.LoadOptions{Places: 1})
		l.send(chatOf("a", streamed, len(streamed)))
		l.running(1)
		time.Sleep(59 * time.Second)
		l.running(1)
		time.Sleep(2 * time.Second)
		l.running(0)
	})
}

// TestAFloodIsLoggedOnceASecond, with its count and without a line for each.
func TestAFloodIsLoggedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoaded(t, stuck{}, gateway.LoadOptions{Places: 1})
		first := l.send(chatOf("a", streamed, len(streamed)))
		l.running(1)
		transport := &http.Transport{DialContext: l.net.DialContext}
		defer transport.CloseIdleConnections()
		for range 40 {
			req := chatRequest(context.Background(), strings.NewReader(streamed))
			req.Header.Set("Api-Key", "b")
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			time.Sleep(100 * time.Millisecond)
		}
		_ = first.Close()
		l.running(0)
		text := l.log.String()
		if n := strings.Count(text, "requests are refused"); n != 4 {
			t.Errorf("%d lines:\n%s", n, text)
		}
		if !strings.Contains(text, "refused=10 last_project=b running=1 places=1") || strings.Contains(text, "status=503") {
			t.Errorf("the log:\n%s", text)
		}
	})
}
