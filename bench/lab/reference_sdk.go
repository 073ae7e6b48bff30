package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

// sdkGateway is the job of outcrop as one writes it in an afternoon: encoding/json on one side, the generated client on the other.
type sdkGateway struct{ plain, stream *bedrockruntime.Client }

// serveSDK is the command lab sdk. Streams go over HTTP/2: over HTTP/1.1 the SDK aborts some whose answer comes at once.
func serveSDK(http1, http2 string, trust1, trust2 *tls.Config) error {
	client := func(address string, trust *tls.Config) *bedrockruntime.Client {
		return bedrockruntime.New(bedrockruntime.Options{
			Region: "us-east-1", BaseEndpoint: aws.String("https://" + address), HTTPClient: &http.Client{Transport: transportTo(trust), CheckRedirect: noRedirect},
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		})
	}
	g := &sdkGateway{client(http1, trust1), client(http2, trust2)}
	return serveReference(g)
}

func writeMallocs(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, _ = fmt.Fprintf(w, "go_memstats_mallocs_total %d\n", m.Mallocs)
}

type chatBody struct {
	Model       string        `json:"model"`
	Messages    []chatMessage `json:"messages"`
	Tools       []chatTool    `json:"tools"`
	MaxTokens   *int32        `json:"max_tokens"`
	Temperature *float32      `json:"temperature"`
	Stream      bool          `json:"stream"`
}

type chatMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCalls  []chatToolCall  `json:"tool_calls"`
	ToolCallID string          `json:"tool_call_id"`
}

type chatToolCall struct {
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type chatTool struct {
	Function struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Parameters  any    `json:"parameters"`
	} `json:"function"`
}

// ServeHTTP implements http.Handler.
func (g *sdkGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body chatBody
	if r.Header.Get("Api-Key") != labKey || json.NewDecoder(r.Body).Decode(&body) != nil {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	in, err := converseOf(&body)
	if err == nil && body.Stream {
		err = g.answerStream(w, r.Context(), in)
	} else if err == nil {
		err = g.answer(w, r.Context(), in)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

func converseOf(body *chatBody) (*bedrockruntime.ConverseInput, error) {
	in := &bedrockruntime.ConverseInput{
		ModelId:         aws.String(map[string]string{"paced": modelPaced}[body.Model]),
		InferenceConfig: &types.InferenceConfiguration{MaxTokens: body.MaxTokens, Temperature: body.Temperature},
	}
	if *in.ModelId == "" {
		in.ModelId = aws.String(modelBurst)
	}
	for _, m := range body.Messages {
		blocks, err := blocksOf(m)
		switch {
		case err != nil:
			return nil, err
		case m.Role == "system":
			in.System = append(in.System, &types.SystemContentBlockMemberText{Value: blocks[0].(*types.ContentBlockMemberText).Value})
		case m.Role == "assistant":
			in.Messages = append(in.Messages, types.Message{Role: types.ConversationRoleAssistant, Content: blocks})
		default:
			in.Messages = append(in.Messages, types.Message{Role: types.ConversationRoleUser, Content: blocks})
		}
	}
	for _, t := range body.Tools {
		if in.ToolConfig == nil {
			in.ToolConfig = &types.ToolConfiguration{}
		}
		in.ToolConfig.Tools = append(in.ToolConfig.Tools, &types.ToolMemberToolSpec{Value: types.ToolSpecification{
			Name: aws.String(t.Function.Name), Description: aws.String(t.Function.Description),
			InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(t.Function.Parameters)},
		}})
	}
	return in, nil
}

func blocksOf(m chatMessage) (blocks []types.ContentBlock, err error) {
	var text string
	if json.Unmarshal(m.Content, &text) == nil {
		blocks = append(blocks, &types.ContentBlockMemberText{Value: text})
	} else if blocks, err = partsOf(m.Content); err != nil {
		return nil, err
	}
	if m.Role == "tool" {
		return []types.ContentBlock{&types.ContentBlockMemberToolResult{Value: types.ToolResultBlock{
			ToolUseId: aws.String(m.ToolCallID), Content: []types.ToolResultContentBlock{&types.ToolResultContentBlockMemberText{Value: text}},
		}}}, nil
	}
	for _, call := range m.ToolCalls {
		var input any
		if err := json.Unmarshal([]byte(call.Function.Arguments), &input); err != nil {
			return nil, err
		}
		blocks = append(blocks, &types.ContentBlockMemberToolUse{Value: types.ToolUseBlock{
			ToolUseId: aws.String(call.ID), Name: aws.String(call.Function.Name), Input: document.NewLazyDocument(input),
		}})
	}
	return blocks, nil
}

func partsOf(content json.RawMessage) (blocks []types.ContentBlock, err error) {
	var parts []struct {
		Text  string `json:"text"`
		Image struct {
			URL string `json:"url"`
		} `json:"image_url"`
	}
	if err := json.Unmarshal(content, &parts); err != nil {
		return nil, err
	}
	for _, part := range parts {
		if part.Image.URL == "" {
			blocks = append(blocks, &types.ContentBlockMemberText{Value: part.Text})
			continue
		}
		data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(part.Image.URL, "data:image/png;base64,"))
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, &types.ContentBlockMemberImage{Value: types.ImageBlock{Format: types.ImageFormatPng, Source: &types.ImageSourceMemberBytes{Value: data}}})
	}
	return blocks, nil
}

