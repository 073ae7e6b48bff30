package models

import "encoding/json"

// Kind is what a model makes.
type Kind string

// The kinds of the catalogue.
const (
	Chat      Kind = "chat"
	Embedding Kind = "embedding"
	Image     Kind = "image"
	Video     Kind = "video"
	Speech    Kind = "speech"
	Rerank    Kind = "rerank"
)

// Fact is a yes or no that may be unknown.
type Fact uint8

// The values of a Fact; the zero value says that no source tells.
const (
	Unknown Fact = iota
	No
	Yes
)

// UnmarshalJSON reads true and false; null is Unknown, and an absent member stays what it was.
func (f *Fact) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*f = Unknown
		return nil
	}
	var yes bool
	if err := json.Unmarshal(data, &yes); err != nil {
		return err
	}
	*f = No
	if yes {
		*f = Yes
	}
	return nil
}

// Model is what is known of one model id. A nil slice or pointer, a zero number
// and an empty string mean "not known"; an empty, non-nil slice means "none".
// Models are shared: read, do not write.
type Model struct {
	ID       string `json:"id"`       // as in the request path, e.g. us.amazon.nova-lite-v1:0
	Base     string `json:"base"`     // ID without geo prefix; equal to ID for a base id
	Geo      string `json:"geo"`      // us, eu, apac, jp, au, ca, in, us-gov, global; "" for a base id
	Provider string `json:"provider"` // lower case: anthropic, amazon, …
	Name     string `json:"name"`     // for people; the id without provider where AWS's name is not known
	Kind     Kind   `json:"kind"`

	// Surfaces lists where the id is served: converse, invoke, async-invoke,
	// bidirectional, mantle, or "mantle:<path>" and "runtime:<path>".
	Surfaces []string `json:"surfaces"`
	Input    []string `json:"input"`  // modalities: text, image, pdf, video, audio
	Output   []string `json:"output"` // modalities: text, image, embeddings, video, audio
	// Streaming says whether replies can come as a stream.
	Streaming Fact `json:"streaming"`
	// InferenceTypes holds ON_DEMAND, INFERENCE_PROFILE, PROVISIONED.
	InferenceTypes []string `json:"inference_types"`

	ContextWindow   int `json:"context_window"`    // tokens, input and output together
	MaxOutputTokens int `json:"max_output_tokens"` // tokens, as the publisher says
	// ConverseMaxTokens is the largest inferenceConfig.maxTokens that Converse
	// takes, in tokens. It may be above MaxOutputTokens.
	ConverseMaxTokens int `json:"converse_max_tokens"`

	Prices    *Prices   `json:"prices"`
	Lifecycle Lifecycle `json:"lifecycle"`

	Reasoning         Fact         `json:"reasoning"`
	StructuredOutputs Fact         `json:"structured_outputs"` // Unknown also where sources disagree
	PromptCache       *PromptCache `json:"prompt_cache"`
	DocumentTypes     []string     `json:"document_types"` // Converse's format names, as ListFoundationModels gives them
	ImageTypes        []string     `json:"image_types"`
	VideoTypes        []string     `json:"video_types"`

	VectorSize      int   `json:"vector_size"`  // default length of an embedding
	VectorSizes     []int `json:"vector_sizes"` // lengths that may be asked for
	MaxTexts        int   `json:"max_texts"`    // texts in one embedding call
	MaxCharsPerText int   `json:"max_chars_per_text"`

	Converse *Converse `json:"converse"`
}

// ProfileOnly says whether the id cannot be called by itself because the model
// is served through inference profiles only.
func (m *Model) ProfileOnly() bool {
	return m.Geo == "" && len(m.InferenceTypes) == 1 && m.InferenceTypes[0] == "INFERENCE_PROFILE"
}

// MantleOnly says whether the id exists only on the bedrock-mantle host.
func (m *Model) MantleOnly() bool {
	return len(m.Surfaces) == 1 && m.Surfaces[0] == "mantle"
}

