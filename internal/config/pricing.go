package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// deepestTree is how many tests of a decision tree may stand in one another. DIAL has no bound.
const deepestTree = 32

func pricingTable() table[Pricing] {
	price := func(name, about string, into func(*Pricing) *string) field[Pricing] {
		return field[Pricing]{name: name, kind: "decimal, as a string or a number", use: enforced, about: about,
			read: func(l *loader, v spot, p *Pricing) { l.price(v, into(p)) }}
	}
	rate := func(name, about string, into func(*Pricing) (*string, *json.RawMessage)) field[Pricing] {
		return field[Pricing]{name: name, kind: "decimal, as a string or a number; or a decision tree", use: enforced, about: about,
			read: func(l *loader, v spot, p *Pricing) {
				plain, tree := into(p)
				if v.kind == object {
					*tree = l.tree(v, 1)
					return
				}
				l.price(v, plain)
			}}
	}
	return table[Pricing]{fields: []field[Pricing]{
		{"unit", "`token`, `char_without_whitespace`, `none`", "", enforced, "what the prices are for", "",
			func(l *loader, v spot, p *Pricing) {
				l.oneOf(v, &p.Unit, "token", "char_without_whitespace", "none")
			}},
		price("prompt", "USD per unit sent", func(p *Pricing) *string { return &p.Prompt }),
		price("completion", "USD per unit received", func(p *Pricing) *string { return &p.Completion }),
		rate("cacheRead", "USD per token read from the prompt cache", func(p *Pricing) (*string, *json.RawMessage) { return &p.CacheRead, &p.CacheReadTree }),
		rate("cacheWrite", "USD per token written to it", func(p *Pricing) (*string, *json.RawMessage) { return &p.CacheWrite, &p.CacheWriteTree }),
		price("cacheWrite1h", "USD per token written to it for an hour; `cacheWrite` is for five minutes then. Outcrop's own field", func(p *Pricing) *string { return &p.CacheWrite1h }),
		price("image", "USD per image made. Outcrop's own field", func(p *Pricing) *string { return &p.Image }),
		price("query", "USD per reranking. Outcrop's own field", func(p *Pricing) *string { return &p.Query }),
	}}
}

// price reads a price of at least 0, as its text.
func (l *loader) price(s spot, into *string) {
	var stated string
	if l.decimal(s, &stated); stated == "" {
		return
	}
	if _, ok := l.dollars(s, "prices are per unit: per token, not per million"); ok {
		*into = stated
	}
}

// treeDraft is a decision tree while it is read: what a rate is when its test holds, and when not.
type treeDraft struct {
	Test    json.RawMessage `json:"test"`
	IfTrue  json.RawMessage `json:"ifTrue,omitempty"`
	IfFalse json.RawMessage `json:"ifFalse,omitempty"`

	depth int
}

func treeTable() table[treeDraft] {
	branch := func(name, about string, into func(*treeDraft) *json.RawMessage) field[treeDraft] {
		return field[treeDraft]{name: name, kind: "decimal, as a string or a number; or a decision tree", use: enforced, about: about,
			read: func(l *loader, v spot, d *treeDraft) { *into(d) = l.rate(v, d.depth+1) }}
	}
	return table[treeDraft]{fields: []field[treeDraft]{
		{"test", "object", "", enforced, "what is asked of a request, see below", "",
			func(l *loader, v spot, d *treeDraft) { d.Test = l.test(v) }},
		branch("ifTrue", "the rate when it holds; without it the price of the prompt", func(d *treeDraft) *json.RawMessage { return &d.IfTrue }),
		branch("ifFalse", "the rate when not; without it the price of the prompt", func(d *treeDraft) *json.RawMessage { return &d.IfFalse }),
	}}
}

