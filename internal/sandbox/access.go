package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"outcrop/internal/models"
)

// The states of a model in an account, as Options.Access names them.
const (
	accessAvailable     = "available"
	accessForm          = "form"           // the use-case form is missing, and the agreement after it
	accessAgreement     = "agreement"      // the agreement is missing, and who calls may not make one by calling
	accessPending       = "pending"        // the agreement is being made; calls succeed meanwhile
	accessFailed        = "failed"         // the agreement could not be made
	accessFirstCall     = "first-call"     // the first call succeeds, later ones are denied
	accessNoMarketplace = "no-marketplace" // as agreement, and the caller may not make one at all
	accessNotAuthorized = "not-authorized"
	accessNotInRegion   = "not-in-region"
	accessSCP           = "scp"        // denied by a service control policy, everywhere in the control plane and runtime
	accessNoBedrock     = "no-bedrock" // the account may not use Bedrock at all
)

func accessStates() []string {
	return []string{
		accessAvailable, accessForm, accessAgreement, accessPending, accessFailed, accessFirstCall, accessNoMarketplace,
		accessNotAuthorized, accessNotInRegion, accessSCP, accessNoBedrock,
	}
}

// An agreement is pending for so long, or until its state was asked so often, whichever is first.
// AWS needs up to 15 minutes.
const (
	agreementTakes = time.Minute
	agreementAsked = 3
)

// accessRule says in which state models begin.
type accessRule struct {
	models string // * for all, or an id or its beginning up to a dot
	region string // "" for all
	state  string
}

func parseAccess(rules []string) ([]accessRule, error) {
	var out []accessRule
	for _, rule := range rules {
		selector, state, ok := strings.Cut(rule, "=")
		if !ok || selector == "" {
			return nil, fmt.Errorf("sandbox: Access %q is not MODEL=STATE, such as anthropic=form", rule)
		}
		if !slices.Contains(accessStates(), state) {
			return nil, fmt.Errorf("sandbox: Access %q: %q is no state; known are %s", rule, state, strings.Join(accessStates(), ", "))
		}
		which, region, _ := strings.Cut(selector, "@")
		general := state == accessSCP || state == accessNoBedrock
		if general && which != "*" {
			return nil, fmt.Errorf("sandbox: Access %q: %s is a state of the whole account, *=%s or *@REGION=%s", rule, state, state, state)
		}
		out = append(out, accessRule{which, region, state})
	}
	return out, nil
}

// covers says whether the rule is about a model in a region.
func (r accessRule) covers(base, region string) bool {
	if r.region != "" && r.region != region {
		return false
	}
	return r.models == "*" || r.models == base || strings.HasPrefix(base, strings.TrimSuffix(r.models, ".")+".")
}

// weight orders rules: the longer name goes first, then the one that names a region.
func (r accessRule) weight() int {
	n := 2 * len(r.models)
	if r.region != "" {
		n++
	}
	return n
}

// accessBook is what each account may do with each model, and which forms were sent.
type accessBook struct {
	rules []accessRule
	now   func() time.Time
	begin time.Time

	mu         sync.Mutex
	agreements map[modelPlace]*agreement
	forms      map[string][]byte // by account
}

type modelPlace struct{ account, base string }

// agreement is what became of a model in an account since the sandbox began.
type agreement struct {
	state string
	since time.Time
	asked int // how often its state was asked while it was pending
}

func newAccessBook(rules []string, now func() time.Time) (*accessBook, error) {
	parsed, err := parseAccess(rules)
	return &accessBook{
		rules: parsed, now: now, begin: now(),
		agreements: map[modelPlace]*agreement{}, forms: map[string][]byte{},
	}, err
}

// rule is the state that the rules give a model, "" when none is about it.
func (b *accessBook) rule(base, region string) string {
	best := accessRule{}
	for _, r := range b.rules {
		if r.covers(base, region) && r.weight() >= best.weight() {
			best = r
		}
	}
	return best.state
}

