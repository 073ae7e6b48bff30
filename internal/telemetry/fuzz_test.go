package telemetry

import (
	"testing"
	"unicode/utf8"
)

// FuzzPromptLine: whatever a request holds, its entry in the prompt log is one line of JSON that says the same.
func FuzzPromptLine(f *testing.F) {
	f.Add("title", "/x?a=b", "X-Custom", "value", []byte(`{"messages":[]}`), []byte("data: {}\n\n"))
	f.Add("\x00\u2028\xff", "\"\\", "a\nb", "\r", []byte("\xf0\x9f"), []byte("\xf0\x9f\x98\x80"))
	filter, err := newHeaderFilter([]string{"api-key"}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, title, uri, header, value string, request, response []byte) {
		e := talking()
		e.Talk.Title, e.Talk.URI, e.Talk.Request, e.Talk.Response = title, uri, request, response
		e.Talk.Headers = map[string][]string{header: {value}, "Api-Key": {"hunter2swordfish"}}
		o := lineOf(t, filter, e)
		if user := o["user"].(map[string]any); utf8.ValidString(title) && user["title"] != title {
			t.Fatalf("%q became %q", title, user["title"])
		}
		if logged, _ := o["headers"].(map[string]any); logged["Api-Key"] == "hunter2swordfish" {
			t.Fatal("the key is logged")
		}
	})
}
