package h1

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is a server that answers every request with the same bytes, and ends the connection after them if they say so.
func scripted(t *testing.T, answer string, ends bool) string {
	t.Helper()
	return accepting(t, func(c net.Conn) {
		defer func() { _ = c.Close() }()
		for r := bufio.NewReader(c); ; {
			request, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil || ends {
				return
			}
		}
	}) + "/model/x%3A0/converse?a=b"
}

// seen is what a caller sees of an answer.
type seen struct {
	Status   int
	Header   http.Header
	Length   int64
	Close    bool
	Body     string
	NoAnswer bool
	Broken   bool
}

func see(t *testing.T, transport http.RoundTripper, method, address, body string) seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return seen{NoAnswer: true}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return seen{response.StatusCode, response.Header, response.ContentLength, response.Close, string(text), false, err != nil}
}

// TestAgreesWithNetHTTP holds answers, good and bad, against what net/http's transport makes of them.
func TestAgreesWithNetHTTP(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for name, answer := range map[string]string{
		"length":                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"no body":                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"204":                    "HTTP/1.1 204 No Content\r\n\r\n",
		"304 with a length":      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"chunks":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n",
		"chunks, capitals":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
		"trailers":               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
		"until the end":          "HTTP/1.1 200 OK\r\n\r\nall of it",
		"HTTP/1.0":               "HTTP/1.0 200 OK\r\n\r\nall of it",
		"HTTP/1.0 kept":          "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
		"close":                  "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
		"100 first":              "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
		"103 first":              "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
		"values":                 "HTTP/1.1 200 OK\r\nx-amzn-requestid:  abc \r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 1\r\n\r\na",
		"no reason":              "HTTP/1.1 429 \r\nContent-Length: 1\r\n\r\na",
		"bare LF":                "HTTP/1.1 200 OK\nContent-Length: 1\n\na",
		"long":                   "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + long,
		"long chunk":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2710\r\n" + long + "\r\n0\r\n\r\n",
		"same length twice":      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
		"truncated":              "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		"truncated chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"truncated between":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
		"truncated at the end":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
		"truncated head":         "HTTP/1.1 200 OK\r\nContent-Le",
		"nothing":                "",
		"garbage":                "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"status of two digits":   "HTTP/1.1 20 OK\r\n\r\n",
		"two lengths":            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"a length that is none":  "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na",
		"size of a chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nab\r\n0\r\n\r\n",
		"chunk too long":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
		"another coding":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"header without a name":  "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 1\r\n\r\na",
		"header without a colon": "HTTP/1.1 200 OK\r\nabc\r\nContent-Length: 1\r\n\r\na",
	} {
		t.Run(name, func(t *testing.T) {
			address := scripted(t, answer, strings.HasPrefix(name, "truncated") || name == "until the end" || name == "HTTP/1.0" || name == "nothing" || name == "garbage")
			theirs := &http.Transport{DisableCompression: true}
			defer theirs.CloseIdleConnections()
			ours := &Transport{}
			defer ours.CloseIdleConnections()
			want, got := see(t, theirs, http.MethodPost, address, "{}"), see(t, ours, http.MethodPost, address, "{}")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-net/http +ours):\n%s", diff)
			}
			if diff := cmp.Diff(got, see(t, ours, http.MethodPost, address, "{}")); diff != "" {
				t.Errorf("the second call (-first):\n%s", diff)
			}
		})
	}
}
