package bedrock

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

// marked puts a cache point at the end of every message whose index is named.
func marked(messages []llm.Message, ttl time.Duration, indices ...int) []llm.Message {
	for _, i := range indices {
		messages[i].Parts = append(messages[i].Parts, llm.CachePoint{TTL: ttl})
	}
	return messages
}

func long() string { return strings.Repeat("All work and no play. ", 2000) } // 10,000 tokens by our count

const (
	pointJSON     = `{"cachePoint":{"type":"default"}}`
	pointHourJSON = `{"cachePoint":{"ttl":"1h","type":"default"}}`
	breakpoint    = ".custom_fields.cache_breakpoint"
)

func TestClientsCachePoints(t *testing.T) {
	const first, second = "messages.0.content.1", "messages.2.content.1"
	cached := append(weather(), llm.Tool{Name: "clock"})
	cached[0].Cache = &llm.CachePoint{}
	check(t, []rule{
		{name: "Claude", model: sonnet45, req: llm.ChatRequest{Messages: marked(ask("Hi"), 0, 0)}, want: map[string]string{first: `{"cachePoint":{"type":"default"}}`}},
		{name: "an hour", model: sonnet45, req: llm.ChatRequest{Messages: marked(ask("Hi"), time.Hour, 0)}, want: map[string]string{first: pointHourJSON}},
		{name: "an hour where there are five minutes", model: claude37, req: llm.ChatRequest{Messages: marked(ask("Hi"), time.Hour, 0)},
			want: map[string]string{first: pointJSON}, changed: []string{"messages[0]" + breakpoint}},
		{name: "an hour behind five minutes", model: sonnet45, req: llm.ChatRequest{Messages: marked(marked(ask("a", "b", "c"), 0, 0), time.Hour, 2)},
			want: map[string]string{first: pointJSON, second: pointJSON}, changed: []string{"messages[2]" + breakpoint}},
		{name: "five minutes behind an hour", model: sonnet45, req: llm.ChatRequest{Messages: marked(marked(ask("a", "b", "c"), time.Hour, 0), 0, 2)},
			want: map[string]string{first: pointHourJSON, second: pointJSON}},
		{name: "Llama", model: llama33, req: llm.ChatRequest{Messages: marked(ask("Hi"), 0, 0)}, want: map[string]string{first: ""}, ignored: []string{"messages[0]" + breakpoint}},
		{name: "a stranger", model: stranger, req: llm.ChatRequest{Messages: marked(ask("Hi"), 0, 0)}, want: map[string]string{first: ""}, ignored: []string{"messages[0]" + breakpoint}},
		{name: "a tool of Claude's", model: sonnet45, req: llm.ChatRequest{Tools: cached}, want: map[string]string{"toolConfig.tools.1": pointJSON, "toolConfig.tools.2.toolSpec.name": `"clock"`}},
		{name: "a tool of Nova's", model: novaLite, req: llm.ChatRequest{Tools: cached}, want: map[string]string{"toolConfig.tools.1.toolSpec.name": `"clock"`}, ignored: []string{"tools[0]" + breakpoint}},
		{name: "the system prompt", model: novaLite, req: llm.ChatRequest{Messages: append([]llm.Message{marked([]llm.Message{system("Be brief.")}, 0, 0)[0]}, ask("Hi")...)},
			want: map[string]string{"system.1": pointJSON}},
		{name: "beside a result, Nova", model: novaLite, req: llm.ChatRequest{Tools: weather(), Messages: marked(loop(), 0, 2)}, ignored: []string{"messages[2]" + breakpoint}},
		{name: "beside a result, Claude", model: sonnet45, req: llm.ChatRequest{Tools: weather(), Messages: marked(loop(), 0, 2)}, want: map[string]string{"messages.2.content.1": pointJSON}},
		{name: "nothing before it", model: sonnet45, req: llm.ChatRequest{Messages: append(ask("Hi"), llm.Message{Role: llm.RoleUser, Index: 1, Parts: []llm.Part{llm.CachePoint{}}})},
			ignored: []string{"messages[1]" + breakpoint}},
		{name: "where the client wrote it", model: llama33, req: llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{
			llm.Text{Text: "Hi"}, llm.CachePoint{At: "content[0].cache_control"}}}}}, ignored: []string{"messages[0].content[0].cache_control"}},
		{name: "five: the tools, the system's and the latest stay", model: sonnet45,
			req:     llm.ChatRequest{Tools: cached, Messages: append(marked([]llm.Message{system("S")}, 0, 0), marked(reindexed(ask("a", "b", "c", "d", "e"), 1), 0, 0, 2, 4)...)},
			want:    map[string]string{"toolConfig.tools.1": pointJSON, "system.1": pointJSON, first: "", second: pointJSON, "messages.4.content.1": pointJSON},
			ignored: []string{"messages[1]" + breakpoint}},
	})
}

func reindexed(messages []llm.Message, by int) []llm.Message {
	for i := range messages {
		messages[i].Index += by
	}
	return messages
}

func TestAffinityOfTheClientsPoints(t *testing.T) {
	tools := weather()
	tools[0].Cache = &llm.CachePoint{TTL: time.Hour}
	for _, c := range []struct {
		name, model, cached string
		req                 llm.ChatRequest
		lives               time.Duration
	}{
		{"a message is later than a tool", sonnet45, "messages[2]", llm.ChatRequest{Tools: tools, Messages: marked(ask("a", "b", "c"), 0, 0, 2)}, time.Hour},
		{"a tool alone", sonnet45, "tools[0]", llm.ChatRequest{Tools: tools, Messages: ask("a")}, time.Hour},
		{"five minutes", novaLite, "messages[0]", llm.ChatRequest{Messages: marked(ask("a"), 0, 0)}, 5 * time.Minute},
		{"not passed on", llama33, "", llm.ChatRequest{Messages: marked(ask("a"), 0, 0)}, 0},
		{"ours are not the client's", sonnet45, "", llm.ChatRequest{Messages: append([]llm.Message{system(long())}, ask("a")...)}, 0},
	} {
		call, err := build(&c.req, modelTraits(t, c.model))
		if err != nil {
			t.Fatal(err)
		}
		if call.cached != c.cached || call.cachedFor != c.lives {
			t.Errorf("%s: %q for %v", c.name, call.cached, call.cachedFor)
		}
	}
}

