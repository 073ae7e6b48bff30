package bedrock

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// nativeResponses is a model that answers OpenAI's Responses API itself.
type nativeResponses struct {
	model *Model
	view  *view
	to    target
}

// NativeResponses is the model's own answer to OpenAI's Responses API: of those whose chats are asked there too, and
// of those that have it on the runtime, whose host and permissions their chats have as well, unless the operator has
// chosen a surface; else nil. What it is changes once AWS has said which model an ARN stands for.
func (m *Model) NativeResponses() llm.ResponsesModel {
	v := m.current.Load()
	if v.dialect == speaksResponses {
		return &nativeResponses{m, v, v.stream}
	}
	if m.options.Surface != "" || !slices.Contains(v.traits.model.Surfaces, "runtime:"+pathResponses) {
		return nil
	}
	to, err := newTarget(m.client.base+pathResponses, serviceBedrock)
	if err != nil {
		return nil // the chats' own addresses have the same beginning
	}
	to.connect = m.options.Connect
	return &nativeResponses{m, v, to}
}

// pathResponses is where the runtime has the API.
const pathResponses = "/openai/v1/responses"

// Responses implements llm.ResponsesModel, on bedrock-mantle or below /openai/v1 of the runtime.
// https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html
func (n *nativeResponses) Responses(ctx context.Context, req *llm.MessagesRequest) iter.Seq2[llm.MessagesPiece, error] {
	return func(yield func(llm.MessagesPiece, error) bool) {
		body, err := n.write(req)
		if err != nil {
			yield(llm.MessagesPiece{}, err)
			return
		}
		header, err := (&converse{traits: &n.view.traits}).guardrailHeader()
		if err != nil {
			yield(llm.MessagesPiece{}, err)
			return
		}
		resp, err := n.model.client.send(ctx, n.to, body, header)
		if err != nil {
			yield(llm.MessagesPiece{}, err)
			return
		}
		defer resp.Body.Close()
		r := &responsesReader{yield: yield, model: n.model, id: requestID(resp.Header)}
		switch {
		case resp.StatusCode != http.StatusOK:
			r.fail(ctx, refusal(resp))
		case req.Whole:
			r.whole(ctx, resp.Body)
		default:
			r.events(ctx, resp.Body)
		}
	}
}

// write is the client's body with what is Bedrock's: the model's id there, and that nothing is kept.
func (n *nativeResponses) write(req *llm.MessagesRequest) ([]byte, error) {
	if err := checkObject(req.Body); err != nil {
		return nil, err
	}
	e := &nativeEdit{body: append(make([]byte, 0, len(req.Body)+64), '{')}
	seen := map[string]bool{}
	for m := range memberSpans(req.Body) {
		if seen[m.key] {
			return nil, llm.Invalid(strings.Clone(m.key), "The body holds this member twice.")
		}
		seen[m.key] = true
		switch m.key {
		case memberModel, memberStream, "store", "background":
		default:
			if n.view.traits.guardrail != nil && strings.HasPrefix(strings.ToLower(m.key), awsFields) {
				return nil, llm.Invalid(strings.Clone(m.key), "This deployment's guardrail is set by the server: what it looks at cannot be changed.")
			}
			e.add(m.text)
		}
	}
	e.add([]byte(`"model":`))
	e.body = jsonscan.AppendString(e.body, n.model.id)
	e.add([]byte(`"store":false`))
	if !req.Whole {
		e.add([]byte(`"stream":true`))
	}
	return append(e.body, '}'), nil
}

// responsesReader reads a reply into pieces.
type responsesReader struct {
	yield func(llm.MessagesPiece, error) bool
	model *Model
	id    string // the upstream's request id, for the first piece
	begun bool
}

// fail ends the reply with what the upstream said of it, or with what is wrong about its form.
func (r *responsesReader) fail(ctx context.Context, err error) {
	e, ok := errors.AsType[*llm.Error](err)
	if !ok {
		r.yield(llm.MessagesPiece{}, broken(ctx, contentMessage(err), err))
		return
	}
	r.yield(llm.MessagesPiece{}, r.model.advise(e))
}

// whole yields a reply that is one object.
func (r *responsesReader) whole(ctx context.Context, body io.Reader) {
	data, err := io.ReadAll(io.LimitReader(body, maxReply))
	if err != nil {
		r.yield(llm.MessagesPiece{}, broken(ctx, textBroken, err))
		return
	}
	end, err := readResponsesEnd(data)
	if err == nil && !end.ended() {
		err = errNoAnswer
	}
	if err != nil {
		r.fail(ctx, err)
		return
	}
	r.yield(llm.MessagesPiece{Type: "response", JSON: oneLine(data), Last: true, Usage: end.usage, ID: r.id}, nil)
}

// events yields the pieces of a stream.
func (r *responsesReader) events(ctx context.Context, body io.Reader) {
	source := &pausing{r: body}
	source.pause = func() bool { return !r.begun || r.yield(llm.MessagesPiece{}, nil) }
	frames := sse.NewReader(source)
	for {
		f, err := frames.Next()
		switch {
		case errors.Is(err, errLeft):
			return
		case err != nil:
			r.yield(llm.MessagesPiece{}, cutSSE(ctx, err))
			return
		}
		p, err := r.read(f)
		if err != nil {
			r.fail(ctx, err)
			return
		}
		if !r.begun {
			r.begun, p.ID = true, r.id
		}
		if !r.yield(p, nil) {
			return
		}
		if p.Last {
			finish(body)
			return
		}
	}
}

// read is one event. A response that failed is an error: its text is the upstream's.
func (r *responsesReader) read(f sse.Frame) (p llm.MessagesPiece, err error) {
	if string(f.Data) == "[DONE]" {
		return p, errNoCompletion // a good end has been before it
	}
	e, err := readResponsesEvent(f.Data)
	switch {
	case err != nil:
		return p, err
	case e.kind == "error" || f.Event == "error" || strings.HasSuffix(f.Event, "Exception"):
		return p, reported(f.Event, f.Data)
	case e.kind == "":
		return p, errNoEventType
	}
	p.Type = strings.Clone(e.kind)
	if e.answer != nil {
		end, err := readResponsesEnd(e.answer)
		if err != nil {
			return p, err
		}
		p.Last, p.Usage = end.ended(), end.usage
	}
	p.JSON = oneLine(f.Data)
	return p, nil
}

// responsesEnd is what a response object says of its end.
type responsesEnd struct {
	status string
	usage  llm.Usage
}

// ended says that a response is over, and not by a failure.
func (e responsesEnd) ended() bool {
	return e.status == "completed" || e.status == "incomplete"
}

// readResponsesEnd looks through a response object. The error is that of one that failed, or of another shape.
func readResponsesEnd(raw []byte) (e responsesEnd, err error) {
	var failure []byte
	s := jsonscan.New(raw)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "status":
			e.status = strings.Clone(optionalString(&s))
		case "usage":
			if !s.Null() {
				e.usage = readOpenAIUsage(&s)
			}
		case "error":
			if raw := s.Raw(); string(raw) != "null" {
				failure = raw
			}
		default:
			s.Skip()
		}
	}
	s.End()
	switch {
	case s.Err() != nil:
		return e, s.Err()
	case failure != nil:
		return e, reported("", append(append([]byte(`{"error":`), failure...), '}'))
	case e.status == "failed" || e.status == "cancelled":
		return e, errNoAnswer
	}
	return e, nil
}
