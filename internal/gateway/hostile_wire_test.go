package gateway_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"outcrop/internal/openai"
)

// wireCase is bytes on a connection, which end with its half that sends.
type wireCase struct {
	name   string
	bytes  string
	status int
	code   string // OpenAI's
}

const goodBody = `{"model":"claude","messages":[` + hi + `]}`

// heads are requests of which the head is wrong, and the body good.
func heads() []wireCase {
	all := []wireCase{}
	add := func(name, line, headers string, status int, code string) {
		head := line + " HTTP/1.1\r\nHost: g\r\n" + strings.ReplaceAll(headers, "\n", "\r\n")
		all = append(all, wireCase{name, head + "\r\nContent-Length: " + strconv.Itoa(len(goodBody)) + "\r\n\r\n" + goodBody, status, code})
	}
	const chat, typed = "POST /openai/v1/chat/completions", "Api-Key: key-a\nContent-Type: application/json"
	for _, media := range []string{"", "text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
		"application/jsonp", "application/json/x", "json", "/", ";", "application/json, text/plain", "application/octet-stream"} {
		add("content type "+media, chat, "Api-Key: key-a\nContent-Type: "+media, http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	add("no content type", chat, "Api-Key: key-a", http.StatusUnsupportedMediaType, "unsupported_media_type")
	add("no key", chat, "Content-Type: application/json", http.StatusUnauthorized, "invalid_api_key")
	add("a wrong key", chat, "Api-Key: key-b\nContent-Type: application/json", http.StatusUnauthorized, "invalid_api_key")
	add("a key of 60 KB", chat, "Api-Key: "+strings.Repeat("k", 60_000)+"\nContent-Type: application/json", http.StatusUnauthorized, "invalid_api_key")
	add("an empty key", chat, "Api-Key: \nContent-Type: application/json", http.StatusUnauthorized, "invalid_api_key")
	add("a strange scheme", chat, "Authorization: Basic a2V5LWE6\nContent-Type: application/json", http.StatusUnauthorized, "invalid_api_key")
	add("two keys that differ", chat, "Authorization: Bearer key-p\n"+typed, http.StatusBadRequest, "")
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"} {
		add("method "+method, method+" /openai/v1/chat/completions", typed, http.StatusMethodNotAllowed, "method_not_allowed")
	}
	for path, status := range map[string]int{
		"/": http.StatusNotFound, "/openai": http.StatusNotFound, "/openai/v1/chat": http.StatusNotFound, "/openai/v1/chat/completions/": http.StatusNotFound,
		"/openai/v1/chat/completions/.": http.StatusNotFound, "/openai/v1/chat/completions/..": http.StatusNotFound,
		"/openai/v1//chat/completions": http.StatusNotFound, "/openai/v1/../v1/chat/completions/../..": http.StatusNotFound, "/.env": http.StatusNotFound,
		"/openai/deployments//chat/completions": http.StatusNotFound, "/openai/deployments/%2e%2e/chat/completions": http.StatusNotFound,
		"/openai/deployments/..%2f..%2fetc%2fpasswd/chat/completions": http.StatusNotFound, "/openai/deployments/%00/chat/completions": http.StatusNotFound,
		"/openai/deployments/%ff%fe/chat/completions": http.StatusNotFound, "/openai/deployments/a%0d%0aX:%20y/chat/completions": http.StatusNotFound,
		"/openai/deployments/" + strings.Repeat("a", 100_000) + "/chat/completions": http.StatusNotFound, "/" + strings.Repeat("/a", 50_000): http.StatusNotFound,
		"/openai/deployments/<script>alert(1)</script>/chat/completions": http.StatusNotFound, "http://elsewhere/nowhere": http.StatusNotFound,
	} {
		add("path "+path, "POST "+path, typed, status, "*")
	}
	add("a role that may not", "POST /openai/deployments/for-power/chat/completions", typed, http.StatusForbidden, "")
	return all
}

// bodies are requests of which the body's transport is wrong.
func transfers() []wireCase {
	const head = "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: g\r\nApi-Key: key-a\r\nContent-Type: application/json\r\n"
	const chunked = head + "Transfer-Encoding: chunked\r\n\r\n"
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := io.WriteString(z, strings.Repeat(" ", 10<<20)); err != nil || z.Close() != nil {
		return nil
	}
	gzipped := "Content-Encoding: gzip\r\nContent-Length: " + strconv.Itoa(bomb.Len()) + "\r\n\r\n" + bomb.String()
	return []wireCase{
		{"a body that is shorter than announced", head + "Content-Length: 1000\r\n\r\n" + goodBody, openai.StatusClientClosed, "client_closed_request"},
		{"no body", head + "\r\n", http.StatusBadRequest, ""},
		{"no chunk", chunked, openai.StatusClientClosed, "client_closed_request"},
		{"a chunk without a length", chunked + "zz\r\n" + goodBody, http.StatusBadRequest, ""},
		{"a chunk of a negative length", chunked + "-5\r\n" + goodBody, http.StatusBadRequest, ""},
		{"a chunk of more bytes than there are numbers", chunked + "fffffffffffffffff\r\n" + goodBody, http.StatusBadRequest, ""},
		{"a chunk that breaks off", chunked + "ff\r\n" + goodBody, openai.StatusClientClosed, "client_closed_request"},
		{"chunks without a last one", chunked + strconv.FormatInt(int64(len(goodBody)), 16) + "\r\n" + goodBody + "\r\n", openai.StatusClientClosed, "client_closed_request"},
		{"a chunk that is longer than it says", chunked + "5\r\n" + goodBody + "\r\n0\r\n\r\n", http.StatusBadRequest, ""},
		{"a line of chunk extensions without end", chunked + "5;" + strings.Repeat("a", 100_000), http.StatusBadRequest, ""},
		{"announced as larger than we take", head + "Content-Length: 99999999999\r\n\r\n" + goodBody, http.StatusRequestEntityTooLarge, "request_too_large"},
		{"compressed", head + gzipped, http.StatusUnsupportedMediaType, "unsupported_media_type"},
	}
}

// foreign are bytes that net/http does not take for a request. It answers by itself, in plain text.
func foreign() []wireCase {
	const line = "POST /openai/v1/chat/completions HTTP/1.1\r\n"
	return []wireCase{
		{"no HTTP", "hello\r\n\r\n", http.StatusBadRequest, ""},
		{"a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", http.StatusBadRequest, ""},
		{"no host", line + "Api-Key: key-a\r\n\r\n", http.StatusBadRequest, ""},
		{"two lengths", line + "Host: g\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", http.StatusBadRequest, ""},
		{"a length that is no number", line + "Host: g\r\nContent-Length: many\r\n\r\n", http.StatusBadRequest, ""},
		{"a negative length", line + "Host: g\r\nContent-Length: -1\r\n\r\n", http.StatusBadRequest, ""},
		{"a length and chunks", line + "Host: g\r\nApi-Key: key-a\r\nContent-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n\r\nhello", http.StatusNotImplemented, ""},
		{"a header without a name", line + "Host: g\r\n: x\r\n\r\n", http.StatusBadRequest, ""},
		{"a header with a blank in its name", line + "Host: g\r\nApi Key: x\r\n\r\n", http.StatusBadRequest, ""},
		{"a header with a zero byte", line + "Host: g\r\nApi-Key: \x00\r\n\r\n", http.StatusBadRequest, ""},
		{"headers of 2 MB", line + "Host: g\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 2000) + "\r\n", http.StatusRequestHeaderFieldsTooLarge, ""},
		{"a path that is badly escaped", "POST /%zz HTTP/1.1\r\nHost: g\r\n\r\n", http.StatusBadRequest, ""},
		{"a version of tomorrow", "POST / HTTP/9.9\r\nHost: g\r\n\r\n", http.StatusHTTPVersionNotSupported, ""},
	}
}

// TestHostileConnections: the same of everything around a body, byte by byte over a real connection. There
// is one answer, and the connection is done with it.
func TestHostileConnections(t *testing.T) {
	server := httptest.NewUnstartedServer(newGateway(t, nobody(t), io.Discard, setting{remotes: remotes{t: t}}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	defer server.Close()
	for _, c := range slices.Concat(heads(), transfers()) {
		t.Run(shortened(c.name), func(t *testing.T) {
			status, body := exchangeBytes(t, server.Listener.Addr(), c.bytes)
			got, err := readRefused(body)
			if err != nil || status != c.status {
				t.Fatalf("%d %.300q, want %d, %v", status, body, c.status, err)
			}
			code := ""
			if got.Code != nil {
				code = *got.Code
			}
			if code != c.code && c.code != "*" {
				t.Errorf("code %q, want %q: %s", code, c.code, got.Message)
			}
		})
	}
	for _, c := range foreign() {
		t.Run(c.name, func(t *testing.T) {
			if status, body := exchangeBytes(t, server.Listener.Addr(), c.bytes); status != c.status {
				t.Errorf("%d %.300q, want %d", status, body, c.status)
			}
		})
	}
}

func shortened(name string) string {
	if len(name) > 80 {
		return name[:80]
	}
	return name
}

// exchangeBytes sends and reads until the server closes; there must be one reply, and nothing after it but
// the answer to nothing.
func exchangeBytes(t *testing.T, to net.Addr, text string) (status int, body []byte) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), to.Network(), to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	go func() { // the server may answer before it has read all
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(in)
	if netErr := net.Error(nil); errors.As(err, &netErr) && netErr.Timeout() {
		t.Error("the connection stays open")
	}
	if bytes.HasPrefix(rest, []byte("HTTP/1.1 2")) {
		t.Errorf("a second reply: %.300q", rest)
	}
	return resp.StatusCode, body
}
