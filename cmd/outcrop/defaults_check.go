package main

import (
	"context"
	"errors"
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
		if m.NotServed() != "" || len(m.Defaults) == 0 || m.Bedrock == "" {
			continue
		}
		found := config.Problem{Severity: config.Warning}
		check := gateway.CheckDefaults
		if m.Type == config.TypeEmbedding {
			check = gateway.CheckEmbedDefaults
		}
		switch ignored, err := check(m.Defaults); {
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
