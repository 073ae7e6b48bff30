package config

import (
	"encoding/json"
	"time"

	"outcrop/internal/secret"
)

// Interface is an API in which a deployment can be asked, by DIAL's name of it.
type Interface string

// The interfaces of DIAL. Others have no meaning.
const (
	ChatCompletions   Interface = "openaiChatCompletions"
	Embeddings        Interface = "openaiEmbeddings"
	Responses         Interface = "openaiResponses"
	AnthropicMessages Interface = "anthropicMessages"
)

// Serving is what models, applications and interceptors say of the servers behind them.
type Serving struct {
	ResponsesEndpoint, BaseURL string
	// Interfaces are those that are declared, by their name.
	Interfaces map[Interface]InterfaceConfig
	// ForwardAuthToken lets the client's Authorization go on to the server.
	ForwardAuthToken bool
	// ResponsesDefaults is like a model's Defaults, for the Responses API.
	ResponsesDefaults json.RawMessage
	// DefaultHeaders are added to a call when the client did not send them, by their canonical names. A value may
	// be a credential.
	DefaultHeaders map[string]secret.String
	// Interceptors are its own; the global ones come before them.
	Interceptors []string
	Dependencies []string
	// AllowedRegions and AllowedGeographies are where its prompts may run, AWS's names (eu-west-1; eu, us, apac,
	// global); nil is everywhere. Outcrop's own.
	AllowedRegions, AllowedGeographies []string
	// Regions are where the prompts of a deployment run whose model id or address does not tell; nil is not stated.
	// Outcrop's own.
	Regions []string
}

// InterfaceConfig is an entry of interfaces.
type InterfaceConfig struct {
	BaseURL string // "" is the deployment's
	// Translated says that a translator stands before the deployment (mode). Translator is its name, "" for one
	// without; By is the translator, nil when there is none of that name: the interface is not served then.
	Translated     bool
	Translator     string
	By             *Translator
	Defaults       json.RawMessage // or nil: over the deployment's, member by member
	Features       *Features       // or nil: in place of the deployment's, which it has for what it does not state
	DefaultHeaders map[string]secret.String
	// OverridePaths are path templates with {overrideName} and {id}.
	OverridePaths map[Operation]string
}

// Application is a deployment that is a program: another server that speaks DIAL. It has the fields of a model
// that both have.
type Application struct {
	Model
	ViewerURL, EditorURL string
	TypeSchemaID         string
	Properties           json.RawMessage // applicationProperties, or nil
}

// Interceptor is a deployment that sees requests before others.
type Interceptor struct{ Model }

// Translator is a server between two interfaces.
type Translator struct {
	Name    string
	In, Out Interface
	BaseURL string
	// Regions are where it runs; nil is not stated. Outcrop's own.
	Regions []string
}

// Route is a path that is forwarded as it is.
type Route struct {
	Name string
	// Paths are regular expressions that the whole path has to match; Methods in capitals, empty for all.
	Paths   []string
	Methods []string
	// Order is lower for those that are tried first.
	Order            int
	RewritePath      bool
	Response         *CannedResponse // instead of upstreams, or nil
	Upstreams        []Upstream
	UserRoles        []string // as a model's
	MaxRetryAttempts int
}

// CannedResponse is what a route answers without asking anybody.
type CannedResponse struct {
	Status int
	Body   string
}

// Skipped is an entity that is left out of what is served, for its mistakes.
type Skipped struct {
	ID     string `json:"id"` // models.claude
	Reason string `json:"reason"`
}

