package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"outcrop/internal/config"
	"outcrop/internal/models"
)

// core checks what only dial-core has: its configuration, and keys of older charts.
func (l *linter) core(root *node) {
	core := root.get("core")
	if m := core.member("redis"); m != nil {
		l.at(m.at, Warning, renamedKey, "core.redis", "dial-core 6, and with it version 7 of the umbrella chart, has valkey instead of redis and ignores this key", "with umbrella 7 write `valkey:` (its enabled: false turns it off); with 6.4 and older leave it")
	}
	for _, from := range []string{"secrets", "env"} {
		n := core.get(from)
		if n == nil {
			continue
		}
		for _, m := range n.members {
			l.embedded(join("core."+from, m.name), m)
		}
	}
}

// embedded looks for a DIAL configuration that stands in the values as text.
func (l *linter) embedded(path string, m member) {
	trimmed := strings.TrimSpace(m.value.text())
	if m.value.kind != text || !strings.HasSuffix(m.name, ".json") && (!strings.HasPrefix(trimmed, "{") || !strings.Contains(trimmed, `"models"`)) {
		return
	}
	if strings.HasPrefix(trimmed, "{{") {
		return
	}
	n := l.document(m.value, path)
	if n != nil {
		l.configuration(n, path)
	}
}

// document reads JSON inside a scalar; nil when it is none.
func (l *linter) document(n *node, path string) *node {
	if at, message := jsonMistake(n.value); message != "" {
		l.at(n.offset(at), Error, configSyntax, path, message+": DIAL Core does not start with this configuration", "correct it; `outcrop config check FILE` tells more")
	}
	y, _ := parseFirst([]byte(n.value))
	if y == nil {
		return nil
	}
	s := newSource(File{Name: n.at.file, Data: []byte(n.value)})
	doc := (&builder{source: s, lint: &linter{}, left: maxNodes}).node(y)
	doc.relocate(n)
	return doc
}

// relocate moves the places of a document that is the text of a scalar to where that text stands.
func (n *node) relocate(outer *node) {
	n.at = outer.inside(n.at.line, n.at.column)
	n.block = 0
	for i := range n.members {
		m := &n.members[i]
		m.at = outer.inside(m.at.line, m.at.column)
		m.value.relocate(outer)
	}
	for _, item := range n.items {
		item.relocate(outer)
	}
}

// jsonMistake is what is wrong with a JSON text and the byte where.
func jsonMistake(doc string) (at int, message string) {
	var v any
	err := json.NewDecoder(bytes.NewReader([]byte(doc))).Decode(&v)
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return min(max(int(s.Offset)-1, 0), len(doc)), "this is not JSON"
	}
	if err != nil {
		return len(doc), "this JSON ends too early"
	}
	return 0, ""
}

// configuration checks a DIAL configuration: hosts, model ids, and where fields stand. `outcrop config
// check` checks the rest. Hosts inside values have been seen; path is "" for a file of its own.
func (l *linter) configuration(root *node, path string) {
	if root.kind != object {
		return
	}
	if path == "" {
		l.hosts(root)
	}
	modelsNode := root.get("models")
	if modelsNode == nil {
		return
	}
	for _, m := range modelsNode.members {
		if m.value.kind == object {
			l.model(m, join(join(path, "models"), m.name))
		}
	}
}

func (l *linter) model(m member, path string) {
	if endpoint := m.value.get("endpoint"); endpoint.text() != "" {
		l.endpoint(endpoint, join(path, "endpoint"))
		if id, ok := l.bedrockID(endpoint.value); ok {
			l.modelID(id, endpoint, join(path, "endpoint"))
			l.sameModel(m, id, endpoint, path)
		}
	}
	l.misplaced(m.value, path, "upstreams[].extraData")
	if x := m.value.member("extraData"); x != nil {
		l.at(x.at, Error, upstreamField, join(path, "extraData"), "extraData belongs to an upstream, not to the model: nobody reads it here", `write "upstreams": [{"extraData": {…}}]`)
	}
	for i, u := range m.value.get("upstreams").list() {
		here := fmt.Sprintf("%s[%d]", join(path, "upstreams"), i)
		l.misplaced(u, here, "extraData")
		if x := u.get("extraData"); x != nil && x.kind == object {
			l.extraData(x, join(here, "extraData"))
		}
	}
}

// misplaced finds fields of extraData that stand outside of it.
func (l *linter) misplaced(n *node, path, where string) {
	if n == nil {
		return
	}
	for _, m := range n.members {
		if strings.HasPrefix(m.name, "aws_") || m.name == "region" || extraField(m.name) != m.name && extraField(m.name) != "" {
			name := m.name
			if known := extraField(m.name); known != "" {
				name = known
			}
			l.at(m.at, Error, upstreamField, join(path, m.name), "this is a field of extraData, and nobody reads it here", "move it into "+where+" as "+name)
		}
	}
}

