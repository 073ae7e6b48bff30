package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"outcrop/internal/sandbox"
)

const haikuProfile = "us.anthropic.claude-haiku-4-5-20251001-v1:0"

func formFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "form.yaml")
	writeFile(t, file, "companyName: Example Corp\ncompanyWebsite: https://www.example.com\nintendedUsers: internal\nindustryOption: Software\nuseCases: |\n  Assistants for our own staff.\n  Summaries.\n")
	return file
}

// The plan shows what would be agreed to and sent, and nothing is written.
func TestAccessPlan(t *testing.T) {
	srv := awsSandbox(t, variousAccess())
	awsGolden(t, "access-plan", expect(t, 2, nil, "aws", "access", haikuProfile, "cohere.rerank-v3-5:0", "amazon.nova-lite-v1:0", "--form", formFile(t)))
	awsGolden(t, "access-no-form", expect(t, 2, nil, "aws", "access", haikuProfile))
	awsGolden(t, "access-plan-yaml", expect(t, 2, nil, "aws", "access", haikuProfile, "--form", formFile(t), "-o", "yaml"))
	expect(t, 1, []string{"--apply without --form FILE", "nothing was written", "companyName: Example Corp"}, "aws", "access", haikuProfile, "cohere.rerank-v3-5:0", "--apply")
	client := bedrock.New(bedrock.Options{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", "")})
	if _, err := client.GetUseCaseForModelAccess(t.Context(), nil); err == nil {
		t.Error("a form was sent without --apply")
	}
	out, err := client.GetFoundationModelAvailability(t.Context(), &bedrock.GetFoundationModelAvailabilityInput{ModelId: aws.String("cohere.rerank-v3-5:0")})
	if err != nil || out.AgreementAvailability.Status != "NOT_AVAILABLE" {
		t.Errorf("an agreement was made without --apply: %v %v", out, err)
	}
}

// With --apply the form is sent, the agreements are made, and the models can be called.
func TestAccessApply(t *testing.T) {
	srv := awsSandbox(t, variousAccess())
	out, errs, code := runCommand(t, "aws", "access", haikuProfile, "cohere.rerank-v3-5:0", "--form", formFile(t), "--apply", "--wait", "30s")
	if code != 0 || !strings.HasPrefix(errs, "The plan:\n\nanthropic.claude-haiku") {
		t.Errorf("exit %d, %s", code, errs)
	}
	awsGolden(t, "access-applied", out)
	awsGolden(t, "access-done", expect(t, 0, nil, "aws", "access", haikuProfile))
	runtime := bedrockruntime.New(bedrockruntime.Options{Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", "")})
	_, err := runtime.Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: aws.String(haikuProfile), Messages: []types.Message{{
		Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "Hello!"}},
	}}})
	if err != nil {
		t.Error(err)
	}
}

// What does not come about is told, with what to do.
func TestAccessRemains(t *testing.T) {
	awsSandbox(t, sandbox.Options{Access: []string{"cohere=no-marketplace", "ai21=failed", "mistral=not-authorized", "writer=agreement"}})
	expect(t, 2, []string{"not agreed to the offer", "aws-marketplace:Subscribe", `"aws:CalledViaLast":"bedrock.amazonaws.com"`, "wait about two minutes"},
		"aws", "access", "cohere.rerank-v3-5:0", "--apply", "--wait", "1s")
	expect(t, 2, []string{"agreement failed: The AWS Marketplace subscription could not be completed."}, "aws", "access", "ai21.jamba-1-5-mini-v1:0")
	expect(t, 2, []string{"not authorized", "ask AWS Support"}, "aws", "access", "mistral.voxtral-mini-3b-2507")
	expect(t, 2, []string{"agreement pending", "up to 15 minutes", "Look again: outcrop aws access writer.palmyra-x5-v1:0"},
		"aws", "access", "writer.palmyra-x5-v1:0", "--apply", "--wait", "1ns")
}

