package gateway

import (
	"fmt"
	"net/http"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
)

// Consents know who has agreed to be served by a deployment that wants that (features.consentRequired). They are
// safe for concurrent use. A caller with a per-request key is the one whose request it was.
type Consents interface {
	Given(caller auth.Caller, deployment string) bool
	// Give remembers that the caller agrees. Its error is not for the client.
	Give(caller auth.Caller, deployment string) error
}

type noConsents struct{}

// Given implements Consents.
func (noConsents) Given(auth.Caller, string) bool { return false }

// Give implements Consents.
func (noConsents) Give(auth.Caller, string) error { return errNoConsents }

var errNoConsents = &llm.Error{Kind: llm.KindNotServed, Message: "This server keeps no consents."}

// consentInfo is DIAL Core's: by the name of the deployment, whether its caller still has to agree.
type consentInfo struct {
	Deployments map[string]consentState `json:"deployments"`
}

type consentState struct {
	Required bool `json:"consentRequired"`
}

// handleConsent tells whether the caller still has to agree before it may ask a deployment.
func (g *Gateway) handleConsent(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.consent(x, r, caller)
}

// handleGiveConsent remembers that the caller agrees. Nobody agrees for another: what calls with the key of a
// request cannot.
func (g *Gateway) handleGiveConsent(x *exchange, r *http.Request, caller auth.Caller) error {
	if caller.Pass != nil {
		return x.refuse(&llm.Error{
			Kind: llm.KindForbidden, Message: fmt.Sprintf("%s cannot agree for whom it answers: consent is given with a key or a token of one's own.", caller.Pass.Holder),
		})
	}
	name := r.PathValue("name")
	d, err := g.listed(x, r, caller, name)
	if err != nil {
		return x.refuse(err)
	}
	if d.Consent && !g.consents.Given(caller, d.Name) {
		if err := g.consents.Give(caller, d.Name); err != nil {
			return x.refuse(err)
		}
	}
	return g.consent(x, r, caller)
}

func (g *Gateway) consent(x *exchange, r *http.Request, caller auth.Caller) error {
	d, err := g.listed(x, r, caller, r.PathValue("name"))
	if err != nil {
		return x.refuse(err)
	}
	return x.reply(consentInfo{map[string]consentState{d.Name: {d.Consent && !g.consents.Given(caller, d.Name)}}})
}
