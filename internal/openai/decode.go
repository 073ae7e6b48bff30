package openai

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// Shape is how the client wants the reply, and which deployment it named.
type Shape struct {
	Model        string // the member "model", "" when absent
	Stream       bool
	IncludeUsage bool // stream_options.include_usage; means something for a stream only
	// N is how many choices the client wants, 1 to 128.
	N int
	// MaxPromptTokens is to how many tokens the prompt may be cut, 0 when that was not asked for.
	MaxPromptTokens int
	// Functions says that the client speaks the wire before tools: its calls are function_call, and so
	// must the reply's be.
	Functions bool
	// Ignored names, as JSON paths in the order of the body, the members that were accepted without
	// effect: "seed", "messages[2].name". It holds at most 65 entries; the last then says how many
	// more there were.
	Ignored []string
	// Changed names, like Ignored, the members that a model gets in another form than the client's
	// because it could not get them otherwise.
	Changed []string

	given memberSet // the members of the body, for Defaults
}

// DecodeChat reads the body of a chat completion request (the wire is
// https://platform.openai.com/docs/api-reference/chat/create, with DIAL's custom_content,
// custom_fields and max_prompt_tokens). The values alias body, which must not change while they are
// in use. An error is always an *llm.Error of KindInvalid; its Param is the path of the member that
// is wrong, or "" when that is the whole body; of a body that is not JSON the message gives line and
// column. A list or object that is longer than the limits of decode_limit.go is refused where it
// crosses them, so that memory is taken in proportion to the body.
//
// It checks what the wire prescribes, not what a model does: the order of messages, how few stop
// strings a model takes, the types of files are the adapter's business.
func DecodeChat(body []byte) (*llm.ChatRequest, Shape, error) { return DecodeChatAt(body, time.Now()) }

// DecodeChatAt is DecodeChat at a time: from then on an expire_at counts.
func DecodeChatAt(body []byte, now time.Time) (*llm.ChatRequest, Shape, error) {
	d := newDecoder(body)
	d.now = now
	d.chat()
	d.s.End()
	d.finish()
	if err := d.err(); err != nil {
		return nil, Shape{}, err
	}
	d.shape.Ignored = d.ignored.paths(body)
	d.shape.Changed = d.changed.paths(body)
	return d.req, d.shape, nil
}

func newDecoder(body []byte) decoder {
	return decoder{
		s: jsonscan.New(body), body: body, req: &llm.ChatRequest{}, shape: Shape{N: 1}, names: make([]string, 0, fewNames),
	}
}

// decoder walks a body once. Offsets stand for paths until one has to be told: 0 means that a member
// is absent, since no member's value starts there.
type decoder struct {
	s     jsonscan.Scanner
	body  []byte
	now   time.Time
	req   *llm.ChatRequest
	shape Shape

	names []string              // of the members of every open object, to notice a second one
	sets  []map[string]struct{} // the same, of open objects with many members: a stack
	open  int                   // how many of the sets are in use
	parts []llm.Part            // of the current message; its capacity is for the next ones too
	calls []llm.Part            // of the current message
	files []llm.Part            // the attachments of the current message
	// thoughts are of the states of the current message.
	thoughts []llm.Reasoning

	fileCount, thoughtCount, markCount int // of the whole request

	maxTokens, maxCompletion int
	messagesAt, maxAt        int
	toolsAt                  int
	choiceAt, choiceNameAt   int
	cache                    llm.Part  // at the end of the last message
	cacheGiven               memberSet // by which member
	legacy                   legacy
	allowed                  allowed

	ignored, changed told
	fault            fault
}

// fault is a mistake that the scanner does not know of: at the value that starts at offset, or at
// its absent member.
type fault struct {
	at     int
	member string
	reason string
}

// fail records the first mistake and stops the scanner.
func (d *decoder) fail(at int, member, reason string) {
	if d.s.Err() != nil {
		return
	}
	d.fault = fault{at, member, reason}
	d.s.Mismatch(at, reason)
}

// refuse is fail for a member that the wire has and this version has not.
func (d *decoder) refuse(at int, remedy string) {
	d.fail(at, "", "not supported by this version; "+remedy)
}

// wrongType reports that the next value, whatever it is, is not what the member takes.
func (d *decoder) wrongType(want string) {
	if d.s.Kind() == 0 {
		d.s.Skip() // not a value at all: the scanner says so
		return
	}
	d.s.Mismatch(d.s.Offset(), want)
}

// noJSON is the error of a body that is no JSON.
func noJSON(body []byte, scan *jsonscan.Error) error {
	line, col := jsonscan.Position(body, scan.Offset)
	return llm.Invalid("", fmt.Sprintf("The body is not valid JSON: line %d, column %d: %s.", line, col, scan.Reason))
}

func (d *decoder) err() error {
	scan, ok := errors.AsType[*jsonscan.Error](d.s.Err())
	if !ok {
		return nil
	}
	if !scan.Mismatch {
		return noJSON(d.body, scan)
	}
	f := d.fault
	if f.reason == "" {
		f = fault{at: scan.Offset, reason: scan.Reason}
	}
	param := jsonscan.Path(d.body, f.at)
	switch {
	case f.member == "":
	case param == "":
		param = f.member
	default:
		param += "." + f.member
	}
	if param == "" {
		return llm.Invalid("", "The body is not a chat request: "+f.reason+".")
	}
	return llm.Invalid(param, cut(param, maxToldPath)+": "+f.reason+".")
}

// ignore skips a value and lists it, unless it says nothing.
func (d *decoder) ignore() {
	at := d.s.Offset()
	if !saysNothing(d.s.Raw()) {
		d.ignoreAt(at)
	}
}

// ignoreUnless is ignore for a member one value of which asks for what happens anyway.
func (d *decoder) ignoreUnless(usual string) {
	at := d.s.Offset()
	if raw := d.s.Raw(); !saysNothing(raw) && string(raw) != usual {
		d.ignoreAt(at)
	}
}

// index reads the number that an element of a streamed list has, and keeps in what clients send back.
func (d *decoder) index(i int) { d.ignoreUnless(strconv.Itoa(i)) }

func (d *decoder) ignoreAt(at int) { d.ignored.add(at) }

// ignorePresent is ignoreAt for a member that may be absent.
func (d *decoder) ignorePresent(at int) {
	if at != 0 {
		d.ignored.add(at)
	}
}

// told is a list of members that are to be told.
type told struct {
	at   []int // offsets, the first maxIgnored of them
	more int   // how many followed
}

func (l *told) add(at int) {
	if len(l.at) == maxIgnored {
		l.more++
		return
	}
	l.at = append(l.at, at)
}

func (l *told) paths(body []byte) []string {
	if len(l.at) == 0 {
		return nil
	}
	slices.Sort(l.at) // a member whose fate another one decides is listed late
	paths := jsonscan.Paths(body, slices.Compact(l.at))
	if l.more > 0 {
		paths = append(paths, fmt.Sprintf("…and %d more", l.more))
	}
	return paths
}

// saysNothing reports whether raw is null or an empty string, array or object.
func saysNothing(raw []byte) bool {
	switch string(raw) {
	case "", "null", `""`, "[]", "{}":
		return true
	}
	return (raw[0] == '[' || raw[0] == '{') && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}
