package gateway

import (
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// maxInstructions is how long the programs of all patterns of a schema may be together: a{1000}
	// has a thousand instructions, which take 200 KB.
	maxInstructions = 10_000
	// maxMatching is how many instructions times bytes all matching may take, about half a second.
	maxMatching = 1 << 25
)

// patterns are the regular expressions of one schema, and what they may still cost. Beyond that they
// match everything: a pattern that is not checked does not make an answer wrong.
type patterns struct{ instructions, matching int }

// compile takes Go's regular expressions, which need linear time. What only ECMAScript's have, such as
// looking ahead, is not checked.
func (p *patterns) compile(text string) (jsonschema.Regexp, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return pattern{}, nil //nolint:nilerr // the schema may be right all the same
	}
	size := instructions(tree)
	if p.instructions -= size; p.instructions < 0 {
		return pattern{}, nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return pattern{}, nil //nolint:nilerr // as above
	}
	return pattern{re, size, p}, nil
}

// instructions is about how many a program has: those of what is repeated count as often as it is.
func instructions(tree *syntax.Regexp) int {
	n := 1 + len(tree.Rune)
	if tree.Op == syntax.OpCharClass {
		n = 1
	}
	for _, sub := range tree.Sub {
		n = min(n+instructions(sub), maxInstructions+1)
	}
	if tree.Op == syntax.OpRepeat {
		n = min(n*max(tree.Min, tree.Max, 1), maxInstructions+1)
	}
	return n
}

// pattern is a regular expression, or one that matches everything.
type pattern struct {
	*regexp.Regexp
	size int
	of   *patterns
}

func (p pattern) MatchString(s string) bool {
	if p.Regexp == nil {
		return true
	}
	if p.of.matching -= p.size * len(s); p.of.matching < 0 {
		return true
	}
	return p.Regexp.MatchString(s)
}

func (p pattern) String() string {
	if p.Regexp == nil {
		return ""
	}
	return p.Regexp.String()
}
