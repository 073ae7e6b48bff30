//go:build aws || e2e

package aws_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The services that the gateway calls, as AWS's hosts begin, each with the service of its signatures.
const (
	serviceRuntime = "bedrock-runtime"
	serviceMantle  = "bedrock-mantle"
	serviceControl = "bedrock"
)

func scope(service string) string {
	if service == serviceMantle {
		return serviceMantle
	}
	return "bedrock"
}

// wire is one call of AWS and what came back, byte for byte.
type wire struct {
	service, method, uri string
	header               http.Header // without who sent it
	body                 []byte
	reply                answer
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// identity is who calls AWS.
type identity struct {
	region string
	keys   aws.CredentialsProvider
	bearer string // an API key, which goes first
}

// forger signs with a key that nobody has.
func (i identity) forger() identity {
	i.bearer = ""
	i.keys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "nobodys"}, nil
	})
	return i
}

// sign puts an identity on a request.
func (i identity) sign(r *http.Request, body []byte, service string) error {
	if i.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+i.bearer)
		return nil
	}
	keys, err := i.keys.Retrieve(r.Context())
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	return v4.NewSigner().SignHTTP(r.Context(), keys, r, hex.EncodeToString(sum[:]), scope(service), i.region, time.Now())
}

// recorder stands between the gateway and AWS: it signs anew and keeps what passes.
type recorder struct {
	hosts  map[string]string // service → where it is, https://…
	client *http.Client

	running sync.WaitGroup // a call is kept only when its end has passed, after the gateway has seen it

	mu     sync.Mutex
	who    identity
	calls  []wire
	failed error
}

// serve opens an address of the recorder for each service.
func (p *recorder) serve(t *testing.T) map[string]string {
	t.Helper()
	at := map[string]string{}
	for service := range p.hosts {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.pass(w, r, service) }))
		t.Cleanup(server.Close)
		at[service] = server.URL
	}
	return at
}

// begin forgets what was kept; the calls that follow are signed by who.
func (p *recorder) begin(who identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.who, p.calls, p.failed = who, nil, nil
}

// kept is what passed since.
func (p *recorder) kept() ([]wire, error) {
	p.running.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls, p.failed
}

func (p *recorder) pass(w http.ResponseWriter, r *http.Request, service string) {
	p.running.Add(1)
	defer p.running.Done()
	call := wire{service: service, method: r.Method, uri: r.URL.RequestURI(), header: anonymous(r.Header)}
	err := p.forward(w, r, &call)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.failed = errors.Join(p.failed, err)
	}
	p.calls = append(p.calls, call)
}

func (p *recorder) forward(w http.ResponseWriter, r *http.Request, call *wire) error {
	var err error
	if call.body, err = io.ReadAll(r.Body); err != nil {
		return err
	}
	p.mu.Lock()
	who := p.who
	p.mu.Unlock()
	out, err := call.signed(r.Context(), p.hosts[call.service], who)
	if err != nil {
		http.Error(w, "the recorder could not sign", http.StatusBadGateway)
		return err
	}
	reply, err := p.client.Do(out)
	if err != nil {
		http.Error(w, "the recorder could not reach AWS", http.StatusBadGateway)
		return err
	}
	defer reply.Body.Close()
	call.reply.status, call.reply.header = reply.StatusCode, reply.Header
	maps.Copy(w.Header(), reply.Header)
	w.WriteHeader(reply.StatusCode)
	var kept bytes.Buffer
	_, err = io.Copy(io.MultiWriter(&kept, flushing{w, http.NewResponseController(w)}), reply.Body)
	call.reply.body = kept.Bytes()
	return err
}

// flushing lets a stream pass as it comes.
type flushing struct {
	io.Writer
	control *http.ResponseController
}

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.control.Flush()
}

// signed is the call once more, to another host and by somebody else.
func (c *wire) signed(ctx context.Context, host string, who identity) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, c.method, host+c.uri, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	r.Header = c.header.Clone()
	return r, who.sign(r, c.body, c.service)
}

// replay asks a handler, which is a sandbox.
func (c *wire) replay(ctx context.Context, sandbox http.Handler, who identity) (answer, error) {
	r, err := c.signed(ctx, "http://"+c.service+".sandbox", who)
	if err != nil {
		return answer{}, err
	}
	w := httptest.NewRecorder()
	sandbox.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.Bytes()}, nil
}

// anonymous are the headers without who sent them, when, and how.
func anonymous(h http.Header) http.Header {
	out := h.Clone()
	for name := range out {
		switch {
		case name == "Authorization", name == "X-Amz-Date", name == "X-Amz-Security-Token", strings.HasPrefix(name, "X-Amz-Content-"),
			name == "Connection", name == "Content-Length", name == "Accept-Encoding", name == "User-Agent", strings.HasPrefix(name, "Amz-Sdk-"):
			delete(out, name)
		}
	}
	return out
}
