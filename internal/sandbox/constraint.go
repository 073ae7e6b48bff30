package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxViolations bounds the text of a refusal: a body of 25 MB has room for a
// million wrong members.
const maxViolations = 100

// checkConstraints compares a body with the service model. A value of the wrong
// JSON type is a SerializationException, as the framework decodes before it
// validates; whatever else is wrong is listed in one ValidationException.
func checkConstraints(s *shape, body any) *apiError {
	var k checker
	k.check(s, body)
	return k.verdict()
}

// verdict words what was found; nil when nothing was.
func (k *checker) verdict() *apiError {
	if k.undecodable != "" {
		return undecodable(k.undecodable)
	}
	if len(k.found) == 0 {
		return nil
	}
	plural := "s"
	if len(k.found) == 1 {
		plural = ""
	}
	return invalid("%d validation error%s detected: %s", len(k.found), plural, strings.Join(k.found, "; "))
}

const notAJSONObject = "The request body is not a JSON object."

// undecodable is the framework's refusal of JSON that does not fit the model.
func undecodable(text string) *apiError {
	return &apiError{Status: 400, Type: "SerializationException", Message: text, Namespace: authNamespace}
}

// checker walks a body along its shape.
type checker struct {
	path        []segment
	found       []string // violations, in the order of the service model
	undecodable string   // first value of a wrong JSON type
	hidden      int      // > 0 inside a shape whose values must not be repeated
}

// segment is a member's or map entry's name, or the index of a list element.
type segment struct {
	name  string
	index int // from 1; 0 when name counts
}

// where writes the path as AWS does: messages.2.member.content.1.member.text.
func (k *checker) where() string {
	var b strings.Builder
	for i, s := range k.path {
		if i > 0 {
			b.WriteByte('.')
		}
		if s.index == 0 {
			b.WriteString(s.name)
			continue
		}
		b.WriteString(strconv.Itoa(s.index))
		b.WriteString(".member")
	}
	return b.String()
}

// violate reports a failed constraint; value is nil for lists, maps and blobs,
// which AWS does not repeat.
func (k *checker) violate(value *string, constraint string) {
	if len(k.found) == maxViolations {
		return
	}
	shown := "Value"
	if value != nil && k.hidden == 0 {
		shown = "Value '" + *value + "'"
	}
	k.found = append(k.found, fmt.Sprintf("%s at '%s' failed to satisfy constraint: %s", shown, k.where(), constraint))
}

func (k *checker) mismatch(text string) {
	if k.undecodable == "" {
		k.undecodable = text
	}
}

// under checks a value one step further down.
func (k *checker) under(step segment, s *shape, v any) {
	k.path = append(k.path, step)
	k.check(s, v)
	k.path = k.path[:len(k.path)-1]
}

// element checks an entry of a list or a map, which unlike a member must not be
// null.
func (k *checker) element(step segment, s *shape, v any) {
	if v != nil || s.document {
		k.under(step, s, v)
		return
	}
	k.path = append(k.path, step)
	k.violate(nil, "Member must not be null")
	k.path = k.path[:len(k.path)-1]
}

// check walks into v. The depth is that of the service model, which has no
// cycles; documents are not entered.
func (k *checker) check(s *shape, v any) {
	if v == nil || s.document {
		return
	}
	if s.hidden {
		k.hidden++
		defer func() { k.hidden-- }()
	}
	switch s.kind {
	case "structure":
		k.structure(s, v)
	case "list":
		k.list(s, v)
	case "map":
		k.mapping(s, v)
	case "string":
		k.text(s, v)
	case "blob":
		k.blob(s, v)
	case "integer", "float":
		k.number(s, v)
	case "boolean":
		if _, ok := v.(bool); !ok {
			k.mismatch(scalarMismatch(v, "a Boolean"))
		}
	}
}

func (k *checker) structure(s *shape, v any) {
	fields, ok := v.(map[string]any)
	if !ok {
		k.mismatch(aggregateMismatch(v, "Expected null"))
		return
	}
	set := 0
	for _, m := range s.members {
		value := fields[m.name]
		if value != nil {
			set++
			k.under(segment{name: m.name}, m.shape, value)
			continue
		}
		if m.required {
			k.path = append(k.path, segment{name: m.name})
			k.violate(nil, "Member must not be null")
			k.path = k.path[:len(k.path)-1]
		}
	}
	if s.union && set != 1 {
		// AWS's own words for this are not known (case k19)
		k.violate(nil, fmt.Sprintf("Union must have exactly one member set, found %d", set))
	}
}

