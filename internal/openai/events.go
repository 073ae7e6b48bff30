package openai

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// ReadStream reads the chunks of another server's reply as events. A stream without its [DONE], with an
// error in it, or without a finish reason is an error. Of several choices only the first is read.
func ReadStream(body io.Reader) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		frames, e := sse.NewReader(body), eventReader{yield: yield}
		for !e.stopped {
			frame, err := frames.Next()
			switch {
			case err != nil:
				e.fail(brokeOff(err))
			case string(frame.Data) == "[DONE]":
				e.finish()
			default:
				var chunk Chunk
				if err := json.Unmarshal(frame.Data, &chunk); err != nil {
					e.fail(&llm.Error{Kind: llm.KindUpstream, Message: "A chunk of the answer cannot be read.", Err: err})
					return
				}
				e.chunk(&chunk)
				if len(chunk.Choices) > 0 {
					e.emit(llm.Pause{})
				}
			}
		}
	}
}

// ReadReply reads a whole reply of another server as the same events.
func ReadReply(body []byte) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		e := eventReader{yield: yield}
		var chunk Chunk
		if err := json.Unmarshal(body, &chunk); err != nil {
			e.fail(&llm.Error{Kind: llm.KindUpstream, Message: "The answer cannot be read.", Err: err})
			return
		}
		for i := range chunk.Choices {
			c := &chunk.Choices[i]
			if c.Message != nil {
				c.Delta = *c.Message
				for j := range c.Delta.ToolCalls {
					c.Delta.ToolCalls[j].Index = j
				}
			}
		}
		e.whole = true
		e.chunk(&chunk)
		e.finish()
	}
}

func brokeOff(err error) error {
	e := &llm.Error{Kind: llm.KindUpstream, Message: "The answer ended before it was complete.", Err: err}
	if errors.Is(err, sse.ErrLineTooLong) {
		e.Message = "The answer has a line that is too long."
	}
	return e
}

// eventReader makes events of chunks.
type eventReader struct {
	yield   func(llm.Event, error) bool
	stopped bool // there is an error, or nobody wants more
	whole   bool // the only chunk is the whole reply

	started bool
	calls   []int // the wire's indices of the tool calls
	stages  map[int]bool
	thought strings.Builder // that was yielded
	ways    [2]int          // how much of it has come as reasoning_content, and as stages
	refused bool
	reason  string
	usage   llm.Usage
	tier    string
}

func (e *eventReader) emit(event llm.Event) {
	if !e.stopped && !e.yield(event, nil) {
		e.stopped = true
	}
}

func (e *eventReader) fail(err error) {
	if !e.stopped {
		e.stopped = true
		e.yield(nil, err)
	}
}

func (e *eventReader) chunk(c *Chunk) {
	if c.Error != nil {
		e.fail(FaultError(0, c.Error))
		return
	}
	if !e.started {
		e.started = true
		e.emit(llm.Start{ID: c.ID, Model: c.Model})
	}
	if c.Usage != nil {
		e.usage = c.Usage.usage()
	}
	if c.ServiceTier != "" {
		e.tier = c.ServiceTier
	}
	for i := range c.Choices {
		if c.Choices[i].Index == 0 {
			e.delta(&c.Choices[i].Delta)
			if reason := c.Choices[i].FinishReason; reason != "" {
				e.reason = reason
			}
		}
	}
}

// usage counts as llm does, without what a cache had.
func (u *Usage) usage() llm.Usage {
	read := min(u.PromptDetails.Cached, u.PromptTokens)
	write := min(u.PromptDetails.CacheWrite, u.PromptTokens-read)
	return llm.Usage{
		Input: u.PromptTokens - read - write, Output: u.CompletionTokens, CacheRead: read, CacheWrite: write,
		CacheWrite1h: min(u.PromptDetails.CacheWrite1h, write), Reasoning: u.CompletionDetails.Reasoning,
	}
}

