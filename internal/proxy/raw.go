package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"outcrop/internal/balance"
	"outcrop/internal/llm"
	"outcrop/internal/secret"
)

// RawOptions make a Raw.
type RawOptions struct {
	URL string // http, https, ws or wss
	// Key is sent as API-KEY in place of the request's own or, with Bearer, as Authorization; "" is not sent.
	Key    secret.String
	Bearer bool
	// Rewrite puts the request's path in place of the URL's.
	Rewrite   bool
	Transport http.RoundTripper
}

// Raw is a server that is asked whatever a client asks: any method, any body, and WebSockets. It is safe for
// concurrent use.
type Raw struct {
	url     *url.URL
	header  http.Header
	rewrite bool
	via     http.RoundTripper

	group   *balance.Group // of several, which are servers; nil for one
	servers []*Raw
}

// NewRaw checks the options; it calls nobody.
func NewRaw(o RawOptions) (*Raw, error) {
	u, err := url.Parse(o.URL)
	if err == nil {
		u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1) // a WebSocket begins as a request of HTTP
	}
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the endpoint is not an http, https, ws or wss URL")
	}
	key := o.Key.Reveal()
	if strings.ContainsAny(key, "\r\n\x00") {
		return nil, errors.New("the key has a line break")
	}
	r := &Raw{url: u, header: http.Header{}, rewrite: o.Rewrite, via: o.Transport}
	if u.User != nil {
		password, _ := u.User.Password()
		request := http.Request{Header: r.header}
		request.SetBasicAuth(u.User.Username(), password)
		u.User = nil
	}
	switch {
	case key == "":
	case o.Bearer:
		r.header.Set("Authorization", "Bearer "+key)
	default:
		r.header.Set("Api-Key", key)
	}
	return r, nil
}

// Serve answers a request with what the server says to it; set are headers that this server adds. The error is
// an *llm.Error. Of one that comes before the answer has begun, begun is false, and the client is to be told.
func (r *Raw) Serve(w http.ResponseWriter, request *http.Request, set http.Header) (begun bool, err error) {
	if r.group != nil {
		return r.choose(w, request, set)
	}
	return r.serve(w, request, set, func(*http.Response) error { return nil })
}

// errNext says that another server is asked in the place of an answer.
var errNext = &llm.Error{Kind: llm.KindUpstream, Message: "another upstream is asked"}

// serve asks the one server; look may refuse its answer.
func (r *Raw) serve(w http.ResponseWriter, request *http.Request, set http.Header, look func(*http.Response) error) (begun bool, err error) {
	forward := httputil.ReverseProxy{
		Transport: r.via, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(p *httputil.ProxyRequest) { r.outgoing(p, set) },
		ModifyResponse: func(resp *http.Response) error {
			if resp.StatusCode/100 == 3 && resp.StatusCode != http.StatusNotModified {
				return misled(resp.StatusCode)
			}
			if err := look(resp); err != nil {
				return err
			}
			begun = true
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, cause error) { err = explained(request.Context(), cause) },
	}
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = explained(request.Context(), errors.New("the answer of the route's server broke off"))
		default:
			panic(p)
		}
	}()
	forward.ServeHTTP(w, request)
	return begun, err
}

// outgoing makes the request to the server: what goes on of the client's is what goes on to a deployment.
func (r *Raw) outgoing(p *httputil.ProxyRequest, set http.Header) {
	header := carried(p.In.Header, len(r.header)+len(set)+2)
	// Only a WebSocket's: in HTTP/2 on the same connection a client could ask for paths that are not the route's.
	if upgrade := p.Out.Header.Get("Upgrade"); strings.EqualFold(upgrade, "websocket") {
		header["Connection"], header["Upgrade"] = []string{"Upgrade"}, []string{upgrade}
	}
	maps.Copy(header, set)
	maps.Copy(header, r.header)
	header.Del("Content-Length")
	target := *r.url
	if r.rewrite {
		target.Path, target.RawPath = p.In.URL.Path, p.In.URL.RawPath
	}
	if target.RawQuery == "" {
		target.RawQuery = p.In.URL.RawQuery
	}
	p.Out.Header, p.Out.URL, p.Out.Host = header, &target, target.Host
}

// explained is the error of a call that failed.
func explained(client context.Context, err error) error {
	if client.Err() != nil {
		return gone(client.Err())
	}
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e
	}
	return &llm.Error{Kind: llm.KindUpstream, Message: "Failed to connect to upstream server", Err: fmt.Errorf("a route: %w", err)}
}
