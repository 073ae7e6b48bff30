package llm

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
	Sampling   Sampling

	// MaxTokens bounds the reply, reasoning included; 0 leaves it to the model.
	MaxTokens int
	// Stop holds the strings that end the reply.
	Stop []string
	// Whole says that nobody will read the reply before its end. An adapter may then use a cheaper
	// call of its upstream; the events are the same.
	Whole bool
}

// Sampling steers the choice of tokens; nil leaves a value to the model.
type Sampling struct {
	Temperature *float64 // 0 to 2, OpenAI's scale
	TopP        *float64 // 0 to 1
}

// Message is one turn. Index is its place in the client's own list, for errors that name it: a
// dialect may split or drop messages.
type Message struct {
	Role  Role
	Index int
	Parts []Part
}

// Part is a piece of a message: Text, Blob, Reasoning, ToolCall or ToolResult.
type Part interface{ part() }

// Text is plain text.
type Text struct{ Text string }

// Blob is a file within a message. Its bytes stay in the encoding they came in until somebody needs
// the other: exactly one of Base64 (standard alphabet, padded, without line breaks) and Bytes is
// set.
type Blob struct {
	MIME   string // "image/png"
	Name   string // file name, or ""
	Base64 string
	Bytes  []byte
}

// Reasoning is what a model thought before it answered.
type Reasoning struct {
	Text      string
	Signature string // the vendor's proof that the text is its own, or ""
	Redacted  []byte // thinking that only the vendor can read; Text is then ""
}

// ToolCall is a model's request to run a tool.
type ToolCall struct {
	ID   string
	Name string
	Args string // a JSON object
}

// ToolResult answers the ToolCall of the same id.
type ToolResult struct {
	ID     string
	Parts  []Part // Text and Blob
	Failed bool
}

func (Text) part()       {}
func (Blob) part()       {}
func (Reasoning) part()  {}
func (ToolCall) part()   {}
func (ToolResult) part() {}

// Tool is a function that the model may ask to be called.
type Tool struct {
	Name        string
	Description string
	Schema      []byte // JSON Schema of the arguments, an object; nil means no arguments
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
