package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"outcrop/internal/onboard"
	"outcrop/internal/sandbox"
)

// An account with a bit of everything.
func variousAccess() sandbox.Options {
	return sandbox.Options{Access: []string{
		"cohere.rerank-v3-5:0=agreement", "cohere.embed-v4:0=pending", "cohere.embed-english-v3=not-authorized",
		"anthropic=form", "mistral.voxtral-mini-3b-2507=failed", "mistral@eu-west-1=not-in-region", "*@eu-west-3=scp",
	}}
}

func TestModelsTable(t *testing.T) {
	awsSandbox(t, variousAccess())
	one := expect(t, 0, nil, "aws", "models", "--provider", "cohere")
	awsGolden(t, "models-cohere", one)
	many := expect(t, 0, nil, "aws", "models", "--provider", "mistral", "--regions", "us-east-1,eu-west-1,ca-central-1,us-west-2")
	awsGolden(t, "models-mistral-regions", many)
	all := expect(t, 0, nil, "aws", "models")
	for line := range strings.Lines(one + many + all) {
		if n := utf8.RuneCountInString(line); n > 121 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// The document has every fact, and a profile's price is that of the first id to call.
func TestModelsDocument(t *testing.T) {
	awsSandbox(t, variousAccess())
	var got onboard.Models
	if err := json.Unmarshal([]byte(expect(t, 0, nil, "aws", "models", "-o", "json")), &got); err != nil {
		t.Fatal(err)
	}
	byID := map[string]onboard.ModelHere{}
	for _, m := range got.Models {
		byID[m.ID] = m
	}
	sonnet := byID["anthropic.claude-sonnet-4-5-20250929-v1:0"]
	if sonnet.Access.State != onboard.AccessForm || sonnet.Callable || len(sonnet.Call) < 2 || sonnet.ContextWindow != 200000 || sonnet.MaxOutputTokens != 64000 ||
		sonnet.Prices == nil || sonnet.Kind != "chat" || !strings.Contains(strings.Join(sonnet.Input, " "), "pdf") {
		t.Errorf("%+v", sonnet)
	}
	for id, want := range map[string]string{
		"amazon.nova-lite-v1:0": onboard.AccessAvailable, "cohere.rerank-v3-5:0": onboard.AccessAgreement, "cohere.embed-v4:0": onboard.AccessPending,
		"cohere.embed-english-v3": onboard.AccessNotAuthorized, "mistral.voxtral-mini-3b-2507": onboard.AccessFailed,
	} {
		if m := byID[id]; m.Access.State != want || m.Callable != (want == onboard.AccessAvailable || want == onboard.AccessPending) {
			t.Errorf("%s: %+v, want %s", id, m.Access, want)
		}
	}
}

func TestModelsFilters(t *testing.T) {
	awsSandbox(t, variousAccess())
	for _, c := range []struct {
		args       []string
		has, hasnt string
	}{
		{[]string{"--callable"}, "amazon.nova-lite-v1:0", "rerank-v3-5"},
		{[]string{"--kind", "rerank"}, "cohere.rerank-v3-5:0", "nova-lite"},
		{[]string{"--provider", "Mistral AI"}, "mistral.mistral-large", "nova"},
		{[]string{"--region", "eu-west-1", "--provider", "mistral"}, "0 of 1 models", "mistral.mistral-large"},
		{[]string{"--provider", "anthropic"}, "use-case form missing: outcrop aws access anthropic.", "nova"},
	} {
		out := expect(t, 0, []string{c.has}, append([]string{"aws", "models"}, c.args...)...)
		if strings.Contains(out, c.hasnt) {
			t.Errorf("%v: %q in\n%s", c.args, c.hasnt, out)
		}
	}
}

// A region that is closed is named, and the others are shown.
func TestModelsOfClosedRegion(t *testing.T) {
	awsSandbox(t, variousAccess())
	expect(t, 2, []string{"cohere.rerank-v3-5:0", "eu-west-3: ListFoundationModels failed", "service control policy of the organization forbids bedrock:ListFoundationModels in eu-west-3"},
		"aws", "models", "--provider", "cohere", "--regions", "us-east-1,eu-west-3")
	expect(t, 1, []string{"eu-west-3"}, "aws", "models", "--regions", "eu-west-3")
	expect(t, 2, []string{"pairs of model and region", "sa-east-1"}, "aws", "models", "--kind", "rerank", "--regions", "all")
}

func TestModelsBadInput(t *testing.T) {
	awsSandbox(t, sandbox.Options{})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--kind", "smell"}, `--kind is "smell": it must be one of chat, embedding`},
		{[]string{"--regions", "virginia"}, `"virginia" is not an AWS region`},
		{[]string{"--region", "virginia"}, `"virginia" is not an AWS region`},
		{[]string{"-o", "xml"}, `it must be text, json or yaml`},
		{[]string{"--profile", "nobody"}, `nobody`},
	} {
		expect(t, 1, []string{c.want}, append([]string{"aws", "models"}, c.args...)...)
	}
	t.Setenv("AWS_REGION", "")
	expect(t, 1, []string{"no AWS region: set AWS_REGION, or give --region us-east-1"}, "aws", "models")
}

// States of a whole account say what to do.
func TestModelsOfRefusedAccount(t *testing.T) {
	for mood, want := range map[string]string{
		"expired-token": "log in again", "unknown-key": "check the key and its secret", "throttle-requests": "try again in a minute",
	} {
		awsSandbox(t, sandbox.Options{Mood: mood})
		expect(t, 1, []string{want}, "aws", "models")
	}
	awsSandbox(t, sandbox.Options{Access: []string{"*=no-bedrock"}})
	expect(t, 1, []string{"this account may not use Amazon Bedrock", "payment method"}, "aws", "models")
}

// denying is a sandbox where some paths of the control plane are denied.
func denying(t *testing.T, o sandbox.Options, actions map[string]string) {
	t.Helper()
	behind := awsSandbox(t, o)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for path, action := range actions {
			if strings.HasPrefix(r.URL.Path, path) {
				w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
				w.WriteHeader(http.StatusForbidden)
				_, _ = fmt.Fprintf(w, `{"Message":"User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: bedrock:%s on resource: * because no identity-based policy allows the bedrock:%s action"}`, action, action)
				return
			}
		}
		behind.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	t.Setenv("AWS_ENDPOINT_URL_BEDROCK", srv.URL)
}

// Who may list models but not ask about them sees the list, and what is missing.
func TestModelsWithoutPermissions(t *testing.T) {
	denying(t, variousAccess(), map[string]string{"/foundation-model-availability": "GetFoundationModelAvailability", "/inference-profiles": "ListInferenceProfiles"})
	awsGolden(t, "models-denied", expect(t, 2, nil, "aws", "models", "--provider", "deepseek"))
	denying(t, variousAccess(), map[string]string{"/foundation-models": "ListFoundationModels"})
	expect(t, 1, []string{`allow it: {"Effect":"Allow","Action":"bedrock:ListFoundationModels","Resource":"*"}`}, "aws", "models")
	denying(t, variousAccess(), map[string]string{"/use-case-for-model-access": "GetUseCaseForModelAccess"})
	expect(t, 0, []string{"agreement missing: or the use-case form; whether it was sent is not known: it needs bedrock:GetUseCaseForModelAccess"}, "aws", "models", "--provider", "anthropic")
	expect(t, 2, []string{"whether it was sent is not known"}, "aws", "access", haikuProfile)
	denying(t, variousAccess(), map[string]string{"/list-foundation-model-agreement-offers": "ListFoundationModelAgreementOffers"})
	expect(t, 2, []string{"listing its offers: AccessDeniedException", `"Action":"bedrock:ListFoundationModelAgreementOffers"`}, "aws", "access", "cohere.rerank-v3-5:0")
}

// A profile that is asked for goes before the API key of the environment, which the SDK would take.
func TestModelsOfProfileBesideAPIKey(t *testing.T) {
	awsSandbox(t, sandbox.Options{})
	file := filepath.Join(t.TempDir(), "credentials")
	writeFile(t, file, "[work]\naws_access_key_id = sandbox\naws_secret_access_key = sandbox\n")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", "wrong")
	expect(t, 0, []string{"cohere.rerank-v3-5:0"}, "aws", "models", "--kind", "rerank", "--profile", "work")
}
