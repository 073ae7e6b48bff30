package config

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"outcrop/internal/secret"
)

// Config is what the files say together, in their order. It may hold what is
// wrong as well: ask [HasErrors] before serving it.
type Config struct {
	Models       []Model
	Applications []Application
	Interceptors []Interceptor
	Translators  []Translator
	Routes       []Route
	// GlobalInterceptors see every request before the deployment's own.
	GlobalInterceptors []string
	Keys               []Key
	Roles              []Role
	// Skipped are the entities that mistakes leave out, when that is asked for.
	Skipped []Skipped
	// ClosedRoles are the roles that are left out for their mistakes. What such a role limits and where its holders'
	// prompts may run is not known, so that whoever has one may do nothing.
	ClosedRoles []string
	// RetriableErrorCodes come on top of 429, 502, 503 and 504.
	RetriableErrorCodes []int
	RateLimitSchedule   RateLimitSchedule
	// DefaultLocale chooses among localized values; "" is none given.
	DefaultLocale string

	// hidden is what Dump must not show: all secrets of the files, also those
	// that no field above holds.
	hidden redactor
	// tokenRoles says that tokens bring roles, so that what keys have is not all.
	tokenRoles bool
	// secretFiles are what SecretFiles tells.
	secretFiles []string
}

// Model is one entry of models.
type Model struct {
	Name string
	// Type is chat, completion, embedding or rerank.
	Type                                            string
	DisplayName, DisplayVersion, Description, Intro string
	IconURL, Reference, Author                      string
	DescriptionKeywords                             []string
	CreatedAt, UpdatedAt                            int64 // milliseconds since 1970; 0 is unknown
	// Endpoint is the text of the file: bedrock:<model id or ARN>, or a URL.
	Endpoint string
	// Bedrock is the model id or ARN of a bedrock: endpoint, else "".
	Bedrock string
	// URL is an endpoint of http or https: another server, which speaks DIAL, answers.
	URL          string
	OverrideName string
	// UserRoles: nil is everyone with a key, empty is nobody.
	UserRoles            []string
	Limits               Limits
	Pricing              Pricing
	Features             Features
	InputAttachmentTypes []string
	MaxInputAttachments  *int // nil is not stated
	MaxRetryAttempts     int
	TokenizerModel       string
	EmbeddingDimensions  int // 0 is not stated
	// Defaults is a JSON object of body fields, or nil.
	Defaults  json.RawMessage
	Timeouts  Timeouts
	Upstreams []Upstream
	Fallback  Fallback
	Serving

	fallbackAt []spot // what Fallback states

	endpointAt, overrideNameAt, defaultsAt place
	policyAt                               place
}

// Limits are the token limits that listings advertise; 0 is not stated.
type Limits struct {
	MaxTotalTokens, MaxPromptTokens, MaxCompletionTokens int64
}

// Pricing holds decimal numbers as their text, in USD per Unit; "" is not stated.
type Pricing struct {
	// Unit is token, char_without_whitespace or none.
	Unit                                      string
	Prompt, Completion, CacheRead, CacheWrite string
	// CacheReadTree and CacheWriteTree are decision trees in place of CacheRead and CacheWrite, or nil. They are
	// checked, and written in one form: {"test":{"field":…,"operator":…,"value":…},"ifTrue":rate,"ifFalse":rate}, where
	// a rate is a decimal in a string, or a tree again; a branch that is missing is the price of the prompt.
	CacheReadTree, CacheWriteTree json.RawMessage
	// CacheWrite1h is for tokens that are kept for an hour, Image for an image made, Query for a search or a reranking.
	// Outcrop's own.
	CacheWrite1h, Image, Query string
}

// Features are what listings say of a model. [DefaultFeatures] has DIAL's
// defaults; the four endpoints are URLs.
type Features struct {
	RateEndpoint, TokenizeEndpoint, TruncatePromptEndpoint, ConfigurationEndpoint string

	SystemPromptSupported, ToolsSupported, SeedSupported           bool
	URLAttachmentsSupported, FolderAttachmentsSupported            bool
	AllowResume, AccessibleByPerRequestKey                         bool
	ContentPartsSupported                                          bool
	TemperatureSupported, CustomTemperatureSupported               bool
	MaxTokensSupported, MaxCompletionTokensSupported               bool
	CacheSupported, AutoCachingSupported                           bool
	ParallelToolCallsSupported, AssistantAttachmentsInRequest      bool
	ConsentRequired, SupportCommentInRateResponse, SkillsSupported bool
	ReasoningEfforts                                               []string
}

