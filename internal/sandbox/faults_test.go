package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/google/go-cmp/cmp"
)

// user is a Converse body with one user message.
func user(s string) []byte {
	return encode(map[string]any{"messages": []any{map[string]any{"role": "user", "content": []any{map[string]any{"text": s}}}}})
}

const (
	claudeID = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
	novaID   = "us.amazon.nova-lite-v1:0"
)

// transports are servers over HTTP/2 and over HTTP/1.1 without TLS.
func transports(t *testing.T, o Options) map[string]*httptest.Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h1 := httptest.NewServer(s)
	t.Cleanup(h1.Close)
	return map[string]*httptest.Server{"h2": serve(t, o), "h1": h1}
}

// The frames of a whole answer of three tokens are
// messageStart, three deltas, contentBlockStop, messageStop, metadata.
func TestStreamFaults(t *testing.T) {
	whole := []string{"messageStart", "delta0:text x3", "stop0", "messageStop:end_turn", "metadata"}
	throttled := "exception throttlingException"
	var broken = errors.New("the connection broke")
	var checksum eventstream.ChecksumError
	cases := []struct {
		wish string
		want []string
		err  any // nil, broken or &checksum
	}{
		{"", whole, nil},
		{"batch=4", whole, nil},
		{"batch=100", whole, nil},
		{"unknown-event", []string{"messageStart", "sandboxUnknownEvent", "delta0:text x3", "stop0", "messageStop:end_turn", "metadata"}, nil},
		{"exception=throttlingException", []string{throttled}, nil},
		{"exception=ThrottlingException after=2", []string{"messageStart", "delta0:text", throttled}, nil},
		{"exception=modelStreamErrorException after=99", append(whole[:5:5], "exception modelStreamErrorException"), nil},
		{"cut=0", nil, broken},
		{"cut=1", []string{"messageStart"}, broken},
		{"cut=4 batch=3", []string{"messageStart", "delta0:text x3"}, broken},
		{"cut=99", whole, broken},
		{"cut-inside=0", nil, broken},
		{"cut-inside=2", []string{"messageStart", "delta0:text"}, broken},
		{"cut-inside=99", whole[:4], broken},
		{"end=0", nil, nil},
		{"end=5", []string{"messageStart", "delta0:text x3", "stop0"}, nil},
		{"end=6", whole[:4], nil},
		{"end=99", whole, nil},
		{"empty", nil, nil},
		{"badcrc=0", nil, &checksum},
		{"badcrc=2", []string{"messageStart", "delta0:text"}, &checksum},
	}
	for name, srv := range transports(t, Options{}) {
		for _, c := range cases {
			t.Run(name+" "+c.wish, func(t *testing.T) {
				body := user("hi [[sandbox tokens=3 " + c.wish + "]]")
				got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opConverseStream, novaID, escapeAll), body))
				if got.status != http.StatusOK || got.header.Get("Content-Type") != eventStreamType {
					t.Fatalf("%d %v %s", got.status, got.header, got.body)
				}
				messages, err := decodeStream(t, bytes.NewReader(got.body))
				if diff := cmp.Diff(c.want, counted(messages)); diff != "" {
					t.Errorf("frames (-want +got):\n%s", diff)
				}
				switch want := c.err.(type) {
				case nil:
					if err != nil || got.err != nil {
						t.Errorf("it should end cleanly: %v, %v", err, got.err)
					}
				case *eventstream.ChecksumError:
					if !errors.As(err, want) {
						t.Errorf("%v, want a checksum error", err)
					}
				default:
					if got.err == nil {
						t.Error("the body ended cleanly")
					}
				}
			})
		}
	}
}

// counted is kinds with runs written as "kind xN".
func counted(messages []message) []string {
	var out []string
	for i := 0; i < len(messages); {
		n := 1
		kind := kinds(messages[i : i+1])[0]
		for i+n < len(messages) && kinds(messages[i+n : i+n+1])[0] == kind {
			n++
		}
		if n > 1 {
			kind = fmt.Sprintf("%s x%d", kind, n)
		}
		out = append(out, kind)
		i += n
	}
	return out
}

