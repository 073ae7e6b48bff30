package gateway

import (
	"net/http"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/usage"
)

// completions is the path of a legacy completion: another server gets it where it gets chats, as DIAL Core has it.
func (g *Gateway) completions(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	x.operation = usage.Chat
	body, release, err := g.readBody(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	to, err := g.find(x, asked{r, caller, name}, catalog.Chats, body)
	switch {
	case err != nil:
		return x.refuse(err)
	case to != nil && to.remote != nil:
		return g.forward(x, r, to, body)
	default:
		return x.refuse(noRoute("The deployment " + name + " answers chat completions, not legacy completions: POST /openai/deployments/" + name + "/chat/completions."))
	}
}
