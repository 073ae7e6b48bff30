package bedrock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// chatBody is a chat of about n bytes of text over some turns, with tools.
func chatBody(n, tools int, image string) []byte {
	type m = map[string]any
	var messages []m
	sentence := "The quick brown fox jumps over the lazy dog, said \"nobody\", and went home.\n"
	for size := 0; size < n; size += 4 * len(sentence) {
		role := []string{"user", "assistant"}[len(messages)%2]
		messages = append(messages, m{"role": role, "content": strings.Repeat(sentence, 4)})
	}
	if image != "" {
		messages = append(messages, m{"role": "user", "content": []m{
			{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": m{"url": "data:image/png;base64," + image}},
		}})
	}
	body := m{"model": "m", "messages": messages, "temperature": 0.5, "max_tokens": 1000, "stream": true}
	var list []m
	for i := range tools {
		list = append(list, m{"type": "function", "function": m{
			"name": fmt.Sprintf("tool_%d", i), "description": strings.Repeat(sentence, 3),
			"parameters": json.RawMessage(`{"type":"object","properties":{"city":{"type":"string","description":"A city, such as \"Paris\"."},"days":{"type":"integer","minimum":1}},"required":["city"]}`),
		}})
	}
	if tools > 0 {
		body["tools"] = list
	}
	out, err := json.Marshal(body)
	if err != nil {
		panic(err) // the benchmark's own data
	}
	return out
}

// plainly is the same translation by encoding/json and structs, as the measure.
func plainly(body []byte) ([]byte, error) {
	var in struct {
		Messages []struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
		Tools []struct {
			Function struct {
				Name, Description string
				Parameters        json.RawMessage
			} `json:"function"`
		} `json:"tools"`
		Temperature float64 `json:"temperature"`
		MaxTokens   int     `json:"max_tokens"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	type source struct {
		Bytes string `json:"bytes"`
	}
	type image struct {
		Format string `json:"format"`
		Source source `json:"source"`
	}
	type block struct {
		Text  *string `json:"text,omitempty"`
		Image *image  `json:"image,omitempty"`
	}
	type message struct {
		Role    string  `json:"role"`
		Content []block `json:"content"`
	}
	type spec struct {
		Name        string `json:"name"`
		Description string `json:"description,omitempty"`
		InputSchema struct {
			JSON json.RawMessage `json:"json"`
		} `json:"inputSchema"`
	}
	type tool struct {
		ToolSpec spec `json:"toolSpec"`
	}
	var out struct {
		Messages        []message `json:"messages"`
		InferenceConfig struct {
			MaxTokens   int     `json:"maxTokens"`
			Temperature float64 `json:"temperature"`
		} `json:"inferenceConfig"`
		ToolConfig *struct {
			Tools []tool `json:"tools"`
		} `json:"toolConfig,omitempty"`
	}
	for _, m := range in.Messages {
		var text string
		if json.Unmarshal(m.Content, &text) == nil {
			out.Messages = append(out.Messages, message{m.Role, []block{{Text: &text}}})
			continue
		}
		var parts []struct {
			Text     string `json:"text"`
			ImageURL struct {
				URL string `json:"url"`
			} `json:"image_url"`
		}
		if err := json.Unmarshal(m.Content, &parts); err != nil {
			return nil, err
		}
		var blocks []block
		for _, p := range parts {
			if _, data, ok := strings.Cut(p.ImageURL.URL, ","); ok {
				blocks = append(blocks, block{Image: &image{"png", source{data}}})
			} else {
				blocks = append(blocks, block{Text: &p.Text})
			}
		}
		out.Messages = append(out.Messages, message{m.Role, blocks})
	}
	out.InferenceConfig.MaxTokens, out.InferenceConfig.Temperature = in.MaxTokens, in.Temperature
	for i, t := range in.Tools {
		if i == 0 {
			out.ToolConfig = &struct {
				Tools []tool `json:"tools"`
			}{}
		}
		s := spec{Name: t.Function.Name, Description: t.Function.Description}
		s.InputSchema.JSON = t.Function.Parameters
		out.ToolConfig.Tools = append(out.ToolConfig.Tools, tool{s})
	}
	return json.Marshal(out)
}

func ours(body []byte) ([]byte, error) {
	req, _, err := openai.DecodeChat(body)
	if err != nil {
		return nil, err
	}
	call, err := build(req, &traits{})
	if err != nil {
		return nil, err
	}
	return call.body, nil
}

var benchBodies = map[string][]byte{
	"2KB":        chatBody(1700, 0, ""),
	"56KB-tools": chatBody(40_000, 20, ""),
	"1MB-image":  chatBody(1000, 0, pixel[:64]+strings.Repeat("iVBORw0K", 1<<20/8-8)),
}

// TestBothTranslationsAgree keeps the comparison below honest.
func TestBothTranslationsAgree(t *testing.T) {
	for name, body := range benchBodies {
		a, err := ours(body)
		if err != nil {
			t.Fatal(name, err)
		}
		b, err := plainly(body)
		if err != nil {
			t.Fatal(name, err)
		}
		var x, y any
		if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
			t.Fatalf("%s: not JSON", name)
		}
		if first, second := fmt.Sprint(x), fmt.Sprint(y); first != second {
			t.Errorf("%s: %.300s\n%.300s", name, first, second)
		}
	}
}

// BenchmarkTranslate is a chat's bytes to the bytes for Bedrock.
func BenchmarkTranslate(b *testing.B) {
	for _, name := range []string{"2KB", "56KB-tools", "1MB-image"} {
		for how, translate := range map[string]func([]byte) ([]byte, error){"outcrop": ours, "encodingjson": plainly} {
			b.Run(name+"/"+how, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(benchBodies[name])))
				for b.Loop() {
					if _, err := translate(benchBodies[name]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// hundred is a stream of 96 text deltas and what is around them.
func hundred(t testing.TB) []byte {
	messages := []eventstream.Message{eventMessage(eventMessageStart, `{"p":"abcdefgh","role":"assistant"}`)}
	for range 96 {
		messages = append(messages, eventMessage(eventDelta, `{"contentBlockIndex":0,"delta":{"text":" a few words"},"p":"abcdefghijklmnopqrstuvwx"}`))
	}
	return encode(t, append(messages,
		eventMessage(eventBlockStop, `{"contentBlockIndex":0,"p":"abc"}`),
		eventMessage(eventMessageStop, `{"p":"abcdefghijk","stopReason":"end_turn"}`),
		eventMessage(eventMetadata, `{"metrics":{"latencyMs":321},"p":"ab","usage":{"inputTokens":12,"outputTokens":96,"totalTokens":108}}`))...)
}

// BenchmarkStream is a hundred frames to events; the SDK's figure is its frame decoder alone with
// the payload's JSON read into structs.
func BenchmarkStream(b *testing.B) {
	stream := hundred(b)
	b.Run("outcrop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			a := &answer{yield: func(llm.Event, error) bool { n++; return true }}
			a.readStream(b.Context(), bytes.NewReader(stream))
			if n < 98 {
				b.Fatal(n)
			}
		}
	})
	b.Run("sdk", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := bytes.NewReader(stream)
			decoder := eventstream.NewDecoder()
			var buf []byte
			for {
				m, err := decoder.Decode(r, buf[:0])
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				var event struct {
					ContentBlockIndex int
					Delta             struct{ Text string }
				}
				if err := json.Unmarshal(m.Payload, &event); err != nil {
					b.Fatal(err)
				}
				buf = m.Payload
			}
		}
	})
}
