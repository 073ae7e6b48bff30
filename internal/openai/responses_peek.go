package openai

import "outcrop/internal/jsonscan"

// ResponsesPeek is what can be said of a Responses request before anybody decodes it, who may be another server.
type ResponsesPeek struct {
	Model              string
	Stream, Background bool
	Store              bool // true unless the client says no
	// Continues names the member by which the request goes on from what a server keeps: previous_response_id or
	// conversation; "" for none.
	Continues string
}

// PeekResponses reads as much of a body as it can. What is wrong with it is found by who decodes it.
func PeekResponses(body []byte) ResponsesPeek {
	p := ResponsesPeek{Store: true}
	s := jsonscan.New(body)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
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
			p.Continues = name
			s.Skip()
		default:
			s.Skip()
		}
	}
	return p
}
