package openai

import "time"

// ResponsesShape is how the client of a Responses request wants its response.
type ResponsesShape struct {
	Shape           // Model, Stream, Ignored and Changed, as of a chat; N is 1
	Store      bool // the client wants to get the response again later, which is OpenAI's default
	Background bool // the client does not wait for the response
	Encrypted  bool // include has reasoning.encrypted_content
	Summary    bool // reasoning.summary asks that thinking be shown
	// Echo is the members of the response that repeat the request, `"name":value,"name":value`, with
	// OpenAI's default where the request has none.
	Echo []byte
}

// Sealer makes what a client keeps for the server unreadable and unchangeable.
type Sealer interface {
	Seal(plain []byte) string
	Open(sealed string) (plain []byte, err error)
}

// ResponsesEnvelope is what a response says beside what the model said.
type ResponsesEnvelope struct {
	ID        string    // of the response: resp_…; those of its items are made of it
	Model     string    // the deployment's name, as the client knows it
	Created   time.Time // when the response was begun
	Echo      []byte    // ResponsesShape.Echo
	Ignored   []string  // Shape.Ignored; the Start's are added
	Changed   []string  // what the server itself changed; the Start's are added
	Encrypted bool      // ResponsesShape.Encrypted
	Summary   bool      // ResponsesShape.Summary
	Sealer    Sealer    // seals reasoning; with nil there is no encrypted_content
	// Heartbeat is after how much silence WriteResponsesStream writes a comment; 0 means never.
	Heartbeat time.Duration
}
