package main

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"outcrop/internal/config"
	"outcrop/internal/secret"
)

// What the settings say of a provider all reaches auth.
func TestProvidersHaveAllThatTheSettingsSay(t *testing.T) {
	got, err := providerOf(config.Provider{
		Name: "name", JWKSURL: "https://keys", UserInfoEndpoint: "https://user", Unverified: true, RolePaths: []string{"roles"}, RolesDelimiter: ",",
		ProjectPath: "project", UserIDPath: "oid", UserDisplayName: "display", LoggingKey: "email", LoggingSalt: secret.New("salt"),
		ObfuscateUserEmail: true, PositiveCache: time.Hour, NegativeCache: time.Minute, IssuerPattern: "https://.*", Issuer: "issuer",
		Audience: "audience", Leeway: time.Second, Algorithms: []string{"RS256"},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(got)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set", v.Type().Field(i).Name)
		}
	}
	if got.LogPath != "email" || got.DisplayNamePath != "display" || got.PositiveTTL != time.Hour || got.NegativeTTL != time.Minute || got.Audience != "audience" {
		t.Errorf("got %+v", got)
	}
}

func TestTokensOfSettings(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, s := range []*config.Settings{nil, {Admins: []config.ClaimRule{{Source: "roles", Function: "EQUAL"}}}} {
		if tokens, err := tokensOf(t.Context(), s, nil, log); tokens != nil || err != nil {
			t.Errorf("without a provider: %v, %v", tokens, err)
		}
	}
	for want, s := range map[string]*config.Settings{
		"identityProviders.idp: issuerPattern": {Providers: []config.Provider{{Name: "idp", Unverified: true, IssuerPattern: "("}}},
		"identityProviders.idp: either":        {Providers: []config.Provider{{Name: "idp"}}},
		"LIKE":                                 {Providers: []config.Provider{{Name: "idp", Unverified: true}}, Admins: []config.ClaimRule{{Function: "LIKE"}}},
	} {
		if _, err := tokensOf(t.Context(), s, nil, log); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if tokens, err := tokensOf(t.Context(), &config.Settings{Providers: []config.Provider{{Name: "idp", Unverified: true}}}, nil, log); tokens == nil || err != nil {
		t.Errorf("got %v, %v", tokens, err)
	}
}
