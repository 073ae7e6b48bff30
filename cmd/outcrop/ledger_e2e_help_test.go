//go:build e2e

package main

import (
	"time"

	"outcrop/internal/limit"
)

// usageDay is the beginning of a day, so many after today.
func usageDay(after int) time.Time {
	return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, after)
}

func accountOf(model string) limit.Account {
	return limit.Account{Caller: "Keys/demo/", Deployment: model}
}
