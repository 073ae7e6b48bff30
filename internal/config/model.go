package config

import (
	"slices"
	"strings"
	"time"
)

// The types of models that are served. TypeRerank is Outcrop's own.
const (
	TypeChat      = "chat"
	TypeEmbedding = "embedding"
	TypeRerank    = "rerank"
)

const (
	typeCompletion = "completion"
	// bedrockScheme begins the endpoint of a model served in this process.
	bedrockScheme = "bedrock:"
	// defaultAttempts is DIAL's maxRetryAttempts of a model.
	defaultAttempts = 5
)

// modelDraft is a model, or another deployment with the same fields, while its fields are read.
type modelDraft struct {
	Model
	section    string // which of the root's it stands in
	typeSeen   bool
	upstreams  spot
	interfaces spot
	// more is what only applications have.
	more Application
}

func modelTable() table[modelDraft] {
	return table[modelDraft]{
		fields: slices.Concat(answeringFields(), modelFields(), servingFields(), policyFields(), listingFields(), plainFields()),
		elsewhere: func(m member) string {
			if extraTable().has(m.name) {
				return "it belongs into upstreams[].extraData"
			}
			if upstreamTable().has(m.name) {
				return "it belongs into upstreams[]"
			}
			return ""
		},
	}
}

// answeringFields decide who answers, and to whom.
func answeringFields() []field[modelDraft] {
	return []field[modelDraft]{
		{"endpoint", "string", "", enforced, "of a model, `bedrock:` and a model id or ARN, for one served in this process; or the URL of another server's chat completions or embeddings, to which requests are forwarded", "",
			func(l *loader, v spot, m *modelDraft) { l.endpoint(v, m) }},
		{"overrideName", "string", "", enforced, "model id or ARN that AWS sees in place of the endpoint's; or the name by which another server knows the deployment", "",
			func(l *loader, v spot, m *modelDraft) {
				l.modelID(v, &m.OverrideName)
				m.overrideNameAt = v.place()
				l.checkOverrideName(v, m)
			}},
		{"userRoles", "list of role names", "", enforced, "who may call it: absent or null is everyone with a key, an empty list is nobody", "",
			func(l *loader, v spot, m *modelDraft) { m.UserRoles = l.userRoles(v) }},
		{"maxRetryAttempts", "integer ≥ 1", "5", enforced, "how many of the upstreams are tried per request", "",
			func(l *loader, v spot, m *modelDraft) { l.int32(v, 1, &m.MaxRetryAttempts) }},
		{"defaults", "object", "{}", enforced, "body fields added to a request that lacks them", "",
			func(l *loader, v spot, m *modelDraft) {
				if m.Defaults = l.object(v); m.Defaults != nil {
					m.defaultsAt = v.place()
				}
			}},
		{"timeouts", "object", "", enforced, "how long an answer may take, see below. Outcrop's own field", "",
			func(l *loader, v spot, m *modelDraft) { readObject(l, v, timeoutsTable(), &m.Timeouts) }},
		{"interceptors", "list of names", "[]", enforced, "interceptors that see a chat or an embedding before it, after the global ones; the other APIs of such a deployment are refused", "",
			func(l *loader, v spot, m *modelDraft) { l.interceptorsOf(v, m) }},
	}
}