// Settings are DIAL's static settings: aidial.settings.json, and the environment variables aidial.….
type Settings struct {
	Files           []string      // config.files
	Reload          time.Duration // config.reload; 0 is not stated
	OverwriteArrays bool          // config.jsonMergeStrategy.overwriteArrays
	SkipInvalid     bool          // config.onInvalidEntity: skip
	Providers       []Provider    // identityProviders, in the order of their names' places
	Port            int           // server.port; 0 is not stated
	IdleTimeout     time.Duration // server.idleTimeout; 0 is not stated
	ConnectTimeout  time.Duration // client.connectTimeout; 0 is not stated
	SilenceTimeout  time.Duration // client.idleTimeout; 0 is not stated
	PassLifetime    time.Duration // perRequestApiKey.ttl; 0 is not stated
	ProxyCount      int           // apiKeyValidation.proxyCount
	Admins          []ClaimRule   // access.admin.rules; one is enough
	Encryption      Encryption
	MaxBody         int64         // resources.maxSize; 0 is not stated
	MaxUpload       int64         // storage.maxUploadedFileSize; 0 is not stated
	BackgroundTTL   time.Duration // backgroundJob.defaultJobTtlMs; 0 is not stated
	BackgroundPoll  time.Duration // backgroundJob.pollIntervalMs; 0 is not stated
	MetricsPort     int           // vertx.metricsOptions.prometheusOptions.embeddedServerOptions.port; 0 is not stated
	// Redis is the URL of a Redis that replicas share: redis://user:password@host:port/database; zero is none. RedisPrefix
	// begins the names of its keys (storage.prefix).
	Redis       secret.String
	RedisPrefix string
	Postgres    secret.String // postgres.url; zero is none
	Limits      LimitSettings
	Load        LoadBounds
	PromptLog   PromptLogSettings
	Tracing     TracingSettings
}

// LimitSettings say how limits are kept. Outcrop's own.
type LimitSettings struct {
	// AdmitWhenDown admits requests while the store of the counters cannot be asked; else they are refused.
	AdmitWhenDown bool
	// Loose reserves nothing, as DIAL does: a burst may go beyond a limit.
	Loose bool
	// Slack is how far use may go beyond a limit, as a part of it, 0 … 1.
	Slack float64
	// Concurrent is how many requests a caller may have running whose roles do not say; 0 is without bound.
	Concurrent int
	// StoreTimeout is how long the store of the counters may take for one answer; 0 is not stated.
	StoreTimeout time.Duration
}

// PromptLogSettings say what the prompt log is given.
type PromptLogSettings struct {
	File    string // AIDIAL_LOG_FILE; "" is none
	Bodies  bool   // promptLog.bodies: bodies too, but never those of secured keys
	MaxBody int64  // promptLog.maxBody: where a body is cut, in bytes
	Claims  bool   // analytics.collectClaims
	Headers bool   // analytics.collectHeaders
	// HeadersBlacklist and HeadersAllowlist are regular expressions (RE2) that a header's whole name matches in either
	// case; without an allowlist (nil) all headers that are not blacklisted are collected.
	HeadersBlacklist, HeadersAllowlist []string
}

// TracingSettings say what is told of a request in traces.
type TracingSettings struct {
	GenAIAttributes bool // tracing.genAiSpanAttributes
	ResponseHeaders bool // tracing.responseTraceHeaders
	// ConversationHeaders are the headers whose first present one is the conversation's id.
	ConversationHeaders []string
}

// Encryption is what the names of buckets are made with; both or neither are given.
type Encryption struct{ Secret, Key secret.String }

// ClaimRule is a rule about the claims of a token.
type ClaimRule struct {
	Source   string // the claim
	Function string // EQUAL, CONTAIN or REGEX
	Targets  []string
}

// Provider is an entry of identityProviders.
type Provider struct {
	Name string
	// One of the three is given.
	JWKSURL, UserInfoEndpoint string
	Unverified                bool // disableJwtVerification

	RolePaths                       []string
	RolesDelimiter                  string
	ProjectPath                     string
	UserIDPath, UserDisplayName     string
	LoggingKey                      string
	LoggingSalt                     secret.String
	ObfuscateUserEmail              bool
	PositiveCache, NegativeCache    time.Duration
	IssuerPattern, Issuer, Audience string
	Leeway                          time.Duration
	Algorithms                      []string
}
