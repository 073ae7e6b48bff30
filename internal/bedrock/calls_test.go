package bedrock_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"outcrop/internal/bedrock"
	"outcrop/internal/models"
)

func TestCallsOfModels(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	client, err := bedrock.New(bedrock.Options{Region: "us-east-1", Credentials: aws.AnonymousCredentials{}, Catalogue: catalogue})
	if err != nil {
		t.Fatal(err)
	}
	const application = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdefghijkl"
	claude := "anthropic.claude-sonnet-4-5-20250929-v1:0"
	for _, c := range []struct {
		id   string
		o    bedrock.ModelOptions
		want bedrock.Calls
	}{
		{"amazon.nova-lite-v1:0", bedrock.ModelOptions{}, bedrock.Calls{Base: "amazon.nova-lite-v1:0", Stream: true}},
		{"us." + claude, bedrock.ModelOptions{}, bedrock.Calls{Base: claude, Stream: true, Count: true}},
		{"us." + claude, bedrock.ModelOptions{Surface: bedrock.SurfaceInvoke}, bedrock.Calls{Base: claude, Stream: true, Count: true}},
		{"us." + claude, bedrock.ModelOptions{Claude: bedrock.ClaudeMantle}, bedrock.Calls{Base: claude, Stream: true, Count: true, Mantle: true}},
		{"anthropic.claude-haiku-4-5", bedrock.ModelOptions{}, bedrock.Calls{Base: "anthropic.claude-haiku-4-5", Stream: true, Count: true, Mantle: true}},
		{"qwen.qwen3-32b", bedrock.ModelOptions{}, bedrock.Calls{Base: "qwen.qwen3-32b", Stream: true, Mantle: true}},
		{"amazon.titan-embed-text-v2:0", bedrock.ModelOptions{}, bedrock.Calls{Base: "amazon.titan-embed-text-v2:0"}},
		{"stability.stable-image-core-v1:1", bedrock.ModelOptions{}, bedrock.Calls{Base: "stability.stable-image-core-v1:1"}},
		{application, bedrock.ModelOptions{}, bedrock.Calls{Stream: true, LookUp: true}},
		{application, bedrock.ModelOptions{BaseModel: claude}, bedrock.Calls{Base: claude, Stream: true, Count: true}},
	} {
		m, err := client.Model(c.id, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Calls(); got != c.want {
			t.Errorf("%s %+v: %+v, want %+v", c.id, c.o, got, c.want)
		}
	}
}
