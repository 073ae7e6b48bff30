package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestReadExtraData(t *testing.T) {
	u, problems := ReadExtraData([]byte(` {"region": "eu-west-1", "aws_assume_role_arn": "arn:aws:iam::123456789012:role/One", "aws_role_duration": "30m",
		"compatible_model_id": "us.amazon.nova-lite-v1:0", "aws_use_fips_endpoint": true} `))
	if len(problems) != 0 {
		t.Errorf("problems: %v", problems)
	}
	if u.Region != "eu-west-1" || u.AssumeRoleARN != "arn:aws:iam::123456789012:role/One" || u.RoleDuration != 30*time.Minute ||
		u.BaseModel != "us.amazon.nova-lite-v1:0" || u.Network.FIPS == nil || !*u.Network.FIPS || u.Weight != 1 {
		t.Errorf("read %+v", u)
	}
	for _, tt := range []struct{ doc, want string }{
		{"", ""},
		{" null ", ""},
		{"{}", ""},
		{`{"region": null}`, ""},
		{`{"region": "us-east"}`, "error: extraData.region: this is not the name of an AWS region (for example us-east-1)"},
		{`{"region": 1}`, "warning: extraData.region: a number where a string belongs"},
		{`{"aws_secret_access_key": ["hush-secret-1"]}`, "error: extraData.aws_secret_access_key: must be a string, is a list"},
		{`{"aws_access_key_id": "AKIA1"}`, "error: extraData: aws_access_key_id without aws_secret_access_key"},
		{`{"aws_session_token": "hush-token-1", "aws_access_key_id": "AKIA", "aws_secret_access_key": "hush-secret-1", "hush-token-1": 1}`, "warning: extraData[#4]: unknown field, ignored"},
		{`{"session_policy": "hush-token-1"}`, "warning: extraData.session_policy: unknown field, ignored"},
		{`{"role_arn": "arn:aws:iam::123456789012:role/One"}`, "did you mean aws_assume_role_arn?"},
		{`{"region": "eu-west-1", "region": "eu-west-2"}`, "error: extraData.region: the same name twice"},
		{`{"aws_bearer_token_bedrock": "hush-key-1\r\nX-Other: hush"}`, "error: extraData.aws_bearer_token_bedrock: the secret has a line break or another control character in it"},
		{`{"aws_access_key_id": "AKIA", "aws_secret_access_key": "hush-secret-1\n"}`, "error: extraData.aws_secret_access_key: the secret has a line break"},
		{`["hush-secret-1"]`, "error: extraData: must be an object, is a list"},
		{`"hush-secret-1"`, "error: extraData: must be an object, is a string"},
		{`{"aws_secret_access_key": "hush-secret-1"`, "error: extraData: this is no JSON: "},
		{`hush-secret-1`, "error: extraData: this is no JSON: "},
		{"{\"region\": \"\xff\"}", "this is not UTF-8 text"},
		{`{"claude_client": "other"}`, "error: extraData.claude_client: must be one of legacy, mantle, converse"},
		{`{"use_http2": "maybe"}`, "error: extraData.use_http2: must be true or false"},
	} {
		_, problems := ReadExtraData([]byte(tt.doc))
		var all strings.Builder
		for _, p := range problems {
			all.WriteString(p.String() + "\n")
		}
		if got := all.String(); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") || strings.Contains(got, "hush") {
			t.Errorf("%s: got %s", tt.doc, got)
		}
	}
}

// A field that reads a file of this machine, or has it call an address, is refused unless the sender is
// trusted. The table of fields says which those are.
func TestAFileOrAnAddressIsNotTakenFromARequest(t *testing.T) {
	for _, f := range extraTable().fields {
		local := strings.Contains(f.about, "file") || strings.Contains(f.about, "prox") || strings.Contains(f.about, "address of") || f.kind == "URL"
		if f.name == "region" {
			local = false
		}
		doc := []byte(`{"` + f.name + `": "x"}`)
		refused := func(_ Upstream, problems []Problem) bool {
			return strings.Contains(fmt.Sprint(problems), "extraData."+f.name+": a file or an address is not taken from a request")
		}
		if got := refused(ReadExtraData(doc)); got != local {
			t.Errorf("%s: refused %v", f.name, got)
		}
		if refused(ReadTrustedExtraData(doc)) {
			t.Errorf("%s: refused from a trusted sender", f.name)
		}
	}
}

// What stands beside extraData in a file stands in it when it comes with a request.
func TestExtraDataOfARequestSaysMore(t *testing.T) {
	u, problems := ReadExtraData([]byte(`{"model_id": "us.amazon.nova-lite-v1:0", "surface": "converse", "guardrail": {"id": "gr1", "version": "2"}}`))
	if len(problems) != 0 || u.ModelID != "us.amazon.nova-lite-v1:0" || u.Surface != "converse" || u.Guardrail.ID != "gr1" || u.Guardrail.Version != "2" {
		t.Errorf("read %+v, %v", u, problems)
	}
	for _, doc := range []string{`{"surface": "moon"}`, `{"guardrail": {"id": "gr1"}}`, `{"model_id": "a b"}`} {
		if _, problems := ReadExtraData([]byte(doc)); !HasErrors(problems) {
			t.Errorf("%s: no error", doc)
		}
	}
}
