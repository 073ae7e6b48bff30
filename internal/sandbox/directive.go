package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// directive is what a request wishes of the sandbox. The zero value wishes
// nothing.
type directive struct {
	given  map[string]bool // the keys that were set in the part that is read
	broken bool            // one of them is a fault

	throttle  int    // calls of this conversation that are throttled first
	errorType string // exception to refuse with; status and message belong to it
	status    int
	message   string
	refuse    string // name of a refusal (see refusalNames)

	fault      fault
	after      int // frames before exception
	start      time.Duration
	drip       time.Duration // pause before every frame
	batch      int           // frames written together; 0 means 1
	unknown    bool          // insert an event of a type nobody knows
	stop       string        // stopReason, verbatim
	text       string
	hasText    bool
	tokens     int
	tool       string
	tools      int
	reasoning  string        // "", "on", "omitted" or "redacted"
	loop       int           // turns of tool calls that a prompt leads to
	think      time.Duration // silence after the reasoning began
	citations  bool          // quote the first document that may be cited
	image      bool          // draw one
	serverTool bool          // use a tool of the service's own first
	filter     string        // which filter of an image model strikes, or ""
	trace      bool          // report a guardrail although the request names none
	whoami     bool          // say who calls, and with which session tags
	route      string        // region of the profile that answers, or "every"
}

// The ways a reply can break.
const (
	faultException = "exception"
	faultCut       = "cut"
	faultCutInside = "cut-inside"
	faultEnd       = "end"
	faultBadCRC    = "badcrc"
	faultEmpty     = "empty"
)

// fault is one way to break a reply after a number of whole frames. The zero
// value breaks nothing.
type fault struct {
	kind      string
	frames    int
	exception string // type of the exception frame
}

// directiveKey is one word of the grammar.
type directiveKey struct {
	name string
	bare bool // may stand without a value
	set  func(d *directive, value string) error
}

// directiveKeys is the vocabulary, in alphabetical order. docs/sandbox.md
// explains each; TestDirectivesAreDocumented compares.
func directiveKeys() []directiveKey {
	return []directiveKey{
		{"after", false, func(d *directive, v string) (err error) { d.after, err = count(v); return }},
		{"badcrc", false, setFault(faultBadCRC)},
		{"batch", false, func(d *directive, v string) (err error) { d.batch, err = positive(v); return }},
		{"citations", true, setWish(func(d *directive) { d.citations = true })},
		{"cut", false, setFault(faultCut)},
		{"cut-inside", false, setFault(faultCutInside)},
		{"drip", false, func(d *directive, v string) (err error) { d.drip, err = pause(v); return }},
		{"empty", true, func(d *directive, v string) error {
			return setFlag(v, func() error { return d.breakWith(fault{kind: faultEmpty}) })
		}},
		{"end", false, setFault(faultEnd)},
		{"error", false, func(d *directive, v string) (err error) { d.errorType, err = exceptionName(v); return }},
		{"exception", false, func(d *directive, v string) error {
			if _, err := exceptionName(v); err != nil {
				return err
			}
			return d.breakWith(fault{kind: faultException, exception: v})
		}},
		{"filter", false, func(d *directive, v string) (err error) { d.filter, err = oneOf(v, filterWishes()); return }},
		{"image", true, setWish(func(d *directive) { d.image = true })},
		{"loop", false, func(d *directive, v string) (err error) { d.loop, err = positive(v); return }},
		{"message", false, func(d *directive, v string) error { d.message = v; return nil }},
		{"reasoning", true, func(d *directive, v string) (err error) { d.reasoning, err = reasoningWish(v); return }},
		{"refuse", false, func(d *directive, v string) (err error) { d.refuse, err = oneOf(v, refusalNames()); return }},
		{"route", false, func(d *directive, v string) (err error) { d.route, err = routeWish(v); return }},
		{"server-tool", true, setWish(func(d *directive) { d.serverTool = true })},
		{"start", false, func(d *directive, v string) (err error) { d.start, err = pause(v); return }},
		{"status", false, func(d *directive, v string) (err error) { d.status, err = errorStatus(v); return }},
		{"stop", false, func(d *directive, v string) error { d.stop = v; return nil }},
		{"text", false, func(d *directive, v string) error { d.text, d.hasText = v, true; return nil }},
		{"think", false, func(d *directive, v string) (err error) { d.think, err = pause(v); return }},
		{"throttle", false, func(d *directive, v string) (err error) { d.throttle, err = count(v); return }},
		{"tokens", false, func(d *directive, v string) (err error) { d.tokens, err = positive(v); return }},
		{"tool", false, func(d *directive, v string) error { d.tool = v; return nil }},
		{"tools", false, func(d *directive, v string) (err error) { d.tools, err = positive(v); return }},
		{"trace", true, setWish(func(d *directive) { d.trace = true })},
		{"unknown-event", true, setWish(func(d *directive) { d.unknown = true })},
		{"whoami", true, setWish(func(d *directive) { d.whoami = true })},
	}
}

