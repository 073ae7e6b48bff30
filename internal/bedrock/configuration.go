package bedrock

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// configPath is the client's field with what only Bedrock understands.
const configPath = "custom_fields.configuration"

// The values of configuration.cache.
const (
	cacheAuto = "auto"
	cacheOff  = "off"
)

// Guardrail is a guardrail of AWS.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailStreamConfiguration.html
type Guardrail struct {
	ID                   string // id or ARN
	Version              string // "DRAFT" or a number
	Trace                string // enabled, disabled, enabled_full; "" is disabled
	StreamProcessingMode string // sync, async; "" is sync
}

// configuration is custom_fields.configuration.
type configuration struct {
	guardrail       *Guardrail
	latency         string
	tier            string
	extra           []byte // additionalModelRequestFields, an object
	responsePaths   []string
	cache           string
	topK            *int
	thinking        *thinkingConfig
	effort          string
	betas           []string
	citations       bool
	reasoningConfig *reasoningConfig
	reasoningEffort string
	reasoningLevel  string
	embed           *embedConfig // of embedding models alone
}

// reasoningConfig is Nova's.
type reasoningConfig struct{ kind, effort string }

// effortWord says it in reasoning_effort's words.
func (r *reasoningConfig) effortWord() string {
	switch {
	case r == nil:
		return ""
	case r.kind == "disabled":
		return effortNone
	case r.effort == "":
		return effortMedium
	default:
		return r.effort
	}
}

// longOutput is true with the beta that lifts Claude 3.7's limit.
func (c *configuration) longOutput() bool {
	return slices.ContainsFunc(c.betas, func(beta string) bool { return strings.HasPrefix(beta, "output-128k") })
}

// property is a member of the configuration: what a client may write and where it goes. The decoder
// and the JSON Schema that clients are given read the same list.
type property struct {
	name        string
	description string
	schema      string // JSON Schema of a plain value, without its description
	members     []property
	required    bool
	// read takes a value in; it returns what was expected instead, or "".
	read func(c *configuration, value json.RawMessage) string
}

// properties are those of one model.
func (t *traits) properties() []property {
	if t.vectors != nil {
		return t.vectors.settings
	}
	list := []property{
		t.guardrailProperty(),
		object("performanceConfig", "How fast the model answers.",
			word("latency", "Needs a model and region that have it.", func(c *configuration) *string { return &c.latency }, "standard", "optimized")),
		tierProperty(),
		{
			name: "additionalModelRequestFields", description: "Fields of the model's own request, as its vendor documents them.",
			schema: `"type":"object"`, read: func(c *configuration, v json.RawMessage) string {
				c.extra = v
				return want(v, '{', "an object")
			},
		},
		texts("additionalModelResponseFieldPaths", "JSON Pointers into the model's own reply; what they find is returned.", 10,
			func(c *configuration) *[]string { return &c.responsePaths }),
		word("cache", "auto places cache points where the request has none; off leaves it without.", func(c *configuration) *string { return &c.cache }, cacheAuto, cacheOff),
	}
	if t.converse.TopKKey != "" {
		list = append(list, property{
			name: "top_k", description: "Only the k most likely tokens are chosen from.", schema: `"type":"integer","minimum":0`,
			read: func(c *configuration, v json.RawMessage) string {
				c.topK = new(int)
				return whole(v, c.topK, 0)
			},
		})
	}
	return t.messagesProperties(append(list, t.reasoningProperties()...))
}

func (t *traits) guardrailProperty() property {
	field := func(get func(*Guardrail) *string) func(c *configuration) *string {
		return func(c *configuration) *string {
			if c.guardrail == nil {
				c.guardrail = &Guardrail{}
			}
			return get(c.guardrail)
		}
	}
	id := text("guardrailIdentifier", "Id or ARN.", field(func(g *Guardrail) *string { return &g.ID }))
	version := text("guardrailVersion", "DRAFT or a number.", field(func(g *Guardrail) *string { return &g.Version }))
	id.required, version.required = true, true
	return object("guardrailConfig", "The guardrail that checks the request and the reply.", id, version,
		word("trace", "Whether the reply tells what the guardrail found.", field(func(g *Guardrail) *string { return &g.Trace }), "enabled", "disabled", "enabled_full"),
		word("streamProcessingMode", "Whether a stream is checked before or while it is sent.", field(func(g *Guardrail) *string { return &g.StreamProcessingMode }), "sync", "async"))
}

