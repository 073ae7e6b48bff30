package gateway

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/limit"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/usage"
)

// charge is who pays for an exchange, and for what. Until a deployment is known nobody does.
type charge struct {
	caller auth.Caller
	id     string   // the caller's
	name   string   // of the deployment or route; "" for nothing that is accounted
	open   []string // the roles that may use it, nil for all
	price  *usage.Price
	// counted says that it is limited and paid for: a model, and no hop on the way to one.
	counted bool
	checked bool   // it is a hop to a model that is counted later: there has to be room
	instead string // the deployment in whose place this one answers as its fallback, or ""
	embeds  bool   // its answers have no tokens
	ticket  *limit.Ticket
	limited bool // a limit refused it
	outside bool // it was not let in: by a limit, or since the store could not be asked
}

// charges is the charge of a request that goes to a deployment.
func charges(caller auth.Caller, s *served, api catalog.Interface) charge {
	c := charge{caller: caller, id: caller.ID(), name: s.Name, open: s.Roles, price: s.Price, embeds: api == catalog.Embeddings}
	c.counted, c.checked = s.Kind == catalog.Model && !s.Translated[api], s.Kind == catalog.Model && s.Translated[api]
	return c
}

// need is what a request may use: a body of any dialect tells, or who has decoded it knows better.
type need struct {
	body   []byte // nil when there is none that tells
	output int    // tokens of the longest answer, of all choices; 0 leaves it to the body, or else to what answers were like
	read   bool   // the body has no more to say of output
	images int
	// queries are those of a reranking.
	queries int
}

// claim gives a request its place under its caller's limits, as long as it runs. Only models and routes are limited,
// where they are reached: applications are by the models that they call.
func (g *Gateway) claim(ctx context.Context, x *exchange, n need) error {
	c := &x.charge
	if g.limits == nil || !c.counted && !c.checked {
		return nil
	}
	limits, concurrent := g.rules.For(c.caller.Roles, c.open, c.name)
	if limits == unlimited && concurrent == 0 && (c.checked || g.ledger == nil || !g.limits.Always()) {
		return nil
	}
	ask := limit.Ask{Account: c.account(), Limits: limits, Concurrent: concurrent, Only: c.checked}
	u := g.estimate(c, n)
	ask.Estimate.Tokens = int64(u.Total())
	cost, saved, known := c.price.Cost(u, usage.Terms{Queries: n.queries})
	ask.Estimate.Cost = cost
	if c.counted && g.ledger != nil && g.limits.Always() { // else nobody is left to read it
		lost := g.entry(x)
		lost.Usage, lost.Cost, lost.Saved, lost.Priced = u, cost, saved, known
		ask.Note = usage.AppendNote(nil, &lost)
	}
	var err error
	if c.ticket, err = g.limits.Admit(ctx, &ask); err != nil {
		if c.outside = true; ctx.Err() != nil {
			return gone(ctx)
		}
		_, c.limited = errors.AsType[*limit.Refusal](err)
		return refusedByLimit(err)
	}
	return nil
}

var unlimited = limit.None()

// account is whose use is counted.
func (c *charge) account() limit.Account {
	return limit.Account{Caller: c.id, Deployment: c.name}
}

// settle counts what a request used, and writes its entry down.
func (g *Gateway) settle(x *exchange, e *usage.Entry) {
	c := &x.charge
	if g.limits == nil || c.name == "" || c.checked || !e.Operation.Generates() && e.Operation != usage.Route {
		return
	}
	var spent limit.Amounts
	if c.counted {
		spent.Tokens, spent.Cost = int64(e.Usage.Total()), e.Cost
		g.outputs.saw(c.name, e.Usage.Output)
	} else {
		own := *e // what an application used is in the entries of the models that it called
		own.Usage, own.Terms, own.Cost, own.Saved, own.Priced = llm.Usage{}, usage.Terms{}, 0, 0, false
		e = &own
	}
	var note []byte
	if g.ledger != nil {
		note = usage.AppendNote(nil, e)
	}
	kept := false
	switch {
	case c.ticket != nil:
		kept = c.ticket.Settle(spent, note)
	case c.outside || !c.counted:
		kept = g.limits.Count(c.account(), limit.Amounts{}, note)
	default:
		spent.Requests = 1
		kept = g.limits.Count(c.account(), spent, note)
	}
	if !kept {
		g.log.Error("the use of a request could not be counted: the store of limits takes no more", "request_id", x.id, "deployment", c.name)
	}
}

// refusedByLimit is the error of a request that was not admitted, for its client.
func refusedByLimit(err error) error {
	if r, ok := errors.AsType[*limit.Refusal](err); ok {
		e := &llm.Error{Kind: llm.KindRateLimited, Message: r.Message, Display: r.Display, RetryAfter: r.RetryAfter, Err: errLimited}
		if r.Denied {
			e.Kind, e.Err = llm.KindForbidden, errClosed
		}
		return e
	}
	return &llm.Error{
		Kind: llm.KindServerUnavailable, Message: "The store of limits cannot be asked. Try again later.", RetryAfter: storeRetry, Err: err,
	}
}

// estimate is what a request may use at most, as far as that can be told beforehand.
func (g *Gateway) estimate(c *charge, n need) (u llm.Usage) {
	var told openai.Need
	if n.read {
		told.Prompt = openai.PromptTokens(n.body)
	} else {
		told = openai.PeekNeed(n.body)
	}
	u.Input, u.Images = told.Prompt, n.images
	if c.embeds || n.images > 0 {
		return u
	}
	switch {
	case n.output > 0:
		u.Output = n.output
	case told.Output > 0:
		u.Output = told.Output
	default:
		u.Output = g.outputs.usual(c.name)
	}
	return u
}

const storeRetry = 5 * time.Second

// What the log says of requests that limits refused: the messages have the numbers, which are the caller's.
var (
	errLimited = errors.New("a limit of its caller's roles is used up")
	errClosed  = errors.New("a limit of its caller's roles is 0")
)

// outputs are how long the answers of deployments are, for requests that do not say how long they may be.
type outputs struct{ all sync.Map } // of *atomic.Uint64, the bits of a float64, by deployment

const (
	// firstOutput is what an answer is taken to be, in tokens, before there was one.
	firstOutput = 1024
	// outputSpread is how much longer than usual an answer is taken to be.
	outputSpread = 2
	// outputPace is how much one answer changes what is usual.
	outputPace = 0.05
)

// usual is what an answer of the deployment is taken to be, in tokens.
func (o *outputs) usual(deployment string) int {
	if v, ok := o.all.Load(deployment); ok {
		return int(outputSpread * math.Float64frombits(v.(*atomic.Uint64).Load()))
	}
	return firstOutput
}

// saw notes the length of an answer.
func (o *outputs) saw(deployment string, tokens int) {
	if tokens <= 0 {
		return
	}
	v, ok := o.all.Load(deployment)
	if !ok {
		first := &atomic.Uint64{}
		first.Store(math.Float64bits(float64(tokens)))
		if v, ok = o.all.LoadOrStore(deployment, first); !ok {
			return
		}
	}
	mean := v.(*atomic.Uint64)
	before := mean.Load()
	was := math.Float64frombits(before)
	mean.CompareAndSwap(before, math.Float64bits(was+outputPace*(float64(tokens)-was))) // of two at once one is enough
}

// entryID is unique among the entries of all processes.
func (g *Gateway) entryID() string {
	return g.idPrefix + strconv.FormatUint(g.ids.Add(1), 36)
}
