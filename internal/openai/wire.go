package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
)

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
	ID          string          `json:"id"`
	Model       string          `json:"model"`
	Choices     []Choice        `json:"choices"`
	Usage       *Usage          `json:"usage"`        // in the last chunk, when it was asked for
	ServiceTier string          `json:"service_tier"` // in the last chunk, when it is known
	Statistics  *StatisticsInfo `json:"statistics"`   // in the last chunk, after max_prompt_tokens
	Error       *Fault          `json:"error"`        // set in a frame that ends a broken stream
}

// Choice is a chunk's addition to the answer.
type Choice struct {
	Index        int    `json:"index"`
	Delta        Delta  `json:"delta"`
	Message      *Delta `json:"message"`       // instead of Delta, in a whole reply
	FinishReason string `json:"finish_reason"` // "" until the last chunk of the choice
}

// Delta is what a chunk adds.
type Delta struct {
	Role        string         `json:"role"`
	Content     string         `json:"content"`
	Refusal     string         `json:"refusal"`
	Reasoning   string         `json:"reasoning_content"`
	ToolCalls   []ToolCall     `json:"tool_calls"`
	Function    *FunctionCall  `json:"function_call"` // instead of ToolCalls, after functions
	Annotations []Annotation   `json:"annotations"`
	Custom      *CustomContent `json:"custom_content"`
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

// Annotation says on what a part of the answer rests; one of the citations is set.
type Annotation struct {
	Type string        `json:"type"` // "url_citation" or "file_citation"
	URL  *URLCitation  `json:"url_citation"`
	File *FileCitation `json:"file_citation"`
}

// URLCitation is a source with an address. Start and End are the characters of the answer that rest on
// it; the one at End is the first that does not.
type URLCitation struct {
	URL   string `json:"url"`
	Title string `json:"title"`
	Quote string `json:"quote"`
	Start int    `json:"start_index"`
	End   int    `json:"end_index"`
}

// FileCitation is a part of a file of the request, number Index. Unit is what From and To count: "char",
// "page", "chunk" or "result".
type FileCitation struct {
	Filename string `json:"filename"`
	Index    int    `json:"index"`
	Unit     string `json:"unit"`
	From     int    `json:"from"`
	To       int    `json:"to"`
	Quote    string `json:"quote"`
	Start    int    `json:"start_index"`
	End      int    `json:"end_index"`
}

// CustomContent is what DIAL adds to a message.
type CustomContent struct {
	Attachments []Attachment `json:"attachments,omitempty"`
	// State belongs to the server, and goes back to it as it is with the assistant's message.
	State json.RawMessage `json:"state,omitempty"`
	// Stages are what an application shows of its work.
	Stages []Stage `json:"stages,omitempty"`
}

// Stage is a step that an application shows, or in a stream a piece of the one with that index.
type Stage struct {
	Index   int    `json:"index"`
	Name    string `json:"name"`
	Content string `json:"content"`
}

// Attachment is a file that came with a message.
type Attachment struct {
	Index int    `json:"index"` // in a stream
	Type  string `json:"type"`
	Title string `json:"title,omitempty"`
	Data  []byte `json:"data,omitempty"`
	URL   string `json:"url,omitempty"`
}

// StatisticsInfo says what max_prompt_tokens did to a request.
type StatisticsInfo struct {
	Discarded  []int  `json:"discarded_messages"`
	TokenCount string `json:"token_count"` // "exact" or "estimated"
}

// Usage counts tokens.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	PromptDetails    struct {
		Cached       int `json:"cached_tokens"`
		CacheWrite   int `json:"cache_write_tokens"`
		CacheWrite1h int `json:"cache_write_1h_tokens"` // the part of CacheWrite that lives an hour
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// Fault is the member "error" of a failure's body.
type Fault struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   string `json:"param"`
	Code    string `json:"code"`
}

// UnmarshalJSON takes the forms that servers give it: a code that is a number, as DIAL's applications and
// proxies write it, and an error that is only its text.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var members struct {
		Message, Type, Param, Code json.RawMessage
	}
	if text := word(data); text != "" {
		f.Message = text
		return nil
	}
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	f.Message, f.Type, f.Param, f.Code = word(members.Message), word(members.Type), word(members.Param), word(members.Code)
	return nil
}

// word is a JSON string's text, or a number as it is written; "" of everything else.
func word(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(value, &number) == nil {
		return number.String()
	}
	return ""
}

// ModelList is the answer of GET /openai/models.
type ModelList struct {
	Data []Model `json:"data"`
}

// Model is an entry of a ModelList, as much of it as a client of ours needs.
type Model struct {
	ID string `json:"id"`
}

// EmbeddingRequest is an embeddings request of texts.
type EmbeddingRequest struct {
	Model          string   `json:"model,omitempty"`
	Input          []string `json:"input"`
	Dimensions     int      `json:"dimensions,omitempty"`
	EncodingFormat string   `json:"encoding_format,omitempty"` // "float" or "base64"
}

// EmbeddingList is the answer to an embeddings request.
type EmbeddingList struct {
	Object string          `json:"object"` // "list"
	Model  string          `json:"model"`
	Data   []EmbeddingItem `json:"data"`
	Usage  struct {
		PromptTokens int `json:"prompt_tokens"`
		TotalTokens  int `json:"total_tokens"`
	} `json:"usage"`
}

// EmbeddingItem is a vector of an EmbeddingList, in either form.
type EmbeddingItem struct {
	Object    string          `json:"object"` // "embedding"
	Index     int             `json:"index"`
	Embedding json.RawMessage `json:"embedding"`
}

// Vector reads the vector.
func (e *EmbeddingItem) Vector() ([]float32, error) {
	var encoded string
	if json.Unmarshal(e.Embedding, &encoded) != nil {
		var vector []float32
		err := json.Unmarshal(e.Embedding, &vector)
		return vector, err
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	if len(raw)%4 != 0 {
		return nil, errors.New("the base64 of a vector is not of whole numbers")
	}
	vector := make([]float32, len(raw)/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return vector, nil
}