func (e *eventReader) delta(d *Delta) {
	var thoughts []llm.Reasoning
	if d.Custom != nil {
		thoughts = thoughtsOf(d.Custom.State)
	}
	proofs := e.whole && len(thoughts) > 0
	if proofs {
		e.proofs(thoughts, 0)
	} else {
		e.think(asReasoning, d.Reasoning)
		e.stage(d.Custom)
	}
	e.say(d.Content)
	if d.Refusal != "" {
		e.refused = true
		e.say(d.Refusal)
	}
	for i := range d.ToolCalls {
		e.call(&d.ToolCalls[i])
		if proofs {
			e.proofs(thoughts, i+1)
		}
	}
	for i := range d.Annotations {
		e.cite(&d.Annotations[i])
	}
	if d.Custom == nil {
		return
	}
	for i := range d.Custom.Attachments {
		e.attached(&d.Custom.Attachments[i])
	}
	if !e.whole {
		e.lateProofs(thoughts)
	}
}

func (e *eventReader) say(text string) {
	if text != "" {
		e.emit(&llm.TextDelta{Text: text})
	}
}

// The ways in which thinking comes. DIAL's adapters tell the same text in both.
const (
	asReasoning = iota
	asStage
)

// think yields what the other way has not told yet.
func (e *eventReader) think(way int, text string) {
	e.ways[way] += len(text)
	more := e.ways[way] - e.thought.Len()
	if more <= 0 {
		return
	}
	text = strings.ToValidUTF8(text[len(text)-more:], "")
	e.thought.WriteString(text)
	e.emit(llm.ReasoningDelta{Text: text})
}

// stage takes as thinking the stages that an application calls so.
func (e *eventReader) stage(c *CustomContent) {
	if c == nil {
		return
	}
	for _, s := range c.Stages {
		name := strings.ToLower(s.Name)
		if name != "" {
			if e.stages == nil {
				e.stages = map[int]bool{}
			}
			e.stages[s.Index] = slices.ContainsFunc([]string{"think", "thought", "reason"}, func(word string) bool { return strings.Contains(name, word) })
		}
		if e.stages[s.Index] {
			e.think(asStage, s.Content)
		}
	}
}

// proofs yields the thinking that came after so many of a whole reply's calls.
func (e *eventReader) proofs(thoughts []llm.Reasoning, calls int) {
	for _, t := range thoughts {
		if t.Calls == calls {
			e.proof(t, t.Text)
		}
	}
}

func (e *eventReader) proof(t llm.Reasoning, text string) {
	if len(t.Redacted) > 0 {
		e.emit(llm.ReasoningDelta{Redacted: t.Redacted})
		return
	}
	if text != "" {
		e.emit(llm.ReasoningDelta{Text: text})
	}
	if t.Signature != "" {
		e.emit(llm.ReasoningDelta{Signature: t.Signature})
	}
}

// lateProofs yields what the end of a stream tells of its thinking: of text that was streamed the signature
// alone.
func (e *eventReader) lateProofs(thoughts []llm.Reasoning) {
	told := e.thought.String()
	for _, t := range thoughts {
		text := t.Text
		if strings.Contains(told, strings.TrimSpace(text)) {
			text = ""
		}
		e.proof(t, text)
	}
}

// thoughtsOf reads the thinking that a message's state holds: as DIAL's adapter writes it, and this server.
func thoughtsOf(state json.RawMessage) (thoughts []llm.Reasoning) {
	var s struct {
		Claude []struct {
			Type, Thinking, Signature, Data string
		} `json:"claude_message_content"`
		Outcrop struct {
			Reasoning []struct {
				Text, Signature, Redacted string
				Calls                     int
			}
		}
	}
	if len(state) == 0 || json.Unmarshal(state, &s) != nil {
		return nil // another application's
	}
	for _, r := range s.Outcrop.Reasoning {
		redacted, err := base64.StdEncoding.DecodeString(r.Redacted)
		if err == nil {
			thoughts = append(thoughts, llm.Reasoning{Text: r.Text, Signature: r.Signature, Redacted: redacted, Calls: r.Calls})
		}
	}
	if len(thoughts) > 0 {
		return thoughts
	}
	calls := 0
	for _, b := range s.Claude {
		switch b.Type {
		case "tool_use":
			calls++
		case "thinking":
			thoughts = append(thoughts, llm.Reasoning{Text: b.Thinking, Signature: b.Signature, Calls: calls})
		case "redacted_thinking":
			thoughts = append(thoughts, llm.Reasoning{Redacted: []byte(b.Data), Calls: calls})
		}
	}
	return thoughts
}

