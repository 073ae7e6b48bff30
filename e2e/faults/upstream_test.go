//go:build faults

package faults

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"outcrop/internal/sandbox"
)

// authority makes certificates.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string // PEM
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the lab"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue makes a certificate of 127.0.0.1, or of a name, that is good until then.
func (a *authority) issue(name string, until time.Time) tls.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if name == "" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	} else {
		template.DNSNames = []string{name}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// bedrock is a Bedrock, and a server that speaks OpenAI's chats, in one handler.
type bedrock struct{ aws http.Handler }

func newBedrock(t testing.TB) *bedrock {
	t.Helper()
	aws, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &bedrock{aws}
}

func (b *bedrock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/chat/completions") {
		speak(w, r)
		return
	}
	b.aws.ServeHTTP(w, r)
}

// wishes is what a server does of itself: a directive of the sandbox, for both of them.
type wishes struct {
	http.Handler
	wish string
}

func (h wishes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Header.Set("X-Sandbox", h.wish)
	h.Handler.ServeHTTP(w, r)
}

// serve serves a handler over TLS with a certificate, or in the clear without one, until the test ends.
func serve(t testing.TB, h http.Handler, cert *tls.Certificate) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it is broken on purpose
	if cert == nil {
		s.Start()
	} else {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
		s.StartTLS()
	}
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// words is how many words every answer has, each a token of the sandbox's.
const words = 500

// speak is a server that speaks OpenAI's chats. It knows some of the sandbox's directives.
func speak(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	wish := r.Header.Get("X-Sandbox")
	if after, ok := strings.CutPrefix(wish, "start="); ok {
		d, err := time.ParseDuration(strings.Fields(after)[0])
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		<-time.After(d)
	}
	if strings.Contains(wish, "error=") || strings.Contains(wish, "exception=") && !strings.Contains(string(body), `"stream":true`) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":{"message":"Not now.","type":"api_error","code":"upstream_unavailable"}}`)
		return
	}
	text := strings.TrimSpace(strings.Repeat("word ", words))
	if !strings.Contains(string(body), `"stream":true`) {
		w.Header().Set("Content-Type", "application/json")
		reply := fmt.Sprintf(`{"id":"r","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":%d,"total_tokens":%d}}`, text, words, words+7)
		if strings.HasPrefix(wish, "end=") {
			reply = reply[:len(reply)/2]
		}
		if wish == "empty" {
			reply = ""
		}
		_, _ = io.WriteString(w, reply)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	speakEvents(w, wish)
}

// speakEvents is the same as a stream.
func speakEvents(w http.ResponseWriter, wish string) {
	chunk := func(choices, more string) {
		_, _ = fmt.Fprintf(w, "data: {\"id\":\"r\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[%s]%s}\n\n", choices, more)
		_ = http.NewResponseController(w).Flush()
	}
	_ = http.NewResponseController(w).Flush()
	if wish == "empty" {
		return
	}
	for i := range words {
		if i == 3 && strings.HasPrefix(wish, "end=") {
			return
		}
		if i == 3 && strings.HasPrefix(wish, "exception=") {
			_, _ = io.WriteString(w, "data: {\"error\":{\"message\":\"Too much.\",\"type\":\"rate_limit_error\",\"code\":\"rate_limit_exceeded\"}}\n\n")
			return
		}
		chunk(`{"index":0,"delta":{"role":"assistant","content":"word "},"finish_reason":null}`, "")
	}
	chunk(`{"index":0,"delta":{},"finish_reason":"stop"}`, "")
	chunk("", fmt.Sprintf(`,"usage":{"prompt_tokens":7,"completion_tokens":%d,"total_tokens":%d}`, words, words+7))
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}
