package llm

import "time"

// Role is who speaks in a message.
type Role uint8

// The roles. RoleSystem stands for OpenAI's system and developer alike.
const (
	RoleSystem Role = iota + 1
	RoleUser
	RoleAssistant
	RoleTool
)

// String returns OpenAI's word for the role.
func (r Role) String() string {
	switch r {
	case RoleSystem:
		return "system"
	case RoleUser:
		return "user"
	case RoleAssistant:
		return "assistant"
	case RoleTool:
		return "tool"
	default:
		return "unknown"
	}
}

// ChatRequest asks a model for the next message of a conversation. Whoever receives one may keep
// nothing of it after the reply has ended: its strings may alias a buffer of the transport.
type ChatRequest struct {
	Messages   []Message
	Tools      []Tool
	ToolChoice ToolChoice
	// OneTool says that a reply may hold one tool call at most (parallel_tool_calls: false).
	OneTool  bool
	Sampling Sampling

	// MaxTokens bounds the reply, reasoning included; 0 leaves it to the model.
	MaxTokens int
	// MaxTokensAt is the client's field with MaxTokens; "" is max_tokens.
	MaxTokensAt string
	// Stop holds the strings that end the reply.
	Stop []string
	// Format is what the visible answer must look like; the zero value is free text.
	Format Format
	// Effort is how hard the model should think: none, minimal, low, medium, high, xhigh or max; ""
	// leaves it to the model.
	Effort string
	// Tier is OpenAI's service_tier: auto, default, flex or priority; "" is auto.
	Tier string
	// User is the client's own name of its end user, or "". It is for a server that asks another one;
	// Bedrock never hears it.
	User string
	// Config is custom_fields.configuration as the client wrote it, one JSON object, or nil. Only an
	// adapter reads it.
	Config []byte
	// NoAutoCache says that the adapter must place no cache points of its own. With a CachePoint
	// anywhere in the request it does not either.
	NoAutoCache bool
	// Metadata is for the upstream's own bill: what the server knows of the caller. No client can
	// write it.
	Metadata map[string]string
	// Whole says that nobody will read the reply before its end. An adapter may then use a cheaper
	// call of its upstream; the events are the same.
	Whole bool
	// Picture says that the reply is to be an image, and which; nil for a chat. A model that makes no
	// images refuses it, at "model".
	Picture *Picture
	// Wish is which upstream is wanted. It is for a balancer.
	Wish Wish
}

// Picture is what a client wants of the images that it gets, in the words of OpenAI's Images API, whose
// members "size" and "output_format" these are.
type Picture struct {
	Width, Height int    // pixels; 0 leaves them to the model
	Format        string // png, jpeg or webp; "" leaves it to the model
}

// Sampling steers the choice of tokens; nil leaves a value to the model.
type Sampling struct {
	Temperature *float64 // 0 to 2, OpenAI's scale
	TopP        *float64 // 0 to 1
	Seed        *int64   // the same one gives the same reply, where a model takes one
}

// Message is one turn. Index is its place in the client's own list, for errors that name it: a
// dialect may split or drop messages.
type Message struct {
	Role  Role
	Index int
	Parts []Part
}

// Part is a piece of a message: Text, Blob, Link, Reasoning, ToolCall, ToolResult or CachePoint.
type Part interface{ part() }

// Place is where a part stood in the client's request: "content[1].image_url.url" within its message,
// or "" for the message's content as a whole.
type Place string

// Text is plain text.
type Text struct{ Text string }

// Blob is a file within a message. Its bytes stay in the encoding they came in until somebody needs
// the other: exactly one of Base64 (standard alphabet, padded, without line breaks) and Bytes is
// set.
type Blob struct {
	MIME   string // "image/png", as it was declared: what the bytes are decides; "" when nobody said
	Name   string // file name or title, or ""
	Base64 string
	Bytes  []byte
	At     Place
}

// Link is a file that is still elsewhere. Whoever owns the request replaces it by a Blob before a
// model sees it, except for s3: URLs, which an adapter may pass on.
type Link struct {
	URL  string // absolute, of http, https or s3; or relative to DIAL's file storage: "files/…"
	MIME string // as it was declared, or ""
	Name string // file name or title, or ""
	At   Place
}

// CachePoint says that what comes before it, tools and system messages included, is worth caching.
type CachePoint struct {
	TTL time.Duration // how long; 0 is the model's default (5 minutes)
	At  Place
}

// Reasoning is what a model thought before it answered.
type Reasoning struct {
	Text      string
	Signature string // the vendor's proof that the text is its own, or ""
	Redacted  []byte // thinking that only the vendor can read; Text is then ""
	// Calls is, in a Reply, how many tool calls came before it. In a request the order of parts says it.
	Calls int
}

// ToolCall is a model's request to run a tool.
type ToolCall struct {
	ID   string
	Name string
	Args string // a JSON object in a request; in a reply what the model wrote
}

// ToolResult answers the ToolCall of the same id.
type ToolResult struct {
	ID     string
	Parts  []Part // Text, Blob and Link
	Failed bool
}

func (Text) part()       {}
func (Blob) part()       {}
func (Link) part()       {}
func (CachePoint) part() {}
func (Reasoning) part()  {}
func (ToolCall) part()   {}
func (ToolResult) part() {}

// Tool is a function that the model may ask to be called.
type Tool struct {
	Name        string
	Description string
	Schema      []byte // JSON Schema of the arguments, an object; nil means no arguments
	Strict      bool   // the arguments must obey the schema
	// Static is, of a tool that the vendor defines and mostly runs itself (web search), the tool as the
	// client wrote it, one JSON object; Name is then its name, and the rest is empty. No adapter of
	// Bedrock takes one: whoever owns the request refuses it before.
	Static []byte
	// Cache, when it is not nil, says that the tools up to this one are worth caching.
	Cache *CachePoint
	// Index is its place in the client's own list, for errors that name it: a dialect or an adapter may
	// offer fewer tools than the client sent.
	Index int
}

// ToolMode says whether the model may, must or must not call tools.
type ToolMode uint8

// The tool modes. The zero value leaves the choice to the model.
const (
	ToolAuto ToolMode = iota
	ToolNone
	ToolRequired
	ToolNamed
)

// ToolChoice is a mode and, for ToolNamed, the tool's name.
type ToolChoice struct {
	Mode ToolMode
	Name string
}

// FormatKind is what sort of text an answer must be.
type FormatKind uint8

// The kinds of format; the zero value asks for nothing.
const (
	FormatText   FormatKind = iota
	FormatJSON              // some JSON object (json_object)
	FormatSchema            // JSON that obeys Format.Schema (json_schema)
)

// Format is response_format.
type Format struct {
	Kind        FormatKind
	Name        string // of the schema
	Description string
	Schema      []byte // JSON Schema, an object; for FormatSchema
	Strict      bool   // an answer that does not obey is a failure
}
