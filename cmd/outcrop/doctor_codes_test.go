package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"outcrop/internal/doctor"
	"outcrop/internal/sandbox"
)

// produced is how one code comes about: the account as it is, the arguments, and what the finding says.
type produced struct {
	code  string
	args  func(a *account) []string
	parts []string
}

// with is a fixed list of arguments, in a healthy account.
func with(args ...string) func(*account) []string {
	return func(*account) []string { return args }
}

// chatting is a configuration with one deployment, in an account that is prepared before.
func chatting(entry string, prepare func(a *account)) func(*account) []string {
	return func(a *account) []string {
		prepare(a)
		return []string{"--config", a.chats(entry)}
	}
}

// env is the environment alone, with variables in pairs.
func env(pairs ...string) func(*account) []string {
	return func(a *account) []string {
		for i := 0; i < len(pairs); i += 2 {
			a.t.Setenv(pairs[i], pairs[i+1])
		}
		return []string{"--only", "environment,credentials,network,sts"}
	}
}

func mood(name string) func(*account) {
	return func(a *account) { a.options.Mood = name }
}

// path has AWS answer calls of a path so.
func path(part string, handle http.HandlerFunc) func(*account) {
	return func(a *account) { a.paths[part] = handle }
}

func denies(action, resource, why string) http.HandlerFunc {
	return refusing(403, "AccessDeniedException", "User: arn:aws:sts::000000000000:assumed-role/dial/pod is not authorized to perform: "+action+" on resource: "+resource+" "+why)
}

const novaARN = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"

func producedByEnvironment() []produced {
	return []produced{
		{"CONF-000", with(), nil},
		{"CONF-001", chatting(`{"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"region": "mars"}}]}`, func(*account) {}), []string{"extraData.region", "us-east-1"}},
		{"CONF-002", chatting(`{"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "maxRetryAttempt": 3}`, func(*account) {}), []string{"maxRetryAttempts"}},
		{"CONF-003", chatting(`{"type": "completion", "endpoint": "bedrock:amazon.nova-lite-v1:0"}`, func(*account) {}), []string{"completion"}},
		{"CONF-004", chatting(`{"type": "chat", "endpoint": "bedrock:amazon.nova-light-v1:0"}`, func(*account) {}), []string{"amazon.nova-lite-v1:0"}},
		{"CONF-005", func(a *account) []string {
			a.t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
			return []string{"--config", a.chats(novaModel)}
		}, []string{"AWS_USE_FIPS_ENDPOINT"}},
		{"ENV-000", env(), []string{"us-east-1", "AWS_REGION"}},
		{"ENV-001", env("AWS_REGION", ""), []string{"export AWS_REGION="}},
		{"ENV-002", env("AWS_DEFAULT_REGION", "eu-west-1"), []string{"AWS_DEFAULT_REGION=eu-west-1"}},
		{"ENV-003", env("AWS_REGION", "", "DEFAULT_REGION", "eu-west-1"), []string{"export AWS_REGION=eu-west-1"}},
		{"ENV-004", env("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/dial"), []string{"AWS_WEB_IDENTITY_TOKEN_FILE"}},
		{"ENV-005", env("AWS_SECRET_ACCESS_KEY", ""), []string{"AWS_SECRET_ACCESS_KEY"}},
		{"ENV-006", env("HTTPS_PROXY", "http://me:password@127.0.0.1:3128"), []string{"127.0.0.1:3128"}},
		{"ENV-007", env("AWS_CA_BUNDLE", "/nowhere.pem"), []string{"/nowhere.pem"}},
		{"ENV-008", env(), []string{"not in a pod"}},
		{"ENV-009", env("KUBERNETES_SERVICE_HOST", "10.0.0.1", "AWS_EC2_METADATA_DISABLED", ""), []string{"AWS_EC2_METADATA_DISABLED=true"}},
		{"ENV-010", env("AWS_ASSUME_ROLE_ARN", "arn:aws:iam::000000000000:role/dial"), []string{"AWS_ASSUME_ROLE_ARN"}},
		{"ENV-011", env("AWS_ASSUME_ROLE_ARN", "role/dial"), []string{"arn:aws:iam::<12 digits>:role/<name>"}},
	}
}

