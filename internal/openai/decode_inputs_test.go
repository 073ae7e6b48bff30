package openai_test

import (
	"strings"
	"testing"

	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

func TestDecodeInputs(t *testing.T) {
	inputs, err := openai.DecodeInputs([]byte(`{"other":1,"inputs":[{"a":1},"b"]}`), 2)
	if err != nil || len(inputs) != 2 || string(inputs[0]) != `{"a":1}` || string(inputs[1]) != `"b"` {
		t.Errorf("%q, %v", inputs, err)
	}
	for _, tt := range []struct{ body, param, message string }{
		{`{}`, "inputs", "inputs: missing; expected an array of inputs."},
		{`{"inputs":null}`, "inputs", "inputs: missing; expected an array of inputs."},
		{`{"INPUTS":[]}`, "inputs", "inputs: missing; expected an array of inputs."},
		{`{"inputs":{}}`, "inputs", "inputs: expected an array, got an object."},
		{`{"inputs":[1,2,3]}`, "inputs", "inputs: too many inputs; at most 2 are accepted."},
		{`{"inputs":[],"inputs":[]}`, "inputs", "inputs: given twice."},
		{`[]`, "", "The body is not a token request: expected an object, got an array."},
		{`{"inputs":[]}]`, "", "The body is not valid JSON: line 1, column 14: "},
		{`{"inputs":[1`, "", "The body is not valid JSON: line 1, column 13: "},
	} {
		_, err := openai.DecodeInputs([]byte(tt.body), 2)
		if e := llm.AsError(err); e == nil || e.Param != tt.param || !strings.HasPrefix(e.Message, tt.message) {
			t.Errorf("%s: %v", tt.body, err)
		}
	}
}

// TestDecodeInputsIsBounded: many small inputs take no more memory than few.
func TestDecodeInputsIsBounded(t *testing.T) {
	body := []byte(`{"inputs":[` + strings.Repeat("1,", 1<<20) + `1]}`)
	if n := testing.AllocsPerRun(1, func() { _, _ = openai.DecodeInputs(body, 128) }); n > 50 {
		t.Errorf("%v allocations", n)
	}
}
