package h1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

var (
	errAnswer   = errors.New("h1: the answer is not one of HTTP/1")
	errLongHead = errors.New("h1: the head of the answer is too long")
)

// readHead reads the head of the answer and makes its body ready. Answers that only tell of one to come are left out.
func (c *conn) readHead(r *http.Request) (*http.Response, error) {
	for limit, told := c.transport.maxHead(), 0; told <= maxTold; told++ {
		text, err := c.head(limit)
		if err != nil {
			return nil, err
		}
		limit -= len(text)
		response, err := parseHead(r, text)
		switch {
		case err != nil:
			return nil, err
		case response.StatusCode == http.StatusSwitchingProtocols:
			return nil, fmt.Errorf("%w: it switches to a protocol that nobody asked for", errAnswer)
		case response.StatusCode >= http.StatusOK:
			return response, c.frame(response)
		}
	}
	return nil, fmt.Errorf("%w: too many that tell of one to come", errAnswer)
}

// maxTold is how many answers may tell of one to come: as many as net/http takes.
const maxTold = 5

func (t *Transport) maxHead() int {
	if t.MaxHead > 0 {
		return t.MaxHead
	}
	return 1 << 20
}

// head reads up to the empty line, and gives all before it.
func (c *conn) head(limit int) (string, error) {
	for seen := c.start; ; {
		for {
			read := c.unread()
			i := bytes.IndexByte(read[seen-c.start:], '\n')
			if i < 0 {
				seen = c.end
				break
			}
			at := seen - c.start + i // of the line feed
			rest := read[at+1:]
			if len(rest) > 0 && rest[0] == '\r' {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				seen = c.start + at // and is looked at again
				break
			}
			if rest[0] == '\n' {
				text := string(read[:at+1])
				if c.start = c.end - len(rest) + 1; c.start == c.end {
					c.release()
				}
				if len(text) > limit {
					return "", errLongHead
				}
				return text, nil
			}
			seen = c.start + at + 1
		}
		if c.end-c.start > limit {
			return "", errLongHead
		}
		before := seen - c.start
		if err := c.more(); err != nil {
			if errors.Is(err, io.EOF) && c.answered {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
		seen = c.start + before
	}
}

func (c *conn) unread() []byte {
	if c.kept == nil {
		return nil
	}
	return (*c.kept)[c.start:c.end]
}

// parseHead reads a status line and headers. Its strings are parts of text.
func parseHead(r *http.Request, text string) (*http.Response, error) {
	line, text := cutLine(text)
	response := &http.Response{Request: withoutBody(r)}
	if err := parseStatus(response, line); err != nil {
		return nil, err
	}
	lines := strings.Count(text, "\n")
	response.Header = make(http.Header, lines)
	values := make([]string, 0, lines) // one slice for all, as most names come once
	for text != "" {
		line, text = cutLine(text)
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !isToken(name) || bad(name, value) {
			return nil, fmt.Errorf("%w: a header without a name, or with bytes that no header may have", errAnswer)
		}
		key := textproto.CanonicalMIMEHeaderKey(name)
		if before := response.Header[key]; before != nil {
			response.Header[key] = append(before, value)
			continue
		}
		values = append(values, value)
		response.Header[key] = values[len(values)-1 : len(values) : len(values)]
	}
	return response, nil
}

// withoutBody is a request whose answer does not hold on to a long body: of ten thousand open streams each would keep a whole
// conversation.
func withoutBody(r *http.Request) *http.Request {
	if r.ContentLength < longBody {
		return r
	}
	r = r.WithContext(r.Context())
	r.Body, r.GetBody = nil, nil
	return r
}

// longBody is what a copy of a request is worth, in bytes.
const longBody = 4 << 10

func cutLine(text string) (line, rest string) {
	line, rest, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// isToken says whether a name is made of what names are made of.
// https://www.rfc-editor.org/rfc/rfc9110.html#section-5.6.2
func isToken(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return name != ""
}

// parseStatus reads "HTTP/1.1 200 OK".
func parseStatus(response *http.Response, line string) error {
	proto, status, ok := strings.Cut(line, " ")
	major, minor, known := http.ParseHTTPVersion(proto)
	if !ok || !known || major != 1 {
		return errAnswer
	}
	response.Proto, response.ProtoMajor, response.ProtoMinor = proto, major, minor
	response.Status = strings.TrimLeft(status, " ")
	code, _, _ := strings.Cut(response.Status, " ")
	n, err := strconv.Atoi(code)
	if len(code) != 3 || err != nil || n < 100 {
		return errAnswer
	}
	response.StatusCode = n
	return nil
}

// frame says where the body ends (https://www.rfc-editor.org/rfc/rfc9112.html#section-6.3). What could be read in two ways is
// refused.
func (c *conn) frame(response *http.Response) error {
	h := response.Header
	b := &body{conn: c, ctx: response.Request.Context(), keep: !closes(response)}
	codings, lengths := h["Transfer-Encoding"], h["Content-Length"]
	delete(h, "Transfer-Encoding")
	switch {
	case len(codings) > 0 && (len(codings) != 1 || !strings.EqualFold(codings[0], "chunked") || response.ProtoMinor == 0):
		return fmt.Errorf("%w: a transfer encoding other than chunked", errAnswer)
	case len(codings) > 0 && len(lengths) > 0:
		return fmt.Errorf("%w: a length beside chunks", errAnswer)
	case hasNoBody(response):
		response.ContentLength = 0
	case len(codings) > 0:
		response.TransferEncoding, response.ContentLength = []string{"chunked"}, -1
		b.form = chunked
	case len(lengths) > 0:
		n, err := length(lengths)
		if err != nil {
			return err
		}
		response.ContentLength, b.left = n, n
		h["Content-Length"] = lengths[:1]
	default:
		response.ContentLength, b.keep, b.form = -1, false, untilClosed
	}
	if response.Close = !b.keep; response.Close {
		delete(h, "Connection")
	}
	if response.Body = b; b.form == counted && b.left == 0 {
		_ = b.finish(io.EOF) // which is why it is finished, and no error
		response.Body = http.NoBody
	}
	return nil
}

func hasNoBody(response *http.Response) bool {
	return response.Request.Method == http.MethodHead || response.StatusCode == http.StatusNoContent || response.StatusCode == http.StatusNotModified
}

// closes says whether the connection ends with this answer.
func closes(response *http.Response) bool {
	keep := response.ProtoMinor > 0
	for _, value := range response.Header["Connection"] {
		for token := range strings.SplitSeq(value, ",") {
			switch strings.ToLower(strings.TrimSpace(token)) {
			case "close":
				return true
			case "keep-alive":
				keep = true
			}
		}
	}
	return !keep
}

// length is what all of the values say.
func length(values []string) (int64, error) {
	for _, value := range values[1:] {
		if value != values[0] {
			return 0, fmt.Errorf("%w: two lengths", errAnswer)
		}
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: a length that is no number", errAnswer)
	}
	return int64(n), nil
}