// What breaks a stream breaks a plain reply in the nearest way.
func TestPlainFaults(t *testing.T) {
	for name, srv := range transports(t, Options{}) {
		for _, c := range []struct {
			wish   string
			status int
			kind   string
			valid  bool // the body is JSON
			broken bool // the connection breaks inside the body
			empty  bool
		}{
			{wish: "batch=2", status: 200, valid: true},
			{wish: "unknown-event", status: 200, valid: true},
			{wish: "exception=throttlingException after=3", status: 429, kind: "ThrottlingException", valid: true},
			{wish: "exception=modelStreamErrorException", status: 424, kind: "ModelStreamErrorException", valid: true},
			{wish: "cut=2", status: 200, broken: true},
			{wish: "cut-inside=2", status: 200, broken: true},
			{wish: "end=2", status: 200},
			{wish: "badcrc=2", status: 200},
			{wish: "empty", status: 200, empty: true},
			{wish: "drip=1ms", status: 200, valid: true},
			{wish: "error=ModelNotReadyException", status: 429, kind: "ModelNotReadyException", valid: true},
			{wish: "error=InternalServerException message='try \\'again\\''", status: 500, kind: "InternalServerException", valid: true},
			{wish: "error=SomethingElse status=418", status: 418, kind: "SomethingElse", valid: true},
			{wish: "refuse=plain-503", status: 503, valid: true},
			{wish: "refuse=legacy-idle", status: 404, kind: "ResourceNotFoundException", valid: true},
		} {
			t.Run(name+" "+c.wish, func(t *testing.T) {
				body := user("hi [[sandbox " + c.wish + "]]")
				got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, novaPath, body))
				kind, _, _ := strings.Cut(got.header.Get("X-Amzn-Errortype"), ":")
				if got.status != c.status || kind != c.kind {
					t.Errorf("%d %q %s", got.status, kind, got.body)
				}
				if json.Valid(got.body) != c.valid || (got.err != nil) != c.broken || (len(got.body) == 0) != c.empty {
					t.Errorf("body %q, %v", got.body, got.err)
				}
			})
		}
	}
}

// The header speaks the same language as the message, and the message wins.
func TestDirectiveInTheHeader(t *testing.T) {
	srv := serve(t, Options{})
	ask := func(header, said string) raw {
		return send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, novaPath, user(said), "X-Sandbox", header))
	}
	if got := ask("error=ThrottlingException", "hi"); got.status != 429 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := ask(`text="from the header"`, `hi [[sandbox text="from the message"]]`); !strings.Contains(string(got.body), "from the message") {
		t.Errorf("%s", got.body)
	}
	if got := ask("[[sandbox empty]]", "hi"); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestThrottle(t *testing.T) {
	other := Credential{AccessKeyID: "other", SecretAccessKey: "other"}
	srv := serve(t, Options{Credentials: []Credential{sandboxKey, other}})
	status := func(key Credential, said string) int {
		return send(t, srv, wire{srv, key, "bedrock"}.request(t, novaPath, user(said))).status
	}
	for i, want := range []int{429, 429, 200, 200} {
		if got := status(sandboxKey, "one [[sandbox throttle=2]]"); got != want {
			t.Errorf("call %d: %d, want %d", i+1, got, want)
		}
	}
	if got := status(sandboxKey, "two [[sandbox throttle=2]]"); got != 429 {
		t.Errorf("another conversation: %d", got)
	}
	if got := status(other, "one [[sandbox throttle=2]]"); got != 429 {
		t.Errorf("another key: %d", got)
	}
	_, err := bedrockruntime.NewFromConfig(awsConfig(srv, sandboxKey)).Converse(t.Context(),
		&bedrockruntime.ConverseInput{ModelId: aws.String(novaID), Messages: sdkUser("three [[sandbox throttle=1]]")})
	var throttled *types.ThrottlingException
	if !errors.As(err, &throttled) {
		t.Errorf("the SDK says %v", err)
	}
}

func sdkUser(s string) []types.Message {
	return []types.Message{{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: s}}}}
}