// The first call may have succeeded: only the agreement tells whether later ones will.
func TestTrap10AccessSeesWhatTheFirstCallHides(t *testing.T) {
	awsSandbox(t, sandbox.Options{Access: []string{"cohere=first-call"}})
	expect(t, 2, []string{"cohere.rerank-v3-5:0 (Cohere Rerank 3.5): agreement missing"}, "aws", "access", "cohere.rerank-v3-5:0")
	expect(t, 0, []string{"All of it can be called"}, "aws", "access", "cohere.rerank-v3-5:0", "--apply", "--wait", "30s")
}

// Who may not ask for the state is not told that the model cannot be called.
func TestAccessNotKnown(t *testing.T) {
	awsSandbox(t, sandbox.Options{ServiceControlPolicy: []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"bedrock:GetFoundationModelAvailability","Resource":"*"}}`)})
	out := expect(t, 2, []string{"Whether it can be called is not known", "outcrop doctor --model amazon.nova-lite-v1:0"}, "aws", "access", "amazon.nova-lite-v1:0")
	if strings.Contains(out, "cannot be called") {
		t.Error(out)
	}
}

func TestAccessBadInput(t *testing.T) {
	awsSandbox(t, sandbox.Options{Access: []string{"mistral=not-in-region", "mistral@eu-west-2=available", "*@eu-west-1=no-bedrock"}})
	bad := filepath.Join(t.TempDir(), "form.json")
	writeFile(t, bad, `{"companyName": "Example", "users": "all"}`)
	half := filepath.Join(t.TempDir(), "half.yaml")
	writeFile(t, half, "companyName: Example\nintendedUsers: everybody\n")
	for _, c := range []struct {
		args []string
		has  []string
	}{
		{[]string{"antropic.claude-haiku-4-5"}, []string{"us-east-1 has no model of this id. Near to it: anthropic.claude-haiku-4-5-20251001-v1:0", "outcrop aws models"}},
		{[]string{"claude-haiku-4-5"}, []string{"anthropic.claude-haiku-4-5-20251001-v1:0"}},
		{[]string{"us.antropic.claude-haiku-4-5"}, []string{"us.anthropic.claude-haiku-4-5-20251001-v1:0"}},
		{[]string{"mistral.voxtral-mini-3b-2507"}, []string{"is not offered in us-east-1. It is in eu-west-2: outcrop aws access mistral.voxtral-mini-3b-2507 --region eu-west-2"}},
		{[]string{"anthropic.claude-v2"}, []string{"end of its life"}},
		{[]string{"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"}, []string{"does not name a foundation model"}},
		{[]string{"amazon.nova-lite-v1:0", "--region", "eu-west-1"}, []string{"this account may not use Amazon Bedrock"}},
		{[]string{"amazon.nova-lite-v1:0", "--form", "/nowhere"}, []string{"--form: open /nowhere"}},
		{[]string{"amazon.nova-lite-v1:0", "--form", bad}, []string{"field users not found", "the fields are companyName"}},
		{[]string{"amazon.nova-lite-v1:0", "--form", half}, []string{"companyWebsite is empty", "useCases is empty", "intendedUsers must be internal (0)"}},
		{nil, []string{"no model: outcrop aws access MODEL…"}},
	} {
		expect(t, 1, c.has, append([]string{"aws", "access"}, c.args...)...)
	}
	expect(t, 0, []string{"eu.amazon.nova-lite-v1:0 cannot be called from us-east-1; the profiles of this model here: us.amazon.nova-lite-v1:0"}, "aws", "access", "eu.amazon.nova-lite-v1:0")
}

func TestSandboxAccessFlag(t *testing.T) {
	expect(t, 1, []string{`--access "anthropic=maybe": "maybe" is no state; known are available, form, agreement`}, "sandbox", "--access", "cohere=form, anthropic=maybe")
}
