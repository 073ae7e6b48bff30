package bedrock

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/openai"
)

// Every stop reason that Anthropic and AWS document, and one that nobody has.
// https://docs.claude.com/en/api/handling-stop-reasons
func TestEveryStopReasonOfMessages(t *testing.T) {
	for word, want := range map[string]llm.FinishReason{
		"end_turn": llm.FinishStop, "stop_sequence": llm.FinishStop,
		"max_tokens": llm.FinishLength, "model_context_window_exceeded": llm.FinishLength,
		"tool_use": llm.FinishToolCalls,
		"refusal":  llm.FinishContentFilter, "guardrail_intervened": llm.FinishContentFilter,
		"pause_turn": llm.FinishOther, "compaction": llm.FinishOther, "bored": llm.FinishOther,
	} {
		reason, detail := messagesFinish(word)
		if reason != want || (detail == word) != (want == llm.FinishOther) {
			t.Errorf("%s: got %s %q", word, reason, detail)
		}
	}
}

// TestPathsOfMessages: what Anthropic blames is named as the client knows it.
func TestPathsOfMessages(t *testing.T) {
	req := &llm.ChatRequest{
		MaxTokensAt: "max_completion_tokens",
		Messages: []llm.Message{
			{Role: llm.RoleSystem, Parts: []llm.Part{llm.Text{Text: "Be brief."}, llm.CachePoint{}}},
			{Role: llm.RoleUser, Index: 1, Parts: []llm.Part{llm.Text{Text: "Go."}}},
			{Role: llm.RoleAssistant, Index: 2, Parts: []llm.Part{llm.Text{Text: "I do."}, llm.ToolCall{ID: "c1", Name: "clock", Args: "{}"}}},
			{Role: llm.RoleTool, Index: 3, Parts: []llm.Part{llm.ToolResult{ID: "c1", Parts: []llm.Part{llm.Text{Text: "12"}}}}},
			{Role: llm.RoleSystem, Index: 4, Parts: []llm.Part{llm.Text{Text: "In French."}}},
			{Role: llm.RoleUser, Index: 5, Parts: []llm.Part{llm.Text{Text: "See."}, llm.Text{Text: "There."}}},
		},
		Tools: []llm.Tool{{Name: "clock", Cache: &llm.CachePoint{}}, {Name: "bell", Index: 1}},
	}
	w := messagesFor(t, req)
	for text, want := range map[string]string{
		"messages.0.content.0.text.text: no":                          "messages[1].content",
		"messages.1.content.1.tool_use.name: no":                      "messages[2].tool_calls[0].function.name",
		"messages.1.content.1.tool_use.input: no":                     "messages[2].tool_calls[0].function.arguments",
		"messages.2.content.0.tool_result.tool_use_id: no":            "messages[3].tool_call_id",
		"messages.2.content.2.text.text: no":                          "messages[5].content[1]",
		"messages.2: no":                                              "messages[3].content",
		"messages: no":                                                "messages",
		"system.0.text: no":                                           "messages[0].content",
		"system.1: no":                                                "messages[4].content",
		"system.7: no":                                                "",
		"tools.1.custom.name: no":                                     "tools[1].function.name",
		"tools.0.custom.input_schema.type: no":                        "tools[0].function.parameters",
		"tools.0.cache_control.ttl: no":                               "tools[0]",
		"tools.9.name: no":                                            "tools",
		"max_tokens: no":                                              "max_completion_tokens",
		"stop_sequences.0: no":                                        "stop",
		"thinking.enabled.budget_tokens: no":                          thinkingPath + ".budget_tokens",
		"thinking: no":                                                thinkingPath,
		"output_config.format.schema: no":                             "response_format.json_schema.schema",
		"output_config.effort: no":                                    "reasoning_effort",
		"`temperature` is deprecated for this model.":                 "temperature",
		"`max_tokens` must be greater than `thinking.budget_tokens`.": thinkingPath + ".budget_tokens",
		"The model returned the following errors: top_p: no":          "top_p",
		"something else went wrong":                                   "",
	} {
		if got := w.locate(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func messagesFor(t testing.TB, req *llm.ChatRequest) *messagesWriter {
	t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	traits := traitsOf(catalogue, "anthropic.claude-haiku-4-5", "")
	traits.messages = SurfaceMantle
	w, err := buildMessages("anthropic.claude-haiku-4-5", &traits, req)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(w.body) {
		t.Fatalf("not JSON: %s", w.body)
	}
	return w
}

// TestTwoCachePointsInOnePlace: a block is marked once, however often the client says it.
func TestTwoCachePointsInOnePlace(t *testing.T) {
	points := []llm.Part{llm.Text{Text: "Go."}, llm.CachePoint{}, llm.CachePoint{At: "content[1]"}}
	w := messagesFor(t, &llm.ChatRequest{Messages: []llm.Message{
		{Role: llm.RoleSystem, Parts: points}, {Role: llm.RoleUser, Index: 1, Parts: points},
	}})
	if n := bytes.Count(w.body, []byte("cache_control")); n != 2 {
		t.Errorf("%d marks: %s", n, w.body)
	}
}

// TestAClaudeOfMantleHasItsLimits: what the catalogue knows of the model under its other ids holds.
func TestAClaudeOfMantleHasItsLimits(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	got := traitsOf(catalogue, "anthropic.claude-haiku-4-5", "")
	if got.model.MaxOutputTokens != 64000 || got.model.ContextWindow != 200000 || !got.takesFile(fileType{class: classImage, format: "png"}) {
		t.Errorf("got %+v", got.model)
	}
}

// messagesEvents are a stream of so many text deltas and what is around them.
func messagesEvents(deltas int) []string {
	events := []string{
		`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
	}
	for range deltas {
		events = append(events, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few words"}}`)
	}
	return append(events,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":96}}`,
		`{"type":"message_stop"}`)
}

func asSSE(events []string) []byte {
	var b bytes.Buffer
	for _, e := range events {
		var head struct{ Type string }
		if err := json.Unmarshal([]byte(e), &head); err != nil {
			panic(err) // the test's own data
		}
		fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", head.Type, e)
	}
	return b.Bytes()
}

func asChunks(t testing.TB, events []string) []byte {
	var messages []eventstream.Message
	for _, e := range events {
		messages = append(messages, eventMessage("chunk", `{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(e))+`","p":"abcdefghijklm"}`))
	}
	return encode(t, messages...)
}

// BenchmarkStreamOfMessages is BenchmarkStream for Claude in Anthropic's own words: the same reply as
// server-sent events and as the chunks of InvokeModel.
func BenchmarkStreamOfMessages(b *testing.B) {
	lines, frames, converse := asSSE(messagesEvents(96)), asChunks(b, messagesEvents(96)), hundred(b)
	for _, way := range []struct {
		name string
		read func(a *answer)
	}{
		{"converse", func(a *answer) { a.readStream(b.Context(), bytes.NewReader(converse)) }},
		{"mantle", func(a *answer) {
			a.readSSE(b.Context(), bytes.NewReader(lines), newMessagesDecoder(&a.decoder).frame)
		}},
		{"invoke", func(a *answer) {
			d := newMessagesDecoder(&a.decoder)
			a.readFrames(b.Context(), bytes.NewReader(frames), func(_ *answer, fr frame) (llm.Event, error) { return d.chunk(fr) })
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				way.read(&answer{yield: func(_ llm.Event, err error) bool {
					if err != nil {
						b.Fatal(err)
					}
					n++
					return true
				}})
				if n < 98 {
					b.Fatal(n)
				}
			}
		})
	}
}

// BenchmarkTranslateToMessages is a chat's bytes to the bytes for Claude, in Converse's words and in
// Anthropic's.
func BenchmarkTranslateToMessages(b *testing.B) {
	known := traits{family: families()[0], known: true, converse: families()[0].Has}
	known.converse.Sampling, known.converse.Prefill = models.SamplingBoth, models.Yes
	messages := known
	messages.messages = SurfaceInvoke
	for _, name := range []string{"2KB", "56KB-tools", "1MB-image"} {
		for _, way := range []struct {
			name  string
			write func(req *llm.ChatRequest) error
		}{
			{"converse", func(req *llm.ChatRequest) error { _, err := build(req, &known); return err }},
			{"messages", func(req *llm.ChatRequest) error { _, err := buildMessages("", &messages, req); return err }},
		} {
			b.Run(name+"/"+way.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(benchBodies[name])))
				for b.Loop() {
					req, _, err := openai.DecodeChat(benchBodies[name])
					if err != nil {
						b.Fatal(err)
					}
					if err := way.write(req); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// FuzzMessages: whatever a stream holds, it is read without a panic, and ends as a whole reply only after
// message_stop.
func FuzzMessages(f *testing.F) {
	f.Add(asSSE(messagesEvents(2)))
	f.Add(asSSE([]string{`{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{"a":1}}}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"x_tool_result","tool_use_id":"s","content":[]}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"char_location"}}}`}))
	f.Fuzz(func(t *testing.T, stream []byte) {
		finished, failed := false, false
		a := &answer{model: &Model{}, yield: func(event llm.Event, err error) bool {
			if finished || failed {
				t.Fatal("something came after the end")
			}
			_, finished = event.(llm.Finish)
			failed = err != nil
			return true
		}}
		a.readSSE(t.Context(), bytes.NewReader(stream), newMessagesDecoder(&a.decoder).frame)
		if finished == failed || finished && !bytes.Contains(stream, []byte("message_stop")) && !bytes.Contains(stream, []byte(`\u`)) {
			t.Fatalf("finished %t, failed %t", finished, failed)
		}
	})
}

// TestBlocksThatNoFixtureShows: what OpenAI's wire cannot say, and what is longer than a fixture should be.
func TestBlocksThatNoFixtureShows(t *testing.T) {
	pdf := llm.Blob{Bytes: []byte(samplePDF), Name: strings.Repeat("é", maxTitle)}
	asked := func(parts ...llm.Part) *llm.ChatRequest {
		return &llm.ChatRequest{Tools: []llm.Tool{{Name: "clock"}}, Messages: []llm.Message{
			{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "Go."}}},
			{Role: llm.RoleAssistant, Index: 1, Parts: []llm.Part{llm.ToolCall{ID: "c1", Name: "clock", Args: "{}"}}},
			{Role: llm.RoleTool, Index: 2, Parts: parts},
		}}
	}
	for _, tt := range []struct {
		name string
		part llm.ToolResult
		want string
	}{
		{"a failure has a text", llm.ToolResult{ID: "c1", Failed: true}, `"content":[{"type":"text","text":"` + failedText + `"}],"is_error":true}`},
		{"a failure says why", llm.ToolResult{ID: "c1", Failed: true, Parts: []llm.Part{llm.Text{Text: "No."}}}, `"content":[{"type":"text","text":"No."}],"is_error":true}`},
		{"a document in a result", llm.ToolResult{ID: "c1", Parts: []llm.Part{pdf}}, `"content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xLjQK"},"title":"` + strings.Repeat("é", maxTitle/2) + `"}]}`},
	} {
		if w := messagesFor(t, asked(tt.part)); !bytes.Contains(w.body, []byte(tt.want)) {
			t.Errorf("%s: %s", tt.name, w.body)
		}
	}
	if w := messagesFor(t, asked(llm.ToolResult{ID: "c1", Parts: []llm.Part{pdf}})); len(w.changed) != 1 || w.changed[0] != "messages[2].content" {
		t.Errorf("a title that is cut is reported: %q", w.changed)
	}
}
