package cohere

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

func TestDecode(t *testing.T) {
	tests := []struct {
		name, body string
		req        llm.RerankRequest
		shape      Shape
	}{
		{
			"v2", `{"model":"m","query":"q","documents":["a","","\u00e9"],"top_n":2,"max_tokens_per_doc":512}`,
			llm.RerankRequest{Query: "q", Documents: []string{"a", "", "é"}, TopN: 2, MaxTokensPerDoc: 512}, Shape{Model: "m"},
		},
		{
			"v1", `{"query":"q","documents":[{"text":"a","title":"t"},"b",{"title":null,"text":"c"}],"rank_fields":["text"],"return_documents":true,"max_chunks_per_doc":10}`,
			llm.RerankRequest{Query: "q", Documents: []string{"a", "b", "c"}},
			Shape{Documents: true, Ignored: []string{"documents[0].title", "max_chunks_per_doc"}},
		},
		{
			"nulls and unknowns", `{"query":"q","documents":["a"],"top_n":null,"model":null,"priority":1,"rank_fields":["title"],"x":{"y":[]},"z":""}`,
			llm.RerankRequest{Query: "q", Documents: []string{"a"}}, Shape{Ignored: []string{"priority", "rank_fields", "x"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, shape, err := Decode([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.req, *req) + cmp.Diff(tt.shape, shape); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`"a",`, maxDocuments+1), ",")
	tests := []struct{ body, param, message string }{
		{``, "", "The body is not valid JSON: line 1, column 1: unexpected end of input, expected an object."},
		{`[]`, "", "The body is not a rerank request: expected an object, got an array."},
		{`{"query":"q","documents":["a",]}`, "", "The body is not valid JSON: line 1, column 31: unexpected ']', expected a value."},
		{`{"query":"q","documents":["a"]} x`, "", "The body is not valid JSON: line 1, column 33: unexpected 'x' after the end of the document."},
		{`{"documents":["a"]}`, "query", "query: missing or empty; expected what the documents are to answer."},
		{`{"query":"","documents":["a"]}`, "query", "query: missing or empty; expected what the documents are to answer."},
		{`{"query":7,"documents":["a"]}`, "query", "query: expected a string, got a number."},
		{`{"query":"q"}`, "documents", "documents: missing; expected an array of strings."},
		{`{"query":"q","documents":null}`, "documents", "documents: missing; expected an array of strings."},
		{`{"query":"q","documents":[]}`, "documents", "documents: empty; expected at least one document."},
		{`{"query":"q","documents":"a"}`, "documents", "documents: expected an array, got a string."},
		{`{"query":"q","documents":["a",7]}`, "documents[1]", "documents[1]: expected a string or an object with a text."},
		{`{"query":"q","documents":["a",null]}`, "documents[1]", "documents[1]: expected a string or an object with a text."},
		{`{"query":"q","documents":[["a"]]}`, "documents[0]", "documents[0]: expected a string or an object with a text."},
		{`{"query":"q","documents":["a",{"title":"t"}]}`, "documents[1].text", "documents[1].text: missing; of a document that is an object the text is ranked."},
		{`{"query":"q","documents":[{"text":"a","text":"b"}]}`, "documents[0].text", "documents[0].text: given twice."},
		{`{"query":"q","documents":[{"text":7}]}`, "documents[0].text", "documents[0].text: expected a string, got a number."},
		{`{"query":"q","documents":[` + many + `]}`, "documents", "documents: too many documents; at most 10000 are accepted."},
		{`{"query":"q","query":"r","documents":["a"]}`, "query", "query: given twice."},
		{`{"query":"q","documents":["a"],"top_n":0}`, "top_n", "top_n: expected an integer from 1 to 2147483647."},
		{`{"query":"q","documents":["a"],"top_n":1.5}`, "top_n", "top_n: expected an integer, got a number with a fraction or out of range."},
		{`{"query":"q","documents":["a"],"max_tokens_per_doc":"10"}`, "max_tokens_per_doc", "max_tokens_per_doc: expected an integer, got a string."},
		{`{"query":"q","documents":["a"],"return_documents":"yes"}`, "return_documents", "return_documents: expected true or false, got a string."},
		{`{"model":7,"query":"q","documents":["a"]}`, "model", "model: expected a string, got a number."},
	}
	for _, tt := range tests {
		req, shape, err := Decode([]byte(tt.body))
		e, ok := errors.AsType[*llm.Error](err)
		if !ok || e.Kind != llm.KindInvalid || e.Param != tt.param || e.Message != tt.message || req != nil || shape.Model != "" {
			t.Errorf("%.100s: got %v, want %q", tt.body, err, tt.message)
		}
	}
}

func TestIgnoredIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `,"x%d":1`, i)
	}
	_, shape, err := Decode([]byte(`{"query":"q","documents":["a"]` + b.String() + "}"))
	if err != nil || len(shape.Ignored) != maxIgnored+1 || shape.Ignored[maxIgnored] != "…and 36 more" {
		t.Errorf("%v: %q", err, shape.Ignored)
	}
}

