package bedrock

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"

	"outcrop/internal/llm"
)

// native is a Claude that answers the Messages API itself.
type native struct {
	model   *Model
	view    *view
	surface string // SurfaceInvoke or SurfaceMantle
}

// Native is the model's own answer to Anthropic's Messages API: of Claude, unless the operator has chosen a
// surface that has another API; else nil. What it is changes once AWS has said which model an ARN stands for.
func (m *Model) Native() llm.MessagesModel {
	v := m.current.Load()
	if !v.traits.claude() {
		return nil
	}
	surface := m.options.surface(&v.traits)
	if surface == "" {
		surface = usualSurface(&v.traits)
		if surface == SurfaceConverse {
			surface = SurfaceInvoke
		}
	} else if surface == SurfaceConverse {
		return nil
	}
	if surface != SurfaceInvoke && surface != SurfaceMantle {
		return nil
	}
	return &native{model: m, view: v, surface: surface}
}

// Messages implements llm.MessagesModel, through InvokeModel or Anthropic's own path of bedrock-mantle.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
func (n *native) Messages(ctx context.Context, req *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	return func(yield func(llm.MessagesPiece, error) bool) {
		call, err := n.write(req)
		if err != nil {
			yield(llm.MessagesPiece{}, err)
			return
		}
		resp, err := n.model.client.send(ctx, call.to, call.body, call.header)
		if err != nil {
			yield(llm.MessagesPiece{}, err)
			return
		}
		defer resp.Body.Close()
		r := &nativeReader{
			yield: yield, model: n.model, id: requestID(resp.Header), ignored: call.ignored, asked: resp.Request,
		}
		switch {
		case resp.StatusCode != http.StatusOK:
			r.fail(ctx, refusal(resp))
		case req.Whole:
			r.whole(ctx, resp.Body)
		case n.surface == SurfaceMantle:
			r.events(ctx, resp.Body)
		default:
			r.frames(ctx, resp.Body)
		}
	}
}

// nativeCall is a request as it leaves.
type nativeCall struct {
	to      target
	body    []byte
	header  http.Header
	ignored []string
}

func (n *native) write(req *llm.MessagesRequest) (*nativeCall, error) {
	edit, err := n.edit(req)
	if err != nil {
		return nil, err
	}
	call := &nativeCall{ignored: edit.ignored}
	if call.header, err = n.header(req, edit); err != nil {
		return nil, err
	}
	call.body = edit.finish(n, !req.Whole)
	call.to, err = n.target(req.Whole)
	return call, err
}

func (n *native) target(whole bool) (to target, err error) {
	c := n.model.client
	switch {
	case n.surface == SurfaceMantle:
		to, err = newTarget(c.mantle+nativePath, serviceMantle)
	case whole:
		to, err = newTarget(c.base+"/model/"+escapeLabel(n.model.id)+pathInvoke, serviceBedrock)
	default:
		to, err = newTarget(c.base+"/model/"+escapeLabel(n.model.id)+pathInvokeStream, serviceBedrock)
	}
	to.connect = n.model.options.Connect
	return to, err
}

// header has what is no part of the body.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
func (n *native) header(req *llm.MessagesRequest, edit *nativeEdit) (http.Header, error) {
	plan := &converse{traits: &n.view.traits}
	h, err := plan.guardrailHeader()
	if err != nil {
		return nil, err
	}
	if n.surface == SurfaceMantle {
		h.Set(headerVersion, anthropicVersion)
		if len(edit.betas) > 0 {
			h.Set(headerBeta, strings.Join(edit.betas, ","))
		}
		return h, nil
	}
	if req.Whole {
		h.Set("Accept", "application/json")
	} else {
		h.Set("X-Amzn-Bedrock-Accept", "application/json")
	}
	if edit.tier != "" {
		h.Set(headerTier, edit.tier)
	}
	const member = `,"requestMetadata":`
	if plan.addMetadata(req.Metadata); len(plan.body) > len(member) {
		h.Set(headerMetadata, string(plan.body[len(member):]))
	}
	return h, nil
}

// nativeReader reads a reply into pieces.
type nativeReader struct {
	yield   func(llm.MessagesPiece, error) bool
	model   *Model
	id      string
	ignored []string
	asked   *http.Request // whose credentials are nobody's to read

	begun bool
	usage llm.Usage
	buf   []byte // the piece's JSON, decoded
}

// fail ends the reply with what the upstream said of it, or with what is wrong about its form.
func (r *nativeReader) fail(ctx context.Context, err error) {
	e, ok := errors.AsType[*llm.Error](err)
	if !ok {
		r.yield(llm.MessagesPiece{}, broken(ctx, contentMessage(err), err))
		return
	}
	r.yield(llm.MessagesPiece{}, r.model.advise(e))
}

// pass yields a piece of JSON, which came from body; done says that it was the last or that the reader has
// left, who is not kept until the upstream says more.
func (r *nativeReader) pass(data []byte, body io.Reader) (done bool, err error) {
	p, err := r.read(data)
	if err != nil {
		return true, err
	}
	if !r.begun {
		r.begun = true
		p.ID, p.Ignored = r.id, r.ignored
	}
	if !r.yield(p, nil) {
		return true, nil
	}
	if p.Last {
		finish(body)
	}
	return p.Last, nil
}

var (
	errNotMessage  = errors.New("the reply is no message")
	errNoEventType = errors.New("an event has no type")
)

// whole yields a reply that is one message.
func (r *nativeReader) whole(ctx context.Context, body io.Reader) {
	data, err := io.ReadAll(io.LimitReader(body, maxReply))
	if err != nil {
		r.yield(llm.MessagesPiece{}, broken(ctx, textBroken, err))
		return
	}
	p, err := r.read(data)
	if err == nil && p.Type != typeMessage {
		err = errNotMessage
	}
	if err != nil {
		r.fail(ctx, err)
		return
	}
	p.ID, p.Ignored, p.Last, p.Usage = r.id, r.ignored, true, r.usage
	r.yield(p, nil)
}
