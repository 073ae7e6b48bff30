package usage

import (
	"time"

	"outcrop/internal/llm"
)

// Entry is one request after its end. It holds nothing of what was said, and no credential.
type Entry struct {
	Project string // who asked, "" when that is not known
	// Deployment is the name under which it was asked for, "" when there is none. In the adapter it is as the
	// client wrote it.
	Deployment string
	Model      string // the id that the upstream was called with, "" when it was not, or does not tell
	Region     string // of the upstream, "" when it has none of AWS's
	Operation  Operation
	Status     int  // of the reply; 0 when none could be written
	Stream     bool // the client wanted a stream
	// Failed says that it did not end well, and Kind how: so may a reply with the status 200, that broke off.
	Failed bool
	Kind   llm.Kind
	// Throttled says that the upstream refused it for its rate.
	Throttled bool
	Began     time.Time
	// FirstToken is when the model said the first thing that a client can see, Finished when the reply had
	// ended; both after Began, and FirstToken is 0 when it said nothing.
	FirstToken, Finished time.Duration
	// Usage is zero when nobody tells; of a reply that broke off it is what had been told.
	Usage llm.Usage
}

// Operation is what a request asked for.
type Operation uint8

// The operations. Other is for listings, unknown routes, and what was refused before that was known.
const (
	Other Operation = iota
	Chat
	Embeddings
	Rerank
	ImageGeneration
	CountTokens
	TruncatePrompt
	Route      // of the configuration, to another server
	Operations // how many there are
)

// String is the operation in OpenTelemetry's words (gen_ai.operation.name), where it has one.
func (o Operation) String() string {
	switch o {
	case Chat:
		return "chat"
	case Embeddings:
		return "embeddings"
	case Rerank:
		return "rerank"
	case ImageGeneration:
		return "image_generation"
	case CountTokens:
		return "count_tokens"
	case TruncatePrompt:
		return "truncate_prompt"
	case Route:
		return "route"
	default:
		return "other"
	}
}

// Generates says whether a model answers such a request, so that it costs tokens.
func (o Operation) Generates() bool { return o >= Chat && o <= ImageGeneration }
