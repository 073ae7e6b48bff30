package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"outcrop/internal/memnet"
	"outcrop/internal/proxy"
)

// TestAnEventIsFinalByItsName: its data may have the type behind other members.
func TestAnEventIsFinalByItsName(t *testing.T) {
	for wire, body := range map[proxy.Wire]string{
		proxy.Messages:  "event: message_stop\ndata: {\"x\":1,\"type\":\"message_stop\"}\n\n",
		proxy.Responses: "event: response.completed\ndata: {\"response\":{\"output\":[]},\"type\":\"response.completed\"}\n\n",
	} {
		for _, from := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body))} {
			if o := read(t, says(streamType(), from), wire, ""); o.err != nil || !o.last.Last || o.text() != body {
				t.Errorf("wire %d: %v, %q", wire, o.err, o.text())
			}
		}
	}
}

// TestAnErrorThatIsCutIsBroken: half of an error is no end.
func TestAnErrorThatIsCutIsBroken(t *testing.T) {
	for body, whole := range map[string]bool{
		`data: {"error":{"message":"a`: false, `data: {"error":{"message":"a"}}`: true, "data: {\"error\":{\"message\":\"a\"}}\n\n": true,
	} {
		if o := read(t, says(streamType(), strings.NewReader(body)), proxy.Chats, ""); (o.err == nil) != whole || o.text() != body {
			t.Errorf("%q: %v, %q", body, o.err, o.text())
		}
	}
}

// TestStatisticsHaveAnIDWhereNoChunkHas: DIAL's own client takes no chunk without.
func TestStatisticsHaveAnIDWhereNoChunkHas(t *testing.T) {
	for _, body := range []string{"data: [DONE]\n\n", "data: {\"choices\":[]}\n\ndata: [DONE]\n\n"} {
		o := read(t, says(streamType(), strings.NewReader(body)), proxy.Chats, "[1]")
		if text := o.text(); !strings.Contains(text, `data: {"id":"`) || !strings.Contains(text, `"created":`) {
			t.Errorf("%v: %q", o.err, text)
		}
	}
}

// TestOnlyWebSocketsAreUpgraded: in another protocol a client could ask for what is not the route's.
func TestOnlyWebSocketsAreUpgraded(t *testing.T) {
	behind := memnet.Serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" || r.Header.Get("Connection") != "" || r.Header.Get("Http2-Settings") != "" {
			t.Errorf("it was told %v", r.Header)
		}
	}))
	raw, err := proxy.NewRaw(proxy.RawOptions{URL: "http://behind", Transport: behind})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header = http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"AAMAAABk"}}
	if _, err := raw.Serve(httptest.NewRecorder(), r, nil); err != nil {
		t.Error(err)
	}
}

// TestAHeadWithAnEncodingIsNoBrokenBody: there is nothing to inflate.
func TestAHeadWithAnEncodingIsNoBrokenBody(t *testing.T) {
	to := replies(func(*http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Encoding": {"gzip"}}, Body: http.NoBody}
	})
	if o := read(t, to, proxy.Opaque, ""); o.err != nil || o.text() != "" {
		t.Errorf("%v, %q", o.err, o.text())
	}
}