// Prices are in USD, standard tier. Zero means no price is known or none is
// charged apart: for chat models a zero CacheRead means that the cache is not
// priced.
type Prices struct {
	Input        float64 `json:"input"`          // per 1M input tokens
	Output       float64 `json:"output"`         // per 1M output tokens
	CacheRead    float64 `json:"cache_read"`     // per 1M tokens read from the prompt cache
	CacheWrite   float64 `json:"cache_write"`    // per 1M tokens written for 5 minutes
	CacheWrite1h float64 `json:"cache_write_1h"` // per 1M tokens written for an hour
	PerImage     float64 `json:"per_image"`      // per image
	Per1kQueries float64 `json:"per_1k_queries"` // per 1,000 rerank queries
}

// The states of a life cycle.
const (
	Active    = "ACTIVE"
	Legacy    = "LEGACY"
	EndOfLife = "EOL"
)

// Lifecycle says how long a model lives.
type Lifecycle struct {
	Status string `json:"status"` // ACTIVE, LEGACY or EOL on the day the catalogue was made
	EOL    string `json:"eol"`    // day of the end, YYYY-MM-DD; "" when not known
}

// PromptCache says how a model caches prompts. A Model without one is not known.
type PromptCache struct {
	Explicit       bool     `json:"explicit"`   // takes cache points; false: refuses them
	MinTokens      int      `json:"min_tokens"` // tokens before a checkpoint, below which it is ignored
	MaxCheckpoints int      `json:"max_checkpoints"`
	TTL1h          bool     `json:"ttl_1h"` // takes ttl 1h as well as 5m
	Places         []string `json:"places"` // system, messages, tools
}

// Ways of asking a model to reason (Converse.Thinking).
const (
	ThinkingNone     = "none"               // does not reason
	ThinkingBudget   = "budget"             // Claude: thinking {type: enabled, budget_tokens}
	ThinkingAdaptive = "adaptive"           // Claude: thinking {type: adaptive} only
	ThinkingEither   = "adaptive or budget" // Claude 4.6: both; the budget is deprecated
	ThinkingNova     = "nova"               // reasoningConfig {type, maxReasoningEffort}
	ThinkingEffort   = "effort"             // reasoning_effort: low, medium, high
	ThinkingLevel    = "level"              // reasoning_config: low, medium, high
	ThinkingConfig   = "config"             // reasoning_config: none to max
	ThinkingAlways   = "always"             // cannot be turned off
)

// Which of temperature and topP a model takes (Converse.Sampling).
const (
	SamplingBoth = "both"
	SamplingOne  = "one"  // either, not both
	SamplingNone = "none" // neither, unless at its default
)

// Converse is how a model behaves behind Converse, from live checks that
// others published (pydantic-ai, langchain-aws) and AWS's documentation.
type Converse struct {
	Tools            bool     `json:"tools"`
	StreamingTools   bool     `json:"streaming_tools"`
	ToolChoice       []string `json:"tool_choice"` // auto, any, tool
	System           bool     `json:"system"`
	LeadingAssistant Fact     `json:"leading_assistant"` // a conversation may start with assistant
	Prefill          Fact     `json:"prefill"`           // it may end with assistant
	S3Media          Fact     `json:"s3_media"`          // images and videos by s3Location
	ToolResultAlone  bool     `json:"tool_result_alone"` // nothing beside a toolResult in its turn
	ToolResultMedia  []string `json:"tool_result_media"` // beside text and json
	ToolResultStatus Fact     `json:"tool_result_status"`
	TopKKey          string   `json:"top_k_key"`    // path inside additionalModelRequestFields
	Thinking         string   `json:"thinking"`     // one of the Thinking constants
	ThinkingOff      Fact     `json:"thinking_off"` // thinking {type: disabled} is taken
	Sampling         string   `json:"sampling"`     // one of the Sampling constants
}
