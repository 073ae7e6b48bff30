package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// The models of the mock: the same answers, at three paces.
const (
	modelBurst = "us.amazon.nova-lite-v1:0"  // a stream is one write
	modelPaced = "us.amazon.nova-pro-v1:0"   // a stream is a write and a flush for each event, as pace says
	modelSlow  = "us.amazon.nova-micro-v1:0" // as paced, as slow says
)

const (
	deltas = 96 // with the start, the stop of the block, the stop and the usage 100 events
	delta  = "word "
	// plainWords make an answer of 1.1 KB.
	plainWords = 160
)

// pace is how a paced stream goes: how many deltas, and how long after each other.
type pace struct {
	Deltas int           `json:"deltas"`
	Every  time.Duration `json:"every"`
}

// mock is a Bedrock runtime that costs as little as it can.
type mock struct {
	plain []byte

	mu    sync.Mutex
	paces map[string]pace
	last  []byte // the last request's body, for who wants to compare it
}

func newMock() *mock {
	text, err := json.Marshal(strings.Repeat(delta, plainWords))
	if err != nil {
		panic(err) // a string
	}
	return &mock{
		plain: fmt.Appendf(nil, `{"metrics":{"latencyMs":312},"output":{"message":{"content":[{"text":%s}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":500,"outputTokens":%d,"totalTokens":%d}}`,
			text, plainWords, 500+plainWords),
		paces: map[string]pace{modelPaced: {deltas, 10 * time.Millisecond}, modelSlow: {1 << 20, 5 * time.Second}},
	}
}

// frame is one event of a Bedrock stream, with Bedrock's padding of random length in a delta.
func frame(kind, payload string) []byte {
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":event-type", eventstream.StringValue(kind))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	m.Headers.Set(":message-type", eventstream.StringValue("event"))
	var out bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&out, m); err != nil {
		panic(err) // into memory
	}
	return out.Bytes()
}

// framesOf are the events of a stream of n deltas.
func framesOf(n int) [][]byte {
	frames := [][]byte{frame("messageStart", `{"p":"abcdefgh","role":"assistant"}`)}
	for i := range n {
		frames = append(frames, deltaFrame(i))
	}
	return append(frames,
		frame("contentBlockStop", `{"contentBlockIndex":0,"p":"abcdef"}`),
		frame("messageStop", `{"p":"abcdefghijkl","stopReason":"end_turn"}`),
		usageFrame(n))
}

func usageFrame(n int) []byte {
	return frame("metadata", fmt.Sprintf(`{"metrics":{"latencyMs":812},"p":"abc","usage":{"inputTokens":500,"outputTokens":%d,"totalTokens":%d}}`, n, 500+n))
}

const padding = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func deltaFrame(i int) []byte {
	return frame("contentBlockDelta", fmt.Sprintf(`{"contentBlockIndex":0,"delta":{"text":%q},"p":%q}`, delta, padding[:i*7%len(padding)]))
}

func (m *mock) handler() http.Handler {
	burst := bytes.Join(framesOf(deltas), nil)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /model/{id}/converse", func(w http.ResponseWriter, r *http.Request) {
		m.take(r)
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(m.plain) // the gateway may have left
	})
	mux.HandleFunc("POST /model/{id}/converse-stream", func(w http.ResponseWriter, r *http.Request) {
		m.take(r)
		w.Header()["Content-Type"] = []string{"application/vnd.amazon.eventstream"}
		if p, ok := m.paceOf(r.PathValue("id")); ok {
			paced(w, r, p)
			return
		}
		_, _ = w.Write(burst)
	})
	mux.HandleFunc("PUT /pace/{id}", m.setPace)
	mux.HandleFunc("GET /last", func(w http.ResponseWriter, _ *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, _ = w.Write(m.last)
	})
	// Where outcrop's spans go.
	mux.HandleFunc("POST /v1/traces", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	return mux
}

// take reads a request's body.
func (m *mock) take(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	m.mu.Lock()
	m.last = body
	m.mu.Unlock()
}

func (m *mock) paceOf(id string) (pace, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.paces[id]
	return p, ok
}

func (m *mock) setPace(w http.ResponseWriter, r *http.Request) {
	var p pace
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.paces[r.PathValue("id")] = p
}

// paced writes the frames one by one, each at its time.
func paced(w http.ResponseWriter, r *http.Request, p pace) {
	frames := framesOf(0)
	frames[len(frames)-1] = usageFrame(p.Deltas)
	control := http.NewResponseController(w)
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	write := func(data []byte) bool {
		if _, err := w.Write(data); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	if !write(frames[0]) {
		return
	}
	for i := range p.Deltas {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
		if !write(pacedDeltas[i%len(pacedDeltas)]) {
			return
		}
	}
	write(bytes.Join(frames[1:], nil))
}

// pacedDeltas are made once: a mock under ten thousand streams must not cost more than what is measured.
var pacedDeltas = func() (all [deltas][]byte) {
	for i := range all {
		all[i] = deltaFrame(i)
	}
	return all
}()

// serveMock is the command lab mock: it prints its address and serves until it is killed.
func serveMock(dir string, http2 bool) error {
	listener, err := listenTLS(dir, http2)
	if err != nil {
		return err
	}
	fmt.Println("listening " + listener.Addr().String())
	server := &http.Server{Handler: newMock().handler(), ReadHeaderTimeout: time.Minute, IdleTimeout: time.Hour, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 128}}
	return server.Serve(listener)
}

// expectedText is what a client reads of an answer.
func expectedText(words int) string { return strings.Repeat(delta, words) }

// usageOf is the part of a chat's usage that shows that the mock's came through.
func usageOf(words int) string { return `"completion_tokens":` + strconv.Itoa(words) }
