package fixturetest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// behind answers as a server behind the gateway.
func (u *Upstream) behind(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		u.T.Error(err)
	}
	call := r.Method + " http://" + r.Host + r.URL.RequestURI() + "\n" + allHeaders(r.Header) + indent(body)
	script := u.note(call)
	w.Header()["Date"] = nil
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		switch {
		case verb == "relays":
			relay(w, u.ask(r, rest, body))
		case verb == "asks":
			answer := u.ask(r, rest, body)
			u.turn.Lock()
			u.got += fmt.Sprintf("it asked %s: %d %s\n", rest, answer.Code, strings.TrimSpace(answer.Body.String()))
			u.turn.Unlock()
		case !u.waited(r, line):
			u.line(w, line)
		}
	}
}

// ask is what the gateway answers to a call with the key of the request: "POST /path", and then the body, when
// it is not the one that was got.
func (u *Upstream) ask(r *http.Request, what string, body []byte) *httptest.ResponseRecorder {
	method, rest, _ := strings.Cut(what, " ")
	path, own, has := strings.Cut(rest, " ")
	if has {
		body = []byte(own)
	}
	back, err := http.NewRequestWithContext(r.Context(), method, path, bytes.NewReader(body))
	if err != nil {
		u.T.Error(err)
		return httptest.NewRecorder()
	}
	back.Header = http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"nested"}}
	for _, name := range []string{"Api-Key", "Traceparent"} {
		if value := r.Header.Get(name); value != "" {
			back.Header.Set(name, value)
		}
	}
	answer := httptest.NewRecorder()
	u.Front.ServeHTTP(answer, back)
	return answer
}

func relay(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the gateway may have left
}

// allHeaders writes the headers of a call, but for those that every call has.
func allHeaders(h http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		switch name {
		case "Content-Length", "User-Agent", "X-Request-Id", "Accept-Encoding", "X-Amz-Date", "Amz-Sdk-Invocation-Id":
			continue
		case "Api-Key":
			if key := h.Get(name); len(key) == 32 { // random, and so of this request alone
				fmt.Fprintf(&b, "Api-Key: (a per-request key)\n")
				continue
			}
		case "Traceparent":
			fmt.Fprintf(&b, "Traceparent: %s\n", masked(h.Get(name)))
			continue
		case "Authorization":
			if strings.HasPrefix(h.Get(name), "AWS4-HMAC-SHA256 ") {
				fmt.Fprintf(&b, "Authorization: (signed for AWS)\n")
				continue
			}
		}
		for _, value := range h[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String()
}

// knownTrace is the trace of fixtures whose client has one: the specification's example.
const knownTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-"

// masked is a traceparent without what is random of it.
func masked(parent string) string {
	if strings.HasPrefix(parent, knownTrace) && len(parent) == 55 {
		return knownTrace + "(a new span)" + parent[52:]
	}
	return "(a new trace)"
}
