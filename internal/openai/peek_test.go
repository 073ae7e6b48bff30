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

// TestPromptTokensOfFiles: a long string without a space counts as a file, wherever it stands, and nothing else does.
func TestPromptTokensOfFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"text":                         {`{"messages":[{"content":"` + strings.Repeat("word ", 3000) + `"}]}`, (25 + 15000 + 4) / bytesPerToken},
		"a file":                       {`{"data":"` + strings.Repeat("QUJD", 3000) + `"}`, 11/bytesPerToken + fileTokens},
		"a file after much text":       {`{"text":"` + strings.Repeat("word ", 3000) + `","data":"` + strings.Repeat("QUJD", 3000) + `"}`, (9+15000+10+2)/bytesPerToken + fileTokens},
		"two":                          {`["` + strings.Repeat("QUJD", 3000) + `","` + strings.Repeat("QUJD", 3000) + `"]`, 7/bytesPerToken + 2*fileTokens},
		"one that is just long enough": {`["` + strings.Repeat("x", longestText+1) + `"]`, 4/bytesPerToken + fileTokens},
		"one that is not":              {`["` + strings.Repeat("x", longestText) + `"]`, (4 + longestText) / bytesPerToken},
		"numbers":                      {`{"input":[` + strings.Repeat("17,", 3000) + `17],"model":"m"}`, (10 + 9000 + 16) / bytesPerToken},
		"blanks":                       {`{"a":1,` + strings.Repeat("\n", 9000) + `"b":"c"}`, (7 + 9000 + 8) / bytesPerToken},
		"a file in a string of JSON":   {`{"arguments":"{\"data\":\"` + strings.Repeat("QUJD", 3000) + `\"}"}`, (25 + 12000 + 5) / bytesPerToken},
		"a file with a late escape":    {`{"data":"` + strings.Repeat("QUJD", 3000) + `\"QUJD","a":"b"}`, 19/bytesPerToken + fileTokens},
		"one that is not closed":       {`{"data":"` + strings.Repeat("QUJD", 3000), (9 + 12000) / bytesPerToken},
		"nothing":                      {"", 0},
	} {
		if got := PromptTokens([]byte(tt.body)); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
		for shift := range 64 { // wherever its stretches begin
			body := strings.Repeat(" ", 67*shift) + tt.body
			if got, most := PromptTokens([]byte(body)), tt.want+67*shift/bytesPerToken+1; got < tt.want || got > most {
				t.Errorf("%s, %d bytes later: %d, want %d to %d", name, 67*shift, got, tt.want, most)
			}
		}
	}
}
