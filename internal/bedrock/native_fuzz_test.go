package bedrock

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"outcrop/internal/llm"
)

// nativeFor is a Claude on a surface, as the fuzz tests need it.
func nativeFor(surface string) *native {
	return &native{model: &Model{id: "anthropic.claude-x"}, view: &view{}, surface: surface}
}

// FuzzNativeBody: whatever the client's object holds arrives, but for the few members that have another
// place or none.
func FuzzNativeBody(f *testing.F) {
	f.Add([]byte(`{"model":"x","messages":[{"role":"user","content":"a\u0041"}] , "stream":true}`))
	f.Add([]byte(`{ }`))
	f.Add([]byte(` {"anthropic_beta":["per-turn-control-2026-07-01","x"],"messages":[{"output_config":{},"a":1},2],"service_tier":"auto","a":{},"\u0061":[]}`))
	moved := []string{memberModel, memberStream, memberVersion, memberBeta, memberTier}
	f.Fuzz(func(t *testing.T, data []byte) {
		given := bytes.Clone(data)
		var before map[string]json.RawMessage
		isObject := json.Unmarshal(data, &before) == nil && before != nil
		for _, surface := range []string{SurfaceInvoke, SurfaceMantle} {
			n := nativeFor(surface)
			edit, err := n.edit(&llm.MessagesRequest{Body: data})
			if err != nil {
				continue
			}
			if !isObject {
				t.Fatalf("%q is taken for an object", data)
			}
			var after map[string]json.RawMessage
			out := edit.finish(n, true)
			if err := json.Unmarshal(out, &after); err != nil {
				t.Fatalf("%q became %q: %v", data, out, err)
			}
			for key, value := range before {
				turned := key == memberMessages && slices.Contains(edit.ignored, betaName(betaPerTurn))
				if !slices.Contains(moved, key) && !turned && !bytes.Equal(value, after[key]) {
					t.Errorf("%s: %q became %q", key, value, after[key])
				}
			}
			if len(after[memberModel]) > 0 != (surface == SurfaceMantle) || len(after[memberTier]) > 0 {
				t.Errorf("%q became %q", data, out)
			}
		}
		if !bytes.Equal(data, given) {
			t.Error("the client's body was written to")
		}
	})
}

// FuzzNativePiece: a piece that passes is JSON on one line, and loses nothing but the metrics.
func FuzzNativePiece(f *testing.F) {
	f.Add([]byte(`{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1},"a":1}`))
	f.Add([]byte("{\"type\":\"message_start\",\n\"message\":{\"usage\":{\"input_tokens\":1,\"cache_creation\":{\"ephemeral_1h_input_tokens\":2}}}}"))
	f.Add([]byte(`{"type":"error","error":{"type":"overloaded_error"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before map[string]json.RawMessage
		isObject := json.Unmarshal(data, &before) == nil
		r := &nativeReader{}
		p, err := r.read(bytes.Clone(data))
		if err != nil {
			return
		}
		var after map[string]json.RawMessage
		if !isObject || json.Unmarshal(p.JSON, &after) != nil || bytes.ContainsAny(p.JSON, "\r\n") {
			t.Fatalf("%q became %q", data, p.JSON)
		}
		delete(before, "amazon-bedrock-invocationMetrics")
		for key, value := range before {
			if !strings.HasPrefix(key, awsFields) && !bytes.Equal(oneLine(value), after[key]) {
				t.Errorf("%s: %q became %q", key, value, after[key])
			}
		}
		if len(after) != len(before) {
			t.Errorf("%q became %q", data, p.JSON)
		}
	})
}

// TestAnEstimateReadsABodyOnce: how deep a body is does not multiply what it costs to count it.
func TestAnEstimateReadsABodyOnce(t *testing.T) {
	text := `"` + strings.Repeat("a", 4<<20) + `"`
	cost := func(depth int, open, end string) time.Duration {
		body := []byte(`{"messages":[` + strings.Repeat(open, depth) + text + strings.Repeat(end, depth) + `]}`)
		least := time.Hour
		for range 3 {
			began := time.Now()
			if estimateMessages(body, &traits{}) == 0 {
				t.Fatal("nothing is counted")
			}
			least = min(least, time.Since(began))
		}
		return least
	}
	flat := cost(1, `{"a":`, `}`)
	for _, deep := range []time.Duration{
		cost(400, `{"a":`, `}`), cost(130, `{"source":{"type":"content","content":`, `}}`),
	} {
		if deep > 30*flat {
			t.Errorf("%v at the top, %v deep inside", flat, deep)
		}
	}
}
