package onboard

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/models"
)

// WriteText prints the table for people: at most 120 columns wide where the ids allow it.
func (m *Models) WriteText(out io.Writer) error {
	var b strings.Builder
	many := len(m.Regions) > 1
	t := table{head: []string{"ID TO CALL", "ACCESS", "TOKENS", "USD", "KIND", "READS"}}
	if many {
		t.head = append(t.head[:4], "REGIONS")
	}
	for _, g := range m.groups() {
		m := g.ModelHere
		cells := [][]string{callCell(m), accessCell(m), tokensCell(m), priceCell(m)}
		if many {
			t.row(append(cells, foldWords(g.regions, " ", 30))...)
			continue
		}
		t.row(append(cells, []string{m.Kind}, foldWords(readable(m.Input), " ", 10))...)
	}
	if len(t.rows) > 0 {
		b.WriteString(t.String())
		b.WriteString("\nTOKENS: context window / longest reply. USD: per million tokens, input / output, unless it says otherwise.\n")
	}
	if len(m.Models) > 0 || len(m.Problems) == 0 {
		b.WriteString(m.summary())
	}
	for _, why := range m.reasons() {
		b.WriteString(why + "\n")
	}
	for _, x := range m.Warnings {
		fmt.Fprintf(&b, "warning: %s: %s\n", x.Text, x.Remedy)
	}
	for _, p := range m.Problems {
		fmt.Fprintf(&b, "\n%s: %s failed: %s\n", p.Region, p.What, p.Text)
		if p.Remedy != "" {
			fmt.Fprintf(&b, "  to do: %s\n", p.Remedy)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// group is a model that is the same in several regions.
type group struct {
	ModelHere

	regions []string
}

// groups puts regions together where ids and access are the same.
func (m *Models) groups() []*group {
	var out []*group
	for _, here := range m.Models {
		at := slices.IndexFunc(out, func(g *group) bool {
			return g.ID == here.ID && slices.Equal(g.Call, here.Call) && g.Access.String() == here.Access.String()
		})
		if at < 0 {
			at = len(out)
			out = append(out, &group{ModelHere: here})
		}
		out[at].regions = append(out[at].regions, here.Region)
	}
	return out
}

// summary counts, and says what to type next.
func (m *Models) summary() string {
	callable, unknown, next := 0, 0, map[string]string{}
	for _, here := range m.Models {
		if here.Access.State == AccessUnknown {
			unknown++
		}
		if here.Callable {
			callable++
		}
		switch here.Access.State {
		case AccessForm, AccessAgreement, AccessFailed:
			next[here.Access.State] = here.ID
		}
	}
	text := fmt.Sprintf("%d of %d models can be called from %s.\n", callable, len(m.Models), strings.Join(m.Regions, ", "))
	if len(m.Regions) > 1 {
		text = fmt.Sprintf("%d of %d pairs of model and region can be called.\n", callable, len(m.Models))
	}
	if unknown > 0 {
		text += fmt.Sprintf("Of %d it is not known.\n", unknown)
	}
	for _, state := range []string{AccessForm, AccessAgreement, AccessFailed} {
		if id := next[state]; id != "" {
			text += state + ": outcrop aws access " + id + "\n"
		}
	}
	return text
}

// brief is the state for a table, where no long reason has room.
func (a Access) brief() string {
	if len(a.Why) > 40 {
		return a.State
	}
	return a.String()
}

// reasons are those that have no room in the table, once each with the models that have them.
func (m *Models) reasons() []string {
	var texts []string
	ids := map[string][]string{}
	for _, here := range m.Models {
		text := here.Access.String()
		if text == here.Access.brief() || slices.Contains(ids[text], here.ID) {
			continue
		}
		if ids[text] == nil {
			texts = append(texts, text)
		}
		ids[text] = append(ids[text], here.ID)
	}
	for i, text := range texts {
		who := ids[text]
		if len(who) > 2 {
			who = append(who[:1:1], fmt.Sprintf("%d others", len(who)-1))
		}
		texts[i] = strings.Join(who, " and ") + ": " + text
	}
	return texts
}

// callCell is the ids to call; a model that has none is named in brackets.
func callCell(m ModelHere) []string {
	if len(m.Call) == 0 {
		return []string{"(" + m.ID + ")"}
	}
	return m.Call
}

// accessCell is the state and, below it, the lifecycle.
func accessCell(m ModelHere) []string {
	lines := foldWords(strings.Fields(m.Access.brief()), " ", 23)
	if end := m.Lifecycle.EndOfLife; m.Access.State != AccessEndOfLife && (end != "" || m.Lifecycle.Status == models.Legacy) {
		text := "active"
		if m.Lifecycle.Status == models.Legacy {
			text = "legacy"
		}
		if end != "" {
			text += ", ends " + end
		}
		lines = append(lines, text)
	}
	return lines
}

// readable are the modalities.
func readable(modalities []string) []string {
	if len(modalities) == 0 {
		return []string{"text"}
	}
	return modalities
}

func tokensCell(m ModelHere) []string {
	switch {
	case m.ContextWindow == 0:
		return []string{"-"}
	case m.MaxOutputTokens == 0 || m.Kind != string(models.Chat):
		return []string{tokens(m.ContextWindow)}
	}
	return []string{tokens(m.ContextWindow) + "/" + tokens(m.MaxOutputTokens)}
}

// tokens writes 200000 as 200k.
func tokens(n int) string {
	switch {
	case n >= 1_000_000:
		return strconv.FormatFloat(math.Round(float64(n)/1e5)/10, 'f', -1, 64) + "M"
	case n >= 1000:
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}

func priceCell(m ModelHere) []string {
	p := m.Prices
	switch {
	case p == nil:
		return []string{"-"}
	case p.PerImage > 0:
		return []string{money(p.PerImage), "an image"}
	case p.Per1kQueries > 0:
		return []string{money(p.Per1kQueries), "1k queries"}
	case p.Output > 0:
		return []string{money(p.Input) + "/" + money(p.Output)}
	}
	return []string{money(p.Input)}
}

// money rounds to a millionth, which is finer than any price and coarser than the catalogue's errors.
func money(usd float64) string { return strconv.FormatFloat(math.Round(usd*1e6)/1e6, 'f', -1, 64) }
