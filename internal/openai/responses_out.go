package openai

import (
	"strings"
	"unicode/utf8"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// response is a response that is being said. Each block of thinking, each run of text and each call is an
// item, in the order in which they begin. An item ends where another one begins; a call may get
// arguments until the end, and ends there.
type response struct {
	env     *ResponsesEnvelope
	out     *[]byte // where the events go; nil when the object is all that is wanted
	seq     int     // the number of the next event
	status  string
	failure error

	started bool // the Start has come
	start   llm.Start
	opened  bool // something is said
	ended   bool
	items   []outItem
	current int   // the message or the thinking that is open; -1 for none
	calls   []int // the items of the calls
	runes   int   // of the text of the messages that have ended
	blobs   []llm.BlobOut
	finish  llm.Finish
}

func newResponse(env *ResponsesEnvelope) *response {
	return &response{env: env, status: inProgress, current: -1}
}

// add takes one event.
func (r *response) add(event llm.Event) {
	if r.ended {
		return
	}
	switch e := event.(type) {
	case *llm.TextDelta:
		r.text(e.Text)
	case llm.ReasoningDelta:
		r.think(&e)
	case llm.ToolCallStart:
		r.closeCurrent(completed)
		r.calls = append(r.calls, len(r.items))
		it := r.begin(callOut)
		it.call = llm.ToolCall{ID: e.ID, Name: e.Name}
		r.itemEvent(it, "response.output_item.added")
	case llm.ToolCallDelta:
		r.delta(&r.items[r.calls[e.Index]], e.Args)
	case llm.BlobOut:
		r.blob(e)
	case llm.Citation:
		r.cite(e)
	case llm.Finish:
		r.end(e)
	case llm.Start:
		r.started, r.start = true, renamedStart(e, responsesPath)
	}
}

// open says that the response has begun, once.
func (r *response) open() {
	if r.opened {
		return
	}
	r.opened = true
	r.whole("response.created")
	r.whole("response.in_progress")
}

// begin adds an item; whoever calls it tells of it.
func (r *response) begin(kind itemKind) *outItem {
	r.open()
	prefix, _ := kind.names()
	n := len(r.items)
	id := string(appendInt(nil, prefix+strings.TrimPrefix(r.env.ID, "resp_")+"_", n))
	r.items = append(r.items, outItem{kind: kind, id: id, index: n, status: inProgress})
	it := &r.items[n]
	it.at = appendInt(jsonscan.AppendString([]byte(`,"item_id":`), id), `,"output_index":`, n)
	switch kind {
	case messageOut:
		it.at = append(it.at, `,"content_index":0`...)
	case reasoningOut:
		it.at = append(it.at, `,"summary_index":0`...)
	}
	return it
}

func (r *response) text(text string) {
	if text == "" {
		return
	}
	it := r.message()
	it.runes += utf8.RuneCountInString(text)
	r.delta(it, text)
}

// message is the message that is open, or a new one.
func (r *response) message() *outItem {
	if r.current >= 0 && r.items[r.current].kind == messageOut {
		return &r.items[r.current]
	}
	r.closeCurrent(completed)
	r.current = len(r.items)
	it := r.begin(messageOut)
	it.from = r.runes
	r.itemEvent(it, "response.output_item.added")
	r.partEvent(it, "response.content_part.added")
	return it
}

// think takes more of the thinking. Its blocks are those of llm.Thoughts.
func (r *response) think(e *llm.ReasoningDelta) {
	if e.Redacted != nil || r.current >= 0 && r.items[r.current].kind != reasoningOut {
		r.closeCurrent(completed)
	}
	if r.current < 0 {
		r.current = len(r.items)
		it := r.begin(reasoningOut)
		it.summary = r.env.Summary && e.Text != ""
		r.itemEvent(it, "response.output_item.added")
		if it.summary {
			r.partEvent(it, "response.reasoning_summary_part.added")
		}
	}
	it := &r.items[r.current]
	switch {
	case it.summary && e.Text != "":
		r.delta(it, e.Text)
	case e.Text != "" && r.env.Encrypted:
		it.text = append(it.text, e.Text...)
	}
	if e.Redacted != nil || e.Signature != "" {
		r.endThought(it, llm.Reasoning{Text: string(it.text), Signature: e.Signature, Redacted: e.Redacted})
	}
}

// endThought ends a block of thinking with what proves it.
func (r *response) endThought(it *outItem, thought llm.Reasoning) {
	it.seal = r.env.seal(&thought)
	r.close(it, completed)
}

func (r *response) blob(e llm.BlobOut) {
	if e.URL != "" || !strings.HasPrefix(e.Blob.MIME, "image/") {
		r.blobs = append(r.blobs, e) // the object says it at the end
		return
	}
	r.closeCurrent(completed)
	it := r.begin(imageOut)
	r.itemEvent(it, "response.output_item.added")
	it.blob = e.Blob
	r.close(it, completed)
}

// cite adds a citation to the message that it came with. One that came with none has a message of its own.
func (r *response) cite(e llm.Citation) {
	it := r.message()
	e.TextFrom = min(max(0, e.TextFrom-it.from), it.runes)
	e.TextTo = min(max(0, e.TextTo-it.from), it.runes)
	it.annotations = append(it.annotations, e)
	if r.event(it, "response.output_text.annotation.added") {
		*r.out = appendInt(*r.out, `,"annotation_index":`, len(it.annotations)-1)
		*r.out = append(*r.out, `,"annotation":`...)
		*r.out = appendFlatAnnotation(*r.out, &e)
		r.endEvent()
	}
}

// closeCurrent ends the message or the thinking that is open.
func (r *response) closeCurrent(status string) {
	if r.current < 0 {
		return
	}
	it := &r.items[r.current]
	if it.kind == reasoningOut {
		it.seal = r.env.seal(&llm.Reasoning{Text: string(it.text)})
	}
	r.close(it, status)
}

// end ends the response.
func (r *response) end(e llm.Finish) {
	r.finish, r.status = e, completed
	if e.Reason != llm.FinishStop && e.Reason != llm.FinishToolCalls {
		r.status = incomplete
	}
	r.open()
	r.closeCurrent(r.lastStatus(r.current))
	for _, i := range r.calls {
		if it := &r.items[i]; len(it.text) == 0 {
			r.delta(it, e.Reason.EmptyArgs())
		}
		r.close(&r.items[i], r.lastStatus(i))
	}
	r.ended = true
	r.whole("response." + r.status)
}

// lastStatus is the status that an item ends with at the end: only the last one was cut.
func (r *response) lastStatus(item int) string {
	if item == len(r.items)-1 {
		return r.status
	}
	return completed
}

// fail ends the response with a failure.
func (r *response) fail(err error) {
	r.open()
	for i := range r.items {
		if r.items[i].status == inProgress {
			r.items[i].status = incomplete
		}
	}
	r.status, r.failure, r.ended = failed, err, true
	r.whole("response.failed")
}

const eventField = "event: "

// event begins an event of an item, and reports whether anybody wants it.
func (r *response) event(it *outItem, kind string) bool {
	if r.out == nil {
		return false
	}
	dst := append(*r.out, eventField...)
	dst = append(dst, kind...)
	dst = append(dst, '\n')
	dst = append(dst, sse.Data+`{"type":"`...)
	dst = append(dst, kind...)
	dst = appendInt(dst, `","sequence_number":`, r.seq)
	r.seq++
	if it != nil {
		dst = append(dst, it.at...)
	}
	*r.out = dst
	return true
}

func (r *response) endEvent() { *r.out = append(*r.out, "}"+sse.End...) }
