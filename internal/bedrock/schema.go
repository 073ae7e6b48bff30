package bedrock

import (
	"bytes"
	"slices"

	"outcrop/internal/jsonscan"
)

// member is one of a JSON object, as it was written.
type member struct {
	key   string
	value []byte
}

// members takes an object apart, in its order; nil if it is none.
func members(object []byte) []member {
	s := jsonscan.New(object)
	if s.Kind() != '{' {
		return nil
	}
	list := make([]member, 0, 8) // few schemas have more
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		list = append(list, member{key, s.Raw()})
	}
	return list
}

// first is the value of an object's first member with that key, or nil: what comes after it is not read.
func first(object []byte, key string) []byte {
	s := jsonscan.New(object)
	if s.Kind() != '{' {
		return nil
	}
	s.Object()
	for found, ok := s.Member(); ok; found, ok = s.Member() {
		if found == key {
			return s.Raw()
		}
		s.Skip()
	}
	return nil
}

// find is the value of a member, or nil.
func find(list []member, key string) []byte {
	for _, m := range list {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// definitions are those of a schema, by the references that lead to them.
func definitions(top []member) map[string][]byte {
	out := map[string][]byte{}
	for _, home := range [...]string{"$defs", "definitions"} {
		for _, m := range members(find(top, home)) {
			out["#/"+home+"/"+m.key] = m.value
		}
	}
	return out
}

// notArguments is said of a schema that argumentsSchema does not take.
const notArguments = "The arguments of a tool are an object: the schema's type must be object."

// argumentsSchema is a tool's schema with the type that Converse demands of it: "The value at
// toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object." OpenAI's APIs
// demand it too. kind is what its type is now, nil for none; ok is false for a schema of something else.
func argumentsSchema(schema, kind []byte) (out []byte, ok bool) {
	const typed = `{"type":"object"`
	switch {
	case len(schema) == 0:
		return []byte(emptySchema), true
	case string(kind) == `"object"`:
		return schema, true
	case kind != nil && (kind[0] != '[' || !bytes.Contains(kind, []byte(`"object"`))):
		return nil, false
	}
	out = append(make([]byte, 0, len(schema)+len(typed)+1), typed...)
	for _, m := range members(schema) {
		if m.key != "type" {
			out = append(jsonscan.AppendString(append(out, ','), m.key), ':')
			out = append(out, m.value...)
		}
	}
	return append(out, '}'), true
}

// grammarSchema makes a schema one that a model's decoding can be held to: every object is closed, and
// what a grammar cannot count is left out, so that the grammar allows at least what the schema allows
// and the reply can still be checked against the schema itself. ok is false for a schema that cannot
// be written so: an open object, objects that complete each other, a recursion, a reference to
// elsewhere, or what is too long.
// https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
func grammarSchema(schema []byte) (out []byte, ok bool) {
	top := members(schema)
	if top == nil || len(schema) > maxGrammar {
		return nil, false
	}
	g := grammar{defs: definitions(top)}
	out = g.schema(nil, schema, 0)
	return out, !g.refused
}

type grammar struct {
	defs    map[string][]byte
	refused bool
	open    []string        // references that are being followed
	good    map[string]bool // references that lead to an end
}

// maxGrammar is how long a schema may be, in bytes. Bedrock refuses grammars long before ("The compiled
// grammar is too large"), and every level of a schema is read again for those above it.
const maxGrammar = 256 << 10

// maxSchemaDepth is how deep a schema may nest.
const maxSchemaDepth = 64

// schema appends one schema.
func (g *grammar) schema(out, schema []byte, depth int) []byte {
	list := members(schema)
	if list == nil || depth > maxSchemaDepth { // true and false are schemas as well, which no grammar has
		g.refused = true
		return out
	}
	out = append(out, '{')
	start := len(out)
	object := g.object(list)
	for _, m := range list {
		before := len(out)
		if before > start {
			out = append(out, ',')
		}
		out = append(jsonscan.AppendString(out, keyword(m.key)), ':')
		written, keep := g.keyword(out, m, depth)
		if !keep {
			out = out[:before]
			continue
		}
		out = written
	}
	if object {
		if len(out) > start {
			out = append(out, ',')
		}
		out = append(out, `"additionalProperties":false`...)
	}
	return append(out, '}')
}

// object says whether a schema is one of objects, which must be closed. Closing refuses what the
// schema allows where it names no properties at all, or where others of its keywords add some.
func (g *grammar) object(list []member) bool {
	properties, kind := find(list, "properties"), find(list, "type")
	object := properties != nil || bytes.Contains(kind, []byte(`"object"`))
	if object && properties == nil && string(find(list, "additionalProperties")) != "false" {
		g.refused = true
	}
	combined := 0
	for _, m := range list {
		switch m.key {
		case "anyOf", "oneOf", "$ref":
			combined++
		case "allOf":
			if combined++; !single(m.value) {
				g.refused = true
			}
		}
	}
	if combined > 1 || combined > 0 && object {
		g.refused = true
	}
	return object
}

// single says whether a list has no more than one element.
func single(list []byte) bool {
	s := jsonscan.New(list)
	if s.Kind() != '[' {
		return false
	}
	n := 0
	for s.Array(); s.Element(); n++ {
		s.Skip()
	}
	return n <= 1
}

// keyword is oneOf's nearest: a grammar cannot exclude.
func keyword(key string) string {
	if key == "oneOf" {
		return "anyOf"
	}
	return key
}

// keyword appends a keyword's value, unless a grammar does without.
func (g *grammar) keyword(out []byte, m member, depth int) (written []byte, keep bool) {
	switch m.key {
	case "properties", "$defs", "definitions":
		return g.each(out, m.value, depth), true
	case "items":
		return g.schema(out, m.value, depth+1), true
	case "anyOf", "oneOf", "allOf":
		return g.list(out, m.value, depth), true
	case "$ref":
		g.follow(m.value, depth)
		return append(out, m.value...), true
	case "additionalProperties":
		if string(m.value) != "false" {
			g.refused = true
		}
		return out, false
	case "patternProperties", "prefixItems", "unevaluatedProperties", "$dynamicRef":
		g.refused = true
		return out, false
	case "minItems":
		return append(out, m.value...), string(m.value) == "0" || string(m.value) == "1"
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxItems", "uniqueItems",
		"minProperties", "maxProperties", "propertyNames", "contains", "minContains", "maxContains", "unevaluatedItems",
		"not", "if", "then", "else", "dependentRequired", "dependentSchemas", "$schema", "$id", "$comment", "examples":
		return out, false
	default:
		return append(out, m.value...), true
	}
}

// each appends an object whose values are schemas.
func (g *grammar) each(out, object []byte, depth int) []byte {
	out = append(out, '{')
	for i, m := range members(object) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(jsonscan.AppendString(out, m.key), ':')
		out = g.schema(out, m.value, depth+1)
	}
	return append(out, '}')
}

// list appends a list of schemas.
func (g *grammar) list(out, list []byte, depth int) []byte {
	s := jsonscan.New(list)
	if s.Kind() != '[' {
		g.refused = true
		return out
	}
	out = append(out, '[')
	s.Array()
	for first := true; s.Element(); first = false {
		if !first {
			out = append(out, ',')
		}
		out = g.schema(out, s.Raw(), depth+1)
	}
	return append(out, ']')
}

// follow refuses a reference that leads elsewhere or back to itself.
func (g *grammar) follow(ref []byte, depth int) {
	s := jsonscan.New(ref)
	name := s.String()
	if g.good[name] {
		return
	}
	definition := g.defs[name]
	if slices.Contains(g.open, name) {
		definition = nil
	}
	if definition == nil || len(g.open) > maxSchemaDepth || g.refused {
		g.refused = true
		return
	}
	g.open = append(g.open, name)
	g.schema(nil, definition, depth+1)
	g.open = g.open[:len(g.open)-1]
	if g.good == nil {
		g.good = map[string]bool{}
	}
	g.good[name] = true
}