// modelFields decide about answers too, and only models have them.
func modelFields() []field[modelDraft] {
	return []field[modelDraft]{
		{"type", "`chat`, `completion`, `embedding`, `rerank`", TypeChat, enforced, "what the model does; `completion` is served by other servers only. An image model is of type `chat`. DIAL has no default, and no `rerank`", "",
			func(l *loader, v spot, m *modelDraft) {
				m.typeSeen = true
				l.oneOf(v, &m.Type, TypeChat, typeCompletion, TypeEmbedding, TypeRerank)
			}},
		{"upstreams", "list of upstreams", "", enforced, "accounts and regions, among which requests are balanced; without any: the environment's region and credentials", "",
			func(_ *loader, v spot, m *modelDraft) { m.upstreams = v }},
		{"tokenizerModel", "string", "", listed, "which tokenizer clients should use", "",
			func(l *loader, v spot, m *modelDraft) { l.str(v, &m.TokenizerModel) }},
		{"limits", "object", "", listed, "token limits, see below; shown, never enforced, as in DIAL", "",
			func(l *loader, v spot, m *modelDraft) { readObject(l, v, limitsTable(), &m.Limits) }},
		{"fallback", "object", "", enforced, "deployments that are asked when this one cannot answer, see below. Outcrop's own field", "",
			func(l *loader, v spot, m *modelDraft) { m.fallbackAt = l.fallback(v, &m.Fallback) }},
		{"pricing", "object", "", enforced, "what it costs, see below; without it the catalogue's prices count", "",
			func(l *loader, v spot, m *modelDraft) { readObject(l, v, pricingTable(), &m.Pricing) }},
		{"embeddingDimensions", "integer ≥ 1", "", listed, "length of the vectors", "",
			func(l *loader, v spot, m *modelDraft) { l.count(v, 1, &m.EmbeddingDimensions) }},
		{"fieldsHashingOrder", "list", "", removed, "", "", nil},
	}
}

// isServedType says whether this version serves models of a type, here or on another server.
func isServedType(kind string, elsewhere bool) bool {
	return kind == TypeChat || kind == TypeEmbedding || kind == TypeRerank && !elsewhere || kind == typeCompletion && elsewhere
}

// listingFields are what listings show.
func listingFields() []field[modelDraft] {
	plain := func(name, about string, into func(*modelDraft) *string) field[modelDraft] {
		return field[modelDraft]{name: name, kind: "string", use: listed, about: about,
			read: func(l *loader, v spot, m *modelDraft) { l.str(v, into(m)) }}
	}
	localized := func(name, about string, into func(*modelDraft) *string) field[modelDraft] {
		return field[modelDraft]{name: name, kind: "string, or object of locales", use: listed, about: about,
			read: func(l *loader, v spot, m *modelDraft) { l.localized(v, into(m)) }}
	}
	millis := func(name string, into func(*modelDraft) *int64) field[modelDraft] {
		return field[modelDraft]{name: name, kind: "milliseconds since 1970", use: listed,
			read: func(l *loader, v spot, m *modelDraft) { l.integer(v, 0, into(m)) }}
	}
	return []field[modelDraft]{
		localized("displayName", "name for people", func(m *modelDraft) *string { return &m.DisplayName }),
		plain("displayVersion", "version for people", func(m *modelDraft) *string { return &m.DisplayVersion }),
		plain("description", "text for people", func(m *modelDraft) *string { return &m.Description }),
		plain("iconUrl", "icon, a URL or a name", func(m *modelDraft) *string { return &m.IconURL }),
		plain("reference", "stable id; the name when absent", func(m *modelDraft) *string { return &m.Reference }),
		millis("createdAt", func(m *modelDraft) *int64 { return &m.CreatedAt }),
		millis("updatedAt", func(m *modelDraft) *int64 { return &m.UpdatedAt }),
		{"descriptionKeywords", "list of strings", "[]", listed, "topics", "",
			func(l *loader, v spot, m *modelDraft) { m.DescriptionKeywords = l.strs(v) }},
		{"features", "object", "", enforced, "see below", "",
			func(l *loader, v spot, m *modelDraft) { readObject(l, v, featuresTable(), &m.Features) }},
		{"inputAttachmentTypes", "list of MIME types", "[]", listed, "`image/*`, `application/pdf`, …", "",
			func(l *loader, v spot, m *modelDraft) { m.InputAttachmentTypes = l.strs(v) }},
		{"maxInputAttachments", "integer ≥ 0", "", listed, "", "",
			func(l *loader, v spot, m *modelDraft) {
				n := -1
				l.count(v, 0, &n)
				if n >= 0 {
					m.MaxInputAttachments = &n
				}
			}},
	}
}

