package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"outcrop/internal/secret"
)

// reservedName is the deployment that an interceptor calls to go on.
const reservedName = "interceptor"

func interfaceNames() []Interface {
	return []Interface{ChatCompletions, Embeddings, Responses, AnthropicMessages}
}

// servingFields say which servers are behind a deployment, and what they get.
func servingFields() []field[modelDraft] {
	return []field[modelDraft]{
		{"baseUrl", "URL", "", enforced, "root of another server, for the interfaces that are declared", "",
			func(l *loader, v spot, m *modelDraft) {
				l.base(v, &m.BaseURL)
				if m.BaseURL != "" && !slices.ContainsFunc(interfaceNames(), func(i Interface) bool { return m.interfaces.get(string(i)) != nil }) {
					l.checks = append(l.checks, func() {
						if len(m.Interfaces) == 0 {
							l.warn(v, "has no effect: it is for interfaces that are declared", `add "interfaces": {"openaiChatCompletions": {}}`)
						}
					})
				}
			}},
		{"interfaces", "object: interface → object", "{}", enforced, "the APIs in which another server is asked, see below", "",
			func(_ *loader, v spot, m *modelDraft) { m.interfaces = v }},
		{"responsesEndpoint", "URL", "", enforced, "address of another server's Responses API", "",
			func(l *loader, v spot, m *modelDraft) {
				l.address(v, &m.ResponsesEndpoint)
				if m.section != modelsSection {
					m.ResponsesEndpoint = ""
					l.warn(v, "has no effect: "+m.section+" are asked in chat completions only, as in DIAL", "remove it")
				}
			}},
		{"responsesDefaults", "object", "{}", enforced, "like `defaults`, for the Responses API of another server", "",
			func(l *loader, v spot, m *modelDraft) { m.ResponsesDefaults = l.object(v) }},
		{"defaultHeaders", "object: header → value", "{}", enforced, "headers of a call to another server that the client did not send", "",
			func(l *loader, v spot, m *modelDraft) { m.DefaultHeaders = l.headers(v) }},
		{"forwardAuthToken", "boolean", "false", enforced, "another server gets the client's `Authorization`", "",
			func(l *loader, v spot, m *modelDraft) { l.boolean(v, &m.ForwardAuthToken) }},
	}
}

// interfaceDraft is an interface while its fields are read.
type interfaceDraft struct {
	InterfaceConfig
	mode                 string
	features, translator spot
	base                 spot
}

func interfaceTable() table[interfaceDraft] {
	return table[interfaceDraft]{fields: []field[interfaceDraft]{
		{"baseUrl", "URL", "", enforced, "root of the server for this interface, in place of the deployment's", "",
			func(l *loader, v spot, c *interfaceDraft) {
				l.base(v, &c.BaseURL)
				c.base = v
			}},
		{"mode", "`passthrough`, `translator`", "passthrough", enforced, "whether a translator stands before the deployment", "",
			func(l *loader, v spot, c *interfaceDraft) { l.oneOf(v, &c.mode, "passthrough", "translator") }},
		{"translator", "name, or object", "", enforced, "with the mode `translator`: one of `translators`, or `{\"out\": …, \"baseUrl\": …}`", "",
			func(_ *loader, v spot, c *interfaceDraft) { c.translator = v }},
		{"defaults", "object", "{}", enforced, "over the deployment's, member by member", "",
			func(l *loader, v spot, c *interfaceDraft) { c.Defaults = l.object(v) }},
		{"features", "object", "{}", enforced, "over the deployment's", "",
			func(_ *loader, v spot, c *interfaceDraft) { c.features = v }},
		{"defaultHeaders", "object: header → value", "{}", enforced, "over the deployment's", "",
			func(l *loader, v spot, c *interfaceDraft) { c.DefaultHeaders = l.headers(v) }},
		{"overridePaths", "object: operation → path", "{}", enforced, "paths under the base URL, in place of DIAL's, with `{overrideName}` and `{id}`", "",
			func(l *loader, v spot, c *interfaceDraft) { c.OverridePaths = l.paths(v) }},
	}}
}

// readInterfaces reads the interfaces of a deployment, whose other fields are read.
func (l *loader) readInterfaces(d *modelDraft) {
	s := d.interfaces
	if s.node == nil || !l.want(s, object) {
		return
	}
	d.Interfaces = map[Interface]InterfaceConfig{}
	for i, m := range s.members {
		v, name := s.member(i), Interface(m.name)
		switch {
		case m.lost:
			continue
		case !slices.Contains(interfaceNames(), name):
			l.warn(v.namedAt(m.pos), "no interface is called so: it has no effect, as in DIAL", closest(m.name, interfaceSet()))
			continue
		case d.section != modelsSection && name != ChatCompletions:
			l.warn(v.namedAt(m.pos), "dropped: "+d.section+" are asked in openaiChatCompletions only, as in DIAL", "remove it")
			continue
		case l.isNull(v):
			continue
		}
		draft := interfaceDraft{}
		readObject(l, v, interfaceTable(), &draft)
		if draft.features.node != nil {
			f := d.Features
			readObject(l, draft.features, featuresTable(), &f)
			draft.Features = &f
		}
		l.checkMode(v, &draft, name)
		d.Interfaces[name] = draft.InterfaceConfig
		l.checkTranslator(v, d, name)
	}
}