// tierProperty reads "flex" and, as Converse has it, {"type":"flex"}.
func tierProperty() property {
	tiers := []string{"default", "flex", "priority", "reserved"}
	p := word("serviceTier", "The service tier that is charged.", func(c *configuration) *string { return &c.tier }, tiers...)
	plain := p.read
	p.schema = `"anyOf":[{` + p.schema + `},{"type":"object","properties":{"type":{` + p.schema + `}},"required":["type"],"additionalProperties":false}]`
	p.read = func(c *configuration, v json.RawMessage) string {
		if list := members(v); len(list) == 1 && list[0].key == "type" {
			v = list[0].value
		}
		return plain(c, v)
	}
	return p
}

// reasoningProperties are the vendor's own.
func (t *traits) reasoningProperties() (list []property) {
	kind := t.converse.Thinking
	effort := func(name string, field func(c *configuration) *string, words ...string) property {
		return word(name, "How hard the model thinks.", field, words...)
	}
	if t.claude() {
		thinking := func(c *configuration) *thinkingConfig {
			if c.thinking == nil {
				c.thinking = &thinkingConfig{}
			}
			return c.thinking
		}
		of := word("type", "", func(c *configuration) *string { return &thinking(c).kind }, thinkEnabled, thinkAdaptive, thinkDisabled)
		of.required = true
		list = append(list,
			object("thinking", "Claude's extended thinking.", of, property{
				name: "budget_tokens", description: "For the type enabled: the tokens that thinking may take, within max_tokens.",
				schema: `"type":"integer","minimum":1024`, read: func(c *configuration, v json.RawMessage) string {
					return whole(v, &thinking(c).budget, 1)
				},
			}, word("display", "Whether the reply holds the thoughts.", func(c *configuration) *string { return &thinking(c).display }, "summarized", "omitted")),
			texts("betas", "Anthropic's beta flags.", 0, func(c *configuration) *[]string { return &c.betas }),
			property{
				name: "enable_citations", description: "Whether the reply cites the documents of the request.", schema: `"type":"boolean"`,
				read: func(c *configuration, v json.RawMessage) string {
					if json.Unmarshal(v, &c.citations) != nil {
						return "true or false"
					}
					return ""
				},
			})
	}
	switch kind {
	case models.ThinkingNone, models.ThinkingAlways, "":
	case models.ThinkingNova:
		config := func(c *configuration) *reasoningConfig {
			if c.reasoningConfig == nil {
				c.reasoningConfig = &reasoningConfig{}
			}
			return c.reasoningConfig
		}
		of := word("type", "", func(c *configuration) *string { return &config(c).kind }, "enabled", "disabled")
		of.required = true
		list = append(list, object("reasoningConfig", "Nova's extended thinking.", of,
			effort("maxReasoningEffort", func(c *configuration) *string { return &config(c).effort }, effortLow, effortMedium, effortHigh)))
	case models.ThinkingEffort:
		list = append(list, effort("reasoning_effort", func(c *configuration) *string { return &c.reasoningEffort }, effortLow, effortMedium, effortHigh))
	case models.ThinkingLevel:
		list = append(list, effort("reasoning_config", func(c *configuration) *string { return &c.reasoningLevel }, effortLow, effortMedium, effortHigh))
	case models.ThinkingConfig:
		list = append(list, effort("reasoning_config", func(c *configuration) *string { return &c.reasoningLevel }, efforts()...))
	}
	if kind != models.ThinkingNone && kind != models.ThinkingAlways && kind != "" {
		list = append(list, effort("effort", func(c *configuration) *string { return &c.effort }, efforts()...))
	}
	return list
}

// text is a property with some text.
func text(name, description string, field func(*configuration) *string) property {
	return property{
		name: name, description: description, schema: `"type":"string","minLength":1`,
		read: func(c *configuration, v json.RawMessage) string {
			if json.Unmarshal(v, field(c)) != nil || *field(c) == "" {
				return "a string that is not empty"
			}
			return ""
		},
	}
}

// word is a property with one of some words.
func word(name, description string, field func(*configuration) *string, words ...string) property {
	quoted, _ := json.Marshal(words) // strings cannot fail
	return property{
		name: name, description: description, schema: `"type":"string","enum":` + string(quoted),
		read: func(c *configuration, v json.RawMessage) string {
			if json.Unmarshal(v, field(c)) != nil || !slices.Contains(words, *field(c)) {
				return "one of " + strings.Join(words, ", ")
			}
			return ""
		},
	}
}

// texts is a property with a list of texts, at most so many unless that is 0.
func texts(name, description string, most int, field func(*configuration) *[]string) property {
	schema, wanted := `"type":"array","items":{"type":"string","minLength":1}`, "a list of strings that are not empty"
	if most > 0 {
		schema += `,"maxItems":` + strconv.Itoa(most)
		wanted += ", at most " + strconv.Itoa(most)
	}
	return property{name: name, description: description, schema: schema, read: func(c *configuration, v json.RawMessage) string {
		list := field(c)
		if want(v, '[', "") == "" && json.Unmarshal(v, list) == nil && !slices.Contains(*list, "") && (most == 0 || len(*list) <= most) {
			return ""
		}
		return wanted
	}}
}

