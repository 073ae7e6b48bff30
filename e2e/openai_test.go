//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

const model = "claude-sonnet"

func newClient(url string, options ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(url + "/openai/v1"), option.WithAPIKey(demoKey), option.WithMaxRetries(0),
	}, options...)...)
}

// question is a request of one user message.
func question(text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
}

func weatherTool() openai.ChatCompletionToolUnionParam {
	return openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: "get_weather",
		Parameters: openai.FunctionParameters{
			"type":       "object",
			"properties": map[string]any{"city": map[string]any{"type": "string"}},
			"required":   []string{"city"},
		},
	})
}

// answer asks plainly or by a stream, which the SDK's own accumulator folds.
func answer(t *testing.T, client openai.Client, request openai.ChatCompletionNewParams, stream bool) openai.ChatCompletion {
	t.Helper()
	if !stream {
		reply, err := client.Chat.Completions.New(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		return *reply
	}
	request.StreamOptions.IncludeUsage = openai.Bool(true)
	chunks := client.Chat.Completions.NewStreaming(t.Context(), request)
	var folded openai.ChatCompletionAccumulator
	for chunks.Next() {
		if !folded.AddChunk(chunks.Current()) {
			t.Fatalf("the SDK's accumulator refuses %s", chunks.Current().RawJSON())
		}
	}
	if err := errors.Join(chunks.Err(), chunks.Close()); err != nil {
		t.Fatal(err)
	}
	return folded.ChatCompletion
}

// bothWays runs a test for plain replies and for streams.
func bothWays(t *testing.T, test func(t *testing.T, stream bool)) {
	for name, stream := range map[string]bool{"plain": false, "streamed": true} {
		t.Run(name, func(t *testing.T) { test(t, stream) })
	}
}

func TestOpenAIGoText(t *testing.T) {
	client := newClient(serve(t).url)
	bothWays(t, func(t *testing.T, stream bool) {
		reply := answer(t, client, question(`[[sandbox text="Good morning."]]`), stream)
		if got := reply.Choices[0].Message.Content; got != "Good morning." {
			t.Errorf("content %q", got)
		}
		if reply.Choices[0].FinishReason != "stop" || reply.Model != model {
			t.Errorf("finish reason %q, model %q", reply.Choices[0].FinishReason, reply.Model)
		}
		if u := reply.Usage; u.PromptTokens == 0 || u.CompletionTokens == 0 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
			t.Errorf("usage %s", u.RawJSON())
		}
	})
}

func TestOpenAIGoUsageOnlyOnDemand(t *testing.T) {
	client := newClient(serve(t).url)
	chunks := client.Chat.Completions.NewStreaming(t.Context(), question("Hello!"))
	for chunks.Next() {
		if u := chunks.Current().Usage; u.TotalTokens != 0 || len(chunks.Current().Choices) == 0 {
			t.Errorf("a chunk with usage that nobody asked for: %s", chunks.Current().RawJSON())
		}
	}
	if err := chunks.Err(); err != nil {
		t.Error(err)
	}
}

func TestOpenAIGoImage(t *testing.T) {
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	request := openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{
		openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.TextContentPart("What is this?"),
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{
				URL: "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture.Bytes()),
			}),
		}),
	}}
	client := newClient(serve(t).url)
	bothWays(t, func(t *testing.T, stream bool) {
		if said := answer(t, client, request, stream).Choices[0].Message.Content; !strings.Contains(said, "1 image") {
			t.Errorf("the model saw no image: %q", said)
		}
	})
}

func TestOpenAIGoTools(t *testing.T) {
	client := newClient(serve(t).url)
	bothWays(t, func(t *testing.T, stream bool) {
		for _, name := range []string{"claude-sonnet", "nova-lite", "gpt-oss"} {
			for n := 1; n <= 2; n++ {
				t.Run(fmt.Sprintf("%s %d", name, n), func(t *testing.T) {
					request := question(fmt.Sprintf("What is the weather in Paris? [[sandbox tools=%d]]", n))
					request.Model = name
					request.Tools = []openai.ChatCompletionToolUnionParam{weatherTool()}
					checkCalls(t, answer(t, client, request, stream).Choices[0], n)
				})
			}
		}
	})
}

