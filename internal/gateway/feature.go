package gateway

import (
	"errors"
	"net/http"
	"strings"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
	"outcrop/internal/proxy"
)

// routeFeedback routes POST /v1/{name}/rate. The name may have slashes; other paths of the API are not for it.
func (g *Gateway) routeFeedback() {
	g.slashed["POST /v1"] = map[string]namedHandler{"rate": g.feedback}
	g.known("POST /v1/{rest...}", func(x *exchange, r *http.Request, caller auth.Caller) error {
		name, ok := strings.CutSuffix(r.PathValue("rest"), "/rate")
		if !ok || name == "" {
			return g.handleNoRoute(x, r)
		}
		return g.feedback(x, r, caller, name)
	})
}

// feedback takes what a user thinks of an answer.
func (g *Gateway) feedback(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	s, err := g.resolve(x, r, caller, name)
	if err != nil {
		return x.refuse(err)
	}
	if s.Feedback == nil { // DIAL takes it all the same, for its log
		x.WriteHeader(http.StatusOK)
		return nil
	}
	return g.feature(x, r, feature{caller, s, s.Feedback})
}

// feature is an operation that another server has of a deployment.
type feature struct {
	caller auth.Caller
	*served
	remote *proxy.Remote
}

// counts is a feature of counting tokens: done is when another server has answered for it, or nobody can.
func (g *Gateway) counts(x *exchange, r *http.Request, f feature) (done bool, err error) {
	if err := g.agreed(f.caller, f.served); err != nil { // it is the prompt that is counted
		return true, x.refuse(err)
	}
	switch {
	case f.Direct && f.caller.Pass != nil:
		return true, x.refuse(notDirect(f.Name, f.caller.Pass))
	case f.remote != nil:
		return true, g.feature(x, r, f)
	case f.elsewhere():
		return true, x.refuse(&llm.Error{Kind: llm.KindForbidden, Message: "Forbidden deployment: " + f.Name + ". It has no such feature: the operator may add its endpoint."})
	default:
		return false, nil
	}
}

// feature lets another server answer, with a key for this request.
func (g *Gateway) feature(x *exchange, r *http.Request, f feature) error {
	if f.Direct && f.caller.Pass != nil {
		return x.refuse(notDirect(f.Name, f.caller.Pass))
	}
	body, release, err := g.readFeature(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	pass, set := f.caller.Next(f.Name), http.Header{headerRequestID: {x.id}}
	x.trace.enter(pass, set)
	x.span = pass.Span
	key := g.passes.Issue(pass)
	defer g.passes.Revoke(key)
	set["Api-Key"] = []string{key}
	call := &proxy.Call{Method: r.Method, Query: r.URL.RawQuery, Header: r.Header, Body: body, Wire: proxy.Opaque, Private: true, Set: set}
	defer call.Close()
	answer, err := f.remote.Call(r.Context(), call)
	if err != nil {
		return x.refuse(featureError(err))
	}
	to := &forwarding{exchange: x, to: &step{served: f.served, beside: true}, client: r.Context(), bill: &bill{}}
	begun, err := to.relay(answer)
	if err == nil || begun || to.left != nil {
		return err
	}
	return x.refuse(err)
}

// readFeature is the body of such a request, which is the other server's to check. A GET has none.
func (g *Gateway) readFeature(x *exchange, r *http.Request) (body []byte, release func(), err error) {
	if r.Method == http.MethodGet {
		return nil, func() {}, nil
	}
	return g.readAny(x, r)
}

// featureError is the error of such a server in DIAL's words.
func featureError(err error) error {
	e := llm.AsError(err)
	if e.Kind != llm.KindUpstream {
		return e
	}
	message := "connection error to origin"
	if errors.Is(e, proxy.ErrMisled) {
		message = "deployment responded with error"
	}
	return &llm.Error{Kind: e.Kind, Message: message, Err: e}
}
