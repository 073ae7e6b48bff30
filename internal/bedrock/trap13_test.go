package bedrock_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/sandbox"
)

// An id with a colon and an ARN with slashes are one segment of the path, escaped, and the signature is of the
// path as it is sent: the sandbox verifies it over what came over the wire.
func TestTrap13ModelIDsAreEscapedAndSigned(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	handler, err := sandbox.New(sandbox.Options{Account: "123456789012"})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	transport := memnet.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.EscapedPath())
		handler.ServeHTTP(w, r)
	}))
	client, err := bedrock.New(bedrock.Options{
		Region: "us-east-1", Endpoint: "http://bedrock", Transport: transport, Catalogue: catalogue,
		Credentials: credentials.NewStaticCredentialsProvider("sandbox", "sandbox", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"us.amazon.nova-2-lite-v1:0": "/model/us.amazon.nova-2-lite-v1%3A0/converse",
		"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/sandbox-us-amazon-nova-2-lite-v1-0": "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fsandbox-us-amazon-nova-2-lite-v1-0/converse",
		"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-2-lite-v1:0":                     "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-2-lite-v1%3A0/converse",
	} {
		model, err := client.Model(id, bedrock.ModelOptions{BaseModel: "amazon.nova-2-lite-v1:0"})
		if err != nil {
			t.Fatal(err)
		}
		paths = nil
		request := &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "Hello!"}}}}}
		for _, err := range model.Chat(t.Context(), request) {
			if err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		if len(paths) != 1 || strings.TrimSuffix(paths[0], "-stream") != want {
			t.Errorf("%s: asked at %q, want %q", id, paths, want)
		}
	}
}
