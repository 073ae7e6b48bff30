package gateway

import (
	"net/http"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/openai"
	"outcrop/internal/usage"
)

// handleCompletions answers a legacy completion whose body names the deployment.
func (g *Gateway) handleCompletions(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.completions(x, r, caller, "")
}

// completions is the path of a legacy completion: another server gets it where it gets chats, as DIAL Core
// has it, and a model of this process is asked in a chat.
func (g *Gateway) completions(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	x.operation = usage.Chat
	body, release, err := g.readBody(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	a := asked{r, caller, name}
	to, err := g.find(x, a, catalog.Chats, body)
	switch {
	case err != nil:
		return x.refuse(err)
	case to != nil && to.remote != nil:
		return g.forward(x, r, to, body)
	}
	req, shape, err := openai.DecodeCompletion(body)
	if err != nil {
		return x.refuse(err)
	}
	c, err := g.callOf(x, a, to, decoded{req, shape})
	if err != nil {
		return x.refuse(err)
	}
	if err := g.claim(r.Context(), x, c.need(body)); err != nil {
		return x.refuse(err)
	}
	reply := c.format.checked(c.ask(r.Context()))
	if c.shape.Stream {
		return openai.WriteCompletionStream(x, reply, c.envelope(x))
	}
	return openai.WriteCompletion(x, reply, c.envelope(x))
}
