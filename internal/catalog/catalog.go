package catalog

import (
	"errors"
	"fmt"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
	"outcrop/internal/proxy"
	"outcrop/internal/usage"
)

// Deployment is a name under which something can be called. A nil member of what it does means that
// it does not do that.
type Deployment struct {
	Name string
	Info Info
	// Roles may use it: nil means everyone, an empty list nobody.
	Roles []string

	Chat   llm.ChatModel
	Embed  llm.EmbedModel
	Rerank llm.RerankModel
	// Count counts the tokens of a chat.
	Count llm.TokenCounter
	// Messages gives the model's own answer to Anthropic's Messages API. Where there is none, or it is nil,
	// such requests are translated for Chat. What it gives may change once it is known which model an ARN
	// stands for.
	Messages func() llm.MessagesModel
	// Kind is what it is in listings.
	Kind Kind
	// Remotes are the servers that have the deployment, by the API that they are asked in: in place of Chat,
	// Embed and Messages. nil does not serve that API.
	Remotes [Interfaces]*proxy.Remote
	// Beside are the servers of the operations beside the one that an API is there for.
	Beside Beside
	// Elsewhere says that only other servers are asked for it, also when there is none of them.
	Elsewhere bool
	// Feedback, TokenizeAt, TruncateAt and ConfigurationAt are the features that another server has; nil for
	// none.
	Feedback, TokenizeAt, TruncateAt, ConfigurationAt *proxy.Remote
	// Translated says which of Remotes are translators: they call back, in another API of the same deployment.
	Translated [Interfaces]bool
	// NativeResponses gives the model's own answer to OpenAI's Responses API. Where there is none, or it is nil,
	// such requests are translated for Chat. What it gives may change, as of Messages.
	NativeResponses func() llm.ResponsesModel
	// Interceptors see a request before the deployment does, in this order.
	Interceptors []string
	// Consent says that callers must have agreed before (features.consentRequired).
	Consent bool
	// Direct says that only who has a key or a token of their own may call it, no deployment for them
	// (features.accessibleByPerRequestKey: false).
	Direct bool
	// Configuration gives the JSON Schema of the chat's custom_fields.configuration; nil when it takes
	// none. What it gives may change once it is known which model an ARN stands for.
	Configuration func() []byte
	Timeouts      Timeouts
	// Region is the upstream's, "" when it has none of AWS's. It is for the operator alone.
	Region string
	// Price is what it costs, at the deployment's own prices or the catalogue's; nil is not known.
	Price *usage.Price
	// Fallback names the deployments that are asked in its place when it cannot answer.
	Fallback Fallback
	// Destinations are the regions in which its prompts may be processed; nil is not known. It is for the
	// operator alone.
	Destinations []string
	// Barred are the roles that state where prompts may run, and out of whose regions its prompts may go: who has
	// one of them may not use it, whatever his other roles are.
	Barred []string
}

// Fallback are names of deployments, by why another is needed; "" is none.
type Fallback struct {
	ContextLength string // the prompt is too long
	ContentFilter string // the request was refused for its content
	Outage        string // no upstream answers, or all of them refuse for their rate
}

// Beside are the servers that have a deployment, by operation: those of the Messages and of the Responses API that
// are not its main one. nil where no other server has that API.
type Beside struct {
	CountMessages *proxy.Remote
	// GetResponse, DeleteResponse and CancelResponse are called with the ID of the response.
	GetResponse, DeleteResponse, CancelResponse *proxy.Remote
}

// Kind is what a deployment is.
type Kind uint8

// The kinds. Interceptors are in no listing.
const (
	Model Kind = iota
	Application
	Interceptor
)

// String is DIAL's word, which listings have.
func (k Kind) String() string {
	return [...]string{"model", "application", "interceptor"}[min(k, Interceptor)]
}

// Interface is an API in which a deployment can be asked.
type Interface uint8

// The interfaces. Legacy completions go with the chats.
const (
	Chats Interface = iota
	Embeddings
	Responses
	Messages
	Interfaces int = iota // how many there are
)

// String is DIAL's name of the interface.
func (i Interface) String() string {
	return [...]string{"openaiChatCompletions", "openaiEmbeddings", "openaiResponses", "anthropicMessages"}[min(i, Messages)]
}

// Serves says whether the deployment can be asked in that API, by this process or another server. A model
// that chats is asked in every API for chats.
func (d *Deployment) Serves(i Interface) bool {
	switch {
	case d.Remotes[i] != nil:
		return true
	case i == Embeddings:
		return d.Embed != nil
	case i == Messages && d.Messages != nil && d.Messages() != nil:
		return true
	default:
		return d.Chat != nil
	}
}

// Timeouts bound how long a chat may take; 0 means without bound.
type Timeouts struct {
	FirstToken time.Duration // until the first event that a client can see
	InterToken time.Duration // between two such events
	Whole      time.Duration // instead of the two, until an answer that is not a stream
	Total      time.Duration
	// Heartbeat is after how much silence a stream gets a comment, so that no proxy closes it; 0 is
	// never.
	Heartbeat time.Duration
}

// Info is what listings tell of a deployment, in DIAL's words. Empty members are left out.
type Info struct {
	DisplayName          string
	DisplayVersion       string
	Description          string
	DescriptionKeywords  []string
	IconURL              string
	Reference            string
	TokenizerModel       string
	EmbeddingDimensions  int   // how long the vectors are; 0 when not told
	CreatedAt, UpdatedAt int64 // Unix time; 0 when unknown
	InputAttachmentTypes []string
	MaxInputAttachments  *int // nil when not told
	MaxRetryAttempts     int
	Defaults             []byte // a JSON object
	// Intro is one line for people.
	Intro string
	// ResponsesDefaults is like Defaults, for the Responses API.
	ResponsesDefaults []byte
	// InterfaceConfigs are what single interfaces have of their own.
	InterfaceConfigs []InterfaceConfig
	// ViewerURL and EditorURL are an application's own pages.
	ViewerURL, EditorURL string
	// Dependencies are the names of deployments that it calls.
	Dependencies []string
	Limits       Limits
	Pricing      Pricing
	Features     Features
}