// DefaultFeatures is what DIAL takes for a model that states none.
func DefaultFeatures() Features {
	return Features{
		SystemPromptSupported:      true,
		AllowResume:                true,
		AccessibleByPerRequestKey:  true,
		TemperatureSupported:       true,
		CustomTemperatureSupported: true,
		MaxTokensSupported:         true,
		ParallelToolCallsSupported: true,
	}
}

// Timeouts bound how long a chat may take; 0 is without bound.
type Timeouts struct {
	// Connect is for the connection to AWS; 0 is the longest that is possible.
	Connect                       time.Duration
	FirstToken, InterToken, Total time.Duration
	// InterTokenStated says that InterToken is not the default.
	InterTokenStated bool
	// Heartbeat is after how much silence a stream gets a comment.
	Heartbeat time.Duration
}

// LongestConnect is how long a connection to AWS may take at most.
const LongestConnect = 10 * time.Second

// DefaultTimeouts is for a model that states none. A model that thinks in silence may take minutes, so
// only what no healthy reply needs is an error.
func DefaultTimeouts() Timeouts {
	return Timeouts{Connect: LongestConnect, FirstToken: 10 * time.Minute, InterToken: 5 * time.Minute, Total: time.Hour, Heartbeat: 15 * time.Second}
}

// Guardrail is a guardrail that every request of an upstream passes; no client can remove it.
type Guardrail struct {
	ID, Version          string // ID "" is none; Version is DRAFT or a number
	Trace                string // enabled, disabled, enabled_full or ""
	StreamProcessingMode string // sync, async or ""
}

// Upstream is one account and region that can answer for a model. The fields
// from Region on come from extraData and secretExtraData.
type Upstream struct {
	ID       string
	Key      secret.String // a Bedrock API key, when the model's endpoint is bedrock:
	Endpoint string
	Weight   int // at most 0 is disabled
	Tier     int
	// Quota is what AWS lets this account use of the model in a minute. Outcrop's own.
	Quota   Quota
	ModelID string
	// BaseModel is the foundation model behind an ARN that does not name it, "" when it does.
	BaseModel string
	// Foreign is extraData and secretExtraData for another server, as it is to read them; of a model of
	// this process it is empty.
	Foreign secret.String
	// ResponsesEndpoint, BaseURL and Interfaces are what another server gets for an interface, see [Upstream.For].
	ResponsesEndpoint, BaseURL string
	Interfaces                 map[Interface]UpstreamInterface
	// Bearer says that a route's server gets the key as a bearer token (authType), and not as API-KEY.
	Bearer bool
	// Surface is the API that is asked: converse, mantle, openai, invoke; "" leaves it to the model.
	Surface   string
	Guardrail Guardrail

	Region string
	// ClaudeClient is how DIAL's adapter would ask Claude: legacy, mantle, converse or "".
	ClaudeClient string
	KeyFile      string // file of a Bedrock API key
	AccessKeyID  string
	SecretAccessKey,
	SessionToken secret.String
	Profile              string // of AWS's configuration files
	WebIdentityTokenFile string
	// ContainerCredentialsURI and ContainerTokenFile are where EKS Pod Identity and ECS serve credentials,
	// and the token that they ask for.
	ContainerCredentialsURI, ContainerTokenFile string
	// AssumeRoleARN is a role to assume with the source of the lines above, if one is given, else with the
	// process's own credentials. RoleChain are the roles assumed on the way to it.
	AssumeRoleARN string
	RoleChain     []string
	// ExternalID, RoleSessionName and RoleDuration (0 is not stated) go with AssumeRoleARN.
	ExternalID, RoleSessionName string
	RoleDuration                time.Duration
	Network                     Network

	modelIDAt, baseModelAt place
}

// Quota bounds an upstream; 0 is not stated.
type Quota struct {
	TokensPerMinute, RequestsPerMinute int64
}

