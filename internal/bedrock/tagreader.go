package bedrock

import "strings"

// The tags between which gpt-oss writes what it thinks, at the begin of its content.
const (
	tagOpen  = "<reasoning>"
	tagClose = "</reasoning>"
)

// tagReader takes a model's thinking out of its content, however the pieces are cut. Only a tag at the
// very beginning counts: later ones are the answer's own words.
type tagReader struct {
	on     bool
	inside bool
	held   string // the end of what has come, which may be the begin of a tag
}

// add takes more content and gives on what is certain.
func (t *tagReader) add(text string, say func(thought bool, text string)) {
	if !t.on {
		say(false, text)
		return
	}
	text = t.held + text
	t.held = ""
	if !t.inside {
		switch {
		case strings.HasPrefix(text, tagOpen):
			t.inside, text = true, text[len(tagOpen):]
		case strings.HasPrefix(tagOpen, text):
			t.held = strings.Clone(text)
			return
		default:
			t.on = false
			say(false, text)
			return
		}
	}
	thought, answer, closed := strings.Cut(text, tagClose)
	if !closed {
		n := tailOf(tagClose, text)
		thought, t.held = text[:len(text)-n], strings.Clone(text[len(text)-n:])
	}
	t.on = !closed
	if thought != "" {
		say(true, thought)
	}
	if answer != "" {
		say(false, answer)
	}
}

// end gives on what was held.
func (t *tagReader) end(say func(thought bool, text string)) {
	if t.held != "" {
		say(t.inside, t.held)
	}
	t.held, t.on = "", false
}

// tailOf is the length of the longest end of text that begins word and is not the whole of it.
func tailOf(word, text string) int {
	for n := min(len(word)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, word[:n]) {
			return n
		}
	}
	return 0
}
