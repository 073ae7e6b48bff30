package helm

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"outcrop/internal/config"
)

const rawDefaults = "that deletes the umbrella chart's defaults, %[1]s.enabled among them, so the sub-chart is deployed all the same, from its raw defaults: %[2]s. Nobody reports an error but the kubelet"

// nullSectionText says what becomes of a section of the umbrella that is null.
func nullSectionText(alias string) string {
	raw := "image docker.io/:latest, no role, no region, no probes"
	if !isExtension(alias) {
		raw = "whatever they are"
	}
	return alias + " is null: " + fmt.Sprintf(rawDefaults, alias, raw)
}

// umbrella checks the values of DIAL's umbrella chart.
func (l *linter) umbrella(root *node) {
	l.known(root, "", umbrellaKeys())
	l.services = l.servicesOf(root)
	for _, m := range root.members {
		if !isSection(m.name) {
			continue
		}
		if m.value.kind == null {
			l.at(m.at, Error, nullSection, m.name, nullSectionText(m.name), fmt.Sprintf("indent the lines that belong to %s by two spaces; to leave it out write\n%[1]s:\n  enabled: false", m.name))
			continue
		}
		if m.name == "keycloak" || m.value.kind != object {
			continue
		}
		l.switchedOff(m)
		if isOurs(m.value) {
			l.ours(m.value, m.name)
			continue
		}
		l.component(component{alias: m.name, node: m.value, at: m.at, bedrock: m.name == "bedrock"})
	}
	l.core(root)
	l.hosts(root)
}

// isOurs says that the sub-chart under the alias is Outcrop's, of an umbrella of one's own.
func isOurs(n *node) bool { return n.get("mode") != nil || n.get("aws") != nil }

// switchedOff: who configures the adapter means to have it.
func (l *linter) switchedOff(m member) {
	enabled := m.value.member("enabled")
	if enabled == nil && m.name == "bedrock" && len(m.value.members) > 0 {
		l.at(m.at, Error, switchedOff, m.name, "there is no enabled: true, and the umbrella chart does not deploy this section unless told", "add `enabled: true`")
	}
	if enabled == nil {
		return
	}
	path := join(m.name, "enabled")
	switch off := enabled.value.text() == "false" && enabled.value.kind == boolean; {
	case enabled.value.kind != boolean:
		l.at(enabled.value.at, Error, wrongType, path, "this must be true or false without quotes, and is "+enabled.value.kind.String()+": Helm warns and deploys the section", "write true or false")
	case off && m.name == "bedrock" && len(m.value.members) > 1:
		l.at(enabled.value.at, Error, switchedOff, path, "the section is configured and switched off: nothing of it is deployed", "write `enabled: true`")
	case off && m.name == "bedrock":
		l.at(enabled.value.at, Note, switchedOff, path, "the Bedrock adapter is not deployed", "")
	}
}

// known reports the keys that the chart does not have.
func (l *linter) known(n *node, path string, set keySet) {
	for _, m := range n.members {
		below, ok := set[m.name]
		here := join(path, m.name)
		if !ok {
			l.unknown(m, here, path, set)
			continue
		}
		switch {
		case below == nil:
		case m.value.kind == object && path == "" && isOurs(m.value):
		case m.value.kind == object:
			l.known(m.value, here, below)
		case m.value.kind != null:
			l.at(m.value.at, Error, wrongType, here, "this is "+m.value.kind.String()+", and the chart looks into it for keys", "write its keys below it, indented by two more")
		}
	}
}

