package bedrock

import (
	"net/http"
	"strings"

	"outcrop/internal/llm"
)

// The headers of a guardrail, where the body has no place for it.
// https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-use-invoke-model.html
const (
	headerGuardrail        = "X-Amzn-Bedrock-Guardrailidentifier"
	headerGuardrailVersion = "X-Amzn-Bedrock-Guardrailversion"
	headerTrace            = "X-Amzn-Bedrock-Trace"
)

// otherGuardrail refuses a client's guardrail beside the operator's.
func otherGuardrail() error {
	return llm.Invalid(configPath+".guardrailConfig", "This deployment's guardrail is set by the server: it cannot be removed or replaced.")
}

// guard puts the operator's guardrail into the headers of a call of a surface other than Converse.
func (call *outcall) guard(own *Guardrail) error {
	if own == nil {
		return nil
	}
	if id := call.header.Get(headerGuardrail); id != "" && (id != own.ID || call.header.Get(headerGuardrailVersion) != own.Version) {
		return otherGuardrail()
	}
	if call.header == nil {
		call.header = http.Header{}
	}
	call.header.Set(headerGuardrail, own.ID)
	call.header.Set(headerGuardrailVersion, own.Version)
	call.header.Del(headerTrace)
	if own.Trace != "" {
		call.header.Set(headerTrace, strings.ToUpper(own.Trace))
	}
	return nil
}
