package main

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	bedrocktypes "github.com/aws/aws-sdk-go-v2/service/bedrock/types"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"outcrop/internal/iam"
	"outcrop/internal/sandbox"
)

const policyAccount = "111122223333"

// runPolicy runs outcrop aws policy.
func runPolicy(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), append([]string{"aws", "policy"}, args...), strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), code
}

// policySandbox is an account that the environment leads to, with the right to everything.
func policySandbox(t *testing.T) *httptest.Server {
	t.Helper()
	handler, err := sandbox.New(sandbox.Options{Account: policyAccount, Route: "every"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	clearAWS(t)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "sandbox")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
	t.Setenv("AWS_REGION", "us-east-1")
	return server
}

const usedClaude = "anthropic.claude-sonnet-4-5-20250929-v1:0"

const policyConfig = `{"models": {
	"claude": {"type": "chat", "endpoint": "bedrock:us.` + usedClaude + `"},
	"claude-anywhere": {"type": "chat", "endpoint": "bedrock:global.` + usedClaude + `"},
	"nova": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"}
}}`

// policyUser is a user of the sandbox's IAM, without policies.
type policyUser struct {
	iam     *awsiam.Client
	runtime *bedrockruntime.Client
}

func newPolicyUser(t *testing.T, server *httptest.Server, name string) policyUser {
	t.Helper()
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", "")}
	u := policyUser{iam: awsiam.NewFromConfig(cfg)}
	if _, err := u.iam.CreateUser(t.Context(), &awsiam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	key, err := u.iam.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
	u.runtime = bedrockruntime.NewFromConfig(cfg, func(o *bedrockruntime.Options) { o.RetryMaxAttempts = 1 })
	return u
}

func (u policyUser) put(t *testing.T, user, policy string, document []byte) {
	t.Helper()
	if _, err := u.iam.PutUserPolicy(t.Context(), &awsiam.PutUserPolicyInput{UserName: &user, PolicyName: &policy, PolicyDocument: aws.String(string(document))}); err != nil {
		t.Fatal(err)
	}
}

func helloTurn() []types.Message {
	return []types.Message{{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "Hi"}}}}
}

func (u policyUser) chat(t *testing.T, model string) error {
	t.Helper()
	_, err := u.runtime.Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: &model, Messages: helloTurn()})
	return err
}

func (u policyUser) count(t *testing.T, model string) error {
	t.Helper()
	_, err := u.runtime.CountTokens(t.Context(), &bedrockruntime.CountTokensInput{ModelId: &model, Input: &types.CountTokensInputMemberConverse{
		Value: types.ConverseTokensRequest{Messages: helloTurn()},
	}})
	return err
}