// Fallback names the deployments that are asked when a model cannot answer: its prompt is too long, it was refused
// for its content, no upstream answers. "" is none. Outcrop's own.
type Fallback struct {
	ContextLength, ContentFilter, Outage string
}

// ModelID is the id or ARN that AWS sees: the upstream's modelId, else the
// model's overrideName, else the one of the endpoint.
func (m Model) ModelID(u Upstream) string {
	switch {
	case u.ModelID != "":
		return u.ModelID
	case m.OverrideName != "":
		return m.OverrideName
	}
	return m.Bedrock
}

// Region is the upstream's region, else the one that the model's ARN names,
// else "": the environment's.
func (m Model) Region(u Upstream) string {
	if u.Region != "" {
		return u.Region
	}
	return arnRegion(m.ModelID(u))
}

// Active are the upstreams that are asked: those that are not disabled, or
// without any a plain one (default credentials, the environment's region).
func (m Model) Active() []Upstream {
	if len(m.Upstreams) == 0 {
		return []Upstream{{Weight: 1}}
	}
	return slices.DeleteFunc(slices.Clone(m.Upstreams), func(u Upstream) bool { return u.Weight <= 0 })
}

// Upstream is the first of the active upstreams. False means that all are disabled.
func (m Model) Upstream() (Upstream, bool) {
	active := m.Active()
	if len(active) == 0 {
		return Upstream{}, false
	}
	return active[0], true
}

// NotServed says in words why nobody answers for the model, "" if somebody does.
func (m Model) NotServed() string {
	switch {
	case m.Bedrock == "" && m.mainAddress() == "":
		return `it has neither the endpoint "bedrock:<model id>" nor the address of another server`
	case !isServedType(m.Type, m.Bedrock == ""):
		return fmt.Sprintf("type %s is not served yet", m.Type)
	}
	if _, ok := m.Upstream(); !ok {
		return "every upstream is disabled"
	}
	return ""
}

// AllowsAny reports whether a caller with these roles may call the model.
func (m Model) AllowsAny(roles []string) bool {
	return m.UserRoles == nil || slices.ContainsFunc(m.UserRoles, func(r string) bool { return slices.Contains(roles, r) })
}

// Key is one entry of keys.
type Key struct {
	Secret  secret.String
	Project string
	Roles   []string
	// Secured asks that bodies of this key's requests be never logged.
	Secured bool
	// Digest is the SHA-256 of the key in place of the key itself, "sha256:" and 64 hex digits; "" when Secret is
	// given. Outcrop's own.
	Digest string
	// Name is what an entry is called whose key stands elsewhere; "" when the name is the key.
	Name string
	// AllowedIPs are the networks it may be used from (allowedIpAddressRanges); nil is everywhere, empty nowhere.
	AllowedIPs []netip.Prefix
	// Expires is when it stops to be good; zero is never. Outcrop's own.
	Expires time.Time

	expiresAt place
}

// Unlimited is the limit of a window that the configuration does not state.
const Unlimited = math.MaxInt64

// Role is one entry of roles.
type Role struct {
	Name      string
	Limits    []RoleLimit
	CostLimit CostLimit
	// AllowedRegions and AllowedGeographies are where prompts of its holders may run; nil is everywhere. Outcrop's
	// own.
	AllowedRegions, AllowedGeographies []string
	// Concurrent is how many requests one holder may have running (maxConcurrentRequests); 0 is not stated. Outcrop's
	// own.
	Concurrent int
}

// RoleLimit bounds what one project may use of one deployment: tokens per
// window, and requests per hour and day. What is not stated is [Unlimited].
type RoleLimit struct {
	Deployment               string
	Minute, Day, Week, Month int64
	RequestHour, RequestDay  int64
}

// CostLimit bounds what one project may spend per window, over all models, in
// USD as decimal text; "" is unlimited.
type CostLimit struct {
	Minute, Day, Week, Month string
}

// RateLimitSchedule says when the windows of a day, a week and a month begin.
type RateLimitSchedule struct {
	Timezone     string // IANA name
	WeekStartDay string // Mon … Sun
	ResetTime    string // HH:mm
}