// InterfaceConfig is what a deployment has of its own when it is asked in one interface. nil members are the
// deployment's.
type InterfaceConfig struct {
	Interface Interface
	Defaults  []byte // a JSON object
	Features  *Features
}

// Limits are advertised, in tokens; 0 means not told. The JSON is that of DIAL's listings, here and
// below.
type Limits struct {
	MaxTotalTokens      int `json:"max_total_tokens,omitempty"`
	MaxPromptTokens     int `json:"max_prompt_tokens,omitempty"`
	MaxCompletionTokens int `json:"max_completion_tokens,omitempty"`
}

// Pricing is advertised: decimal numbers of US dollars per Unit, "token" or "char_without_whitespace".
type Pricing struct {
	Unit       string `json:"unit,omitempty"`
	Prompt     string `json:"prompt,omitempty"`
	Completion string `json:"completion,omitempty"`
	CacheRead  string `json:"cache_read,omitempty"`
	CacheWrite string `json:"cache_write,omitempty"`
}

// Features are advertised.
type Features struct {
	Rate                          bool     `json:"rate"`
	Tokenize                      bool     `json:"tokenize"`
	TruncatePrompt                bool     `json:"truncate_prompt"`
	Configuration                 bool     `json:"configuration"`
	SystemPrompt                  bool     `json:"system_prompt"`
	Tools                         bool     `json:"tools"`
	Seed                          bool     `json:"seed"`
	URLAttachments                bool     `json:"url_attachments"`
	FolderAttachments             bool     `json:"folder_attachments"`
	AllowResume                   bool     `json:"allow_resume"`
	AccessibleByPerRequestKey     bool     `json:"accessible_by_per_request_key"`
	ContentParts                  bool     `json:"content_parts"`
	Temperature                   bool     `json:"temperature"`
	CustomTemperature             bool     `json:"custom_temperature_supported"`
	ParallelToolCalls             bool     `json:"parallel_tool_calls"`
	Cache                         bool     `json:"cache"`
	AutoCaching                   bool     `json:"auto_caching"`
	MaxTokens                     bool     `json:"max_tokens_supported"`
	MaxCompletionTokens           bool     `json:"max_completion_tokens_supported"`
	AssistantAttachmentsInRequest bool     `json:"assistant_attachments_in_request"`
	SkillsSupported               bool     `json:"skills_supported"`
	ReasoningEfforts              []string `json:"reasoning_efforts"`
}

// Catalog holds the deployments in the order of the configuration. It never changes.
type Catalog struct {
	order        []*Deployment
	byName       map[string]*Deployment
	interceptors map[string]*Deployment
}

// New returns a catalog of the deployments. Interceptors have names of their own: nobody calls one by its name.
func New(deployments []*Deployment) (*Catalog, error) {
	c := &Catalog{byName: make(map[string]*Deployment, len(deployments)), interceptors: map[string]*Deployment{}}
	for _, d := range deployments {
		names := c.byName
		if d.Kind == Interceptor {
			names = c.interceptors
		} else {
			c.order = append(c.order, d)
		}
		if names[d.Name] != nil {
			return nil, fmt.Errorf("two deployments are named %q", d.Name)
		}
		names[d.Name] = d
	}
	return c, nil
}

// Interceptor is the interceptor of that name, or nil.
func (c *Catalog) Interceptor(name string) *Deployment { return c.interceptors[name] }

// Resolve finds a deployment that the caller may use: else KindNotFound or KindForbidden.
func (c *Catalog) Resolve(caller auth.Caller, name string) (*Deployment, error) {
	d, ok := c.byName[name]
	if !ok {
		return nil, &llm.Error{
			Kind:    llm.KindNotFound,
			Message: fmt.Sprintf("There is no deployment named %.80q. GET /openai/models lists those you may use.", name),
			Err:     errUnknown, // the name is the client's, and may be anything
		}
	}
	if d.bars(caller) && (d.Roles == nil || caller.HasAny(d.Roles)) {
		return nil, &llm.Error{
			Kind:    llm.KindForbidden,
			Message: fmt.Sprintf("Forbidden deployment: %s. Its prompts may be processed outside the regions that your roles allow.", name),
		}
	}
	if !d.open(caller) {
		return nil, &llm.Error{Kind: llm.KindForbidden, Message: fmt.Sprintf("Forbidden deployment: %s. None of your roles may use it.", name)}
	}
	return d, nil
}

// All returns every deployment but the interceptors, for whoever makes ready what is to be served. What a client sees comes
// from Resolve and List.
func (c *Catalog) All() []*Deployment { return c.order }

// List returns the deployments that the caller may use, in the order of the configuration.
func (c *Catalog) List(caller auth.Caller) []*Deployment {
	visible := make([]*Deployment, 0, len(c.order))
	for _, d := range c.order {
		if d.open(caller) {
			visible = append(visible, d)
		}
	}
	return visible
}

var errUnknown = errors.New("unknown deployment")

func (d *Deployment) open(caller auth.Caller) bool {
	return (d.Roles == nil || caller.HasAny(d.Roles)) && !d.bars(caller)
}

// bars reports whether one of the caller's roles keeps his prompts from where they may go.
func (d *Deployment) bars(caller auth.Caller) bool {
	return len(d.Barred) > 0 && caller.HasAny(d.Barred)
}
