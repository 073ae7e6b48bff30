package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"outcrop/internal/doctor"
	"outcrop/internal/sandbox"
)

// TestTrap02DefaultRegionIsReadByNoToolOfAWS: the region of DIAL's guide alone is told, and that the cluster's,
// which EKS puts into the pod, goes before it.
func TestTrap02DefaultRegionIsReadByNoToolOfAWS(t *testing.T) {
	a := newAccount(t)
	t.Setenv("DEFAULT_REGION", "eu-west-1")
	r, _ := a.report("--only", "environment")
	a.want(r, "ENV-002", "DEFAULT_REGION=eu-west-1", "AWS_REGION=us-east-1", "AWS_REGION counts")
	t.Setenv("AWS_REGION", "")
	r, _ = a.report("--only", "environment")
	a.want(r, "ENV-003", "export AWS_REGION=eu-west-1")
}

// TestTrap03TheRegionOfEnvFromIsOverruled: what a Secret says and what the webhook sets disagree, and all
// values are shown.
func TestTrap03TheRegionOfEnvFromIsOverruled(t *testing.T) {
	a := newAccount(t)
	t.Setenv("AWS_DEFAULT_REGION", "eu-central-1")
	r, _ := a.report("--only", "environment")
	a.want(r, "ENV-002", "AWS_REGION=us-east-1 AWS_DEFAULT_REGION=eu-central-1", "env (not envFrom")
}

// TestTrap04ARoleWithoutTokenIsTheNodesRole: the pod answers, as somebody else than it should.
func TestTrap04ARoleWithoutTokenIsTheNodesRole(t *testing.T) {
	a := newAccount(t)
	args := onNode(a)
	t.Setenv("AWS_ROLE_ARN", dialRole)
	r, code := a.report(args...)
	a.want(r, "ENV-004", "AWS_WEB_IDENTITY_TOKEN_FILE", dialRole)
	a.want(r, "CRED-007", `"error"`, dialRole, "the node's own role")
	a.want(r, "CRED-008", dialRole)
	if code != doctor.ExitConfiguration && code != doctor.ExitCredentials {
		t.Errorf("exit %d", code)
	}
}

// TestTrap05CredentialsWithAShortLife: a life in which a renewal may come too late is told.
func TestTrap05CredentialsWithAShortLife(t *testing.T) {
	a := newAccount(t)
	file := a.chats(`{"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"aws_assume_role_arn": "` + dialRole + `", "aws_role_duration": "15m"}}]}`)
	r, code := a.report("--config", file, "--only", "credentials")
	a.want(r, "CRED-003", "14 minutes")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestTrap06AnAPIKeyIsReadOnceAndEnds: its region and end are read from the key itself, http is refused, and a
// file is proposed.
func TestTrap06AnAPIKeyIsReadOnceAndEnds(t *testing.T) {
	a := newAccount(t)
	key := shortTermKey("us-east-1", 3*time.Hour)
	a.options = sandbox.Options{APIKeys: []string{key}}
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", key)
	file := a.chats(novaModel)
	r, code := a.report("--config", file)
	a.want(r, "CRED-012", "AWS_BEARER_TOKEN_BEDROCK_FILE")
	a.want(r, "CRED-014", "https")
	a.want(r, "MODEL-000")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", "")
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK_FILE", writeTemp(t, key))
	r, _ = a.report("--config", file)
	if _, told := find(r, "CRED-012"); told {
		t.Error("a key in a file is told to be read once")
	}
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK_FILE", writeTemp(t, shortTermKey("us-east-1", -time.Minute)))
	r, code = a.report("--config", file)
	a.want(r, "CRED-010", "expired")
	a.want(r, "RUN-003", "CRED-010")
	if code != doctor.ExitCredentials {
		t.Errorf("exit %d", code)
	}
}

const haikuIn = "::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0"

// TestTrap07AProfileSendsWhereNoPolicyAllows: calls succeed until Bedrock goes elsewhere, so the policies are
// judged for every destination; and a denial that names another region is explained.
func TestTrap07AProfileSendsWhereNoPolicyAllows(t *testing.T) {
	a := newAccount(t)
	a.policies(map[string]string{"home": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["bedrock:InvokeModel*"],
		"Resource":["arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.*","arn:aws:bedrock:us-east-1::foundation-model/*"]}]}`})
	file := a.chats(claudeModel)
	r, code := a.report("--config", file)
	a.want(r, "MODEL-000")
	a.want(r, "PERM-012", "arn:aws:bedrock:us-west-2"+haikuIn, "arn:aws:bedrock:us-east-2"+haikuIn,
		`"bedrock:InferenceProfileArn":"arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0"`)
	if code != doctor.ExitAccess {
		t.Errorf("exit %d", code)
	}
	a.paths["/converse"] = denies("bedrock:InvokeModel", "arn:aws:bedrock:us-west-2"+haikuIn, "with an explicit deny in a service control policy")
	r, _ = a.report("--config", file)
	a.want(r, "PERM-002", "us-west-2", "to which the profile us.anthropic.claude-haiku-4-5-20251001-v1:0 sends calls", "aws:RequestedRegion")
}

// TestTrap08AGlobalProfileAsksWithoutRegion: the third grant is missed before Bedrock misses it, and an
// organization that denies regions is told of "unspecified".
func TestTrap08AGlobalProfileAsksWithoutRegion(t *testing.T) {
	a := newAccount(t)
	a.policies(map[string]string{"two": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["bedrock:InvokeModel*"],
		"Resource":["arn:aws:bedrock:us-east-1:000000000000:inference-profile/global.*","arn:aws:bedrock:us-east-1::foundation-model/*"]}]}`})
	file := a.chats(globalModel)
	r, _ := a.report("--config", file)
	a.want(r, "PERM-013", `"arn:aws:bedrock:`+haikuIn+`"`, `"aws:RequestedRegion":"unspecified"`)
	a.paths["/converse"] = denies("bedrock:InvokeModel", "arn:aws:bedrock:"+haikuIn, "with an explicit deny in a service control policy")
	r, _ = a.report("--config", file)
	a.want(r, "PERM-002", `"unspecified"`, "aws:RequestedRegion")
	a.paths["/converse"] = denies("bedrock:InvokeModel", "arn:aws:bedrock:"+haikuIn, "because no identity-based policy allows the bedrock:InvokeModel action")
	r, _ = a.report("--config", file)
	a.want(r, "PERM-006", `"arn:aws:bedrock:`+haikuIn+`"`, `"aws:RequestedRegion":"unspecified"`)
}

