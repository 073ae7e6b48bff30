package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/auth/bearer"
	"github.com/google/go-cmp/cmp"
)

// serve starts a sandbox over TLS with HTTP/2, since the SDK over HTTP/1.1
// breaks a few streams of a server that answers at once.
func serve(t testing.TB, o Options) *httptest.Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(s)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// awsConfig is an AWS configuration for srv with one key.
func awsConfig(srv *httptest.Server, key Credential) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), HTTPClient: srv.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken),
	}
}

var sandboxKey = Credential{AccessKeyID: "sandbox", SecretAccessKey: "sandbox"}

// wire sends requests that are signed by hand.
type wire struct {
	srv     *httptest.Server
	key     Credential
	service string // of the credential scope
}

// request builds a signed request; headers are names and values.
func (w wire) request(t testing.TB, path string, body []byte, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{
		AccessKeyID: w.key.AccessKeyID, SecretAccessKey: w.key.SecretAccessKey, SessionToken: w.key.SessionToken,
	}, r, hex.EncodeToString(sum[:]), w.service, "us-east-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// raw is a reply with its body read.
type raw struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body
}

func send(t testing.TB, srv *httptest.Server, r *http.Request) raw {
	t.Helper()
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return raw{resp.StatusCode, resp.Header, body, err}
}

// opPath is the path of an operation; escape is how the model id is written.
func opPath(op, model string, escape func(string) string) string {
	last := map[string]string{
		opConverse: "converse", opConverseStream: "converse-stream", opInvoke: "invoke",
		opInvokeStream: "invoke-with-response-stream", opCountTokens: "count-tokens",
	}[op]
	return "/model/" + escape(model) + "/" + last
}

func escapeAll(s string) string { return uriEncode(s, false) }

// recorder keeps the body of the last request an SDK sent.
type recorder struct {
	next http.RoundTripper
	body []byte
	sent bool
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.body, r.sent = body, true
	req.Body = io.NopCloser(bytes.NewReader(body))
	return r.next.RoundTrip(req)
}

// viaSDK sends a case through the Go SDK's typed input. ok is false when the
// SDK's model cannot express the body.
func viaSDK(t *testing.T, cfg aws.Config, c *call) (ok bool, err error) {
	t.Helper()
	rec := &recorder{next: cfg.HTTPClient.(*http.Client).Transport}
	cfg.HTTPClient = &http.Client{Transport: rec}
	client := bedrockruntime.NewFromConfig(cfg)
	ctx := t.Context()
	switch c.Op {
	case opConverse:
		in := &bedrockruntime.ConverseInput{}
		if !expressible(in, c.Body) {
			return false, nil
		}
		in.ModelId = &c.ModelID
		_, err = client.Converse(ctx, in)
	case opConverseStream:
		in := &bedrockruntime.ConverseStreamInput{}
		if !expressible(in, c.Body) {
			return false, nil
		}
		in.ModelId = &c.ModelID
		err = drain(ctx, client, in)
	case opCountTokens:
		in := &bedrockruntime.CountTokensInput{}
		if !expressible(in, c.Body) {
			return false, nil
		}
		in.ModelId = &c.ModelID
		_, err = client.CountTokens(ctx, in)
	case opInvoke:
		_, err = client.InvokeModel(ctx, &bedrockruntime.InvokeModelInput{ModelId: &c.ModelID, Body: c.Raw, ContentType: aws.String("application/json")})
	case opInvokeStream:
		_, err = client.InvokeModelWithResponseStream(ctx, &bedrockruntime.InvokeModelWithResponseStreamInput{ModelId: &c.ModelID, Body: c.Raw, ContentType: aws.String("application/json")})
	}
	if !rec.sent {
		return false, err // the SDK refused it by itself
	}
	if diff := cmp.Diff(loose(decodeObject(c.Raw)), loose(decodeObject(rec.body))); diff != "" && len(c.Raw) < 1<<16 {
		t.Errorf("the SDK sent another body (-corpus +sent):\n%s", diff)
	}
	return true, err
}

// expressible fills the typed input, unless the SDK's model has no place for
// something in the body.
func expressible(in any, body map[string]any) bool { return fill(in, body) == nil }

func drain(ctx context.Context, client *bedrockruntime.Client, in *bedrockruntime.ConverseStreamInput) error {
	out, err := client.ConverseStream(ctx, in)
	if err != nil {
		return err
	}
	n := 0
	for range out.GetStream().Events() {
		n++
	}
	if n < 3 {
		return fmt.Errorf("%d events", n)
	}
	return errors.Join(out.GetStream().Err(), out.GetStream().Close())
}

