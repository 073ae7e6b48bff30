package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// serveProxy is the command lab proxy: httputil.ReverseProxy as one would set it up for streams. It checks a key and does nothing else.
func serveProxy(upstream string, trust *tls.Config) error {
	target, err := url.Parse("https://" + upstream)
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		BufferPool:    &buffers{sync.Pool{New: func() any { return new([32 << 10]byte) }}},
		Transport:     transportTo(trust),
	}
	return serveReference(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Without it the server reads the rest of the body while the transport still does (golang/go#40747).
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil || r.Header.Get("Api-Key") != labKey && r.Header.Get("Api-Key") != otherKey {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return b.pool.Get().(*[32 << 10]byte)[:] }
func (b *buffers) Put(p []byte) { b.pool.Put((*[32 << 10]byte)(p)) }

// transportTo is for references: as many idle connections as there are clients.
func transportTo(trust *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig: trust, MaxIdleConns: 0, MaxIdleConnsPerHost: 16384, IdleConnTimeout: time.Hour, DisableCompression: true,
		ForceAttemptHTTP2: len(trust.NextProtos) == 1 && trust.NextProtos[0] == "h2",
	}
}

// serveReference serves on a free port, whose address it prints, beside the numbers of its own memory.
func serveReference(h http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.HandleFunc("GET /metrics", writeMallocs)
	fmt.Println("listening " + listener.Addr().String())
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
}

// noRedirect takes a redirect for the answer.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
