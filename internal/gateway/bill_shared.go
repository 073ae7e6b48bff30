package gateway

import (
	"context"
	"encoding/json"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
)

// billLifetime is how long what other replicas add to a bill waits to be taken, from the last line on.
const billLifetime = time.Hour

// farLine is a line that one replica adds to another's bill.
type farLine struct {
	Model string    `json:"m"`
	Usage llm.Usage `json:"u"`
}

func farBill(span string) string { return "bill:" + span }

// elsewhere is the bill of a call that another replica has made; nil when nobody would take it there.
func (b *bills) elsewhere(pass *auth.Pass) *bill {
	if !pass.Elsewhere || pass.Span == "" || b.shared == nil || b.shared.lists == nil {
		return nil
	}
	return &bill{span: pass.Span, far: b.shared}
}

// send adds a line to the bill that another replica has: before the answer is told, so that it is there when the call
// ends that it is for.
func (b *bill) send(model string, u llm.Usage) {
	line, err := json.Marshal(farLine{model, u})
	if err == nil {
		ctx, cancel := b.far.apart()
		defer cancel()
		err = b.far.lists.Append(ctx, farBill(b.span), line, billLifetime)
	}
	if err != nil {
		b.far.failed("the usage of a nested call is not told with the answer of the call that it came from", err)
	}
}

// collect puts on the bill what other replicas have been asked for with the key of the call: once, when the call has
// been answered. A model calls nobody, unless a translator stands before it.
func (f *forwarding) collect() {
	common := f.bill.from
	if common == nil || f.to.beside || f.to.Kind == catalog.Model && !f.to.Translated[f.to.api] {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.client), sharedTimeout)
	defer cancel()
	lines, err := common.lists.Take(ctx, farBill(f.bill.span))
	if err != nil {
		common.failed("the usage of nested calls at other replicas is not told", err)
		return
	}
	for _, text := range lines {
		var line farLine
		if err := json.Unmarshal(text, &line); err == nil {
			f.bill.add(line.Model, line.Usage)
		}
	}
}
