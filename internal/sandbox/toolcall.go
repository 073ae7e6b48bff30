package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode"
)

// calls are the tool calls the question leads to: when the request forces one,
// when a directive wishes one, or when the user's words name a tool. An answer
// of a tool is not answered with a call again, unless the request forces it.
func (q *question) calls() []block {
	chosen := q.choose()
	if len(chosen) == 0 {
		return nil
	}
	n := len(chosen)
	if q.wish.tools > 0 {
		n = q.wish.tools
	}
	calls, left, about := make([]block, n), maxInstanceBytes, subject(q.text)
	for i := range calls {
		t := chosen[i%len(chosen)]
		calls[i] = q.call(t, i, instantiate(t.schema, about, &left))
	}
	return calls
}

func (q *question) choose() []tool {
	if len(q.tools) == 0 {
		return nil
	}
	name := q.wish.tool
	if q.choice == "auto" && q.wish.loop > 0 && q.rounds >= q.wish.loop {
		return nil
	}
	if forced, ok := strings.CutPrefix(q.choice, "tool:"); ok {
		name = forced
	}
	if i := slices.IndexFunc(q.tools, func(t tool) bool { return t.name == name }); i >= 0 {
		return q.tools[i : i+1]
	}
	if q.choice == "auto" && q.wish.tools == 0 && q.wish.loop == 0 && (len(q.answers) > 0 || q.wish.hasText || q.wish.tokens > 0) {
		return nil
	}
	var named []tool
	said := listen(q.text)
	for _, t := range q.tools {
		if said.mentions(t.name) {
			named = append(named, t)
		}
	}
	switch {
	case len(named) > 0:
		return named
	case q.wish.tools > 0, q.wish.loop > 0, q.choice == "any":
		return q.tools[:1]
	}
	return nil
}

// speech is what a text says, taken apart once for all tools.
type speech struct {
	words map[string]bool // letters and digits, in lower case
	names map[string]bool // likewise, with the - and _ that names of tools have
}

func listen(text string) speech {
	s := speech{words: map[string]bool{}, names: map[string]bool{}}
	text = strings.ToLower(text)
	for w := range strings.FieldsFuncSeq(text, betweenWords) {
		s.words[w] = true
	}
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return r != '-' && r != '_' && betweenWords(r) }) {
		s.names[w] = true
	}
	return s
}

func betweenWords(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// mentions says whether a tool is named, as it is written or by the words it is
// made of: "weather" is enough for get_current_weather.
func (s speech) mentions(name string) bool {
	name = strings.ToLower(name)
	if s.names[name] {
		return true
	}
	found := false
	for w := range strings.FieldsFuncSeq(name, betweenWords) {
		switch w {
		case "get", "set", "current", "fetch", "find", "lookup", "call", "run", "do", "make", "the", "a", "of", "for", "in", "by", "to":
			continue
		}
		if !s.words[w] {
			return false
		}
		found = true
	}
	return found
}

// call makes the n-th tool call of an answer.
func (q *question) call(t tool, n int, value any) block {
	input, ok := value.(map[string]any)
	if !ok {
		input = map[string]any{} // a tool's input is an object whatever its schema says
	}
	return block{
		kind: blockTool, id: q.callID(t.name, n), name: t.name, input: input,
		pieces: q.fragments(input),
	}
}

// callID looks like the family's own ids.
func (q *question) callID(name string, n int) string {
	id := make([]byte, 0, sha256.Size+8)
	id = binary.BigEndian.AppendUint64(append(id, q.seed[:]...), uint64(n))
	sum := sha256.Sum256(id)
	digits := new(big.Int).SetBytes(sum[:]).Text(62)
	switch q.family {
	case familyMistral:
		return digits[:9]
	case familyKimi:
		return fmt.Sprintf("functions.%s:%d", clip(name, 40), n)
	}
	return "tooluse_" + digits[:22]
}

// fragments cuts a tool's input as the family streams it: Nova at once, Claude
// in small pieces after an empty one, and nothing at all for an empty object.
func (q *question) fragments(input map[string]any) []string {
	whole := string(encode(input))
	switch {
	case q.family == familyNova || q.family == familyNova2:
		return []string{whole}
	case q.family == familyClaude && whole == "{}":
		return []string{""}
	case q.family == familyClaude:
		return append([]string{""}, chop(whole, 9)...)
	}
	return chop(whole, 16)
}

// chop cuts a text into pieces of n characters.
func chop(s string, n int) []string {
	var out []string
	runes := []rune(s)
	for len(runes) > n {
		out = append(out, string(runes[:n]))
		runes = runes[n:]
	}
	return append(out, string(runes))
}