// plainFields decide nothing here.
func plainFields() []field[modelDraft] {
	return []field[modelDraft]{
		{"intro", "string, or object of locales", "", listed, "one line for people", "",
			func(l *loader, v spot, m *modelDraft) { l.localized(v, &m.Intro) }},
		{"author", "string", "", meaningless, "listings of DIAL do not show it either", "",
			func(l *loader, v spot, m *modelDraft) { l.str(v, &m.Author) }},
		{"dependencies", "list of names", "", meaningless, "deployments that it calls; for DIAL's admin panel", "",
			func(l *loader, v spot, m *modelDraft) { m.Dependencies = l.strs(v) }},
		{"catalogProperties", "object", "", meaningless, "catalog data", "", nil},
		{"catalogSchemaId", "string", "", meaningless, "catalog data", "", nil},
	}
}

func limitsTable() table[Limits] {
	row := func(name, about string, into func(*Limits) *int64) field[Limits] {
		return field[Limits]{name: name, kind: "integer ≥ 1", use: listed, about: about,
			read: func(l *loader, v spot, m *Limits) {
				if n, ok := v.whole(); ok && n == 0 {
					l.warn(v, "a limit of 0 tokens is not shown", "remove it, or state the model's")
					return
				}
				l.integer(v, 1, into(m))
			}}
	}
	return table[Limits]{fields: []field[Limits]{
		row("maxTotalTokens", "prompt and completion together", func(m *Limits) *int64 { return &m.MaxTotalTokens }),
		row("maxPromptTokens", "", func(m *Limits) *int64 { return &m.MaxPromptTokens }),
		row("maxCompletionTokens", "", func(m *Limits) *int64 { return &m.MaxCompletionTokens }),
	}}
}

func timeoutsTable() table[Timeouts] {
	row := func(name, about string, def time.Duration, into func(*Timeouts) *time.Duration) field[Timeouts] {
		return field[Timeouts]{name: name, kind: "duration (`90s`, `5m`); `0s` is without bound", def: durationText(def), use: enforced, about: about,
			read: func(l *loader, v spot, t *Timeouts) { l.duration(v, into(t)) }}
	}
	def := DefaultTimeouts()
	return table[Timeouts]{fields: []field[Timeouts]{
		{"connect", "duration, at most 10s", durationText(def.Connect), enforced, "for the connection to AWS, where none is open", "",
			func(l *loader, v spot, t *Timeouts) {
				l.duration(v, &t.Connect)
				if t.Connect == 0 || t.Connect > LongestConnect {
					l.err(v, "must be a duration of more than 0s and at most 10s", "")
				}
			}},
		row("firstToken", "from the request, of several upstreams from the call of each, to the first piece of a streamed answer that a client can see", def.FirstToken, func(t *Timeouts) *time.Duration { return &t.FirstToken }),
		row("interToken", "between two such pieces; of another server that states none, the settings' `client.idleTimeout`", def.InterToken, func(t *Timeouts) *time.Duration {
			t.InterTokenStated = true
			return &t.InterToken
		}),
		row("total", "for the whole answer", def.Total, func(t *Timeouts) *time.Duration { return &t.Total }),
		row("heartbeat", "after so much silence a stream gets a comment, so that no proxy closes it; `0s` is never", def.Heartbeat, func(t *Timeouts) *time.Duration { return &t.Heartbeat }),
	}}
}

// readModels reads the section in order.
func readModels(l *loader, s spot, cfg *Config) {
	readEntities(l, s, func(v spot, name string, at pos) (Model, bool) {
		l.checkName(v.namedAt(at), name)
		if !l.want(v, object) {
			return Model{}, false
		}
		var model Model
		for version := range v.versions() {
			model = l.readModel(version, name)
		}
		return model, true
	}, &cfg.Models)
}

// readEntities reads the members of a section in order, and keeps those that count.
func readEntities[T any](l *loader, s spot, read func(v spot, name string, at pos) (T, bool), into *[]T) {
	if !l.want(s, object) {
		return
	}
	for i, m := range s.members {
		v := s.member(i)
		if l.isNull(v) {
			continue
		}
		if one, ok := read(v, m.name, m.pos); ok && !m.lost {
			*into = append(*into, one)
		}
	}
}

