package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// want reports whether the value is of that kind, and reports it if not.
func (l *loader) want(s spot, k kind) bool {
	if s.kind == k {
		return true
	}
	remedy := ""
	if k == text && s.plain && (s.kind == number || s.kind == boolean) {
		remedy = "put it in quotes: YAML reads it as " + s.kind.String()
	}
	l.err(s, fmt.Sprintf("must be %s, is %s", k, s.kind), remedy)
	return false
}

// str reads a string.
func (l *loader) str(s spot, into *string) {
	if !l.want(s, text) {
		return
	}
	// YAML 1.1, which many tools still read, takes these for booleans; YAML 1.2
	// takes them for strings. yaml.org/type/bool.html
	if s.plain && slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(s.text)) {
		l.err(s, "must be a string; without quotes some YAML readers take this word for a boolean", "put it in quotes")
		return
	}
	*into = s.text
}

// oneOf reads one of the words.
func (l *loader) oneOf(s spot, into *string, words ...string) {
	if !l.want(s, text) {
		return
	}
	if !slices.Contains(words, s.text) {
		l.err(s, "must be one of "+strings.Join(words, ", "), "")
		return
	}
	*into = s.text
}

// boolean reads true or false; also as a string, as DIAL's reader does.
func (l *loader) boolean(s spot, into *bool) {
	switch {
	case (s.kind == boolean || s.kind == text) && s.text == "true":
		*into = true
	case (s.kind == boolean || s.kind == text) && s.text == "false":
		*into = false
	default:
		l.err(s, "must be true or false, is "+s.kind.String(), "")
	}
}

// integer reads a whole number of at least least; also as a string, as DIAL's
// reader does ("100000").
func (l *loader) integer(s spot, least int64, into *int64) {
	if s.kind != number && s.kind != text {
		l.want(s, number)
		return
	}
	n, err := strconv.ParseInt(s.text, 10, 64)
	switch {
	case err != nil:
		l.err(s, "must be a whole number", "")
	case n < least:
		l.err(s, fmt.Sprintf("must be at least %d", least), "")
	default:
		*into = n
	}
}

// count is integer for what Go counts with an int.
func (l *loader) count(s spot, least int64, into *int) {
	n := int64(*into)
	l.integer(s, least, &n)
	*into = int(n)
}

// decimal reads an amount of money as its text, from a string (exact in every
// reader) or a number.
func (l *loader) decimal(s spot, into *string) {
	if s.kind != number && s.kind != text {
		l.want(s, text)
		return
	}
	if !isDecimal(s.text) {
		l.err(s, "must be a decimal number of at least 0", `for example "0.000003", in USD per unit`)
		return
	}
	*into = s.text
}

// isDecimal accepts what Java's BigDecimal reads, without a sign.
func isDecimal(s string) bool {
	mantissa, exponent, hasExponent := s, "", false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent, hasExponent = s[:i], s[i+1:], true
	}
	if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
		exponent = exponent[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return isDigits(whole+fraction) && (!hasExponent || isDigits(exponent) && len(exponent) <= 3)
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// strs reads a list of strings. What it returns is never nil: a list that
// cannot be read must not turn into "not given", which opens a deployment to
// everyone where the list is userRoles.
func (l *loader) strs(s spot) []string {
	out := []string{}
	if !l.want(s, list) {
		return out
	}
	for i := range s.items {
		v, item := s.item(i), ""
		l.str(v, &item)
		if item != "" {
			out = append(out, item)
		} else if v.kind == text && !v.plain {
			l.err(v, "must not be empty", "")
		}
	}
	return out
}

// localized reads a string or a map of locales to strings, of which it takes
// the default locale's, else the English, else the first.
func (l *loader) localized(s spot, into *string) {
	if s.kind != object {
		l.str(s, into)
		return
	}
	best := -1
	for i, m := range s.members {
		var one string
		l.str(s.member(i), &one)
		if one == "" {
			continue
		}
		rank := 0
		switch m.name {
		case l.locale:
			rank = 2
		case "en":
			rank = 1
		}
		if rank > best {
			best, *into = rank, one
		}
	}
}

// address checks an http or https URL.
func (l *loader) address(s spot, into *string) {
	if !l.want(s, text) {
		return
	}
	if !isURL(s.text) {
		l.err(s, "must be an http or https URL", "")
		return
	}
	*into = s.text
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
