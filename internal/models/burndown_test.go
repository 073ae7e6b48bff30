package models_test

import (
	"testing"

	"outcrop/internal/models"
)

func TestBurndown(t *testing.T) {
	for base, want := range map[string]int{
		"anthropic.claude-3-7-sonnet-20250219-v1:0": 5, "anthropic.claude-sonnet-4-20250514-v1:0": 5, "anthropic.claude-opus-4-1-20250805-v1:0": 5,
		"anthropic.claude-haiku-4-5-20251001-v1:0": 5, "anthropic.claude-3-5-sonnet-20241022-v2:0": 1, "anthropic.claude-3-haiku-20240307-v1:0": 1,
		"anthropic.claude-v2:1": 1, "amazon.nova-pro-v1:0": 1, "": 1,
	} {
		if got := models.Burndown(base); got != want {
			t.Errorf("%s: %d", base, got)
		}
	}
}