// object is a property with members.
func object(name, description string, members ...property) property {
	return property{name: name, description: description, members: members}
}

// want returns wanted unless the value begins as it must.
func want(v json.RawMessage, first byte, wanted string) string {
	if len(v) > 0 && v[0] == first {
		return ""
	}
	return wanted
}

// whole reads a whole number.
func whole(v json.RawMessage, n *int, least int) string {
	if json.Unmarshal(v, n) != nil || *n < least || string(v) == "null" {
		return "a whole number of at least " + strconv.Itoa(least)
	}
	return ""
}

// configure reads the request's configuration.
func (c *converse) configure() error {
	if len(c.req.Config) == 0 {
		return nil
	}
	if err := decodeConfig(&c.config, c.traits.properties(), c.req.Config, configPath); err != nil {
		return err
	}
	c.citations = c.config.citations
	return c.checkExtra(c.traits.ownMembers())
}

// decodeConfig reads an object of the configuration. A null member is one that is not there.
func decodeConfig(c *configuration, properties []property, object []byte, path string) error {
	list := members(object)
	if list == nil {
		return wrongMember(path, "must be an object.")
	}
	for i, m := range list {
		at := path + "." + m.key
		if slices.ContainsFunc(list[:i], func(other member) bool { return other.key == m.key }) {
			return wrongMember(at, "is there twice.")
		}
		known := slices.IndexFunc(properties, func(p property) bool { return p.name == m.key })
		if known < 0 {
			return unknownProperty(m.key, path, properties)
		}
		if string(m.value) == "null" {
			continue
		}
		p := &properties[known]
		if p.members != nil {
			if err := decodeConfig(c, p.members, m.value, at); err != nil {
				return err
			}
			continue
		}
		if wanted := p.read(c, m.value); wanted != "" {
			return wrongMember(at, "must be "+wanted+".")
		}
	}
	for _, p := range properties {
		if p.required && !slices.ContainsFunc(list, func(m member) bool { return m.key == p.name && string(m.value) != "null" }) {
			return wrongMember(path+"."+p.name, "is needed.")
		}
	}
	return nil
}

// maxToldPath is how much of a member's path a message repeats, since a client's member has any name. Param
// has it whole.
const maxToldPath = 200

// wrongMember refuses a member of the configuration. DIAL's users see the message alone, so it has the path.
func wrongMember(path, what string) error {
	told := path
	if len(told) > maxToldPath {
		told = strings.ToValidUTF8(told[:maxToldPath], "") + "…"
	}
	return llm.Invalid(path, told+" "+what)
}

func unknownProperty(name, path string, properties []property) error {
	at := path + "." + name
	if name == "requestMetadata" && path == configPath {
		return wrongMember(at, "is set by the server and cannot be sent.")
	}
	names := make([]string, len(properties))
	for i, p := range properties {
		names[i] = p.name
	}
	return wrongMember(at, "is unknown to this model, which knows "+strings.Join(names, ", ")+".")
}

// Configuration is the JSON Schema (draft 2020-12) of custom_fields.configuration for the model.
func (m *Model) Configuration() []byte {
	v := m.current.Load()
	out := appendMembersSchema([]byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema",`), v.properties())
	if v.dialect != speaksStability { // which gets whatever else is there
		out = append(out, closedSchema...)
	}
	return append(out, '}')
}

const closedSchema = `,"additionalProperties":false`

// appendObjectSchema writes the members of an object's schema.
func appendObjectSchema(out []byte, properties []property) []byte {
	return append(appendMembersSchema(out, properties), closedSchema...)
}

func appendMembersSchema(out []byte, properties []property) []byte {
	out = append(out, `"type":"object","properties":{`...)
	var required []string
	for i, p := range properties {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(jsonscan.AppendString(out, p.name), ':', '{')
		if p.description != "" {
			out = append(jsonscan.AppendString(append(out, `"description":`...), p.description), ',')
		}
		if p.members != nil {
			out = appendObjectSchema(out, p.members)
		} else {
			out = append(out, p.schema...)
		}
		out = append(out, '}')
		if p.required {
			required = append(required, p.name)
		}
	}
	out = append(out, '}')
	if required != nil {
		quoted, _ := json.Marshal(required) // strings cannot fail
		out = append(append(out, `,"required":`...), quoted...)
	}
	return out
}
