package sandbox

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is the reply of a valid case, as the service was seen to give it.
type recorded struct {
	ID       string `json:"id"`
	Response struct {
		Body json.RawMessage `json:"body"`
	} `json:"response"`
	Events []struct {
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload"`
	} `json:"events"`
}

// wishes are what a model's whim did in a recording and a directive does here.
func wishes() map[string]string {
	return map[string]string{
		"v027": "tool=get_weather", "v035": "reasoning=redacted", "s002": "tool=get_weather", "s003": "tool=get_weather",
		"v014": "citations", "s008": "server-tool", "v043": "stop=guardrail_intervened", "s010": "exception=throttlingException after=2",
	}
}

// beyond says why the sandbox does not give the reply of a case.
func beyond() map[string]string {
	return map[string]string{
		"v033": "a model that may think and does not: here it always does",
		"v038": "the recording ends before the answer",
		"s009": "the case gathers members of several recordings",
	}
}

// Every valid case gets a reply with the members and the blocks, or the events,
// that the service was seen to send.
func TestCorpusReplies(t *testing.T) {
	replies := map[string]recorded{}
	data, err := os.ReadFile("testdata/requests-valid.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []recorded }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Cases {
		replies[r.ID] = r
	}
	catalogue, srv := testCatalogue(t), serve(t, Options{})
	for _, cc := range readCorpus(t, "requests-valid.json") {
		if beyond()[cc.ID] != "" {
			continue
		}
		t.Run(cc.ID, func(t *testing.T) {
			path := opPath(cc.Op, cc.Model, escapeAll)
			r := wire{srv, sandboxKey, "bedrock"}.request(t, path, cc.call(t, catalogue).Raw)
			if wish := wishes()[cc.ID]; wish != "" {
				r = wire{srv, sandboxKey, "bedrock"}.request(t, path, cc.call(t, catalogue).Raw, "X-Sandbox", wish)
			}
			got := send(t, srv, r)
			if got.status != 200 {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if cc.Op != opConverseStream {
				compareReplies(t, decodeObject(replies[cc.ID].Response.Body), decodeObject(got.body))
				return
			}
			messages, err := decodeStream(t, bytes.NewReader(got.body))
			if err != nil {
				t.Fatal(err)
			}
			var want []message
			for _, e := range replies[cc.ID].Events {
				if strings.HasSuffix(e.Type, "Exception") {
					e.Type = "exception " + e.Type
				}
				want = append(want, message{Type: e.Type, Payload: decodeObject(e.Payload)})
			}
			if diff := cmp.Diff(slices.Compact(kinds(want)), slices.Compact(kinds(messages))); diff != "" {
				t.Errorf("events (-recorded +sandbox):\n%s", diff)
			}
		})
	}
}

// compareReplies wants every member of the recording, and blocks of the same
// kinds in the same order with the same reason to stop.
func compareReplies(t *testing.T, want, got map[string]any) {
	t.Helper()
	missing := memberPaths("", want)
	maps.DeleteFunc(missing, func(path string, _ bool) bool { return memberPaths("", got)[path] })
	if len(missing) > 0 {
		t.Errorf("the recording has, the sandbox has not: %v", slices.Sorted(maps.Keys(missing)))
	}
	if diff := cmp.Diff(want["stopReason"], got["stopReason"]); diff != "" {
		t.Error(diff)
	}
	blocks := func(reply map[string]any) (kinds []string) {
		for _, b := range array(dig(reply, "output", "message", "content")) {
			kinds = append(kinds, onlyKey(object(b)))
		}
		return kinds
	}
	if diff := cmp.Diff(blocks(want), blocks(got)); diff != "" {
		t.Errorf("blocks (-recorded +sandbox):\n%s", diff)
	}
}

// memberPaths lists the paths of all members. What a caller chose the names of
// is left out: the input of a tool, and the guardrail's id.
func memberPaths(at string, v any) map[string]bool {
	out := map[string]bool{}
	for _, item := range array(v) {
		maps.Copy(out, memberPaths(at+"[]", item))
	}
	for name, value := range object(v) {
		path := at + "." + name
		if strings.HasSuffix(at, "Assessment") || strings.HasSuffix(at, "Assessments") {
			path = at + ".ID"
		}
		out[path] = true
		if name != "input" {
			maps.Copy(out, memberPaths(path, value))
		}
	}
	return out
}

// observed is testdata/observed-wire.json.
type observed struct {
	TopLevel  map[string][]string   `json:"converse_top_level_keys"`
	Usage     map[string][]string   `json:"converse_usage_keys"`
	Sequences map[string][][]string `json:"stream_sequences"`
}

func readObserved(t *testing.T) observed {
	t.Helper()
	data, err := os.ReadFile("testdata/observed-wire.json")
	if err != nil {
		t.Fatal(err)
	}
	var o observed
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// A reply has the members that live replies of the model have, no more and no
// fewer.
func TestRepliesHaveObservedKeys(t *testing.T) {
	srv, seen := serve(t, Options{}), readObserved(t)
	keys := func(v any) string { return strings.Join(slices.Sorted(maps.Keys(object(v))), ",") }
	// Without a cache point the first Nova was seen with and without the members
	// of the cache; a Claude 3.7 and an R1 of 2025 had no serverToolUsage yet.
	alike := map[string]string{
		"us.amazon.nova-lite-v1:0": "us.amazon.nova-pro-v1:0", "us.anthropic.claude-3-7-sonnet-20250219-v1:0": "us.anthropic.claude-sonnet-4-20250514-v1:0",
		"us.deepseek.r1-v1:0": "openai.gpt-oss-120b-1:0", "anthropic.claude-v2": "us.anthropic.claude-sonnet-4-20250514-v1:0",
	}
	for id, usage := range seen.Usage {
		got := decodeObject(send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opConverse, id, escapeAll), []byte(helloBody))).body)
		if other := alike[id]; other != "" {
			usage = seen.Usage[other]
		}
		if !slices.Contains(usage, keys(got["usage"])) {
			t.Errorf("%s: usage %s, want one of %q", id, keys(got["usage"]), usage)
		}
		if !slices.Contains(seen.TopLevel[id], keys(got)) {
			t.Errorf("%s: %s, want one of %q", id, keys(got), seen.TopLevel[id])
		}
	}
}

