package usage

import (
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/money"
)

// Entry is one request after its end. It holds nothing of what was said, and no credential.
type Entry struct {
	// ID is unique among all entries; RequestID is what client and log know the request by.
	ID, RequestID string
	// Trace, Span and Parent are its place in a trace, hex; "" when it has none.
	Trace, Span, Parent string
	Sampled             bool   // the trace is told of
	Conversation        string // that the client says it is part of, "" unless somebody is told of traces
	Call                string // the span of the call to another server, "" for none
	Project             string // who asked, "" when that is not known
	User                string // of a token, as logs may have it; "" for a key
	// Caller is auth.Caller.ID of who is charged: of a nested call who made the first request. "" is nobody.
	Caller string
	// Deployment is the name under which it was asked for, "" when there is none. In the adapter it is as the
	// client wrote it.
	Deployment string
	// Instead is the deployment that answered in its place, as its fallback; "" for none.
	Instead string
	// Calling is the deployment that made the request with the key of its own, "" for none.
	Calling   string
	Model     string // the id that the upstream was called with, "" when it was not, or does not tell
	Upstream  string // the id of the upstream that answered, or failed last; "" for none
	Region    string // of the upstream, "" when it has none of AWS's
	Attempts  int    // upstreams that were asked; 0 when it was refused before
	Operation Operation
	Status    int  // of the reply; 0 when none could be written
	Stream    bool // the client wanted a stream
	// Failed says that it did not end well, and Kind how: so may a reply with the status 200, that broke off.
	Failed bool
	Kind   llm.Kind
	// Throttled says that the upstream refused it for its rate, Limited that this server did.
	Throttled, Limited bool
	// Lost says that the process that served it was killed: Usage is then what had been reserved.
	Lost  bool
	Began time.Time
	// FirstToken is when the model said the first thing that a client can see, Finished when the reply had
	// ended, Asked when the first upstream was asked; all after Began. FirstToken is 0 when it said nothing, Asked
	// when none was asked. Waited is how much of it upstreams were waited for, the rest is this server's.
	FirstToken, Finished, Asked, Waited time.Duration
	// Usage is zero when nobody tells; of a reply that broke off it is what had been told.
	Usage llm.Usage
	// Terms are what its price depends on beside that.
	Terms Terms
	// Cost is what it cost at the prices of its day, Saved what the prompt cache saved of it (negative when it cost
	// more than it saved). Without Priced they are not known.
	Cost, Saved money.Amount
	Priced      bool
	// Nested says that it was made with the key of another request: its cost is part of that one's too.
	Nested bool
	// Talk is what was said, for the prompt log alone; nil when nobody wants it.
	Talk *Talk
}

// Terms are the terms of a request that its price depends on.
type Terms struct {
	Tier    string // the service tier that served it, in OpenAI's words; "" is the standard one
	Queries int    // of a reranking, as AWS counts them
	// PromptChars and CompletionChars are characters other than spaces, where they are the unit.
	PromptChars, CompletionChars int
}

// Talk is what DIAL's prompt log has of a request beside its Entry.
type Talk struct {
	Protocol, Method, URI string
	Conversation, Title   string   // X-CONVERSATION-ID and X-JOB-TITLE
	Path                  []string // who asked first, the deployments it came through, and the one that was asked (executionPath)
	Parent                string   // the deployment that asked, interceptors aside; "" for none
	UpstreamURI           string
	// Secured leaves the bodies out. Request and Response are as they were received and sent.
	Secured           bool
	Request, Response []byte
	Headers           map[string][]string // nil when they are not collected
	Claims            map[string][]string // as Headers
	PerModel          []ModelUsage
}

// ModelUsage is what one model was used for.
type ModelUsage struct {
	Model  string
	Usage  llm.Usage
	Cost   money.Amount
	Priced bool
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
