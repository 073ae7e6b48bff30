package gateway

import (
	"slices"
	"sync"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// bills are those of the calls of other servers that have not ended: what such a server asks of the gateway with
// the key of its call goes on the bill of that call, and of the calls that it came through.
type bills struct {
	shared *shared // with other replicas; nil for none
	mu     sync.Mutex
	open   map[string]*bill // by the span of the call
}

func newBills() *bills { return &bills{open: map[string]*bill{}} }

// bill is what the models have cost that one call led to. A nil bill is nobody's.
type bill struct {
	above *bill // of the call that this one came from
	span  string
	from  *shared // other replicas add to it there; nil when none does
	far   *shared // it is another replica's, and added to there; nil for one of this process

	mu     sync.Mutex
	lines  []openai.ModelUsage // by model, in the order of the first uses
	nested bool                // some are of calls that came from this one
}

// maxLines bounds the models of a bill. The usage of others is counted with the last.
const maxLines = 1000

// start opens the bill of a call, for whoever comes with its span.
func (b *bills) start(span string, above *bill) *bill {
	started := &bill{above: above, span: span}
	if b.shared != nil && b.shared.lists != nil {
		started.from = b.shared
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[span] = started
	return started
}

// end closes it: nobody is added to it from then on who has not begun.
func (b *bills) end(span string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, span)
}

// of is the bill of the call that a pass is for; nil when there is none.
func (b *bills) of(pass *auth.Pass) *bill {
	if pass == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if here := b.open[pass.Span]; here != nil {
		return here
	}
	return b.elsewhere(pass)
}

// add puts what a model of this server cost on the bill of a call that came here, and on those above.
func (b *bill) add(model string, u llm.Usage) {
	if u == (llm.Usage{}) {
		return
	}
	for ; b != nil; b = b.above {
		b.line(model, u, true)
	}
}

// own puts what the called model itself cost on the call's bill, and on those above.
func (b *bill) own(model string, u llm.Usage) {
	if u == (llm.Usage{}) {
		return
	}
	b.line(model, u, false)
	b.above.add(model, u)
}

func (b *bill) line(model string, u llm.Usage, nested bool) {
	if b.far != nil {
		b.send(model, u)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nested = b.nested || nested
	i := slices.IndexFunc(b.lines, func(l openai.ModelUsage) bool { return l.Model == model })
	switch {
	case i >= 0:
		b.lines[i].Usage = b.lines[i].Usage.Add(u)
	case len(b.lines) < maxLines:
		b.lines = append(b.lines, openai.ModelUsage{Model: model, Usage: u})
	default:
		b.lines[maxLines-1].Usage = b.lines[maxLines-1].Usage.Add(u)
	}
}

// statistics is usage_per_model of an answer that may tell it itself: it does so better, but where this server
// has seen the calls. nil is nothing to tell.
func (b *bill) statistics(told, stream bool) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) == 0 || told && !b.nested {
		return nil
	}
	return openai.AppendUsagePerModel(nil, b.lines, stream)
}

// owe says on whose bill the exchange goes.
func (x *exchange) owe(b *bill) { x.tally.bill = b }
