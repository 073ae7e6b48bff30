package openai

// The types of this file are the wire as a client reads and writes it, with encoding/json.

// Request is a chat completion request.
type Request struct {
	Model         string         `json:"model,omitempty"`
	Messages      []Message      `json:"messages"`
	Stream        bool           `json:"stream,omitempty"`
	StreamOptions *StreamOptions `json:"stream_options,omitempty"`
	MaxTokens     int            `json:"max_completion_tokens,omitempty"`
	Temperature   *float64       `json:"temperature,omitempty"`
}

// StreamOptions steers a stream.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage,omitempty"`
}

// Message is one turn of a request, made by TextMessage or PartsMessage.
type Message struct {
	Role    string `json:"role"`    // "system", "user" or "assistant"
	Content any    `json:"content"` // string or []Part
}

// TextMessage is a message of plain text.
func TextMessage(role, text string) Message { return Message{Role: role, Content: text} }

// PartsMessage is a message of several parts.
func PartsMessage(role string, parts ...Part) Message { return Message{Role: role, Content: parts} }

// Part is a piece of a message's content: text or an image.
type Part struct {
	Type     string    `json:"type"` // "text" or "image_url"
	Text     string    `json:"text,omitempty"`
	ImageURL *ImageURL `json:"image_url,omitempty"`
}

// ImageURL is an image as a data URL.
type ImageURL struct {
	URL string `json:"url"`
}

// Chunk is a frame of a stream.
type Chunk struct {
	ID      string   `json:"id"`
	Model   string   `json:"model"`
	Choices []Choice `json:"choices"`
	Usage   *Usage   `json:"usage"` // in the last chunk, when it was asked for
	Error   *Fault   `json:"error"` // set in a frame that ends a broken stream
}

// Choice is a chunk's addition to the answer.
type Choice struct {
	Index        int    `json:"index"`
	Delta        Delta  `json:"delta"`
	FinishReason string `json:"finish_reason"` // "" until the last chunk of the choice
}

// Delta is what a chunk adds.
type Delta struct {
	Role      string     `json:"role"`
	Content   string     `json:"content"`
	Reasoning string     `json:"reasoning_content"`
	ToolCalls []ToolCall `json:"tool_calls"`
}

// ToolCall is a tool call, or in a stream a piece of the call with that index.
type ToolCall struct {
	Index    int          `json:"index"`
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function FunctionCall `json:"function"`
}

// FunctionCall is what a tool call calls.
type FunctionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Usage counts tokens.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// Fault is the member "error" of a failure's body.
type Fault struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   string `json:"param"`
	Code    string `json:"code"`
}

// ModelList is the answer of GET /openai/models.
type ModelList struct {
	Data []Model `json:"data"`
}

// Model is an entry of a ModelList, as much of it as a client of ours needs.
type Model struct {
	ID string `json:"id"`
}