// An exception frame comes out of the SDK as its typed error.
func TestSDKSeesExceptions(t *testing.T) {
	client := bedrockruntime.NewFromConfig(awsConfig(serve(t, Options{}), sandboxKey))
	out, err := client.ConverseStream(t.Context(), &bedrockruntime.ConverseStreamInput{
		ModelId: aws.String(claudeID), Messages: sdkUser("hi [[sandbox exception=modelStreamErrorException after=3 message=overheated unknown-event]]"),
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range out.GetStream().Events() {
		n++
	}
	var failed *types.ModelStreamErrorException
	if err := out.GetStream().Err(); !errors.As(err, &failed) || failed.ErrorMessage() != "overheated" || *failed.OriginalStatusCode != 500 {
		t.Errorf("%d events, %v", n, err)
	}
	if n != 3 {
		t.Errorf("%d events before the exception, want 3", n)
	}
}

// direct calls the handler without a network, for tests that run in a bubble of
// fake time. broken says that the handler tore the connection down.
func direct(ctx context.Context, t *testing.T, s *Server, c call) (rec *httptest.ResponseRecorder, broken bool) {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://sandbox"+opPath(c.Op, novaID, escapeAll), bytes.NewReader(c.Raw))
	sum := sha256.Sum256(c.Raw)
	key := aws.Credentials{AccessKeyID: "sandbox", SecretAccessKey: "sandbox"}
	if err := v4.NewSigner().SignHTTP(ctx, key, r, hex.EncodeToString(sum[:]), "bedrock", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	rec = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			broken = true
		}
	}()
	s.ServeHTTP(rec, r)
	return rec, false
}

func TestPauses(t *testing.T) {
	for _, c := range []struct {
		name, op, wish string
		pace           time.Duration
		want           time.Duration
	}{
		{"slow start", opConverse, "start=500ms", 0, 500 * time.Millisecond},
		{"slow start of a stream", opConverseStream, "start=2s", 0, 2 * time.Second},
		{"slow start of an error", opConverse, "start=2s error=ThrottlingException", 0, 2 * time.Second},
		{"drip per frame: messageStart, 5 deltas, 3 more", opConverseStream, "tokens=5 drip=20ms", 0, 180 * time.Millisecond},
		{"pace per token", opConverseStream, "tokens=5", 10 * time.Millisecond, 50 * time.Millisecond},
		{"pace of a plain reply", opConverse, "tokens=5", 10 * time.Millisecond, 50 * time.Millisecond},
		{"pace and drip", opConverseStream, "tokens=5 drip=20ms", 10 * time.Millisecond, 230 * time.Millisecond},
		{"cut ends the drip", opConverseStream, "tokens=5 drip=20ms cut=2", 0, 40 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := New(Options{Pace: c.pace})
				if err != nil {
					t.Fatal(err)
				}
				before := time.Now()
				direct(t.Context(), t, s, call{Op: c.op, Raw: user("hi [[sandbox " + c.wish + "]]")})
				if got := time.Since(before); got != c.want {
					t.Errorf("it took %s, want %s", got, c.want)
				}
			})
		})
	}
}

// A client that leaves ends every pause at once.
func TestClientLeaves(t *testing.T) {
	for _, c := range []struct{ op, wish string }{
		{opConverse, "start=10m"},
		{opConverse, "drip=10m"},
		{opConverseStream, "start=10m"},
		{opConverseStream, "drip=1m"},
		{opConverseStream, "drip=1m cut=5"},
	} {
		t.Run(c.op+" "+c.wish, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := New(Options{})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				before := time.Now()
				direct(ctx, t, s, call{Op: c.op, Raw: user("hi [[sandbox " + c.wish + "]]")})
				if got := time.Since(before); got != 90*time.Second {
					t.Errorf("the handler ended after %s", got)
				}
			})
		})
	}
}

// Every frame is flushed by itself unless the directive batches them.
func TestBatches(t *testing.T) {
	for wish, want := range map[string]int{"": 7, "batch=3": 3, "batch=3 drip=1ms": 3, "batch=100": 1} {
		s, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		counter := &writeCounter{Handler: s}
		srv := httptest.NewServer(counter)
		send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opConverseStream, novaID, escapeAll), user("hi [[sandbox tokens=3 "+wish+"]]")))
		srv.Close()
		if counter.writes != want {
			t.Errorf("%q: %d writes, want %d", wish, counter.writes, want)
		}
	}
}

type writeCounter struct {
	http.Handler
	writes int
}

func (c *writeCounter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.Handler.ServeHTTP(&countingWriter{w, c}, r)
}

type countingWriter struct {
	http.ResponseWriter
	counter *writeCounter
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.counter.writes++
	return w.ResponseWriter.Write(p)
}
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