func producedByCredentials() []produced {
	key := func(region string, expires time.Duration, in string) func(*account) []string {
		return func(a *account) []string {
			text := shortTermKey(region, expires)
			if in == "AWS_BEARER_TOKEN_BEDROCK_FILE" {
				text = writeTemp(a.t, text)
			}
			a.t.Setenv(in, text)
			return []string{"--only", "credentials"}
		}
	}
	return []produced{
		{"CRED-000", env(), []string{"AWS_ACCESS_KEY_ID"}},
		{"CRED-001", env("AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""), []string{"export AWS_ACCESS_KEY_ID"}},
		{"CRED-002", env("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN"), []string{"mistyped"}},
		{"CRED-003", chatting(`{"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"extraData": {"aws_assume_role_arn": "arn:aws:iam::000000000000:role/dial", "aws_role_duration": "15m"}}]}`, func(*account) {}), []string{"14 minutes", "aws_role_duration: 1h"}},
		{"CRED-004", chatting(novaModel, mood("expired-token")), []string{"expired", "aws sso login"}},
		{"CRED-005", oldKey, []string{"AKIAOLD", "outcrop aws grant"}},
		{"CRED-006", func(a *account) []string {
			a.caller = "arn:aws:iam::111122223333:root"
			return []string{"--config", a.chats(novaModel)}
		}, []string{"root"}},
		{"CRED-007", onNode, []string{"node", "outcrop aws grant service-account"}},
		{"CRED-008", with("--expect-role", "arn:aws:iam::000000000000:role/dial"), []string{"role/dial", "user/sandbox"}},
		{"CRED-009", key("us-east-1", time.Hour, "AWS_BEARER_TOKEN_BEDROCK"), []string{"AKIDEXAMPLE", "us-east-1"}},
		{"CRED-010", key("us-east-1", -time.Hour, "AWS_BEARER_TOKEN_BEDROCK"), []string{"60 minutes ago"}},
		{"CRED-011", key("eu-west-1", time.Hour, "AWS_BEARER_TOKEN_BEDROCK_FILE"), []string{"eu-west-1", "us-east-1"}},
		{"CRED-012", key("us-east-1", time.Hour, "AWS_BEARER_TOKEN_BEDROCK"), []string{"AWS_BEARER_TOKEN_BEDROCK_FILE"}},
		{"CRED-013", env("AWS_BEARER_TOKEN_BEDROCK_FILE", "/nowhere/key"), []string{"/nowhere/key"}},
		{"CRED-014", env("AWS_BEARER_TOKEN_BEDROCK", "sandbox", "AWS_ENDPOINT_URL", "http://bedrock.example.com"), []string{"https"}},
		{"CRED-015", oldKey, []string{"days old", "aws iam create-access-key"}},
		{"TOKEN-000", tokens(nil, nil), []string{"system:serviceaccount:dial:dial-bedrock"}},
		{"TOKEN-001", env2("token", "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token"), []string{"/nowhere/token", "fsGroup"}},
		{"TOKEN-002", tokens(map[string]any{"": ""}, nil), nil},
		{"TOKEN-003", tokens(map[string]any{"aud": []string{"https://kubernetes.default.svc"}}, nil), []string{"sts.amazonaws.com"}},
		{"TOKEN-004", tokens(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, nil), []string{"restart the pod"}},
		{"TOKEN-005", tokens(map[string]any{"exp": time.Now().Add(time.Minute).Unix()}, nil), nil},
		{"TOKEN-006", tokens(map[string]any{"iss": "kubernetes/serviceaccount"}, nil), []string{"--service-account-issuer"}},
		{"TOKEN-007", tokens(nil, map[string]string{"ListOpenIDConnectProviders": "<OpenIDConnectProviderList/>"}), []string{"aws iam create-open-id-connect-provider"}},
		{"TOKEN-008", tokens(nil, trusting("system:serviceaccount:dial:other")), []string{"system:serviceaccount:dial:dial-bedrock", `"sts:AssumeRoleWithWebIdentity"`}},
		{"TOKEN-009", tokens(nil, nil), []string{"iam:ListOpenIDConnectProviders"}},
		{"STS-000", env(), []string{"arn:aws:iam::000000000000:user/sandbox"}},
		{"STS-001", env("AWS_ASSUME_ROLE_ARN", "arn:aws:iam::222233334444:role/denied"), []string{"user/sandbox", `"sts:AssumeRole"`, "trust policy of arn:aws:iam::222233334444:role/denied", "different accounts"}},
		{"STS-002", func(a *account) []string {
			a.t.Setenv("AWS_ACCESS_KEY_ID", "")
			a.t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			args := tokens(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, nil)(a)
			return append(args[:0], "--only", "credentials")
		}, []string{"restart the pod"}},
		{"STS-003", func(a *account) []string {
			a.paths["?GetCallerIdentity"] = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>denied by a VPC endpoint policy</Message></Error></ErrorResponse>`)
			}
			return []string{"--only", "sts"}
		}, []string{"VPC endpoint policy"}},
	}
}

func producedByNetwork() []produced {
	return []produced{
		{"NET-000", env(), []string{"answers in"}},
		{"NET-002", only("network", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:1"), []string{"443"}},
		{"NET-003", func(a *account) []string {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that it is about
			server.StartTLS()
			a.t.Cleanup(server.Close)
			return only("network", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.URL)(a)
		}, []string{"AWS_CA_BUNDLE"}},
		{"NET-004", func(a *account) []string {
			a.paths["/?"] = func(http.ResponseWriter, *http.Request) { <-time.After(1100 * time.Millisecond) }
			return []string{"--only", "network"}
		}, []string{"nearer region"}},
		{"NET-005", func(a *account) []string { return clock(a, 10*time.Minute+30*time.Second) }, []string{"10 minutes behind", "timedatectl"}},
		{"NET-006", func(a *account) []string { return clock(a, -time.Minute) }, []string{"ahead"}},
		{"NET-008", func(a *account) []string {
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
			a.t.Cleanup(proxy.Close)
			a.t.Setenv("HTTPS_PROXY", proxy.URL)
			return only("network", "AWS_ENDPOINT_URL", "")(a)
		}, []string{"403", "HTTPS_PROXY"}},
		{"NET-009", func(a *account) []string {
			silent, err := new(net.ListenConfig).Listen(a.t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				a.t.Fatal(err)
			}
			a.t.Cleanup(func() { silent.Close() })
			return append(only("network", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://"+silent.Addr().String())(a), "--timeout", "1s")
		}, []string{"security group"}},
	}
}

func producedByPermissions() []produced {
	model := func(d http.HandlerFunc) func(*account) []string { return chatting(novaModel, path("/converse", d)) }
	profile := func(d http.HandlerFunc) func(*account) []string { return chatting(claudeModel, path("/converse", d)) }
	allowed := func(entry, actions, resources string) func(*account) []string {
		return chatting(entry, func(a *account) {
			a.policies(map[string]string{"own": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + actions + `,"Resource":` + resources + `}]}`})
		})
	}
	const invoke = `["bedrock:InvokeModel","bedrock:InvokeModelWithResponseStream"]`
	const haiku = "foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0"
	return []produced{
		{"PERM-000", allowed(novaModel, invoke, `"`+novaARN+`"`), []string{"1 deployment"}},
		{"PERM-001", model(denies("bedrock:InvokeModel", novaARN, "because no identity-based policy allows the bedrock:InvokeModel action")), []string{`"bedrock:InvokeModelWithResponseStream"`, novaARN, "role/dial"}},
		{"PERM-001", chatting(novaModel, path("/converse-stream", denies("bedrock:InvokeModelWithResponseStream", novaARN, "because no identity-based policy allows the bedrock:InvokeModelWithResponseStream action"))),
			[]string{"streams do not", `"bedrock:InvokeModelWithResponseStream"`}},
		{"PERM-002", func(a *account) []string {
			a.options.ServiceControlPolicy = []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"bedrock:ApplyGuardrail","Resource":"*"}}`)
			return []string{"--probe", "free", "--config", a.chats(`{"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"guardrail": {"id": "gr1abc", "version": "1"}}]}`)}
		}, []string{"except bedrock:ApplyGuardrail from the policy", "guardrail/gr1abc"}},
		{"PERM-002", model(denies("bedrock:InvokeModel", novaARN, "with an explicit deny in a service control policy")), []string{"organization"}},
		{"PERM-003", model(denies("bedrock:InvokeModel", novaARN, "because no permissions boundary allows the bedrock:InvokeModel action")), []string{"boundary"}},
		{"PERM-004", model(denies("bedrock:InvokeModel", novaARN, "with an explicit deny in an identity-based policy")), []string{"Deny"}},
		{"PERM-005", model(denies("bedrock:InvokeModel", novaARN, "because no session policy allows the bedrock:InvokeModel action")), []string{"session"}},
		{"PERM-006", profile(denies("bedrock:InvokeModel", "arn:aws:bedrock:us-west-2::"+haiku, "because no identity-based policy allows the bedrock:InvokeModel action")), []string{"us-west-2", "bedrock:InferenceProfileArn"}},
		{"PERM-007", chatting(claudeModel, path("/count-tokens", denies("bedrock:CountTokens", "arn:aws:bedrock:us-east-1::"+haiku, "because no identity-based policy allows the bedrock:CountTokens action"))), []string{`"bedrock:CountTokens"`, "estimates"}},
		{"PERM-008", chatting(`{"type": "chat", "endpoint": "bedrock:arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/abc123"}`,
			path("/inference-profiles/", denies("bedrock:GetInferenceProfile", "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/abc123", "because no identity-based policy allows the bedrock:GetInferenceProfile action"))), []string{"baseModel"}},
		{"PERM-009", allowed(novaModel, `"bedrock:*"`, `"*"`), []string{"bedrock-mantle:CreateInference"}},
		{"PERM-010", chatting(novaModel, func(*account) {}), []string{"iam:GetUser"}},
		{"PERM-011", allowed(novaModel, `"bedrock:*"`, `"*"`), []string{"outcrop aws policy"}},
		{"PERM-012", allowed(claudeModel, invoke, `["arn:aws:bedrock:us-east-1:000000000000:inference-profile/*","arn:aws:bedrock:us-east-1::foundation-model/*"]`), []string{"us-west-2", "us-east-2"}},
		{"PERM-013", allowed(globalModel, invoke, `["arn:aws:bedrock:us-east-1:000000000000:inference-profile/*","arn:aws:bedrock:us-east-1::foundation-model/*"]`), []string{"arn:aws:bedrock:::foundation-model/", `"unspecified"`}},
		{"ACCESS-001", chatting(novaModel, mood("no-model-access")), []string{"outcrop aws access amazon.nova-lite-v1:0"}},
		{"ACCESS-002", chatting(claudeModel, mood("use-case-form")), []string{"outcrop aws access anthropic.claude-haiku"}},
		{"ACCESS-003", chatting(claudeModel, mood("marketplace")), []string{"aws-marketplace:Subscribe", "outcrop aws access"}},
		{"ACCESS-004", chatting(claudeModel, path("/foundation-model-availability/", answering(`{"agreementAvailability":{"status":"NOT_AVAILABLE"},"authorizationStatus":"AUTHORIZED"}`))), []string{"later calls will be denied"}},
		{"ACCESS-005", chatting(claudeModel, path("/foundation-model-availability/", answering(`{"agreementAvailability":{"status":"PENDING"}}`))), []string{"15 minutes"}},
		{"ACCESS-006", chatting(novaModel, path("/converse", refusing(400, "ValidationException", "Operation not allowed"))), []string{"payment method"}},
		{"ACCESS-006", func(a *account) []string {
			a.options.Access = []string{"*=no-bedrock"}
			return []string{"--config", a.chats(novaModel), "--probe", "free"}
		}, []string{"payment method"}},
		{"ACCESS-007", chatting(claudeModel, path("/foundation-model-availability/", refusing(403, "AccessDeniedException", "no"))), []string{"bedrock:GetFoundationModelAvailability"}},
	}
}

