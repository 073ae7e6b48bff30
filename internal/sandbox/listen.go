package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"syscall"
	"time"
)

// Listen opens the address the sandbox is served at, such as "127.0.0.1:9001";
// port 0 takes a free one. With TLS the listener speaks HTTP/2 and HTTP/1.1
// under a certificate made for this run, which is returned as PEM so that
// clients can trust it; without TLS the PEM is nil. A port in use is an error
// that says so.
func Listen(ctx context.Context, addr string, useTLS bool) (l net.Listener, certPEM []byte, err error) {
	var config net.ListenConfig
	l, err = config.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil, fmt.Errorf("the address %s is in use: stop the program that holds it, or choose another with --listen", addr)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot listen at %s, --listen wants HOST:PORT: %w", addr, err)
	}
	if !useTLS {
		return l, nil, nil
	}
	certificate, certPEM, err := selfSigned(l.Addr(), addr)
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	}), certPEM, nil
}

// certificateLife is how long the certificate of one run is good.
const certificateLife = 365 * 24 * time.Hour

// selfSigned makes a certificate for this machine's loopback names and the host
// that was asked for. It is its own authority, so that trusting the one PEM is
// enough for AWS_CA_BUNDLE, SSL_CERT_FILE and NODE_EXTRA_CA_CERTS alike.
func selfSigned(bound net.Addr, asked string) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("sandbox: no key for the certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("sandbox: no serial number for the certificate: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "outcrop sandbox"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if tcp, ok := bound.(*net.TCPAddr); ok && !tcp.IP.IsUnspecified() && !tcp.IP.IsLoopback() {
		template.IPAddresses = append(template.IPAddresses, tcp.IP)
	}
	if host, _, err := net.SplitHostPort(asked); err == nil && host != "" && net.ParseIP(host) == nil && host != "localhost" {
		template.DNSNames = append(template.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("sandbox: no certificate: %w", err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, certPEM, nil
}