// extraData checks the names of its fields.
func (l *linter) extraData(n *node, path string) {
	known := map[string]bool{}
	for _, f := range config.ExtraFields() {
		known[f.Name] = true
	}
	for _, m := range n.members {
		if known[m.name] {
			if m.name == "aws_assume_role_arn" {
				l.role(m.value, join(path, m.name))
			}
			if m.name == "region" {
				l.upstreamRegion(m.value, join(path, m.name))
			}
			continue
		}
		remedy := "the adapter ignores it"
		severity := Warning
		if name := extraField(m.name); name != "" {
			severity, remedy = Error, "write "+name
		}
		l.at(m.at, severity, upstreamField, join(path, m.name), "extraData has no such field", remedy)
	}
}

// extraField is the field of extraData that somebody means with a name; "" when none is near.
func extraField(name string) string {
	flat := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s)) }
	for _, f := range config.ExtraFields() {
		if strings.HasPrefix(f.Name, "aws_") && (flat(name) == flat(f.Name) || flat("aws"+name) == flat(f.Name)) {
			return f.Name
		}
	}
	switch flat(name) {
	case "rolearn", "awsrolearn", "assumerolearn":
		return "aws_assume_role_arn"
	case "awsregion", "regionname":
		return "region"
	case "awsaccesskey":
		return "aws_access_key_id"
	case "awssecretkey", "secretkey":
		return "aws_secret_access_key"
	}
	return ""
}

// deploymentForm is the path of an adapter: /openai/deployments/<id>/chat/completions.
var deploymentForm = regexp.MustCompile(`/openai/deployments/(.+?)(/(?:chat/completions|embeddings)/?)?$`)

// bedrockID is the model id of an endpoint that leads to Bedrock.
func (l *linter) bedrockID(endpoint string) (string, bool) {
	if id, ok := strings.CutPrefix(endpoint, "bedrock:"); ok {
		return id, true
	}
	endpoint, _, _ = strings.Cut(endpoint, "?")
	m := deploymentForm.FindStringSubmatch(endpoint)
	if m == nil || !l.leadsToBedrock(endpoint) {
		return "", false
	}
	id, err := url.PathUnescape(m[1])
	return id, err == nil
}

// modelID compares an id with the catalogue.
func (l *linter) modelID(id string, at *node, path string) {
	if base, _ := models.Base(id); base == "" || l.Catalogue == nil || isDynamic(id) {
		return
	}
	m, ok := l.Catalogue.Lookup(id)
	if !ok {
		l.at(at.at, Warning, modelUnknown, path, "the built-in catalogue does not know the model id "+clip(id), l.nearestModel(id))
		return
	}
	end := m.Lifecycle.EOL
	switch {
	case m.Lifecycle.Status == models.EndOfLife || end != "" && end <= l.Today:
		when := ""
		if end != "" {
			when = " since " + end
		}
		l.at(at.at, Error, modelUnknown, path, "AWS no longer serves "+id+when, "choose another model: outcrop aws models")
	case m.ProfileOnly():
		l.at(at.at, Error, modelUnknown, path, "AWS serves "+id+" through inference profiles only", l.profilesOf(m.Base))
	}
}

// profilesOf names ids under which a model is served.
func (l *linter) profilesOf(base string) string {
	var ids []string
	for _, m := range l.Catalogue.All() {
		if m.Base == base && m.Geo != "" && len(ids) < 4 {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return "write the id of an inference profile: outcrop aws models"
	}
	return "write the id of an inference profile, as " + strings.Join(ids, ", ")
}

// clip keeps a strange id from filling the screen.
func clip(id string) string {
	if len(id) > 100 {
		return id[:100] + "…"
	}
	return id
}

func (l *linter) nearestModel(id string) string {
	const otherwise = "if it is newer than this program, all is well"
	near := config.Nearest(id, func(yield func(string) bool) {
		for _, m := range l.Catalogue.All() {
			if m.Lifecycle.Status != models.EndOfLife && !m.ProfileOnly() && !yield(m.ID) {
				return
			}
		}
	})
	if near == "" {
		return otherwise
	}
	return "did you mean " + near + "? Else, " + otherwise
}

// sameModel: a model that is called by one id and calls another misleads whoever pays for it.
func (l *linter) sameModel(m member, id string, endpoint *node, path string) {
	if l.Catalogue == nil || m.name == id {
		return
	}
	said, _ := models.Base(m.name)
	called, _ := models.Base(id)
	if _, ok := l.Catalogue.Family(m.name); ok && said != "" && called != "" && said != called {
		l.at(endpoint.at, Warning, modelName, join(path, "endpoint"), "the model is called "+m.name+" and its endpoint calls "+clip(id), "give the two the same id, or the model another name")
	}
}

// yamlOrJSON reads the text of a configuration file, without findings; nil when it is neither.
func yamlOrJSON(data []byte) *node {
	var y yaml.Node
	if yaml.Unmarshal(data, &y) != nil || len(y.Content) == 0 {
		return nil
	}
	return (&builder{source: newSource(File{Data: data}), lint: &linter{}, left: maxNodes}).node(y.Content[0])
}