// checkCalls wants n calls of get_weather, each with an id of its own and a city.
func checkCalls(t *testing.T, choice openai.ChatCompletionChoice, n int) {
	t.Helper()
	if choice.FinishReason != "tool_calls" || len(choice.Message.ToolCalls) != n {
		t.Fatalf("finish reason %q with %d calls, want %d", choice.FinishReason, len(choice.Message.ToolCalls), n)
	}
	ids := map[string]bool{}
	for _, call := range choice.Message.ToolCalls {
		var args struct{ City *string }
		if err := json.Unmarshal([]byte(call.Function.Arguments), &args); err != nil || args.City == nil {
			t.Errorf("arguments %q: %v", call.Function.Arguments, err)
		}
		if call.Function.Name != "get_weather" || call.ID == "" || ids[call.ID] {
			t.Errorf("call %q of %q", call.ID, call.Function.Name)
		}
		ids[call.ID] = true
	}
}

func TestOpenAIGoToolLoop(t *testing.T) {
	client := newClient(serve(t).url)
	bothWays(t, func(t *testing.T, stream bool) {
		request := question("What is the weather in Paris? [[sandbox tools=2]]")
		request.Tools = []openai.ChatCompletionToolUnionParam{weatherTool()}
		first := answer(t, client, request, stream).Choices[0].Message

		// The history is told without the directive, which would ask for calls again.
		request.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage("What is the weather in Paris?"), first.ToParam()}
		for i, call := range first.ToolCalls {
			request.Messages = append(request.Messages, openai.ToolMessage(fmt.Sprintf("%d degrees", 18+i), call.ID))
		}
		final := answer(t, client, request, stream).Choices[0]
		if said := final.Message.Content; !strings.Contains(said, "18 degrees") || !strings.Contains(said, "19 degrees") {
			t.Errorf("the answer does not tell what the tools said: %q", said)
		}
		if final.FinishReason != "stop" {
			t.Errorf("finish reason %q", final.FinishReason)
		}
	})
}

func TestOpenAIGoErrors(t *testing.T) {
	url := serve(t).url
	unknown := question("hi")
	unknown.Model = "no-such-model"
	wizard := question("hi")
	wizard.Messages = nil
	for name, tc := range map[string]struct {
		client      openai.Client
		request     openai.ChatCompletionNewParams
		status      int
		code, param string
	}{
		"unknown model": {newClient(url), unknown, http.StatusNotFound, "model_not_found", ""},
		"wrong key":     {newClient(url, option.WithAPIKey("wrong")), question("hi"), http.StatusUnauthorized, "invalid_api_key", ""},
		"no messages":   {newClient(url), wizard, http.StatusBadRequest, "", "messages"},
		"throttled":     {newClient(url), question("[[sandbox throttle=100]] go"), http.StatusTooManyRequests, "rate_limit_exceeded", ""},
		"unavailable":   {newClient(url), question("[[sandbox refuse=unavailable]]"), http.StatusServiceUnavailable, "upstream_unavailable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, stream bool) {
				var err error
				if stream {
					err = tc.client.Chat.Completions.NewStreaming(t.Context(), tc.request).Err()
				} else {
					_, err = tc.client.Chat.Completions.New(t.Context(), tc.request)
				}
				var refused *openai.Error
				if !errors.As(err, &refused) {
					t.Fatalf("the SDK says %v", err)
				}
				if refused.StatusCode != tc.status || refused.Code != tc.code || refused.Param != tc.param || refused.Message == "" {
					t.Errorf("status %d, code %q, param %q, message %q", refused.StatusCode, refused.Code, refused.Param, refused.Message)
				}
				if id := refused.Response.Header.Get("X-Request-Id"); id == "" {
					t.Error("no X-Request-Id")
				}
			})
		})
	}
}

// A broken stream never ends like a whole one.
func TestOpenAIGoBrokenStream(t *testing.T) {
	client := newClient(serve(t).url)
	for _, fault := range []string{"cut=3", "cut-inside=3", "end=3", "badcrc=3", "exception=modelStreamErrorException after=3"} {
		t.Run(fault, func(t *testing.T) {
			chunks := client.Chat.Completions.NewStreaming(t.Context(), question("one two three four five [[sandbox "+fault+"]]"))
			var text strings.Builder
			for chunks.Next() {
				for _, choice := range chunks.Current().Choices {
					text.WriteString(choice.Delta.Content)
					if choice.FinishReason != "" {
						t.Errorf("finish reason %q of a broken reply", choice.FinishReason)
					}
				}
			}
			if chunks.Err() == nil {
				t.Error("the stream ended as if it were whole")
			}
			if text.Len() == 0 {
				t.Error("nothing came before the fault")
			}
		})
	}
}
