package bedrock_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// A probe tells who may call from who may not, with AWS's own words, and counts with the base id.
func TestProbes(t *testing.T) {
	code, message, status := "ValidationException", "1 validation error detected", http.StatusBadRequest
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		asked = append(asked, r.URL.Path+" "+string(body))
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"message":"`+message+`","inputTokens":8,"modelDetails":{"modelId":"m"}}`)
	}))
	defer server.Close()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	client, err := bedrock.New(bedrock.Options{
		Region: "us-east-1", Endpoint: server.URL, Transport: http.DefaultTransport, Catalogue: catalogue,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	model, err := client.Model("us.anthropic.claude-haiku-4-5-20251001-v1:0", bedrock.ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := model.ProbeAccess(t.Context()); err != nil {
		t.Errorf("AWS complains of the body, so the caller may call: %v", err)
	}
	if want := []string{"/converse {}", "/converse-stream {}"}; len(asked) != 2 || !strings.HasSuffix(asked[0], want[0]) || !strings.HasSuffix(asked[1], want[1]) {
		t.Errorf("whole answers and streams are an action each; asked %q", asked)
	}
	for _, refused := range []string{"Operation not allowed", "Access to Anthropic models is not allowed from unsupported countries, regions, or territories."} {
		message = refused
		if err := model.ProbeAccess(t.Context()); err == nil {
			t.Errorf("%q is no complaint about the body", message)
		}
	}
	code, message, status = "AccessDeniedException", "User: arn:aws:iam::111122223333:user/a is not authorized to perform: bedrock:InvokeModel", http.StatusForbidden
	for name, probe := range map[string]func() error{
		"access": func() error { return model.ProbeAccess(t.Context()) },
		"call":   func() error { return model.ProbeCall(t.Context()) },
		"count":  func() error { return model.ProbeCount(t.Context()) },
		"control": func() error {
			var into any
			return client.Control(t.Context(), "/foundation-models/m", &into)
		},
	} {
		err := probe()
		got, ok := bedrock.RefusalOf(err)
		if !ok || got.Code != code || got.Message != message || got.Status != status {
			t.Errorf("%s: %+v of %v", name, got, err)
		}
		if strings.Contains(llm.AsError(err).Message, "111122223333") {
			t.Errorf("%s: the client's message names the account", name)
		}
	}
	asked, status = nil, http.StatusOK
	if err := model.ProbeCount(t.Context()); err != nil || !model.Counts() {
		t.Error(err)
	}
	if len(asked) != 1 || !strings.HasPrefix(asked[0], "/model/anthropic.claude-haiku-4-5-20251001-v1:0/count-tokens ") {
		t.Errorf("asked %q", asked)
	}
}
