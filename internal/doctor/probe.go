package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"outcrop/internal/bedrock"
	"outcrop/internal/iam"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// Probe is how models are tried.
type Probe string

// The ways to try a model.
const (
	// ProbeNone tries none.
	ProbeNone Probe = "none"
	// ProbeFree has AWS judge a call that it cannot answer, and count tokens: nothing is billed.
	ProbeFree Probe = "free"
	// ProbePaid asks for one token, the vector of one word or the rank of one: about a thousandth of a cent.
	ProbePaid Probe = "paid"
)

// What a probe is taken for where its price is not known: 20 tokens in and 16 out of a dear model.
const unknownProbeUSD = (20*15.0 + 16*75.0) / 1e6

// cost is the estimate for one paid probe of a model, in USD.
func (e *Env) cost(m *Model) float64 {
	known, ok := e.Catalogue.Lookup(m.ID)
	if !ok {
		known, ok = e.Catalogue.Family(m.Model.Base())
	}
	if !ok || known.Prices == nil {
		return unknownProbeUSD
	}
	p := known.Prices
	switch {
	case p.PerImage > 0:
		return p.PerImage
	case p.Per1kQueries > 0:
		return p.Per1kQueries / 1000
	case p.Input == 0:
		return unknownProbeUSD
	}
	return (20*p.Input + 16*p.Output) / 1e6
}

// Estimate is what the probes of the models cost, in USD, if those classes are checked. Nothing is asked.
func Estimate(e *Env, only []string) float64 {
	cost := e.planProbes()
	if len(only) > 0 && !slices.Contains(only, ClassModels) {
		return 0
	}
	return cost
}

// planProbes is the estimate, in the order of the models; a probe that would go over the bound is made free of
// charge in its place.
func (e *Env) planProbes() (total float64) {
	for _, m := range e.Models {
		m.probe = e.Probe
		if e.Probe != ProbePaid || m.Model == nil {
			continue
		}
		cost := e.cost(m)
		if total+cost > e.MaxCostUSD {
			m.probe = ProbeFree
			continue
		}
		total += cost
	}
	return total
}

// model tries a deployment.
func (e *Env) model(ctx context.Context, m *Model) []Finding {
	if m.Model == nil {
		return []Finding{{Code: "CONF-005", Severity: Error, Subject: m.Deployment, Message: "the model cannot be made: " + m.Failure.Error(), Remedy: "correct its endpoint or upstream; outcrop config check tells the place"}}
	}
	if m.probe == ProbeNone {
		return []Finding{{Code: "MODEL-002", Severity: Skipped, Subject: m.Deployment, Message: "NOT TRIED: nobody knows whether " + m.ID + " can be called", Remedy: "outcrop doctor --probe free, or --probe paid"}}
	}
	var out []Finding
	if err := m.Model.Resolve(ctx); err != nil {
		out = append(out, Finding{
			Code: "PERM-008", Severity: Warning, Subject: m.Deployment, Message: "which model is behind the ARN is not known, so it is served as plain Converse: " + reason(err),
			Remedy: "name it in the upstream's baseModel, or allow bedrock:GetInferenceProfile", Statements: allow("bedrock:GetInferenceProfile", m.ID), In: "the caller's policy",
		})
	}
	begin := time.Now()
	call := m.Model.ProbeCall
	if m.probe == ProbeFree {
		call = m.Model.ProbeAccess
	}
	if err := call(ctx); err != nil {
		return append(out, e.explain(m, err))
	}
	took := time.Since(begin)
	if f, refused := e.streaming(ctx, m); refused {
		return append(out, f)
	}
	told := Finding{Code: "MODEL-000", Subject: m.Deployment, Message: fmt.Sprintf("%s answered in %d ms", m.ID, took.Milliseconds())}
	if m.probe == ProbeFree {
		told = Finding{Code: "MODEL-001", Severity: Info, Subject: m.Deployment, Message: "AWS lets the caller call " + m.ID + "; it was not called", Remedy: "outcrop doctor --probe paid"}
		if cost := e.cost(m); e.Probe == ProbePaid {
			told.Message += fmt.Sprintf(" (one call costs about $%.3f)", cost)
			told.Remedy = fmt.Sprintf("outcrop doctor --max-cost %.2f", e.MaxCostUSD+cost)
		}
	}
	out = append(out, told)
	out = append(out, e.counting(ctx, m)...)
	return append(out, e.agreement(ctx, m)...)
}

