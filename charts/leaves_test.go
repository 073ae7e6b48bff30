//go:build helm

package charts_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// change is how a value is shown to have an effect: the variant and more values it is tried with, and what
// it is set to. Where nothing is said, the variant everything and another value of its type do.
type change struct {
	variant string
	with    string // YAML, beside the variant
	to      string // YAML, of the value
}

// Every value of the schema changes what is rendered, or it has no business there.
func TestEveryValueHasAnEffect(t *testing.T) {
	changes, seen, known := changes(), map[string]bool{}, new(rendered)
	leaves(schemaDocument(t), "", func(path string, schema object) {
		seen[path] = true
		if slices.Contains(withoutEffect(), path) {
			return
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			known.try(t, path, schema, changes[path])
		})
	})
	for path := range changes {
		if !seen[path] {
			t.Errorf("%s is not in the schema", path)
		}
	}
}

// rendered are the renderings of values that many are compared with.
type rendered struct{ byValues sync.Map }

func (r *rendered) of(t *testing.T, values string) (string, error) {
	t.Helper()
	// The first of them renders, in a test that the others do not outlive.
	once, _ := r.byValues.LoadOrStore(values, sync.OnceValues(func() (string, error) { return template(t, chart, values) }))
	return once.(func() (string, error))()
}

func (r *rendered) try(t *testing.T, path string, schema object, c change) {
	t.Helper()
	if c.variant == "" {
		c.variant = "everything"
	}
	values := parse(t, variant(t, c.variant))
	merge(values, parse(t, c.with))
	before := marshal(t, values)
	to := any(nil)
	if c.to != "" {
		if err := yaml.Unmarshal([]byte(c.to), &to); err != nil {
			t.Fatal(err)
		}
	} else {
		to = another(t, schema, at(merged(t, values), path))
	}
	names := strings.Split(path, ".")
	for _, name := range slices.Backward(names) {
		to = object{name: to}
	}
	merge(values, to.(object))
	first, err := r.of(t, before)
	if err != nil {
		t.Fatalf("before: %v", err)
	}
	second, err := template(t, chart, marshal(t, values))
	if err != nil {
		t.Fatalf("after: %v", err)
	}
	if first == second {
		t.Errorf("%s changes nothing:\n%s", path, marshal(t, to))
	}
}

// merged is values.yaml under other values.
func merged(t *testing.T, other object) object {
	t.Helper()
	all := values(t)
	merge(all, other)
	return all
}

// leaves are the values of a schema that are not sections.
func leaves(schema object, path string, visit func(string, object)) {
	properties, _ := schema["properties"].(object)
	if len(properties) == 0 {
		visit(strings.TrimPrefix(path, "."), schema)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		leaves(properties[name].(object), path+"."+name, visit)
	}
}

// another value of the type than the one that is there.
func another(t *testing.T, schema object, is any) any {
	t.Helper()
	if enum, ok := schema["enum"].([]any); ok {
		for _, value := range enum {
			if value != is && value != "" {
				return value
			}
		}
	}
	if types, ok := schema["type"].([]any); ok {
		schema = object{"type": types[0]}
	}
	if schema["anyOf"] != nil {
		return 1234
	}
	switch schema["type"] {
	case "boolean":
		on, _ := is.(bool)
		return !on
	case "integer":
		n, _ := is.(int)
		return n + 1
	case "string":
		text, _ := is.(string)
		return text + "x"
	case "object":
		return object{"another": "value"}
	case "array":
		if schema["items"].(object)["type"] == "object" {
			return []any{object{"another": "value"}}
		}
		return []any{"another"}
	}
	t.Fatalf("no other value of %v: add a row to changes", schema)
	return nil
}

func parse(t *testing.T, text string) object {
	t.Helper()
	o := object{}
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func merge(into, from object) {
	for name, value := range from {
		below, ok := into[name].(object)
		if more, is := value.(object); ok && is {
			merge(below, more)
			continue
		}
		into[name] = value
	}
}
