package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"outcrop/internal/proxy"
)

// TestAStreamThatEndsWithAnError says so, and one that ends well does not.
func TestAStreamThatEndsWithAnError(t *testing.T) {
	for _, tt := range []struct {
		wire proxy.Wire
		body string
		want bool
	}{
		{proxy.Chats, "data: {\"choices\":[]}\n\ndata: [DONE]\n\n", false},
		{proxy.Chats, "data: {\"error\":{\"message\":\"a\"}}\n\n", true},
		{proxy.Chats, "data: {\"error\":{\"message\":\"a\"}}\n\ndata: [DONE]\n\n", true},
		{proxy.Messages, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", false},
		{proxy.Messages, "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n", true},
		{proxy.Responses, "event: response.completed\ndata: {\"type\":\"response.completed\"}\n\n", false},
		{proxy.Responses, "event: response.incomplete\ndata: {\"type\":\"response.incomplete\"}\n\n", false},
		{proxy.Responses, "event: response.failed\ndata: {\"x\":1,\"type\":\"response.failed\"}\n\n", true},
		{proxy.Responses, "data: {\"type\":\"response.failed\"}\n\n", true},
		{proxy.Responses, "event: error\ndata: {\"type\":\"error\"}\n\n", true},
	} {
		if o := read(t, says(streamType(), strings.NewReader(tt.body)), tt.wire, ""); o.err != nil || o.last.Failed != tt.want {
			t.Errorf("wire %d, %q: %v, %+v", tt.wire, tt.body, o.err, o.last)
		}
	}
}

// TestAKeptConnectionThatIsClosed as the next call comes is no failure of a call that is as good twice.
func TestAKeptConnectionThatIsClosed(t *testing.T) {
	for _, twice := range []bool{true, false} {
		var calls atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header["Idempotency-Key"] != nil {
				t.Error("a key is sent")
			}
			if calls.Add(1) == 2 {
				panic(http.ErrAbortHandler) // closes the connection without an answer
			}
			_, _ = io.WriteString(w, "{}")
		}))
		remote, err := proxy.New(proxy.Options{URL: server.URL, Transport: proxy.NewTransport()})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []bool{true, twice} {
			answer, err := remote.Call(t.Context(), &proxy.Call{Body: []byte("{}"), Twice: twice})
			if (err == nil) != want {
				t.Errorf("twice %t, call %d: %v", twice, i, err)
			}
			if err == nil {
				for _, err := range answer.Pieces() { // to its end, so that its connection is kept
					if err != nil {
						t.Error(err)
					}
				}
			}
		}
		server.Close()
	}
}