// corpusServer is a sandbox in the state that a case is about, and the key that
// case signs with.
func corpusServer(t testing.TB, id string) (*httptest.Server, Credential) {
	t.Helper()
	caller := Credential{AccessKeyID: "x", SecretAccessKey: "y"}
	o := Options{Account: "123456789012", Credentials: []Credential{caller}}
	if !slices.Contains(authLayer(), id) {
		o.Mood = moods()[id]
		return serve(t, o), caller
	}
	switch id {
	case "r10":
		caller.AccessKeyID = "nobody"
	case "r11":
		at := time.Now().Add(-2 * time.Hour) // a session that was opened then is over
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		caller = s.sessions.open(session{Partition: "aws", Account: o.Account, Role: "r", Name: "me", Expires: at.Add(time.Hour)})
		srv := httptest.NewUnstartedServer(s)
		srv.EnableHTTP2 = true
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv, caller
	}
	return serve(t, o), caller
}

// Every case of the corpus gets over the wire what validate says of it: through
// the Go SDK where its model can express the request, and signed by hand always.
func TestCorpusOverTheWire(t *testing.T) {
	catalogue := testCatalogue(t)
	byHand, untyped := 0, []string(nil)
	for _, file := range []string{"requests-valid.json", "requests-invalid.json", "requests-known.json"} {
		for _, cc := range readCorpus(t, file) {
			if cc.Expect.Obsolete {
				continue
			}
			t.Run(cc.ID, func(t *testing.T) {
				srv, key := corpusServer(t, cc.ID)
				cfg := awsConfig(srv, key)
				r := wire{srv, key, "bedrock"}.request(t, opPath(cc.Op, cc.Model, escapeAll), cc.call(t, catalogue).Raw)
				if cc.ID == "r12" {
					r.Header.Set("Authorization", "Bearer nope")
					cfg.BearerAuthTokenProvider = bearer.StaticTokenProvider{Token: bearer.Token{Value: "nope"}}
					cfg.AuthSchemePreference = []string{"httpBearerAuth"}
				}
				byHand++
				checkWire(t, cc, send(t, srv, r))
				ok, err := viaSDK(t, cfg, cc.call(t, catalogue))
				if !ok {
					untyped = append(untyped, cc.ID)
					return
				}
				checkSDK(t, cc, err)
			})
		}
	}
	if byHand < 130 {
		t.Errorf("%d cases", byHand)
	}
	// k19 sets two members of a union, which the SDK's types have no place for.
	if diff := cmp.Diff([]string{"k19"}, untyped); diff != "" {
		t.Errorf("cases that did not go through the SDK (-want +got):\n%s", diff)
	}
}

// checkWire compares a reply with what a case expects.
func checkWire(t *testing.T, cc corpusCase, got raw) {
	t.Helper()
	if id := got.header.Get("X-Amzn-Requestid"); len(id) != 36 {
		t.Errorf("request id %q", id)
	}
	if cc.Expect.Status == 0 {
		if got.status != http.StatusOK || got.err != nil || len(got.body) == 0 {
			t.Errorf("%s: status %d, body %.300s, %v", cc.Description, got.status, got.body, got.err)
		}
		return
	}
	var members map[string]any
	if err := json.Unmarshal(got.body, &members); err != nil {
		t.Fatalf("the error is not JSON: %.200s", got.body)
	}
	key := cc.Expect.BodyKey
	if key == "" {
		key = "message"
	}
	kind, namespace, _ := strings.Cut(got.header.Get("X-Amzn-Errortype"), ":")
	if got.header.Get("Content-Type") != "application/json" || !strings.HasPrefix(namespace, "http://internal.amazon.com/coral/") {
		t.Errorf("headers %v", got.header)
	}
	message, _ := members[key].(string)
	expectRefusal(t, cc, &apiError{Status: got.status, Type: kind, Message: message, BodyKey: key, Namespace: namespace})
}

// checkSDK compares the error of the SDK with what a case expects.
func checkSDK(t *testing.T, cc corpusCase, err error) {
	t.Helper()
	if cc.Expect.Status == 0 {
		if err != nil {
			t.Errorf("the SDK says %v", err)
		}
		return
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("the SDK says %v", err)
	}
	if api.ErrorCode() != cc.Expect.ErrorType {
		t.Errorf("the SDK says %s, want %s", api.ErrorCode(), cc.Expect.ErrorType)
	}
	if cc.Expect.Match == "exact" && api.ErrorMessage() != cc.Expect.Message {
		t.Errorf("the SDK says\n %q, want\n %q", api.ErrorMessage(), cc.Expect.Message)
	}
}
