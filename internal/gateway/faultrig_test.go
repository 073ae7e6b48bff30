package gateway_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"outcrop/internal/memnet"
	"outcrop/internal/sandbox"
)

// matrixSandbox is made once for many bubbles: reading the catalogue takes longer than a reply.
func matrixSandbox(t *testing.T) http.Handler {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{Credentials: []sandbox.Credential{{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "hunter2"}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rig is a client, a gateway and a sandbox, with connections that are counted between the last two.
type rig struct {
	client     *http.Client
	transports []*http.Transport
	open       atomic.Int64 // connections from the gateway to the sandbox
	frames     atomic.Int64 // of the last stream from there
	baseline   []string     // goroutines before the first request
}

func newRig(t *testing.T, aws http.Handler, s setting) *rig {
	t.Helper()
	s.remotes.t = t
	r := &rig{}
	upstream := memnet.Serve(t, aws)
	dial := upstream.DialContext
	upstream.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		r.open.Add(1)
		return &countedConn{Conn: conn, open: &r.open}, nil
	}
	front := memnet.Serve(t, newGateway(t, &frameCounter{upstream, &r.frames}, io.Discard, s))
	r.client, r.transports = &http.Client{Transport: front}, []*http.Transport{front, upstream}
	synctest.Wait()
	r.baseline = bubble()
	return r
}

type countedConn struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// frameCounter counts the frames of whole streams.
type frameCounter struct {
	http.RoundTripper
	frames *atomic.Int64
}

func (f *frameCounter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.RoundTripper.RoundTrip(r)
	if err == nil && resp.Header.Get("Content-Type") != "application/json" {
		resp.Body = &countedFrames{ReadCloser: resp.Body, frames: f.frames}
	}
	return resp, err
}

type countedFrames struct {
	io.ReadCloser
	seen   bytes.Buffer
	frames *atomic.Int64
}

func (c *countedFrames) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.seen.Write(b[:n])
	return n, err
}

// Close counts: frames of AWS's, or server-sent events.
func (c *countedFrames) Close() error {
	events := bytes.Count(c.seen.Bytes(), []byte("data: "))
	c.frames.Add(int64(events))
	decoder, rest := eventstream.NewDecoder(), bytes.NewReader(c.seen.Bytes())
	for events == 0 {
		if _, err := decoder.Decode(rest, nil); err != nil {
			break
		}
		c.frames.Add(1)
	}
	return c.ReadCloser.Close()
}

// checkBaseline: no connection and no goroutine is left of the requests.
func (r *rig) checkBaseline(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if n := r.open.Load(); n > 1 {
		t.Errorf("%d upstream connections are open, want at most the idle one", n)
	}
	for _, transport := range r.transports {
		transport.CloseIdleConnections()
	}
	synctest.Wait()
	if n := r.open.Load(); n != 0 {
		t.Errorf("%d upstream connections are busy with nothing", n)
	}
	if now := bubble(); len(now) > len(r.baseline) {
		t.Errorf("%d goroutines, %d before:\n%s", len(now), len(r.baseline), strings.Join(now, "\n\n"))
	}
}

// bubble lists the goroutines of this synctest bubble, as stacks.
func bubble() (stacks []string) {
	buf := make([]byte, 64<<10)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	_, own, _ := strings.Cut(strings.SplitN(all[0], "]", 2)[0], "synctest")
	for _, stack := range all {
		if strings.Contains(strings.SplitN(stack, "\n", 2)[0], "synctest"+own+"]") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// answered is what a client gets: the reply as far as it came, and how it ended.
type answered struct {
	status      int
	retryAfter  string
	text, calls string
	finish      string
	ended       bool // with [DONE], or as one whole JSON body
	err         *wireError
	broken      error // of the connection
	frames      int   // from Bedrock
}

type wireError struct {
	Message, Type, Code string
}

// wireReply is a reply or a chunk of one.
type wireReply struct {
	Error   *wireError
	Choices []struct {
		FinishReason   string `json:"finish_reason"`
		Message, Delta struct {
			Content   string
			ToolCalls []struct {
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
	}
}

func (r *rig) ask(ctx context.Context, body string) answered {
	return r.do(chatRequestWith(ctx, "key-a", body))
}

func (r *rig) do(request *http.Request) (a answered) {
	resp, err := r.client.Do(request)
	if err != nil {
		a.broken = err
		return a
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	a.status, a.retryAfter, a.broken, a.frames = resp.StatusCode, resp.Header.Get("Retry-After"), err, int(r.frames.Load())
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		a.add(data)
		a.ended = err == nil && a.err == nil
		return a
	}
	for line := range strings.Lines(string(data)) {
		switch event, ok := strings.CutPrefix(strings.TrimSpace(line), "data: "); {
		case !ok:
		case event == "[DONE]":
			a.ended = true
		default:
			a.add([]byte(event))
		}
	}
	return a
}

// add takes one reply or chunk.
func (a *answered) add(data []byte) {
	var reply wireReply
	if err := json.Unmarshal(data, &reply); err != nil {
		a.broken = cmp.Or(a.broken, fmt.Errorf("%q: %w", data, err))
		return
	}
	a.err = cmp.Or(a.err, reply.Error)
	for _, choice := range reply.Choices {
		a.finish = cmp.Or(choice.FinishReason, a.finish)
		a.text += choice.Message.Content + choice.Delta.Content
		for _, call := range append(choice.Message.ToolCalls, choice.Delta.ToolCalls...) {
			a.calls += call.Function.Name + call.Function.Arguments
		}
	}
}

func chatRequestWith(ctx context.Context, key, body string) *http.Request {
	r := chatRequest(ctx, strings.NewReader(body))
	r.Header.Set("Api-Key", key)
	return r
}
