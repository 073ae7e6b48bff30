package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"

	"outcrop/internal/auth"
	"outcrop/internal/config"
)

// tokensOf know the holders of tokens, as the settings say; nil without a provider, when only keys are good. They
// live until the context ends, whatever becomes of the configuration. transport leads to the providers, nil is the
// usual way.
func tokensOf(ctx context.Context, s *config.Settings, transport http.RoundTripper, log *slog.Logger) (*auth.Tokens, error) {
	if s == nil || len(s.Providers) == 0 {
		return nil, nil
	}
	o := auth.TokenOptions{Transport: transport, Log: log}
	for _, p := range s.Providers {
		provider, err := providerOf(p)
		if err != nil {
			return nil, fmt.Errorf("identityProviders.%s: %w", p.Name, err)
		}
		o.Providers = append(o.Providers, provider)
	}
	for _, rule := range s.Admins {
		o.Admins = append(o.Admins, auth.Rule{Source: rule.Source, Function: rule.Function, Targets: rule.Targets})
	}
	return auth.NewTokens(ctx, o)
}

func providerOf(p config.Provider) (auth.Provider, error) {
	provider := auth.Provider{
		Name: p.Name, JWKSURL: p.JWKSURL, UserInfoURL: p.UserInfoEndpoint, Unverified: p.Unverified,
		RolePaths: p.RolePaths, RolesDelimiter: p.RolesDelimiter, ProjectPath: p.ProjectPath,
		UserIDPath: p.UserIDPath, DisplayNamePath: p.UserDisplayName,
		LogPath: p.LoggingKey, LogSalt: p.LoggingSalt, Hashed: p.ObfuscateUserEmail,
		Issuer: p.Issuer, Audience: p.Audience, Leeway: p.Leeway, Algorithms: p.Algorithms,
		PositiveTTL: p.PositiveCache, NegativeTTL: p.NegativeCache,
	}
	if p.IssuerPattern == "" {
		return provider, nil
	}
	var err error
	if provider.IssuerPattern, err = regexp.Compile(p.IssuerPattern); err != nil {
		return provider, fmt.Errorf("issuerPattern: %w", err)
	}
	return provider, nil
}