func (l *loader) readModel(s spot, name string) Model {
	draft := newDraft(modelsSection, name)
	draft.MaxRetryAttempts = defaultAttempts
	endpoint, has := s.find("endpoint")
	s.remote = !has || !strings.HasPrefix(endpoint.text, bedrockScheme)
	readObject(l, s, modelTable(), draft)
	l.readInterfaces(draft)
	m := &draft.Model
	switch {
	case s.remote && !m.answers() && (!has || endpoint.kind == null):
		l.warn(s, "the model has no endpoint: its requests are answered with 503", `give it "bedrock:<model id or ARN>", or the URL of another server`)
	case m.Bedrock != "" && !draft.typeSeen:
		l.warn(s, "the model has no type; taken for chat", `add "type": "chat"`)
	}
	if !isServedType(m.Type, m.Bedrock == "") {
		l.warn(s, "not served yet: models of type "+m.Type, "this version answers chats and embeddings, and of its own models rerankings")
	}
	if draft.upstreams.node != nil {
		m.Upstreams = l.readUpstreams(draft.upstreams, *m)
	}
	l.checkServing(s, draft)
	return *m
}

// newDraft is a deployment of which nothing is read yet.
func newDraft(section, name string) *modelDraft {
	return &modelDraft{section: section, Model: Model{
		Name: name, Type: TypeChat, Features: DefaultFeatures(), MaxRetryAttempts: 1, Timeouts: DefaultTimeouts(),
	}}
}

// endpoint tells a model of this process from a deployment that lives elsewhere.
func (l *loader) endpoint(s spot, m *modelDraft) {
	if !l.want(s, text) {
		return
	}
	m.Endpoint, m.endpointAt = s.text, s.place()
	id, ok := strings.CutPrefix(m.Endpoint, bedrockScheme)
	switch {
	case ok && m.section != modelsSection:
		l.err(s, "bedrock: is for models: this is a deployment of another server", "give it an http or https URL")
	case ok:
		m.Bedrock = id
		if message, remedy := modelIDMistake(id); message != "" {
			l.err(s, "the model id of the endpoint "+message, remedy)
		}
	case isURL(s.text):
		m.URL = m.Endpoint
	case m.section != modelsSection:
		l.err(s, "the endpoint is not an http or https URL", "DIAL answers every request for it with 500")
	default:
		l.err(s, "the endpoint is neither bedrock:<model id or ARN> nor an http or https URL", "a model of Bedrock begins with bedrock: in small letters")
	}
}

func (l *loader) modelID(s spot, into *string) {
	if !l.str(s, into) || s.remote {
		return
	}
	if message, remedy := modelIDMistake(s.text); message != "" {
		l.err(s, "the model id "+message, remedy)
	}
}

// userRoles reads who may call; a role that nobody can have is a warning.
func (l *loader) userRoles(s spot) []string {
	roles := l.strs(s)
	for i := range s.items {
		v := s.item(i)
		if slices.Contains(roles, v.text) {
			l.checkAskedRole(v, v.text)
		}
	}
	return roles
}

// checkName reports a name that no client can put into a URL path:
// clients write it as it is into /openai/deployments/{name}/chat/completions.
// A slash is fine, but net/http cleans what is empty, . or .. between slashes.
func (l *loader) checkName(s spot, name string) {
	what, parts := "", strings.Split(name, "/")
	switch {
	case name == "":
		what = "an empty name"
	case slices.Contains(parts, ""):
		what = "a name with a slash at its end or two in a row"
	case slices.Contains(parts, ".") || slices.Contains(parts, ".."):
		what = "a name that URL paths reserve"
	case strings.ContainsAny(name, `\?#%`):
		what = `a name with one of \ ? # %`
	case strings.TrimSpace(name) != name:
		what = "a name with a space at its end"
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		what = "a name with a control character"
	case name == reservedName:
		what = "the name by which interceptors call back"
	default:
		return
	}
	l.err(s, what+" cannot be addressed", "the name is part of the URL: use letters, digits, . - _ : /")
}