// streaming asks whether the caller may have streams, too: a paid probe is a whole answer, and AWS has an action
// for each. What is no denial of that action says nothing of it.
func (e *Env) streaming(ctx context.Context, m *Model) (Finding, bool) {
	if m.probe != ProbePaid { // the free one has asked
		return Finding{}, false
	}
	err := m.Model.ProbeStream(ctx)
	r, _ := bedrock.RefusalOf(err)
	if d, ok := parseDenial(r.Message); !ok || d.action != invoking()[1] {
		return Finding{}, false
	}
	f := e.explain(m, err)
	f.Message = "whole answers work and streams do not: " + f.Message
	return f, true
}

// counting tries the count of tokens, without which counts are estimates.
func (e *Env) counting(ctx context.Context, m *Model) []Finding {
	if !m.Model.Counts() {
		return nil
	}
	err := m.Model.ProbeCount(ctx)
	refused, ok := bedrock.RefusalOf(err)
	if !ok || refused.Status != http.StatusForbidden {
		return nil // that a region or a model has no count is AWS's, and told in docs
	}
	f := Finding{Code: "PERM-007", Severity: Warning, Subject: m.Deployment, Message: "token counting is off, counts are estimates; chat is not concerned", Remedy: "allow bedrock:CountTokens (on mantle bedrock-mantle:CountTokens), or accept it"}
	if d, ok := parseDenial(refused.Message); ok {
		f.Statements, f.In = allow(d.action, d.resource), "the policy of "+roleOf(d.principal)
	}
	return []Finding{f}
}

// availability is the answer of GetFoundationModelAvailability.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetFoundationModelAvailability.html
type availability struct {
	Agreement struct {
		Status       string `json:"status"`
		ErrorMessage string `json:"errorMessage"`
	} `json:"agreementAvailability"`
	Authorization string `json:"authorizationStatus"`
}

// agreement looks at the agreement behind a model that answered: the first calls to a model of the
// marketplace succeed while it is being made, and later ones are denied if it cannot be.
func (e *Env) agreement(ctx context.Context, m *Model) []Finding {
	base := m.Model.Base()
	if base == "" || strings.HasPrefix(base, "amazon.") || m.Model.Surface() == bedrock.SurfaceMantle {
		return nil
	}
	var a availability
	if err := m.Upstream.Client.Control(ctx, "/foundation-model-availability/"+url.PathEscape(base), &a); err != nil {
		return []Finding{{
			Code: "ACCESS-007", Severity: Info, Subject: m.Deployment, Message: "the agreement for the model could not be looked at, and one answer is no proof of lasting access: " + reason(err),
			Remedy: "allow it, or run outcrop aws models with an operator's credentials", Statements: allow("bedrock:GetFoundationModelAvailability", "*"), In: "the caller's policy",
		}}
	}
	f := Finding{Subject: m.Deployment, Remedy: "outcrop aws access " + base}
	switch a.Agreement.Status {
	case "", "AVAILABLE":
		return nil
	case "PENDING":
		f.Code, f.Severity, f.Message = "ACCESS-005", Warning, "the agreement for the model is pending; it should be there within 15 minutes"
		f.Remedy = "run outcrop doctor again in 15 minutes"
	default:
		f.Code, f.Severity = "ACCESS-004", Error
		f.Message = "the model can be called now, but there is no agreement for it (" + strings.TrimSpace(a.Agreement.Status+" "+a.Agreement.ErrorMessage) + "): later calls will be denied"
	}
	return []Finding{f}
}

// reason is why AWS or the way to it failed, in one line.
func reason(err error) string {
	if r, ok := bedrock.RefusalOf(err); ok {
		return r.Code + ": " + r.Message
	}
	return rootCause(err)
}

// explain says why a model cannot be called.
func (e *Env) explain(m *Model, err error) Finding {
	f := Finding{Severity: Error, Subject: m.Deployment}
	told := llm.AsError(err)
	r, answered := bedrock.RefusalOf(err)
	if !answered {
		f.Code, f.Message, f.Remedy = "MODEL-007", m.ID+" could not be asked: "+reason(err), "look at the network above (NET), and at the model's type"
		if told.Kind == llm.KindInvalid || told.Kind == llm.KindEndOfLife {
			f.Message, f.Remedy = m.ID+": "+told.Message, "choose another model: outcrop aws models"
		}
		return f
	}
	if denied, ok := e.denied(m, r); ok {
		return denied
	}
	if account := noBedrock(r); account {
		f.Code, f.Message = "ACCESS-006", "the account may not use Amazon Bedrock: "+r.Message
		f.Remedy = "open the Bedrock console once as an administrator; look at the payment method, the account's verification and, in an organization, at its policies"
		return f
	}
	return m.refused(f, told, r)
}

