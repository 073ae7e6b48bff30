//go:build e2e

package e2e

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
)

// OpenAI's Responses API with its SDK for Python, and LangChain's AzureChatOpenAI and ChatOpenAI.
func TestResponsesPython(t *testing.T) {
	pytest(t, "test_responses.py", "OUTCROP_URL="+serve(t).url, "OUTCROP_KEY="+demoKey)
}

// The same with OpenAI's SDK for Node.
func TestResponsesNode(t *testing.T) {
	env := []string{"OUTCROP_URL=" + serve(t).url, "OUTCROP_KEY=" + demoKey}
	stranger(t, nodePassed, env, "node", "--test", filepath.Join("node", "responses.test.js"))
}

// The same with OpenAI's SDK for Go.
func TestResponsesGo(t *testing.T) {
	client := newClient(serve(t).url)
	asked := func(text string) responses.ResponseNewParams {
		return responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(text)}}
	}
	plain, err := client.Responses.New(t.Context(), asked("Tell me about stones."))
	if err != nil {
		t.Fatal(err)
	}
	if plain.Status != responses.ResponseStatusCompleted || !strings.Contains(plain.OutputText(), "Tell me about stones.") {
		t.Errorf("%s", plain.RawJSON())
	}
	stream := client.Responses.NewStreaming(t.Context(), asked("Tell me about stones."))
	var text strings.Builder
	var last responses.ResponseStreamEventUnion
	for number := int64(0); stream.Next(); number++ {
		last = stream.Current()
		if last.SequenceNumber != number {
			t.Errorf("event %d is %s", number, last.RawJSON())
		}
		if last.Type == "response.output_text.delta" {
			text.WriteString(last.Delta)
		}
	}
	if stream.Err() != nil || last.Type != "response.completed" || text.String() != plain.OutputText() || last.Response.Usage.OutputTokens != plain.Usage.OutputTokens {
		t.Errorf("%v: %q, then %s", stream.Err(), text.String(), last.RawJSON())
	}
	kept, err := client.Responses.Get(t.Context(), plain.ID, responses.ResponseGetParams{})
	if err != nil || kept.OutputText() != plain.OutputText() {
		t.Errorf("%v: %v", err, kept)
	}
	if err := client.Responses.Delete(t.Context(), plain.ID); err != nil {
		t.Error(err)
	}
	_, err = client.Responses.Get(t.Context(), plain.ID, responses.ResponseGetParams{})
	if refused, ok := errors.AsType[*openai.Error](err); !ok || refused.StatusCode != http.StatusNotFound {
		t.Errorf("a deleted response: %v", err)
	}
}
