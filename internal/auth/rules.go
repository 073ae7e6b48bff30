package auth

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Rule is about the claims of a token: one of those of Source has to be (EQUAL) one of the targets, to hold one
// (CONTAIN; both ignore case), or to match one as a whole (REGEX).
type Rule struct {
	Source   string
	Function string
	Targets  []string
}

// judge is a rule, ready.
type judge struct {
	source string
	obeys  func(value string) bool
}

// judges makes rules ready.
func judges(rules []Rule) ([]judge, error) {
	made := make([]judge, 0, len(rules))
	for _, r := range rules {
		obeys, err := r.compile()
		if err != nil {
			return nil, fmt.Errorf("a rule about the claim %q: %w", r.Source, err)
		}
		made = append(made, judge{r.Source, obeys})
	}
	return made, nil
}

func (r Rule) compile() (func(string) bool, error) {
	if slices.Contains(r.Targets, "") {
		return nil, errors.New("one of its targets is empty: every claim would hold it")
	}
	switch strings.ToUpper(r.Function) {
	case "EQUAL":
		return func(value string) bool {
			return slices.ContainsFunc(r.Targets, func(target string) bool { return strings.EqualFold(target, value) })
		}, nil
	case "CONTAIN":
		lower := make([]string, 0, len(r.Targets))
		for _, target := range r.Targets {
			lower = append(lower, strings.ToLower(target))
		}
		return func(value string) bool {
			value = strings.ToLower(value)
			return slices.ContainsFunc(lower, func(target string) bool { return strings.Contains(value, target) })
		}, nil
	case "REGEX":
		patterns := make([]*regexp.Regexp, 0, len(r.Targets))
		for _, target := range r.Targets {
			bare, err := regexp.Compile(target)
			if err != nil { // also one that is an expression only within the parentheses, and leaves them
				return nil, fmt.Errorf("its target is not a regular expression: %w", err)
			}
			pattern, err := whole(bare)
			if err != nil {
				return nil, fmt.Errorf("its target is not a regular expression: %w", err)
			}
			patterns = append(patterns, pattern)
		}
		return func(value string) bool {
			return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
		}, nil
	default:
		return nil, fmt.Errorf("its function %.20q is not EQUAL, CONTAIN or REGEX", r.Function)
	}
}

// obeyed says whether the claims obey one of the rules.
func obeyed(rules []judge, c claims) bool {
	return slices.ContainsFunc(rules, func(j judge) bool { return slices.ContainsFunc(c.strings(j.source), j.obeys) })
}
