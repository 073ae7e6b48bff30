package helm

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	schemakind "github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// ours checks the values of our own chart, which stand at the path.
func (l *linter) ours(root *node, path string) {
	l.schema(root, path)
	l.ownSections(root, path)
	alias := path
	if alias == "" {
		alias = "outcrop"
	}
	l.component(component{alias: alias, node: root, at: root.start(), bedrock: true, ours: true})
	aws := root.get("aws")
	for _, name := range []string{"roleArn", "assumeRoleArn"} {
		if n := aws.get(name); n.text() != "" {
			l.role(n, join(join(path, "aws"), name))
		}
	}
	if n := root.find("configuration", "files"); n != nil {
		for _, m := range n.members {
			l.ownConfiguration(join(join(join(path, "configuration"), "files"), m.name), m)
		}
	}
}

// ownSections looks for what the chart itself would stop at: no mode, and sections that are null.
func (l *linter) ownSections(root *node, path string) {
	if mode := root.get("mode"); mode.text() == "" {
		l.at(root.start(), Error, nullPart, join(path, "mode"), "there is no mode, and the chart has no default", "write `mode: adapter` (behind a DIAL Core) or `mode: gateway` (answers clients itself)")
	}
	for _, m := range root.members {
		if m.value.kind == null && len(l.Schema.at([]string{m.name})) > 0 {
			l.at(m.at, Error, nullPart, join(path, m.name), "the section is null, so that Helm drops the chart's defaults for it", "indent its lines by two more than the section, or delete this line")
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
func (l *linter) schema(root *node, path string) {
	if l.Schema == nil {
		return
	}
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](l.Schema.compiled.Validate(root.withoutNull().plain())); ok {
		l.violations(root, path, invalid)
	}
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
func (l *linter) violations(root *node, prefix string, v *jsonschema.ValidationError) {
	if len(v.Causes) > 0 {
		for _, c := range v.Causes {
			l.violations(root, prefix, c)
		}
		return
	}
	at, path := locate(root, prefix, v.InstanceLocation)
	extra, ok := v.ErrorKind.(*schemakind.AdditionalProperties)
	if !ok {
		if len(v.InstanceLocation) > 1 && slices.Contains([]string{"env", "secrets"}, v.InstanceLocation[0]) {
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
		l.at(key.at, Error, unknownKey, join(path, name), "the chart has no such key, and its schema refuses the values", keyRemedy(name, path, l.Schema.at(v.InstanceLocation)))
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
func locate(n *node, text string, path []string) (*node, string) {
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
