package sigv4

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http/httpguts"
)

var when = time.Date(2026, 11, 23, 9, 10, 11, 500, time.FixedZone("", 3600))

// newRequest is the kind of request that is signed here; nil for an address that is none.
func newRequest(t testing.TB, method, address string, body []byte, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, address, bytes.NewReader(body))
	if err != nil {
		return nil
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// differs signs the same request twice, by us and by the SDK, and says what differs.
func differs(t testing.TB, s *Signer, request func() *http.Request, body []byte, c aws.Credentials, at time.Time) string {
	t.Helper()
	ours, theirs := request(), request()
	s.Sign(ours, body, c, at)
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(t.Context(), c, theirs, hex.EncodeToString(sum[:]), s.Service, s.Region, at); err != nil {
		t.Fatal(err)
	}
	type sent struct {
		Header            http.Header
		Host, Path, Query string
	}
	of := func(r *http.Request) sent { return sent{r.Header, r.Host, r.URL.EscapedPath(), r.URL.RawQuery} }
	return cmp.Diff(of(theirs), of(ours))
}

func TestSignIsTheSDKs(t *testing.T) {
	plain := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	session := plain
	session.SessionToken = "a session/token+with=signs"
	long := plain
	long.SecretAccessKey = strings.Repeat("long", 40)
	for name, test := range map[string]struct {
		method, address string
		body            string
		headers         []string
		credentials     aws.Credentials
	}{
		"chat":             {"POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse", `{"a":1}`, []string{"Content-Type", "application/json", "User-Agent", "outcrop"}, plain},
		"session":          {"POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/x/converse-stream", `{}`, []string{"Content-Type", "application/json"}, session},
		"long secret":      {"POST", "https://h.example/model/x/invoke", `{}`, nil, long},
		"ARN":              {"POST", "https://h.example:8443/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc/converse", "", nil, plain},
		"standard port":    {"POST", "https://h.example:443/model/x/converse", "{}", nil, plain},
		"port of http":     {"POST", "http://h.example:80/", "{}", nil, plain},
		"IPv6":             {"POST", "http://[::1]:8080/model/x/converse", "{}", nil, plain},
		"no path":          {"GET", "https://h.example", "", nil, plain},
		"query":            {"GET", "https://h.example/inference-profiles?typeEquals=SYSTEM_DEFINED&maxResults=1000&b=x+y&b=%2B&a", "", nil, plain},
		"several values":   {"POST", "https://h.example/x", "{}", []string{"X-Amzn-Bedrock-Trace", "a", "X-Amzn-Bedrock-Trace", " b   c ", "Anthropic-Beta", "one"}, plain},
		"unsigned headers": {"POST", "https://h.example/x", "{}", []string{"X-Amzn-Trace-Id", "1", "Expect", "100-continue", "Authorization", "old", "X-Amz-Security-Token", "old", "Content-Length", "5"}, session},
		"spaces":           {"POST", "https://h.example/a b/c%20d/é", "{}", []string{"X-A", "   ", "X-B", "a    b   c"}, plain},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Signer{Service: "bedrock", Region: "us-east-1"}
			request := func() *http.Request {
				return newRequest(t, test.method, test.address, []byte(test.body), test.headers...)
			}
			for _, at := range []time.Time{when, when.Add(time.Second), when.Add(24 * time.Hour)} {
				if diff := differs(t, s, request, []byte(test.body), test.credentials, at); diff != "" {
					t.Errorf("at %v (-SDK +ours):\n%s", at, diff)
				}
			}
		})
	}
}

// TestSignFollowsCredentials has one signer sign with credentials that change, as those of a role do.
func TestSignFollowsCredentials(t *testing.T) {
	s := &Signer{Service: "bedrock", Region: "eu-west-1"}
	request := func() *http.Request { return newRequest(t, "POST", "https://h.example/x", []byte("{}")) }
	for _, c := range []aws.Credentials{
		{AccessKeyID: "A", SecretAccessKey: "one"}, {AccessKeyID: "A", SecretAccessKey: "two"},
		{AccessKeyID: "B", SecretAccessKey: "two", SessionToken: "t"}, {AccessKeyID: "A", SecretAccessKey: "one"},
	} {
		if diff := differs(t, s, request, []byte("{}"), c, when); diff != "" {
			t.Errorf("%s (-SDK +ours):\n%s", c.AccessKeyID, diff)
		}
	}
}