type chatUsage struct {
	Prompt     int32 `json:"prompt_tokens"`
	Completion int32 `json:"completion_tokens"`
	Total      int32 `json:"total_tokens"`
}

type chatChoice struct {
	Index   int               `json:"index"`
	Message map[string]string `json:"message,omitempty"`
	Delta   map[string]string `json:"delta,omitempty"`
	Finish  *string           `json:"finish_reason"`
}

type chatReply struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitempty"`
}

func usageFrom(u *types.TokenUsage) *chatUsage {
	return &chatUsage{*u.InputTokens, *u.OutputTokens, *u.TotalTokens}
}

func (g *sdkGateway) answer(w http.ResponseWriter, ctx context.Context, in *bedrockruntime.ConverseInput) error { //nolint:revive // as a handler's
	out, err := g.plain.Converse(ctx, in)
	if err != nil {
		return err
	}
	message := out.Output.(*types.ConverseOutputMemberMessage).Value.Content[0].(*types.ContentBlockMemberText).Value
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(chatReply{
		ID: "chatcmpl-1", Object: "chat.completion", Created: 1, Model: *in.ModelId, Usage: usageFrom(out.Usage),
		Choices: []chatChoice{{Message: map[string]string{"role": "assistant", "content": message}, Finish: aws.String("stop")}},
	})
}

func (g *sdkGateway) answerStream(w http.ResponseWriter, ctx context.Context, in *bedrockruntime.ConverseInput) error { //nolint:revive // as a handler's
	out, err := g.stream.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{
		ModelId: in.ModelId, Messages: in.Messages, System: in.System, InferenceConfig: in.InferenceConfig, ToolConfig: in.ToolConfig,
	})
	if err != nil {
		return err
	}
	events := out.GetStream()
	defer func() { _ = events.Close() }()
	w.Header().Set("Content-Type", "text/event-stream")
	encoder, control := json.NewEncoder(w), http.NewResponseController(w)
	for event := range events.Events() {
		chunk := chatReply{ID: "chatcmpl-1", Object: "chat.completion.chunk", Created: 1, Model: *in.ModelId, Choices: []chatChoice{}}
		switch e := event.(type) {
		case *types.ConverseStreamOutputMemberMessageStart:
			chunk.Choices = []chatChoice{{Delta: map[string]string{"role": "assistant"}}}
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			chunk.Choices = []chatChoice{{Delta: map[string]string{"content": e.Value.Delta.(*types.ContentBlockDeltaMemberText).Value}}}
		case *types.ConverseStreamOutputMemberMessageStop:
			chunk.Choices = []chatChoice{{Finish: aws.String("stop")}}
		case *types.ConverseStreamOutputMemberMetadata:
			chunk.Usage = usageFrom(e.Value.Usage)
		default:
			continue
		}
		if _, err := w.Write([]byte("data: ")); err != nil {
			return nil
		}
		if encoder.Encode(chunk) != nil {
			return nil
		}
		if _, err := w.Write([]byte("\n")); err != nil || control.Flush() != nil {
			return nil
		}
	}
	if events.Err() != nil {
		panic(http.ErrAbortHandler) // never a stream that looks whole
	}
	_, err = w.Write([]byte("data: [DONE]\n\n"))
	return err
}
