package bedrock

import (
	"strings"
	"testing"

	"outcrop/internal/llm"
)

// conversation has turns that merge, blanks that are left out, and calls beside text.
func conversation() *llm.ChatRequest {
	text := func(s string) llm.Part { return llm.Text{Text: s} }
	return &llm.ChatRequest{
		Messages: []llm.Message{
			{Role: llm.RoleSystem, Index: 0, Parts: []llm.Part{text("be brief")}},
			{Role: llm.RoleUser, Index: 1, Parts: []llm.Part{text("a")}},                                                                            // turn 0, block 0
			{Role: llm.RoleUser, Index: 2, Parts: []llm.Part{text(" "), text("b"), llm.Blob{MIME: "image/png", Base64: pixel}}},                     // turn 0, blocks 1, 2
			{Role: llm.RoleAssistant, Index: 3, Parts: []llm.Part{text("c"), llm.ToolCall{ID: "1", Args: "{}"}, llm.ToolCall{ID: "2", Args: "{}"}}}, // turn 1, blocks 0 to 2
			{Role: llm.RoleTool, Index: 4, Parts: []llm.Part{llm.ToolResult{ID: "1"}}},                                                              // turn 2, block 0
			{Role: llm.RoleTool, Index: 5, Parts: []llm.Part{llm.ToolResult{ID: "2"}}},                                                              // turn 2, block 1
			{Role: llm.RoleSystem, Index: 6, Parts: []llm.Part{text("in French")}},
			{Role: llm.RoleUser, Index: 7, Parts: []llm.Part{text("d")}}, // turn 2, block 2
		},
		Tools: numbered([]llm.Tool{{Name: "f"}, {Name: "g"}}),
	}
}

// pixel is a PNG of one pixel.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVQI12P4z8AAAAMBAQAY3Y2wAAAAAElFTkSuQmCC"

// placesOf are the places of a request's call.
func placesOf(t testing.TB, req *llm.ChatRequest, model *traits) []place {
	t.Helper()
	call, err := build(req, model)
	if err != nil {
		t.Fatal(err)
	}
	return call.places
}