// ofAccount is the state of the whole account in a region: scp, no-bedrock or "".
func (b *accessBook) ofAccount(region string) string {
	for _, r := range b.rules {
		if (r.state == accessSCP || r.state == accessNoBedrock) && (r.region == "" || r.region == region) {
			return r.state
		}
	}
	return ""
}

// state is that of a model now.
func (b *accessBook) state(account, base, region string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stateLocked(account, base, region)
}

func (b *accessBook) stateLocked(account, base, region string) string {
	state, since, asked := b.rule(base, region), b.begin, 0
	switch state {
	case "", accessSCP, accessNoBedrock: // the latter are told by ofAccount
		state = accessAvailable
	case accessNotInRegion, accessNotAuthorized:
		return state
	}
	if a := b.agreements[modelPlace{account, base}]; a != nil {
		state, since, asked = a.state, a.since, a.asked
	}
	switch {
	case state == accessForm && b.forms[account] != nil:
		return accessAgreement
	case state == accessPending && (asked >= agreementAsked || b.now().Sub(since) >= agreementTakes):
		return accessAvailable
	}
	return state
}

// ask is state, and counts the question.
func (b *accessBook) ask(account, base, region string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := b.stateLocked(account, base, region)
	if state == accessPending {
		key := modelPlace{account, base}
		if b.agreements[key] == nil {
			b.agreements[key] = &agreement{state: accessPending, since: b.begin}
		}
		b.agreements[key].asked++
	}
	return state
}

// become changes a model's state.
func (b *accessBook) become(account, base, state string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.agreements[modelPlace{account, base}] = &agreement{state: state, since: b.now()}
}

// putForm keeps the use-case form of an account.
func (b *accessBook) putForm(account string, form []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forms[account] = form
}

func (b *accessBook) form(account string) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	form, ok := b.forms[account]
	return form, ok
}

// needsForm says whether models of the account wait for the form.
func (b *accessBook) needsForm() bool {
	return slices.ContainsFunc(b.rules, func(r accessRule) bool { return r.state == accessForm })
}

// refuse is what a runtime call meets that its model's state forbids. A first call that is let through
// is remembered.
func (b *accessBook) refuse(c *call) *apiError {
	if b == nil {
		return nil
	}
	if e := b.refuseAccount(callerARN(c), c.Region, iamAction(c), resourceARN(c)); e != nil || c.Model == nil {
		return e
	}
	account, base := callerAccount(c), c.Model.Base
	switch b.state(account, base, c.Region) {
	case accessForm:
		if !c.Mantle { // which asks for none: docs.aws.amazon.com/bedrock/latest/userguide/model-access.html
			return known("use-case-form")
		}
	case accessAgreement, accessNoMarketplace, accessFailed:
		return known("marketplace")
	case accessFirstCall:
		b.become(account, base, accessFailed)
	case accessNotAuthorized:
		return known("no-model-access")
	case accessNotInRegion:
		return invalid(invalidModelID)
	}
	return nil
}

// refuseAccount is what any call of Bedrock meets when the account may not use it.
func (b *accessBook) refuseAccount(caller, region, action, resource string) *apiError {
	switch b.ofAccount(region) {
	case accessSCP:
		// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
		return &apiError{Status: 403, Type: "AccessDeniedException", BodyKey: "Message",
			Message: "User: " + caller + " is not authorized to perform: " + action + " on resource: " + resource + " with an explicit deny in a service control policy"}
	case accessNoBedrock:
		return invalid("Operation not allowed") // what new accounts are told, as users report
	}
	return nil
}

// sold says whether a model is sold through AWS Marketplace, so that there are offers for it. Amazon's,
// DeepSeek's, Mistral's, Meta's, Qwen's and OpenAI's are not, among others.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html#model-access-product-id
func (b *accessBook) sold(m models.Model, region string) bool {
	return slices.Contains([]string{"anthropic", "cohere", "ai21", "stability", "writer", "twelvelabs", "luma"}, m.Provider) || b.rule(m.ID, region) != ""
}
