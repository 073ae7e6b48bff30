package gateway

import (
	"errors"
	"net/http"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/proxy"
)

// handleGetResponse answers with a response that is kept, here or by the server that made it.
func (g *Gateway) handleGetResponse(x *exchange, r *http.Request, caller auth.Caller) error {
	id := r.PathValue("id")
	k, err := g.responses.find(caller, id)
	if err != nil {
		return g.atOtherServer(x, r, responseCall{caller, id, err, func(b catalog.Beside) *proxy.Remote { return b.GetResponse }})
	}
	if r.URL.Query().Get("stream") == "true" {
		return x.refuse(llm.Invalid("stream", "A response that is kept is not streamed again: leave stream out."))
	}
	return x.replyJSON(k.object)
}

// handleDeleteResponse forgets a response.
func (g *Gateway) handleDeleteResponse(x *exchange, r *http.Request, caller auth.Caller) error {
	id := r.PathValue("id")
	if err := g.responses.remove(caller, id); err != nil {
		return g.atOtherServer(x, r, responseCall{caller, id, err, func(b catalog.Beside) *proxy.Remote { return b.DeleteResponse }})
	}
	return x.reply(struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{id, "response", true})
}

// handleCancelResponse ends a response that is made in the background. One that is made stays as it is.
func (g *Gateway) handleCancelResponse(x *exchange, r *http.Request, caller auth.Caller) error {
	id := r.PathValue("id")
	k, err := g.responses.find(caller, id)
	if err != nil {
		return g.atOtherServer(x, r, responseCall{caller, id, err, func(b catalog.Beside) *proxy.Remote { return b.CancelResponse }})
	}
	if !k.running {
		return x.replyJSON(k.object)
	}
	object, err := g.responses.cancel(caller, k, openai.WithStatus(k.object, "cancelled"))
	if err != nil {
		return x.refuse(err)
	}
	return x.replyJSON(object)
}

// replyJSON answers with JSON as it is.
func (x *exchange) replyJSON(text []byte) error {
	x.Header().Set("Content-Type", "application/json")
	return x.send(text)
}

// responseCall is a request about a response that is not kept here.
type responseCall struct {
	caller auth.Caller
	id     string
	unless error // what it is when no other server has it
	at     func(catalog.Beside) *proxy.Remote
}

// atOtherServer asks the server that made a response.
func (g *Gateway) atOtherServer(x *exchange, r *http.Request, c responseCall) error {
	kept, err := g.responses.openID(c.caller, c.id)
	if err != nil {
		if errors.Is(c.unless, errNotOwner) || llm.AsError(c.unless).Kind == llm.KindServerUnavailable {
			err = c.unless
		}
		return x.refuse(err)
	}
	to, err := g.findNamed(x, asked{r, c.caller, kept.Deployment}, catalog.Responses, kept.Deployment)
	if err != nil {
		return x.refuse(err)
	}
	remote := c.at(to.Beside)
	if remote == nil {
		return x.refuse(noResponse())
	}
	next := *to
	next.remote, next.beside, next.id = remote, true, kept.ID
	return g.forwardAs(x, r, &next, nil, &responseNames{responses: g.responses, caller: c.caller, deployment: kept.Deployment, known: map[string]string{kept.ID: c.id}})
}
