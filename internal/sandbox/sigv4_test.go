package sandbox

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/smithy-go/auth/bearer"
)

const helloBody = `{"messages":[{"role":"user","content":[{"text":"hello"}]}]}`

var novaPath = opPath(opConverse, "us.amazon.nova-lite-v1:0", escapeAll)

func TestSignatureRefusals(t *testing.T) {
	srv := serve(t, Options{Credentials: []Credential{sandboxKey, {AccessKeyID: "ASIAX", SecretAccessKey: "s", SessionToken: "tok"}}})
	auth := func(old, replacement string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, replacement, 1))
		}
	}
	today := time.Now().UTC().Format("20060102")
	cases := []struct {
		name    string
		key     Credential
		change  func(*http.Request)
		status  int
		kind    string
		message string // contained in the text
	}{
		{"unknown key", Credential{AccessKeyID: "nobody", SecretAccessKey: "sandbox"}, nil, 403, "UnrecognizedClientException", "The security token included in the request is invalid."},
		{"wrong secret", Credential{AccessKeyID: "sandbox", SecretAccessKey: "wrong"}, nil, 403, "InvalidSignatureException", "The request signature we calculated does not match"},
		{"token missing", Credential{AccessKeyID: "ASIAX", SecretAccessKey: "s"}, nil, 403, "UnrecognizedClientException", "security token"},
		{"token wrong", Credential{AccessKeyID: "ASIAX", SecretAccessKey: "s", SessionToken: "other"}, nil, 403, "UnrecognizedClientException", "security token"},
		{"token unwanted", Credential{AccessKeyID: "sandbox", SecretAccessKey: "sandbox", SessionToken: "tok"}, nil, 403, "UnrecognizedClientException", "security token"},
		{"no header", sandboxKey, func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"another scheme", sandboxKey, func(r *http.Request) { r.SetBasicAuth("a", "b") }, 400, "IncompleteSignatureException", "requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders'"},
		{"no signature", sandboxKey, auth("Signature=", "Nothing="), 400, "IncompleteSignatureException", "Authorization header requires 'Signature' parameter. (Hashed"},
		{"short credential", sandboxKey, auth("Credential=sandbox/"+today+"/", "Credential="), 400, "IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements"},
		{"no date", sandboxKey, func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 400, "IncompleteSignatureException", "'X-Amz-Date' or a 'Date'"},
		{"odd date", sandboxKey, func(r *http.Request) { r.Header.Set("X-Amz-Date", "yesterday") }, 400, "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'. Got 'yesterday'"},
		{"another service", sandboxKey, auth("/bedrock/", "/s3/"), 403, "InvalidSignatureException", "Credential should be scoped to correct service: 'bedrock'."},
		{"odd region", sandboxKey, auth("/us-east-1/", "/nowhere/"), 403, "InvalidSignatureException", "Credential should be scoped to a valid region."},
		{"region not signed", sandboxKey, auth("/us-east-1/", "/eu-west-1/"), 403, "InvalidSignatureException", "does not match"},
		{"terminator", sandboxKey, auth("aws4_request", "aws5_request"), 403, "InvalidSignatureException", "valid terminator: 'aws4_request', not 'aws5_request'"},
		{"scope of another day", sandboxKey, auth("/"+today+"/", "/20200101/"), 403, "InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD"},
		{"host not signed", sandboxKey, auth("host;", ""), 403, "InvalidSignatureException", "'Host' or ':authority' must be a 'SignedHeader'"},
		{"date not signed", sandboxKey, auth(";x-amz-date", ""), 403, "InvalidSignatureException", "'X-Amz-Date' must be a 'SignedHeader'"},
		{"header changed", sandboxKey, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 403, "InvalidSignatureException", "content-type:text/plain"},
		{"body changed", sandboxKey, func(r *http.Request) { spoilBody(r) }, 403, "InvalidSignatureException", "does not match"},
		{"query added", sandboxKey, func(r *http.Request) { r.URL.RawQuery = "x=1" }, 403, "InvalidSignatureException", "does not match"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := wire{srv, c.key, "bedrock"}.request(t, novaPath, []byte(helloBody))
			if c.change != nil {
				c.change(r)
			}
			got := send(t, srv, r)
			kind, namespace, _ := strings.Cut(got.header.Get("X-Amzn-Errortype"), ":")
			if got.status != c.status || kind != c.kind || namespace != authNamespace {
				t.Errorf("%d %s:%s, want %d %s", got.status, kind, namespace, c.status, c.kind)
			}
			if message := text(decodeObject(got.body)["message"]); !strings.Contains(message, c.message) {
				t.Errorf("text %q, want %q in it", message, c.message)
			}
		})
	}
}

