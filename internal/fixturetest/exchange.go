package fixturetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// leaves is a header that no server sees: after how long the client leaves.
const leaves = "Leaves-After"

// comes is a header that no server sees: how long after the exchange before it the request comes.
const comes = "Comes-After"

// shows is a header that no server sees: which more headers of the reply are to be written down.
const shows = "Shows"

// exchange sends a request and returns the reply as text.
func exchange(t *testing.T, handler http.Handler, text []byte) string {
	t.Helper()
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire(text))))
	if err != nil {
		t.Fatal(err)
	}
	request.RemoteAddr = "192.0.2.1:1234" // as httptest's
	if pause := request.Header.Get(comes); pause != "" {
		d, err := time.ParseDuration(pause)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(d) // by the bubble's clock
		request.Header.Del(comes)
	}
	ctx := t.Context()
	if patience := request.Header.Get(leaves); patience != "" {
		d, err := time.ParseDuration(patience)
		if err != nil {
			t.Fatal(err)
		}
		var leave context.CancelFunc
		ctx, leave = context.WithCancel(ctx)
		defer leave()
		time.AfterFunc(d, leave)
		request.Header.Del(leaves)
	}
	more := request.Header.Get(shows)
	request.Header.Del(shows)
	recorder := httptest.NewRecorder()
	cut := serve(t, handler, recorder, request.WithContext(ctx))
	if more == "" {
		return FormatReply(recorder) + cut
	}
	var b strings.Builder
	for name := range strings.SplitSeq(more, ", ") {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(recorder.Header().Values(name), ", "))
	}
	return b.String() + FormatReply(recorder) + cut
}

// serve says whether the connection is cut at the end of the reply.
func serve(t *testing.T, handler http.Handler, w http.ResponseWriter, r *http.Request) (cut string) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			cut = "(the connection is cut)\n"
		default:
			t.Errorf("panic: %v", p)
		}
	}()
	// As of a server, which takes a panic for the end: else httputil.ReverseProxy would not tell.
	handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{})))
	return ""
}

// wire completes a request's text: the protocol version and the length of the body.
func wire(text []byte) string {
	head, body, _ := strings.Cut(string(text), "\n\n")
	body = strings.TrimSuffix(body, "\n")
	line, headers, _ := strings.Cut(strings.TrimSuffix(head, "\n"), "\n")
	if headers != "" {
		headers = strings.ReplaceAll(headers, "\n", "\r\n") + "\r\n"
	}
	return fmt.Sprintf("%s HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: req-1\r\n%sContent-Length: %d\r\n\r\n%s", line, headers, len(body), body)
}

// FormatReply writes status, the headers that a client reads, and the body.
func FormatReply(r *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", r.Code)
	for _, name := range []string{"Content-Type", "Retry-After", "X-Outcrop-Ignored", "X-Outcrop-Changed", "X-DIAL-CACHE-BREAKPOINT-PATH", "X-DIAL-CACHE-EXPIRE-AT", "X-Request-Id"} {
		if value := r.Header().Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	b.WriteString("\n")
	body := r.Body.Bytes()
	if strings.HasPrefix(r.Header().Get("Content-Type"), "application/json") {
		b.WriteString(indent(body))
	} else {
		b.Write(body)
	}
	if len(body) > 0 && !strings.HasSuffix(b.String(), "\n") {
		b.WriteString("\n")
	}
	return b.String()
}

// formatLog leaves out what every line has.
func formatLog(log string) string {
	_, rest, logged := strings.Cut(log, " level=")
	if !logged {
		return ""
	}
	return "level=" + rest
}

func indent(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return string(body)
	}
	return out.String() + "\n"
}
