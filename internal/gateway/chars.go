package gateway

import (
	"strings"
	"unicode/utf8"

	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// chars are the characters of a text other than spaces, which is what DIAL's unit char_without_whitespace counts.
func chars(text string) int { return utf8.RuneCountInString(text) - strings.Count(text, " ") }

// byChars says whether characters are what is paid for.
func (s *served) byChars() bool { return s.Price != nil && s.Price.Unit == usage.Chars }

// countPrompt counts the characters of a chat's messages, where they are paid for.
func (t *tally) countPrompt(s *served, messages []llm.Message) {
	if t == nil || !s.byChars() {
		return
	}
	t.chars, t.terms.PromptChars = true, 0
	for i := range messages {
		t.countParts(messages[i].Parts)
	}
}

// countInputs counts those of embeddings.
func (t *tally) countInputs(s *served, inputs []llm.EmbedInput) {
	if t == nil || !s.byChars() {
		return
	}
	t.chars, t.terms.PromptChars = true, 0
	for i := range inputs {
		t.countParts(inputs[i].Parts)
	}
}

func (t *tally) countParts(parts []llm.Part) {
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Text:
			t.terms.PromptChars += chars(p.Text)
		case llm.ToolResult:
			t.countParts(p.Parts)
		}
	}
}
