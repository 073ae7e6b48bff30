package models

import "strings"

// Burndown is how many tokens of a quota one token of the model's answers takes: 5 of Claude 3.7 and later, else 1. base
// is the id of a foundation model.
// https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html
func Burndown(base string) int {
	name, ok := strings.CutPrefix(base, "anthropic.claude-")
	if !ok {
		return 1
	}
	for _, older := range [...]string{"v2", "instant", "3-5-", "3-haiku", "3-sonnet", "3-opus"} {
		if strings.HasPrefix(name, older) {
			return 1
		}
	}
	return 5
}
