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
}

// maxSchemaDepth ends schemas that refer to themselves.
const maxSchemaDepth = 12

// of makes the value for one schema. name is the property it is for.
func (in instance) of(schema map[string]any, name string, depth int) any {
	if depth > maxSchemaDepth {
		return nil
	}
	for _, fixed := range []any{schema["const"], first(schema["enum"]), schema["default"], first(schema["examples"])} {
		if fixed != nil {
			return fixed
		}
	}
	if ref := text(schema["$ref"]); ref != "" {
		return in.of(in.resolve(ref), name, depth+1)
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		if option := object(first(schema[key])); option != nil {
			return in.of(option, name, depth+1)
		}
	}
	if all := array(schema["allOf"]); len(all) > 0 {
		return in.of(merge(schema, all), name, depth+1)
	}
	switch schemaType(schema) {
	case "object":
		return in.object(schema, depth)
	case "array":
		return in.array(schema, name, depth)
	case "integer", "number":
		return smallest(schema)
	case "boolean":
		return true
	case "null":
		return nil
	}
	return in.string(schema, name)
}

func (in instance) object(schema map[string]any, depth int) map[string]any {
	out := map[string]any{}
	properties := object(schema["properties"])
	for _, r := range array(schema["required"]) {
		name := text(r)
		out[name] = in.of(object(properties[name]), name, depth+1)
	}
	return out
}

func (in instance) array(schema map[string]any, name string, depth int) []any {
	out := make([]any, 0, 1)
	for range min(max(1, int(number(schema["minItems"]))), 100) {
		out = append(out, in.of(object(schema["items"]), name, depth+1))
	}
	return out
}

// string is the subject, or a well-known value of a format, as long as the
// schema wants it.
func (in instance) string(schema map[string]any, name string) string {
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
		s = name
	}
	if n := int(number(schema["minLength"])); utf8.RuneCountInString(s) < n {
		s += strings.Repeat("x", min(n, 10_000)-utf8.RuneCountInString(s))
	}
	if n := int(number(schema["maxLength"])); n > 0 && utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:n])
	}
	return s
}

// resolve follows a reference inside the schema, such as #/$defs/city.
func (in instance) resolve(ref string) map[string]any {
	at := in.root
	path, local := strings.CutPrefix(ref, "#")
	if !local {
		return nil
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if step != "" {
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
func smallest(schema map[string]any) any {
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
	return strings.Join(best, " ")
}

// clip shortens a text to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
