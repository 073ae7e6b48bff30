package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// The kinds of a block.
const (
	blockText      = "text"
	blockReasoning = "reasoning"
	blockRedacted  = "redacted"
	blockTool      = "tool"
	blockImage     = "image"
	blockServerUse = "server tool"        // a tool that the service runs by itself
	blockServerSay = "server tool result" // what it gave
)

// block is one content block of an answer, already cut into what a stream would
// send piece by piece.
type block struct {
	kind      string
	pieces    []string  // tokens of a text; fragments of a tool's input, as JSON
	signature string    // of Claude's reasoning
	id, name  string    // of a tool call
	input     any       // of a tool call, or what a tool of the service gave
	image     string    // a PNG in base64
	streamed  bool      // only streams have it
	citation  *citation // what the text is taken from
}

func (b block) text() string { return strings.Join(b.pieces, "") }

// answer is what the model said.
type answer struct {
	blocks       []block
	stop         string // Converse's stopReason
	stopSequence string // the one that was met
	tokens       int    // generated, reasoning and tool calls included
}

// answer is the model: the same question always gets the same answer.
func (q *question) answer() answer {
	var a answer
	calls := q.calls()
	said := q.say(calls)
	switch {
	case q.wish.stop == "guardrail_intervened" && !q.wish.hasText:
		said, calls = "Sorry, the guardrail of the sandbox blocked this.", nil
	case q.reasoning == "":
	default:
		a.blocks = append(a.blocks, q.think())
	}
	if q.wish.serverTool {
		a.blocks = append(a.blocks, q.useServerTool()...)
	}
	if said != "" || len(calls) == 0 {
		a.blocks = append(a.blocks, block{kind: blockText, pieces: tokenize(said), citation: q.cite()})
	}
	if q.wish.image {
		a.blocks = append(a.blocks, block{kind: blockImage, image: drawing(q.seed)})
	}
	a.blocks = append(a.blocks, calls...)
	q.arrange(&a)
	a.stop = "end_turn"
	if len(calls) > 0 {
		a.stop = "tool_use"
	}
	q.obeyLimit(&a)
	q.obeyStops(&a)
	if q.wish.stop != "" {
		a.stop = q.wish.stop
	}
	for _, b := range a.blocks {
		a.tokens += len(b.pieces)
	}
	return a
}

// arrange puts the blocks into the order of the family (bedrock-api.md §2.4 and
// §2.5): R1 thinks after it has spoken, gpt-oss streams an empty text first.
func (q *question) arrange(a *answer) {
	if len(a.blocks) < 2 || a.blocks[0].kind != blockReasoning {
		return
	}
	switch q.family {
	case familyDeepseek:
		a.blocks[0], a.blocks[1] = a.blocks[1], a.blocks[0]
	case familyGptOSS:
		a.blocks = slices.Insert(a.blocks, 0, block{kind: blockText, streamed: true})
	}
}

// obeyLimit stops after maxTokens tokens. A tool call is made whole or not at
// all.
func (q *question) obeyLimit(a *answer) {
	left := q.maxTokens
	if left == 0 {
		return
	}
	for i := range a.blocks {
		b := &a.blocks[i]
		if n := len(b.pieces); n <= left {
			left -= n
			continue
		}
		keep := i
		if b.kind != blockTool && left > 0 {
			// what was thought to its end has a signature, what was cut off has none
			b.pieces, b.signature, keep = b.pieces[:left], "", i+1
		}
		a.blocks, a.stop = a.blocks[:keep], "max_tokens"
		if keep == 0 { // a reply has content
			a.blocks = []block{{kind: blockText}}
		}
		return
	}
}

// obeyStops ends the text at the first stop sequence. Claude and most others
// cut it off and say so; Nova keeps it and calls it the end of its turn.
func (q *question) obeyStops(a *answer) {
	for i, b := range a.blocks {
		if b.kind != blockText {
			continue
		}
		said := b.text()
		at, met := len(said), ""
		for _, s := range q.stops {
			if p := strings.Index(said, s); p >= 0 && p < at {
				at, met = p, s
			}
		}
		if met == "" {
			continue
		}
		a.stop, a.stopSequence = "stop_sequence", met
		if q.family == familyNova || q.family == familyNova2 {
			a.stop, at = "end_turn", at+len(met)
		}
		a.blocks[i].pieces = tokenize(said[:at])
		a.blocks = a.blocks[:i+1]
		return
	}
}

