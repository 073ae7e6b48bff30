package openai

import (
	"bytes"

	"outcrop/internal/jsonscan"
)

// RenameResponse is a response object whose id is another, as names it; the same slice when it has none. All else
// stays as it is.
func RenameResponse(object []byte, as func(id string) string) []byte {
	s := jsonscan.New(object)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		if name != "id" || s.Kind() != '"' {
			s.Skip()
			continue
		}
		at := s.Offset()
		raw := s.Raw()
		inner := jsonscan.New(raw)
		id := inner.String()
		if s.Err() != nil || inner.Err() != nil {
			return object
		}
		out := append(make([]byte, 0, len(object)+256), object[:at]...)
		out = jsonscan.AppendString(out, as(id))
		return append(out, object[at+len(raw):]...)
	}
	return object
}

// RenameInEvent is RenameResponse for the data of an event, which may hold a response.
func RenameInEvent(data []byte, as func(id string) string) []byte {
	at, object := responseAt(data)
	if object == nil {
		return data
	}
	out := append(make([]byte, 0, len(data)+256), data[:at]...)
	out = append(out, RenameResponse(object, as)...)
	return append(out, data[at+len(object):]...)
}

// ResponseIn is the response object that an event holds, or nil.
func ResponseIn(data []byte) []byte {
	_, object := responseAt(data)
	return object
}

// responseAt finds the response object of an event, and where it begins.
func responseAt(data []byte) (at int, object []byte) {
	if !bytes.Contains(data, []byte(`"response"`)) { // most events are pieces of text
		return 0, nil
	}
	s := jsonscan.New(data)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		if name != "response" || s.Kind() != '{' {
			s.Skip()
			continue
		}
		at = s.Offset()
		if object = s.Raw(); s.Err() != nil {
			return 0, nil
		}
		return at, object
	}
	return 0, nil
}

// ResponseState is what a response object says of how far it is.
type ResponseState struct {
	ID, Status string
}

// Running says that it is still being made.
func (s ResponseState) Running() bool { return s.Status == "queued" || s.Status == "in_progress" }

// StateOf reads a response object as far as it can.
func StateOf(object []byte) (state ResponseState) {
	s := jsonscan.New(object)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		switch {
		case name == "id" && s.Kind() == '"':
			state.ID = string([]byte(s.String()))
		case name == "status" && s.Kind() == '"':
			state.Status = string([]byte(s.String()))
		default:
			s.Skip()
		}
	}
	return state
}

// WithStatus is a response object with another status.
func WithStatus(object []byte, status string) []byte {
	s := jsonscan.New(object)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		at := s.Offset()
		raw := s.Raw()
		if name == "status" && s.Err() == nil {
			out := append([]byte{}, object[:at]...)
			out = jsonscan.AppendString(out, status)
			return append(out, object[at+len(raw):]...)
		}
	}
	return object
}