// TestTrap09TokensAreCountedWithTheBaseID: never with a profile's, which AWS refuses.
func TestTrap09TokensAreCountedWithTheBaseID(t *testing.T) {
	a := newAccount(t)
	counted := ""
	a.paths["/count-tokens"] = func(w http.ResponseWriter, r *http.Request) {
		counted = r.URL.Path
		_, _ = io.WriteString(w, `{"inputTokens": 8}`)
	}
	r, _ := a.report("--config", a.chats(claudeModel), "--only", "models")
	if counted != "/model/anthropic.claude-haiku-4-5-20251001-v1:0/count-tokens" {
		t.Errorf("counted with %q", counted)
	}
	if f, told := find(r, "PERM-007"); told {
		t.Errorf("told %+v", f)
	}
}

// TestTrap10OneAnswerProvesNothing: a model that answers without an agreement is an error.
func TestTrap10OneAnswerProvesNothing(t *testing.T) {
	a := newAccount(t)
	a.options.Access = []string{"anthropic=first-call"}
	r, code := a.report("--config", a.chats(claudeModel), "--only", "models")
	a.want(r, "MODEL-000")
	a.want(r, "ACCESS-004", "later calls will be denied", "outcrop aws access anthropic.claude-haiku-4-5-20251001-v1:0")
	if code != doctor.ExitAccess {
		t.Errorf("exit %d", code)
	}
}

// TestTheGuidesPolicyIsEnoughToServe: and AWS's own too; chat is well, and what is off has a name.
func TestTheGuidesPolicyIsEnoughToServe(t *testing.T) {
	for name, policy := range map[string]string{
		"BedrockGuide":            `["bedrock:GetFoundationModel","bedrock:ListFoundationModels","bedrock:InvokeModel","bedrock:InvokeModelWithResponseStream"]`,
		"AmazonBedrockFullAccess": `"bedrock:*"`,
	} {
		a := newAccount(t)
		a.policies(map[string]string{name: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + policy + `,"Resource":"*"}]}`})
		if name == "BedrockGuide" {
			a.paths["/count-tokens"] = denies("bedrock:CountTokens", "arn:aws:bedrock:us-east-1"+haikuIn, "because no identity-based policy allows the bedrock:CountTokens action")
			a.paths["/inference-profiles/"] = denies("bedrock:GetInferenceProfile", "*", "because no identity-based policy allows the bedrock:GetInferenceProfile action")
			a.paths["/foundation-model-availability/"] = denies("bedrock:GetFoundationModelAvailability", "*", "because no identity-based policy allows the bedrock:GetFoundationModelAvailability action")
		}
		r, code := a.report("--config", a.models(map[string]string{"claude": claudeModel, "global": globalModel, "nova": novaModel}))
		a.want(r, "PERM-000", "3 deployments")
		a.want(r, "MODEL-000")
		a.want(r, "PERM-009", "bedrock-mantle is off", `"info"`)
		a.want(r, "PERM-011")
		if name == "BedrockGuide" {
			a.want(r, "PERM-007", `"warning"`, "chat is not concerned")
			a.want(r, "PERM-008", "profile look-ups are off", `"info"`)
			a.want(r, "DEST-002")
			a.want(r, "ACCESS-007")
		}
		if code != 0 {
			t.Errorf("%s: exit %d", name, code)
		}
	}
}

