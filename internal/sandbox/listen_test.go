package sandbox

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The listener serves HTTP/2 under a certificate that its PEM vouches for.
func TestListen(t *testing.T) {
	for _, useTLS := range []bool{true, false} {
		l, pem, err := Listen(t.Context(), "127.0.0.1:0", useTLS)
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: s, ReadHeaderTimeout: time.Second}
		done := make(chan error, 1)
		go func() { done <- server.Serve(l) }()
		roots := x509.NewCertPool()
		if roots.AppendCertsFromPEM(pem) != useTLS {
			t.Errorf("PEM %q", pem)
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
		url := "http://" + l.Addr().String()
		if useTLS {
			url = "https://" + strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/foundation-models", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden || (resp.ProtoMajor == 2) != useTLS {
			t.Errorf("TLS %v: %s %s", useTLS, resp.Status, resp.Proto)
		}
		if _, _, err := Listen(t.Context(), l.Addr().String(), useTLS); err == nil || !strings.Contains(err.Error(), l.Addr().String()+" is in use: ") || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("a port in use: %v", err)
		}
		client.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}
	if _, _, err := Listen(t.Context(), "nowhere", false); err == nil || !strings.Contains(err.Error(), "cannot listen at nowhere") {
		t.Errorf("%v", err)
	}
}
