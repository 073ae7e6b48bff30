package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	schemakind "github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// ours checks the values of our own chart.
func (l *linter) ours(root *node) error {
	if err := l.schema(root); err != nil {
		return err
	}
	l.ownSections(root)
	l.component(component{alias: "outcrop", node: root, at: root.start(), bedrock: true, ours: true})
	aws := root.get("aws")
	for _, name := range []string{"roleArn", "assumeRoleArn"} {
		if n := aws.get(name); n.text() != "" {
			l.role(n, "aws."+name)
		}
	}
	if n := root.find("configuration", "files"); n != nil {
		for _, m := range n.members {
			l.ownConfiguration(join("configuration.files", m.name), m)
		}
	}
	return nil
}

// ownSections looks for what the chart itself would stop at: no mode, and sections that are null.
func (l *linter) ownSections(root *node) {
	if mode := root.get("mode"); mode.text() == "" {
		l.at(root.start(), Error, nullPart, "mode", "there is no mode, and the chart has no default", "write `mode: adapter` (behind a DIAL Core) or `mode: gateway` (answers clients itself)")
	}
	var schema any
	if json.Unmarshal(l.Schema, &schema) != nil {
		return
	}
	for _, m := range root.members {
		if m.value.kind == null && len(schemaKeys(schema, []string{m.name})) > 0 {
			l.at(m.at, Error, nullPart, m.name, "the section is null, so that Helm drops the chart's defaults for it", "indent its lines by two more than the section, or delete this line")
		}
	}
}

// start is where the mapping begins, if it stands in a file.
func (n *node) start() place {
	if len(n.members) > 0 {
		return n.members[0].at
	}
	return n.at
}

// ownConfiguration checks a file of the ConfigMap, which holds no secrets.
func (l *linter) ownConfiguration(path string, m member) {
	if m.value.kind != text || isDynamic(m.value.value) {
		return
	}
	doc := yamlOrJSON([]byte(m.value.value))
	if strings.HasSuffix(m.name, ".json") {
		doc = l.document(m.value, path)
	} else if doc != nil {
		doc.relocate(m.value)
	}
	if doc == nil {
		return
	}
	l.configuration(doc, path)
	if keys := doc.member("keys"); keys != nil && !keys.value.empty() {
		l.at(keys.at, Error, secretInValues, path, "the names under keys are the keys of clients, and a ConfigMap is no place for them", "keep this file in a Secret (kubectl create secret generic outcrop-config --from-file="+m.name+") and write `configuration.existingSecret: outcrop-config`")
	}
}

// schema validates against values.schema.json, with the places of the file.
func (l *linter) schema(root *node) error {
	if l.Schema == nil {
		return nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(l.Schema))
	if err != nil {
		return fmt.Errorf("values.schema.json: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("values.schema.json", doc); err != nil {
		return fmt.Errorf("values.schema.json: %w", err)
	}
	schema, err := c.Compile("values.schema.json")
	if err != nil {
		return fmt.Errorf("values.schema.json: %w", err)
	}
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](schema.Validate(root.withoutNull().plain())); ok {
		l.violations(root, doc, invalid)
	}
	return nil
}

// withoutNull is the tree without keys that are null: Helm deletes them before it asks the schema.
func (n *node) withoutNull() *node {
	out := *n
	out.members = nil
	for _, m := range n.members {
		if m.value.kind != null {
			out.members = append(out.members, member{m.name, m.at, m.value.withoutNull()})
		}
	}
	return &out
}

// violations reports the innermost errors.
func (l *linter) violations(root *node, schema any, v *jsonschema.ValidationError) {
	if len(v.Causes) > 0 {
		for _, c := range v.Causes {
			l.violations(root, schema, c)
		}
		return
	}
	at, path := locate(root, v.InstanceLocation)
	extra, ok := v.ErrorKind.(*schemakind.AdditionalProperties)
	if !ok {
		if slices.Contains([]string{"env", "secrets"}, strings.SplitN(path, ".", 2)[0]) {
			return // the check of the variables says it better
		}
		l.at(at.at, Error, wrongType, path, schemaText(v), "")
		return
	}
	for _, name := range extra.Properties {
		key := at.member(name)
		if key == nil {
			continue
		}
		l.unknown(*key, join(path, name), path, schemaKeys(schema, v.InstanceLocation))
	}
}

// schemaText is the library's sentence, without the value.
func schemaText(v *jsonschema.ValidationError) string {
	switch k := v.ErrorKind.(type) {
	case *schemakind.Type:
		return fmt.Sprintf("this is of type %s, and the chart wants %s", k.Got, strings.Join(k.Want, " or "))
	case *schemakind.Enum:
		var names []string
		for _, w := range k.Want {
			if w != "" {
				names = append(names, fmt.Sprint(w))
			}
		}
		return "this must be one of " + strings.Join(names, ", ")
	case *schemakind.Pattern:
		return "this must match " + k.Want
	case *schemakind.Required:
		return "missing here: " + strings.Join(k.Missing, ", ")
	}
	return "the chart's schema refuses this (" + strings.Join(v.ErrorKind.KeywordPath(), "/") + ")"
}

// locate follows a path of the validator.
func locate(n *node, path []string) (*node, string) {
	text := ""
	for _, step := range path {
		if n.kind == list {
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(n.items) {
				return n, text
			}
			n, text = n.items[i], fmt.Sprintf("%s[%d]", text, i)
			continue
		}
		m := n.member(step)
		if m == nil {
			return n, text
		}
		text = join(text, step)
		n = m.value
		if n.at == (place{}) {
			n.at = m.at
		}
	}
	return n, text
}

// schemaKeys are the keys that the schema has at a place, as far as plain properties lead there.
func schemaKeys(schema any, path []string) keySet {
	root, _ := schema.(map[string]any)
	at := root
	for _, step := range path {
		at = dereference(root, at)
		properties, _ := at["properties"].(map[string]any)
		at, _ = properties[step].(map[string]any)
	}
	return schemaSet(root, at, 0)
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
