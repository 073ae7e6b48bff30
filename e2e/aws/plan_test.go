//go:build aws || e2e

package aws_test

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"outcrop/internal/models"
	"outcrop/internal/onboard"
)

// trial is a feature with a model: one request.
type trial struct {
	feature
	provider string
	model    string // id that is called
	name     string // of its deployment, unlike every other text
	request  []byte
	input    int // tokens at most
	prices   *models.Prices
	guessed  bool    // the catalogue has no price: the cap goes by a high one
	ceiling  float64 // USD at most
	left     string  // why it is not run, "" to run it
}

func (t *trial) String() string { return t.provider + ": " + t.feature.name }

// highPrices are for models without one, when they are to be tried all the same.
var highPrices = models.Prices{Input: 30, Output: 150, PerImage: 0.5, Per1kQueries: 10}

// candidate is a model with what the account may do with it.
type candidate struct {
	*models.Model
	state  string
	prices *models.Prices
}

// candidates are the catalogue's models that exist in the region, and whether they can be called.
func candidates(catalogue *models.Catalogue, region string, here onboard.Models) []candidate {
	var out []candidate
	known := map[string]onboard.ModelHere{}
	for _, m := range here.Models {
		known[m.ID] = m
	}
	for _, m := range catalogue.All() {
		if m.Lifecycle.Status == models.EndOfLife || len(m.Surfaces) == 0 || m.Geo != "" && !models.Reaches(m.Geo, region) {
			continue
		}
		c := candidate{Model: m, prices: priceOf(catalogue, m), state: onboard.AccessUnknown}
		account, listed := known[m.Base]
		switch {
		case m.MantleOnly() || mantleName(m):
			c.state = onboard.AccessAvailable // the control plane does not tell: the call does
		case len(here.Problems) > 0 && len(known) == 0:
			c.state = onboard.AccessAvailable // nor does an API key
		case !listed:
			c.state = onboard.AccessNotInRegion
		case account.Callable && slices.Contains(account.Call, m.ID):
			c.state = onboard.AccessAvailable
		case account.Callable:
			continue // by another id
		default:
			c.state = account.Access.State
		}
		out = append(out, c)
	}
	return out
}

// mantleName says whether an id is mantle's name of a model that the runtime calls otherwise.
func mantleName(m *models.Model) bool {
	return slices.ContainsFunc(m.Surfaces, func(s string) bool { return strings.HasPrefix(s, "mantle") }) && len(m.InferenceTypes) == 0
}

// priceOf is a model's price, or that of the same model under the runtime's name; nil when neither is known.
func priceOf(catalogue *models.Catalogue, m *models.Model) *models.Prices {
	if m.Prices != nil {
		return m.Prices
	}
	for _, other := range catalogue.All() {
		if other.Geo == "" && other.Prices != nil && m.MantleOnly() && strings.HasPrefix(other.ID, m.ID+"-") {
			return other.Prices
		}
	}
	return nil
}

// plan makes the trials, cheapest first.
func plan(all []candidate, unpriced bool) []*trial {
	var out []*trial
	for _, f := range features() {
		fitting := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return !f.of(c.Model) })
		byProvider := map[string][]*trial{}
		for _, c := range fitting {
			byProvider[c.Provider] = append(byProvider[c.Provider], newTrial(f, c, unpriced))
		}
		var best []*trial
		for _, of := range byProvider {
			best = append(best, slices.MinFunc(of, cheaper))
		}
		slices.SortFunc(best, cheaper)
		if f.once && len(best) > 0 {
			best = best[:1]
		}
		out = append(out, best...)
	}
	slices.SortStableFunc(out, cheaper)
	for i, t := range out {
		t.name = fmt.Sprintf("model-%04d", i)
		body := t.body(modelOf(all, t.model))
		t.request = body.text(t.name)
		if t.feature.id != "" {
			t.model = t.feature.id
		}
	}
	return out
}

func modelOf(all []candidate, id string) *models.Model {
	i := slices.IndexFunc(all, func(c candidate) bool { return c.ID == id })
	return all[i].Model
}

// cheaper orders trials: those that can run, then by price, then by name.
func cheaper(a, b *trial) int {
	rank := func(t *trial) int {
		if t.left != "" {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.ceiling, b.ceiling), cmp.Compare(a.model, b.model), cmp.Compare(a.feature.name, b.feature.name))
}

func newTrial(f feature, c candidate, unpriced bool) *trial {
	t := &trial{feature: f, provider: c.Provider, model: c.ID, prices: c.prices}
	if t.prices == nil {
		t.prices, t.guessed = &highPrices, true
	}
	t.input = inputTokens(f, c.Model)
	t.ceiling = t.most()
	switch {
	case c.state != onboard.AccessAvailable:
		t.left = "not callable: " + c.state
	case t.guessed && !unpriced && t.ceiling > 0:
		t.left = "no price is known (OUTCROP_E2E_AWS_UNPRICED=1 runs it all the same)"
	}
	return t
}

// inputTokens is more than a request has: two characters a token, and what a picture or a page counts at most.
func inputTokens(f feature, m *models.Model) int {
	text := len(f.body(m).text(""))
	if f.name == "image in" || f.name == "document" || f.name == "error: broken image" {
		return 4000
	}
	return text/2 + 500 // the instructions that AWS adds for tools
}

// most is the price of a trial when all goes on for as long as it may.
func (t *trial) most() float64 {
	if t.route == routeCount || t.id != "" || t.forged {
		return 0 // AWS charges nothing for a count, nor for what it does not know
	}
	p := t.prices
	input := max(p.Input, p.CacheWrite) * 1.25 / 1e6
	return float64(t.input)*input + float64(t.output)*p.Output/1e6 + float64(t.images)*p.PerImage + float64(t.queries)*p.Per1kQueries/1e3
}

// writePlan is the estimate for people.
func writePlan(w io.Writer, trials []*trial, budget float64) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "CASE\tMODEL\tIN\tOUT\tUSD AT MOST")
	total, runs := 0.0, 0
	for _, t := range trials {
		price := fmt.Sprintf("%.6f", t.ceiling)
		switch {
		case t.left != "":
			price = t.left
		case t.guessed && t.ceiling > 0:
			price += " (guessed)"
		}
		if t.left == "" {
			total, runs = total+t.ceiling, runs+1
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\n", t, t.model, t.input, t.output, price)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d of %d cases, at most %.4f USD; the cap is %.2f USD (OUTCROP_E2E_AWS_BUDGET).\n", runs, len(trials), total, budget)
	return err
}
