package proxy

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// outgoing is the request to the other server.
func (r *Remote) outgoing(c asking) *http.Request {
	body := c.body
	header := carried(c.Call.Header, len(c.header)+len(c.Set)+1)
	if values := c.Call.Header["Authorization"]; r.auth && !c.Private && len(values) > 0 {
		header["Authorization"] = values
	}
	for name, values := range r.defaults {
		if len(header[name]) == 0 {
			header[name] = values
		}
	}
	maps.Copy(header, c.header)
	maps.Copy(header, c.Set)
	if _, said := header["Idempotency-Key"]; c.Twice && !said {
		header["Idempotency-Key"] = nil // it tells the transport, and has no value to send
	}
	target := r.target(c.ID)
	if target.RawQuery == "" {
		target.RawQuery = c.Query
	}
	out := &http.Request{
		Method: cmp.Or(c.Method, http.MethodPost), URL: &target, Host: target.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)), Body: http.NoBody,
	}
	if len(body) > 0 { // or its length would count as unknown
		out.Body = c.lent.lend(body)
		out.GetBody = func() (io.ReadCloser, error) { return c.lent.lend(body), nil }
	}
	return out
}

// carried is what of a client's headers goes on, with room for more.
func carried(from http.Header, more int) http.Header {
	header, between := make(http.Header, len(from)+more), nominated(from)
	for name, values := range from {
		if own := dashed(name); !isPrivate(own) && !isCredential(own) && !isCores(own) && !slices.Contains(between, name) {
			header[name] = values
		}
	}
	return header
}

// dashed is the name that a server may read a header by which has low lines in its own: behind CGI, WSGI and the like
// both are one, so that X_Upstream_Key would be X-Upstream-Key.
func dashed(name string) string {
	if strings.IndexByte(name, '_') < 0 {
		return name
	}
	return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// checkDefaults says what is wrong with headers that are added.
func checkDefaults(h http.Header) error {
	for name, values := range h {
		switch {
		case name == "" || name != http.CanonicalHeaderKey(name) || strings.ContainsFunc(name, outsideName):
			return fmt.Errorf("defaultHeaders: %q is no name of a header", name)
		case isPrivate(name) || isCores(name) || name == "Host" || name == "Api-Key":
			return fmt.Errorf("defaultHeaders: %s is set by the gateway itself", name)
		case slices.ContainsFunc(values, func(value string) bool { return strings.ContainsAny(value, "\r\n\x00") }):
			return fmt.Errorf("defaultHeaders: the value of %s has a line break", name)
		}
	}
	return nil
}

func outsideName(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// isPrivate says whether a header is between two neighbours only (RFC 9110, 7.6.1).
func isPrivate(name string) bool {
	return slices.Contains([]string{
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
		"Upgrade", "Content-Length", "Accept-Encoding", "Expect", "Traceparent", "Tracestate", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
		"X-Request-Id",
	}, name)
}

// nominated are the headers that a sender adds to those, by its Connection header.
func nominated(h http.Header) (names []string) {
	for _, value := range h["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			names = append(names, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	return names
}

// isCredential says whether a header is what the caller proves itself with, which is nobody else's
// business.
func isCredential(name string) bool {
	return slices.Contains([]string{"Api-Key", "X-Api-Key", "Authorization", "Cookie"}, name)
}

// isCores says whether a header is DIAL Core's to set: a client's would choose the upstream.
func isCores(name string) bool {
	return strings.HasPrefix(name, "X-Upstream-") || slices.Contains([]string{
		"X-Dial-Override-Name", "X-Dial-Deployment-Features", "X-Dial-Deployment-Id", "X-Dial-Application-Id",
		"X-Dial-Application-Properties", "X-Dial-Cache-Breakpoint-Path", "X-Dial-Cache-Extra-Metadata",
	}, name)
}
