package gateway

import "testing"

// TestPlacesOfTheLogQuoteNobody: names that callers have chosen are not in the log.
func TestPlacesOfTheLogQuoteNobody(t *testing.T) {
	for param, want := range map[string]string{
		"messages[2].content[0].image_url.url":           "messages[2].content[0].image_url.url",
		"tools[0].function.parameters.properties.secret": "tools[0].function.parameters.properties.…",
		"custom_fields.configuration.secret.x":           "custom_fields.configuration.….…",
		"secret":                                         "…",
		"input[0][1]":                                    "input[0][1]",
		"input[secret]":                                  "…",
		"custom_fields.configuration.guardrailConfig":    "custom_fields.configuration.guardrailConfig",
		"thinking.budget_tokens":                         "thinking.budget_tokens",
	} {
		if got := placeOf(param); got != want {
			t.Errorf("%s: %s, not %s", param, got, want)
		}
	}
}
