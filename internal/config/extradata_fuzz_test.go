package config

import (
	"fmt"
	"testing"

	"strings"
)

// FuzzExtraData: a header of extraData is read or refused, without its secrets, and one that is not trusted names no file
// and no address.
func FuzzExtraData(f *testing.F) {
	for _, seed := range []string{
		`{"region":"us-east-1","aws_access_key_id":"AKIAEXAMPLE","aws_secret_access_key":"` + canary + `"}`, `{"aws_session_token":["` + canary + `"]}`,
		`{"aws_bearer_token_bedrock":{"x":"` + canary + `"}}`, `{"aws_profile":"x","aws_web_identity_token_file":"/etc/passwd"}`, `{"aws_endpoint_url_bedrock_runtime":"http://x"}`,
		`{"https_proxy":"http://u:` + canary + `@h"}`, `null`, ``, `{"region":"us-east-1","region":"us-west-2"}`, `{"aws_role_chain":["arn:aws:iam::123456789012:role/x"]}`, `{"aws_ca_bundle":"/x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		ReadTrustedExtraData(doc)
		u, problems := ReadExtraData(doc)
		for _, p := range problems {
			if strings.Contains(p.String(), canary) {
				t.Fatalf("%q: %v", doc, p)
			}
		}
		if HasErrors(problems) {
			return
		}
		if n := u.Network; n.Runtime+n.Mantle+n.Control+n.STS+n.CABundle != "" || u.WebIdentityTokenFile+u.Profile+u.KeyFile != "" {
			t.Fatalf("%q: %s", doc, fmt.Sprintf("%+v", u))
		}
	})
}
