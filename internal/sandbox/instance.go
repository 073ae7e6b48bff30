package sandbox

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// instance makes a small value that fits a JSON schema: required properties
// only, the first of an enum, one item per array, strings from the subject.
type instance struct {
	root    map[string]any // for $ref
	subject string         // what strings say
	name    string         // of the property, for strings without a subject
	nodes   int            // values that may still be made
	left    *int           // bytes that all values of one answer may still take
}

// A schema of a few hundred bytes can describe more than a machine holds, by
// references to itself or by nested minItems. Past these bounds it gets empty
// values.
const (
	maxSchemaDepth   = 12
	maxInstanceNodes = 1_000
	maxInstanceBytes = 1 << 20 // of all tool calls of one answer together
	maxStringLength  = 10_000  // characters, whatever minLength asks for
)

// instantiate makes a value for a schema; left is what it may still weigh.
func instantiate(schema map[string]any, about string, left *int) any {
	in := instance{root: schema, subject: about, nodes: maxInstanceNodes, left: left}
	return in.of(schema, 0)
}

// spend takes one value of so many bytes out of the budgets; false when they are
// used up.
func (in *instance) spend(bytes int) bool {
	in.nodes--
	*in.left -= bytes + 1
	return in.nodes >= 0 && *in.left >= 0
}

// of makes the value for one schema.
func (in *instance) of(schema map[string]any, depth int) any {
	if depth > maxSchemaDepth {
		return nil
	}
	if fixed := fixedValue(schema); fixed != nil {
		if !in.spend(jsonLength(fixed)) {
			return nil
		}
		return fixed
	}
	if ref := text(schema["$ref"]); ref != "" && in.spend(len(ref)) {
		return in.of(in.resolve(ref), depth+1)
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		if option := object(first(schema[key])); option != nil {
			return in.of(option, depth+1)
		}
	}
	if all := array(schema["allOf"]); len(all) > 0 && in.spend(weight(schema, all)) {
		return in.of(merge(schema, all), depth+1)
	}
	switch schemaType(schema) {
	case "object":
		return in.object(schema, depth)
	case "array":
		return in.array(schema, depth)
	case "integer", "number":
		if n := smallest(schema); in.spend(len(n)) {
			return n
		}
		return json.Number("0")
	case "boolean":
		in.spend(len("true"))
		return true
	case "null":
		in.spend(len("null"))
		return nil
	}
	return in.string(schema)
}

// fixedValue is a value that the schema itself offers, nil for none.
func fixedValue(schema map[string]any) any {
	for _, v := range []any{schema["const"], first(schema["enum"]), schema["default"], first(schema["examples"])} {
		if v != nil {
			return v
		}
	}
	return nil
}

func (in *instance) object(schema map[string]any, depth int) map[string]any {
	out := map[string]any{}
	properties := object(schema["properties"])
	for _, r := range array(schema["required"]) {
		name := text(r)
		if !in.spend(len(name)) {
			break
		}
		in.name = name
		out[name] = in.of(object(properties[name]), depth+1)
	}
	return out
}

func (in *instance) array(schema map[string]any, depth int) []any {
	out := make([]any, 0, 1)
	for range int(min(max(1, number(schema["minItems"])), 100)) {
		if !in.spend(len("[]")) {
			break
		}
		out = append(out, in.of(object(schema["items"]), depth+1))
	}
	return out
}

// string is the subject, or a well-known value of a format, as long as the
// schema wants it.
func (in *instance) string(schema map[string]any) string {
	s := in.subject
	switch schema["format"] {
	case "date":
		s = "2026-01-31"
	case "date-time":
		s = "2026-01-31T12:00:00Z"
	case "time":
		s = "12:00:00Z"
	case "email":
		s = "sandbox@example.com"
	case "uri", "url":
		s = "https://example.com/"
	case "uuid":
		s = "6f1c0e1a-7d1b-4f5e-9c57-0d4a3b2c1e00"
	}
	if s == "" {
		s = in.name
	}
	if n := int(min(number(schema["minLength"]), maxStringLength)); utf8.RuneCountInString(s) < n {
		s += strings.Repeat("x", n-utf8.RuneCountInString(s))
	}
	if n := int(number(schema["maxLength"])); n > 0 && utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:n])
	}
	if !in.spend(len(s)) {
		return ""
	}
	return s
}

// resolve follows a reference inside the schema, such as #/$defs/city.
func (in *instance) resolve(ref string) map[string]any {
	at := in.root
	path, local := strings.CutPrefix(ref, "#")
	if !local {
		return nil
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if step != "" && at != nil {
			at = object(at[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)])
		}
	}
	return at
}

func first(v any) any {
	if l := array(v); len(l) > 0 {
		return l[0]
	}
	return nil
}

// merge lays the parts of allOf over the schema that holds them.
func merge(schema map[string]any, all []any) map[string]any {
	out, properties, required := map[string]any{}, map[string]any{}, []any(nil)
	for _, part := range append([]any{schema}, all...) {
		for k, v := range object(part) {
			switch k {
			case "allOf":
			case "properties":
				for name, p := range object(v) {
					properties[name] = p
				}
			case "required":
				required = append(required, array(v)...)
			default:
				out[k] = v
			}
		}
	}
	if len(properties) > 0 {
		out["properties"], out["required"] = properties, required
	}
	return out
}

// weight is how much merge has to lay together.
func weight(schema map[string]any, all []any) int {
	n := 0
	for _, part := range append([]any{schema}, all...) {
		n += 8 * (1 + len(object(part)) + len(object(dig(part, "properties"))) + len(array(dig(part, "required"))))
	}
	return n
}

// schemaType is the type a schema names or implies; of several, the first that
// is not null.
func schemaType(schema map[string]any) string {
	for _, t := range array(schema["type"]) {
		if t != "null" {
			return text(t)
		}
	}
	switch {
	case text(schema["type"]) != "":
		return text(schema["type"])
	case schema["properties"] != nil:
		return "object"
	case schema["items"] != nil:
		return "array"
	}
	return "string"
}

// smallest is 1, moved into the schema's bounds.
func smallest(schema map[string]any) json.Number {
	if low, ok := schema["minimum"].(json.Number); ok {
		if f, err := low.Float64(); err == nil && f > 1 {
			return low
		}
	}
	if high, ok := schema["maximum"].(json.Number); ok {
		if f, err := high.Float64(); err == nil && f < 1 {
			return high
		}
	}
	return json.Number("1")
}

// subject is what a text is about: its last capitalised words that do not begin
// a sentence ("Paris" in "What is the weather in Paris?"), else the whole text.
func subject(s string) string {
	var best, run []string
	start := true
	for w := range strings.FieldsSeq(s) {
		word := strings.TrimFunc(w, unicode.IsPunct)
		r, _ := utf8.DecodeRuneInString(word)
		if unicode.IsUpper(r) && !start && word != "I" {
			run = append(run, word)
			best = run
		} else {
			run = nil
		}
		if strings.ContainsAny(w, ",;") {
			run = nil
		}
		start = strings.ContainsAny(w, ".!?:")
	}
	if len(best) == 0 {
		return clip(s, 200)
	}
	return clip(strings.Join(best, " "), 200)
}

// clip shortens a text to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
