package gateway

import (
	"fmt"
	"slices"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/proxy"
)

// interceptorName is what an interceptor calls to go on: whatever comes after it.
const interceptorName = "interceptor"

// maxDeployments is how many deployments a request may have come through: those that call themselves would go on for ever.
const maxDeployments = 50

// step is where a request goes next: to the deployment that it asks for, or to an interceptor before that.
type step struct {
	*served
	api    catalog.Interface
	remote *proxy.Remote // who answers; nil for this process
	// pass is what the key stands for that the other server gets.
	pass *auth.Pass
	// asked is the name by which the client asks for it.
	asked string
	// beside says that the operation is not the one that the API is there for; id is then the other server's of the
	// response that it is about, or "".
	beside bool
	id     string
	// lasting is how long the server may use its key after its answer; 0 is not at all. key is that key.
	lasting time.Duration
	key     string
}

// find is where a request goes, as far as that can be told before the body is decoded: it may be another
// server that reads the body. It is nil when the body must tell.
func (g *Gateway) find(x *exchange, a asked, api catalog.Interface, body []byte) (*step, error) {
	name := a.name
	if name == "" && g.remote {
		name = openai.PeekModel(body)
	}
	if name == "" {
		return nil, nil
	}
	to, err := g.step(x, a, api, name)
	if err == nil && a.name == "" && to.remote != nil {
		err = openai.CheckOneModel(body)
	}
	return to, err
}

// findNamed is find for a name that stands in the body.
func (g *Gateway) findNamed(x *exchange, a asked, api catalog.Interface, name string) (*step, error) {
	if name == "" {
		return nil, llm.Invalid("model", "model must name a deployment. GET /openai/models lists those you may use.")
	}
	return g.step(x, a, api, name)
}

// here is the deployment of that name when this process answers for it. what is what only this process does.
func (g *Gateway) here(x *exchange, a asked, name, what string) (*served, error) {
	to, err := g.findNamed(x, a, catalog.Chats, name)
	if err == nil && to.remote != nil {
		err = llm.Invalid("model", fmt.Sprintf("The deployment %s is asked through another server, which gets no %s.", name, what))
	}
	if err != nil {
		return nil, err
	}
	return to.served, nil
}

// step is where a request for the deployment of that name goes next.
func (g *Gateway) step(x *exchange, a asked, api catalog.Interface, name string) (*step, error) {
	pass, passed := a.caller.Pass, false
	if pass != nil && len(pass.Path) >= maxDeployments {
		return nil, &llm.Error{
			Kind:    llm.KindForbidden,
			Message: fmt.Sprintf("The request has come through %d deployments, more than any does that ends: does %s call itself, perhaps by way of others?", len(pass.Path), pass.Holder),
		}
	}
	x.owe(g.bills.of(pass))
	if name == interceptorName {
		if pass == nil || pass.Target == "" {
			return nil, &llm.Error{
				Kind:    llm.KindForbidden,
				Message: "Only an interceptor may call the deployment " + interceptorName + ", with the key of the request that it was given.",
			}
		}
		if at := pass.At + 1; at < len(pass.Chain) {
			return g.intercept(x, a.caller, api, &auth.Pass{Target: pass.Target, Chain: pass.Chain, At: at})
		}
		name, passed = pass.Target, true
	}
	s, err := g.resolve(x, a.r, a.caller, name)
	if err != nil {
		return nil, err
	}
	x.tally.payer = s.Name
	// What an interceptor or a translator goes on with has been let in before.
	passed = passed || pass != nil && pass.Translated == name
	if err := g.admit(a.caller, s, api, passed); err != nil {
		return nil, err
	}
	if len(s.Interceptors) > 0 && !passed {
		return g.intercept(x, a.caller, api, &auth.Pass{Target: s.Name, Chain: s.Interceptors})
	}
	x.charge = charges(a.caller, s, api)
	x.wish.Caller = x.charge.id
	x.tally.price = s.Price
	next := &step{served: s, api: api, remote: s.Remotes[api], pass: a.caller.Next(s.Name), asked: name}
	if s.Translated[api] {
		next.pass.Translated = s.Name
	}
	return next, nil
}

// intercept is the step to an interceptor of the chain.
func (g *Gateway) intercept(x *exchange, caller auth.Caller, api catalog.Interface, chain *auth.Pass) (*step, error) {
	name := chain.Chain[chain.At]
	x.deployment = chain.Target
	d := g.deployments.Interceptor(name)
	if d == nil {
		return nil, &llm.Error{Kind: llm.KindNotFound, Message: fmt.Sprintf("Interceptor is not found: %s. The operator has to add it to interceptors.", name)}
	}
	remote := d.Remotes[catalog.Chats]
	if api == catalog.Embeddings && d.Remotes[api] != nil {
		remote = d.Remotes[api]
	}
	if api > catalog.Embeddings || remote == nil {
		return nil, notServed(chain.Target, api, "its interceptors see chat completions and embeddings only")
	}
	s, err := g.ready(d)
	if err != nil {
		return nil, err
	}
	pass := caller.Next(name)
	pass.Target, pass.Chain, pass.At = chain.Target, chain.Chain, chain.At
	return &step{served: s, api: api, remote: remote, pass: pass}, nil
}

// admit says whether the caller may ask the deployment in that API now; that its roles may is known. passed says that
// it comes for a request that has been let in before.
func (g *Gateway) admit(caller auth.Caller, s *served, api catalog.Interface, passed bool) error {
	switch err := g.agreed(caller, s); {
	case err != nil:
		return err
	case s.Direct && caller.Pass != nil && !passed:
		return notDirect(s.Name, caller.Pass)
	case s.elsewhere() && s.Remotes[api] == nil:
		return notServed(s.Name, api, "")
	}
	return nil
}

// agreed is the error of a deployment that wants the caller's consent, and has none.
func (g *Gateway) agreed(caller auth.Caller, s *served) error {
	if !s.Consent || g.consents.Given(caller, s.Name) {
		return nil
	}
	return &llm.Error{
		Kind:    llm.KindForbidden,
		Message: fmt.Sprintf("The deployment %s wants your consent first: POST /v1/consent/%s.", s.Name, s.Name),
	}
}

// notDirect is the error of a deployment that no other may call.
func notDirect(name string, pass *auth.Pass) error {
	return &llm.Error{Kind: llm.KindForbidden, Message: fmt.Sprintf("Deployment %s is not accessible by %s", name, pass.Holder)}
}

// elsewhere says whether only other servers answer for a deployment.
func (s *served) elsewhere() bool {
	return s.Elsewhere || s.Chat == nil && s.Embed == nil && s.Rerank == nil && slices.ContainsFunc(s.Remotes[:], func(r *proxy.Remote) bool { return r != nil })
}

// notServed is the error of an API in which a deployment cannot be asked.
func notServed(name string, api catalog.Interface, why string) error {
	text := map[catalog.Interface]string{
		catalog.Responses: "OpenAI responses not supported for this deployment type", catalog.Messages: "Anthropic messages not supported for this deployment type",
	}[api]
	if text == "" {
		text = api.String() + " is not served"
	}
	message := fmt.Sprintf("%s: %s", text, name)
	if why != "" {
		message += ": " + why
	}
	return &llm.Error{Kind: llm.KindUnavailable, Message: message + ". GET /openai/deployments/" + name + " says which interfaces are."}
}