func TestHostileBodiesTakeLittle(t *testing.T) {
	const size = 6 << 20
	list := func(item string) string { return strings.TrimSuffix(strings.Repeat(item+",", size/len(item)), ",") }
	for name, body := range map[string]string{
		"documents": `{"query":"q","documents":[` + list(`"a"`) + `]}`,
		"objects":   `{"query":"q","documents":[` + list(`{}`) + `]}`,
		"deep":      `{"query":"q","documents":` + strings.Repeat("[", size) + `}`,
		"members":   `{"query":"q","documents":["a"],` + list(`"x":1`) + `}`,
		"within":    `{"query":"q","documents":[{"text":"a",` + list(`"x":1`) + `}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			text := []byte(body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, _, err := Decode(text)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			if spent := after.TotalAlloc - before.TotalAlloc; spent > size || took > 20*time.Second {
				t.Errorf("%d bytes in %s: %v", spent, took, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"model":"m","query":"q","documents":["a",{"text":"b","x":1}],"top_n":2}`))
	f.Add([]byte(`{"query":"q","documents":[{"text":"\ud83d\ude00"}],"max_tokens_per_doc":1e2,"return_documents":true,"x":null}`))
	f.Add([]byte(`{"query":"q","documents":[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, shape, err := Decode(body)
		if err != nil {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Kind != llm.KindInvalid || e.Message == "" || len(e.Message) > 400 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		var doc map[string]json.RawMessage
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatalf("%q is not JSON and was accepted: %v", body, err)
		}
		var query string
		var raw []json.RawMessage
		var want []string
		if json.Unmarshal(doc["query"], &query) != nil || json.Unmarshal(doc["documents"], &raw) != nil {
			t.Fatalf("%q was accepted", body)
		}
		for _, d := range raw {
			var text string
			if json.Unmarshal(d, &text) != nil {
				var object map[string]json.RawMessage
				if json.Unmarshal(d, &object) != nil || json.Unmarshal(object["text"], &text) != nil {
					t.Fatalf("%q was accepted", body)
				}
			}
			want = append(want, text)
		}
		if query != req.Query || !slices.Equal(want, req.Documents) || slices.Contains(shape.Ignored, "") || req.TopN < 0 || req.MaxTokensPerDoc < 0 {
			t.Fatalf("%q: %+v %+v", body, req, shape)
		}
	})
}

func TestWriteReply(t *testing.T) {
	out := &llm.Reranking{Results: []llm.Ranked{{Index: 1, Score: 0.9871293}, {Index: 0, Score: 1e-7}}, Units: 1}
	const head, tail = `{"id":"r","results":[{"index":1,"relevance_score":0.9871293`, `"},"billed_units":{"search_units":1}}}` + "\n"
	for want, env := range map[string]Envelope{
		head + `},{"index":0,"relevance_score":1e-07}],"meta":{"api_version":{"version":"2` + tail: {ID: "r", Version: "2"},
		head + `,"document":{"text":"b"}},{"index":0,"relevance_score":1e-07,"document":{"text":"a\"\u0001"}}],"meta":{"api_version":{"version":"1` + tail: {
			ID: "r", Version: "1", Documents: []string{"a\"\x01", "b"},
		},
	} {
		w := httptest.NewRecorder()
		if err := WriteReply(w, out, env); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, w.Body.String()); diff != "" || !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v (-want +got):\n%s", w.Header(), diff)
		}
	}
}

func TestWriteError(t *testing.T) {
	tests := []struct {
		err          error
		after, wants string
	}{
		{llm.Invalid("documents[3]", "documents[3]: expected a string."), "", `{"message":"documents[3]: expected a string."}`},
		{llm.Invalid("top_n", "At most 5."), "", `{"message":"top_n: At most 5."}`},
		{&llm.Error{Kind: llm.KindRateLimited, Message: "Too much."}, "1", `{"message":"Too much."}`},
		{&llm.Error{Kind: llm.KindUnavailable, Message: "Later.", RetryAfter: 1500 * time.Millisecond}, "2", `{"message":"Later."}`},
		{errors.New("secret"), "", `{"message":"The server failed to process the request."}`},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		WriteError(w, http.StatusTeapot, tt.err)
		if w.Code != http.StatusTeapot || strings.TrimSpace(w.Body.String()) != tt.wants || w.Header().Get("Retry-After") != tt.after {
			t.Errorf("%v: %d %v %s", tt.err, w.Code, w.Header(), w.Body)
		}
	}
}
