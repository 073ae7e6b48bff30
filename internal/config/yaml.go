package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxYAMLNodes bounds what aliases may blow a file up to; a real configuration
// of five thousand models stays below it.
const maxYAMLNodes = 1 << 20

// parseYAML reads one YAML document into nodes. Aliases and merge keys are
// resolved; an aliased value keeps the position of its anchor.
func parseYAML(file string, data []byte) (*node, *syntaxError) {
	start := pos{file, 1, 1}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, &syntaxError{start, "the file is empty", "an empty configuration is {}"}
	case err != nil:
		return nil, yamlSyntax(file, data)
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, &syntaxError{pos{file, second.Line, second.Column}, "a second YAML document", "give each document a file of its own: files are merged in order"}
	case !errors.Is(err, io.EOF):
		return nil, yamlSyntax(file, data)
	}
	r := &yamlReader{file: file, left: maxYAMLNodes, open: map[*yaml.Node]bool{}}
	return r.value(doc.Content[0])
}

type yamlReader struct {
	file string
	left int
	open map[*yaml.Node]bool // anchors being resolved
}

func (r *yamlReader) fail(n *yaml.Node, message, remedy string) *syntaxError {
	return &syntaxError{pos{r.file, n.Line, n.Column}, message, remedy}
}

func (r *yamlReader) value(y *yaml.Node) (*node, *syntaxError) {
	r.left--
	if r.left < 0 {
		return nil, r.fail(y, fmt.Sprintf("more than %d values", maxYAMLNodes), "do the aliases multiply?")
	}
	n := &node{pos: pos{r.file, y.Line, y.Column}}
	switch y.Kind {
	case yaml.AliasNode:
		return r.alias(y)
	case yaml.MappingNode:
		n.kind = object
		return n, r.mapping(y, n)
	case yaml.SequenceNode:
		n.kind = list
		for _, c := range y.Content {
			item, err := r.value(c)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		return n, nil
	default:
		return n, r.scalar(y, n)
	}
}

func (r *yamlReader) alias(y *yaml.Node) (*node, *syntaxError) {
	if r.open[y.Alias] {
		return nil, r.fail(y, "an alias inside its own anchor", "")
	}
	r.open[y.Alias] = true
	defer delete(r.open, y.Alias)
	return r.value(y.Alias)
}

func (r *yamlReader) mapping(y *yaml.Node, n *node) *syntaxError {
	var merged []member
	for i := 0; i+1 < len(y.Content); i += 2 {
		name, value := y.Content[i], y.Content[i+1]
		v, err := r.value(value)
		if err != nil {
			return err
		}
		if name.ShortTag() == "!!merge" {
			more, err := r.merged(value, v)
			if err != nil {
				return err
			}
			merged = append(merged, more...)
			continue
		}
		if name.Kind != yaml.ScalarNode {
			return r.fail(name, "a name must be a string", "")
		}
		n.members = append(n.members, member{pos: pos{r.file, name.Line, name.Column}, name: name.Value, value: v})
	}
	for _, m := range merged {
		if n.get(m.name) == nil {
			n.members = append(n.members, m)
		}
	}
	return nil
}

// merged is what a merge key (<<) brings: one mapping, or a list of them.
func (r *yamlReader) merged(y *yaml.Node, v *node) ([]member, *syntaxError) {
	switch v.kind {
	case object:
		return v.members, nil
	case list:
		var all []member
		for _, item := range v.items {
			if item.kind != object {
				return nil, r.fail(y, "a merge key (<<) needs a mapping, or a list of mappings", "")
			}
			all = append(all, item.members...)
		}
		return all, nil
	}
	return nil, r.fail(y, "a merge key (<<) needs a mapping, or a list of mappings", "")
}

func (r *yamlReader) scalar(y *yaml.Node, n *node) *syntaxError {
	n.plain = y.Style == 0
	n.text = y.Value
	switch y.ShortTag() {
	case "!!null":
		n.kind = null
	case "!!bool":
		n.kind = boolean
		n.text = strings.ToLower(y.Value)
		if n.text != "true" && n.text != "false" {
			return r.fail(y, "a boolean is true or false", "")
		}
	case "!!int", "!!float":
		n.kind = number
		return r.number(y, n)
	case "!!str", "!!timestamp":
		n.kind = text
	default:
		return r.fail(y, "a YAML tag that a configuration has no use for", "write a plain value")
	}
	return nil
}

// number writes YAML's forms of a number (0x1F, 1_000, .5) as JSON's.
func (r *yamlReader) number(y *yaml.Node, n *node) *syntaxError {
	if json.Valid([]byte(y.Value)) && strings.IndexAny(y.Value, "-0123456789") == 0 {
		return nil
	}
	var whole int64
	n.changed = true
	digits := strings.TrimLeft(y.Value, "+-")
	n.octal = len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0123456789_") == ""
	if y.ShortTag() == "!!int" && y.Decode(&whole) == nil { // it would cut a fraction off
		n.text = strconv.FormatInt(whole, 10)
		return nil
	}
	var f float64
	if y.Decode(&f) != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return r.fail(y, "a number that JSON cannot hold", "write a decimal number")
	}
	n.text = strconv.FormatFloat(f, 'g', -1, 64)
	return nil
}
