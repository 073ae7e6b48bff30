package bedrock

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"outcrop/internal/h1"
)

// NewTransport returns an HTTP transport to AWS whose proxies come from the environment (HTTPS_PROXY,
// NO_PROXY). It speaks HTTP/1.1, which costs less processor time per call than HTTP/2, and keeps every
// connection until it was idle for long: a pool that is smaller than a wave of calls costs each beyond it a TLS
// handshake, as much as all the rest of a stream, and more never become idle than there were calls at once.
//
// How long a model may think is not for the connection to say: there is no limit on the time to the
// first byte. A reply is never compressed, or a stream would come all at once.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            newDialer().DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(0)},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    math.MaxInt,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHead,
	}
}

// maxHead is how long the head of an answer may be, in bytes: what stands where AWS should costs no more memory.
const maxHead = 256 << 10

// newDialer dials with probes: they keep a connection on which a model thinks in silence from being
// forgotten by what is between, and end one whose other side is gone within a minute and a half.
func newDialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6},
	}
}

// proxyAnswered says which proxy refuses to connect, and how; the transport itself says the how only.
func proxyAnswered(_ context.Context, proxy *url.URL, connect *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("the proxy %s does not connect to %s: %s", proxy.Host, connect.Host, answer.Status)
}

// route is all of a network that a transport depends on.
type route struct {
	httpsProxy, httpProxy, noProxy string
	caBundle                       string // file; "" means the system's certificates
	http2                          bool
}

// transport makes the transport of a route.
func (p route) transport() (*http.Transport, error) {
	proxy, err := newProxies(p.httpsProxy, p.httpProxy, p.noProxy)
	if err != nil {
		return nil, err
	}
	t := NewTransport()
	t.Proxy = proxy
	if p.caBundle != "" {
		pem, err := os.ReadFile(p.caBundle)
		if err != nil {
			return nil, fmt.Errorf("the certificates of AWS_CA_BUNDLE or aws_ca_bundle: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the file %s of AWS_CA_BUNDLE or aws_ca_bundle holds no certificate in PEM form", p.caBundle)
		}
	}
	if p.http2 {
		t.ForceAttemptHTTP2 = true
		// The probes of TCP say nothing of a connection that a proxy keeps open.
		t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, MaxReceiveBufferPerStream: streamWindow}
	}
	return t, nil
}

// caller makes what calls go through on a route.
func (p route) caller() (http.RoundTripper, error) {
	t, err := p.transport()
	switch {
	case err != nil:
		return nil, err
	case p.http2:
		return forgetful{t}, nil
	}
	if p.httpsProxy == "" && p.httpProxy == "" {
		t.Proxy = nil // or it would be asked at every call
	}
	return h1.NewBeside(t), nil
}

// streamWindow is how much of an answer over HTTP/2 may wait in memory for a client that does not read it, in bytes: net/http
// lets it be 4 MB. So much in each round trip is still faster than any model writes.
const streamWindow = 256 << 10

// newLocal returns the transport to the servers of credentials on this machine's link: no proxy is asked
// for them, and where there are none that is known soon.
func newLocal() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 500 * time.Millisecond}).DialContext,
		ResponseHeaderTimeout: 5 * time.Second,
		IdleConnTimeout:       10 * time.Second,
	}
}

// caller is a transport as the SDK wants it.
type caller struct {
	transport http.RoundTripper
	local     http.RoundTripper // to addresses of the link
}

// Do implements aws.HTTPClient.
func (c caller) Do(r *http.Request) (*http.Response, error) {
	if ip := net.ParseIP(r.URL.Hostname()); ip != nil && (ip.IsLinkLocalUnicast() || isEC2(ip)) {
		return c.local.RoundTrip(r)
	}
	return c.transport.RoundTrip(r)
}

// isEC2 says whether an address is one of those that EC2 gives to its local services over IPv6.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
func isEC2(ip net.IP) bool {
	return ip.To4() == nil && ip[0] == 0xfd && ip[1] == 0x00 && ip[2] == 0x0e && ip[3] == 0xc2
}
