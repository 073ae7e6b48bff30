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

// guardrail is the operator's, or the client's if the operator has none, or nil.
func (c *converse) guardrail() (*Guardrail, error) {
	g, own := c.config.guardrail, c.traits.guardrail
	if own == nil {
		return g, nil
	}
	if g != nil && (g.ID != own.ID || g.Version != own.Version) {
		return nil, llm.Invalid(configPath+".guardrailConfig", "This deployment's guardrail is set by the server: it cannot be removed or replaced.")
	}
	if g != nil {
		const why = "this deployment's guardrail is set by the server"
		if g.Trace != "" && g.Trace != own.Trace {
			c.ignore(configPath+".guardrailConfig.trace", why)
		}
		if g.StreamProcessingMode != "" && g.StreamProcessingMode != own.StreamProcessingMode {
			c.ignore(configPath+".guardrailConfig.streamProcessingMode", why)
		}
	}
	return own, nil
}

// guardrailHeader is the guardrail as the headers that InvokeModel and OpenAI's APIs take: the
// operator's, or the client's if the operator has none.
func (c *converse) guardrailHeader() (http.Header, error) {
	h := http.Header{}
	g, err := c.guardrail()
	if g == nil || err != nil {
		return h, err
	}
	for _, text := range []string{g.ID, g.Version} {
		if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return nil, llm.Invalid(configPath+".guardrailConfig", "The id and version of a guardrail hold no spaces and only ASCII.")
		}
	}
	h.Set(headerGuardrail, g.ID)
	h.Set(headerGuardrailVersion, g.Version)
	if g.Trace != "" {
		h.Set(headerTrace, strings.ToUpper(g.Trace))
	}
	return h, nil
}
