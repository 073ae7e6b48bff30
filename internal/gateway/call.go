package gateway

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// choicesAtOnce is how many choices of a request are asked for at the same time. The others wait: one
// client with n = 128 is not to take all the account's requests.
const choicesAtOnce = 16

// served is a deployment made ready.
type served struct {
	*catalog.Deployment
	chat          llm.ChatModel // within the deployment's timeouts; nil when it does not chat
	defaults      *openai.Defaults
	embedDefaults *openai.EmbedDefaults
}

// serveAll makes every deployment ready.
func serveAll(deployments []*catalog.Deployment, log *slog.Logger) (map[*catalog.Deployment]*served, error) {
	all := make(map[*catalog.Deployment]*served, len(deployments))
	for _, d := range deployments {
		var err error
		if all[d], err = newServed(d, log); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func newServed(d *catalog.Deployment, log *slog.Logger) (s *served, err error) {
	s = &served{Deployment: d, chat: withTimeouts(d.Chat, d.Timeouts)}
	if len(d.Info.Defaults) == 0 || s.elsewhere() { // another server gets them from where its request is made
		return s, nil
	}
	ignored, err := s.setDefaults(d.Info.Defaults)
	if err != nil {
		return nil, fmt.Errorf("deployment %s: defaults: %s", d.Name, llm.AsError(err).Message)
	}
	if len(ignored) > 0 {
		log.Warn("defaults without effect", "deployment", d.Name, "members", strings.Join(ignored, ", "))
	}
	return s, nil
}

// setDefaults reads the defaults for what the deployment does, and tells which have no effect on any of
// it. A deployment that only embeds has those of embeddings; there are none of reranking.
func (s *served) setDefaults(doc []byte) (ignored []string, err error) {
	chats := s.Chat != nil
	if !chats && s.Embed == nil {
		return []string{"all"}, nil
	}
	if chats {
		if s.defaults, err = parseDefaults(doc); err != nil {
			return nil, err
		}
		ignored = s.defaults.Ignored
	}
	if s.Embed == nil {
		return ignored, nil
	}
	if s.embedDefaults, err = openai.ParseEmbedDefaults(doc); err != nil {
		return nil, err
	}
	if !chats {
		return s.embedDefaults.Ignored, nil
	}
	return slices.DeleteFunc(slices.Clone(ignored), func(path string) bool { return !slices.Contains(s.embedDefaults.Ignored, path) }), nil
}

// parseDefaults reads the defaults of a deployment. One that every request would be refused for is an
// error.
func parseDefaults(doc []byte) (*openai.Defaults, error) {
	defaults, err := openai.ParseDefaults(doc)
	if err != nil {
		return nil, err
	}
	probe := llm.ChatRequest{Messages: make([]llm.Message, 1)}
	defaults.Apply(&probe, &openai.Shape{})
	if _, err := newFormat(probe.Format, false); err != nil {
		return nil, err
	}
	return defaults, nil
}

// CheckDefaults says what is wrong with the defaults of a deployment, and which of their members have
// no effect.
func CheckDefaults(doc []byte) (ignored []string, err error) {
	defaults, err := parseDefaults(doc)
	if err != nil {
		return nil, err
	}
	return defaults.Ignored, nil
}

// CheckEmbedDefaults is CheckDefaults for a deployment that embeds.
func CheckEmbedDefaults(doc []byte) (ignored []string, err error) {
	defaults, err := openai.ParseEmbedDefaults(doc)
	if err != nil {
		return nil, err
	}
	return defaults.Ignored, nil
}

// Preview is a chat as its model would be asked, but for the files that are elsewhere, the thinking
// that is kept, and what max_prompt_tokens leaves out.
type Preview struct {
	Request *llm.ChatRequest
	Shape   openai.Shape
	// Unasked are members that the model may ignore without a word: the client did not write them.
	Unasked []string
}

// NewPreview decodes a body for a deployment with those defaults, which may be nil.
func NewPreview(defaults, body []byte) (*Preview, error) {
	req, shape, err := openai.DecodeChat(body)
	if err != nil {
		return nil, err
	}
	s := &served{}
	if len(defaults) > 0 {
		if s.defaults, err = parseDefaults(defaults); err != nil {
			return nil, err
		}
	}
	c := s.complete(req, shape)
	if _, err := newFormat(req.Format, c.shape.Stream); err != nil {
		return nil, err
	}
	p := &Preview{Request: req, Shape: c.shape}
	if c.unasked {
		p.Unasked = []string{oneToolMember}
	}
	return p, nil
}

// call is one chat on its way.
type call struct {
	*served
	owner      owner
	req        *llm.ChatRequest
	shape      openai.Shape
	format     *format
	statistics *openai.Statistics
	unasked    bool // that there be one tool call is the server's wish
	dial       bool // it came by DIAL's route, which names the deployment
	perModel   bool // the statistics tell the usage, as a Core's do
	tally      *tally
}

// asked is who asks, and for which deployment; "" leaves that to the body.
type asked struct {
	r      *http.Request
	caller auth.Caller
	name   string
}

// decodeCall is what a body asks for: of the deployment or, when that is nil, of the one that the body
// names.
func (g *Gateway) decodeCall(x *exchange, a asked, to *step, body []byte) (*call, error) {
	req, shape, err := openai.DecodeChat(body)
	if err != nil {
		return nil, err
	}
	return g.callOf(x, a, to, decoded{req, shape})
}

// decoded is a chat in this server's words, and how its client wants the reply.
type decoded struct {
	req   *llm.ChatRequest
	shape openai.Shape
}

// callOf is the call of a request that is decoded, of the deployment or, when that is nil, of the one that
// it names.
func (g *Gateway) callOf(x *exchange, a asked, to *step, d decoded) (*call, error) {
	req, shape := d.req, d.shape
	var s *served
	if to != nil {
		s = to.served
	} else if found, err := g.here(x, a, cmp.Or(a.name, shape.Model), "requests of this kind"); err != nil {
		return nil, err
	} else {
		s = found
	}
	if s.Chat == nil {
		return nil, doesNotChat(s)
	}
	c := g.complete(s, a.caller, req, shape)
	req.Wish = x.wish
	c.dial, c.tally, x.stream = a.name != "", g.tally(x), shape.Stream
	c.perModel = c.dial && !g.behind
	c.tally.countPrompt(s, req.Messages)
	var err error
	c.format, err = newFormat(req.Format, shape.Stream)
	return c, err
}

// resolve is the deployment with that name, which the log then knows.
func (g *Gateway) resolve(x *exchange, r *http.Request, caller auth.Caller, name string) (*served, error) {
	d, err := g.deployments.Resolve(r, caller, name)
	if err != nil {
		return nil, err
	}
	x.deployment, x.region = d.Name, d.Region
	return g.ready(d)
}

// ready is a deployment made ready.
func (g *Gateway) ready(d *catalog.Deployment) (*served, error) {
	if s, ok := g.served[d]; ok {
		return s, nil
	}
	return newServed(d, g.log)
}

// complete adds to a request what the server knows: the deployment's defaults, and who asks.
func (g *Gateway) complete(s *served, caller auth.Caller, req *llm.ChatRequest, shape openai.Shape) *call {
	c := s.complete(req, shape)
	c.owner = owner{caller.ID(), s.Name}
	req.Metadata = g.metadata(s, caller)
	return c
}

// metadata is what the upstream's bill is told of a request; nil is nothing.
func (g *Gateway) metadata(s *served, caller auth.Caller) map[string]string {
	if !g.tell {
		return nil
	}
	return map[string]string{"project": caller.Project, "deployment": s.Name}
}

// oneToolMember is the member that asks for one tool call at most.
const oneToolMember = "parallel_tool_calls"

// complete adds what does not depend on who asks.
func (s *served) complete(req *llm.ChatRequest, shape openai.Shape) *call {
	s.defaults.Apply(req, &shape)
	oneTool := req.OneTool
	req.OneTool = oneTool || shape.Functions // whose answer has no place for a second call
	return &call{served: s, req: req, shape: shape, unasked: req.OneTool && !oneTool}
}

// ask starts the reply: as many choices as the client wants.
func (c *call) ask(ctx context.Context) iter.Seq2[llm.Event, error] {
	if c.shape.N <= 1 {
		return c.one(ctx, 0)
	}
	turns := make(chan struct{}, choicesAtOnce)
	all := chatFunc(func(ctx context.Context, _ *llm.ChatRequest) iter.Seq2[llm.Event, error] {
		return llm.SideBySide(ctx, c.shape.N, func(ctx context.Context, i int) iter.Seq2[llm.Event, error] {
			return inTurn(ctx, turns, c.one(ctx, i))
		})
	})
	return timed{all, catalog.Timeouts{Total: c.Timeouts.Total}, c.tally}.Chat(ctx, c.req)
}

// chatFunc is a function that is a model.
type chatFunc func(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error]

// Chat implements llm.ChatModel.
func (f chatFunc) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return f(ctx, req)
}

// one is the choice of that number.
func (c *call) one(ctx context.Context, i int) iter.Seq2[llm.Event, error] {
	req := c.req
	if seed := req.Sampling.Seed; seed != nil && i > 0 { // else all choices would be the same
		own := *req
		own.Sampling.Seed = new(*seed + int64(i))
		req = &own
	}
	seq := c.alone(ctx, req)
	if !c.unasked {
		return seq
	}
	return func(yield func(llm.Event, error) bool) {
		for event, err := range seq {
			if start, ok := event.(llm.Start); ok {
				start.Ignored = slices.DeleteFunc(slices.Clone(start.Ignored), func(path string) bool { return path == oneToolMember })
				event = start
			}
			if !yield(event, err) {
				return
			}
		}
	}
}

// maxOutput is more than any answer has, in tokens: so many for each choice are a number still.
const maxOutput = 1 << 31

// need is what the call may use; the body tells what the prompt does.
func (c *call) need(body []byte) need {
	return need{body: body, read: true, output: min(c.req.MaxTokens, maxOutput) * max(1, c.shape.N)}
}

// alone is the sequence of one choice, metered when it is all that there is.
func (c *call) alone(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	if c.tally == nil || c.shape.N > 1 {
		return c.chat.Chat(ctx, req)
	}
	return timed{c.Chat, c.Timeouts, c.tally}.Chat(ctx, req)
}

// inTurn is the sequence once there is a turn for it.
func inTurn(ctx context.Context, turns chan struct{}, seq iter.Seq2[llm.Event, error]) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
			seq(yield)
		case <-ctx.Done():
			yield(nil, gone(ctx))
		}
	}
}