func TestBedrocksPathsBecomeTheClients(t *testing.T) {
	tests := map[string]string{
		"Value '' at 'messages.1.member.content.1.member.text' failed":                            "messages[1].content",
		"Value 'jpg' at 'messages.1.member.content.3.member.image.format' failed":                 "messages[2].content[2]",
		"Value '$x' at 'messages.2.member.content.2.member.toolUse.name' failed":                  "messages[3].tool_calls[0].function.name",
		"The format of the value at messages.1.content.2.toolUse.input is invalid.":               "messages[3].tool_calls[1].function.arguments",
		"Value 'a/b' at 'messages.3.member.content.2.member.toolResult.toolUseId' failed":         "messages[5].tool_call_id",
		"The content field at messages.2.content.0.toolResult cannot be empty":                    "messages[4].content",
		"Expected toolResult blocks at messages.2.content for the following Ids: 1":               "messages[4].content",
		"The text field in the ContentBlock object at messages.2.content.2 is blank.":             "messages[7].content",
		"The model returned the following errors: messages.1.content.0.type: Expected `thinking`": "messages[3].content",
		"Value '' at 'system.2.member.text' failed":                                               "messages[6].content",
		"Value 'a b' at 'toolConfig.tools.2.member.toolSpec.name' failed to satisfy":              "tools[1].function.name",
		"Value '' at 'toolConfig.tools.1.member.toolSpec.description' failed":                     "tools[0].function.description",
		"toolConfig.tools.0.toolSpec.inputSchema.json is no schema":                               "tools[0].function.parameters",
		"Malformed input request: #/toolConfig/tools/1: extraneous key":                           "",
		"Value '1.5' at 'inferenceConfig.temperature' failed":                                     "temperature",
		"The maximum tokens you requested exceeds the model limit of 4096.":                       "max_tokens",
		"This model doesn't support the toolConfig.toolChoice.tool field.":                        "tool_choice",
		"messages.99.content.0 is odd":                                                            "",
		"messages.99999999999999999999.content.0 is odd":                                          "",
		"something else entirely": "",
	}
	places := placesOf(t, conversation(), &traits{})
	for text, want := range tests {
		if got := locate(conversation(), places, text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestToolWords(t *testing.T) {
	long := strings.Repeat("a", 65)
	seen := map[string]string{}
	for _, word := range []string{"weather", "get.weather", "get weather", "get/weather", "wetter_für_köln", long, long + "b", "", "日本"} {
		alias := toolWord(word, "")
		if again := toolWord(word, ""); again != alias {
			t.Errorf("%q became %q and %q", word, alias, again)
		}
		if other, taken := seen[alias]; taken {
			t.Errorf("%q and %q both became %q", word, other, alias)
		}
		seen[alias] = word
		if toolWord(alias, "") != alias {
			t.Errorf("%q became %q, which Bedrock would refuse", word, alias)
		}
	}
	if toolWord("weather", "") != "weather" || (&traits{}).callID("call_1.a:b") != "call_1.a:b" || (&traits{}).callID("a/b") == "a/b" {
		t.Error("a word is changed that need not be, or is not that must")
	}
}

// TestPathsOfWhatWasMoved: turns of ours, results and calls that were put in order, and files that stand
// elsewhere than the client wrote them.
func TestPathsOfWhatWasMoved(t *testing.T) {
	req := talk(
		assistant(said("a")), // turn 1, after one of ours
		user(llm.Text{Text: "  "}, said("b"), photo("custom_content.attachments[0].data")), // turn 2
		assistant(said("c"), called("x"), called("y")),                                     // turns 3 and 5, with one of ours between
		answer1("y", said("2"), photo("content[1].image_url.url")),                         // turns 6 and 8, with one of ours between
		user(said("d")), // turn 8, block 1
		answer1("x", said("1")),
		assistant(said("e")), // turn 9
		user(said("f")),
	)
	places := placesOf(t, req, traitsFor(t, pixtral))
	for path, want := range map[string]string{
		"messages.0.content.0":                            "messages[0]",
		"messages.1.content.0.text":                       "messages[0].content",
		"messages.2.content.0.text":                       "messages[1].content[1]",
		"messages.3.member.content.2.member.image.source": "messages[1].custom_content.attachments[0].data",
		"messages.3.content.0":                            "messages[2].content",
		"messages.4.content":                              "messages[2]",
		"messages.5.content.1.toolUse.input":              "messages[2].tool_calls[1].function.arguments",
		"messages.6.content.0.toolResult.toolUseId":       "messages[3].tool_call_id",
		"messages.6.content.1.toolResult.content.0":       "messages[5].content",
		"messages.7.content.0.text":                       "messages[3]",
		"messages.8.content.0.image":                      "messages[3].content[1].image_url.url",
		"messages.8.content.1":                            "messages[4].content",
		"messages.9.content":                              "messages[6].content",
		"messages.11.member.content.1.member.text":        "messages[7].content",
		"messages.11.content.0":                           "",
	} {
		if got := locate(req, places, path+" is odd"); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	alone := talk(user(paper("p.pdf", "content[0].file.file_data")))
	places = placesOf(t, alone, traitsFor(t, sonnet45))
	for path, want := range map[string]string{
		"messages.0.content.0.document.name": "messages[0].content[0].file.file_data",
		"messages.0.content.1.text":          "messages[0]", // the text that the document needs
	} {
		if got := locate(alone, places, path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func FuzzLocate(f *testing.F) {
	f.Add("Value '' at 'messages.1.member.content.1.member.text' failed")
	f.Add("toolConfig.tools.9.member.toolSpec.name system.3")
	f.Add("messages.0.content.0 messages.6.content.0.toolResult.toolUseId messages.7")
	conversations := map[*llm.ChatRequest][]place{}
	moved := talk(assistant(said("a"), called("x")), answer1("x", photo("content[0].image_url.url")), user(said("b"), paper("", "")))
	for model, req := range map[string]*llm.ChatRequest{stranger: conversation(), pixtral: moved} {
		conversations[req] = placesOf(f, req, traitsFor(f, model))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for req, places := range conversations {
			if got := locate(req, places, text); len(got) > 100 {
				t.Errorf("%q", got)
			}
		}
	})
}
