package bedrock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// The words of ModelOptions.Surface.
const (
	SurfaceConverse = "converse" // Converse of the runtime
	SurfaceMantle   = "mantle"   // OpenAI's API on the bedrock-mantle host; for Claude, Anthropic's
	SurfaceOpenAI   = "openai"   // OpenAI's API on the runtime host, below /openai/v1
	SurfaceInvoke   = "invoke"   // InvokeModel of the runtime, with the model's own body
)

// Surfaces lists what ModelOptions.Surface may be besides "".
func Surfaces() []string {
	return []string{SurfaceConverse, SurfaceMantle, SurfaceOpenAI, SurfaceInvoke}
}

// The words of ModelOptions.Claude.
const (
	ClaudeLegacy   = "legacy"
	ClaudeMantle   = "mantle"
	ClaudeConverse = "converse"
)

// surface is the operator's wish for a model, "" for none.
func (o *ModelOptions) surface(t *traits) string {
	if o.Surface == "" && t.claude() {
		switch o.Claude {
		case ClaudeMantle:
			return SurfaceMantle
		case ClaudeConverse:
			return SurfaceConverse
		}
	}
	return o.Surface
}

// The services of signatures. The runtime and the control plane share one.
const (
	serviceBedrock = "bedrock"
	serviceMantle  = "bedrock-mantle"
)

// dialect is the body that a surface takes.
type dialect uint8

const (
	speaksConverse  dialect = iota
	speaksChat              // OpenAI's chat completions
	speaksResponses         // OpenAI's Responses
	speaksPegasus           // InvokeModel with the body of TwelveLabs' Pegasus
	speaksNoChat            // InvokeModel, for embeddings and rankings
	speaksStability         // InvokeModel with the body of Stability AI's image models
	speaksNoMore            // an image model that AWS has ended
	speaksMessages          // Anthropic's Messages
)

// target is where a call goes and what its signature is for.
type target struct {
	method  string // "" is POST
	url     *url.URL
	service string // of the signature's scope
	// connect is how long a call may wait for its connection; 0 leaves it to the transport.
	connect time.Duration
}

// view is what is known of a model, and where its calls go because of it. It is never written to.
type view struct {
	traits        traits
	dialect       dialect
	whole, stream target
}

// The base ids of the families that have InvokeModel only begin so.
const (
	pegasusPrefix   = "twelvelabs.pegasus"
	stabilityPrefix = "stability."
)

// view is a model's surface, with what the operator wants of it.
func (c *Client) view(id string, t traits, o ModelOptions) (*view, error) {
	t.guardrail = o.Guardrail
	v, err := c.surface(&view{traits: t}, id, o.surface(&t))
	if err != nil {
		return nil, err
	}
	v.whole.connect, v.stream.connect = o.Connect, o.Connect
	return v, nil
}

// surface chooses where a model is called; word is the operator's wish, or "".
func (c *Client) surface(v *view, id, word string) (*view, error) {
	t := &v.traits
	if word == "" {
		word = usualSurface(t)
	}
	if t.notChat() != "" {
		return c.noChat(v, id, word)
	}
	if t.claude() && (word == SurfaceInvoke || word == SurfaceMantle) {
		return c.onMessages(v, id, word)
	}
	switch word {
	case SurfaceConverse:
		return c.onRuntime(v, id, "/converse", "/converse-stream")
	case SurfaceInvoke:
		var ok bool
		if v.dialect, ok = invokeDialect(t); !ok {
			return nil, fmt.Errorf("the surface %q serves anthropic.claude, stability and twelvelabs.pegasus models only; for this model choose one of %s, %s, %s",
				word, SurfaceConverse, SurfaceMantle, SurfaceOpenAI)
		}
		return c.onRuntime(v, id, pathInvoke, pathInvokeStream)
	case SurfaceMantle:
		return c.onOpenAI(v, c.mantle, serviceMantle, mantlePath(t.model.Surfaces))
	case SurfaceOpenAI:
		return c.onOpenAI(v, c.base, serviceBedrock, runtimePath(t.model.Surfaces))
	default:
		return nil, fmt.Errorf("%q is not a surface of Bedrock: choose one of %s, or none", word, strings.Join(Surfaces(), ", "))
	}
}

// The operations of a model's own body.
const (
	pathInvoke       = "/invoke"
	pathInvokeStream = "/invoke-with-response-stream"
)

// noChat is the surface of a model that answers no chats: InvokeModel is the only one.
func (c *Client) noChat(v *view, id, word string) (*view, error) {
	if word != SurfaceInvoke {
		return nil, fmt.Errorf("models that make embeddings or rankings are served on the surface %q only, not on %q", SurfaceInvoke, word)
	}
	v.dialect = speaksNoChat
	return c.onRuntime(v, id, pathInvoke, pathInvokeStream)
}

// invokeDialect is the body that InvokeModel takes of a chat with the model; ok is false when none is known.
func invokeDialect(t *traits) (d dialect, ok bool) {
	switch base := t.model.Base; {
	case base == "", strings.HasPrefix(base, pegasusPrefix):
		return speaksPegasus, true
	case strings.HasPrefix(base, stabilityPrefix):
		return speaksStability, true
	default:
		return speaksNoMore, t.model.Kind == models.Image
	}
}

func (c *Client) onRuntime(v *view, id, whole, stream string) (*view, error) {
	path := c.base + "/model/" + escapeLabel(id)
	var err error
	if v.whole, err = newTarget(path+whole, serviceBedrock); err != nil {
		return nil, err
	}
	v.stream, err = newTarget(path+stream, serviceBedrock)
	return v, err
}

