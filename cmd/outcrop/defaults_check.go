package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"outcrop/internal/config"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// defaultsProblems finds what is wrong with the defaults of the models: errors keep the server from its
// start; the shortest request with defaults that a model refuses is a warning.
func defaultsProblems(ctx context.Context, cfg *config.Config, catalogue *models.Catalogue) []config.Problem {
	var out []config.Problem
	for _, m := range cfg.Models {
		m.Defaults = ownDefaults(m)
		if len(m.Defaults) == 0 {
			continue
		}
		found := config.Problem{Severity: config.Warning}
		switch ignored, err := checkDefaults(m); {
		case err != nil:
			found.Severity, found.Message = config.Error, strings.TrimSuffix(llm.AsError(err).Message, ".")
		case len(ignored) > 0:
			found.Message, found.Remedy = "members without effect: "+strings.Join(ignored, ", "), "remove them"
		}
		if found.Severity != config.Error && m.Type == config.TypeChat {
			if refused := refusalOfDefaults(ctx, m, catalogue); refused != "" {
				out = append(out, cfg.AtDefaults(m, config.Problem{Severity: config.Warning, Message: refused}))
			}
		}
		if found.Message != "" {
			out = append(out, cfg.AtDefaults(m, found))
		}
	}
	return out
}

// ownDefaults are those of a model in the interface that this process answers; nil when it does not.
func ownDefaults(m config.Model) []byte {
	if m.NotServed() != "" || m.Bedrock == "" {
		return nil
	}
	return m.DefaultsOf(ownInterface(m))
}

func checkDefaults(m config.Model) (ignored []string, err error) {
	if m.Type == config.TypeEmbedding {
		return gateway.CheckEmbedDefaults(ownDefaults(m))
	}
	return gateway.CheckDefaults(ownDefaults(m))
}

// leaveOutDefaults takes the models out whose defaults no request can have, and says so.
func leaveOutDefaults(cfg *config.Config) (out []config.Problem) {
	cfg.Models = slices.DeleteFunc(cfg.Models, func(m config.Model) bool {
		if len(ownDefaults(m)) == 0 {
			return false
		}
		_, err := checkDefaults(m)
		if err == nil {
			return false
		}
		reason := "defaults: " + strings.TrimSuffix(llm.AsError(err).Message, ".")
		cfg.Skipped = append(cfg.Skipped, config.Skipped{ID: "models." + m.Name, Reason: reason})
		out = append(out, cfg.AtDefaults(m, config.Problem{Severity: config.Warning, Message: "the model is left out: " + reason}))
		return true
	})
	return out
}

// refusalOfDefaults says why the model refuses them, "" when it does not.
func refusalOfDefaults(ctx context.Context, m config.Model, catalogue *models.Catalogue) string {
	e := &explained{Model: m, region: "us-east-1"} // any will do: nothing is sent
	e.upstream, _ = m.Upstream()
	_, err := e.explain(ctx, catalogue, []byte(`{"messages":[{"role":"user","content":"Hi"}]}`))
	if refusal, ok := errors.AsType[*llm.Error](err); ok && refusal.Kind != llm.KindTruncation {
		return "the model refuses requests with these defaults: " + strings.TrimSuffix(refusal.Message, ".") + at(refusal.Param)
	}
	return ""
}
