package openai

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// How much of a kind a request may hold. Whatever a decoded request takes beside its body grows with
// one of these counts: many of something small would otherwise cost a multiple of the bytes that
// brought it. More is refused where it is crossed, by the name of the list or of the member too many.
const (
	maxMessages  = 50_000
	maxParts     = 5_000 // of the content of one message
	maxToolCalls = 1_000 // of one message
	maxTools     = 1_000
	maxFiles     = 5_000  // of the whole request, parts and attachments
	maxMarks     = 10_000 // cache breakpoints of the whole request
	maxThoughts  = 5_000  // blocks of reasoning in the states of the whole request
	maxTurn      = 500    // blocks of reasoning in the state of one message
	maxWaiting   = 1_000  // function calls without an answer yet
	// maxInputs is of each list of an embeddings request. OpenAI takes 2,048; DIAL has no limit.
	maxInputs = 10_000
	// maxInputParts is of one input. No Bedrock model makes one vector of more than a text and an image.
	maxInputParts = 16
	// maxChoices is OpenAI's limit of n.
	maxChoices = 128
	// maxStops is what Converse takes:
	// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html.
	maxStops = 2_500
	// maxMembers is of one object whose members are looked at. What is passed on or skipped whole (a
	// schema, logit_bias, metadata) has no such limit: none of its names is kept.
	maxMembers = 1_000
	// maxIgnored is how many ignored members are reported by name: the list goes into a header.
	maxIgnored = 64
	// maxReplyTokens is the largest Integer of an AWS service model, which is what Converse takes:
	// https://smithy.io/2.0/spec/simple-types.html#integer.
	maxReplyTokens = math.MaxInt32
	// maxToldPath is how many bytes of a member's path are repeated in a message. Only a stranger's
	// member name, escaped, makes a path that long; Param has it whole.
	maxToldPath = 200
)

// tooMany refuses the list or member at offset. It does without package fmt, which would move things,
// thereby the array that holds it, thereby the decoder of every request to the heap.
func (d *decoder) tooMany(at int, things string, most int) {
	d.fail(at, "", "too many "+things+"; at most "+strconv.Itoa(most)+" are accepted")
}

// array iterates over the elements of one JSON array.
type array struct {
	d      *decoder
	at     int // its offset
	n      int // how many elements there were so far
	most   int
	things string // what the elements are, for a message
}

func (d *decoder) array(most int, things string) array {
	a := array{d: d, at: d.s.Offset(), most: most, things: things}
	d.s.Array()
	return a
}

// more moves to the next element, or returns false at the end or where there are too many.
func (a *array) more() bool {
	if !a.d.s.Element() {
		return false
	}
	if a.n == a.most {
		a.d.tooMany(a.at, a.things, a.most)
		return false
	}
	a.n++
	return true
}

// object iterates over the members of one JSON object.
type object struct {
	d     *decoder
	base  int        // its first name in d.names
	value int        // offset of the current member's value
	set   int        // its place in d.sets plus 1; 0 while d.names will do
	given *memberSet // where the names that Defaults knows are noted; may be nil
}

func (d *decoder) object() object {
	d.s.Object()
	return object{d: d, base: len(d.names)}
}

// next moves to the next member that is not null. Two members of one name end the decoding: readers
// disagree about which one counts.
func (o *object) next() (key string, ok bool) {
	d := o.d
	for {
		key, ok = d.s.Member()
		if !ok {
			o.forget()
			return "", false
		}
		o.value = d.s.Offset()
		if !o.admit(key) {
			return "", false
		}
		if o.given != nil {
			*o.given |= memberOf(key)
		}
		if !d.s.Null() {
			return key, true
		}
	}
}

// fewNames is up to how many members comparing beats hashing.
const fewNames = 32

// admit remembers the current member's name, or refuses the member.
func (o *object) admit(key string) bool {
	d := o.d
	names := d.names[o.base:]
	if len(names) < fewNames {
		if slices.Contains(names, key) {
			d.fail(o.value, "", "given twice")
			return false
		}
		d.names = append(d.names, key)
		return true
	}
	if o.set == 0 {
		o.set = d.openSet(names)
	}
	set := d.sets[o.set-1]
	if _, again := set[key]; again {
		d.fail(o.value, "", "given twice")
		return false
	}
	if len(set) == maxMembers {
		d.tooMany(o.value, "members in its object", maxMembers)
		return false
	}
	set[key] = struct{}{}
	return true
}

// forget drops the names of an object that is closed. So names are held only of objects that are
// open within each other, and the wire has four of those: a request, its message, a tool call of it
// and the called function, or a part of it and its breakpoint. No body makes the decoder hold more than 4*(fewNames+maxMembers).
func (o *object) forget() {
	d := o.d
	d.names = d.names[:o.base]
	if o.set != 0 {
		clear(d.sets[o.set-1])
		d.open = o.set - 1
	}
}

// openSet fills the next set with the names and returns its place plus 1. Objects close in the
// opposite order, so the sets are a stack; those above its top are empty and used again.
func (d *decoder) openSet(names []string) int {
	if d.open == len(d.sets) {
		d.sets = append(d.sets, make(map[string]struct{}, 2*fewNames))
	}
	for _, name := range names {
		d.sets[d.open][name] = struct{}{}
	}
	d.open++
	return d.open
}

// cut shortens s to about size bytes for a message.
func cut(s string, size int) string {
	if len(s) <= size {
		return s
	}
	for !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size] + "…"
}