func (k *checker) list(s *shape, v any) {
	items, ok := v.([]any)
	if !ok {
		k.mismatch(aggregateMismatch(v, "Expected list or null"))
		return
	}
	k.size(s, len(items), nil)
	for i, item := range items {
		k.element(segment{index: i + 1}, s.elem, item)
	}
}

func (k *checker) mapping(s *shape, v any) {
	entries, ok := v.(map[string]any)
	if !ok {
		k.mismatch(aggregateMismatch(v, "Expected null"))
		return
	}
	k.size(s, len(entries), nil)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		k.path = append(k.path, segment{name: name})
		k.under(segment{name: "key"}, s.key, name)
		k.element(segment{name: "value"}, s.value, entries[name])
		k.path = k.path[:len(k.path)-1]
	}
}

// text checks pattern before length, in the order of case k04.
func (k *checker) text(s *shape, v any) {
	value, ok := v.(string)
	if !ok {
		k.mismatch(scalarMismatch(v, "a String"))
		return
	}
	if s.enum != nil && !slices.Contains(s.enum, value) && !slices.Contains(s.also, value) {
		k.violate(&value, "Member must satisfy enum value set: ["+strings.Join(s.enum, ", ")+"]")
	}
	if s.pattern != nil && !s.pattern.MatchString(value) {
		k.violate(&value, "Member must satisfy regular expression pattern: "+s.source)
	}
	if s.min != nil || s.max != nil {
		k.size(s, utf8.RuneCountInString(value), &value)
	}
}

func (k *checker) blob(s *shape, v any) {
	value, ok := v.(string)
	if !ok {
		k.mismatch(scalarMismatch(v, "a Blob"))
		return
	}
	size, ok := base64Size(value)
	if !ok {
		k.mismatch("The value at " + k.where() + " is not base64")
		return
	}
	k.size(s, size, nil)
}

// size checks the length of texts, lists, maps and blobs.
func (k *checker) size(s *shape, n int, value *string) {
	if s.min != nil && float64(n) < *s.min {
		k.violate(value, fmt.Sprintf("Member must have length greater than or equal to %d", int64(*s.min)))
	}
	if s.max != nil && float64(n) > *s.max {
		k.violate(value, fmt.Sprintf("Member must have length less than or equal to %d", int64(*s.max)))
	}
}

func (k *checker) number(s *shape, v any) {
	literal, ok := v.(json.Number)
	if !ok {
		kind := "an Integer"
		if s.kind == "float" {
			kind = "a Float"
		}
		k.mismatch(scalarMismatch(v, kind))
		return
	}
	n := number(literal)
	shown := showNumber(s.kind, n)
	if s.min != nil && n < *s.min {
		k.violate(&shown, fmt.Sprintf("Member must have value greater than or equal to %d", int64(*s.min)))
	}
	if s.max != nil && n > *s.max {
		k.violate(&shown, fmt.Sprintf("Member must have value less than or equal to %d", int64(*s.max)))
	}
}

// showNumber prints as the service does: integers without, floats always with a
// fraction. A fraction given for an integer is cut off, not refused.
func showNumber(kind string, n float64) string {
	if kind == "integer" {
		return strconv.FormatFloat(math.Trunc(n), 'f', 0, 64)
	}
	out := strconv.FormatFloat(n, 'f', -1, 32)
	if !strings.ContainsAny(out, ".IN") {
		out += ".0"
	}
	return out
}

// scalarMismatch words a value of the wrong JSON type where a scalar belongs, as
// the framework of AWS's JSON services does.
func scalarMismatch(v any, want string) string {
	switch v := v.(type) {
	case string:
		return "STRING_VALUE can not be converted to " + want
	case json.Number:
		return "NUMBER_VALUE can not be converted to " + want
	case bool:
		return strings.ToUpper(strconv.FormatBool(v)) + "_VALUE can not be converted to " + want
	case []any:
		return "Start of list found where not expected"
	default:
		return "Start of structure or map found where not expected."
	}
}

// aggregateMismatch does so where a structure, map or list belongs; scalar words
// a scalar in its place.
func aggregateMismatch(v any, scalar string) string {
	switch v.(type) {
	case []any:
		return "Start of list found where not expected"
	case map[string]any:
		return "Start of structure or map found where not expected."
	default:
		return scalar
	}
}
