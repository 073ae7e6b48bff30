package bedrock

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"outcrop/internal/llm"
)

// TestEveryMemberOfConverse holds the table against AWS's own list of Converse's members and against
// the bodies that are written: what is said to be reachable is reached, and nothing is written that
// Converse does not have. The list is the service model of bedrock-runtime, walked to its leaves; a
// new member of AWS's fails this test until the table says what becomes of it.
func TestEveryMemberOfConverse(t *testing.T) {
	data, err := os.ReadFile("testdata/converse-request-members.txt")
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.Fields(string(data))
	table := Members()
	written := writtenMembers(t)
	spoken := map[string]bool{}
	for _, path := range theirs {
		m, ok := memberOf(table, path)
		if !ok || (m.From == "") == (m.Why == "") {
			t.Errorf("nothing, or two things, are said of %s", path)
			continue
		}
		spoken[m.Path] = true
		if m.From != "" && !written[path] {
			t.Errorf("%s is said to come from %s, and no request fills it", path, m.From)
		}
	}
	for _, m := range table {
		if !spoken[m.Path] {
			t.Errorf("AWS has no %s", m.Path)
		}
	}
	for path := range written {
		if m, ok := memberOf(table, path); !ok || m.Why != "" || !slices.Contains(theirs, path) {
			t.Errorf("%s is written, of which the tables say otherwise", path)
		}
	}
}

// writtenMembers are those of all bodies that the probes of all families give.
func writtenMembers(t *testing.T) map[string]bool {
	t.Helper()
	written := map[string]bool{}
	for _, family := range Families() {
		tr := modelTraits(t, family.Example)
		for f := range llm.Feature(llm.FeatureCount) {
			req := probes()[f].req()
			collect(t, written, tr, &req)
		}
		for _, req := range moreProbes() {
			collect(t, written, tr, &req)
		}
	}
	return written
}

// moreProbes reach what no feature needs by itself.
func moreProbes() []llm.ChatRequest {
	tools := weather()
	tools[0].Cache = &llm.CachePoint{TTL: 3600e9}
	tools = append(tools, llm.Tool{Name: "strict", Schema: []byte(emptySchema), Strict: true})
	s3 := func(name string) llm.ChatRequest {
		return llm.ChatRequest{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "Look"}, llm.Link{URL: "s3://b/" + name}}}}}
	}
	cited := llm.ChatRequest{Config: []byte(`{"enable_citations":true}`), Messages: file("application/pdf", samplePDF)}
	citedResult := llm.ChatRequest{Config: cited.Config, Tools: weather(), Messages: resultWith(llm.Blob{MIME: "application/pdf", Bytes: []byte(samplePDF)})}
	format := schema(emptySchema)
	format.Format.Description = "A trip."
	redacted := ask("Hi", "Ho", "Hm")
	redacted[1].Parts = append([]llm.Part{llm.Reasoning{Redacted: []byte{1}}}, redacted[1].Parts...)
	guardrail := configured(`{"guardrailConfig":{"guardrailIdentifier":"g","guardrailVersion":"1","trace":"enabled","streamProcessingMode":"sync"}}`)
	guardrail.Messages = ask("Hi")
	format.Messages = ask("Hi")
	return []llm.ChatRequest{
		{Tools: tools, Messages: append(marked([]llm.Message{system("S")}, 3600e9, 0), ask("Hi")...)},
		{Tools: weather(), Messages: ask("Hi"), ToolChoice: llm.ToolChoice{Mode: llm.ToolNamed, Name: "weather"}},
		{Tools: weather(), Messages: resultWith(llm.Text{Text: `{"a":1}`})},
		s3("a.png"), s3("a.pdf"), s3("a.mp4"), cited, citedResult, format, guardrail, {Messages: redacted},
	}
}

func collect(t *testing.T, written map[string]bool, tr *traits, req *llm.ChatRequest) {
	t.Helper()
	call, err := build(req, tr)
	if err != nil {
		return // what this model refuses
	}
	var body any
	if err := json.Unmarshal(call.body, &body); err != nil {
		t.Fatal(err)
	}
	leaves(written, "", body)
}

// leaves collects the paths of a body as the list of members writes them.
func leaves(written map[string]bool, path string, v any) {
	switch {
	case strings.HasSuffix(path, "additionalModelRequestFields"), strings.HasSuffix(path, "inputSchema.json"),
		strings.HasSuffix(path, "toolUse.input"), strings.HasSuffix(path, "content[].json"),
		strings.HasSuffix(path, "toolChoice.any"), strings.HasSuffix(path, "toolChoice.auto"):
		written[path] = true
		return
	case path == "requestMetadata":
		written[path+"{}"] = true
		return
	}
	switch x := v.(type) {
	case map[string]any:
		for key, value := range x {
			leaves(written, strings.TrimPrefix(path+"."+key, "."), value)
		}
	case []any:
		for _, value := range x {
			leaves(written, path+"[]", value)
		}
	default:
		written[path] = true
	}
}