func setFault(kind string) func(*directive, string) error {
	return func(d *directive, v string) error {
		n, err := count(v)
		if err != nil {
			return err
		}
		return d.breakWith(fault{kind: kind, frames: n})
	}
}

// breakWith notes the fault; a reply can break in one way only.
func (d *directive) breakWith(f fault) error {
	if d.broken {
		return fmt.Errorf("a reply breaks once, and %s is wished already", d.fault.kind)
	}
	d.fault, d.broken = f, true
	return nil
}

// setWish is for a key without a value that cannot fail.
func setWish(set func(*directive)) func(*directive, string) error {
	return func(d *directive, v string) error { return setFlag(v, func() error { set(d); return nil }) }
}

// setFlag runs set for a key without a value.
func setFlag(value string, set func() error) error {
	if value != "" {
		return fmt.Errorf("it takes no value")
	}
	return set()
}

// The largest numbers make a mistake visible before it costs memory or days.
const (
	maxCount = 100_000
	maxPause = 10 * time.Minute
)

func count(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > maxCount {
		return 0, fmt.Errorf("want a number from 0 to %d", maxCount)
	}
	return n, nil
}

func positive(v string) (int, error) {
	n, err := count(v)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("want a number from 1 to %d", maxCount)
	}
	return n, nil
}

func pause(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > maxPause {
		return 0, fmt.Errorf("want a duration such as 500ms or 2s, at most %s", maxPause)
	}
	return d, nil
}

func errorStatus(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 400 || n > 599 {
		return 0, fmt.Errorf("want an HTTP status from 400 to 599")
	}
	return n, nil
}

func oneOf(v string, names []string) (string, error) {
	if !slices.Contains(names, v) {
		return "", fmt.Errorf("want one of %s", strings.Join(names, ", "))
	}
	return v, nil
}

func reasoningWish(v string) (string, error) {
	switch v {
	case "", "on":
		return "on", nil
	case "redacted":
		return "redacted", nil
	case "signature-only":
		return "omitted", nil
	}
	return "", fmt.Errorf("want no value, redacted, or signature-only")
}

// exceptionName accepts the type of an exception: letters only, so that it fits
// a header of a reply and of a frame.
func exceptionName(v string) (string, error) {
	for _, c := range v {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return "", fmt.Errorf("want the name of an exception, such as ThrottlingException")
		}
	}
	if v == "" || len(v) > 100 {
		return "", fmt.Errorf("want the name of an exception, such as ThrottlingException")
	}
	return v, nil
}

// The brackets of a directive inside a message.
const (
	directiveOpen  = "[[sandbox"
	directiveClose = "]]"
)

// cutDirectives takes every directive out of a message, and the blanks around
// it, and adds its wishes to d.
func (d *directive) cutDirectives(text string) (rest string, err error) {
	var kept []string
	for {
		at := directiveStart(text)
		if at < 0 {
			break
		}
		words, after, err := scanWords(text[at+len(directiveOpen):])
		if err != nil {
			return "", err
		}
		if err := d.apply(words); err != nil {
			return "", err
		}
		kept = append(kept, strings.TrimRight(text[:at], " \t\r\n"))
		text = strings.TrimLeft(after, " \t\r\n")
	}
	kept = append(kept, text)
	kept = slices.DeleteFunc(kept, func(s string) bool { return s == "" })
	return strings.Join(kept, " "), nil
}

