package openai

import (
	"bytes"
	"slices"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// memberSet is a set of the members of a request that Defaults can hold. Members that stand for each
// other are one: a default max_completion_tokens does not overrule the client's max_tokens.
type memberSet uint32

const (
	hasStreamOptions memberSet = 1 << iota
	hasTemperature
	hasTopP
	hasMaxTokens
	hasStop
	hasTools
	hasToolChoice
	hasOneTool
	hasN
	hasMaxPrompt
	hasFormat
	hasEffort
	hasTier
	hasCustomFields
	hasCacheControl
	hasCacheOptions
	hasDimensions
	hasEncoding
	hasSeed
)

// memberOf is the member's set, empty for a member that no default can change.
func memberOf(key string) memberSet {
	switch key {
	case "stream_options":
		return hasStreamOptions
	case "temperature":
		return hasTemperature
	case "top_p":
		return hasTopP
	case "max_tokens", "max_completion_tokens":
		return hasMaxTokens
	case "stop":
		return hasStop
	case "tools", "functions":
		return hasTools
	case "tool_choice", "function_call":
		return hasToolChoice
	case "parallel_tool_calls":
		return hasOneTool
	case "n":
		return hasN
	case "max_prompt_tokens":
		return hasMaxPrompt
	case "response_format":
		return hasFormat
	case "reasoning_effort":
		return hasEffort
	case "service_tier":
		return hasTier
	case "custom_fields":
		return hasCustomFields
	case "cache_control":
		return hasCacheControl
	case "prompt_cache_options":
		return hasCacheOptions
	case "dimensions":
		return hasDimensions
	case "encoding_format":
		return hasEncoding
	case "seed":
		return hasSeed
	default:
		return 0
	}
}

// Defaults are the members that a deployment adds to the requests that do not have them: DIAL's
// "defaults" (github.com/epam/ai-dial-core, ApplyDefaultDeploymentSettingsFn). As there, only whole
// members of the top level count: a body with any custom_fields gets none of the default ones, and one
// with a null member has that member.
type Defaults struct {
	// Ignored names the members that have no effect here, for whoever wrote them.
	Ignored []string

	given      memberSet
	req        llm.ChatRequest
	shape      Shape
	cache      llm.Part
	cacheGiven memberSet // which member said so
}

// ParseDefaults reads a JSON object of members of a request. An error is an *llm.Error of KindInvalid
// whose Param is the path of the wrong member.
func ParseDefaults(doc []byte) (*Defaults, error) {
	body := bytes.Clone(doc) // the values alias it for as long as the deployment lives
	if err := checkDefaults(body); err != nil {
		return nil, err
	}
	d := newDecoder(body)
	d.chat()
	d.s.End()
	if d.s.Err() == nil {
		d.settle()
	}
	if err := d.err(); err != nil {
		e := llm.AsError(err)
		e.Message = strings.Replace(e.Message, "The body is ", "The document of defaults is ", 1)
		return nil, e
	}
	if choice := d.req.ToolChoice; len(d.req.Tools) > 0 && !canMeet(choice, d.req.Tools) {
		return nil, llm.Invalid("tool_choice", "tool_choice: names none of the default tools.")
	}
	return &Defaults{
		Ignored: d.ignored.paths(body), given: d.shape.given, req: *d.req, shape: d.shape, cache: d.cache, cacheGiven: d.cacheGiven,
	}, nil
}

// checkDefaults refuses what only a client can say.
func checkDefaults(body []byte) error {
	s := jsonscan.New(body)
	if s.Kind() != '{' {
		return nil // the decoder has the words for it
	}
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "messages", "model", "stream":
			return llm.Invalid(key, key+": has no default; only a request can say it.")
		}
		s.Skip()
	}
	return nil
}

// Apply adds the members that the body of the request did not have. A default tool_choice that the
// request's tools cannot meet is left out. (A tool_choice of the client's has to be met by the client's
// own tools: DecodeChat has checked it before any default is known.) Nil defaults change nothing.
func (f *Defaults) Apply(req *llm.ChatRequest, shape *Shape) {
	if f == nil {
		return
	}
	missing := f.given &^ shape.given
	if missing == 0 {
		return
	}
	f.applyAnswer(req, missing)
	if missing&hasTools != 0 {
		req.Tools, shape.Functions = slices.Clone(f.req.Tools), f.shape.Functions
	}
	if missing&hasToolChoice != 0 && canMeet(f.req.ToolChoice, req.Tools) {
		req.ToolChoice = f.req.ToolChoice
	}
	if missing&hasOneTool != 0 {
		req.OneTool = f.req.OneTool
	}
	if missing&hasStreamOptions != 0 {
		shape.IncludeUsage = f.shape.IncludeUsage
	}
	if missing&hasN != 0 {
		shape.N = f.shape.N
	}
	if missing&hasMaxPrompt != 0 {
		shape.MaxPromptTokens = f.shape.MaxPromptTokens
	}
	if missing&hasCustomFields != 0 {
		req.Config = f.req.Config
	}
	if missing&hasCacheOptions != 0 {
		req.NoAutoCache = f.req.NoAutoCache
	}
	if f.cache != nil && missing&f.cacheGiven != 0 {
		cacheAtEnd(req, f.cache)
	}
}

// applyAnswer adds what the answer should be like.
func (f *Defaults) applyAnswer(req *llm.ChatRequest, missing memberSet) {
	if missing&hasTemperature != 0 {
		req.Sampling.Temperature = clone(f.req.Sampling.Temperature)
	}
	if missing&hasTopP != 0 {
		req.Sampling.TopP = clone(f.req.Sampling.TopP)
	}
	if missing&hasSeed != 0 {
		req.Sampling.Seed = clone(f.req.Sampling.Seed)
	}
	if missing&hasMaxTokens != 0 {
		req.MaxTokens, req.MaxTokensAt = f.req.MaxTokens, f.req.MaxTokensAt
	}
	if missing&hasStop != 0 {
		req.Stop = slices.Clone(f.req.Stop)
	}
	if missing&hasFormat != 0 {
		req.Format = f.req.Format
	}
	if missing&hasEffort != 0 {
		req.Effort = f.req.Effort
	}
	if missing&hasTier != 0 {
		req.Tier = f.req.Tier
	}
}

// ShapeOf is the shape of a request that came in another dialect: one choice, and for Defaults the members
// that the request has.
func ShapeOf(req *llm.ChatRequest, stream bool) Shape {
	s := Shape{Stream: stream, N: 1, given: hasCacheControl | hasCacheOptions | hasN | hasMaxPrompt}
	for _, member := range [...]struct {
		has bool
		set memberSet
	}{
		{req.Sampling.Temperature != nil, hasTemperature}, {req.Sampling.TopP != nil, hasTopP}, {req.MaxTokens != 0, hasMaxTokens},
		{len(req.Stop) > 0, hasStop}, {len(req.Tools) > 0, hasTools}, {req.ToolChoice != llm.ToolChoice{}, hasToolChoice},
		{req.OneTool, hasOneTool}, {req.Format.Kind != llm.FormatText, hasFormat}, {req.Effort != "", hasEffort},
		{req.Tier != "", hasTier}, {len(req.Config) > 0, hasCustomFields},
	} {
		if member.has {
			s.given |= member.set
		}
	}
	return s
}

func clone[T int64 | float64](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}
