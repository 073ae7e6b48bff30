package main

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"outcrop/internal/sandbox"
)

// signIn makes a user with a policy in the sandbox's IAM, and puts its key into the environment.
func signIn(t *testing.T, url, name, statements string) {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL_IAM", url)
	client := iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", "")})
	if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	document := `{"Version":"2012-10-17","Statement":[` + statements + `]}`
	if _, err := client.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &document}); err != nil {
		t.Fatal(err)
	}
	key, err := client.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", *key.AccessKey.AccessKeyId)
	t.Setenv("AWS_SECRET_ACCESS_KEY", *key.AccessKey.SecretAccessKey)
}

// With the four actions of DIAL's guide the models are listed, and what is missing is named.
func TestModelsWithTheGuidesPolicy(t *testing.T) {
	srv := awsSandbox(t, sandbox.Options{})
	signIn(t, srv.URL, "guide", `{"Effect":"Allow","Action":["bedrock:GetFoundationModel","bedrock:ListFoundationModels","bedrock:InvokeModel","bedrock:InvokeModelWithResponseStream"],"Resource":"*"}`)
	expect(t, 2, []string{"amazon.nova-lite-v1:0", "Of ", "unknown: needs bedrock:GetFoundationModelAvailability", `"Action":"bedrock:ListInferenceProfiles"`}, "aws", "models")
	expect(t, 0, []string{"arn:aws:iam::123456789012:user/guide", "it needs iam:ListAccessKeys"}, "aws", "whoami")
}

// Who may do everything at Bedrock but subscribe is told the statement that is missing.
func TestAccessWithoutMarketplace(t *testing.T) {
	srv := awsSandbox(t, sandbox.Options{Access: []string{"cohere=agreement"}})
	signIn(t, srv.URL, "modest", `{"Effect":"Allow","Action":["bedrock:*","iam:ListAccessKeys"],"Resource":"*"}`)
	out := expect(t, 2, []string{"not authorized to perform: aws-marketplace:Subscribe", `"Action":["aws-marketplace:Subscribe","aws-marketplace:ViewSubscriptions"]`},
		"aws", "access", "cohere.rerank-v3-5:0", "--apply", "--wait", "1s")
	if strings.Contains(out, "bedrock:CreateFoundationModelAgreement") {
		t.Errorf("a permission that is there is asked for:\n%s", out)
	}
	expect(t, 0, []string{", created ", "it is 0 days old"}, "aws", "whoami")
}

// Who may not make agreements at all is told that action.
func TestAccessWithoutPermission(t *testing.T) {
	srv := awsSandbox(t, sandbox.Options{Access: []string{"cohere=agreement"}})
	signIn(t, srv.URL, "reader", `{"Effect":"Allow","Action":["bedrock:List*","bedrock:Get*"],"Resource":"*"}`)
	expect(t, 2, []string{`{"Effect":"Allow","Action":"bedrock:CreateFoundationModelAgreement","Resource":"*"}`}, "aws", "access", "cohere.rerank-v3-5:0", "--apply")
}
