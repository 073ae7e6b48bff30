package bedrock_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/bedrock"
	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/secret"
)

// nobody is a transport that must not be used.
type nobody struct{ t *testing.T }

func (n nobody) RoundTrip(*http.Request) (*http.Response, error) {
	n.t.Error("AWS was called")
	return nil, errors.New("nobody answers")
}

func offline(t *testing.T, id string, o bedrock.ModelOptions) *bedrock.Model {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	client, err := bedrock.New(bedrock.Options{Region: "us-east-1", APIKey: secret.New("key"), Transport: nobody{t}, Catalogue: catalogue})
	if err != nil {
		t.Fatal(err)
	}
	model, err := client.Model(id, o)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func hello() *llm.ChatRequest {
	return &llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "Hi"}}}}}
}

func TestExplain(t *testing.T) {
	req := hello()
	req.MaxTokens, req.Sampling.Temperature, req.Effort = 20_000, new(1.5), "low"
	got, err := offline(t, "us.amazon.nova-lite-v1:0", bedrock.ModelOptions{}).Explain(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	want := bedrock.Explanation{
		Surface: "converse", Method: "POST",
		URL:     "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse-stream",
		Body:    []byte(`{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{"maxTokens":10000,"temperature":1}}`),
		Ignored: []bedrock.Note{{Param: "reasoning_effort", Why: "the model does not reason"}},
		Changed: []bedrock.Note{
			{Param: "max_tokens", Why: "the model writes at most 10000 tokens"},
			{Param: "temperature", Why: "Bedrock's scale ends at 1, which is as varied as its models get"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	req.Whole = true
	if got, err := offline(t, "us.amazon.nova-lite-v1:0", bedrock.ModelOptions{}).Explain(t.Context(), req); err != nil || !got.Whole || !strings.HasSuffix(got.URL, "/converse") {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = offline(t, "openai.gpt-oss-120b-1:0", bedrock.ModelOptions{Surface: bedrock.SurfaceOpenAI}).Explain(t.Context(), hello())
	if err != nil || got.Surface != "openai" || !strings.HasSuffix(got.URL, "/openai/v1/chat/completions") || len(got.Body) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestGuardrailOfTheOperatorHoldsEverywhere: on no surface can a client take another.
func TestGuardrailOfTheOperatorHoldsEverywhere(t *testing.T) {
	own := &bedrock.Guardrail{ID: "own", Version: "1"}
	for surface, id := range map[string]string{
		bedrock.SurfaceConverse: "us.amazon.nova-lite-v1:0", bedrock.SurfaceOpenAI: "openai.gpt-oss-120b-1:0", bedrock.SurfaceMantle: "openai.gpt-oss-120b",
	} {
		model := offline(t, id, bedrock.ModelOptions{Surface: surface, Guardrail: own})
		req := hello()
		if _, err := model.Explain(t.Context(), req); err != nil {
			t.Errorf("%s: %v", surface, err)
		}
		req.Config = []byte(`{"guardrailConfig":{"guardrailIdentifier":"mine","guardrailVersion":"1"}}`)
		_, err := model.Explain(t.Context(), req)
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Param != "custom_fields.configuration.guardrailConfig" {
			t.Errorf("%s: %v", surface, err)
		}
		req.Config = []byte(`{"additionalModelRequestFields":{"amazon-bedrock-guardrailConfig":{"tagSuffix":"x"}}}`)
		_, err = model.Explain(t.Context(), req)
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Param != "custom_fields.configuration.additionalModelRequestFields.amazon-bedrock-guardrailConfig" {
			t.Errorf("%s: the texts that the guardrail looks at: %v", surface, err)
		}
	}
}
