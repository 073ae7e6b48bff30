package bedrock

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"outcrop/internal/secret"
)

// Each field of the settings makes them others.
func TestKeyOfSettings(t *testing.T) {
	seen := map[[32]byte]string{Settings{}.Key(): "nothing"}
	var set func(name string, at func(*Settings) reflect.Value)
	set = func(name string, at func(*Settings) reflect.Value) {
		var s Settings
		v := at(&s)
		switch v.Interface().(type) {
		case string:
			v.SetString("x")
		case secret.String:
			v.Set(reflect.ValueOf(secret.New("x")))
		case time.Duration:
			v.SetInt(1)
		case []string:
			v.Set(reflect.ValueOf([]string{"x"}))
		case []Tag:
			v.Set(reflect.ValueOf([]Tag{{"x", "y"}}))
		case *bool:
			v.Set(reflect.ValueOf(new(bool)))
		default:
			for i := range v.NumField() {
				set(name+"."+v.Type().Field(i).Name, func(s *Settings) reflect.Value { return at(s).Field(i) })
			}
			return
		}
		if twin, ok := seen[s.Key()]; ok {
			t.Errorf("%s and %s have one key", name, twin)
		}
		seen[s.Key()] = name
	}
	set("Settings", func(s *Settings) reflect.Value { return reflect.ValueOf(s).Elem() })
	if len(seen) < 25 {
		t.Errorf("only %d fields were set", len(seen))
	}
	if (Settings{RoleChain: []string{"a", "b"}}).Key() == (Settings{RoleChain: []string{"a b"}}).Key() {
		t.Error("two roles are one")
	}
	if one, two := (Settings{APIKey: secret.New("a")}), (Settings{APIKey: secret.New("a")}); one.Key() != two.Key() {
		t.Error("equal settings have two keys")
	}
}

func TestSettingsThatContradictThemselves(t *testing.T) {
	p, _, err := Load(t.Context(), environment("AWS_REGION=us-east-1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := Settings{AccessKeyID: "AKIA", SecretAccessKey: secret.New("hush")}
	with := func(change func(*Settings)) Settings { s := keys; change(&s); return s }
	for _, tt := range []struct {
		settings Settings
		want     string
	}{
		{with(func(s *Settings) { s.Profile = "team" }), "static keys and a profile together"},
		{with(func(s *Settings) { s.APIKey = secret.New("hush") }), "an API key and static keys together"},
		{Settings{APIKeyFile: "f", AssumeRoleARN: roleOne}, "no role can be assumed with an API key"},
		{Settings{WebIdentityTokenFile: "f"}, "aws_web_identity_token_file without aws_assume_role_arn"},
		{Settings{RoleChain: []string{roleOne}}, "aws_role_chain without aws_assume_role_arn"},
		{Settings{RoleChain: []string{roleOne}, AssumeRoleARN: roleTwo, Duration: 2 * time.Hour}, "an hour at most"},
		{Settings{AssumeRoleARN: roleTwo, Duration: 13 * time.Hour}, "15 minutes to 12 hours"},
		{Settings{AssumeRoleARN: roleTwo, Duration: time.Second}, "15 minutes to 12 hours"},
		{Settings{AssumeRoleARN: roleTwo, RoleSessionName: "a"}, "aws_role_session_name: 2 to 64"},
		{Settings{AssumeRoleARN: "Two"}, "not the ARN of a role"},
		{Settings{RoleChain: []string{"One"}, AssumeRoleARN: roleTwo}, "not the ARN of a role"},
		{Settings{AssumeRoleARN: roleTwo, Tags: make([]Tag, 51)}, "51 session tags, STS takes 50"},
		{Settings{AssumeRoleARN: roleTwo, Tags: []Tag{{"", "v"}}}, "session tag 1: "},
		{Settings{AssumeRoleARN: roleTwo, Tags: []Tag{{"k", strings.Repeat("v", 257)}}}, "session tag 1: "},
		{Settings{AssumeRoleARN: roleTwo, WebIdentityTokenFile: "f", Tags: []Tag{{"k", "v"}}}, "session tags and a role that is assumed with a web identity"},
		{Settings{ContainerCredentialsURI: "http://192.0.2.1/"}, "over http only this machine"},
		{Settings{ContainerCredentialsURI: "ftp://127.0.0.1/"}, "http or https URL"},
		{Settings{Network: Network{Proxy: "ftp://proxy.example"}}, "a proxy over ftp"},
		{Settings{Network: Network{Proxy: "http://hush%zz@/"}}, "the address of the proxy is not a URL"},
		{Settings{Network: Network{CABundle: "/nonexistent/ca.pem"}}, "the certificates of AWS_CA_BUNDLE or aws_ca_bundle: open /nonexistent/ca.pem"},
		{Settings{Network: Network{CABundle: write(t, "ca.pem", "nothing")}}, "holds no certificate in PEM form"},
	} {
		_, err := p.Client(tt.settings)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// The traps of the environment are told at the start.
func TestWarningsOfTheEnvironment(t *testing.T) {
	token := write(t, "token", "t")
	for _, tt := range []struct{ env, want string }{
		{"", ""},
		{"AWS_ROLE_ARN=r AWS_WEB_IDENTITY_TOKEN_FILE=" + token, ""},
		{"AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s", ""},
		{"AWS_ACCESS_KEY_ID=k", "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"},
		{"AWS_SECRET_ACCESS_KEY=s", "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"},
		{"AWS_ROLE_ARN=r", "AWS_ROLE_ARN is set without AWS_WEB_IDENTITY_TOKEN_FILE"},
		{"AWS_WEB_IDENTITY_TOKEN_FILE=" + token, "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN"},
		{"AWS_ROLE_ARN=r AWS_WEB_IDENTITY_TOKEN_FILE=/nonexistent", "AWS_WEB_IDENTITY_TOKEN_FILE cannot be read"},
		{"AWS_ROLE_ARN=r AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s AWS_WEB_IDENTITY_TOKEN_FILE=" + token, "are not used: AWS_ACCESS_KEY_ID goes first"},
		{"AWS_ASSUME_ROLE_ARN=r AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s", "DIAL's adapter would use the key"},
		{"AWS_ASSUME_ROLE_ARN=r AWS_BEARER_TOKEN_BEDROCK=b", "AWS_BEARER_TOKEN_BEDROCK is not used: AWS_ASSUME_ROLE_ARN goes first"},
		{"AWS_BEARER_TOKEN_BEDROCK_FILE=f AWS_BEARER_TOKEN_BEDROCK=b", "AWS_BEARER_TOKEN_BEDROCK_FILE is not used"},
	} {
		got := strings.Join(credentialWarnings(environment(tt.env)), "|")
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") || strings.Contains(got, "|") {
			t.Errorf("%s: got %q, want %q", tt.env, got, tt.want)
		}
	}
	if _, _, err := Load(t.Context(), environment("AWS_REGION=us-east-1 AWS_ASSUME_ROLE_ARN=Two"), nil); err == nil || !strings.Contains(err.Error(), "AWS_ASSUME_ROLE_ARN is not the ARN of a role") {
		t.Errorf("a role that is none: %v", err)
	}
}
