package bedrock

import (
	"net/http"
	"regexp"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// ownFields are what custom_fields.configuration asks of a surface other than Converse.
type ownFields struct {
	fields []byte // ,"name":value… for the end of the body
	header http.Header
}

// readOwnFields reads the configuration: additionalModelRequestFields become members of the body,
// guardrailConfig becomes headers. Whatever else Converse knows has no counterpart there. taken lists
// the members that the body has anyway.
func readOwnFields(config []byte, taken string) (own ownFields, err error) {
	if len(config) == 0 {
		return own, nil
	}
	s := jsonscan.New(config)
	s.Object()
	for key, ok := s.Member(); ok && err == nil; key, ok = s.Member() {
		switch key {
		case "additionalModelRequestFields":
			err = own.addFields(&s, taken)
		case "guardrailConfig":
			err = own.guardrail(&s)
		default:
			return own, llm.Invalid(configPath+"."+jsonscan.Path(config, s.Offset()),
				"This model's API takes additionalModelRequestFields and guardrailConfig only.")
		}
	}
	if err == nil && s.Err() != nil {
		return own, llm.Invalid(configPath, "The configuration must be an object of objects.")
	}
	return own, err
}

func (own *ownFields) addFields(s *jsonscan.Scanner, taken string) error {
	const path = configPath + ".additionalModelRequestFields"
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		for word := range strings.SplitSeq(taken, " ") {
			if key == word {
				return llm.Invalid(path+"."+word, "The request has a field of its own for this: use that.")
			}
		}
		own.fields = append(own.fields, ',')
		own.fields = jsonscan.AppendString(own.fields, key)
		own.fields = append(append(own.fields, ':'), s.Raw()...)
	}
	return nil
}

// headerWord is what may stand in a guardrail's header: its id or ARN, or its version.
var headerWord = regexp.MustCompile(`^[A-Za-z0-9:/_.-]{1,1000}$`)

// guardrail writes a Converse guardrailConfig as the headers that InvokeModel and OpenAI's APIs take.
// https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-use-invoke-model.html
func (own *ownFields) guardrail(s *jsonscan.Scanner) error {
	const path = configPath + ".guardrailConfig"
	if own.header == nil {
		own.header = http.Header{}
	}
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		name := ""
		switch key {
		case "guardrailIdentifier":
			name = headerGuardrail
		case "guardrailVersion":
			name = headerGuardrailVersion
		case "trace":
			name = headerTrace
		default:
			return llm.Invalid(path, "On this model's API a guardrail has guardrailIdentifier, guardrailVersion and trace.")
		}
		value := s.String()
		if s.Err() == nil && !headerWord.MatchString(value) {
			return llm.Invalid(path+"."+key, "Letters, digits and : / _ . - are allowed.")
		}
		if key == "trace" {
			value = strings.ToUpper(value)
		}
		own.header[name] = []string{value}
	}
	return nil
}