// A user with the printed policy can call what the configuration has, in every region that the profiles send
// calls to, and nothing next to it; --diff agrees, before and after.
func TestAWSPolicyIsEnoughInTheSandbox(t *testing.T) {
	server := policySandbox(t)
	file := write(t, policyConfig)
	user := newPolicyUser(t, server, "dial")
	if out, errs, code := runPolicy(t, "--config", file, "--diff", "dial"); code != exitFindings || !strings.Contains(out, "It has no policies.") || !strings.Contains(out, "Not enough to serve. Add:") {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	out, errs, code := runPolicy(t, "--config", file)
	if code != 0 || errs != "" {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	if _, err := iam.Parse([]byte(out)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := user.iam.CreatePolicy(t.Context(), &awsiam.CreatePolicyInput{PolicyName: aws.String("least"), PolicyDocument: &out})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := user.iam.AttachUserPolicy(t.Context(), &awsiam.AttachUserPolicyInput{UserName: aws.String("dial"), PolicyArn: made.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{"us." + usedClaude, "global." + usedClaude, "amazon.nova-lite-v1:0"} {
		if err := user.chat(t, model); err != nil {
			t.Errorf("%s: %v", model, err)
		}
	}
	if err := user.count(t, usedClaude); err != nil {
		t.Error(err)
	}
	for _, model := range []string{"us.amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"} {
		if err := user.chat(t, model); err == nil || !strings.Contains(err.Error(), "not authorized") {
			t.Errorf("%s: %v", model, err)
		}
	}
	if out, errs, code := runPolicy(t, "--config", file, "--diff", "arn:aws:iam::"+policyAccount+":user/dial"); code != 0 || !strings.Contains(out, "Everything that the configuration needs is allowed.") || strings.Contains(out, "wider") {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
}

// The guide's policy and AmazonBedrockFullAccess serve, in the sandbox and in the eyes of --diff, which names
// what is off and what is wider than needed.
func TestAWSPolicyDiffOfTheGuidesPolicies(t *testing.T) {
	server := policySandbox(t)
	file := write(t, strings.Replace(policyConfig, `"models": {`, `"models": {
	"qwen": {"type": "chat", "endpoint": "bedrock:qwen.qwen3-32b"},`, 1))
	guide := newPolicyUser(t, server, "guide")
	guide.put(t, "guide", "guide", []byte(`{"Version":"2012-10-17","Statement":[{"Sid":"Guide","Effect":"Allow","Action":["bedrock:GetFoundationModel","bedrock:ListFoundationModels","bedrock:InvokeModel","bedrock:InvokeModelWithResponseStream"],"Resource":"*"}]}`))
	full := newPolicyUser(t, server, "full")
	if _, err := full.iam.AttachUserPolicy(t.Context(), &awsiam.AttachUserPolicyInput{UserName: aws.String("full"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonBedrockFullAccess")}); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string][]string{
		"guide": {
			`wider     guide Guide: Resource "*" allows every model`, "missing   for token counting: tokens of prompts are estimated", "missing   for mantle: ",
			"Enough to serve. To have the rest, add:", `"bedrock:CountTokens"`,
		},
		"full": {"wider     AmazonBedrockFullAccess: AmazonBedrockFullAccess allows to make, change and delete", "missing   for mantle: ", "Enough to serve."},
	} {
		out, errs, code := runPolicy(t, "--config", file, "--diff", user)
		if code != exitFindings {
			t.Errorf("%s: %d %s", user, code, errs)
		}
		for _, text := range want {
			if !strings.Contains(out, text) {
				t.Errorf("%s: no %q in\n%s", user, text, out)
			}
		}
	}
	for name, user := range map[string]policyUser{"guide": guide, "full": full} {
		if err := user.chat(t, "global."+usedClaude); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var c struct {
		Verdict iam.Verdict `json:"verdict"`
	}
	out, _, _ := runPolicy(t, "--config", file, "--diff", "guide", "--output", "json")
	if err := json.Unmarshal([]byte(out), &c); err != nil || !c.Verdict.Serves || len(c.Verdict.Off) != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAWSPolicyPrints(t *testing.T) {
	clearAWS(t)
	t.Setenv("AWS_REGION", "us-east-1")
	file := write(t, policyConfig)
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr []string
	}{
		{"one policy", []string{"--offline", "--account", policyAccount}, 0, []string{"{\n  \"Version\""}, []string{"note: Destination regions are those that AWS documents", "note: AWS was not asked: --offline."}},
		{"why", []string{"--offline", "--account", policyAccount, "--why"}, 0, []string{"# outcrop-bedrock, for the process's own identity: ", " of 6144 characters", "# CountTokens: Claude's tokens"}, nil},
		{"terraform", []string{"--offline", "--account", policyAccount, "--format", "terraform"}, 0, []string{`resource "aws_iam_policy" "outcrop_bedrock" {`}, nil},
		{"too large for a user", []string{"--offline", "--account", policyAccount, "--for", "user"}, 1, nil, []string{"inline policies of a user have 2048 at most: use managed policies (--for managed)"}},
		{"no account", []string{"--offline"}, 1, nil, []string{"models.claude: the ARN of its inference profile us." + usedClaude + " has the account's number, which is not known: give --account"}},
		{"no credentials", []string{"--account", policyAccount}, 0, []string{"{\n"}, []string{"note: AWS was not asked: no credentials that work ("}},
		{"no configuration", nil, 1, nil, []string{"no configuration: give --config"}},
		{"a wrong account", []string{"--account", "12"}, 1, nil, []string{`--account is "12": it must be 12 digits`}},
		{"a wrong format", []string{"--format", "hcl"}, 1, nil, []string{`--format is "hcl"`}},
		{"a wrong target", []string{"--for", "group"}, 1, nil, []string{`--for is "group"`}},
		{"a wrong output", []string{"--offline", "--account", policyAccount, "--output", "xml"}, 1, nil, []string{`--output is "xml"`}},
		{"offline and diff", []string{"--offline", "--diff", "x"}, 1, nil, []string{"leave one out"}},
		{"diff without credentials", []string{"--diff", "x"}, 1, nil, []string{"--diff reads policies from AWS: "}},
	} {
		args := c.args
		if c.name != "no configuration" {
			args = append([]string{"--config", file}, args...)
		}
		stdout, stderr, code := runPolicy(t, args...)
		if code != c.code {
			t.Errorf("%s: exit %d\n%s%s", c.name, code, stdout, stderr)
		}
		for _, text := range c.stdout {
			if !strings.Contains(stdout, text) {
				t.Errorf("%s: no %q on stdout:\n%s", c.name, text, stdout)
			}
		}
		for _, text := range c.stderr {
			if !strings.Contains(stderr, text) {
				t.Errorf("%s: no %q on stderr:\n%s", c.name, text, stderr)
			}
		}
	}
	out, _, _ := runPolicy(t, "--config", file, "--offline", "--account", policyAccount, "--output", "json")
	var document policyDocument
	if err := json.Unmarshal([]byte(out), &document); err != nil || len(document.Policies) != 1 || len(document.Notes) == 0 || document.Policies[0].Principal == "" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAWSPolicyBadInput(t *testing.T) {
	policySandbox(t)
	good := write(t, policyConfig)
	elsewhere := write(t, `{"models": {"x": {"type": "chat", "endpoint": "http://other.example/x"}}}`)
	broken := write(t, `{"models": {"x": {"type": "chat", "endpoint": "bedrock:arn:aws:bedrock:us-east-1:12:inference-profile/us.x"}}}`)
	application := write(t, `{"models": {"x": {"type": "chat", "endpoint": "bedrock:arn:aws:bedrock:us-east-1:`+policyAccount+`:application-inference-profile/zzzzzzzzzzzz"}}}`)
	out, errs, code := runPolicy(t, "--config", filepath.Dir(good))
	if code != 0 || !strings.Contains(out, usedClaude) {
		t.Errorf("a directory of configurations: exit %d\n%s%s", code, out, errs)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")
	if _, errs, code := runPolicy(t, "--config", good, "--diff", "dial"); code != 1 || !strings.Contains(errs, "AWS does not know this access key") || strings.Contains(errs, "RequestID") {
		t.Errorf("a bad key: exit %d\n%s", code, errs)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "sandbox")
	for want, args := range map[string][]string{
		"no model of the configuration is served by Bedrock":                             {"--config", elsewhere},
		"the configuration has mistakes: correct them first":                             {"--config", broken},
		"models.x: which model is behind the application profile is not known (Resource": {"--config", application},
		"there is no nobody: ":         {"--config", good, "--diff", "nobody"},
		"is neither a role nor a user": {"--config", good, "--diff", "arn:aws:iam::111122223333:group/g"},
		"credentials are of account " + policyAccount + ", not of --account 444455556666": {"--config", good, "--account", "444455556666"},
	} {
		out, errs, code := runPolicy(t, args...)
		if !strings.Contains(errs, want) || code != 1 && !strings.Contains(want, "not of --account") {
			t.Errorf("%q: exit %d\n%s%s", want, code, out, errs)
		}
	}
}

// Who may not read IAM is told which permission is missing.
func TestAWSPolicyDiffNamesThePermissionThatItMisses(t *testing.T) {
	server := policySandbox(t)
	user := newPolicyUser(t, server, "blind")
	user.put(t, "blind", "p", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetUser","iam:ListAttachedUserPolicies"],"Resource":"*"}]}`))
	key, err := user.iam.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: aws.String("blind")})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", *key.AccessKey.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *key.AccessKey.SecretAccessKey)
	_, errs, code := runPolicy(t, "--config", write(t, policyConfig), "--diff", "blind")
	if code != 1 || !strings.Contains(errs, "allow iam:ListUserPolicies to who runs this command") || strings.Contains(errs, os.Getenv("AWS_SECRET_ACCESS_KEY")) {
		t.Errorf("%d %s", code, errs)
	}
	// and a policy is written nevertheless, from what AWS documents
	out, errs, code := runPolicy(t, "--config", write(t, policyConfig))
	if code != 0 || !strings.Contains(out, "us-west-2::foundation-model/"+usedClaude) || !strings.Contains(errs, "AccessDenied") {
		t.Errorf("%d %s%s", code, out, errs)
	}
}

// The account says which models are behind an application profile, and the policy made of that is enough in
// every region.
func TestAWSPolicyAsksWhatIsBehindAnApplicationProfile(t *testing.T) {
	server := policySandbox(t)
	user := newPolicyUser(t, server, "dial")
	control := bedrock.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", "")})
	list, err := control.ListInferenceProfiles(t.Context(), &bedrock.ListInferenceProfilesInput{TypeEquals: bedrocktypes.InferenceProfileTypeApplication})
	if err != nil || len(list.InferenceProfileSummaries) == 0 {
		t.Fatal(err)
	}
	arn := *list.InferenceProfileSummaries[0].InferenceProfileArn
	out, errs, code := runPolicy(t, "--config", write(t, `{"models": {"tagged": {"type": "chat", "endpoint": "bedrock:`+arn+`"}}}`))
	if code != 0 || errs != "" || !strings.Contains(out, "us-west-2::foundation-model/"+usedClaude) || !strings.Contains(out, `"bedrock:GetInferenceProfile"`) || !strings.Contains(out, `"bedrock:CountTokens"`) {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	user.put(t, "dial", "least", []byte(out))
	if err := user.chat(t, arn); err != nil {
		t.Error(err)
	}
	if err := user.chat(t, "us."+usedClaude); err == nil {
		t.Error("the profile of AWS's can be called, too")
	}
}
