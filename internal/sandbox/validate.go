package sandbox

import (
	"slices"
	"strings"

	"outcrop/internal/models"
)

// Texts that more than one rule gives; the ids are those of the cases in
// testdata/requests-invalid.json and of the table of known messages.
const (
	invalidModelID = "The provided model identifier is invalid." // r01
	noOnDemand     = "Invocation of model ID %s with on-demand throughput isn’t supported. " +
		"Retry your request with the ID or ARN of an inference profile that contains this model." // r04
	noPromptCache = "You invoked an unsupported model or your request did not allow prompt caching. " +
		"See the documentation for more information." // r16
	noStreaming   = "The model is unsupported for streaming."                                                                 // m30, i05
	inputTooLong  = "Input is too long for requested model."                                                                  // m27
	notAChatModel = "This action doesn't support the model that you provided. Try again with a supported text or chat model." // reported
	noCounting    = "The provided model doesn't support counting tokens."                                                     // t01
	endOfLife     = "This model version has reached the end of its life."                                                     // reported
)

// validate returns nil when Bedrock would accept the call. In order: what the
// account may do, the model id, the service model, Converse's own rules, what
// the model can do, what the model itself says.
func validate(c *call, m *mood) *apiError {
	if m == nil {
		m = &mood{}
	}
	refused, ok := refusal(m.Refuse, c)
	if ok && !isModelMood(m.Refuse) {
		return refused
	}
	if denied := m.Access.refuse(c); denied != nil {
		return denied
	}
	checks := []func(*call) *apiError{route, constraints, rules}
	if c.isOpenAI() {
		checks = []func(*call) *apiError{openaiRoute, openaiRules}
	}
	if c.isAnthropic() {
		checks = []func(*call) *apiError{messagesRoute, messagesRules}
	}
	for _, check := range checks {
		if err := check(c); err != nil {
			return err
		}
	}
	return refused
}

// route says whether the model id may be called with this operation.
func route(c *call) *apiError {
	kind := resourceKind(c.ModelID)
	switch {
	case c.Model == nil && !opaque(kind), c.Model != nil && c.Model.MantleOnly():
		return invalid(invalidModelID)
	case !opaque(kind) && c.Model != nil && c.Model.Geo != "" && c.Region != "" && !models.Reaches(c.Model.Geo, c.Region):
		return invalid(invalidModelID) // the region has no such profile
	case c.Op == opCountTokens && (c.Model == nil || c.Model.Geo != "" || opaque(kind) || c.Model.Provider != "anthropic"):
		return invalid(noCounting)
	case c.Op == opCountTokens || c.Model == nil:
		return nil
	case !opaque(kind) && (c.Model.ProfileOnly() || slices.Equal(c.Model.InferenceTypes, []string{"PROVISIONED"})):
		return invalid(noOnDemand, c.ModelID)
	case c.isConverse() && (c.Model.Kind != models.Chat || familyOf(c) == familyPegasus):
		return invalid(notAChatModel)
	case c.streams() && c.Model.Streaming == models.No:
		return invalid(noStreaming)
	}
	return nil
}

// resourceKind is the type inside an ARN ("provisioned-model"), "" for an id.
func resourceKind(id string) string {
	parts := strings.SplitN(id, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return ""
	}
	kind, name, _ := strings.Cut(parts[5], "/")
	if name == "" || (parts[2] != "bedrock" && parts[2] != "sagemaker") {
		return ""
	}
	return kind
}

// opaque says whether ARNs of that type do not name the model behind them; such
// a model is taken as plain Converse.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_RequestSyntax
func opaque(kind string) bool {
	switch kind {
	case "application-inference-profile", "provisioned-model", "imported-model", "custom-model",
		"custom-model-deployment", "prompt", "prompt-router", "default-prompt-router", "endpoint":
		return true
	}
	return false
}

// constraints compares the body with the service model.
func constraints(c *call) *apiError {
	shapes, err := inputShapes()
	if err != nil {
		return &apiError{Status: 500, Type: "InternalServerException", Message: err.Error()}
	}
	input := shapes[c.Op]
	switch {
	case input == nil:
		return &apiError{Status: 404, Type: "UnknownOperationException", Namespace: authNamespace}
	case input.kind == "blob": // the body as a whole is the one member
		return checkBodySize(input, len(c.Raw))
	case len(c.Raw) > maxBody:
		return invalid(inputTooLong)
	case c.Body == nil:
		return undecodable(notAJSONObject)
	}
	return checkConstraints(input, c.Body)
}

func checkBodySize(s *shape, n int) *apiError {
	k := checker{path: []segment{{name: "body"}}}
	k.size(s, n, nil)
	return k.verdict()
}

// rules applies what holds beyond the service model.
func rules(c *call) *apiError {
	switch c.Op {
	case opConverse, opConverseStream:
		return newConversation(c, c.Body).check(true)
	case opCountTokens:
		return countRules(c)
	default:
		return invokeRules(c)
	}
}

// conversation is a Converse body with what its rules need to know.
type conversation struct {
	body   map[string]any
	turns  []turn
	model  *models.Model // nil: plain Converse
	stream bool
	prompt bool // the model id is the ARN of a stored prompt
}

func newConversation(c *call, body map[string]any) *conversation {
	return &conversation{body: body, turns: turns(body), model: c.Model, stream: c.Op == opConverseStream,
		prompt: resourceKind(c.ModelID) == "prompt"}
}

// rule is one thing that a conversation must satisfy.
type rule func(*conversation) *apiError

// check applies Converse's rules and those of the model; whole adds the limits
// that hold for a request which is to be answered, not only counted.
func (v *conversation) check(whole bool) *apiError {
	all := semanticRules()
	if v.model != nil {
		all = append(all, capabilityRules()...)
		all = append(all, modelRules(v.model)...)
		if whole {
			all = append(all, contextWindow)
		}
	}
	for _, r := range all {
		if err := r(v); err != nil {
			return err
		}
	}
	return nil
}

// blocks ranges over the content blocks of all turns with their places.
func (v *conversation) blocks(yield func(spot, map[string]any) bool) {
	for _, t := range v.turns {
		for j, b := range t.content {
			if !yield(spot{turn: t, block: j}, object(b)) {
				return
			}
		}
	}
}

// spot is where a content block stands.
type spot struct {
	turn  turn
	block int
}

func (s spot) place() place { return place{"messages", s.turn.index, "content", s.block} }