// write answers with the reply, in the form that the client wants.
func (c *call) write(x *exchange, reply iter.Seq2[llm.Event, error]) error {
	write := openai.WriteReply
	if c.shape.Stream {
		write = openai.WriteStream
	}
	return write(x, reply, c.envelope(x))
}

// envelope is what the reply says beside what the model said.
func (c *call) envelope(x *exchange) openai.Envelope {
	return openai.Envelope{
		ID: x.id, Model: c.Name, Created: x.began, Ignored: c.shape.Ignored, Changed: c.shape.Changed,
		IncludeUsage: c.shape.IncludeUsage, DIAL: c.dial, Functions: c.shape.Functions, Choices: c.shape.N, Statistics: c.statistics,
		PerModel: c.perModel, Heartbeat: c.Timeouts.Heartbeat,
	}
}

// doesNotChat is the error of a deployment that has no model of ours to ask: one that forwards chats gets
// them as they came, in no other dialect.
func doesNotChat(s *served) error {
	if s.Remotes[catalog.Chats] != nil {
		return llm.Invalid("model", "The deployment "+s.Name+" is another server's, which is asked for chat completions only: POST /openai/deployments/"+s.Name+"/chat/completions.")
	}
	return llm.Invalid("model", "The deployment "+s.Name+" does not chat.")
}
