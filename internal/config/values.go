package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
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

// isNull reports an entry that is null, which is left out.
func (l *loader) isNull(s spot) bool {
	if s.kind != null {
		return false
	}
	l.warn(s, "is null, taken as not given", "remove it, or give it a value")
	return true
}

// str reads a string, and says whether there was one. A number is taken for its
// text, as DIAL's reader does, unless YAML has another way to write it: 010 is 8.
func (l *loader) str(s spot, into *string) bool {
	if s.kind == number && !s.changed {
		l.warn(s, "a number where a string belongs, taken as it is written", "put it in quotes")
		*into = s.text
		return true
	}
	if !l.want(s, text) {
		return false
	}
	// YAML 1.1, which many tools still read, takes these for booleans; YAML 1.2
	// takes them for strings. yaml.org/type/bool.html
	if s.plain && slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(s.text)) {
		l.err(s, "must be a string; without quotes some YAML readers take this word for a boolean", "put it in quotes")
		return false
	}
	*into = s.text
	return true
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

// integer reads a whole number of at least least; also with a fraction of 0, and
// as a string, as DIAL's reader does (1.0, "100000").
func (l *loader) integer(s spot, least int64, into *int64) {
	if s.kind != number && s.kind != text {
		l.want(s, number)
		return
	}
	if l.isOctal(s) {
		return
	}
	n, ok := s.whole()
	switch {
	case !ok:
		l.err(s, "must be a whole number", "")
	case n < least:
		l.err(s, fmt.Sprintf("must be at least %d", least), "")
	default:
		*into = n
	}
}

// isOctal reports a number of which YAML's versions disagree what it is.
// yaml.org/type/int.html, yaml.org/spec/1.2.2/#1032-tag-resolution
func (l *loader) isOctal(s spot) bool {
	if s.octal {
		l.err(s, "a number with a leading zero, which some YAML readers take for octal and others for decimal", "remove the zero")
	}
	return s.octal
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
	if l.isOctal(s) {
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
		if l.isNull(v) {
			continue
		}
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
		if m.value.kind == null || !l.str(s.member(i), &one) || one == "" || m.lost {
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

// address checks an http or https URL; an empty one is not given.
func (l *loader) address(s spot, into *string) {
	if !l.want(s, text) {
		return
	}
	if l.isEmpty(s) {
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

// longestDuration is the longest duration that a file may state.
const longestDuration = 24 * time.Hour

// duration reads a length of time with its unit, as Go and Kubernetes write it.
func (l *loader) duration(s spot, into *time.Duration) {
	if s.kind == number {
		l.err(s, "must be a duration with its unit", `for example "`+s.text+`s"`)
		return
	}
	if !l.want(s, text) {
		return
	}
	d, err := time.ParseDuration(s.text)
	switch {
	case err != nil:
		l.err(s, "must be a duration with its unit", `for example "90s" or "5m"`)
	case d < 0 || d > longestDuration:
		l.err(s, "must be a duration from 0s to 24h", "")
	default:
		*into = d
	}
}

// durationText is a duration as a file would state it: 15s, 10m, 1h.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