func TestAutomaticCachePoints(t *testing.T) {
	tools := weather()
	tools[0].Description = long()
	big := []llm.Message{system(long())}
	talk := slices.Concat(big, ask("a", "b", "c"))
	const afterTools, afterSystem, afterFirst, afterLast = "toolConfig.tools.1", "system.1", "messages.0.content.1", "messages.2.content.1"
	check(t, []rule{
		{name: "one question: what will be asked of again", model: sonnet45, req: llm.ChatRequest{Tools: nil, Messages: append(big[:1:1], ask("a")...)},
			want: map[string]string{afterSystem: pointJSON, afterFirst: ""}},
		{name: "a conversation", model: sonnet45, req: llm.ChatRequest{Tools: tools, Messages: talk},
			want: map[string]string{afterTools: pointJSON, afterSystem: pointJSON, afterFirst: pointJSON, afterLast: pointJSON}},
		{name: "Nova takes none among tools", model: novaLite, req: llm.ChatRequest{Tools: tools, Messages: talk},
			want: map[string]string{afterTools: "", afterSystem: pointJSON, afterLast: pointJSON}},
		{name: "too short", model: sonnet45, req: llm.ChatRequest{Tools: weather(), Messages: append([]llm.Message{system("Be brief.")}, ask("a", "b", "c")...)},
			want: map[string]string{afterTools: "", afterSystem: "", afterLast: ""}},
		{name: "a tool loop", model: sonnet45, req: llm.ChatRequest{Tools: tools, Messages: append(big[:1:1], loop()...)},
			want: map[string]string{"messages.2.content.1": pointJSON, afterFirst: pointJSON}},
		{name: "a tool loop on Nova: only before it", model: novaLite, req: llm.ChatRequest{Tools: tools, Messages: append(big[:1:1], loop()...)},
			want: map[string]string{"messages.2.content.1": "", afterFirst: pointJSON}},
		{name: "Llama", model: llama33, req: llm.ChatRequest{Messages: talk}, want: map[string]string{afterSystem: "", afterLast: ""}},
		{name: "switched off by the request", model: sonnet45, req: llm.ChatRequest{NoAutoCache: true, Messages: talk}, want: map[string]string{afterSystem: "", afterLast: ""}},
		{name: "switched off by the configuration", model: sonnet45, req: llm.ChatRequest{Config: []byte(`{"cache":"off"}`), Messages: talk},
			want: map[string]string{afterSystem: "", afterLast: ""}},
		{name: "the client's own suffice", model: sonnet45, req: llm.ChatRequest{Messages: append(big[:1:1], marked(ask("a", "b", "c"), 0, 0)...)},
			want: map[string]string{afterSystem: "", afterFirst: pointJSON, afterLast: ""}},
	})
}

// TestTheClientsRequestStays: what a model needs is put into a copy.
func TestTheClientsRequestStays(t *testing.T) {
	tools := weather()
	tools[0].Description = long()
	tools[0].Cache = &llm.CachePoint{TTL: time.Hour}
	req := llm.ChatRequest{Tools: tools, Effort: "low", Messages: marked(append([]llm.Message{system("S")}, ask("a", "b", "c")...), time.Hour, 1, 3)}
	before := fmt.Sprintf("%+v", req)
	for _, model := range []string{sonnet45, novaLite, llama33, qwen32, mistral} {
		if _, err := build(&req, modelTraits(t, model)); err != nil {
			t.Fatal(err)
		}
		if after := fmt.Sprintf("%+v", req); after != before {
			t.Errorf("%s: %s", model, cmp.Diff(before, after))
		}
	}
}

// TestPrefixIsStable: the next request of a conversation begins with the bytes of this one, but for the
// cache points, or the prompt cache would never be read.
func TestPrefixIsStable(t *testing.T) {
	texts := []string{long(), "b", "c", "d", "e", "f", "g"}
	tools := []llm.Tool{{Name: "a tool.with/a name", Description: long(), Schema: []byte(`{"type":"object","properties":{}}`)}}
	for _, model := range []string{sonnet45, opus47, novaLite} {
		var before []byte
		for n := 1; n <= len(texts); n += 2 {
			req := llm.ChatRequest{Tools: tools, Messages: append([]llm.Message{system(long())}, ask(texts[:n]...)...)}
			call, err := build(&req, modelTraits(t, model))
			if err != nil {
				t.Fatal(err)
			}
			var body struct {
				Messages, System, ToolConfig json.RawMessage
			}
			if err := json.Unmarshal(call.body, &body); err != nil {
				t.Fatal(err)
			}
			flat := bytes.ReplaceAll(bytes.Join([][]byte{body.ToolConfig, body.System, body.Messages}, nil), []byte(`,`+pointWire), nil)
			if !bytes.HasPrefix(flat, bytes.TrimSuffix(before, []byte("]"))) {
				t.Errorf("%s: turn %d does not begin with turn %d", model, n, n-2)
			}
			before = flat
		}
	}
}

const pointWire = `{"cachePoint":{"type":"default"}}`
