package fixturetest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// Upstream is a Bedrock that answers as a script says.
type Upstream struct {
	T testing.TB
	// Place checks a call, and says what stands before its path where the calls are written down.
	Place func(r *http.Request) string
	// Note is more about a call, whole lines of it; nil for nothing.
	Note func(r *http.Request) string
	// Profile is what the control plane knows of a profile; empty for nothing.
	Profile []byte
	// Front makes it any server behind a gateway, which is Front: what a GET asks for is a call as well, all that
	// a call says is written down, and a script may call the gateway back with the key that it was given.
	Front http.Handler

	script []byte
	turn   sync.Mutex
	calls  int
	got    string // every call that differs from the one before it
}

// begin starts an exchange.
func (u *Upstream) begin(script []byte) {
	u.turn.Lock()
	defer u.turn.Unlock()
	u.script, u.calls, u.got = script, 0, ""
}

// end is how often it was called in the exchange, and what it was called with.
func (u *Upstream) end() (calls int, got string) {
	u.turn.Lock()
	defer u.turn.Unlock()
	return u.calls, u.got
}

// parts are the replies of a script, which stand between lines "next": the first is for the first call,
// and so on, the last for all that follow.
func (u *Upstream) parts() []string { return strings.Split(string(u.script), "\nnext\n") }

// expected is how often it is to be called: once for each part that has a status, or as a line "calls"
// says.
func (u *Upstream) expected() (n int) {
	for _, part := range u.parts() {
		for line := range strings.Lines(part) {
			calls := 0
			if _, err := fmt.Sscanf(line, "calls %d", &calls); err == nil {
				return calls
			}
			if strings.HasPrefix(line, "status ") || strings.HasPrefix(line, "relays ") {
				n++
			}
		}
	}
	return n
}

// note remembers a call and returns the reply to it.
func (u *Upstream) note(call string) string {
	u.turn.Lock()
	defer u.turn.Unlock()
	parts := u.parts()
	part := parts[min(u.calls, len(parts)-1)]
	u.calls++
	if !strings.HasSuffix(u.got, call) {
		u.got += call
	}
	return part
}

// control answers a question to the control plane.
func (u *Upstream) control(w http.ResponseWriter) {
	w.Header()["Date"] = nil
	if len(u.Profile) == 0 {
		w.WriteHeader(http.StatusNotFound)
	}
	u.write(w, u.Profile)
}

func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u.Front != nil {
		u.behind(w, r)
		return
	}
	if r.Method == http.MethodGet {
		u.control(w)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		u.T.Error(err)
	}
	call := r.Method + " " + u.Place(r) + r.URL.EscapedPath() + "\n"
	if u.Note != nil {
		call += u.Note(r)
	}
	script := u.note(call + bedrockHeaders(r.Header) + indent(body))
	w.Header()["Date"] = nil
	w.Header().Set("X-Amzn-Requestid", "aws-1")
	for line := range strings.Lines(script) {
		if !u.waited(r, line) {
			u.line(w, strings.TrimSpace(line))
		}
	}
}

// bedrockHeaders writes the headers by which a request asks Bedrock for something.
func bedrockHeaders(h http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if strings.HasPrefix(name, "X-Amzn-Bedrock-") || strings.HasPrefix(name, "Anthropic-") {
			fmt.Fprintf(&b, "%s: %s\n", name, h.Get(name))
		}
	}
	return b.String()
}

// line does one line of a script: status, header, json, event, exception, or a way to break off.
func (u *Upstream) line(w http.ResponseWriter, line string) {
	verb, rest, _ := strings.Cut(line, " ")
	name, value, _ := strings.Cut(rest, " ")
	switch verb {
	case "", "calls":
	case "header":
		w.Header().Set(name, value)
	case "status":
		status := 0
		if _, err := fmt.Sscan(rest, &status); err != nil {
			u.T.Error(err)
		}
		w.WriteHeader(status)
	case "json":
		u.write(w, []byte(rest))
	case "data":
		u.write(w, []byte("data: "+rest+"\n\n"))
	case "said": // an event of Anthropic's stream, which has its name twice
		u.write(w, []byte("event: "+name+"\ndata: "+value+"\n\n"))
	case "chunk": // the same within InvokeModelWithResponseStream
		u.write(w, EncodeFrame(u.T, "event", "chunk", `{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(rest))+`"}`))
	case "gzip":
		u.write(w, compressed(u.T, strings.ReplaceAll(rest, `\n`, "\n")))
	case "half-data":
		u.write(w, []byte("data: "+rest[:len(rest)/2]))
	case "event", "exception":
		u.write(w, EncodeFrame(u.T, verb, name, value))
	case "bad-checksum":
		frame := EncodeFrame(u.T, "event", name, value)
		frame[len(frame)-1] ^= 1
		u.write(w, frame)
	case "half":
		frame := EncodeFrame(u.T, "event", name, value)
		u.write(w, frame[:len(frame)/2])
	case "cut":
		panic(http.ErrAbortHandler)
	default:
		u.T.Errorf("unknown line %q", line)
	}
}

// waited does the line "wait" of a script, which is also over, and said to be, when the client
// leaves.
func (u *Upstream) waited(r *http.Request, line string) bool {
	text, ok := strings.CutPrefix(strings.TrimSpace(line), "wait ")
	if !ok {
		return false
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		u.T.Error(err)
	}
	select {
	case <-time.After(d):
	case <-r.Context().Done():
		u.turn.Lock()
		defer u.turn.Unlock()
		u.got += "left\n"
	}
	return true
}

func (u *Upstream) write(w http.ResponseWriter, data []byte) {
	if _, err := w.Write(data); err != nil {
		u.T.Logf("writing: %v", err)
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		u.T.Logf("flushing: %v", err)
	}
}

// compressed is a text as Content-Encoding gzip has it.
func compressed(t testing.TB, text string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	return out.Bytes()
}

// EncodeFrame is one frame of AWS's event stream: an "event" or an "exception".
func EncodeFrame(t testing.TB, kind, name, payload string) []byte {
	t.Helper()
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":"+kind+"-type", eventstream.StringValue(name))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	m.Headers.Set(":message-type", eventstream.StringValue(kind))
	var out bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	if b := out.Bytes(); crc32.ChecksumIEEE(b[:len(b)-4]) == 0 {
		t.Fatal("an unlikely frame")
	}
	return out.Bytes()
}

// Answer writes a reply that is given as text: the status, the header and, after an empty line, the
// body; a body that begins with "base64:" is in base64.
func Answer(t testing.TB, w http.ResponseWriter, text []byte) {
	head, body, _ := strings.Cut(string(text), "\n\n")
	line, headers, _ := strings.Cut(head, "\n")
	for header := range strings.Lines(headers) {
		name, value, _ := strings.Cut(strings.TrimSpace(header), ": ")
		w.Header().Set(name, value)
	}
	status := 0
	if _, err := fmt.Sscan(line, &status); err != nil {
		t.Errorf("%.40q does not begin with a status: %v", text, err)
	}
	if encoded, ok := strings.CutPrefix(body, "base64:"); ok {
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil {
			t.Error(err)
		}
		body = string(decoded)
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the client may have left
}