// TestDoctorHasPermissionsSimulated: where they may not be read, IAM is asked to judge.
func TestDoctorHasPermissionsSimulated(t *testing.T) {
	a := newAccount(t)
	file := a.chats(novaModel)
	for decision, code := range map[string]string{"allowed": "PERM-000", "implicitDeny": "PERM-001"} {
		a.iam["SimulatePrincipalPolicy"] = `<EvaluationResults><member><EvalActionName>any</EvalActionName><EvalDecision>` + decision + `</EvalDecision></member></EvaluationResults>`
		r, _ := a.report("--config", file, "--only", "permissions")
		a.want(r, code)
	}
}

// TestDoctorAndBadInput: each message says what is wrong and what to type.
// TestTrap07BehindAnApplicationProfile: its ARN does not tell where calls go, so the account is asked; and who
// may not ask is not told that all is well.
func TestTrap07BehindAnApplicationProfile(t *testing.T) {
	const application = "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/sandbox-us-anthropic-claude-haiku-4-5-20251001-v1-0"
	a := newAccount(t)
	a.policies(map[string]string{"own": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"bedrock:InvokeModel*",
		"Resource":["` + application + `","arn:aws:bedrock:us-east-1::foundation-model/*"]}}`})
	file := a.chats(`{"type": "chat", "endpoint": "bedrock:` + application + `"}`)
	r, code := a.report("--config", file)
	a.want(r, "PERM-012", "us-west-2", "us-east-2", `"bedrock:InferenceProfileArn":"`+application)
	if code != 5 {
		t.Errorf("exit %d", code)
	}
	a.paths["/inference-profiles/"] = refusing(403, "AccessDeniedException", "no")
	r, _ = a.report("--config", file)
	a.want(r, "PERM-010", "models behind the application profile were not judged")
	delete(a.iam, "GetUser")
	r, _ = a.report("--config", file)
	a.want(r, "PERM-010", "proves nothing of the other regions", "--diff arn:aws:iam::000000000000:user/sandbox")
}

// TestDoctorWithinAVPCEndpoint: a Deny for calls from elsewhere is no alarm where the models answer.
func TestDoctorWithinAVPCEndpoint(t *testing.T) {
	a := newAccount(t)
	a.policies(map[string]string{"own": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["bedrock:*","bedrock-mantle:*"],"Resource":"*"},
		{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}}]}`})
	r, code := a.report("--config", a.chats(novaModel))
	a.want(r, "PERM-000", "enough to serve")
	a.want(r, "PERM-010", "hang on aws:SourceVpce")
	if f, ok := find(r, "PERM-001"); ok || code != 0 {
		t.Errorf("exit %d: %+v", code, f)
	}
}

func TestDoctorAndBadInput(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(a *account) []string
		code    string
		parts   []string
	}{
		{"a wrong ARN in the configuration", chatting(`{"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"aws_assume_role_arn": "arn:aws:iam::12:role/dial"}}]}`, func(*account) {}),
			"CONF-001", []string{"aws_assume_role_arn", "arn:aws:iam::<12 digits>:role/<name>"}},
		{"a wrong ARN in the environment", env("AWS_ASSUME_ROLE_ARN", "dial"), "ENV-011", []string{"AWS_ASSUME_ROLE_ARN"}},
		{"an account without Bedrock", chatting(novaModel, func(a *account) { a.options.Access = []string{"*=no-bedrock"} }), "ACCESS-006", []string{"payment method"}},
		{"an expired key", chatting(novaModel, mood("expired-token")), "CRED-004", []string{"aws sso login"}},
		{"a region without the model", chatting(`{"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"region": "eu-west-1"}}]}`,
			func(a *account) { a.options.Access = []string{"amazon.nova-lite-v1:0@eu-west-1=not-in-region"} }), "MODEL-003", []string{"eu-west-1"}},
		{"a profile of another geography", chatting(`{"type": "chat", "endpoint": "bedrock:eu.amazon.nova-lite-v1:0"}`,
			path("/converse", refusing(400, "ValidationException", "The provided model identifier is invalid."))), "MODEL-003", []string{"us.amazon.nova-lite-v1:0"}},
		{"an empty directory", func(a *account) []string { return []string{"--config", a.t.TempDir()} }, "", []string{"*.json"}},
		{"a wrong --expect-role", with("--expect-role", "dial"), "", []string{"arn:aws:iam::<12 digits>:role/<name>"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccount(t)
			args := tt.prepare(a)
			if tt.code == "" {
				stdout, stderr, code := a.ask(t.Context(), args...)
				if code != 1 || stdout != "" || !strings.Contains(stderr, tt.parts[0]) {
					t.Errorf("exit %d: %s%s", code, stdout, stderr)
				}
				return
			}
			r, _ := a.report(args...)
			a.want(r, tt.code, tt.parts...)
		})
	}
}
