package bedrock

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// NewTransport returns the HTTP transport that all upstreams of a process share. It speaks HTTP/1.1,
// which costs less processor time per call than HTTP/2, and keeps as many idle connections as there
// may be calls at once: a small pool costs a TLS handshake per call. Proxies come from the
// environment (HTTPS_PROXY, NO_PROXY).
//
// How long a model may think is not for the connection to say: there is no limit on the time to the
// first byte. A reply is never compressed, or a stream would come all at once.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           newDialer().DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(0)},
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConnsPerHost:   1024,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
}

// newDialer dials with probes: they keep a connection on which a model thinks in silence from being
// forgotten by what is between, and end one whose other side is gone within a minute and a half.
func newDialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6},
	}
}
