package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// post hands a request to the handler without a network, with an API key.
func post(t testing.TB, s *Server, c call) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://sandbox"+opPath(c.Op, c.ModelID, escapeAll), bytes.NewReader(c.Raw))
	r.Header.Set("Authorization", "Bearer sandbox")
	rec := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
		}
	}()
	s.ServeHTTP(rec, r)
	return rec
}

func newServer(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// forced is a request whose tool must be called with an input of that schema.
func forced(schema, said string) []byte {
	return fmt.Appendf(nil, `{"toolConfig":{"toolChoice":{"any":{}},"tools":[{"toolSpec":{"name":"t","inputSchema":{"json":%s}}}]},
		"messages":[{"role":"user","content":[{"text":%q}]}]}`, schema, said)
}

// selfish is an object of n required properties that are the object itself.
func selfish(n int) string {
	var properties, required []string
	for i := range n {
		properties = append(properties, fmt.Sprintf(`"p%d":{"$ref":"#"}`, i))
		required = append(required, fmt.Sprintf(`"p%d"`, i))
	}
	return `{"type":"object","required":[` + strings.Join(required, ",") + `],"properties":{` + strings.Join(properties, ",") + `}}`
}

// A small schema that describes a huge value gets a small value.
func TestSchemasCannotExplode(t *testing.T) {
	nested := strings.Repeat(`{"type":"array","minItems":100,"items":`, 10) + `{"type":"string","minLength":10000}` + strings.Repeat("}", 10)
	long := strings.Repeat("n", 10_001)
	big := strings.Repeat("v", 200_000)
	for _, c := range []struct {
		what, schema, said string
		at                 int // the least that the reply has
	}{
		{"references", selfish(13), "hi", 1_000},
		{"arrays in arrays", `{"type":"object","required":["a"],"properties":{"a":` + nested + `}}`, "hi", 1_000},
		{"a long name under minLength", `{"type":"object","required":["` + long + `"],"properties":{"` + long + `":{"type":"string","minLength":20000}}}`, "[[sandbox start=0s]]", 10_000},
		{"a constant many times", `{"type":"object","required":["a"],"properties":{"a":{"type":"array","minItems":100,"items":{"const":"` + big + `"}}}}`, "hi", 200_000},
		{"many calls", selfish(13), "hi [[sandbox tools=100000]]", 1_000},
		{"allOf in itself", `{"type":"object","required":["a","b","c"],"properties":{"a":{"allOf":[{"$ref":"#"}]},"b":{"allOf":[{"$ref":"#"}]},"c":{"allOf":[{"$ref":"#"}]}},"allOf":[{"required":["a"]}]}`, "hi", 100},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newServer(t, Options{})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rec := post(t, s, call{Op: opConverse, ModelID: novaID, Raw: forced(c.schema, c.said)})
			runtime.ReadMemStats(&after)
			if rec.Code != 200 || rec.Body.Len() < c.at || rec.Body.Len() > 20<<20 {
				t.Errorf("%d with %d bytes: %.200s", rec.Code, rec.Body.Len(), rec.Body)
			}
			if spent := after.TotalAlloc - before.TotalAlloc; spent > 400<<20 {
				t.Errorf("it took %d MB", spent>>20)
			}
		})
	}
}

// Numbers beyond an integer are a limit that nothing meets.
func TestHugeLimits(t *testing.T) {
	s := newServer(t, Options{})
	for _, n := range []string{"3000000000", "1e400"} {
		body := fmt.Appendf(nil, `{"messages":[{"role":"user","content":[{"text":"x"}]}],"inferenceConfig":{"maxTokens":%s}}`, n)
		if rec := post(t, s, call{Op: opConverse, ModelID: novaID, Raw: body}); rec.Code != 200 || !strings.Contains(rec.Body.String(), "You said") {
			t.Errorf("%s: %d %s", n, rec.Code, rec.Body)
		}
	}
}

// patience is a bound that only work by the square of a body passes, on a busy machine and under the race
// detector too.
const patience = time.Minute

// Work grows with the body, not with its square.
func TestRequestsAreLinear(t *testing.T) {
	turns := func(n int, rest string) []byte {
		return []byte(`{"messages":[` + strings.Repeat(`{"role":"user","content":[{"text":"a"}]},`, n) + `{"role":"user","content":[{"text":"a"}` + rest + `]}]}`)
	}
	var tools []string
	for i := range 2_000 {
		tools = append(tools, fmt.Sprintf(`{"toolSpec":{"name":"zz%d_q","inputSchema":{"json":{"type":"object"}}}}`, i))
	}
	many := `{"toolConfig":{"tools":[` + strings.Join(tools, ",") + `]},"messages":[{"role":"user","content":[{"text":"` + strings.Repeat("word ", 40_000) + `"}]}]}`
	for what, body := range map[string][]byte{
		"messages":               turns(30_000, ""),
		"messages, a checkpoint": turns(30_000, `,{"cachePoint":{"type":"default"}}`),
		"tools and words":        []byte(many),
	} {
		t.Run(what, func(t *testing.T) {
			s := newServer(t, Options{})
			start := time.Now()
			rec := post(t, s, call{Op: opConverse, ModelID: novaID, Raw: body})
			if took := time.Since(start); rec.Code != 200 || took > patience {
				t.Errorf("%d after %v: %.300s", rec.Code, took, rec.Body)
			}
		})
	}
}

