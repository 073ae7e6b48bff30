package bedrock

import (
	"cmp"
	"net/http"
	"strings"
	"sync"
)

// network is the process's own way to AWS.
type network struct {
	route
	variant
}

// environmentNetwork reads what AWS's tools and Go's HTTP clients read, and OUTCROP_USE_HTTP2.
func environmentNetwork(getenv func(string) string) network {
	either := func(name string) string { return cmp.Or(getenv(name), getenv(strings.ToLower(name))) }
	on := func(name string) bool { return strings.EqualFold(getenv(name), "true") }
	return network{
		route: route{
			httpsProxy: either("HTTPS_PROXY"), httpProxy: either("HTTP_PROXY"), noProxy: either("NO_PROXY"),
			caBundle: getenv("AWS_CA_BUNDLE"), http2: on("OUTCROP_USE_HTTP2"),
		},
		variant: variant{fips: on("AWS_USE_FIPS_ENDPOINT"), dualStack: on("AWS_USE_DUALSTACK_ENDPOINT")},
	}
}

// with is the way of an upstream that says some of it for itself.
func (n network) with(own Network) network {
	switch own.Proxy {
	case "":
	case "none":
		n.httpsProxy, n.httpProxy = "", ""
	default:
		n.httpsProxy, n.httpProxy = own.Proxy, own.Proxy
	}
	n.noProxy = cmp.Or(own.NoProxy, n.noProxy)
	n.caBundle = cmp.Or(own.CABundle, n.caBundle)
	for _, flag := range []struct {
		own *bool
		to  *bool
	}{{own.HTTP2, &n.http2}, {own.FIPS, &n.fips}, {own.DualStack, &n.dualStack}} {
		if flag.own != nil {
			*flag.to = *flag.own
		}
	}
	return n
}

// transports are those in use, one for each route to AWS: upstreams share their connections.
type transports struct {
	mu   sync.Mutex
	used map[route]*sharedTransport
	// make is route.caller, or what a test has in its place.
	make func(route) (http.RoundTripper, error)
}

type sharedTransport struct {
	http.RoundTripper
	users int
}

func newTransports() *transports {
	return &transports{
		used: map[route]*sharedTransport{},
		make: func(p route) (http.RoundTripper, error) { return p.caller() },
	}
}

// get gives the transport of a route until it is released. The last user's release closes its idle
// connections; a call that is still under way ends as it would have.
func (t *transports) get(p route) (rt http.RoundTripper, release func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	shared := t.used[p]
	if shared == nil {
		made, err := t.make(p)
		if err != nil {
			return nil, nil, err
		}
		shared = &sharedTransport{RoundTripper: made}
		t.used[p] = shared
	}
	shared.users++
	return shared.RoundTripper, sync.OnceFunc(func() { t.release(p, shared) }), nil
}

func (t *transports) release(p route, shared *sharedTransport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if shared.users--; shared.users > 0 {
		return
	}
	delete(t.used, p)
	if idle, ok := shared.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
}
