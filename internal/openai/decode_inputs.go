package openai

import (
	"strings"

	"outcrop/internal/llm"
)

// DecodeInputs reads the body of a token request of DIAL, {"inputs": […]}, and returns the inputs as
// they are, at most so many. They alias body. An error is an *llm.Error of KindInvalid, as DecodeChat's.
func DecodeInputs(body []byte, most int) ([][]byte, error) {
	d := newDecoder(body)
	var inputs [][]byte
	given := false
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key != "inputs" {
			d.s.Skip()
			continue
		}
		given = true
		for a := d.array(most, "inputs"); a.more(); {
			inputs = append(inputs, d.s.Raw())
		}
	}
	d.s.End()
	if d.s.Err() == nil && !given {
		d.fail(0, "inputs", "missing; expected an array of inputs")
	}
	if err := d.err(); err != nil {
		return nil, errorOf(err, "a token request")
	}
	return inputs, nil
}

// errorOf is the decoder's error for a body that was to be something else than a chat request.
func errorOf(err error, what string) error {
	e := llm.AsError(err)
	e.Message = strings.Replace(e.Message, "The body is not a chat request", "The body is not "+what, 1)
	return e
}