func (c *Client) onOpenAI(v *view, host, service, path string) (*view, error) {
	v.dialect = speaksChat
	if strings.HasSuffix(path, "/responses") {
		v.dialect = speaksResponses
	}
	var err error
	v.whole, err = newTarget(host+path, service)
	v.stream = v.whole
	return v, err
}

func newTarget(address, service string) (target, error) {
	u, err := url.Parse(address)
	return target{url: u, service: service}, err
}

// usualSurface is Converse for every model that has it, and for those of which nothing is known.
func usualSurface(t *traits) string {
	has := t.model.Surfaces
	switch {
	case strings.HasPrefix(t.model.Base, pegasusPrefix), strings.HasPrefix(t.model.Base, stabilityPrefix), t.model.Kind == models.Image,
		t.notChat() != "":
		return SurfaceInvoke
	case len(has) == 0 || slices.Contains(has, "converse"):
		return SurfaceConverse
	case slices.ContainsFunc(has, func(s string) bool { return strings.HasPrefix(s, "mantle") }):
		return SurfaceMantle
	case slices.ContainsFunc(has, func(s string) bool { return strings.HasPrefix(s, "runtime:") }):
		return SurfaceOpenAI
	default:
		return SurfaceConverse
	}
}

// mantlePath is where a model is on the mantle host: chat completions unless the catalogue names a path
// of its own. GPT-5.4 and later are below /openai/v1, open-weight models are not.
func mantlePath(surfaces []string) string {
	switch {
	case slices.Contains(surfaces, "mantle:/openai/v1/responses"):
		return "/openai/v1/responses"
	case slices.Contains(surfaces, "mantle:responses") && !slices.Contains(surfaces, "mantle"):
		return "/v1/responses"
	default:
		return "/v1/chat/completions"
	}
}

func runtimePath(surfaces []string) string {
	if slices.Contains(surfaces, "runtime:/openai/v1/responses") {
		return "/openai/v1/responses"
	}
	return "/openai/v1/chat/completions"
}

// outcall is a chat as a call of a surface other than Converse, and how its answer is read.
type outcall struct {
	plan   *converse // what has been decided about the request
	body   []byte
	header http.Header // beside those that every call has
	// stream says that the answer is asked for as a stream.
	stream bool
	// whole reads an answer that is not a stream.
	whole func(body []byte, header http.Header) ([]llm.Event, error)
	// frames reads a stream, up to its Finish or its error.
	frames func(a *answer, ctx context.Context, body io.Reader)
	// param finds the client's own name of the field that an error of the upstream blames, or "".
	param func(cause *awsError) string
}

// elsewhere makes one call of a surface other than Converse and yields its answer. It asks to be called
// again when converse would.
func (m *Model) elsewhere(ctx context.Context, v *view, req *llm.ChatRequest, yield func(llm.Event, error) bool) (again bool) {
	call, err := v.write(m.id, req)
	if err != nil {
		yield(nil, err)
		return false
	}
	to := v.whole
	if call.stream {
		to = v.stream
	}
	resp, err := m.client.send(ctx, to, call.body, call.header)
	if err != nil {
		yield(nil, err)
		return false
	}
	defer resp.Body.Close()
	a := &answer{
		req: req, yield: call.plan.decorate(yield), start: call.plan.start(requestID(resp.Header), m.id),
		model: m, param: call.param, asked: resp.Request,
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		err := refusal(resp)
		if call.plan.autoCached && isNoCache(err) {
			m.uncached.Store(true)
			return true
		}
		a.fail(ctx, err)
	case call.stream:
		call.frames(a, ctx, resp.Body)
	default:
		a.elsewhereWhole(ctx, call, resp)
	}
	return false
}

// write translates a request for a surface other than Converse.
func (v *view) write(id string, req *llm.ChatRequest) (*outcall, error) {
	switch v.dialect {
	case speaksResponses:
		return writeResponses(id, v, req)
	case speaksPegasus:
		return writePegasus(v, req)
	case speaksNoChat:
		return nil, v.traits.wrongRoute()
	case speaksStability:
		return writeStability(v, req)
	case speaksNoMore:
		return nil, endOfLife(&v.traits.model)
	case speaksMessages:
		return writeMessages(id, v, req)
	default:
		return writeChat(id, v, req)
	}
}

func requestID(h http.Header) string {
	if id := h.Get("X-Amzn-Requestid"); id != "" {
		return id
	}
	return h.Get("X-Request-Id")
}

func (a *answer) elsewhereWhole(ctx context.Context, call *outcall, resp *http.Response) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		a.yield(nil, broken(ctx, textBroken, err))
		return
	}
	events, err := call.whole(data, resp.Header)
	if err != nil {
		a.fail(ctx, err)
		return
	}
	a.yieldWhole(events)
}

// fail ends an answer with what the upstream said of it, or with what is wrong about its form.
func (a *answer) fail(ctx context.Context, err error) {
	e, ok := errors.AsType[*llm.Error](err)
	if !ok {
		a.yield(nil, broken(ctx, contentMessage(err), err))
		return
	}
	if e.Param == "" && e.Kind == llm.KindInvalid && a.param != nil {
		if cause, ok := errors.AsType[*awsError](e.Err); ok {
			e.Param = a.param(cause)
		}
	}
	a.yield(nil, a.model.advise(e))
}
