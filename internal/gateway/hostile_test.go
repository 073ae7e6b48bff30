package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"outcrop/internal/memnet"
)

// refused is an error as a client reads it.
type refused struct {
	Message string
	Type    string
	Param   *string
	Code    *string
}

// readRefused reads a reply that must be an error in OpenAI's shape: one object, error, with its four
// members, and DIAL's fifth where users may read the message.
func readRefused(body []byte) (refused, error) {
	var shape map[string]map[string]json.RawMessage
	if err := json.Unmarshal(body, &shape); err != nil {
		return refused{}, err
	}
	members := shape["error"]
	if shown, ok := members["display_message"]; ok && string(shown) == string(members["message"]) {
		delete(members, "display_message")
	}
	if len(shape) != 1 || len(members) != 4 {
		return refused{}, fmt.Errorf("not {error:{message,type,param,code}}: %.300q", body)
	}
	var reply struct{ Error refused }
	err := json.Unmarshal(body, &reply)
	if message := reply.Error.Message; err == nil && (message == "" || reply.Error.Type == "" || len(message) > 2000 || !utf8.ValidString(message)) {
		err = fmt.Errorf("no message for a client: %.300q", body)
	}
	return reply.Error, err
}

// nobody is a Bedrock that must not be called.
func nobody(t *testing.T) http.RoundTripper {
	return memnet.Serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("Bedrock was called") }))
}

// TestHostileBodies: whatever is wrong with a body, the client is told once, in OpenAI's words, where and
// what; Bedrock hears nothing of it; and it costs no more than its size allows.
func TestHostileBodies(t *testing.T) {
	handler := newGateway(t, nobody(t), io.Discard, setting{model: "us.amazon.nova-lite-v1:0", remotes: remotes{t: t}})
	all := hostileBodies()
	if len(all) < 150 {
		t.Errorf("%d bodies, want at least 150", len(all))
	}
	for _, h := range all {
		t.Run(h.name, func(t *testing.T) { checkHostile(t, handler, h.body, h.param) })
		if strings.HasPrefix(h.body, `{"model":"`) && !strings.Contains(h.body, `"stream":`) {
			t.Run(h.name+" as a stream", func(t *testing.T) {
				checkHostile(t, handler, `{"stream":true,`+h.body[1:], h.param)
			})
		}
	}
}

func checkHostile(t *testing.T, handler http.Handler, body, param string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := chatRequestWith(t.Context(), "key-a", body)
	spent := work(func() { handler.ServeHTTP(w, r) })
	got, err := readRefused(w.Body.Bytes())
	if err != nil || w.Code != http.StatusBadRequest || got.Type != "invalid_request_error" {
		t.Fatalf("%d %.500q, %v", w.Code, w.Body, err)
	}
	named := ""
	if got.Param != nil {
		named = *got.Param
	}
	if named != param {
		t.Errorf("param %q, want %q: %s", named, param, got.Message)
	}
	spent.check(t, len(body))
}

// cost is what answering a request took.
type cost struct {
	bytes uint64
	time  time.Duration
}

func work(f func()) cost {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	f()
	spent := time.Since(began)
	runtime.ReadMemStats(&after)
	return cost{after.TotalAlloc - before.TotalAlloc, spent}
}

// check: the memory is bounded by the size of the body, and so is the time, generously: tests run on busy
// machines.
func (c cost) check(t *testing.T, size int) {
	t.Helper()
	if most := uint64(1<<20 + 16*size); c.bytes > most {
		t.Errorf("a body of %d bytes took %d bytes of memory, want at most %d", size, c.bytes, most)
	}
	if most := 5*time.Second + time.Duration(size)*time.Microsecond; c.time > most {
		t.Errorf("a body of %d bytes took %v, want at most %v", size, c.time, most)
	}
}
