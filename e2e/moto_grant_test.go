//go:build e2e

package e2e

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// moto is an IAM that somebody else wrote: it takes the plans of outcrop aws grant, holds what they say it holds,
// and finds nothing to do the second time.
func TestMotoTakesGrants(t *testing.T) {
	moto, dir := startMoto(t), t.TempDir()
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, []byte(`{"models": {"nova": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(cleanEnv(t), "AWS_ENDPOINT_URL="+moto, "AWS_ACCESS_KEY_ID=testing", "AWS_SECRET_ACCESS_KEY=testing", "AWS_REGION=us-east-1")
	hidden := filepath.Join(dir, "secret.yaml")
	user := []string{"aws", "grant", "user", "dial", "--config", file, "--apply"}
	role := []string{"aws", "grant", "role", "team", "--trust", "arn:aws:iam::123456789012:user/dial", "--external-id", "ex-1", "--config", file, "--apply"}
	account := []string{"aws", "grant", "service-account", "dial/dial-bedrock", "--issuer", "https://oidc.example/k3s", "--config", file, "--apply"}
	made := run(t, nil, env, append(user, "--create-access-key", "--secret-out", hidden)...)
	if made.code != 0 || !strings.Contains(made.stdout, "Applied.") {
		t.Fatalf("%+v", made)
	}
	for _, args := range [][]string{role, account} {
		if out := run(t, nil, env, args...); out.code != 0 || !strings.Contains(out.stdout, "Applied.") {
			t.Fatalf("%+v", out)
		}
	}
	for _, args := range [][]string{user, role, account} {
		if out := run(t, nil, env, args[:len(args)-1]...); out.code != 0 || !strings.Contains(out.stdout, "Nothing to do.") {
			t.Errorf("the second time: %+v", out)
		}
	}
	var secret struct {
		Data map[string]string `yaml:"stringData"`
	}
	data, err := os.ReadFile(hidden)
	if err := yaml.Unmarshal(data, &secret); err != nil {
		t.Fatal(err)
	}
	if err != nil || strings.Contains(made.stdout+made.stderr, secret.Data["AWS_SECRET_ACCESS_KEY"]) {
		t.Errorf("%v, or the secret is printed", err)
	}
	var attached struct {
		XMLName xml.Name
		ARN     []string `xml:"ListAttachedRolePoliciesResult>AttachedPolicies>member>PolicyArn"`
	}
	motoCall(t, moto, "iam", "nobody", "Action=ListAttachedRolePolicies&RoleName=team", &attached)
	if len(attached.ARN) != 1 || attached.ARN[0] != "arn:aws:iam::123456789012:policy/outcrop-team" {
		t.Errorf("%+v", attached)
	}
	motoVerifies(t, moto, "0")
	said := motoPython(t, `import boto3, sys
url, id, secret = sys.argv[1:]
def ask(service, call):
    try:
        call(boto3.client(service, endpoint_url=url, region_name='us-east-1', aws_access_key_id=id, aws_secret_access_key=secret))
        return 'allowed'
    except Exception as e:
        return 'AccessDenied' if 'AccessDenied' in str(e) else str(e)
print(ask('sts', lambda c: c.get_caller_identity()), ask('iam', lambda c: c.list_users()))
`, moto, secret.Data["AWS_ACCESS_KEY_ID"], secret.Data["AWS_SECRET_ACCESS_KEY"])
	if said != "allowed AccessDenied" {
		t.Errorf("moto said %q", said)
	}
}
