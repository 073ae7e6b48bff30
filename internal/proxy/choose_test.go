package proxy_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"outcrop/internal/balance"
	"outcrop/internal/proxy"
)

// pair is two upstreams, of which the first is asked first.
func pair() *balance.Group {
	return balance.New(balance.Options{Name: "model:m", Attempts: 2, Upstreams: []balance.Upstream{{ID: "a", Weight: 1}, {ID: "b", Weight: 1, Tier: 1}}})
}

// TestTheFirstEventDecides whether another upstream is asked, however it comes: a client has seen none of it.
func TestTheFirstEventDecides(t *testing.T) {
	const throttled = `data: {"error":{"message":"no data: too much","type":"rate_limit_error"}}`
	lost := iotest.ErrReader(errors.New("connection reset"))
	for _, tt := range []struct {
		name  string
		first io.Reader
		from  string
	}{
		{"an error", strings.NewReader(throttled + "\n\n"), "b"},
		{"an error with a name", strings.NewReader("event: error\r\n" + throttled + "\r\n\r\n"), "b"},
		{"an error in two parts", io.MultiReader(strings.NewReader(throttled[:40]), strings.NewReader(throttled[40:]+"\n\n")), "b"},
		{"an error in many parts", iotest.OneByteReader(strings.NewReader(throttled + "\n\n")), "b"},
		{"a part of an event", io.MultiReader(strings.NewReader(throttled[:9]), lost), "b"},
		{"nothing", strings.NewReader(""), "b"},
		{"a word about errors", strings.NewReader(`data: {"choices":[{"delta":{"content":"data: \"error\""}}]}` + "\n\n"), "a"},
		{"an event, and then nothing", io.MultiReader(strings.NewReader("data: {\"choices\":[]}\n\n"), lost), "a"},
		{"an event whose end is the stream's", strings.NewReader("data: {\"choices\":[]}"), "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			r, err := proxy.New(proxy.Options{
				URL: "http://adapter/chat", Group: pair(), Upstreams: []proxy.Upstream{{}, {}},
				Transport: replies(func(*http.Request) *http.Response {
					asked++
					body := io.Reader(strings.NewReader("data: {\"choices\":[]}\n\ndata: [DONE]\n\n"))
					if asked == 1 {
						body = tt.first
					}
					return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(body)}
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			answer, err := r.Call(t.Context(), &proxy.Call{Body: []byte(`{}`)})
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Close()
			if answer.Via.Upstream != tt.from {
				t.Errorf("%s answers", answer.Via.Upstream)
			}
		})
	}
}

// TestAPanicEndsATurn: nobody takes the upstream to be busy from then on.
func TestAPanicEndsATurn(t *testing.T) {
	group := pair()
	var servers []*proxy.Raw
	for range 2 {
		s, err := proxy.NewRaw(proxy.RawOptions{URL: "http://server", Transport: replies(func(*http.Request) *http.Response { panic("a transport") })})
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, s)
	}
	func() {
		defer func() { _ = recover() }()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gateway", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = proxy.Several(group, servers).Serve(nil, request, nil)
	}()
	for _, s := range group.State() {
		if s.Running != 0 {
			t.Errorf("%s answers %d requests", s.Upstream, s.Running)
		}
	}
}
