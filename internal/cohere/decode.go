package cohere

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// Shape is how the client wants the reply, and which deployment it named.
type Shape struct {
	Model string // the member "model", "" when absent
	// Documents says that the reply repeats the documents (return_documents).
	Documents bool
	// Ignored names, as JSON paths in the order of the body, the members that were accepted without
	// effect. It holds at most 65 entries; the last then says how many more there were.
	Ignored []string
}

const (
	// maxDocuments is Cohere's (https://docs.cohere.com/docs/reranking-best-practices); a model may take
	// fewer.
	maxDocuments = 10_000
	// maxIgnored is how many ignored members are reported by name: the list goes into a header.
	maxIgnored = 64
)

// Decode reads the body of a rerank request (https://docs.cohere.com/reference/rerank, and the documents
// of v1, which may be objects with a text). The values alias body, which must not change while they are
// in use. An error is always an *llm.Error of KindInvalid; its Param is the path of the member that is
// wrong, or "" when that is the whole body.
func Decode(body []byte) (*llm.RerankRequest, Shape, error) {
	d := decoder{s: jsonscan.New(body), body: body}
	d.members()
	d.s.End()
	if d.s.Err() == nil {
		d.finish()
	}
	if err := d.err(); err != nil {
		return nil, Shape{}, err
	}
	d.shape.Ignored = d.paths()
	return &d.req, d.shape, nil
}

// decoder walks a body once. Offsets stand for paths until one has to be told.
type decoder struct {
	s     jsonscan.Scanner
	body  []byte
	req   llm.RerankRequest
	shape Shape
	given []string // of the members that mean something here

	ignored []int // offsets, the first maxIgnored of them
	more    int   // how many followed
	fault   fault
}

// fault is a mistake that the scanner does not know of: at the value that starts at offset, or at its
// absent member.
type fault struct {
	at     int
	member string
	reason string
}

func (d *decoder) fail(at int, member, reason string) {
	if d.s.Err() != nil {
		return
	}
	d.fault = fault{at, member, reason}
	d.s.Mismatch(at, reason)
}

func (d *decoder) members() {
	d.s.Object()
	for key, ok := d.s.Member(); ok; key, ok = d.s.Member() {
		at := d.s.Offset()
		if !d.admit(key, at) || d.s.Null() {
			continue
		}
		switch key {
		case "model":
			d.shape.Model = d.s.String()
		case "query":
			d.req.Query = d.s.String()
		case "documents":
			d.documents()
		case "top_n":
			d.req.TopN = d.count()
		case "max_tokens_per_doc":
			d.req.MaxTokensPerDoc = d.count()
		case "return_documents":
			d.shape.Documents = d.s.Bool()
		default:
			d.ignore(at)
		}
	}
}

// admit refuses a second member of a name that means something: readers disagree about which one counts.
func (d *decoder) admit(key string, at int) bool {
	switch key {
	case "model", "query", "documents", "top_n", "max_tokens_per_doc", "return_documents":
	default:
		return true
	}
	if slices.Contains(d.given, key) {
		d.fail(at, "", "given twice")
		return false
	}
	d.given = append(d.given, key)
	return true
}

// count reads an integer from 1 on, as large as AWS takes any.
func (d *decoder) count() int {
	at := d.s.Offset()
	n := d.s.Int()
	if n < 1 || n > math.MaxInt32 {
		d.fail(at, "", "expected an integer from 1 to "+strconv.Itoa(math.MaxInt32))
	}
	return int(n)
}

func (d *decoder) documents() {
	at := d.s.Offset()
	d.req.Documents = []string{}
	for d.s.Array(); d.s.Element(); {
		if len(d.req.Documents) == maxDocuments {
			d.fail(at, "", "too many documents; at most "+strconv.Itoa(maxDocuments)+" are accepted")
			return
		}
		switch d.s.Kind() {
		case '"':
			d.req.Documents = append(d.req.Documents, d.s.String())
		case '{':
			d.req.Documents = append(d.req.Documents, d.object())
		case 0:
			d.s.Skip() // not a value at all: the scanner says so
		default:
			d.s.Mismatch(d.s.Offset(), "a string or an object with a text")
		}
	}
}

// object reads a document of Cohere's v1: of its members only text is ranked.
func (d *decoder) object() (text string) {
	at, textAt := d.s.Offset(), 0
	d.s.Object()
	for key, ok := d.s.Member(); ok; key, ok = d.s.Member() {
		value := d.s.Offset()
		switch {
		case key != "text":
			d.ignore(value)
		case textAt != 0:
			d.fail(value, "", "given twice")
		default:
			textAt, text = value, d.s.String()
		}
	}
	if textAt == 0 {
		d.fail(at, "text", "missing; of a document that is an object the text is ranked")
	}
	return text
}

// ignore skips a value and lists it, unless it says nothing, or what happens anyway.
func (d *decoder) ignore(at int) {
	switch string(d.s.Raw()) {
	case "", "null", `""`, "[]", "{}", `["text"]`: // the last are v1's usual rank_fields
		return
	}
	if len(d.ignored) == maxIgnored {
		d.more++
		return
	}
	d.ignored = append(d.ignored, at)
}

func (d *decoder) paths() []string {
	if len(d.ignored) == 0 {
		return nil
	}
	paths := jsonscan.Paths(d.body, d.ignored)
	if d.more > 0 {
		paths = append(paths, fmt.Sprintf("…and %d more", d.more))
	}
	return paths
}

// finish checks what only the whole request shows.
func (d *decoder) finish() {
	switch {
	case d.req.Query == "":
		d.fail(0, "query", "missing or empty; expected what the documents are to answer")
	case d.req.Documents == nil:
		d.fail(0, "documents", "missing; expected an array of strings")
	case len(d.req.Documents) == 0:
		d.fail(0, "documents", "empty; expected at least one document")
	}
}

func (d *decoder) err() error {
	scan, ok := errors.AsType[*jsonscan.Error](d.s.Err())
	if !ok {
		return nil
	}
	if !scan.Mismatch {
		line, col := jsonscan.Position(d.body, scan.Offset)
		return llm.Invalid("", fmt.Sprintf("The body is not valid JSON: line %d, column %d: %s.", line, col, scan.Reason))
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
		return llm.Invalid("", "The body is not a rerank request: "+f.reason+".")
	}
	return llm.Invalid(param, param+": "+f.reason+".") // no path with a stranger's name in it comes here
}
