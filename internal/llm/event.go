package llm

// Event is a piece of a reply: Start, TextDelta, ReasoningDelta, ToolCallStart, ToolCallDelta,
// Pause or Finish. Strings in events stay valid after the sequence has moved on.
type Event interface{ event() }

// Start opens a reply. A sequence yields at most one, before anything but Pause.
type Start struct {
	ID      string   // the upstream's request id, for logs and support; may be ""
	Model   string   // the id that the upstream was called with
	Ignored []string // fields of the request that this model cannot honour and did not need
}

// TextDelta is more of the visible answer.
type TextDelta struct{ Text string }

// ReasoningDelta is more of the model's thinking. Exactly one member is set.
type ReasoningDelta struct {
	Text      string
	Signature string
	Redacted  []byte
}

// ToolCallStart opens a tool call. Index counts the calls of the reply from 0, without gaps.
type ToolCallStart struct {
	Index int
	ID    string
	Name  string
}

// ToolCallDelta is more of the arguments of the call with that index. Joined, they are a JSON object
// if the reply was not cut; no delta at all means FinishReason.EmptyArgs.
type ToolCallDelta struct {
	Index int
	Args  string
}

// Pause says that the upstream has nothing more at hand: whoever holds events back to write them
// together should write now. It carries nothing and may come anywhere before Finish.
type Pause struct{}

// Finish closes a reply.
type Finish struct {
	Reason FinishReason
	// Detail is the upstream's own word when Reason is FinishOther.
	Detail string
	Usage  Usage
}

func (Start) event()          {}
func (TextDelta) event()      {}
func (ReasoningDelta) event() {}
func (ToolCallStart) event()  {}
func (ToolCallDelta) event()  {}
func (Pause) event()          {}
func (Finish) event()         {}

// FinishReason is why a model stopped.
type FinishReason uint8

// The finish reasons. FinishOther is for a word that is none of these: there is no default that
// would call it a normal stop.
const (
	FinishOther FinishReason = iota
	FinishStop
	FinishLength
	FinishToolCalls
	FinishContentFilter
)

// EmptyArgs are the arguments of a tool call that has none: {} after a reply that ended of itself;
// nothing after one that was cut, whose call must not look as if it could be run.
func (r FinishReason) EmptyArgs() string {
	if r == FinishStop || r == FinishToolCalls {
		return "{}"
	}
	return ""
}

// String names the reason for logs.
func (r FinishReason) String() string {
	switch r {
	case FinishStop:
		return "stop"
	case FinishLength:
		return "length"
	case FinishToolCalls:
		return "tool_calls"
	case FinishContentFilter:
		return "content_filter"
	default:
		return "other"
	}
}

// Usage counts tokens. Input excludes what was read from or written to a prompt cache; Reasoning is
// part of Output.
type Usage struct {
	Input        int
	Output       int
	CacheRead    int
	CacheWrite   int // both lifetimes together
	CacheWrite1h int // the part of CacheWrite that lives an hour
	Reasoning    int // 0 where the upstream does not tell
}

// Prompt is every token of the request, cached or not.
func (u Usage) Prompt() int { return u.Input + u.CacheRead + u.CacheWrite }

// Total is Prompt and Output together.
func (u Usage) Total() int { return u.Prompt() + u.Output }
