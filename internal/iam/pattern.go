package iam

import "strings"

// Wildcards of a pattern are kept apart from the characters * and ? that a variable's value may have.
const (
	anyText = '\x00'
	anyChar = '\x01'
)

// wild makes a pattern of a text with * and ?.
func wild(s string) string {
	if !strings.ContainsAny(s, "*?\x00\x01") {
		return s
	}
	return strings.NewReplacer("*", string(anyText), "?", string(anyChar), string(anyText), "", string(anyChar), "").Replace(s)
}

// literal takes the two characters out that patterns have for wildcards.
func literal(s string) string {
	if !strings.ContainsAny(s, "\x00\x01") {
		return s
	}
	return strings.NewReplacer(string(anyText), "", string(anyChar), "").Replace(s)
}

// glob says whether a pattern made by wild or expand matches the whole text. It takes time of the product of
// both lengths at most.
func glob(pattern, s string) bool {
	if !strings.ContainsAny(pattern, "\x00\x01") {
		return pattern == s
	}
	p, text := []rune(pattern), []rune(s)
	star, mark, i, j := -1, 0, 0, 0
	for j < len(text) {
		switch {
		case i < len(p) && p[i] == anyText:
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == anyChar || p[i] == text[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == anyText {
		i++
	}
	return i == len(p)
}

// arnGlob compares two ARNs by their six parts, each by itself.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
func arnGlob(pattern, arn string) bool {
	want, have := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(want) != 6 || len(have) != 6 {
		return false
	}
	for i := range want {
		if !glob(want[i], have[i]) {
			return false
		}
	}
	return true
}

// expand puts the values of policy variables into a text: ${aws:PrincipalTag/team}, ${aws:username, 'nobody'},
// and ${*}, ${?}, ${$} for the characters themselves. With wildcards, * and ? outside of variables match.
// It is not ok when a variable has no value: the text then matches nothing.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func (c *context) expand(s string, wildcards bool) (string, bool) {
	plain := literal
	if wildcards {
		plain = wild
	}
	if !c.variables || !strings.Contains(s, "${") {
		return plain(s), true
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		b.WriteString(plain(before))
		if !found {
			return b.String(), true
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", false
		}
		value, ok := c.variable(name)
		if !ok {
			return "", false
		}
		b.WriteString(literal(value))
		s = after
	}
}

// variable is the value of what stands between ${ and }.
func (c *context) variable(name string) (string, bool) {
	switch name {
	case "*", "?", "$":
		return name, true
	}
	name, fallback, hasFallback := strings.Cut(name, ",")
	// a key with many values cannot be a variable
	if values := c.get(strings.TrimSpace(name)); len(values) == 1 {
		return values[0], true
	}
	fallback = strings.TrimSpace(fallback)
	if !hasFallback || len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'' {
		return "", false
	}
	return fallback[1 : len(fallback)-1], true
}
