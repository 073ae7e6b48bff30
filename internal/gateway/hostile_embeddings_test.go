package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"outcrop/internal/catalog"
)

// hostileEmbeddings are bodies that must be refused, and the field that the error names.
func hostileEmbeddings() [][2]string {
	list := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	return [][2]string{
		{``, ""}, {`null`, ""}, {`7`, ""}, {`"a"`, ""}, {`[]`, ""}, {`{`, ""}, {`{"input":"a"} x`, ""}, {`{"input":["a",]}`, ""}, {"{\"input\":\"\xff\"}", ""},
		{"{\"input\":\"a\nb\"}", ""}, {`{"input":"\u12"}`, ""}, {`{"input":NaN}`, ""}, {"\x1f\x8b\x08\x00", ""}, {"input=a", ""},
		{`{}`, "input"}, {`{"Input":"a"}`, "input"}, {`{"input":null}`, "input"}, {`{"input":null,"custom_input":null}`, "input"},
		{`{"input":""}`, "input"}, {`{"input":["a",""]}`, "input[1]"}, {`{"input":true}`, "input"}, {`{"input":{}}`, "input"}, {`{"input":7}`, "input"},
		{`{"input":[1,2,3]}`, "input"}, {`{"input":[[1,2],[3]]}`, "input"}, {`{"input":[[]]}`, "input"}, {`{"input":[["a"]]}`, "input"}, {`{"input":["a",1]}`, "input[1]"},
		{`{"input":["a",[1]]}`, "input[1]"}, {`{"input":["a",null]}`, "input[1]"}, {`{"input":[null]}`, "input[0]"}, {`{"input":[{"text":"a"}]}`, "input[0]"},
		{`{"input":"a","input":"b"}`, "input"}, {`{"input":"a","\u0069nput":"b"}`, "input"}, {`{"custom_input":[],"custom_input":[]}`, "custom_input"},
		{`{"custom_input":"a"}`, "custom_input"}, {`{"custom_input":{}}`, "custom_input"}, {`{"custom_input":[7]}`, "custom_input[0]"}, {`{"custom_input":[null]}`, "custom_input[0]"},
		{`{"custom_input":[""]}`, "custom_input[0]"}, {`{"custom_input":["a",[]]}`, "custom_input[1]"}, {`{"custom_input":[["a",[]]]}`, "custom_input[0][1]"},
		{`{"custom_input":[["a",7]]}`, "custom_input[0][1]"}, {`{"custom_input":[{}]}`, "custom_input[0].data"}, {`{"custom_input":[["a",{}]]}`, "custom_input[0][1].data"},
		{`{"custom_input":[{"type":"image/png","data":"%%%"}]}`, "custom_input[0].data"}, {`{"custom_input":[{"type":7,"data":"AAAA"}]}`, "custom_input[0].type"},
		{`{"custom_input":[{"data":7}]}`, "custom_input[0].data"}, {`{"custom_input":[{"data":"AAAA","url":"files/a"}]}`, "custom_input[0]"},
		{`{"custom_input":[{"url":"file:///etc/passwd"}]}`, "custom_input[0].url"}, {`{"custom_input":[{"url":"files/../v1/keys"}]}`, "custom_input[0].url"},
		{`{"custom_input":[{"url":"files/%2e%2e/keys"}]}`, "custom_input[0].url"}, {`{"custom_input":[{"url":"data:image/png,AAAA"}]}`, "custom_input[0].url"},
		{`{"custom_input":[{"url":"http://internal.example/a"}]}`, "custom_input[0].url"}, {`{"custom_input":[{"url":"a","url":"b"}]}`, "custom_input[0].url"},
		{`{"input":"a","dimensions":0}`, "dimensions"}, {`{"input":"a","dimensions":-1}`, "dimensions"}, {`{"input":"a","dimensions":1.5}`, "dimensions"},
		{`{"input":"a","dimensions":"256"}`, "dimensions"}, {`{"input":"a","dimensions":1e30}`, "dimensions"}, {`{"input":"a","dimensions":65537}`, "dimensions"},
		{`{"input":"a","encoding_format":"int8"}`, "encoding_format"}, {`{"input":"a","encoding_format":["float"]}`, "encoding_format"},
		{`{"input":"a","custom_fields":7}`, "custom_fields"}, {`{"input":"a","custom_fields":{"type":7}}`, "custom_fields.type"},
		{`{"input":"a","custom_fields":{"instruction":[]}}`, "custom_fields.instruction"}, {`{"input":"a","custom_fields":{"configuration":[]}}`, "custom_fields.configuration"},
		{`{"input":"a","model":7}`, "model"},
		{`{"input":[` + list(`"a"`, 100_000) + `]}`, "input"}, {`{"input":[` + list(`15339`, 100_000) + `]}`, "input"}, {`{"input":[` + list(`[15339,1]`, 100_000) + `]}`, "input"},
		{`{"custom_input":[` + list(`"a"`, 100_000) + `]}`, "custom_input"}, {`{"custom_input":[[` + list(`"a"`, 100_000) + `]]}`, "custom_input[0]"},
		{`{"custom_input":[` + list(`{"data":"AAAA"}`, 9_999) + `]}`, "custom_input[5000]"}, {`{"input":"a","x":` + strings.Repeat("[", 100_000), ""},
		{`{"input":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, "input"}, {`{"custom_input":` + strings.Repeat("[", 100_000), "custom_input[0][0]"},
		{`{"input":"a","dimensions":` + strings.Repeat("9", 1_000_000) + `}`, "dimensions"}, {`{"input":"a","encoding_format":"` + strings.Repeat("a", 1<<20) + `"}`, "encoding_format"},
		{`{"input":"a",` + strings.Join(manifold(`"x%d":1`, 100_000), ",") + `}`, "x999"},
	}
}

// TestHostileEmbeddings: as TestHostileBodies.
func TestHostileEmbeddings(t *testing.T) {
	h := gatewayOf(t, &catalog.Deployment{Name: "m", Embed: uncalled(t)}, remotes{t: t}.fetcher())
	for _, row := range hostileEmbeddings() {
		var code int
		var got refused
		var err error
		spent := work(func() {
			w := post(t.Context(), t, h, embedOfRoute, row[0])
			code = w.Code
			got, err = readRefused(w.Body.Bytes())
		})
		named := ""
		if got.Param != nil {
			named = *got.Param
		}
		if err != nil || code != http.StatusBadRequest || got.Type != "invalid_request_error" || named != row[1] {
			t.Errorf("%.90s: %d, %q instead of %q, %v: %s", row[0], code, named, row[1], err, got.Message)
		}
		spent.check(t, len(row[0]))
	}
}

// TestHostileReranks: the same in Cohere's shape.
func TestHostileReranks(t *testing.T) {
	h := gatewayOf(t, &catalog.Deployment{Name: "m", Rerank: rerankFunc(nil)}, nil)
	list := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	for _, row := range [][2]string{
		{``, "The body is not valid JSON"}, {`[]`, "The body is not a rerank request"}, {`{}`, "query: "}, {`{"query":"q"}`, "documents: "},
		{`{"query":"q","documents":[]}`, "documents: "}, {`{"query":"q","documents":[7]}`, "documents[0]: "}, {`{"query":"q","documents":{}}`, "documents: "},
		{`{"query":["q"],"documents":["a"]}`, "query: "}, {`{"query":"q","documents":["a"],"top_n":-1}`, "top_n: "}, {`{"query":"q","documents":[{}]}`, "documents[0].text: "},
		{`{"query":"q","documents":[` + list(`"a"`, 100_000) + `]}`, "documents: "}, {`{"query":"q","documents":` + strings.Repeat("[", 100_000), "documents[0]: "},
		{`{"query":"q","documents":["a"],"x":` + strings.Repeat("[", 100_000), "The body is not valid JSON"},
	} {
		spent := work(func() {
			w := post(t.Context(), t, h, "/v2/rerank", row[0])
			var reply map[string]string
			if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil || w.Code != http.StatusBadRequest || len(reply) != 1 || !strings.HasPrefix(reply["message"], row[1]) {
				t.Errorf("%.90s: %d %s", row[0], w.Code, w.Body)
			}
		})
		spent.check(t, len(row[0]))
	}
}