func interfaceSet() map[string]bool {
	set := map[string]bool{}
	for _, i := range interfaceNames() {
		set[string(i)] = true
	}
	return set
}

// checkServing looks at what the fields of a deployment come to together.
func (l *loader) checkServing(s spot, d *modelDraft) {
	m := &d.Model
	intercepted := len(m.Interceptors) > 0 || len(l.global) > 0
	for _, i := range []Interface{Responses, AnthropicMessages} {
		if _, declared := m.Interfaces[i]; (declared || i == Responses && m.ResponsesEndpoint != "") && intercepted {
			l.warn(s, fmt.Sprintf("requests in the interface %s are refused with 503: interceptors see chat completions and embeddings only", i), "remove the interceptors or the interface")
		}
	}
	for name, c := range m.Interfaces {
		if _, ok := m.Address(mainOperation(name)); !ok && !c.Translated && !m.doesItself(name) {
			if at, found := d.interfaces.find(string(name)); found {
				l.warn(at, "no address is known for this interface: its requests are answered with 503", "give it a base_url, or the deployment a baseUrl")
			}
		}
		if _, ok := m.Address(mainOperation(name)); ok && m.doesItself(name) && name == m.natural() {
			if at, found := d.interfaces.find(string(name)); found {
				l.warn(at, "the bedrock: endpoint is not asked in this interface: it is declared, and another server's address counts", "remove the address, or give the model its URL as its endpoint")
			}
		}
		if len(c.OverridePaths) > 0 && c.BaseURL == "" && m.BaseURL == "" {
			if at, found := d.interfaces.find(string(name)); found {
				l.warn(at, "overridePaths have no effect without a base URL", "give it a base_url")
			}
		}
	}
	l.checkOwnInterfaces(d)
	if m.Bedrock == "" || m.answers() {
		return
	}
	for _, name := range []string{"defaultHeaders", "forwardAuthToken", "responsesDefaults"} {
		if v, ok := s.find(name); ok && !v.isDefault("false") {
			l.warn(v, "has no effect: this process answers for the model, nobody else gets anything", "remove it")
		}
	}
}

// checkOwnInterfaces reports what interfaces state that this process answers itself.
func (l *loader) checkOwnInterfaces(d *modelDraft) {
	for name, c := range d.Interfaces {
		if _, ok := d.Address(mainOperation(name)); ok || c.Translated || !d.doesItself(name) {
			continue
		}
		at, _ := d.interfaces.find(string(name))
		for i, member := range at.members {
			field, _ := interfaceTable().lookup(member.name)
			defaults := field.name == "defaults" && (name == ChatCompletions || name == Embeddings)
			if v := at.member(i); field.name != "" && field.name != "mode" && !defaults && v.kind != null {
				l.warn(v, "has no effect: this process answers in this interface", "remove it")
			}
		}
	}
}

// natural is the interface that the type of a model names.
func (m Model) natural() Interface {
	if m.Type == TypeEmbedding {
		return Embeddings
	}
	return ChatCompletions
}

// doesItself says whether this process can be asked for the model in that interface.
func (m Model) doesItself(i Interface) bool {
	return m.Bedrock != "" && (i == Embeddings) == (m.Type == TypeEmbedding) && m.Type != TypeRerank
}

// interceptorsOf reads a deployment's own interceptors. Interceptors themselves have none.
func (l *loader) interceptorsOf(s spot, m *modelDraft) {
	chain := l.chain(s)
	if m.section != interceptorsSection {
		m.Interceptors = chain
		for i := range s.items {
			if v := s.item(i); l.global[v.text] {
				l.warn(v, "is a global interceptor too: it sees each request twice", "remove it from one of the two lists")
			}
		}
		return
	}
	for i := range s.items {
		if v := s.item(i); v.text == m.Name {
			l.warn(v, "the interceptor names itself: it has no effect", "remove it")
			return
		}
	}
	if len(chain) > 0 {
		l.warn(s, "has no effect: nothing stands before an interceptor", "name them before it in the lists of deployments")
	}
}

