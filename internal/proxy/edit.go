package proxy

import (
	"errors"
	"fmt"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// edit is what DIAL changes of a body on its way: members that the client left out get their defaults,
// and the name of the deployment may be another. All else stays as it came.
type edit struct {
	defaults []member
	model    string // "" leaves the client's
}

type member struct {
	name string
	text []byte // "name":value
}

func newEdit(defaults []byte, model string) (edit, error) {
	e := edit{model: model}
	if len(defaults) == 0 {
		return e, nil
	}
	s := jsonscan.New(defaults)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		text := append(jsonscan.AppendString(nil, name), ':')
		e.defaults = append(e.defaults, member{name, append(text, s.Raw()...)})
	}
	s.End()
	if err := s.Err(); err != nil {
		return edit{}, fmt.Errorf("the defaults are no JSON object: %w", err)
	}
	return e, nil
}

// span is a part of a body.
type span struct{ from, to int }

// apply is the body after the edit; the same slice when there is nothing to change.
func (e *edit) apply(body []byte) ([]byte, error) {
	if len(e.defaults) == 0 && e.model == "" {
		return body, nil
	}
	missing, models, end, err := e.look(body)
	if err != nil {
		return nil, err
	}
	if len(missing) == 0 && len(models) == 0 {
		return body, nil
	}
	out, at := make([]byte, 0, len(body)+64), 0
	for _, model := range models {
		out = jsonscan.AppendString(append(out, body[at:model.from]...), e.model)
		at = model.to
	}
	out = append(out, body[at:end]...)
	for _, m := range missing {
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(out, m.text...)
	}
	return append(out, body[end:]...), nil
}

// look finds the defaults that the body lacks, where its model is that gets another name, and where its members
// end. One that names a model twice means either to some reader: both get it.
func (e *edit) look(body []byte) (missing []member, models []span, end int, err error) {
	given := map[string]bool{}
	s := jsonscan.New(body)
	s.Object()
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		given[name] = true
		at := s.Offset()
		raw := s.Raw()
		if end = at + len(raw); name == "model" && e.model != "" {
			models = append(models, span{at, end})
		}
	}
	s.End()
	if scan, ok := errors.AsType[*jsonscan.Error](s.Err()); ok {
		line, col := jsonscan.Position(body, scan.Offset)
		return nil, nil, 0, llm.Invalid("", fmt.Sprintf("The body is not a JSON object: line %d, column %d: %s.", line, col, scan.Reason))
	}
	if len(given) == 0 { // right behind the brace
		for end < len(body) && body[end] != '{' {
			end++
		}
		end++
	}
	for _, m := range e.defaults {
		if !given[m.name] {
			missing = append(missing, m)
		}
	}
	return missing, models, end, nil
}
