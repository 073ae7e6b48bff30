package bedrock

import (
	"cmp"
	"context"
	"net/http"

	"outcrop/internal/llm"
)

// Note is a field of the client's that does not reach a model as it was written.
type Note struct {
	Param string // "messages[2].content[0]"
	Why   string // half a sentence, or ""
}

// Explanation is what a chat would do. Nothing in it is secret but the conversation itself.
type Explanation struct {
	Surface string // one of Surfaces
	Method  string
	URL     string
	Header  http.Header // beside those that every call has: a guardrail's, where it is no part of the body
	Body    []byte      // JSON, as it would be sent
	Whole   bool        // the reply would come in one piece
	Ignored []Note
	Changed []Note
}

// Explain translates a request as Chat would and sends nothing. Its errors are those that Chat gives
// before it calls Bedrock. For an ARN that does not tell its model it asks AWS, as Chat does.
func (m *Model) Explain(ctx context.Context, req *llm.ChatRequest) (Explanation, error) {
	v := m.known(ctx)
	e := Explanation{Surface: v.surface()}
	to := v.stream
	if v.dialect == speaksConverse {
		call, err := build(req, &v.traits)
		if err != nil {
			return Explanation{}, err
		}
		e.Body, e.Whole = call.body, call.whole
		e.Ignored, e.Changed = call.notes(call.ignored, false), call.notes(call.changed, true)
	} else {
		call, err := v.write(m.id, req)
		if err != nil {
			return Explanation{}, err
		}
		e.Header, e.Body, e.Whole = call.header, call.body, !call.stream
		e.Ignored, e.Changed = call.plan.notes(call.plan.ignored, false), call.plan.notes(call.plan.changed, true)
	}
	if e.Whole {
		to = v.whole
	}
	e.Method, e.URL = cmp.Or(to.method, http.MethodPost), to.url.String()
	return e, nil
}

// notes gives one of the lists with its reasons.
func (c *converse) notes(params []string, changed bool) (list []Note) {
	for _, param := range params {
		list = append(list, Note{Param: param, Why: c.why[noted{param, changed}]})
	}
	return list
}

// surface is the word of ModelOptions.Surface for the view.
func (v *view) surface() string {
	switch {
	case v.dialect == speaksConverse:
		return SurfaceConverse
	case v.dialect == speaksPegasus, v.dialect == speaksStability, v.dialect == speaksNoMore, v.dialect == speaksNoChat, v.traits.messages == SurfaceInvoke:
		return SurfaceInvoke
	case v.whole.service == serviceMantle:
		return SurfaceMantle
	default:
		return SurfaceOpenAI
	}
}
