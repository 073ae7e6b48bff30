package openai

import (
	"strings"

	"outcrop/internal/jsonscan"
)

// PeekModel is the member model of a body, read no further than to there; "" when it is absent, or the body is
// not what it should be. It is for a server that hands the body on as it is.
func PeekModel(body []byte) string {
	s := jsonscan.New(body)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key != "model" {
			s.Skip()
			continue
		}
		if name := s.String(); s.Err() == nil {
			return strings.Clone(name)
		}
		return ""
	}
	return ""
}
