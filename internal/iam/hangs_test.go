package iam_test

import (
	"strings"
	"testing"

	"outcrop/internal/iam"
)

// A refusal that hangs on where a call comes from is no refusal of everybody.
func TestHangs(t *testing.T) {
	allow := `{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"*"}`
	for _, c := range []struct{ name, statements, want string }{
		{"allowed", allow, ""},
		{"denied elsewhere than from an endpoint", allow + `,{"Effect":"Deny","Action":"bedrock:*","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}}`, "aws:SourceVpce"},
		{"allowed over TLS and to a team", `{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:PrincipalTag/team":"dial","aws:RequestedRegion":"eu-west-1"}}}`,
			"aws:PrincipalTag/team aws:SecureTransport"},
		{"in another region", `{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"},"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}`, ""},
		{"through a profile only", `{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"*","Condition":{"StringEquals":{"bedrock:InferenceProfileArn":"p"}}}`, ""},
		{"denied for good", allow + `,{"Effect":"Deny","Action":"bedrock:*","Resource":"*"},{"Effect":"Deny","Action":"bedrock:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`, ""},
		{"of another action", `{"Effect":"Allow","Action":"bedrock:CountTokens","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, ""},
	} {
		d, err := iam.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + c.statements + `]}`))
		if err != nil {
			t.Fatal(c.name, err)
		}
		r := iam.Request{Action: "bedrock:InvokeModel", Resource: "arn:aws:bedrock:eu-west-1::foundation-model/m", Context: map[string][]string{"aws:RequestedRegion": {"eu-west-1"}}}
		if got := strings.Join(iam.Hangs(r, d), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