func TestHMAC(t *testing.T) {
	for _, size := range []int{0, 1, 63, 64, 65, 200, 511, 512, 513, 2000} {
		key, message := bytes.Repeat([]byte("k"), size), bytes.Repeat([]byte("m"), size)
		want := hmac.New(sha256.New, key)
		want.Write(message)
		got, approved := hmacSHA256(key, message), approvedHMAC(key, message)
		if !hmac.Equal(want.Sum(nil), got[:]) || got != approved {
			t.Errorf("of %d bytes: %x", size, got)
		}
	}
}

// FuzzSignIsTheSDKs signs what may come: addresses, headers, bodies, credentials, times.
func FuzzSignIsTheSDKs(f *testing.F) {
	f.Add("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse", "Content-Type", "application/json", []byte(`{"a":1}`), "secret", "", int64(1_763_888_000))
	f.Add("GET", "http://[::1]:80/a%2Fb/c?x=1&x=0&y", "X-Amzn-Bedrock-Trace", "  a   b ", []byte{}, "s", "token", int64(0))
	f.Fuzz(func(t *testing.T, method, address, name, value string, body []byte, secret, token string, at int64) {
		request := func() *http.Request { return newRequest(t, method, address, body, name, value) }
		r := request()
		if r == nil || r.URL.Opaque != "" || r.URL.Host == "" || at < 0 || at > 1<<37 {
			t.Skip("net/http makes no request of it")
		}
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			t.Skip("net/http sends no such header")
		}
		if strings.HasSuffix(strings.Split(r.URL.Host, "]")[0], ":") || strings.Contains(r.Host, "]:") || strings.Count(r.Host, ":") > 1 {
			t.Skip("the SDK takes the brackets off an IPv6 address when it drops the port, which net/http would not send")
		}
		s := &Signer{Service: "bedrock", Region: "us-east-1"}
		c := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: secret, SessionToken: token}
		if diff := differs(t, s, request, body, c, time.Unix(at, 0)); diff != "" {
			t.Errorf("(-SDK +ours):\n%s", diff)
		}
	})
}

func TestSignAllocates(t *testing.T) {
	s, c := &Signer{Service: "bedrock", Region: "us-east-1"}, aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	body := []byte(`{"a":1}`)
	r := newRequest(t, "POST", "https://h.example/model/us.amazon.nova-lite-v1%3A0/converse", body, "Content-Type", "application/json")
	if n := testing.AllocsPerRun(100, func() { s.Sign(r, body, c, when) }); n > 3 {
		t.Errorf("%v allocations instead of 3: the path, the values of the headers, and the signature", n)
	}
}

// BenchmarkSign puts the SDK's signer beside ours; allocations are what the committed baseline holds.
func BenchmarkSign(b *testing.B) {
	c := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"}
	body := bytes.Repeat([]byte("x"), 2048)
	request := func() *http.Request {
		r := newRequest(b, "POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse", body, "Content-Type", "application/json", "User-Agent", "outcrop")
		_, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	b.Run("ours", func(b *testing.B) {
		s, r := &Signer{Service: "bedrock", Region: "us-east-1"}, request()
		b.ReportAllocs()
		for b.Loop() {
			s.Sign(r, body, c, when)
		}
	})
	b.Run("SDK", func(b *testing.B) {
		s, r := v4.NewSigner(), request()
		b.ReportAllocs()
		for b.Loop() {
			sum := sha256.Sum256(body)
			if err := s.SignHTTP(b.Context(), c, r, hex.EncodeToString(sum[:]), "bedrock", "us-east-1", when); err != nil {
				b.Fatal(err)
			}
		}
	})
}