// noBedrock knows what AWS says to an account that has no Bedrock at all.
func noBedrock(r bedrock.Refusal) bool {
	switch r.Code {
	case "SubscriptionRequiredException", "OptInRequired":
		return true
	}
	return strings.Contains(r.Message, "Operation not allowed") || strings.Contains(r.Message, "account is not authorized to invoke this API") ||
		strings.Contains(r.Message, "needs a subscription for the service")
}

// refused sorts what is the model's, by AWS's texts.
func (m *Model) refused(f Finding, told *llm.Error, r bedrock.Refusal) Finding {
	has := func(text string) bool { return strings.Contains(r.Message, text) }
	base := m.Model.Base()
	if base == "" {
		base = m.ID
	}
	_, advice, _ := strings.Cut(told.Message, "In "+m.Upstream.Region+" the model is ")
	switch {
	case has("use case details"):
		f.Code, f.Message, f.Remedy = "ACCESS-002", "Anthropic's use-case form was not sent for this account", "outcrop aws access "+base
	case has("aws-marketplace:"):
		f.Code, f.Message = "ACCESS-003", "the model needs an agreement on AWS Marketplace, and the caller may not make it"
		f.Remedy = "outcrop aws access " + base + " with a role that has these permissions; the pod does not need them afterwards"
		f.Statements, f.In = allow("aws-marketplace:Subscribe", "*"), "the policy of who makes the agreement"
		f.Statements[0].Action = append(f.Statements[0].Action, "aws-marketplace:ViewSubscriptions")
		f.Statements[0].Condition = iam.Condition{"StringEquals": {"aws:CalledViaLast": {"bedrock.amazonaws.com"}}}
	case has("don't have access to the model"):
		f.Code, f.Message, f.Remedy = "ACCESS-001", "the account has no access to "+base, "outcrop aws access "+base
	case has("unsupported countries"):
		f.Code, f.Message = "ACCESS-001", "Anthropic allows its models in some countries only: "+r.Message
		f.Remedy = "call AWS from a supported country (the proxy's or NAT's address counts, too), or choose another vendor's model: outcrop aws models"
	case has("with on-demand throughput isn"):
		f.Code, f.Message, f.Remedy = "MODEL-004", m.ID+" is served through inference profiles only", "use a profile's id in the endpoint: outcrop aws models --region "+m.Upstream.Region
		if advice != "" {
			f.Remedy = "use another id in the endpoint: it is " + advice
		}
	case has("marked by provider as Legacy"):
		f.Code, f.Message, f.Remedy = "MODEL-008", m.ID+" is legacy and the account has not used it lately: AWS has closed it", "choose a current model: outcrop aws models"
	case told.Kind == llm.KindEndOfLife:
		f.Code, f.Message, f.Remedy = "MODEL-005", "AWS no longer serves "+m.ID, "choose another model: outcrop aws models"
	case told.Kind == llm.KindNotFound:
		f.Code, f.Message = "MODEL-003", m.ID+" is not known in "+m.Upstream.Region
		f.Remedy = "outcrop aws models --region " + m.Upstream.Region + " lists what can be called there; or set another region in extraData"
		if advice != "" {
			f.Remedy = "use another id in the endpoint: it is " + advice
		}
	case told.Kind == llm.KindRateLimited:
		f.Code, f.Severity, f.Message = "MODEL-006", Warning, m.ID+" may be called and is throttled now: "+r.Message
		f.Remedy = "try again; if it stays so, ask for a higher quota in Service Quotas"
	case isCredentialCode(r.Code):
		return refusedCaller(f, r.Code, r.Message)
	case has("Authentication failed"):
		f.Code, f.Message, f.Remedy = "CRED-002", "AWS does not accept the Bedrock API key", "make a new key in "+m.Upstream.Region+", or use a role: outcrop aws grant"
	default:
		f.Code, f.Message, f.Remedy = "MODEL-007", m.ID+" could not be asked: "+r.Code+": "+r.Message, "outcrop explain shows what is sent"
	}
	return f
}

func isCredentialCode(code string) bool {
	switch code {
	case "ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId", "IncompleteSignatureException":
		return true
	}
	return false
}

// geoOf is the geography of a profile's id, "" for a model's.
func geoOf(id string) string {
	_, geo := models.Base(id)
	return geo
}
