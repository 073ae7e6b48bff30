package doctor

import (
	"context"
	"fmt"
	"net/url"

	"outcrop/internal/config"
)

// configuration reports what Load and the catalogue found.
func (e *Env) configuration(context.Context) []Finding {
	var out []Finding
	for _, p := range e.Problems {
		f := Finding{Code: "CONF-001", Severity: Error}
		if p.Severity == config.Warning {
			f.Code, f.Severity = "CONF-002", Warning
		}
		out = append(out, ofProblem(f, p))
	}
	for _, p := range e.Doubts {
		out = append(out, ofProblem(Finding{Code: "CONF-004", Severity: Warning}, p))
	}
	served := 0
	for _, m := range e.Config.Models {
		why := m.NotServed()
		if why == "" {
			served++
		}
		switch {
		case why != "":
			out = append(out, Finding{
				Code: "CONF-003", Severity: Warning, Subject: m.Name, Message: "the model is not served: " + why,
				Remedy: `give it the endpoint "bedrock:<model id>" and a type that is served, or remove it; outcrop config check tells the place`,
			})
		case m.Bedrock == "":
			out = append(out, Finding{
				Code: "MODEL-002", Severity: Skipped, Subject: m.Name, Message: "NOT TRIED: requests go to " + hostPart(m.URL) + ", whose models are its own",
				Remedy: "run outcrop doctor there, or send the deployment a request",
			})
		}
	}
	for _, u := range e.Upstreams {
		if u.Failure != nil {
			out = append(out, Finding{Code: "CONF-005", Severity: Error, Subject: u.Name, Message: "the upstream cannot be used: " + u.Failure.Error(), Remedy: "correct it in the upstream's extraData"})
		}
	}
	if !config.HasErrors(e.Problems) {
		out = append([]Finding{{Code: "CONF-000", Message: fmt.Sprintf("%d of %d models are served", served, len(e.Config.Models))}}, out...)
	}
	return out
}

// hostPart is the scheme and host of an address: the rest may have keys.
func hostPart(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return "another server"
}

// ofProblem tells a problem with its place.
func ofProblem(f Finding, p config.Problem) Finding {
	f.Subject, f.Message, f.Remedy = p.File, p.Message, p.Remedy
	if p.File != "" && p.Line > 0 {
		f.Subject = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Path != "" {
		f.Message = p.Path + ": " + p.Message
	}
	if f.Remedy == "" {
		f.Remedy = "outcrop config check shows it in its place"
	}
	return f
}
