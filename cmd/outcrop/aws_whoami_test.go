package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"outcrop/internal/sandbox"
)

func TestWhoami(t *testing.T) {
	awsSandbox(t, sandbox.Options{})
	awsGolden(t, "whoami", expect(t, 0, nil, "aws", "whoami"))
	awsGolden(t, "whoami-yaml", expect(t, 0, nil, "aws", "whoami", "-o", "yaml"))
}

// A user's key tells its age where IAM lets it.
func TestWhoamiKeyAge(t *testing.T) {
	awsSandbox(t, sandbox.Options{})
	awsIAM(t, http.StatusOK, `<ListAccessKeysResponse><ListAccessKeysResult><AccessKeyMetadata><member><UserName>sandbox</UserName>`+
		`<AccessKeyId>sandbox</AccessKeyId><Status>Active</Status><CreateDate>2024-02-01T00:00:00Z</CreateDate></member></AccessKeyMetadata>`+
		`<IsTruncated>false</IsTruncated></ListAccessKeysResult></ListAccessKeysResponse>`,
		`<GetAccessKeyLastUsedResponse><GetAccessKeyLastUsedResult><UserName>sandbox</UserName><AccessKeyLastUsed><LastUsedDate>2026-11-01T00:00:00Z</LastUsedDate>`+
			`<ServiceName>bedrock</ServiceName><Region>us-east-1</Region></AccessKeyLastUsed></GetAccessKeyLastUsedResult></GetAccessKeyLastUsedResponse>`)
	expect(t, 0, []string{"sandbox, created 2024-02-01, last used 2026-11-01", "never expires; it is ", " days old"}, "aws", "whoami")
}

// A profile that assumes a role: the file, the role, and when its session ends.
func TestWhoamiProfileWithRole(t *testing.T) {
	awsSandbox(t, sandbox.Options{})
	dir := t.TempDir()
	config, keys := filepath.Join(dir, "config"), filepath.Join(dir, "credentials")
	writeFile(t, config, "[profile work]\nrole_arn = arn:aws:iam::123456789012:role/Worker\nsource_profile = keys\nregion = eu-west-1\n")
	writeFile(t, keys, "[keys]\naws_access_key_id = sandbox\naws_secret_access_key = sandbox\n")
	t.Setenv("AWS_CONFIG_FILE", config)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", keys)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_REGION", "")
	expect(t, 0, []string{"assumed-role/Worker/", "kind         assumed role", "a role that profile work assumes", "UTC", "eu-west-1 (from profile work)"},
		"aws", "whoami", "--profile", "work")
	t.Setenv("AWS_PROFILE", "keys")
	t.Setenv("AWS_REGION", "us-east-1")
	expect(t, 0, []string{"profile keys of " + keys, "kind         IAM user"}, "aws", "whoami")
	expect(t, 1, []string{`the profile "nobody": no profile "nobody" in `, "aws configure list-profiles", "not known"}, "aws", "whoami", "--profile", "nobody")
	expect(t, 1, []string{`the profile "nobody": no profile "nobody" in `, "aws configure list-profiles"}, "aws", "models", "--profile", "nobody")
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is known is told when STS does not answer, or refuses.
func TestWhoamiPartial(t *testing.T) {
	awsSandbox(t, sandbox.Options{Mood: "expired-token"})
	expect(t, 1, []string{"environment: AWS_ACCESS_KEY_ID", "us-east-1 (from AWS_REGION)", "ExpiredToken", "log in again"}, "aws", "whoami")
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
	expect(t, 1, []string{"account      not known", "access key   sandbox", "AWS does not answer in us-east-1", "check the network"}, "aws", "whoami")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	expect(t, 1, []string{"there are no credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile NAME"}, "aws", "whoami")
}

func TestWhoamiWithoutRegion(t *testing.T) {
	awsSandbox(t, sandbox.Options{})
	t.Setenv("AWS_REGION", "")
	expect(t, 2, []string{"user/sandbox", "region       none", "region-missing", "set AWS_REGION"}, "aws", "whoami")
}