// chain reads names of interceptors. DIAL accepts names that it does not know, and refuses the requests.
func (l *loader) chain(s spot) []string {
	names, seen := l.strs(s), map[string]bool{}
	for i := range s.items {
		v := s.item(i)
		switch {
		case !slices.Contains(names, v.text):
		case seen[v.text]:
			l.warn(v, "stands here twice: it sees each request twice", "remove one")
		case !l.interceptors[v.text] && !l.incomplete:
			remedy := closest(v.text, l.interceptors)
			if _, deployment := l.callable[v.text]; deployment && remedy == "" {
				remedy = "it is no interceptor but a deployment: interceptors stand in the section of that name"
			}
			l.warn(v, "there is no interceptor of that name: requests are answered with 404", remedy)
		}
		seen[v.text] = true
	}
	return names
}

// object is a JSON object as it goes into bodies; nil for an empty one.
func (l *loader) object(s spot) json.RawMessage {
	if !l.want(s, object) || len(s.members) == 0 {
		return nil
	}
	return s.appendJSON(nil)
}

// base reads the root of a server.
func (l *loader) base(s spot, into *string) {
	l.address(s, into)
	if u, err := url.Parse(*into); err == nil && (u.RawQuery != "" || u.Fragment != "") {
		l.err(s, "a base URL with a query: paths are put behind it", "remove it; overridePaths may have one")
	}
}

// line reads a string that goes into a header.
func (l *loader) line(s spot, into *string) {
	l.given(s, into)
	if !isHeaderValue(*into) {
		l.err(s, "a line break or another control character, which no header can carry", "remove it")
	}
}

// headers reads headers and their values, which may be credentials and are never shown.
func (l *loader) headers(s spot) map[string]secret.String {
	if !l.want(s, object) {
		return nil
	}
	out := map[string]secret.String{}
	for i, m := range s.members {
		v, value := s.member(i), ""
		if m.lost || l.isNull(v) || !l.str(v, &value) {
			continue
		}
		if looksSecret(m.name) {
			l.secrets.add(value)
		}
		name := http.CanonicalHeaderKey(m.name)
		_, twice := out[name]
		switch {
		case !isHeaderName(m.name):
			l.err(v.namedAt(m.pos), "no header can have this name", "letters, digits and !#$%&'*+-.^_`|~ only")
		case !isHeaderValue(value):
			l.err(v, "the value has a line break or another control character, which no header can carry", "remove it")
		case isOwnHeader(name):
			l.warn(v.namedAt(m.pos), "has no effect: this header is set for every call, or belongs to the connection", "remove it")
		case twice:
			l.warn(v.namedAt(m.pos), "the same header in other letters: the later one counts", "remove one")
			fallthrough
		default:
			out[name] = secret.New(value)
		}
	}
	return out
}

func isHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c >= 0x80 || !isLetter(c) && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

func isHeaderValue(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

// isOwnHeader says whether a header is set by DIAL Core, or by HTTP itself.
func isOwnHeader(name string) bool {
	return strings.HasPrefix(name, "X-Upstream-") || strings.HasPrefix(name, "X-Dial-") || slices.Contains([]string{
		"Api-Key", "Host", "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length",
		"Accept-Encoding", "Traceparent",
	}, name)
}

func looksSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"auth", "key", "token", "secret", "cookie", "password"}, func(word string) bool { return strings.Contains(name, word) })
}

// paths reads the templates of overridePaths.
func (l *loader) paths(s spot) map[Operation]string {
	if !l.want(s, object) {
		return nil
	}
	out, known := map[Operation]string{}, map[string]bool{}
	for _, o := range operations() {
		known[string(o.Operation)] = true
	}
	for i, m := range s.members {
		v, template, name := s.member(i), "", ""
		for k := range maps.Keys(known) {
			if sameField(k, m.name) {
				name = k
			}
		}
		switch {
		case m.lost:
		case name == "":
			l.warn(v.namedAt(m.pos), "no operation is called so: it has no effect", closest(m.name, known))
		case l.isNull(v) || !l.str(v, &template):
		default:
			l.checkPath(v, template)
			out[Operation(name)] = template
		}
	}
	return out
}

func (l *loader) checkPath(s spot, template string) {
	rest := strings.NewReplacer("{overrideName}", "", ResponseID, "").Replace(template)
	_, bad := url.Parse(rest)
	switch {
	case !strings.HasPrefix(template, "/"):
		l.err(s, "a path begins with a slash", "it is put behind the base URL")
	case strings.ContainsAny(rest, "{}"):
		l.err(s, "a placeholder that does not exist", "there are {overrideName} and {id}")
	case bad != nil || !isHeaderValue(template) || strings.Contains(template, " "):
		l.err(s, "this is no path of a URL", "escape what is no letter or digit")
	}
}

// checkOverrideName looks at a name that goes into a header and a path.
func (l *loader) checkOverrideName(s spot, m *modelDraft) {
	if !isHeaderValue(m.OverrideName) {
		l.err(s, "a line break or another control character, which no header can carry", "remove it")
	}
}
