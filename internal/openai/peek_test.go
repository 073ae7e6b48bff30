package openai

import (
	"strings"
	"testing"

	"outcrop/internal/llm"
)

// TestWhatIsPeekedAtIsThereOnce: whoever gets the body as it is may take the other one.
func TestWhatIsPeekedAtIsThereOnce(t *testing.T) {
	for body, param := range map[string]string{
		`{"model":"a","input":"Hi"}`: "", `{"model":"a","model":"a"}`: "model", `{"model":"a","x":{"model":"b"},"\u006dodel":"b"}`: "model",
		`{"model":null,"model":"b"}`: "model",
	} {
		err := CheckOneModel([]byte(body))
		_, peeked := PeekResponses([]byte(body))
		for _, err := range []error{err, peeked} {
			if (err != nil) != (param != "") || err != nil && llm.AsError(err).Param != param {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
	for _, name := range []string{"stream", "background", "store", "previous_response_id", "conversation"} {
		if _, err := PeekResponses([]byte(`{"model":"a","` + name + `":false,"` + name + `":true}`)); err == nil || llm.AsError(err).Param != name {
			t.Errorf("%s twice: %v", name, err)
		}
	}
	for _, body := range []string{"", " ", "\ufeff{}", `{"model"`} {
		if _, err := PeekResponses([]byte(body)); err == nil || !strings.Contains(err.Error(), "JSON") {
			t.Errorf("%q: %v", body, err)
		}
	}
	if p, err := PeekResponses([]byte(`{"model":"a","input":`)); err != nil || p.Model != "a" {
		t.Errorf("what is wrong later is not for here: %+v, %v", p, err)
	}
}

func BenchmarkPeekResponses(b *testing.B) {
	body := []byte(`{"model":"a","stream":true,"input":"` + strings.Repeat("word ", 400) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := PeekResponses(body); err != nil {
			b.Fatal(err)
		}
	}
}
