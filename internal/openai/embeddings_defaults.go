package openai

import (
	"bytes"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// EmbedDefaults are the members that a deployment adds to the embeddings requests that do not have
// them, in the way of Defaults: dimensions, encoding_format and custom_fields.
type EmbedDefaults struct {
	// Ignored names the members that have no effect here, for whoever wrote them.
	Ignored []string

	given  memberSet
	req    llm.EmbedRequest
	base64 bool
}

// ParseEmbedDefaults reads a JSON object of members of a request. An error is an *llm.Error of
// KindInvalid whose Param is the path of the wrong member.
func ParseEmbedDefaults(doc []byte) (*EmbedDefaults, error) {
	body := bytes.Clone(doc) // the values alias it for as long as the deployment lives
	if err := withoutInput(body); err != nil {
		return nil, err
	}
	d := newEmbedDecoder(body)
	d.members()
	d.s.End()
	if err := d.err(); err != nil {
		e := llm.AsError(errorOf(err, "an embeddings request"))
		e.Message = strings.Replace(e.Message, "The body is ", "The document of defaults is ", 1)
		return nil, e
	}
	return &EmbedDefaults{Ignored: d.ignored.paths(body), given: d.shape.given, req: d.req, base64: d.shape.Base64}, nil
}

// withoutInput refuses what only a client can say.
func withoutInput(body []byte) error {
	s := jsonscan.New(body)
	if s.Kind() != '{' {
		return nil // the decoder has the words for it
	}
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "input", "custom_input", "model":
			return llm.Invalid(key, key+": has no default; only a request can say it.")
		}
		s.Skip()
	}
	return nil
}

// Apply adds the members that the body of the request did not have. Nil defaults change nothing.
func (f *EmbedDefaults) Apply(req *llm.EmbedRequest, shape *EmbedShape) {
	if f == nil {
		return
	}
	missing := f.given &^ shape.given
	if missing&hasDimensions != 0 {
		req.Dimensions = f.req.Dimensions
	}
	if missing&hasEncoding != 0 {
		shape.Base64 = f.base64
	}
	if missing&hasCustomFields != 0 {
		req.Type, req.Instruction, req.Config = f.req.Type, f.req.Instruction, f.req.Config
	}
}
