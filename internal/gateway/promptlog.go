package gateway

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"outcrop/internal/auth"
	"outcrop/internal/usage"
)

// PromptLog says what Entries have for the prompt log: those of POST requests that reached a deployment, or a route,
// have a Talk.
type PromptLog struct {
	// Bodies are kept too, up to MaxBody bytes of each, but never those of a secured key; 0 is DIAL's 4 MiB.
	Bodies  bool
	MaxBody int
	// Headers and Claims are kept, but no credential.
	Headers, Claims bool
}

// maxTalk is how much of a body DIAL's prompt log has, in bytes.
const maxTalk = 4 << 20

// talk is what a request's Talk is made of. A nil talk takes nothing.
type talk struct {
	usage.Talk
	caller auth.Caller
	most   int // bytes of a body, 0 for none
	// Of the call to another server; nil for none.
	bill *bill
	pass *auth.Pass
}

// observe begins what is told of a request beside its Entry, for a caller who is known now.
func (g *Gateway) observe(x *exchange, r *http.Request, caller auth.Caller) {
	if g.promptLog != nil && r.Method == http.MethodPost {
		x.talk = g.promptLog.talk(r, caller)
	}
	if x.talk != nil || g.traces != nil {
		g.trace(x, r.Header, caller)
	}
}

// talk begins the Talk of a request.
func (o *PromptLog) talk(r *http.Request, caller auth.Caller) *talk {
	t := &talk{caller: caller, Talk: usage.Talk{
		Protocol: r.Proto, Method: r.Method, URI: o.openURI(cmp.Or(r.RequestURI, r.URL.RequestURI())), Secured: caller.Secured,
		Conversation: r.Header.Get("X-Conversation-Id"), Title: r.Header.Get("X-Job-Title"),
	}}
	if o.Bodies && !caller.Secured {
		if t.most = o.MaxBody; t.most == 0 {
			t.most = maxTalk
		}
	}
	if o.Headers {
		t.Headers = openHeaders(r.Header)
	}
	if o.Claims && caller.User != "" {
		t.Claims = map[string][]string{"user_id": {caller.User}, "roles": caller.Roles}
		if caller.Name != "" {
			t.Claims["user_display_name"] = []string{caller.Name}
		}
	}
	return t
}

// openHeaders are the headers of a request that are no credentials, whatever else is not logged.
func openHeaders(h http.Header) http.Header {
	open := make(http.Header, len(h))
	for name, values := range h {
		if !isCredential(name) {
			open[name] = values
		}
	}
	return open
}

// openURI is a URI whose parameters are no credentials, as some clients have theirs there. Without bodies it has no
// values of parameters at all, but the API's version: a route's parameters may be a prompt.
func (o *PromptLog) openURI(uri string) string {
	path, query, found := strings.Cut(uri, "?")
	if !found {
		return uri
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, _, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if plain = strings.ReplaceAll(plain, "_", "-"); err != nil || plain == "key" || plain == "sig" || isCredential(plain) || !o.Bodies && plain != "api-version" {
			parts[i] = name + "=REDACTED"
		}
	}
	return path + "?" + strings.Join(parts, "&")
}

// isCredential says whether a header lets whoever knows it in somewhere: those that this server takes, and any that is
// named like one.
func isCredential(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"auth", "api-key", "apikey", "cookie", "token", "secret", "password", "credential", "upstream-key", "access-key", "signature"},
		func(part string) bool { return strings.Contains(name, part) })
}

// asked takes the request's body, which is its reader's to use again.
func (t *talk) asked(body []byte) {
	if t != nil && t.most > 0 {
		t.Request = bytes.Clone(body[:min(len(body), t.most)])
	}
}

// said takes a part of the reply.
func (t *talk) said(part []byte) {
	if t != nil && len(t.Response) < t.most {
		t.Response = append(t.Response, part[:min(len(part), t.most-len(t.Response))]...)
	}
}

// leads takes the call that the request led to, and its bill.
func (t *talk) leads(pass *auth.Pass, b *bill) {
	if t != nil {
		t.bill, t.pass = b, pass
	}
}

// goes takes where the request is sent.
func (t *talk) goes(to *step) {
	if t != nil {
		t.UpstreamURI = to.remote.Address(to.id)
	}
}

// talkOf is the Talk of a request at its end; nil when the prompt log has none of it.
func (g *Gateway) talkOf(x *exchange, e *usage.Entry) *usage.Talk {
	t := x.talk
	if t == nil || !e.Operation.Generates() && e.Operation != usage.Route || e.Operation != usage.Route && e.Deployment == "" {
		return nil
	}
	if t.pass == nil {
		t.pass = t.caller.Next(e.Deployment)
	}
	t.Path = t.pass.Execution()
	t.Parent = parentOf(t.caller.Pass)
	t.PerModel = g.perModel(t.bill, e)
	return &t.Talk
}

// parentOf is the deployment that made the request with a key: of one that comes from interceptors, the one that is
// before them.
func parentOf(pass *auth.Pass) string {
	if pass == nil {
		return ""
	}
	for i := len(pass.Path) - 1; i >= 0; i-- {
		if !slices.Contains(pass.Chain, pass.Path[i]) {
			return pass.Path[i]
		}
	}
	return ""
}

// perModel are the models that a request was answered by: those on the bill of its call, or its own.
func (g *Gateway) perModel(b *bill, e *usage.Entry) []usage.ModelUsage {
	if b == nil {
		if e.Usage.Total() == 0 && e.Usage.Images == 0 {
			return nil
		}
		return []usage.ModelUsage{{Model: e.Deployment, Usage: e.Usage, Cost: e.Cost, Priced: e.Priced}}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := make([]usage.ModelUsage, len(b.lines))
	for i, l := range b.lines {
		lines[i] = usage.ModelUsage{Model: l.Model, Usage: l.Usage}
		if len(b.lines) == 1 && l.Model == e.Deployment && l.Usage == e.Usage {
			lines[i].Cost, lines[i].Priced = e.Cost, e.Priced
		} else {
			lines[i].Cost, _, lines[i].Priced = g.prices[l.Model].Cost(l.Usage, usage.Terms{})
		}
	}
	return lines
}

// pricesOf are the prices of deployments, by their names.
func pricesOf(d Deployments) map[string]*usage.Price {
	prices := map[string]*usage.Price{}
	for _, each := range d.All() {
		prices[each.Name] = each.Price
	}
	return prices
}