// tree reads a decision tree and writes it in one form, nil with a problem reported.
func (l *loader) tree(s spot, depth int) json.RawMessage {
	if depth > deepestTree {
		l.err(s, fmt.Sprintf("more than %d tests in one another", deepestTree), "")
		return nil
	}
	draft, before := treeDraft{depth: depth}, len(l.problems)
	readObject(l, s, treeTable(), &draft)
	if draft.Test == nil {
		if len(l.problems) == before {
			l.err(s, "a decision tree needs a test", `for example {"test": {"field": "ttl", "operator": "EQ", "value": "1h"}, "ifTrue": "0.000006", "ifFalse": "0.00000375"}`)
		}
		return nil
	}
	return encoded(draft)
}

// rate reads a decimal or a tree.
func (l *loader) rate(s spot, depth int) json.RawMessage {
	if s.kind == object {
		return l.tree(s, depth)
	}
	var plain string
	if l.price(s, &plain); plain == "" {
		return nil
	}
	return encoded(plain)
}

// testDraft is the test of a decision tree while it is read.
type testDraft struct {
	Field    string `json:"field"`
	Operator string `json:"operator"`
	Value    any    `json:"value"`

	value spot
}

// The fields that a test may look at: numbers and words.
func numberFields() []string {
	return []string{"cachedReadTokens", "cachedWriteTokens", "promptTokens"}
}

func wordFields() []string { return []string{"serviceTier", "ttl"} }

func testTable() table[testDraft] {
	return table[testDraft]{fields: []field[testDraft]{
		{"field", "`cachedReadTokens`, `cachedWriteTokens`, `promptTokens`, `serviceTier`, `ttl`", "", enforced, "DIAL also takes a path (`$…`) into the request or the answer; here that is an error", "",
			func(l *loader, v spot, d *testDraft) { l.testField(v, &d.Field) }},
		{"operator", "`EQ`, `NE`, `GT`, `LT`, `GE`, `LE`", "", enforced, "of `serviceTier` and `ttl` `EQ` and `NE` only", "",
			func(l *loader, v spot, d *testDraft) { l.oneOf(v, &d.Operator, "EQ", "NE", "GT", "LT", "GE", "LE") }},
		{"value", "string or number", "", enforced, "a whole number for tokens, a word for the others: `5m`, `1h`; `default`, `priority`, `flex`", "",
			func(_ *loader, v spot, d *testDraft) { d.value = v }},
	}}
}

func (l *loader) testField(s spot, into *string) {
	if s.kind == text && strings.HasPrefix(s.text, "$") {
		l.err(s, "a path into the request or the answer cannot be tested", "test one of "+strings.Join(slices.Concat(numberFields(), wordFields()), ", "))
		return
	}
	l.oneOf(s, into, slices.Concat(numberFields(), wordFields())...)
}

// test reads the test of a decision tree and writes it in one form, nil with a problem reported.
func (l *loader) test(s spot) json.RawMessage {
	var draft testDraft
	before := len(l.problems)
	if readObject(l, s, testTable(), &draft); s.kind != object {
		return nil
	}
	missing := draft.Field == "" || draft.Operator == "" || draft.value.node == nil
	switch {
	case missing && len(l.problems) == before:
		l.err(s, "a test needs field, operator and value", `for example {"field": "ttl", "operator": "EQ", "value": "1h"}`)
		return nil
	case missing:
		return nil
	case slices.Contains(wordFields(), draft.Field):
		return l.wordTest(s, &draft)
	}
	n := int64(-1)
	if l.integer(draft.value, 0, &n); n < 0 {
		return nil
	}
	draft.Value = n
	return encoded(draft)
}

// wordTest is a test of a word, which is the same or not.
func (l *loader) wordTest(s spot, draft *testDraft) json.RawMessage {
	if draft.Operator != "EQ" && draft.Operator != "NE" {
		at, _ := s.find("operator")
		l.err(at, draft.Field+" is a word: it can only be compared with EQ and NE", "")
		return nil
	}
	if !l.want(draft.value, text) {
		return nil
	}
	draft.Value = draft.value.text
	return encoded(draft)
}

// encoded is the value as JSON, nil when it has none.
func encoded(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil { // decimals and words always have a JSON form
		return nil
	}
	return b
}
