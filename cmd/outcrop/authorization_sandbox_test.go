package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"outcrop/internal/sandbox"
)

// sandboxDoors are the sandbox's, by a request of each service that it pretends to be. Signatures have a table of their
// own (internal/sandbox, TestSignatureRefusals): here nobody has signed.
func (d *doors) sandboxDoors(b *bytes.Buffer) {
	d.t.Helper()
	server, err := sandbox.New(sandbox.Options{})
	if err != nil {
		d.t.Fatal(err)
	}
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	const scope = "/20261123/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature="
	visitors := []visitor{
		{"none", "no credential", nil, "", http.StatusForbidden, false},
		{"blank", "an empty Authorization", http.Header{"Authorization": {""}}, "", http.StatusForbidden, false},
		{"wrong", "a Bedrock API key that nobody has", bearer("nobody"), "", http.StatusForbidden, false},
		{"outcrop", "a key of the gateway's, as Api-Key", http.Header{"Api-Key": {"a-key-of-team-a"}}, "", http.StatusForbidden, false},
		{"jwt-none", "a token with alg none", bearer(d.unsigned()), "", http.StatusForbidden, false},
		{"jwt", "a token that the gateway takes", bearer(d.token(jose.RS256, d.keys[0], nil)), "", http.StatusForbidden, false},
		{"sig", "a signature that is made up", http.Header{"Authorization": {"AWS4-HMAC-SHA256 Credential=sandbox" + scope + strings.Repeat("0", 64)}, "X-Amz-Date": {"20261123T080000Z"}}, "", http.StatusForbidden, false},
		{"api-key", "the sandbox's Bedrock API key, which is for Bedrock alone", bearer("sandbox"), "", 0, false},
	}
	b.WriteString("\n== outcrop sandbox (one request of each service)\n\n")
	legend(b, visitors)
	b.WriteString("\n" + strings.TrimRight(fmt.Sprintf("%-62s %s", "", heads(visitors)), " ") + "\n")
	for _, c := range []struct{ request, body string }{
		{"POST /model/us.amazon.nova-lite-v1:0/converse", `{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}`},
		{"POST /model/us.amazon.nova-lite-v1:0/converse-stream", `{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}`},
		{"POST /model/amazon.titan-embed-text-v2:0/invoke", `{"inputText":"Hello"}`},
		{"POST /v1/chat/completions", `{"model":"openai.gpt-oss-120b","messages":[{"role":"user","content":"Hello"}]}`},
		{"POST /anthropic/v1/messages", `{"model":"anthropic.claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"Hello"}]}`},
		{"GET /foundation-models", ""},
		{"GET /inference-profiles", ""},
		{"POST / (STS)", "Action=GetCallerIdentity&Version=2011-06-15"},
		{"POST / (IAM)", "Action=ListRoles&Version=2010-05-08"},
		{"GET /clusters", ""},
	} {
		method, rest, _ := strings.Cut(c.request, " ")
		path, _, _ := strings.Cut(rest, " ")
		line := fmt.Sprintf("%-62s", c.request)
		for _, v := range visitors {
			r := httptest.NewRequestWithContext(d.t.Context(), method, path, strings.NewReader(c.body))
			r.Header = v.header.Clone()
			if r.Header == nil {
				r.Header = http.Header{}
			}
			r.Header.Set("Content-Type", "application/json")
			if path == "/" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			if v.refused != 0 && w.Code/100 != 4 {
				d.t.Errorf("sandbox: %s: %s is answered with %d %s", c.request, v.says, w.Code, w.Body)
			}
			line += fmt.Sprintf(" %-*d", len(v.name), w.Code)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
