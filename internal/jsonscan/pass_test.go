package jsonscan

import (
	"strings"
	"testing"
)

// FuzzPass: what passes at once is what the scanner finds nothing wrong with step by step, to the same end.
func FuzzPass(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5e-3,"x\u00e9\\"],"b":null}, and more`, ` [ [ ] , { } , "" , -0 , true , false ] `, `"日本語 and \ud83d\ude00"`, `{"a":}`, `{"a":1,}`, `[1,]`, `[1}`, `{"a":1]`,
		`{a:1}`, `{"a" 1}`, `tru`, `nul`, `-`, `01`, `1.`, `1e+`, `1.5E-7x`, "\"\xff\"", "\"\x1f\"", `"\x"`, `"open`, "", " ", `[`, `{`, `{"a"`, `[1`, `{"a":{"b":[{}]}}`,
		strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), strings.Repeat(`{"a":[`, MaxDepth/2) + strings.Repeat("]}", MaxDepth/2),
		strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
	} {
		f.Add([]byte(seed), 0)
		f.Add([]byte(seed), 1)
	}
	f.Fuzz(func(t *testing.T, doc []byte, depth int) {
		s := New(doc)
		s.depth = max(depth, 0) % (MaxDepth + 1)
		end := pass(doc, 0, MaxDepth-s.depth)
		s.find()
		if (s.err == nil) != (end >= 0) || end >= 0 && end != s.pos {
			t.Errorf("%q at depth %d passes to %d, and is found to end at %d: %v", doc, s.depth, end, s.pos, s.err)
		}
	})
}

func TestPlain(t *testing.T) {
	for doc, want := range map[string]string{`"text", and more`: "text", `"日本"`: "日本", `""`: "", `"a\n"`: "-", `"open`: "-", "\"\xff\"": "-", "\"\n\"": "-", `"`: "-"} {
		text, next := Plain([]byte(doc), 1)
		if next == 0 {
			text = "-"
		} else if next != len(text)+2 {
			t.Errorf("%s: what comes next is at %d", doc, next)
		}
		if text != want {
			t.Errorf("%s: %q, want %q", doc, text, want)
		}
	}
}