func producedByModels() []produced {
	details := func(life string) func(*account) {
		return path("/foundation-models/", answering(`{"modelDetails":{"modelLifecycle":{`+life+`}}}`))
	}
	quotas := func(value string) func(*account) {
		return func(a *account) {
			a.quotas = `{"Quotas":[{"QuotaName":"On-demand model inference requests per minute for Amazon Nova Lite","QuotaCode":"L-1","Value":` + value + `}]}`
		}
	}
	slow := func(a *account) {
		a.paths["/converse"] = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	}
	return []produced{
		{"MODEL-000", chatting(novaModel, func(*account) {}), []string{"answered in"}},
		{"MODEL-001", func(a *account) []string { return []string{"--config", a.chats(novaModel), "--probe", "free"} }, []string{"--probe paid"}},
		{"MODEL-002", func(a *account) []string { return []string{"--config", a.chats(novaModel), "--probe", "none"} }, []string{"NOT TRIED"}},
		{"MODEL-002", chatting(`{"type": "chat", "endpoint": "http://elsewhere.example/openai/deployments/x/chat/completions?key=hidden"}`, func(*account) {}), []string{"NOT TRIED", "http://elsewhere.example,"}},
		{"MODEL-003", chatting(`{"type": "chat", "endpoint": "bedrock:us.does-not-exist-v1:0"}`, func(*account) {}), []string{"outcrop aws models --region us-east-1"}},
		{"MODEL-004", chatting(`{"type": "chat", "endpoint": "bedrock:anthropic.claude-haiku-4-5-20251001-v1:0"}`, func(*account) {}), []string{"us.anthropic.claude-haiku-4-5-20251001-v1:0"}},
		{"MODEL-005", chatting(novaModel, mood("end-of-life")), []string{"outcrop aws models"}},
		{"MODEL-006", chatting(novaModel, path("/converse", refusing(429, "ThrottlingException", "Too many requests, please wait before trying again."))), []string{"Service Quotas"}},
		{"MODEL-007", chatting(novaModel, path("/converse", refusing(500, "InternalServerException", "oops"))), []string{"InternalServerException"}},
		{"MODEL-008", chatting(novaModel, mood("legacy-idle")), []string{"legacy"}},
		{"DEST-000", chatting(claudeModel, func(*account) {}), []string{"us-east-1, us-east-2, us-west-2"}},
		{"DEST-001", chatting(globalModel, func(*account) {}), []string{"any commercial region"}},
		{"DEST-002", chatting(claudeModel, path("/inference-profiles/", refusing(403, "AccessDeniedException", "no"))), []string{"bedrock:GetInferenceProfile"}},
		{"LIFE-001", chatting(novaModel, details(`"status":"LEGACY","endOfLifeTime":"`+time.Now().AddDate(0, 0, 30).UTC().Format(time.RFC3339)+`"`)), []string{"29 days"}},
		{"LIFE-002", chatting(novaModel, details(`"status":"LEGACY"`)), nil},
		{"QUOTA-000", chatting(novaModel, quotas("200")), []string{"200 requests"}},
		{"QUOTA-001", chatting(novaModel, quotas("0")), []string{"L-1"}},
		{"QUOTA-002", chatting(novaModel, func(*account) {}), []string{"servicequotas:ListServiceQuotas"}},
		{"RUN-002", func(a *account) []string {
			slow(a)
			return []string{"--config", a.chats(novaModel), "--only", "models", "--timeout", "500ms"}
		}, []string{"--timeout 1s"}},
		{"RUN-003", func(a *account) []string {
			a.t.Setenv("AWS_ACCESS_KEY_ID", "")
			return []string{"--config", a.chats(novaModel)}
		}, []string{"CRED-001"}},
	}
}

