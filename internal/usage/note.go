package usage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/money"
)

// noteVersion begins every note. Who reads notes of a later version keeps them aside.
const noteVersion = 1

// ErrNewerNote is the error of a note that a later version of this program wrote.
var ErrNewerNote = errors.New("the note is of a later version")

var errNote = errors.New("the note is no note of this program, or broken")

// flags of a note.
const (
	flagStream = 1 << iota
	flagFailed
	flagThrottled
	flagLimited
	flagLost
	flagPriced
	flagNested
	flagSampled
)

// usualNote is about how long a note is without its texts, in bytes.
const usualNote = 128

// lostAt is where a note has its flags.
const lostAt = 1

// AppendNote appends an entry as the outbox keeps it: all but its Talk, in a form of its own. dst may be nil.
func AppendNote(dst []byte, e *Entry) []byte {
	texts := e.texts()
	size := usualNote
	for _, text := range texts {
		size += len(*text)
	}
	dst = slices.Grow(dst, size)
	dst = append(dst, noteVersion, flagsOf(e), byte(e.Operation), byte(e.Kind))
	dst = binary.AppendVarint(dst, e.Began.UnixMicro())
	for _, text := range texts {
		dst = binary.AppendUvarint(dst, uint64(len(*text)))
		dst = append(dst, *text...)
	}
	for _, n := range e.numbers() {
		dst = binary.AppendVarint(dst, n)
	}
	return dst
}

func flagsOf(e *Entry) (flags byte) {
	for i, set := range [...]bool{e.Stream, e.Failed, e.Throttled, e.Limited, e.Lost, e.Priced, e.Nested, e.Sampled} {
		if set {
			flags |= 1 << i
		}
	}
	return flags
}

// texts are the entry's, in the order of a note.
func (e *Entry) texts() [17]*string {
	return [17]*string{
		&e.ID, &e.RequestID, &e.Trace, &e.Span, &e.Parent, &e.Call, &e.Project, &e.User, &e.Caller, &e.Deployment, &e.Instead, &e.Calling,
		&e.Model, &e.Upstream, &e.Region, &e.Terms.Tier, &e.Conversation,
	}
}

const numbersOfNote = 18

// numbers are the entry's, in the order of a note. Durations are in microseconds.
func (e *Entry) numbers() [numbersOfNote]int64 {
	u := &e.Usage
	return [numbersOfNote]int64{
		int64(e.Attempts), int64(e.Status), e.FirstToken.Microseconds(), e.Finished.Microseconds(), e.Asked.Microseconds(), e.Waited.Microseconds(),
		int64(u.Input), int64(u.Output), int64(u.CacheRead), int64(u.CacheWrite), int64(u.CacheWrite1h), int64(u.Reasoning), int64(u.Images),
		int64(e.Terms.Queries), int64(e.Terms.PromptChars), int64(e.Terms.CompletionChars), int64(e.Cost), int64(e.Saved),
	}
}

// ReadNote reads what AppendNote wrote. The error of a later version's is ErrNewerNote.
func ReadNote(note []byte) (Entry, error) {
	switch {
	case len(note) < 4:
		return Entry{}, errNote
	case note[0] > noteVersion:
		return Entry{}, fmt.Errorf("%w: %d, this program knows %d", ErrNewerNote, note[0], noteVersion)
	case note[0] != noteVersion || note[2] >= byte(Operations):
		return Entry{}, errNote
	}
	flags := note[1]
	e := Entry{
		Operation: Operation(note[2]), Kind: llm.Kind(note[3]), Stream: flags&flagStream != 0, Failed: flags&flagFailed != 0,
		Throttled: flags&flagThrottled != 0, Limited: flags&flagLimited != 0, Lost: flags&flagLost != 0,
		Priced: flags&flagPriced != 0, Nested: flags&flagNested != 0, Sampled: flags&flagSampled != 0,
	}
	r := noteReader{rest: string(note[4:])} // the texts share it
	e.Began = time.UnixMicro(r.number())
	for _, text := range e.texts() {
		*text = r.text()
	}
	var n [numbersOfNote]int64
	for i := range n {
		n[i] = r.number()
	}
	if r.bad || len(r.rest) > 0 {
		return Entry{}, errNote
	}
	e.Attempts, e.Status = int(n[0]), int(n[1])
	e.FirstToken, e.Finished, e.Asked, e.Waited = microseconds(n[2]), microseconds(n[3]), microseconds(n[4]), microseconds(n[5])
	e.Usage = llm.Usage{
		Input: int(n[6]), Output: int(n[7]), CacheRead: int(n[8]), CacheWrite: int(n[9]), CacheWrite1h: int(n[10]), Reasoning: int(n[11]), Images: int(n[12]),
	}
	e.Terms.Queries, e.Terms.PromptChars, e.Terms.CompletionChars = int(n[13]), int(n[14]), int(n[15])
	e.Cost, e.Saved = money.Amount(n[16]), money.Amount(n[17])
	return e, nil
}

func microseconds(n int64) time.Duration {
	return time.Duration(min(max(n, math.MinInt64/1000), math.MaxInt64/1000)) * time.Microsecond
}

// noteReader reads a note's values; bad is set once one is not there.
type noteReader struct {
	rest string
	bad  bool
}

func (r *noteReader) number() int64 {
	n := r.natural()
	if n&1 == 1 { // as binary.Varint has it
		return ^int64(n >> 1)
	}
	return int64(n >> 1)
}

// natural is binary.Uvarint of a string.
func (r *noteReader) natural() (n uint64) {
	for i := range min(len(r.rest), binary.MaxVarintLen64) {
		b := r.rest[i]
		if b < 0x80 {
			if i == binary.MaxVarintLen64-1 && b > 1 {
				break
			}
			r.rest = r.rest[i+1:]
			return n | uint64(b)<<(7*i)
		}
		n |= uint64(b&0x7f) << (7 * i)
	}
	r.bad = true
	return 0
}

func (r *noteReader) text() string {
	n := r.natural()
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

// LostNote is the note of a request whose process was killed: what it may have used counts as used.
func LostNote(note []byte) []byte {
	if len(note) <= lostAt || note[0] != noteVersion {
		return note
	}
	lost := append([]byte(nil), note...)
	lost[lostAt] |= flagLost | flagFailed
	return lost
}