var (
	variableForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]*_[A-Z0-9_]+$`)
	// openMaps are the mappings that take any key.
	openMaps = regexp.MustCompile(`^(env|secrets|annotations|podAnnotations|podLabels|commonLabels|commonAnnotations|nodeSelector)$`)
)

// unknown reports a key that the chart does not have, and nobody refuses.
func (l *linter) unknown(m member, here, path string, set keySet) {
	remedy := keyRemedy(m.name, path, set)
	severity := Error
	if remedy == "" {
		severity = Warning // a newer chart may have it
	}
	l.at(m.at, severity, unknownKey, here, "the chart does not know this key, and Helm ignores it without a word", remedy)
}

// keyRemedy says which key is meant; "" when nothing is near.
func keyRemedy(name, path string, set keySet) string {
	parent := path[strings.LastIndexByte(path, '.')+1:]
	names := aliases()
	near := config.Nearest(name, maps.Keys(set))
	_, hasEnv := set["env"]
	_, hasAnnotations := set["annotations"]
	switch {
	case names[parent+"."+name] != "":
		return "the key is " + names[parent+"."+name]
	case names[name] != "" && parent != "serviceAccount":
		return "the key is " + names[name]
	case variableForm.MatchString(name) && hasEnv:
		return "a variable of the environment belongs into env, two spaces further in"
	case strings.Contains(name, "/") && hasAnnotations:
		return "this belongs into annotations, two spaces further in"
	case near != "":
		return "did you mean " + near + "?"
	}
	return ""
}

// untangleRoot puts keys back into the null sections beside which they stand, and says so.
func (l *linter) untangleRoot(root *node) {
	set := extensionKeys()
	switch {
	case l.chartOf(root) == ChartOutcrop:
		if keys := l.Schema.at(nil); keys != nil {
			set = keys
		}
	case hasSection(root):
		set = umbrellaKeys()
	}
	l.untangle(root, "", set)
}

func (l *linter) untangle(n *node, path string, set keySet) {
	for i := 0; i < len(n.members); i++ {
		m := &n.members[i]
		below, ok := set[m.name]
		if ok && m.value.kind == null && (below != nil || openMaps.MatchString(m.name)) {
			end := i + 1
			for end < len(n.members) && strays(n.members[end], below, set) {
				end++
			}
			if end > i+1 {
				l.adopt(n, path, i, end)
				m = &n.members[i]
			}
		}
		if ok && below != nil && m.value.kind == object {
			l.untangle(m.value, join(path, m.name), below)
		}
	}
}

// strays says that the key is not one of its mapping but one of the null mapping before it.
func strays(m member, below, here keySet) bool {
	if _, ok := here[m.name]; ok {
		return false
	}
	if below == nil {
		return m.value.kind != object && m.value.kind != list && (variableForm.MatchString(m.name) || strings.ContainsAny(m.name, "./"))
	}
	_, ok := below[m.name]
	return ok
}

// adopt moves the members i+1..end of n into the one at i.
func (l *linter) adopt(n *node, path string, i, end int) {
	m := &n.members[i]
	var names []string
	for _, stray := range n.members[i+1 : end] {
		names = append(names, stray.name)
	}
	here := join(path, m.name)
	first := n.members[i+1]
	consequence := "Helm ignores them there"
	if slices.Contains(neededParts(), m.name) {
		consequence = `the template ends with "nil pointer evaluating"`
	}
	stand := "stand"
	if len(names) == 1 {
		stand = "stands"
	}
	l.at(first.at, Error, besideParent, here, fmt.Sprintf("%s %s beside %s (line %d), which is null, and not in it: %s", strings.Join(names, ", "), stand, m.name, m.at.line, consequence), fmt.Sprintf("indent %s by two more", linesOf(n.members[i+1:end])))
	if path == "" && isSection(m.name) {
		l.at(m.at, Error, nullSection, here, nullSectionText(m.name), "its keys are found below it: indent them by two spaces")
	}
	m.value = &node{kind: object, at: first.at, source: m.value.source, members: slices.Clone(n.members[i+1 : end])}
	n.members = slices.Delete(n.members, i+1, end)
}

// linesOf says on which lines the members stand.
func linesOf(members []member) string {
	first, last := members[0].at.line, lastLine(members[len(members)-1])
	if first == last {
		return fmt.Sprintf("line %d", first)
	}
	return fmt.Sprintf("lines %d to %d", first, last)
}

func lastLine(m member) int {
	line := m.at.line
	m.value.each("", func(_, _ string, n *node) { line = max(line, n.at.line) })
	return line
}