// doctorElsewhere are the codes that other tests produce: of internal/doctor, and TestDoctorInterrupted.
func doctorElsewhere() []string {
	return []string{"NET-001", "NET-007", "NET-010", "LIMIT-000", "LIMIT-001", "RUN-001"}
}

// TestEveryCodeOfTheDoctor produces each code in the whole program, against an account in a state that has it.
func TestEveryCodeOfTheDoctor(t *testing.T) {
	cases := slices.Concat(producedByEnvironment(), producedByCredentials(), producedByNetwork(), producedByPermissions(), producedByModels())
	have := doctorElsewhere()
	for _, c := range cases {
		have = append(have, c.code)
		t.Run(c.code, func(t *testing.T) {
			a := newAccount(t)
			args := c.args(a)
			if len(args) == 0 || args[0] == "--expect-role" {
				args = append(args, "--config", a.chats(novaModel))
			}
			r, _ := a.report(args...)
			a.want(r, c.code, c.parts...)
		})
	}
	for _, c := range doctor.Codes() {
		if !slices.Contains(have, c.ID) {
			t.Errorf("no test produces %s: %s", c.ID, c.Meaning)
		}
	}
	for _, id := range have {
		if !slices.ContainsFunc(doctor.Codes(), func(c doctor.Code) bool { return c.ID == id }) {
			t.Errorf("%s is not in the table of codes", id)
		}
	}
}

