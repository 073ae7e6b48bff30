package usage

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"outcrop/internal/llm"
	"outcrop/internal/money"
)

// Test is a node of DIAL's decision trees: Yes when the field is to the value as the operator says, else No. A rate
// that is not stated there is the prompt's.
type Test struct {
	field    string
	operator string
	number   int64
	text     string
	yes, no  Rate
}

// circumstances are what decision trees look at.
type circumstances struct {
	usage llm.Usage
	tier  string
	ttl   string // 5m or 1h, of tokens that are written
}

// of is the rate under the circumstances; prompt where none is stated.
func (r Rate) of(prompt money.Amount, c circumstances) money.Amount {
	for r.Test != nil {
		if r.Test.holds(c) {
			r = r.Test.yes
		} else {
			r = r.Test.no
		}
	}
	if !r.Stated {
		return prompt
	}
	return r.Amount
}

func (t *Test) holds(c circumstances) bool {
	order := 0
	switch t.field {
	case "serviceTier":
		tier := c.tier
		if tier == "" {
			tier = "default"
		}
		order = strings.Compare(tier, t.text)
	case "ttl":
		order = strings.Compare(c.ttl, t.text)
	default:
		order = compare(int64(t.count(c.usage)), t.number)
	}
	switch t.operator {
	case "EQ":
		return order == 0
	case "NE":
		return order != 0
	case "GT":
		return order > 0
	case "LT":
		return order < 0
	case "GE":
		return order >= 0
	default:
		return order <= 0
	}
}

func (t *Test) count(u llm.Usage) int {
	switch t.field {
	case "cachedReadTokens":
		return u.CacheRead
	case "cachedWriteTokens":
		return u.CacheWrite
	default:
		return u.Prompt()
	}
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// maxTree is how deep a decision tree may be.
const maxTree = 50

var errTree = errors.New("it is no decision tree like {\"test\":{\"field\":\"promptTokens\",\"operator\":\"GT\",\"value\":200000},\"ifTrue\":\"0.000006\",\"ifFalse\":\"0.000003\"}")

// ParseRate reads a decimal in a string or a number, or a decision tree of them, whose missing branches are the prompt's.
func ParseRate(text []byte) (Rate, error) { return parseRate(text, maxTree) }

func parseRate(text []byte, depth int) (Rate, error) {
	if trimmed := strings.TrimSpace(string(text)); !strings.HasPrefix(trimmed, "{") {
		amount, err := money.Parse(strings.Trim(trimmed, `"`))
		return Is(amount), err
	}
	var tree struct {
		Test *struct {
			Field    string
			Operator string
			Value    json.RawMessage
		}
		IfTrue, IfFalse json.RawMessage
	}
	if err := json.Unmarshal(text, &tree); err != nil || tree.Test == nil || depth == 0 {
		return Rate{}, errTree
	}
	t := &Test{field: tree.Test.Field, operator: tree.Test.Operator}
	value := strings.Trim(string(tree.Test.Value), `"`)
	switch t.field {
	case "serviceTier", "ttl":
		t.text = value
	case "cachedReadTokens", "cachedWriteTokens", "promptTokens":
		var err error
		if t.number, err = strconv.ParseInt(value, 10, 64); err != nil {
			return Rate{}, fmt.Errorf("the test of %s wants a whole number", t.field)
		}
	default:
		return Rate{}, fmt.Errorf("there is no field %.40q to test", t.field)
	}
	switch t.operator {
	case "EQ", "NE", "GT", "LT", "GE", "LE":
	default:
		return Rate{}, fmt.Errorf("there is no operator %.40q", t.operator)
	}
	for _, branch := range []struct {
		text json.RawMessage
		into *Rate
	}{{tree.IfTrue, &t.yes}, {tree.IfFalse, &t.no}} {
		if len(branch.text) == 0 || string(branch.text) == "null" {
			continue
		}
		var err error
		if *branch.into, err = parseRate(branch.text, depth-1); err != nil {
			return Rate{}, err
		}
	}
	return Rate{Stated: true, Test: t}, nil
}