// say is the text of the answer.
func (q *question) say(calls []block) string {
	switch {
	case q.wish.hasText:
		return q.wish.text
	case q.wish.tokens > 0:
		return lorem(q.wish.tokens)
	case len(calls) > 0:
		return q.announce(calls)
	case q.schema != nil:
		return string(encode(instantiate(q.schema, subject(q.text), new(maxInstanceBytes))))
	}
	var b strings.Builder
	switch {
	case len(q.answers) > 0:
		b.WriteString("The tools have answered.")
		answers := q.answers
		if q.wish.loop > 0 {
			answers = q.gathered
		}
		for _, t := range answers {
			fmt.Fprintf(&b, " %s said: “%s”.", orElse(t.name, "A tool"), clip(t.text, 400))
		}
	case q.prefill != "":
		fmt.Fprintf(&b, " … and so I go on after “%s”, in answer to “%s”.", clip(q.prefill, 60), clip(q.text, 200))
	case q.text != "":
		fmt.Fprintf(&b, "You said: “%s”.", clip(q.text, 400))
	default:
		b.WriteString("You sent no text.")
	}
	fmt.Fprintf(&b, " I am %s in the Outcrop sandbox and I have read %s; no model was called.", q.model, q.seen())
	return b.String()
}

// announce is what Claude and the first Nova say before they call a tool on
// their own account; the others just call.
func (q *question) announce(calls []block) string {
	if q.choice != "auto" {
		return ""
	}
	switch q.family {
	case familyClaude:
		return "I will use " + callNames(calls) + " for that."
	case familyNova:
		return "<thinking>The user needs " + callNames(calls) + ".</thinking>\n"
	}
	return ""
}

func callNames(calls []block) string {
	var names []string
	seen := map[string]bool{}
	for _, c := range calls {
		if !seen[c.name] {
			names = append(names, c.name)
		}
		seen[c.name] = true
	}
	return strings.Join(names, " and ")
}

// seen counts what came with the question.
func (q *question) seen() string {
	parts := []string{plural(q.messages, "message")}
	if q.system {
		parts = append(parts, "a system prompt")
	}
	for _, kind := range []string{"image", "document", "video", "audio"} {
		if n := q.media[kind]; n > 0 {
			parts = append(parts, plural(n, strings.Replace(kind, "audio", "recording", 1)))
		}
	}
	if n := len(q.tools); n > 0 {
		parts = append(parts, plural(n, "tool"))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

func plural(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// lorem is a text of exactly n tokens.
func lorem(n int) string {
	words := []string{"stone", "slate", "chalk", "marl", "flint", "shale", "gneiss", "tuff"}
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(words[i%len(words)])
	}
	return b.String()
}

// think is the reasoning in front of an answer.
func (q *question) think() block {
	if q.reasoning == "redacted" {
		return block{kind: blockRedacted, pieces: []string{sealThought(q.seed)}}
	}
	thought := fmt.Sprintf("The user says “%s”. I have %s at hand. Let me answer in a line.", clip(q.text, 120), plural(len(q.tools), "tool"))
	if q.family == familyNova2 {
		thought = "[REDACTED]." // observed: Nova 2 never shows its reasoning
	}
	b := block{kind: blockReasoning, pieces: tokenize(thought)}
	if q.reasoning == "omitted" {
		b.pieces = nil
	}
	if q.family == familyClaude || q.reasoning == "omitted" {
		b.signature = signThought(b.text(), q.seed)
	}
	return b
}

// maxTokenLength is where a long word becomes two tokens.
const maxTokenLength = 12

// tokenize cuts a text into the tokens the sandbox counts and streams: a word
// with the blanks before it.
func tokenize(s string) []string {
	var out []string
	var b strings.Builder
	letters := 0
	for _, r := range s {
		blank := unicode.IsSpace(r)
		if letters > 0 && (blank || letters == maxTokenLength) {
			out = append(out, b.String())
			b.Reset()
			letters = 0
		}
		b.WriteRune(r)
		if !blank {
			letters++
		}
	}
	if b.Len() > 0 {
		out = append(out, b.String())
	}
	return out
}
