package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// FuzzSignatures holds the verifier against AWS's signer, which is the one that the gateway signs with: what it signs is
// accepted, whatever the path, the query, the headers, the body, the token and the second; any change of it is not.
func FuzzSignatures(f *testing.F) {
	f.Add("us.amazon.nova-lite-v1:0", "", "", []byte(helloBody), "", int64(0))
	f.Add("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a b", "x=1&a=%2F&x=0", "  two  spaces ", []byte{}, "token/+=", int64(290))
	f.Add("é/~*'()", "a=b+c&=&d", "ü", []byte{0}, "t", int64(-290))
	now := time.Date(2026, 11, 23, 23, 59, 30, 0, time.UTC)
	o := Options{Now: func() time.Time { return now }}
	v, err := newVerifier(o, newServer(f, o))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, model, query, header string, body []byte, token string, seconds int64) {
		key := Credential{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "secret", SessionToken: strings.Map(visible, token)}
		v.keys[key.AccessKeyID] = key
		if _, err := url.ParseQuery(query); err != nil || strings.ContainsFunc(query, func(r rune) bool { return visible(r) < 0 }) {
			return // no URL has it
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://bedrock"+opPath(opConverse, model, escapeAll), nil)
		r.URL.RawQuery = query
		r.Header.Set("X-Custom", strings.Map(visible, header))
		sum, at := sha256.Sum256(body), now.Add(time.Duration(seconds%301)*time.Second)
		credentials := aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken}
		if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, hex.EncodeToString(sum[:]), "bedrock", "us-east-1", at); err != nil {
			t.Fatal(err)
		}
		if _, refused := v.verify(r, body, "bedrock"); refused != nil {
			t.Fatalf("%q ?%q %q %q at %v: %v", r.URL.EscapedPath(), query, header, token, at, refused.Message)
		}
		if _, refused := v.verify(r, append(body[:len(body):len(body)], 'x'), "bedrock"); refused == nil {
			t.Fatal("another body is accepted")
		}
		r.Header.Set("X-Custom", r.Header.Get("X-Custom")+"x")
		if _, refused := v.verify(r, body, "bedrock"); refused == nil {
			t.Fatal("another header is accepted")
		}
	})
}

// visible leaves out what no header has.
func visible(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}