// The environment says one thing twice, or half.
func TestWhoamiKeyNames(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		code int
		has  []string
	}{
		{map[string]string{"AWS_ACCESS_KEY": "other", "AWS_SECRET_KEY": "other"}, 2, []string{"key-twice", "remove AWS_ACCESS_KEY and AWS_SECRET_KEY", "access key   sandbox"}},
		{map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY": "sandbox", "AWS_SECRET_KEY": "sandbox"}, 0,
			[]string{"environment: AWS_ACCESS_KEY, AWS_SECRET_KEY", "key-alias"}},
		{map[string]string{"AWS_SECRET_ACCESS_KEY": ""}, 1, []string{"key-half"}},
		{map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pod"}, 2, []string{"key-before-role"}},
		{map[string]string{"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "eu-west-1"}, 2,
			[]string{"AWS_DEFAULT_REGION says eu-west-1, but AWS_REGION says us-east-1", "1. AWS_REGION=us-east-1", "2. AWS_DEFAULT_REGION=eu-west-1"}},
		{map[string]string{"AWS_REGION": "virginia"}, 1, []string{"region-form"}},
	} {
		t.Run("", func(t *testing.T) {
			awsSandbox(t, sandbox.Options{})
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			expect(t, c.code, c.has, "aws", "whoami")
		})
	}
}

// AWS's tools do not read DEFAULT_REGION, which DIAL's guide sets; on EKS the cluster's region takes its place.
func TestTrap02DefaultRegionIsNotReadByAWS(t *testing.T) {
	awsSandbox(t, sandbox.Options{})
	t.Setenv("AWS_REGION", "")
	t.Setenv("DEFAULT_REGION", "eu-central-1")
	expect(t, 0, []string{"region       eu-central-1 (from DEFAULT_REGION)", "AWS's own tools do not read", "set AWS_REGION=eu-central-1"}, "aws", "whoami")
	inEKS(t, "us-east-1")
	expect(t, 2, []string{"DEFAULT_REGION=eu-central-1 is not used: EKS has set AWS_REGION=us-east-1", "set AWS_REGION=eu-central-1 under the container's env"}, "aws", "whoami")
}

// inEKS sets what EKS Pod Identity's webhook sets; the environment's key goes first nevertheless.
func inEKS(t *testing.T, region string) {
	t.Helper()
	t.Setenv("AWS_REGION", region)
	t.Setenv("AWS_DEFAULT_REGION", region)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token")
}

// A region that comes through envFrom is overridden by EKS, and nothing in the pod shows it.
func TestTrap03RegionOfEnvFromIsOverridden(t *testing.T) {
	awsSandbox(t, sandbox.Options{})
	inEKS(t, "us-west-2")
	expect(t, 0, []string{"us-west-2 (from AWS_REGION, which EKS seems to have set)", "a region that comes through envFrom", "Set AWS_REGION under env"}, "aws", "whoami")
}

// AWS_ROLE_ARN without a token file falls back to the role of the node.
func TestTrap04RoleWithoutTokenIsTheNodesRole(t *testing.T) {
	node := sandbox.Credential{AccessKeyID: "ASIANODE", SecretAccessKey: "hush", SessionToken: "token"}
	awsSandbox(t, sandbox.Options{Credentials: []sandbox.Credential{node}})
	imds := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut:
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			_, _ = io.WriteString(w, "session")
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			_, _ = io.WriteString(w, "node-role")
		default:
			_, _ = fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q}`,
				node.AccessKeyID, node.SecretAccessKey, node.SessionToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		}
	}))
	t.Cleanup(imds.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.URL,
		"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pod",
	} {
		t.Setenv(name, value)
	}
	expect(t, 2, []string{"instance metadata of EC2 (IMDS)", "role-without-token", "node-role", "AWS_EC2_METADATA_DISABLED=true", "expires"}, "aws", "whoami")
}

// shortTerm is a key as AWS's generators make it, without a signature that counts.
func shortTerm(at time.Time, seconds int) string {
	return "bedrock-api-key-" + base64.StdEncoding.EncodeToString(fmt.Appendf(nil,
		"bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAEXAMPLE%%2F%s%%2Feu-west-1%%2Fbedrock%%2Faws4_request"+
			"&X-Amz-Date=%s&X-Amz-Expires=%d&X-Amz-Signature=hush&X-Amz-SignedHeaders=host&Version=1", at.Format("20060102"), at.Format("20060102T150405Z"), seconds))
}

// A Bedrock API key is read without a call.
func TestWhoamiAPIKey(t *testing.T) {
	begin := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	long := "ABSK" + base64.StdEncoding.EncodeToString([]byte("BedrockAPIKey-ab12-at-111122223333:hush"))
	for _, c := range []struct {
		key  string
		code int
		has  []string
	}{
		{shortTerm(begin, 43200), 2, []string{"Bedrock API key (short-term)", "made with    ASIAEXAMPLE", "good for     eu-west-1", "expires      2026-02-01 00:00 UTC", "has expired", "good for eu-west-1 only, but the region is us-east-1"}},
		{shortTerm(time.Now().UTC(), 43200), 2, []string{"expires at ", "api-key-region"}},
		{long, 0, []string{"account      111122223333", "BedrockAPIKey-ab12-at-111122223333", "api-key-long-term"}},
		{"hush", 2, []string{"api-key-form", "begins like no Bedrock API key"}},
	} {
		t.Run("", func(t *testing.T) {
			awsSandbox(t, sandbox.Options{})
			t.Setenv("AWS_BEARER_TOKEN_BEDROCK", c.key)
			out := expect(t, c.code, append(c.has, "Bedrock API key, AWS_BEARER_TOKEN_BEDROCK", "env -u AWS_BEARER_TOKEN_BEDROCK outcrop aws whoami"), "aws", "whoami")
			if strings.Contains(out, "hush") {
				t.Errorf("a secret in %s", out)
			}
			expect(t, 1, []string{"Unset AWS_BEARER_TOKEN_BEDROCK"}, "aws", "models")
		})
	}
}

func TestWhoamiAPIKeyFile(t *testing.T) {
	awsSandbox(t, sandbox.Options{})
	file := filepath.Join(t.TempDir(), "key")
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK_FILE", file)
	expect(t, 1, []string{"AWS_BEARER_TOKEN_BEDROCK_FILE: open "}, "aws", "whoami")
	writeFile(t, file, shortTerm(time.Now().UTC(), 3600)+"\n")
	t.Setenv("AWS_REGION", "eu-west-1")
	expect(t, 0, []string{"made with    ASIAEXAMPLE"}, "aws", "whoami")
}