// A stream has its events in an order in which the live model was seen to send
// them.
func TestStreamsHaveObservedOrders(t *testing.T) {
	const tools = `"toolConfig":{"tools":[{"toolSpec":{"name":"get_weather","inputSchema":{"json":{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}}}}]},`
	srv, seen := serve(t, Options{}), readObserved(t)
	for _, c := range []struct{ id, more, said string }{
		{idSonnet45, "", "hi"},
		{"us.amazon.nova-micro-v1:0", "", "hi"},
		{"us.amazon.nova-micro-v1:0", tools, "weather in Rome"},
		{"us.amazon.nova-2-lite-v1:0", tools, "weather in Rome"},
		{"us.amazon.nova-2-lite-v1:0", "", "hi"},
		{"openai.gpt-oss-120b-1:0", "", "hi"},
		{"us.anthropic.claude-sonnet-4-20250514-v1:0", `"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}},`, "hi"},
	} {
		body := `{` + c.more + string(user(c.said))[1:]
		got := send(t, srv, wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opConverseStream, c.id, escapeAll), []byte(body)))
		messages, err := decodeStream(t, bytes.NewReader(got.body))
		if err != nil || got.status != 200 {
			t.Fatalf("%s: %d %v %s", c.id, got.status, err, got.body)
		}
		order := strings.Join(slices.Compact(kinds(messages)), " ")
		var known []string
		for _, sequence := range seen.Sequences[c.id] {
			var runs []string
			for _, event := range sequence {
				kind, _, _ := strings.Cut(event, " x")
				runs = append(runs, kind)
			}
			known = append(known, strings.Join(slices.Compact(runs), " "))
		}
		if !slices.Contains(known, order) {
			t.Errorf("%s %s:\n got %s\nwant one of\n %s", c.id, c.said, order, strings.Join(known, "\n "))
		}
	}
}
