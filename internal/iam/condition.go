package iam

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// context has the condition keys of a request.
type context struct {
	keys      map[string][]string // by lower-case name
	variables bool                // the policy has variables: its version is PolicyVersion
}

func newContext(keys map[string][]string) context {
	c := context{keys: make(map[string][]string, len(keys))}
	for k, v := range keys {
		c.keys[strings.ToLower(k)] = v
	}
	return c
}

func (c *context) get(key string) []string { return c.keys[strings.ToLower(key)] }

// answer is whether a condition holds.
type answer uint8

const (
	no answer = iota
	maybe
	yes
)

// holds says whether all of a statement's conditions hold; maybe, with the operators, where that hangs on
// operators that are not known here.
func (c *context) holds(all Condition) (answer, []string) {
	out := yes
	var unknown []string
	for operator, keys := range all {
		op, known := operatorOf(operator)
		if !known {
			out = maybe
			unknown = append(unknown, operator)
			continue
		}
		for key, values := range keys {
			if !c.test(op, key, values) {
				return no, nil
			}
		}
	}
	slices.Sort(unknown)
	return out, unknown
}

// operator is a condition operator taken apart.
type operator struct {
	each, some bool // ForAllValues:, ForAnyValue:
	ifExists   bool
	null       bool
	not        bool
	match      func(c *context, want, have string) bool
}

// operatorOf reads the name of an operator.
func operatorOf(name string) (operator, bool) {
	var o operator
	if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		o.each, name = true, rest
	} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		o.some, name = true, rest
	}
	if name == "Null" {
		o.null = true
		return o, true
	}
	name, o.ifExists = strings.CutSuffix(name, "IfExists")
	switch name {
	case "StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike", "NumericNotEquals", "DateNotEquals", "ArnNotEquals", "ArnNotLike":
		o.not, name = true, strings.Replace(name, "Not", "", 1)
	case "NotIpAddress":
		o.not, name = true, "IpAddress"
	}
	o.match = matcher(name)
	return o, o.match != nil
}

// test is one key of one operator. A key that the request does not have fails an operator that wants
// something of it, and passes one that wants it not to be something.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
func (c *context) test(o operator, key string, want Strings) bool {
	have := c.get(key)
	if o.null {
		absent := len(have) == 0
		return slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(w, strconv.FormatBool(absent)) })
	}
	one := func(have string) bool {
		return o.not != slices.ContainsFunc(want, func(w string) bool { return o.match(c, w, have) })
	}
	switch {
	case len(have) == 0 && o.some:
		return o.ifExists
	case len(have) == 0:
		return o.ifExists || o.not || o.each
	case o.each, o.not && !o.some:
		return !slices.ContainsFunc(have, func(h string) bool { return !one(h) })
	}
	return slices.ContainsFunc(have, one)
}

// matcher is the comparison of an operator that does not negate; nil when it is not known.
func matcher(name string) func(c *context, want, have string) bool {
	switch name {
	case "StringEquals", "BinaryEquals":
		return func(c *context, want, have string) bool {
			want, ok := c.expand(want, false)
			return ok && want == literal(have)
		}
	case "StringEqualsIgnoreCase":
		return func(c *context, want, have string) bool {
			want, ok := c.expand(want, false)
			return ok && strings.EqualFold(want, literal(have))
		}
	case "StringLike":
		return func(c *context, want, have string) bool {
			want, ok := c.expand(want, true)
			return ok && glob(want, literal(have))
		}
	case "ArnEquals", "ArnLike": // the two are the same
		return func(c *context, want, have string) bool {
			want, ok := c.expand(want, true)
			return ok && arnGlob(want, literal(have))
		}
	case "Bool":
		return func(_ *context, want, have string) bool { return strings.EqualFold(want, have) }
	case "IpAddress":
		return func(_ *context, want, have string) bool { return inNetwork(want, have) }
	}
	if order, ok := strings.CutPrefix(name, "Numeric"); ok {
		return ordered(order, number)
	}
	if order, ok := strings.CutPrefix(name, "Date"); ok {
		return ordered(order, date)
	}
	return nil
}

// ordered compares what read makes of both sides; what it cannot read does not match.
func ordered(order string, read func(string) (float64, bool)) func(c *context, want, have string) bool {
	var fits func(int) bool
	switch order {
	case "Equals":
		fits = func(n int) bool { return n == 0 }
	case "LessThan":
		fits = func(n int) bool { return n < 0 }
	case "LessThanEquals":
		fits = func(n int) bool { return n <= 0 }
	case "GreaterThan":
		fits = func(n int) bool { return n > 0 }
	case "GreaterThanEquals":
		fits = func(n int) bool { return n >= 0 }
	default:
		return nil
	}
	return func(_ *context, want, have string) bool {
		w, ok := read(want)
		h, alsoOK := read(have)
		return ok && alsoOK && fits(cmp.Compare(h, w))
	}
}

func number(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// date reads ISO 8601 and seconds since 1970, as seconds.
func date(s string) (float64, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return float64(t.UnixMicro()) / 1e6, true
		}
	}
	return number(s)
}

// inNetwork says whether an address is in a network, or is the address.
func inNetwork(network, address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	if p, err := netip.ParsePrefix(network); err == nil {
		return p.Contains(a.Unmap())
	}
	n, err := netip.ParseAddr(network)
	return err == nil && n.Unmap() == a.Unmap()
}
