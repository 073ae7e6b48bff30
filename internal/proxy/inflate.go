package proxy

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
)

// inflated reads a body without its encoding, as it comes. ok is false for an encoding that it does not know,
// whose body is given back as it is.
func inflated(body io.Reader, encoding string) (out io.Reader, ok bool) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "identity":
		return body, true
	case "gzip", "x-gzip":
		return &inflater{body: body, open: func(r *bufio.Reader) (io.Reader, error) { return gzip.NewReader(r) }}, true
	case "deflate":
		return &inflater{body: body, open: openDeflate}, true
	default:
		return body, false
	}
}

// openDeflate reads either of the two formats that servers mean by the word (RFC 9110, 8.4.1.2).
func openDeflate(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(2)
	if err != nil {
		return nil, err
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8+int(head[1]))%31 == 0 {
		return zlib.NewReader(r)
	}
	return flate.NewReader(r), nil
}

// inflater opens its reader with the first read, which may have to wait for the body.
type inflater struct {
	body io.Reader
	open func(*bufio.Reader) (io.Reader, error)
	in   io.Reader
	err  error // of open
}

// Read implements io.Reader.
func (f *inflater) Read(p []byte) (int, error) {
	if f.in == nil && f.err == nil {
		f.in, f.err = f.open(bufio.NewReader(f.body))
		if f.err == io.EOF { //nolint:errorlint // an empty body is not an encoded one
			f.err = io.ErrUnexpectedEOF
		}
	}
	if f.err != nil {
		return 0, f.err
	}
	return f.in.Read(p)
}
