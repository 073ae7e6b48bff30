//go:build e2e

package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"outcrop/internal/iam"
)

// moto checks what outcrop aws policy prints: it takes the documents as policies, which it validates, and lets a
// user with them do what they allow. It looks at actions only: requests of Bedrock have no resource there, and
// of conditions it knows a few, so statements lose both before moto enforces them.
func TestMotoJudgesGeneratedPolicies(t *testing.T) {
	moto := startMoto(t)
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(`{"models": {
		"claude": {"type": "chat", "endpoint": "bedrock:global.anthropic.claude-sonnet-4-5-20250929-v1:0", "upstreams": [{"extraData": {"region": "us-east-1"}}]},
		"v2": {"type": "chat", "endpoint": "bedrock:anthropic.claude-v2", "upstreams": [{"extraData": {"region": "us-east-1"}}]}
	}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var printed struct{ Policies []iam.Policy }
	out := run(t, nil, nil, "aws", "policy", "--config", file, "--offline", "--account", "123456789012", "--doctor", "--marketplace", "--output", "json")
	if err := json.Unmarshal([]byte(out.stdout), &printed); err != nil || len(printed.Policies) != 1 {
		t.Fatalf("%v %+v", err, out)
	}
	document := printed.Policies[0].Document
	ask := func(form string, into any) { motoCall(t, moto, "iam", "nobody", form, into) }
	ask("Action=CreatePolicy&PolicyName=least&PolicyDocument="+url.QueryEscape(string(document.JSON())), nil)
	for name, trust := range map[string]iam.Document{
		"irsa": iam.IRSATrust("arn:aws:iam::123456789012:oidc-provider/oidc.example/id/E", "https://oidc.example/id/E", "dial", "dial-bedrock"),
		"pods": iam.PodIdentityTrust(iam.PodIdentity{Namespace: "dial", ServiceAccount: "dial-bedrock", Account: "123456789012"}),
		"role": iam.RoleTrust("arn:aws:iam::123456789012:role/pod", "ex-1"),
	} {
		ask("Action=CreateRole&RoleName="+name+"&AssumeRolePolicyDocument="+url.QueryEscape(string(trust.JSON())), nil)
	}
	plain := iam.Document{Version: document.Version}
	for _, s := range document.Statement {
		s.Condition, s.Resource = nil, iam.Strings{"*"}
		plain.Statement = append(plain.Statement, s)
	}
	ask("Action=CreateUser&UserName=dial", nil)
	ask("Action=PutUserPolicy&UserName=dial&PolicyName=p&PolicyDocument="+url.QueryEscape(string(plain.JSON())), nil)
	ask("Action=CreateUser&UserName=other", nil)
	type accessKey struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	var dial, other accessKey
	ask("Action=CreateAccessKey&UserName=dial", &dial)
	ask("Action=CreateAccessKey&UserName=other", &other)
	motoVerifies(t, moto, "0")

	said := strings.Split(motoPython(t, `import boto3, sys
url, dial, dials, other, others = sys.argv[1:]
def ask(service, id, secret, call):
    client = boto3.client(service, endpoint_url=url, region_name='us-east-1', aws_access_key_id=id, aws_secret_access_key=secret)
    try:
        call(client)
        print('allowed')
    except Exception as e:
        print('AccessDenied' if 'AccessDenied' in str(e) else 'SignatureDoesNotMatch' if 'SignatureDoesNotMatch' in str(e) else 'past IAM')
invoke = lambda c: c.invoke_model(modelId='anthropic.claude-v2', body='{}')
ask('bedrock-runtime', dial, dials, invoke)
ask('bedrock-runtime', other, others, invoke)
ask('bedrock-runtime', dial, 'not-the-secret', invoke)
ask('iam', dial, dials, lambda c: c.list_users())
`, moto, dial.ID, dial.Secret, other.ID, other.Secret), "\n")
	want := []string{"allowed or past IAM", "AccessDenied", "SignatureDoesNotMatch", "AccessDenied"}
	for i := range want {
		if i >= len(said) || !strings.Contains(want[i], said[i]) {
			t.Errorf("moto said %q, want %q", said, want)
			break
		}
	}
}

// motoPython runs a program of Python with moto's own environment.
func motoPython(t *testing.T, program string, args ...string) string {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(".venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", program}, args...)...)
	cmd.Env = cleanEnv(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
