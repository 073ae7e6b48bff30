package bedrock

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzUsualDelta: what is read in one step is what encoding/json reads, and AWS's usual payload is.
func FuzzUsualDelta(f *testing.F) {
	usual := []string{
		`{"contentBlockIndex":0,"delta":{"text":"Hello"},"p":"abcdefghijk"}`, `{"contentBlockIndex":3,"delta":{"text":" 日本"}}`,
		`{"contentBlockIndex":1,"delta":{"text":""},"p":""}`,
	}
	for _, payload := range usual {
		if _, _, ok := usualDelta([]byte(payload)); !ok {
			f.Errorf("%s is read the long way", payload)
		}
		f.Add([]byte(payload))
	}
	for _, payload := range []string{
		`{"contentBlockIndex":12,"delta":{"text":"Hello"}}`, `{"contentBlockIndex":0,"delta":{"text":"a\nb"}}`, `{"contentBlockIndex":0,"delta":{"text":"a"},"p":"b"`,
		`{"contentBlockIndex":0,"delta":{"text":"a"},"p":"b"},`, `{"contentBlockIndex":0,"delta":{"text":"a"}`, `{"contentBlockIndex":0,"delta":{"text":"a"},"p":"b","q":1}`,
		`{"contentBlockIndex":-,"delta":{"text":"a"}}`, `{"contentBlockIndex":0,"delta":{"toolUse":{"input":"a"}}}`, `{"contentBlockIndex":0`, `{}`, ``,
		"{\"contentBlockIndex\":0,\"delta\":{\"text\":\"\xff\"}}",
	} {
		if _, _, ok := usualDelta([]byte(payload)); ok {
			f.Errorf("%s is read in one step", payload)
		}
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		block, text, ok := usualDelta(payload)
		if !ok {
			return
		}
		var want struct {
			ContentBlockIndex int
			Delta             struct{ Text string }
		}
		if err := json.Unmarshal(payload, &want); err != nil || !utf8.Valid(payload) {
			t.Fatalf("%q: %v", payload, err)
		}
		if block != want.ContentBlockIndex || text != want.Delta.Text {
			t.Errorf("%q: %d %q, want %d %q", payload, block, text, want.ContentBlockIndex, want.Delta.Text)
		}
	})
}
