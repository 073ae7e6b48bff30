package telemetry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	// otlpTimeout is how long one request may take, unless the environment says otherwise
	// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
	otlpTimeout = 10 * time.Second
	// otlpTries is how often spans are sent that the collector has no time for, with otlpPause before the second time.
	otlpTries = 4
	otlpPause = time.Second
	// otlpAnswer is how much of an answer is read, in bytes.
	otlpAnswer = 64 << 10
)

// otlpClient sends spans to a collector, as protobuf over HTTP. OpenTelemetry's own client brings all of gRPC along:
// a third of this program, and 6 MB of its memory.
type otlpClient struct {
	endpoint string
	headers  http.Header
	client   *http.Client
}

// otlpSetting is a setting of the exporter: that for traces goes before that for all.
func otlpSetting(getenv func(string) string, name string) string {
	return cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_"+name), getenv("OTEL_EXPORTER_OTLP_"+name))
}

// newOTLPClient reads the environment. Its error names the variable.
func newOTLPClient(getenv func(string) string) (*otlpClient, error) {
	c := &otlpClient{headers: http.Header{"Content-Type": {"application/x-protobuf"}}, client: &http.Client{
		Timeout: otlpTimeout,
		// A redirect would take the headers, which may have a key, to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if c.endpoint = getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); c.endpoint == "" {
		c.endpoint = strings.TrimSuffix(getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), "/") + "/v1/traces"
	}
	if u, err := url.Parse(c.endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT, or that for traces, is no URL like http://collector:4318")
	}
	switch protocol := otlpSetting(getenv, "PROTOCOL"); protocol {
	case "", "http/protobuf":
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: traces are sent as http/protobuf only, which collectors take at port 4318", protocol)
	}
	for pair := range strings.SplitSeq(otlpSetting(getenv, "HEADERS"), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if value, err := url.PathUnescape(strings.TrimSpace(value)); ok && err == nil {
			c.headers.Set(strings.TrimSpace(name), value)
		} else if pair != "" {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS has a part that is not name=value")
		}
	}
	if text := otlpSetting(getenv, "TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return nil, errors.New("OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds above 0")
		}
		c.client.Timeout = time.Duration(ms) * time.Millisecond
	}
	return c, c.trust(getenv)
}

// trust reads the certificates of the environment, if it names any.
func (c *otlpClient) trust(getenv func(string) string) error {
	ca, cert, key := otlpSetting(getenv, "CERTIFICATE"), otlpSetting(getenv, "CLIENT_CERTIFICATE"), otlpSetting(getenv, "CLIENT_KEY")
	if ca == "" && cert == "" {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(pem) {
			return errors.New("OTEL_EXPORTER_OTLP_CERTIFICATE names a file without a certificate")
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	c.client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	return nil
}

// Start implements otlptrace.Client.
func (c *otlpClient) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *otlpClient) Stop(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client.
func (c *otlpClient) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans}) // as an ExportTraceServiceRequest is written
	if err != nil {
		return err
	}
	pause := otlpPause
	for try := 1; ; try++ {
		again, err := c.post(ctx, body)
		if err == nil || !again || try == otlpTries {
			return err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return err
		}
	}
}

// post sends a body once. again says that the collector may take it later.
func (c *otlpClient) post(ctx context.Context, body []byte) (again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	r.Header = c.headers.Clone()
	answer, err := c.client.Do(r)
	if err != nil {
		return true, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, otlpAnswer)); err != nil {
		return false, err
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return false, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	return again, fmt.Errorf("the collector answers with status %d", answer.StatusCode)
}
