package gateway

import (
	"encoding/json"
	"strconv"
	"strings"
)

const (
	// maxSchemaDepth is how deep objects and arrays may be in each other in a schema. (OpenAI takes 10
	// levels of objects, of which each is two.)
	maxSchemaDepth = 100
	// maxSchemaParts is how many objects and arrays it may have, maxSchemaWeight the sum of their
	// depths: to compile a schema takes time by the square of the one, and by the other. (OpenAI takes
	// 5,000 properties.)
	maxSchemaParts  = 6_000
	maxSchemaWeight = 60_000
	// maxExponent is of a number: the schema library writes its digits out.
	maxExponent = 400
)

// weight is what a JSON value is to a library that is in no hurry.
type weight struct {
	depth, parts, sum int
	number            bool // one is larger or smaller than anybody's
}

func weigh(value any) (w weight) {
	w.add(value, 0)
	return w
}

func (w *weight) add(value any, depth int) {
	switch v := value.(type) {
	case map[string]any:
		w.container(depth)
		for _, member := range v {
			w.add(member, depth+1)
		}
	case []any:
		w.container(depth)
		for _, element := range v {
			w.add(element, depth+1)
		}
	case json.Number:
		if i := strings.IndexAny(string(v), "eE"); i >= 0 {
			exponent, err := strconv.Atoi(string(v[i+1:]))
			w.number = w.number || err != nil || max(exponent, -exponent) > maxExponent
		}
	}
}

func (w *weight) container(depth int) {
	w.depth = max(w.depth, depth)
	w.parts++
	w.sum += depth
}

// tooHeavy says why a schema would take too long to compile, "" when it does not.
func (w weight) tooHeavy() string {
	switch {
	case w.depth > maxSchemaDepth:
		return "is nested deeper than " + strconv.Itoa(maxSchemaDepth) + " objects and arrays"
	case w.parts > maxSchemaParts || w.sum > maxSchemaWeight:
		return "has too many parts: at most " + strconv.Itoa(maxSchemaParts) + " objects and arrays are accepted, fewer if they are nested deep"
	case w.number:
		return "holds a number with an exponent beyond " + strconv.Itoa(maxExponent)
	}
	return ""
}
