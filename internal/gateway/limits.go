package gateway

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/limit"
	"outcrop/internal/llm"
	"outcrop/internal/money"
)

// routeLimits routes to what callers may use, and have used.
func (g *Gateway) routeLimits() {
	g.named("GET /v1/deployments", "limits", g.deploymentLimits)
	g.known("GET /v1/user/limits", g.handleUserLimits)
	g.known("GET /v1/user/usage", g.handleUserUsage)
}

// limitStat is one window of DIAL's: how much there may be, how much there was, and when that is forgotten.
type limitStat[N int64 | dollars] struct {
	Total    N      `json:"total"`
	Used     N      `json:"used"`
	ResetsAt string `json:"resetsAt,omitempty"` // RFC 3339, of the calendar's windows
}

// dollars is an amount as DIAL writes it, whose number for "without bound" is that of its token limits.
type dollars money.Amount

// MarshalJSON implements json.Marshaler.
func (d dollars) MarshalJSON() ([]byte, error) {
	if money.Amount(d) == money.Max {
		return []byte("9223372036854775807"), nil
	}
	return []byte(money.Amount(d).String()), nil
}

// limitStats are DIAL's of a deployment: tokens and requests.
type limitStats struct {
	Minute limitStat[int64] `json:"minuteTokenStats"`
	Day    limitStat[int64] `json:"dayTokenStats"`
	Week   limitStat[int64] `json:"weekTokenStats"`
	Month  limitStat[int64] `json:"monthTokenStats"`

	RequestHour limitStat[int64] `json:"hourRequestStats"`
	RequestDay  limitStat[int64] `json:"dayRequestStats"`
}

// costStats are DIAL's of a caller, over all deployments.
type costStats struct {
	Minute limitStat[dollars] `json:"minuteCostStats"`
	Day    limitStat[dollars] `json:"dayCostStats"`
	Week   limitStat[dollars] `json:"weekCostStats"`
	Month  limitStat[dollars] `json:"monthCostStats"`
}

// statsOf are a deployment's stats for a caller with these limits.
func statsOf(l *limit.Limits, u *limit.Used, at limit.Moment) limitStats {
	tokens := func(w limit.Window) limitStat[int64] {
		return limitStat[int64]{max(l.Tokens[w], 0), u.Tokens[w], resetsAt(at, w)}
	}
	requests := func(w limit.Window) limitStat[int64] {
		return limitStat[int64]{max(l.Requests[w], 0), u.Requests[w], resetsAt(at, w)}
	}
	return limitStats{
		tokens(limit.Minute), tokens(limit.Day), tokens(limit.Week), tokens(limit.Month), requests(limit.Hour), requests(limit.Day),
	}
}

func costsOf(l *limit.Limits, u *limit.Used, at limit.Moment) costStats {
	cost := func(w limit.Window) limitStat[dollars] {
		return limitStat[dollars]{dollars(max(l.Cost[w], 0)), dollars(u.Cost[w]), resetsAt(at, w)}
	}
	return costStats{cost(limit.Minute), cost(limit.Day), cost(limit.Week), cost(limit.Month)}
}

// resetsAt is when a window of the calendar ends, "" of one that goes with the time.
func resetsAt(at limit.Moment, w limit.Window) string {
	if at.End[w].IsZero() {
		return ""
	}
	return at.End[w].Format(time.RFC3339)
}

// use is what a caller may use of a deployment, and has used.
type use struct {
	limits limit.Limits
	used   limit.Used
}

// uses are those of deployments, in their order; of none, one with the costs alone.
func (g *Gateway) uses(ctx context.Context, caller auth.Caller, deployments []*catalog.Deployment) (uses []use, at limit.Moment, err error) {
	if g.limits == nil {
		return nil, at, notYet("limits are")
	}
	uses = make([]use, max(1, len(deployments)))
	accounts := make([]limit.Account, len(uses))
	for i := range accounts {
		accounts[i].Caller = caller.ID()
		var open []string
		if i < len(deployments) {
			accounts[i].Deployment, open = deployments[i].Name, deployments[i].Roles
		}
		uses[i].limits, _ = g.rules.For(caller.Roles, open, accounts[i].Deployment)
	}
	used, at, err := g.limits.Used(ctx, accounts...)
	if err != nil {
		return nil, at, refusedByLimit(err)
	}
	for i := range uses {
		uses[i].used = used[i]
	}
	return uses, at, nil
}

// deploymentLimits tells what the caller may use of one deployment. The costs are those over all.
func (g *Gateway) deploymentLimits(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	s, err := g.resolve(x, r, caller, name)
	if err != nil {
		return x.refuse(err)
	}
	uses, at, err := g.uses(r.Context(), caller, []*catalog.Deployment{s.Deployment})
	if err != nil {
		return x.refuse(err)
	}
	return x.reply(struct {
		limitStats
		costStats
	}{statsOf(&uses[0].limits, &uses[0].used, at), costsOf(&uses[0].limits, &uses[0].used, at)})
}

// handleUserLimits tells what the caller may use of all deployments.
func (g *Gateway) handleUserLimits(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.userLimits(x, r, caller, func(limit.Used) bool { return true })
}

// handleUserUsage tells it of those that the caller has used.
func (g *Gateway) handleUserUsage(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.userLimits(x, r, caller, func(u limit.Used) bool {
		return u.Tokens != [limit.Windows]int64{} || u.Requests != [limit.Windows]int64{}
	})
}

func (g *Gateway) userLimits(x *exchange, r *http.Request, caller auth.Caller, tells func(limit.Used) bool) error {
	kinds, err := kindsAsked(r.URL.Query().Get("deploymentTypes"))
	if err != nil {
		return x.refuse(err)
	}
	deployments := g.deployments.List(caller)
	deployments = slices.DeleteFunc(slices.Clone(deployments), func(d *catalog.Deployment) bool { return !kinds[d.Kind] })
	uses, at, err := g.uses(r.Context(), caller, deployments)
	if err != nil {
		return x.refuse(err)
	}
	out := struct {
		Deployments map[string]limitStats `json:"deployments"`
		costStats
	}{map[string]limitStats{}, costsOf(&uses[0].limits, &uses[0].used, at)}
	for i, d := range deployments {
		if u := &uses[i]; tells(u.used) {
			out.Deployments[d.Name] = statsOf(&u.limits, &u.used, at)
		}
	}
	return x.reply(out)
}

// kindsAsked reads deploymentTypes: models, unless it says otherwise.
func kindsAsked(types string) (kinds [catalog.Interceptor + 1]bool, err error) {
	if types == "" {
		types = catalog.Model.String()
	}
	for name := range strings.SplitSeq(types, ",") {
		switch strings.TrimSpace(name) {
		case catalog.Model.String():
			kinds[catalog.Model] = true
		case catalog.Application.String():
			kinds[catalog.Application] = true
		case "":
		default:
			return kinds, llm.Invalid("deploymentTypes", "deploymentTypes: a list of model and application is expected.")
		}
	}
	return kinds, nil
}