// So does the work for embeddings and rankings.
func TestVectorsAndRankingsAreLinear(t *testing.T) {
	words := func(n int, prefix string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(prefix + strconv.Itoa(i) + " ")
		}
		return b.String()
	}
	long := words(4_000, "w")
	texts, kinds := `["`+strings.Repeat(long+`","`, 30)+`x"]`, strings.Repeat(`"int8",`, 50_000)+`"int8"`
	for _, tt := range []struct{ what, id, body string }{
		{"texts", idCohere4, `{"input_type":"search_query","texts":` + texts + `}`},
		{"types", idCohere4, `{"input_type":"search_query","texts":["x"],"embedding_types":[` + kinds + `]}`},
		{"a query", idRerankAWS, `{"query":"` + words(150_000, "q") + `","documents":["` + words(150_000, "d") + `"]}`},
	} {
		t.Run(tt.what, func(t *testing.T) {
			s := newServer(t, Options{})
			start := time.Now()
			rec := post(t, s, call{Op: opInvoke, ModelID: tt.id, Raw: []byte(tt.body)})
			if took := time.Since(start); rec.Code != 200 || took > patience {
				t.Errorf("%d after %v: %.300s", rec.Code, took, rec.Body)
			}
		})
	}
}

// Native bodies of odd shapes are refused, and never bring the handler down.
func TestOddNativeBodies(t *testing.T) {
	s := newServer(t, Options{})
	for _, body := range []string{
		`{"messages":["",{"role":"user","content":[{"text":"c"}]}]}`,
		`{"messages":[null]}`,
		`{"messages":[[],{"role":"user","content":[{"text":"c"}]}]}`,
		`{"messages":"x","tools":5}`,
		`{"messages":[{"role":"user","content":"plain"}]}`,
		`{"messages":[{"role":"user","content":[]}]}`,
		`{"messages":[{"role":"user","content":[null]}]}`,
		`{"messages":[]}`,
		`{}`,
	} {
		for _, id := range []string{"us.amazon.nova-2-lite-v1:0", claudeID} {
			for _, op := range []string{opInvoke, opInvokeStream} {
				if rec := post(t, s, call{Op: op, ModelID: id, Raw: []byte(body)}); rec.Code != 400 || rec.Header().Get("X-Amzn-Errortype") == "" {
					t.Errorf("%s %s %s: %d %.200s", op, id, body, rec.Code, rec.Body)
				}
			}
		}
	}
}

// FuzzServeHTTP sends strangers' bodies to every operation: the answer is a
// reply or a refusal that names its type, never a panic.
func FuzzServeHTTP(f *testing.F) {
	for _, name := range []string{"requests-valid.json", "requests-invalid.json", "requests-known.json"} {
		for _, cc := range readCorpus(f, name) {
			f.Add([]byte(cc.Request.Body))
		}
	}
	f.Add([]byte(`{"messages":["",{"role":"user","content":[{"text":"c"}]}]}`))
	f.Add([]byte(`{"anthropic_version":"x","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result"},null]}]}`))
	f.Add(forced(selfish(3), "[[sandbox tools=3]]"))
	f.Add([]byte(`{"image":"iVBORw0KGgo=","left":1,"prompt":"x","mode":1,"aspect_ratio":"0:0"}`))
	s := newServer(f, Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("start=")) || bytes.Contains(data, []byte("drip=")) || bytes.Contains(data, []byte("think=")) {
			return // it would only wait
		}
		for _, op := range []string{opConverse, opConverseStream, opCountTokens, opInvoke, opInvokeStream} {
			for _, id := range []string{claudeID, "us.amazon.nova-2-lite-v1:0", "anthropic.claude-sonnet-4-20250514-v1:0", "amazon.titan-embed-text-v2:0",
				"cohere.embed-english-v3", "moonshot.kimi-k2-thinking", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
				idPegasus, demoSonnet, idLlama33, idOpus48, "stability.sd3-5-large-v1:0", "us.stability.stable-outpaint-v1:0"} {
				rec := post(t, s, call{Op: op, ModelID: id, Raw: data})
				if rec.Code >= 400 && rec.Header().Get("X-Amzn-Errortype") == "" && !bytes.Contains(data, []byte("plain-")) {
					t.Errorf("%s %s: %d %.300s", op, id, rec.Code, rec.Body)
				}
			}
		}
	})
}