// parseHeader reads the words of X-Sandbox, which stand without brackets.
func (d *directive) parseHeader(value string) error {
	words, rest, err := scanWords(value + directiveClose)
	if err == nil && rest != "" {
		err = fmt.Errorf("the header X-Sandbox holds the words of one directive, without brackets")
	}
	if err != nil {
		return err
	}
	err = d.apply(words)
	d.given, d.broken = nil, false // the message may say otherwise
	return err
}

// directiveStart finds the next "[[sandbox" that ends a word.
func directiveStart(text string) int {
	for from := 0; ; {
		at := strings.Index(text[from:], directiveOpen)
		if at < 0 {
			return -1
		}
		at += from
		after := text[at+len(directiveOpen):]
		if after == "" || strings.ContainsRune(" \t\r\n]", rune(after[0])) {
			return at
		}
		from = at + len(directiveOpen)
	}
}

// word is key or key=value of a directive.
type word struct {
	key, value string
	valued     bool
}

// scanWords reads words up to the closing brackets and returns what follows.
func scanWords(s string) (words []word, rest string, err error) {
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if after, ok := strings.CutPrefix(s, directiveClose); ok {
			return words, after, nil
		}
		end := strings.IndexAny(s, " \t\r\n=]")
		switch {
		case s == "" || end < 0:
			return nil, "", fmt.Errorf("the directive is not closed with ]]")
		case end == 0:
			return nil, "", fmt.Errorf("the directive holds %q where a key should stand", s[:1])
		}
		w := word{key: s[:end]}
		s = s[end:]
		if after, ok := strings.CutPrefix(s, "="); ok {
			w.valued = true
			if w.value, s, err = scanValue(after); err != nil {
				return nil, "", fmt.Errorf("%s: %w", w.key, err)
			}
		}
		words = append(words, w)
	}
}

// scanValue reads a bare value, which ends at a blank or at ]], or one in
// quotes, where \" \' \\ \n and \t stand for a character.
func scanValue(s string) (value, rest string, err error) {
	if s == "" || (s[0] != '"' && s[0] != '\'') {
		end := strings.IndexAny(s, " \t\r\n")
		if stop := strings.Index(s, directiveClose); stop >= 0 && (end < 0 || stop < end) {
			end = stop
		}
		if end <= 0 {
			return "", "", fmt.Errorf("the value is missing")
		}
		return s[:end], s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			return b.String(), s[i+1:], nil
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(unescape(s[i]))
		default:
			b.WriteByte(c)
		}
	}
	return "", "", fmt.Errorf("the quotes of the value are not closed")
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	}
	return c
}

// apply sets the wishes one by one. Each key may be given once.
func (d *directive) apply(words []word) error {
	keys := directiveKeys()
	for _, w := range words {
		at := slices.IndexFunc(keys, func(k directiveKey) bool { return k.name == w.key })
		switch {
		case at < 0:
			return fmt.Errorf("%q is not a key of the sandbox; the keys are %s", w.key, keyNames(keys))
		case d.given[w.key]:
			return fmt.Errorf("%s is given twice", w.key)
		case !w.valued && !keys[at].bare:
			return fmt.Errorf("%s needs a value, as in %s=…; the keys are %s", w.key, w.key, keyNames(keys))
		}
		if err := keys[at].set(d, w.value); err != nil {
			return fmt.Errorf("%s: %w; the keys are %s", w.key, err, keyNames(keys))
		}
		if d.given == nil {
			d.given = map[string]bool{}
		}
		d.given[w.key] = true
	}
	return d.consistent()
}

// consistent refuses a key that means something only beside another.
func (d *directive) consistent() error {
	for _, pair := range [][2]string{{"after", "exception"}, {"status", "error"}} {
		if d.given[pair[0]] && !d.given[pair[1]] {
			return fmt.Errorf("%s means something only beside %s=TYPE", pair[0], pair[1])
		}
	}
	if d.given["message"] && !d.given["error"] && !d.given["exception"] {
		return fmt.Errorf("message means something only beside error=TYPE or exception=TYPE")
	}
	if d.given["after"] {
		d.fault.frames = d.after
	}
	return nil
}

func keyNames(keys []directiveKey) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return strings.Join(names, ", ")
}

// badDirective is how a mistake in a directive reaches its author.
func badDirective(err error) *apiError {
	return invalid("The sandbox directive is malformed: %s.", err)
}