// spoilBody sends another body of the same length.
func spoilBody(r *http.Request) {
	body := strings.Replace(helloBody, "hello", "jello", 1)
	r.Body = http.NoBody
	r.GetBody = nil
	r.Body = readCloser{strings.NewReader(body)}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// The text of a mismatch shows what was signed, but no session token.
func TestMismatchHidesTheToken(t *testing.T) {
	srv := serve(t, Options{Credentials: []Credential{{AccessKeyID: "k", SecretAccessKey: "s", SessionToken: "very-secret-token"}}})
	r := wire{srv, Credential{AccessKeyID: "k", SecretAccessKey: "wrong", SessionToken: "very-secret-token"}, "bedrock"}.request(t, novaPath, []byte(helloBody))
	got := send(t, srv, r)
	message := text(decodeObject(got.body)["message"])
	if got.status != 403 || strings.Contains(message, "very-secret-token") || !strings.Contains(message, "x-amz-security-token:REDACTED") {
		t.Errorf("%d %s", got.status, message)
	}
	if !strings.Contains(message, "POST\n/model/us.amazon.nova-lite-v1%253A0/converse\n\n") {
		t.Errorf("no canonical request with a doubly encoded path: %s", message)
	}
}

// AWS takes clocks that are up to five minutes off.
func TestClock(t *testing.T) {
	for _, c := range []struct {
		off     time.Duration // how far the sandbox's clock is ahead of the signer's
		message string
	}{
		{0, ""},
		{4*time.Minute + 50*time.Second, ""},
		{-4*time.Minute - 50*time.Second, ""},
		{6 * time.Minute, " is now earlier than "},
		{-6 * time.Minute, " is still later than "},
	} {
		srv := serve(t, Options{Now: func() time.Time { return time.Now().Add(c.off) }})
		got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, novaPath, []byte(helloBody)))
		message := text(decodeObject(got.body)["message"])
		if (got.status == 200) != (c.message == "") || !strings.Contains(message, c.message) {
			t.Errorf("clock off by %s: %d %q", c.off, got.status, message)
		}
	}
}

// The SDK learns the sandbox's clock from the date of a refusal, and retries.
func TestSDKCorrectsItsClock(t *testing.T) {
	srv := serve(t, Options{Now: func() time.Time { return time.Now().Add(-3 * time.Hour) }})
	cfg := awsConfig(srv, sandboxKey)
	cfg.RetryMaxAttempts = 2
	_, err := bedrockruntime.NewFromConfig(cfg).CountTokens(t.Context(), countInput(t))
	if err != nil {
		t.Error(err)
	}
}

// The model id is one label of the path, however a client writes it.
func TestModelIDInThePath(t *testing.T) {
	srv := serve(t, Options{})
	arn := "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"
	for name, path := range map[string]string{
		"escaped":               "/model/us.amazon.nova-lite-v1%3A0/converse",
		"colon as it is":        "/model/us.amazon.nova-lite-v1:0/converse",
		"lower-case escape":     "/model/us.amazon.nova-lite-v1%3a0/converse",
		"ARN":                   opPath(opConverse, arn, escapeAll),
		"ARN, colons as is":     "/model/" + strings.ReplaceAll(arn, "/", "%2F") + "/converse",
		"application profile":   opPath(opConverse, "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123", escapeAll),
		"model ARN, no account": opPath(opConverse, "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", escapeAll),
	} {
		got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, path, []byte(helloBody)))
		if got.status != 200 {
			t.Errorf("%s: %s: %d %s", name, path, got.status, got.body)
		}
	}
	got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, "/model/"+arn+"/converse", []byte(helloBody)))
	if got.status != 404 || !strings.HasPrefix(got.header.Get("X-Amzn-Errortype"), "UnknownOperationException") {
		t.Errorf("an ARN in two labels: %d %s", got.status, got.body)
	}
}

// API keys work for Bedrock and not for STS.
func TestAPIKeys(t *testing.T) {
	srv := serve(t, Options{APIKeys: []string{"bedrock-api-key-1"}})
	for _, c := range []struct {
		token string
		works bool
	}{{"bedrock-api-key-1", true}, {"sandbox", false}, {"", false}} {
		cfg := awsConfig(srv, sandboxKey)
		cfg.BearerAuthTokenProvider = bearer.StaticTokenProvider{Token: bearer.Token{Value: c.token}}
		cfg.AuthSchemePreference = []string{"httpBearerAuth"}
		_, err := bedrockruntime.NewFromConfig(cfg).CountTokens(t.Context(), countInput(t))
		if (err == nil) != c.works {
			t.Errorf("API key %q: %v", c.token, err)
		}
	}
	r := wire{srv, sandboxKey, "bedrock"}.request(t, "/", []byte("Action=GetCallerIdentity"))
	r.Header.Set("Authorization", "Bearer bedrock-api-key-1")
	if got := send(t, srv, r); got.status != 400 || !strings.Contains(string(got.body), "<Code>IncompleteSignature</Code>") {
		t.Errorf("STS with an API key: %d %s", got.status, got.body)
	}
}

// Signers fold spaces and nothing else: tabs and U+00A0 are signed as they are.
func TestBlanksInSignedHeaders(t *testing.T) {
	srv := serve(t, Options{})
	for _, value := range []string{"text='a   b'", "text='a\tb'", "text='a\u00a0b'", "  text='a'  ", "text='a \t b'", "text='\u3000'"} {
		if got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, novaPath, []byte(helloBody), "X-Sandbox", value)); got.status != 200 {
			t.Errorf("%q: %d %s", value, got.status, got.body)
		}
	}
}

func TestCanonicalQuery(t *testing.T) {
	for in, want := range map[string]string{
		"":            "",
		"b=2&a=1":     "a=1&b=2",
		"a=2&a=1":     "a=1&a=2",
		"a":           "a=",
		"a=x+y&B=%2f": "B=%2F&a=x%20y",
		"a=%zz":       "a=%25zz",
	} {
		if got := canonicalQuery(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCredentialHidesItsSecret(t *testing.T) {
	if s := sandboxKey.String() + sandboxKey.GoString(); s != "sandbox:REDACTEDsandbox:REDACTED" {
		t.Error(s)
	}
}

func countInput(t testing.TB) *bedrockruntime.CountTokensInput {
	t.Helper()
	in := &bedrockruntime.CountTokensInput{ModelId: aws.String("anthropic.claude-sonnet-4-20250514-v1:0")}
	if err := fill(in, decodeObject([]byte(`{"input":{"converse":`+helloBody+`}}`))); err != nil {
		t.Fatal(err)
	}
	return in
}
