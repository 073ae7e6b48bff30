package llm

import "time"

// Event is a piece of a reply: Start, Choice, TextDelta, ReasoningDelta, ToolCallStart, ToolCallDelta,
// BlobOut, Citation, Pause or Finish. Strings in events stay valid after the sequence has moved on.
type Event interface{ event() }

// Start opens a reply. A sequence yields at most one, before anything but Pause.
type Start struct {
	ID      string   // the upstream's request id, for logs and support; may be ""
	Model   string   // the id that the upstream was called with
	Ignored []string // fields of the request that this model cannot honour and did not need
	Changed []string // fields that reached the model in another form than the client's, with a loss
	// Cached is the client's last cache breakpoint that was passed on: "messages[3]", "tools[1]"; "" if
	// none was.
	Cached string
	// CachedFor is how long the longest of the client's breakpoints lives.
	CachedFor time.Duration
	// Via is which upstream answers.
	Via Via
}

// Via is which of a model's upstreams answered, or failed last.
type Via struct {
	Upstream string        // its id, "" when there is only one without
	Region   string        // AWS's, or ""
	Attempts int           // upstreams that were asked, this one included; 0 when that was not counted
	Waited   time.Duration // from the first question to the first word of this one
}

// Wish is which upstream a client wants.
type Wish struct {
	Upstream string // the id of the only one to ask (X-UPSTREAM-ID), or ""
	// CacheFirst asks the upstream that has the prompt in its cache again, rather than others
	// (X-DIAL-CACHE-POLICY: cache-priority).
	CacheFirst bool
	// Caller is whose request it is, for whoever keeps something of it apart from other callers'; "" is not known.
	Caller string
}

// Choice says that the events after it belong to the choice with that index, until the next Choice.
// Without one they belong to choice 0. Start, Pause and errors belong to all.
type Choice struct{ Index int }

// TextDelta is more of the visible answer. The event is a pointer to one: replies have thousands, and an
// adapter may allocate many at once.
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

// BlobOut is a file that the model made. URL is where it has been stored, "" when it is here alone; the
// Blob then has its type and name, and no bytes.
type BlobOut struct {
	Blob Blob
	URL  string
}

// Citation says on what a part of the answer rests. It comes after that part.
type Citation struct {
	Title string // of the source
	URL   string // of a web page, or ""
	Quote string // the cited text, or ""
	// Unit is what From and To count: "char", "page" or "chunk" of document number Document, "result"
	// for blocks of search result number Document; "" for a web page.
	Unit     string
	Document int // from 0
	From, To int // To is the first that is not cited
	// TextFrom and TextTo are the part of the choice's visible text, in Unicode characters from its
	// beginning.
	TextFrom, TextTo int
}

// Pause says that the upstream has nothing more at hand: whoever holds events back to write them
// together should write now. It carries nothing and may come anywhere before Finish.
type Pause struct{}

// Finish closes a reply, or one choice of it. The sequence ends after the Finish of every choice.
type Finish struct {
	Reason FinishReason
	// Detail is the upstream's own word when Reason is FinishOther.
	Detail string
	// Usage is what the whole reply cost; of several choices the last Finish has the sum and the others
	// have nothing.
	Usage Usage
	// Tier is the service tier that served the reply, in the upstream's word, or "".
	Tier string
	// Cost is what Usage cost, decimal USD, for clients that ask for it; "" is not told. Adapters leave it empty.
	Cost string
	// Custom is one JSON object of what the upstream told beside its answer, such as a guardrail's
	// trace, or nil. It holds nothing of the operator's account, and no members attachments or state,
	// which are a dialect's.
	Custom []byte
}

func (Start) event()          {}
func (Choice) event()         {}
func (BlobOut) event()        {}
func (Citation) event()       {}
func (*TextDelta) event()     {}
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
	Images       int // that a model made, or embedded
}

// Prompt is every token of the request, cached or not.
func (u Usage) Prompt() int { return u.Input + u.CacheRead + u.CacheWrite }

// Add is the sum of both.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		Input: u.Input + v.Input, Output: u.Output + v.Output,
		CacheRead: u.CacheRead + v.CacheRead, CacheWrite: u.CacheWrite + v.CacheWrite,
		CacheWrite1h: u.CacheWrite1h + v.CacheWrite1h, Reasoning: u.Reasoning + v.Reasoning, Images: u.Images + v.Images,
	}
}

// Total is Prompt and Output together.
func (u Usage) Total() int { return u.Prompt() + u.Output }
