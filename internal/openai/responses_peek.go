package openai

import (
	"errors"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// ResponsesPeek is what can be said of a Responses request before anybody decodes it, who may be another server.
type ResponsesPeek struct {
	Model              string
	Stream, Background bool
	Store              bool // true unless the client says no
	// Continues names the member by which the request goes on from what a server keeps: previous_response_id or
	// conversation; "" for none.
	Continues string
}

// PeekResponses reads as much of a body as it can. What is wrong with it is found by who decodes it, but for two
// mistakes, which are an error, an *llm.Error: a member that is given twice, of which another reader may take the one
// that was not looked at here, and a body that is no JSON where it has not said which model it is for.
func PeekResponses(body []byte) (ResponsesPeek, error) {
	p := ResponsesPeek{Store: true}
	s := jsonscan.New(body)
	s.Object()
	var seen uint8
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		if mine := peeked(name); mine != 0 {
			if seen&mine != 0 {
				return p, llm.Invalid(strings.Clone(name), name+": given twice.")
			}
			seen |= mine
		}
		kind := s.Kind()
		switch {
		case name == "model" && kind == '"':
			p.Model = s.String()
		case name == "stream" && (kind == 't' || kind == 'f'):
			p.Stream = s.Bool()
		case name == "background" && (kind == 't' || kind == 'f'):
			p.Background = s.Bool()
		case name == "store" && (kind == 't' || kind == 'f'):
			p.Store = s.Bool()
		case (name == "previous_response_id" || name == "conversation") && kind != 'n':
			p.Continues = strings.Clone(name)
			s.Skip()
		default:
			s.Skip()
		}
	}
	if scan, ok := errors.AsType[*jsonscan.Error](s.Err()); ok && p.Model == "" && !scan.Mismatch {
		return p, noJSON(body, scan)
	}
	return p, nil
}

// peeked is a bit for each member that PeekResponses reads, 0 for any other.
func peeked(name string) uint8 {
	for i, own := range [...]string{"model", "stream", "background", "store", "previous_response_id", "conversation"} {
		if name == own {
			return 1 << i
		}
	}
	return 0
}