// only is one class, with variables in pairs.
func only(class string, pairs ...string) func(*account) []string {
	return env2(class, pairs...)
}

func env2(class string, pairs ...string) func(*account) []string {
	return func(a *account) []string {
		env(pairs...)(a)
		return []string{"--only", class}
	}
}

// clock sets AWS's clock ahead.
func clock(a *account, ahead time.Duration) []string {
	a.options.Now = func() time.Time { return time.Now().Add(ahead) }
	return []string{"--only", "network"}
}

// oldKey is an access key of a user, made two years ago.
func oldKey(a *account) []string {
	a.options.Credentials = []sandbox.Credential{{AccessKeyID: "AKIAOLD", SecretAccessKey: "secret"}}
	a.t.Setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
	a.t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	a.caller = "arn:aws:iam::111122223333:user/dial"
	a.iam["ListAccessKeys"] = `<AccessKeyMetadata><member><AccessKeyId>AKIAOLD</AccessKeyId><CreateDate>2020-01-01T00:00:00Z</CreateDate></member></AccessKeyMetadata>`
	return []string{"--only", "credentials"}
}

// onNode is a pod whose only credentials are the node's.
func onNode(a *account) []string {
	a.t.Setenv("AWS_ACCESS_KEY_ID", "")
	a.t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	a.t.Setenv("AWS_EC2_METADATA_DISABLED", "")
	a.t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	a.t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", a.url)
	a.paths["/latest/api/token"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600")
		_, _ = fmt.Fprint(w, "token")
	}
	a.paths["/security-credentials/?"] = answering("node")
	a.paths["/security-credentials/node"] = answering(`{"Code":"Success","AccessKeyId":"sandbox","SecretAccessKey":"sandbox","Expiration":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`)
	return []string{"--only", "environment,credentials,sts"}
}

