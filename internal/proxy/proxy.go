package proxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/secret"
)

// Options make a Remote. Its upstream's values are for the other server to read.
type Options struct {
	URL string // of the operation: ".../openai/deployments/NAME/chat/completions"
	// Endpoint, Key and ExtraData are sent as X-UPSTREAM-ENDPOINT, -KEY and -EXTRA-DATA; "" is not sent.
	Endpoint  string
	Key       secret.String
	ExtraData secret.String
	// OverrideName is the name that the other server gets for the deployment, or "".
	OverrideName string
	// Defaults is a JSON object of members that a request gets that lacks them, or nil.
	Defaults []byte
	// Features is the deployment's, one JSON object, as X-DIAL-DEPLOYMENT-FEATURES, or "".
	Features  string
	Transport http.RoundTripper
	// Total is how long an answer may take, Silence how long nothing may come of one that has begun; 0 is
	// without bound.
	Total, Silence time.Duration
}

// Remote is a deployment of another server. It is safe for concurrent use.
type Remote struct {
	url       *url.URL
	header    http.Header // what every request gets
	edit      edit
	transport http.RoundTripper
	total     time.Duration
	silence   time.Duration
}

// New checks the options; it calls nobody.
func New(o Options) (*Remote, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the endpoint is not an http or https URL")
	}
	r := &Remote{url: u, header: http.Header{}, transport: o.Transport, total: o.Total, silence: o.Silence}
	if u.User != nil {
		password, _ := u.User.Password()
		request := http.Request{Header: r.header}
		request.SetBasicAuth(u.User.Username(), password)
		u.User = nil
	}
	for name, value := range map[string]string{
		"X-Upstream-Endpoint": o.Endpoint, "X-Upstream-Key": o.Key.Reveal(), "X-Upstream-Extra-Data": o.ExtraData.Reveal(),
		"X-Dial-Override-Name": o.OverrideName, "X-Dial-Deployment-Features": o.Features,
	} {
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("the value for the header %s has a line break", name)
		}
		if value != "" {
			r.header.Set(name, value)
		}
	}
	r.edit, err = newEdit(o.Defaults, o.OverrideName)
	return r, err
}

// NewTransport returns a transport for servers of the operator: as many idle connections as there may be
// calls at once, and no compression, or a stream would come all at once.
func NewTransport() *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 1024, IdleConnTimeout: 60 * time.Second, DisableCompression: true,
	}
}

// Call is a request on its way to another server.
type Call struct {
	Method string // "" is POST
	// Path is put behind the URL's, for a remote that has many; "" for nothing.
	Path   string
	Query  string      // the client's
	Header http.Header // the client's, of which what is its own business stays here
	Body   []byte
	// Set are headers that this server adds; nothing of the client's stands beside one.
	Set http.Header
}

// Answer is what another server says. Whoever has one ranges over its Pieces once, or closes it.
type Answer struct {
	Status int
	Header http.Header // what of it is the client's to know

	clock *clock
	resp  *http.Response
	quiet time.Duration
}

// Piece is a part of an answer, as it came.
type Piece struct {
	Bytes []byte // valid until the next piece
	// Last ends the answer well: nothing comes after it.
	Last bool
	// Usage is, in the last piece, what the answer says that it cost; nil when it does not tell.
	Usage *llm.Usage
	// Model is, in the last piece, the model that the answer names, or "".
	Model string
}

// Call asks the other server and returns when its answer begins. The error is an *llm.Error.
func (r *Remote) Call(ctx context.Context, c *Call) (*Answer, error) {
	body, err := r.edit.apply(c.Body)
	if err != nil {
		return nil, err
	}
	clock := newClock(ctx, r.total)
	resp, err := r.transport.RoundTrip(r.outgoing(c, body).WithContext(clock.ctx))
	if err != nil {
		defer clock.stop()
		return nil, clock.explain(err, "Failed to connect to the deployment's server.")
	}
	a := &Answer{Status: resp.StatusCode, Header: http.Header{}, clock: clock, resp: resp, quiet: r.silence}
	if resp.StatusCode < http.StatusOK || resp.StatusCode/100 == 3 {
		a.Close()
		return nil, misled(resp.StatusCode)
	}
	between := nominated(resp.Header)
	for name, values := range resp.Header {
		if !isPrivate(name) && !slices.Contains(between, name) {
			a.Header[name] = values
		}
	}
	return a, nil
}

// Close releases the answer, whether it has been read or not.
func (a *Answer) Close() {
	_ = a.resp.Body.Close() // what was wrong with the answer has been told
	a.clock.stop()
}

// Pieces are the answer as it comes. The last has Last; an error instead means that it broke off.
func (a *Answer) Pieces() iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		defer a.Close()
		a.clock.watch(a.quiet)
		end, buffer := endingOf(a.resp), make([]byte, 32<<10)
		for {
			n, err := a.clock.read(a.resp.Body, buffer)
			if n > 0 {
				end.take(buffer[:n])
				if !yield(Piece{Bytes: buffer[:n]}, nil) {
					return
				}
			}
			switch {
			case err == io.EOF && end.reached(): //nolint:errorlint // only a bare io.EOF is the end
				yield(Piece{Last: true}, nil)
				return
			case err != nil:
				yield(Piece{}, a.clock.explain(err, "The answer of the deployment's server broke off."))
				return
			}
		}
	}
}

// misled is the error of an answer that sends the caller elsewhere. It is not passed on: the caller's HTTP
// client would take its key there.
func misled(status int) error {
	return &llm.Error{
		Kind: llm.KindUpstream, Err: fmt.Errorf("the deployment's server answered with status %d, which is not followed: correct the endpoint of the model", status),
		Message: "The deployment's server answered with a redirect. The operator has to correct the deployment's endpoint.",
	}
}

// outgoing is the request to the other server.
func (r *Remote) outgoing(c *Call, body []byte) *http.Request {
	header, between := make(http.Header, len(c.Header)+len(r.header)+len(c.Set)), nominated(c.Header)
	for name, values := range c.Header {
		if !isPrivate(name) && !isCredential(name) && !isCores(name) && !slices.Contains(between, name) {
			header[name] = values
		}
	}
	maps.Copy(header, r.header)
	maps.Copy(header, c.Set)
	target := *r.url
	target.Path += c.Path
	if target.RawQuery == "" {
		target.RawQuery = c.Query
	}
	return &http.Request{
		Method: cmp.Or(c.Method, http.MethodPost), URL: &target, Host: target.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
}

// isPrivate says whether a header is between two neighbours only (RFC 9110, 7.6.1).
func isPrivate(name string) bool {
	return slices.Contains([]string{
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
		"Upgrade", "Content-Length", "Accept-Encoding", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
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

func gone(err error) error {
	return &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: err}
}
