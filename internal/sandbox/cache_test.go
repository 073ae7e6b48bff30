package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// usageOf sends a Converse body and returns the numbers of its usage.
func usageOf(t *testing.T, ask func(body string) raw, body string) map[string]int {
	t.Helper()
	got := ask(body)
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	usage := object(decodeObject(got.body)["usage"])
	out := map[string]int{}
	for short, member := range map[string]string{"in": "inputTokens", "out": "outputTokens", "total": "totalTokens", "read": "cacheReadInputTokens", "write": "cacheWriteInputTokens"} {
		out[short] = int(number(usage[member]))
	}
	for _, d := range array(usage["cacheDetails"]) {
		out[text(dig(d, "ttl"))] = int(number(dig(d, "inputTokens")))
	}
	if out["total"] != out["in"]+out["out"]+out["read"]+out["write"] {
		t.Errorf("the total is not the sum: %v", out)
	}
	return out
}

// A prompt is written on first sight and read when its beginning comes again,
// until it is forgotten.
func TestPromptCache(t *testing.T) {
	var now clock
	srv := serve(t, Options{Now: now.now})
	sign := func(body string) raw {
		r := wire{srv, sandboxKey, "bedrock"}.request(t, opPath(opConverse, claudeID, escapeAll), []byte(body))
		if now.offset == 0 {
			return send(t, srv, r)
		}
		// Past the skew a signature of now is not enough; an API key has no clock.
		r.Header.Set("Authorization", "Bearer sandbox")
		return send(t, srv, r)
	}
	body := func(system, question, more string) string {
		return fmt.Sprintf(`{"system":[{"text":%q},{"cachePoint":{"type":"default","ttl":"1h"}}],
			"messages":[{"role":"user","content":[{"text":%q},{"cachePoint":{"type":"default"}},{"text":%q}]}]}`, system, question, more)
	}
	long := strings.Repeat("stone ", 200)
	first := usageOf(t, sign, body(long, "question one", "and more"))
	if first["read"] != 0 || first["1h"] < 250 || first["5m"] < 1 || first["write"] != first["1h"]+first["5m"] || first["in"] < 1 {
		t.Errorf("first: %v", first)
	}
	again := usageOf(t, sign, body(long, "question one", "something else"))
	if again["read"] != first["write"] || again["write"] != 0 {
		t.Errorf("again: %v after %v", again, first)
	}
	half := usageOf(t, sign, body(long, "question two", "and more"))
	if half["read"] != first["1h"] || half["5m"] != half["write"] || half["write"] < 1 {
		t.Errorf("same system: %v", half)
	}
	other := usageOf(t, sign, body(long+"!", "question one", "and more"))
	if other["read"] != 0 {
		t.Errorf("another system: %v", other)
	}
	now.offset = 10 * time.Minute // the five minutes are over, the hour is not
	if later := usageOf(t, sign, body(long, "question one", "and more")); later["read"] != first["1h"] {
		t.Errorf("ten minutes later: %v", later)
	}
	now.offset = 80 * time.Minute
	if later := usageOf(t, sign, body(long, "question one", "and more")); later["read"] != 0 {
		t.Errorf("much later: %v", later)
	}
	if plain := usageOf(t, sign, helloBody); plain["read"] != 0 || plain["write"] != 0 {
		t.Errorf("without a cache point: %v", plain)
	}
}

// What the sandbox remembers is bounded, and the oldest goes first.
func TestMemoryIsBounded(t *testing.T) {
	tally := newTally(2)
	key := func(b byte) (k [32]byte) { k[0] = b; return k }
	var got []int
	for _, b := range []byte{1, 1, 2, 3, 2, 1, 3} {
		got = append(got, tally.add(key(b)))
	}
	if diff := cmp.Diff([]int{1, 2, 1, 1, 2, 1, 2}, got); diff != "" {
		t.Error(diff)
	}
	cache := newPromptCache(time.Now)
	for i := range rememberedConversations + 10 {
		cache.remember([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, time.Now())
	}
	if len(cache.ends) != rememberedConversations || len(cache.order) != rememberedConversations {
		t.Errorf("%d ends, %d in order", len(cache.ends), len(cache.order))
	}
}

func TestInstances(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`{"type":"object"}`, `{}`},
		{`{"properties":{"a":{},"b":{}},"required":["b"]}`, `{"b":"Rome"}`},
		{`{"type":"array","items":{"type":"number","minimum":2.5}}`, `[2.5]`},
		{`{"type":"array","minItems":2,"items":{"type":"integer","maximum":0}}`, `[0,0]`},
		{`{"type":"string","minLength":6}`, `"Romexx"`},
		{`{"type":"string","maxLength":2}`, `"Ro"`},
		{`{"type":"string","format":"date-time"}`, `"2026-01-31T12:00:00Z"`},
		{`{"type":"string","format":"uuid"}`, `"6f1c0e1a-7d1b-4f5e-9c57-0d4a3b2c1e00"`},
		{`{"enum":["x","y"]}`, `"x"`},
		{`{"const":7}`, `7`},
		{`{"type":"boolean"}`, `true`},
		{`{"type":"null"}`, `null`},
		{`{"type":["null","integer"]}`, `1`},
		{`{"oneOf":[{"type":"integer"},{"type":"string"}]}`, `1`},
		{`{"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"b":{"type":"boolean"}},"required":["b"]}]}`, `{"a":1,"b":true}`},
		{`{"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"integer"}}}`, `1`},
		{`{"$ref":"https://example.com/elsewhere"}`, `"Rome"`},
		{`{"type":"object","required":["me"],"properties":{"me":{"$ref":"#"}}}`, `{"me":{"me":{"me":{"me":{"me":{"me":{"me":null}}}}}}}`},
	} {
		schema := decodeObject([]byte(c.schema))
		if got := string(encode(instantiate(schema, "Rome", new(maxInstanceBytes)))); got != c.want {
			t.Errorf("%s: %s, want %s", c.schema, got, c.want)
		}
	}
	for in, want := range map[string]string{
		"What is the weather in Paris?":      "Paris",
		"Weather in New York, please":        "New York",
		"Hello. Tell me about rain":          "Hello. Tell me about rain",
		"From Rome to Oslo. What do I need?": "Oslo",
		"":                                   "",
		strings.Repeat("é", 300):             strings.Repeat("é", 199) + "…",
	} {
		if got := subject(in); got != want {
			t.Errorf("%q is about %q, want %q", in, got, want)
		}
	}
}

func TestMentions(t *testing.T) {
	for _, c := range []struct {
		said, tool string
		want       bool
	}{
		{"call get_weather", "get_weather", true},
		{"What's the weather?", "get_current_weather", true},
		{"what is the time", "get_weather", false},
		{"hello", "get", false},
		{"search the web", "web-search", true},
		{"whether or not", "weather", false},
	} {
		if got := listen(c.said).mentions(c.tool); got != c.want {
			t.Errorf("%q mentions %s: %v", c.said, c.tool, got)
		}
	}
}
