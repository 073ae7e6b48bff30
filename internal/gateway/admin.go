package gateway

import (
	"context"
	"net/http"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
)

// Operations are what administrators may ask of the server.
type Operations interface {
	// Reload reads the configuration again and serves it if it is good: merged is what it comes to, without
	// secrets, as something that encoding/json writes. Otherwise problems say why the one before is kept.
	Reload(ctx context.Context) (merged any, problems []string)
	// ConfigHealth is how it stands with the configuration.
	ConfigHealth() ConfigHealth
}

// ConfigHealth is how it stands with a configuration: the first two are DIAL Core's.
type ConfigHealth struct {
	Status  string          `json:"status"` // ok, or failed when the last that was read is not served
	Skipped []SkippedEntity `json:"skipped"`
	// Generation counts the configurations that have been served; 0 is before the first.
	Generation int `json:"generation"`
	// LoadedAt is when the one that is served was read.
	LoadedAt time.Time `json:"loadedAt,omitzero"`
	// Problems are those of the last that was read: the errors that keep it from being served, and warnings.
	Problems []string `json:"problems"`
	// Providers are the identity providers, as they are now.
	Providers []ProviderHealth `json:"providers"`
}

// ProviderHealth is how it stands with an identity provider.
type ProviderHealth struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok or failed
	// Problem is why it failed, and Since when.
	Problem string    `json:"problem,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// SkippedEntity is a part of the configuration that is left out for its mistakes.
type SkippedEntity struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// operator routes to a handler for administrators that needs Operations.
func (g *Gateway) operator(pattern string, h handler) {
	g.admin(pattern, func(x *exchange, r *http.Request) error {
		if g.operations == nil {
			return x.refuse(&llm.Error{Kind: llm.KindNotServed, Message: "This server has no configuration that could be reloaded."})
		}
		return h(x, r)
	})
}

// admin routes to a handler for administrators.
func (g *Gateway) admin(pattern string, h handler) {
	g.known(pattern, func(x *exchange, r *http.Request, caller auth.Caller) error {
		switch {
		case !caller.Admin:
			return x.refuse(&llm.Error{
				Kind: llm.KindForbidden, Message: "Only administrators may do this: a token whose claims obey a rule of access.admin.rules. A key never is one.",
			})
		case caller.Pass != nil:
			return x.refuse(&llm.Error{Kind: llm.KindForbidden, Message: "A per-request key may not do this, though its user is an administrator."})
		}
		return h(x, r)
	})
}

// handleReload reads the configuration again. A bad one is told with all its problems, and is not served.
func (g *Gateway) handleReload(x *exchange, r *http.Request) error {
	merged, problems := g.operations.Reload(r.Context())
	if merged != nil {
		return x.reply(merged)
	}
	x.Header().Set("Content-Type", "application/json")
	x.WriteHeader(http.StatusUnprocessableEntity)
	type refused struct {
		Message  string   `json:"message"`
		Type     string   `json:"type"`
		Param    *string  `json:"param"`
		Code     string   `json:"code"`
		Problems []string `json:"problems"`
	}
	return x.reply(struct {
		Error refused `json:"error"`
	}{refused{
		Message: "The configuration was not loaded: the last good one is still served. See problems.", Type: "invalid_request_error",
		Code: "invalid_configuration", Problems: append([]string{}, problems...),
	}})
}

func (g *Gateway) handleConfigHealth(x *exchange, _ *http.Request) error {
	health := g.operations.ConfigHealth()
	health.Providers = append([]ProviderHealth{}, health.Providers...)
	health.Skipped, health.Problems = append([]SkippedEntity{}, health.Skipped...), append([]string{}, health.Problems...)
	return x.reply(health)
}
