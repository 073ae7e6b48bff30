package bedrock

import (
	"bytes"

	"outcrop/internal/jsonscan"
)

// planNova asks a Nova 2 to reason. At high effort it must set the length and the sampling of its
// reply itself.
// https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
func (c *converse) planNova(w wish) {
	if w.effort == effortNone {
		c.extra.add("reasoningConfig", []byte(`{"type":"disabled"}`))
		return
	}
	effort := c.within(w, effortLow, effortHigh)
	c.thinking.on, c.thinking.unbounded = true, effort == effortHigh
	c.extra.add("reasoningConfig", []byte(`{"type":"enabled","maxReasoningEffort":"`+effort+`"}`))
}

// How deep references of a schema are followed, and how many bytes are read on the way: definitions
// that use each other twice grow with every step.
const (
	maxInline      = 8
	maxInlineBytes = 4 << 20
)

// novaSchema writes a tool's schema with what Nova takes at its top level: type, properties and
// required. References to definitions of the top level are put in their place. lost is true when a
// keyword that bounds the arguments is left out. The members are those of its top, of which the type alone may be missing.
func novaSchema(schema []byte, top []member) (out []byte, lost bool) {
	var in inliner
	plain := true // there is nothing to rewrite
	var properties, required []byte
	for _, m := range top {
		switch m.key {
		case "properties":
			properties = m.value
		case "required":
			required = m.value
		case "type":
		case "$defs", "definitions", "$schema", "$id", "$comment", "title", "description", "default", "examples":
			plain = false // definitions go where they are used; the rest bounds nothing
		default:
			plain, lost = false, true
		}
	}
	refers := bytes.Contains(properties, []byte("$ref")) // whose first byte is rare, and a quote is not
	if plain && !refers && properties != nil {
		return schema, false
	}
	if properties == nil {
		properties = []byte("{}")
	}
	if refers {
		in.defs = definitions(top)
		properties = in.value(properties, 0)
	}
	out = append(append(out, `{"type":"object","properties":`...), properties...)
	if required != nil {
		out = append(append(out, `,"required":`...), required...)
	}
	return append(out, '}'), lost || in.lost
}

// inliner replaces references by what they refer to.
type inliner struct {
	defs map[string][]byte
	read int
	lost bool
}

// value replaces {"$ref":"#/$defs/x"} anywhere in a value by the definition. One that is not found, or
// lies too deep because it contains itself, becomes a schema that allows everything.
func (in *inliner) value(value []byte, depth int) []byte {
	if in.read += len(value); in.read > maxInlineBytes {
		in.lost = true
		return []byte("{}")
	}
	s := jsonscan.New(value)
	switch s.Kind() {
	case '{':
		return in.object(members(value), depth)
	case '[':
		out := []byte{'['}
		s.Array()
		for first := true; s.Element(); first = false {
			if !first {
				out = append(out, ',')
			}
			out = append(out, in.value(s.Raw(), depth)...)
		}
		return append(out, ']')
	default:
		return value
	}
}

func (in *inliner) object(list []member, depth int) []byte {
	if ref := find(list, "$ref"); ref != nil {
		s := jsonscan.New(ref)
		definition := in.defs[s.String()]
		if definition == nil || depth >= maxInline {
			in.lost = true
			return []byte("{}")
		}
		return in.value(definition, depth+1)
	}
	out := []byte{'{'}
	for i, m := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(jsonscan.AppendString(out, m.key), ':')
		out = append(out, in.value(m.value, depth)...)
	}
	return append(out, '}')
}
