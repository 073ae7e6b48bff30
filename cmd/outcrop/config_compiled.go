package main

import (
	"fmt"
	"io"
	"strings"

	"outcrop/internal/config"
)

// writeDeployments prints who answers for what can be called, and who may call it.
func writeDeployments(w io.Writer, all []config.CompiledDeployment) error {
	var b strings.Builder
	fmt.Fprintf(&b, "deployments: %d\n", len(all))
	for _, d := range all {
		fmt.Fprintf(&b, "  %s %s, for %s\n", d.Kind, plainLine(d.Name), whoMay(d))
		for _, i := range d.Interfaces {
			fmt.Fprintf(&b, "      %s: %s\n", plainLine(string(i.Name)), plainLine(i.Answers))
		}
		if len(d.Interfaces) == 0 {
			b.WriteString("      nobody answers: requests get 503\n")
		}
		if len(d.Interceptors) > 0 {
			fmt.Fprintf(&b, "      interceptors: %s\n", plainLine(strings.Join(d.Interceptors, " → ")))
		}
		for i, u := range d.Upstreams {
			fmt.Fprintf(&b, "      upstream %s: %s\n", plainLine(nameOf(u.ID, i)), shownUpstream(u))
		}
		if d.Attempts > 0 && asked(d.Upstreams) > 1 {
			fmt.Fprintf(&b, "      at most %d upstreams per request\n", min(d.Attempts, asked(d.Upstreams)))
		}
		if d.Fallback != nil {
			fmt.Fprintf(&b, "      fallback: %s\n", shownFallback(*d.Fallback))
		}
		for _, l := range d.Limits {
			fmt.Fprintf(&b, "      limits of %s: %s\n", plainLine(l.Role), shownLimit(l))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func whoMay(d config.CompiledDeployment) string {
	who := "everyone"
	switch {
	case d.Kind == "interceptor":
		return "the deployments that name it"
	case d.Roles != nil && len(d.Roles) == 0:
		who = "nobody"
	case d.Roles != nil:
		who = "roles " + plainLine(strings.Join(d.Roles, ", "))
	}
	if d.Consent {
		who += ", after consent"
	}
	return who
}

// nameOf is an upstream's id, or its number.
func nameOf(id string, i int) string {
	if id == "" {
		return fmt.Sprintf("#%d", i+1)
	}
	return id
}

func shownUpstream(u config.CompiledUpstream) string {
	text := fmt.Sprintf("tier %d, weight %d", u.Tier, u.Weight)
	if u.Region != "" {
		text += ", region " + plainLine(u.Region)
	}
	if u.TokensPerMinute > 0 {
		text += fmt.Sprintf(", quota %d tokens a minute", u.TokensPerMinute)
	}
	if u.RequestsPerMinute > 0 {
		text += fmt.Sprintf(", quota %d requests a minute", u.RequestsPerMinute)
	}
	switch {
	case !u.Asked:
		return text + ", disabled"
	case !u.First:
		text += ", asked when the lower tiers cannot answer"
	case u.Share == 1:
		text += ", asked"
	}
	if u.Share < 1 {
		text += fmt.Sprintf(", %.3g %% of its tier", 100*u.Share)
	}
	return text
}

// asked is how many upstreams are not disabled.
func asked(all []config.CompiledUpstream) int {
	n := 0
	for _, u := range all {
		if u.Asked {
			n++
		}
	}
	return n
}

func shownFallback(f config.CompiledFallback) string {
	var parts []string
	for _, one := range []struct{ name, when string }{
		{f.ContextLength, "when the prompt is too long"}, {f.ContentFilter, "when the content is refused"}, {f.Outage, "when no upstream can answer"},
	} {
		if one.name != "" {
			parts = append(parts, plainLine(one.name)+" "+one.when)
		}
	}
	return strings.Join(parts, ", ")
}

func shownLimit(l config.CompiledLimit) string {
	var parts []string
	for _, window := range []struct {
		n    int64
		what string
	}{
		{l.Minute, "tokens a minute"}, {l.Day, "tokens a day"}, {l.Week, "tokens a week"}, {l.Month, "tokens a month"},
		{l.RequestHour, "requests an hour"}, {l.RequestDay, "requests a day"},
	} {
		if window.n != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", max(window.n, 0), window.what))
		}
	}
	return strings.Join(parts, ", ")
}

// plainLine keeps a line a line, whatever a name holds.
func plainLine(s string) string {
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