// shortTermKey is a key as AWS's generator makes it.
func shortTermKey(region string, expires time.Duration) string {
	made := time.Now().Add(expires - 2*time.Hour).UTC()
	query := "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F" + made.Format("20060102") +
		"%2F" + region + "%2Fbedrock%2Faws4_request&X-Amz-Date=" + made.Format("20060102T150405Z") + "&X-Amz-Expires=7200&X-Amz-Security-Token=thesessiontoken&X-Amz-Signature=thesignature&X-Amz-SignedHeaders=host&Version=1"
	return "bedrock-api-key-" + base64.StdEncoding.EncodeToString([]byte(query))
}

func writeTemp(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	issuer   = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
	dialRole = "arn:aws:iam::000000000000:role/dial"
)

// tokens is a pod with a service account's token, whose claims and IAM are given; an access key goes first.
func tokens(claims map[string]any, iam map[string]string) func(*account) []string {
	return func(a *account) []string {
		a.t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", writeTemp(a.t, serviceAccountToken(a.t, claims)))
		a.t.Setenv("AWS_ROLE_ARN", dialRole)
		for action, inner := range iam {
			a.iam[action] = inner
		}
		return []string{"--only", "token"}
	}
}

// trusting is an account with the issuer's provider and a role that trusts one service account.
func trusting(subject string) map[string]string {
	provider := "arn:aws:iam::000000000000:oidc-provider/" + issuer
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` +
		issuer + `:aud":"sts.amazonaws.com","` + issuer + `:sub":"` + subject + `"}}}]}`
	return map[string]string{
		"ListOpenIDConnectProviders": `<OpenIDConnectProviderList><member><Arn>` + provider + `</Arn></member></OpenIDConnectProviderList>`,
		"GetRole": `<Role><RoleName>dial</RoleName><Arn>` + dialRole + `</Arn><Path>/</Path><RoleId>A</RoleId><CreateDate>2026-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>` +
			strings.ReplaceAll(base64url(policy), "+", "%20") + `</AssumeRolePolicyDocument></Role>`,
	}
}
