package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is the values.schema.json of our chart. It is immutable.
type Schema struct {
	compiled *jsonschema.Schema
	keys     keySet
}

// SchemaOf is the schema among the chart's files; nil when it has none.
func SchemaOf(chart fs.FS) (*Schema, error) {
	const name = "values.schema.json"
	data, err := fs.ReadFile(chart, "outcrop/"+name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	root, _ := doc.(map[string]any)
	return &Schema{compiled, schemaSet(root, root, 0)}, nil
}

// at is the key set at a path, as far as plain properties lead there; nil elsewhere, and without schema.
func (s *Schema) at(path []string) keySet {
	if s == nil {
		return open()
	}
	set := s.keys
	for _, step := range path {
		set = set[step]
	}
	return set
}

// schemaSet is the key set of a part of a schema; nil where it names no keys.
func schemaSet(root, at map[string]any, depth int) keySet {
	properties, _ := dereference(root, at)["properties"].(map[string]any)
	if len(properties) == 0 || depth > maxSchemaDepth {
		return open()
	}
	set := keySet{}
	for name, p := range properties {
		below, _ := p.(map[string]any)
		set[name] = schemaSet(root, below, depth+1)
	}
	return set
}

// maxSchemaDepth is more than values nest.
const maxSchemaDepth = 8

// dereference follows $ref inside the document.
func dereference(root, at map[string]any) map[string]any {
	for range 10 {
		ref, ok := at["$ref"].(string)
		if !ok {
			break
		}
		next := root
		for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
			next, _ = next[step].(map[string]any)
		}
		at = next
	}
	return at
}