func (e *eventReader) call(c *ToolCall) {
	index := slices.Index(e.calls, c.Index)
	if index < 0 {
		index = len(e.calls)
		e.calls = append(e.calls, c.Index)
		e.emit(llm.ToolCallStart{Index: index, ID: c.ID, Name: c.Function.Name})
	}
	if c.Function.Arguments != "" {
		e.emit(llm.ToolCallDelta{Index: index, Args: c.Function.Arguments})
	}
}

func (e *eventReader) cite(a *Annotation) {
	switch {
	case a.URL != nil:
		e.emit(llm.Citation{Title: a.URL.Title, URL: a.URL.URL, Quote: a.URL.Quote, TextFrom: a.URL.Start, TextTo: a.URL.End})
	case a.File != nil:
		f := a.File
		e.emit(llm.Citation{
			Title: f.Filename, Quote: f.Quote, Unit: f.Unit, Document: f.Index, From: f.From, To: f.To, TextFrom: f.Start, TextTo: f.End,
		})
	}
}

func (e *eventReader) attached(a *Attachment) {
	if len(a.Data) > 0 || a.URL != "" {
		e.emit(llm.BlobOut{Blob: llm.Blob{MIME: a.Type, Name: a.Title, Bytes: a.Data}, URL: a.URL})
	}
}

func (e *eventReader) finish() {
	f := llm.Finish{Usage: e.usage, Tier: e.tier}
	switch {
	case e.reason == "":
		e.fail(brokeOff(nil))
		return
	case e.reason == "length":
		f.Reason = llm.FinishLength
	case e.reason == "content_filter" || e.refused && len(e.calls) == 0:
		f.Reason = llm.FinishContentFilter
	case len(e.calls) > 0:
		f.Reason = llm.FinishToolCalls
	case e.reason == "stop":
		f.Reason = llm.FinishStop
	default:
		f.Detail = e.reason
	}
	e.emit(f)
	e.stopped = true
}

// FaultError is a failure that another server told, with the status it came with, or 0 within an answer.
// Its text, which may quote the prompt, is for the client and not for the log.
func FaultError(status int, f *Fault) *llm.Error {
	e := &llm.Error{Kind: kindOf(status, f), Message: f.Message, Param: f.Param, Err: errTold}
	if status != 0 {
		e.Err = fmt.Errorf("%w, with status %d", errTold, status)
	}
	if e.Message == "" {
		e.Message = "The upstream failed."
	}
	return e
}

var errTold = errors.New("another server's failure, which the client is told")

// kindOf is the kind of failure: by the words of classify, then by the status, or by the code of DIAL, which
// is a status too.
func kindOf(status int, f *Fault) llm.Kind {
	switch f.Code {
	case "context_length_exceeded":
		return llm.KindContextLength
	case "content_filter":
		return llm.KindContentFilter
	}
	for kind := range llm.KindTruncation {
		if c := classify(kind); status == 0 && (c.code != "" && c.code == f.Code || c.code == "" && c.kind == f.Type && f.Code == "") {
			return kindOf(c.status, &Fault{})
		}
	}
	if n := codeStatus(f.Code); status == 0 && n != 0 {
		status = n
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return llm.KindInvalid
	case http.StatusUnauthorized:
		return llm.KindUnauthenticated
	case http.StatusForbidden:
		return llm.KindForbidden
	case http.StatusNotFound:
		return llm.KindNotFound
	case http.StatusRequestEntityTooLarge:
		return llm.KindTooLarge
	case http.StatusUnsupportedMediaType:
		return llm.KindUnsupportedType
	case http.StatusTooManyRequests:
		return llm.KindRateLimited
	case http.StatusServiceUnavailable, 529:
		return llm.KindUnavailable
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return llm.KindTimeout
	default:
		return llm.KindUpstream
	}
}

// codeStatus is a code that is a status, or 0.
func codeStatus(code string) (n int) {
	for _, c := range code {
		if c < '0' || c > '9' || n > 999 {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}
