package config

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

const schemaDialect = "https://json-schema.org/draft/2020-12/schema"

// Schema is the JSON Schema (draft 2020-12) of aidial.config.json, made of the field tables. A file is as good as
// [Load] finds it: what several fields or files say together, and names of entries, no schema knows.
func Schema() []byte {
	d := definitions{}
	define(d, "timeouts", timeoutsTable(), nil)
	define(d, "limits", limitsTable(), nil)
	define(d, "test", testTable(), nil)
	define(d, "decisionTree", treeTable(), d.with("test", ref("test"), "ifTrue", rateSchema(), "ifFalse", rateSchema()))
	define(d, "pricing", pricingTable(), d.with("cacheRead", rateSchema(), "cacheWrite", rateSchema()))
	define(d, "quota", quotaTable(), nil)
	define(d, "fallback", fallbackTable(), nil)
	define(d, "features", featuresTable(), nil)
	define(d, "guardrail", guardrailTable(), nil)
	define(d, "upstreamInterface", upstreamInterfaceTable(), nil)
	define(d, "upstream", upstreamTable(), d.with("guardrail", ref("guardrail"), "quota", ref("quota"), "extraData", extraSchema(), "secretExtraData", extraSchema(), "interfaces", mapOf(ref("upstreamInterface"))))
	define(d, "interface", interfaceTable(), d.with("features", ref("features")))
	deployment := d.with("timeouts", ref("timeouts"), "limits", ref("limits"), "pricing", ref("pricing"), "features", ref("features"), "interfaces", mapOf(ref("interface")))
	define(d, "application", applicationTable(), deployment)
	define(d, "interceptor", interceptorTable(), deployment)
	deployment["upstreams"], deployment["fallback"] = listOf(ref("upstream")), ref("fallback")
	define(d, "model", modelTable(), deployment)
	define(d, "translator", translatorTable(), nil)
	define(d, "response", responseTable(), nil)
	define(d, "route", routeTable(), d.with("upstreams", listOf(ref("upstream")), "response", ref("response")))
	define(d, "key", keyTable(), nil)
	define(d, "roleLimit", roleLimitTable(), nil)
	define(d, "costLimit", costTable(), nil)
	define(d, "role", roleTable(), d.with("limits", mapOf(ref("roleLimit")), "costLimit", ref("costLimit")))
	define(d, "rateLimitSchedule", scheduleTable(), nil)
	define(d, "root", rootTable(), d.with(applicationsSection, mapOf(ref("application")), interceptorsSection, mapOf(ref("interceptor")),
		translatorsSection, mapOf(ref("translator")), routesSection, mapOf(ref("route")), modelsSection, mapOf(ref("model")), keysSection, mapOf(ref("key")), rolesSection, mapOf(ref("role")), "rateLimitSchedule", ref("rateLimitSchedule")))
	return d.document("AI DIAL's aidial.config.json as Outcrop reads it")
}

// SettingsSchema is that of aidial.settings.json.
func SettingsSchema() []byte {
	d := definitions{}
	define(d, "merge", mergeTable(), nil)
	define(d, "config", filesTable(), d.with("jsonMergeStrategy", ref("merge"), "files", schema{"type": words("array string null"), "items": schema{"type": words("string null")}}))
	define(d, "provider", providerTable(), nil)
	define(d, "server", serverTable(), nil)
	define(d, "client", clientTable(), nil)
	define(d, "perRequestApiKey", passTable(), nil)
	define(d, "apiKeyValidation", validationTable(), nil)
	define(d, "rule", ruleTable(), d.with("function", schema{"type": words("string null"), "pattern": "^(?i:EQUAL|CONTAIN|REGEX)$"}))
	define(d, "admin", adminTable(), d.with("rules", listOf(ref("rule"))))
	define(d, "access", accessTable(), d.with("admin", ref("admin")))
	define(d, "encryption", encryptionTable(), nil)
	define(d, "resources", resourcesTable(), nil)
	define(d, "storage", storageTable(), nil)
	define(d, "backgroundJob", backgroundTable(), nil)
	define(d, "redisServer", redisServerTable(), nil)
	define(d, "redisCluster", redisClusterTable(), nil)
	define(d, "redis", redisTable(), d.with("singleServerConfig", ref("redisServer"), "clusterServersConfig", ref("redisCluster")))
	define(d, "postgres", postgresTable(), nil)
	define(d, "limits", limitsSettingsTable(), nil)
	define(d, "load", loadTable(), nil)
	define(d, "promptLog", promptLogTable(), nil)
	define(d, "analytics", analyticsTable(), nil)
	define(d, "tracing", tracingTable(), nil)
	define(d, "metricsPort", metricsPortTable(), nil)
	define(d, "prometheus", prometheusTable(), d.with("embeddedServerOptions", ref("metricsPort")))
	define(d, "metrics", metricsTable(), d.with("prometheusOptions", ref("prometheus")))
	define(d, "vertx", vertxTable(), d.with("metricsOptions", ref("metrics")))
	nested := d.with("identityProviders", mapOf(ref("provider")))
	for _, section := range []string{"redis", "postgres", "limits", "load", "promptLog", "analytics", "tracing", "vertx", "config", "server", "client", "perRequestApiKey", "apiKeyValidation", "access", "encryption", "resources", "storage", "backgroundJob"} {
		nested[section] = ref(section)
	}
	define(d, "root", settingsTable(), nested)
	return d.document("AI DIAL's aidial.settings.json as Outcrop reads it")
}

// schema is a JSON Schema, or a part of one.
type schema = map[string]any

// definitions are the schemas of objects, by name.
type definitions map[string]schema

// with pairs names of fields with schemas that say more than the tables do.
func (definitions) with(pairs ...any) map[string]schema {
	out := map[string]schema{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, isName := pairs[i].(string)
		s, isSchema := pairs[i+1].(schema)
		if isName && isSchema {
			out[name] = s
		}
	}
	return out
}

// document is the schema of a file, whose root is the definition of that name.
func (d definitions) document(title string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	root := schema{"$schema": schemaDialect, "title": title, "type": "object", "$ref": "#/$defs/root", "$defs": d}
	if err := enc.Encode(root); err != nil { // maps of strings always have a JSON form
		return nil
	}
	return b.Bytes()
}

// define makes the schema of a table's objects. A field that the tables have under two names has them here too.
func define[T any](d definitions, name string, t table[T], nested map[string]schema) {
	properties := schema{}
	for _, f := range t.fields {
		s := schema{}
		if more, ok := nested[f.name]; ok {
			for k, v := range more {
				s[k] = v
			}
		} else {
			s = kindSchema(f.kind)
		}
		s["description"] = describe(f)
		if f.def != "" {
			s["default"] = defaultOf(f.def)
		}
		if f.use == removed {
			s["deprecated"] = true
		}
		if strings.HasPrefix(f.kind, "secret") {
			s["writeOnly"] = true
		}
		properties[f.name] = s
		if snake := snakeCase(f.name); !t.exact && snake != f.name {
			properties[snake] = schema{"$ref": "#/$defs/" + name + "/properties/" + f.name}
		}
	}
	d[name] = schema{
		"type": words("object null"), "properties": properties,
		"additionalProperties": schema{"description": "Unknown: it is ignored, and outcrop config check warns of it."},
	}
}

// describe is what a field is, and what becomes of it here.
func describe[T any](f field[T]) string {
	var parts []string
	if f.about != "" {
		parts = append(parts, strings.ToUpper(f.about[:1])+f.about[1:])
	}
	if strings.HasPrefix(f.kind, "secret") {
		parts = append(parts, "A secret: keep the file to yourself, or give the secret as a file of its own where a field for one exists")
	}
	if !structural(f.kind) {
		parts = append(parts, "A value is: "+f.kind)
	}
	if f.use != enforced && f.use != listed {
		parts = append(parts, strings.TrimSuffix("Acted on: "+f.use.String()+"; "+f.remedy, "; "))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ". ") + "."
}

// structural reports whether the words of a kind say no more than the schema's type does.
func structural(kind string) bool {
	switch kind {
	case "string", "secret string", "boolean", "object", "integer", "URL":
		return true
	}
	return choice(kind) != nil
}

// defaultOf is a default as a value.
func defaultOf(def string) any {
	var v any
	if json.Unmarshal([]byte(def), &v) != nil {
		return def
	}
	return v
}

// rateSchema is a decimal, or a decision tree of them.
func rateSchema() schema {
	return schema{"anyOf": []schema{{"type": words("string number null")}, ref("decisionTree")}}
}

func ref(name string) schema { return schema{"$ref": "#/$defs/" + name} }

func listOf(item schema) schema { return schema{"type": words("array null"), "items": item} }

func mapOf(value schema) schema {
	return schema{"type": words("object null"), "additionalProperties": value}
}

// extraSchema describes extraData. Its types are checked by who reads it: of another server's upstream it may hold
// anything.
func extraSchema() schema {
	properties := schema{}
	for _, f := range extraTable().fields {
		s := schema{"description": describe(f)}
		if strings.HasPrefix(f.kind, "secret") {
			s["writeOnly"] = true
		}
		properties[f.name] = s
	}
	return schema{"properties": properties}
}

// words are the types of a schema.
func words(s string) []string { return strings.Fields(s) }

var (
	leastForm  = regexp.MustCompile(`≥ (\d+)`)
	choiceForm = regexp.MustCompile("^(list of )?`[^`]+`(, `[^`]+`)+$")
	wordForm   = regexp.MustCompile("`([^`]+)`")
)

// kindSchema is what values a kind's words allow. What DIAL's reader takes is taken: numbers and booleans as
// strings, null for what is not given. Words that nobody knows here allow everything.
func kindSchema(kind string) schema {
	if chosen := choice(kind); chosen != nil {
		one := schema{"enum": append(chosen, nil)}
		if strings.HasPrefix(kind, "list of ") {
			return listOf(one)
		}
		return one
	}
	first, _, alternatives := strings.Cut(kind, ", or ")
	switch {
	case strings.HasPrefix(kind, "`sha256:`"):
		return schema{"type": words("string null"), "pattern": `^(?i:sha256:[0-9a-f]{64})$`}
	case kind == "number, 0 to 1":
		return schema{"type": words("number string null"), "minimum": 0, "maximum": 1}
	case kind == "boolean":
		return schema{"enum": []any{true, false, "true", "false", nil}}
	case kind == "list of integers":
		return listOf(schema{"type": words("integer string null"), "pattern": `^\d+$`})
	case kind == "list of rules", kind == "list of upstreams":
		return listOf(schema{"type": words("object null")})
	case strings.HasPrefix(kind, "list or object"):
		return schema{"type": words("array object null")}
	case strings.HasPrefix(kind, "list"):
		return listOf(schema{"type": words("string number null")})
	case strings.HasPrefix(kind, "object, or a string"):
		return schema{"type": words("object string null")}
	case strings.HasPrefix(kind, "object"):
		return schema{"type": words("object null")}
	case strings.HasPrefix(kind, "integer"), strings.HasPrefix(kind, "milliseconds"), strings.HasPrefix(kind, "seconds"), strings.HasPrefix(kind, "bytes"):
		return wholeSchema(kind)
	case strings.HasPrefix(kind, "decimal"):
		return schema{"type": words("string number null")}
	case strings.HasPrefix(kind, "duration"), strings.HasPrefix(kind, "date"):
		return schema{"type": words("string null")}
	case kind == "URL":
		return schema{"type": words("string null"), "pattern": `^(https?://.+)?$`}
	case first == "string" && alternatives && strings.Contains(kind, "locales"):
		return schema{"type": words("string number object null")}
	case first == "string" && alternatives && strings.Contains(kind, "list"):
		return schema{"type": words("string array null"), "items": schema{"type": words("string null")}}
	case kind == "string", kind == "secret string", kind == "path of a file", kind == "regular expression", kind == "IANA name", kind == "region", kind == "name of a deployment", kind == "string or number":
		return schema{"type": words("string number null")}
	}
	return schema{}
}

// wholeSchema is a whole number, as one or as a string.
func wholeSchema(kind string) schema {
	s := schema{"type": words("integer string null"), "pattern": `^-?\d+$`}
	if least := leastForm.FindStringSubmatch(kind); least != nil {
		if n, err := strconv.Atoi(least[1]); err == nil {
			s["minimum"], s["pattern"] = n, `^\d+$`
		}
	}
	return s
}

// choice are the words that a kind lists, nil when it is no list of words.
func choice(kind string) []any {
	if !choiceForm.MatchString(kind) {
		return nil
	}
	var out []any
	for _, word := range wordForm.FindAllStringSubmatch(kind, -1) {
		out = append(out, word[1])
	}
	return out
}

// snakeCase is a field's name as DIAL's aliases are: iconUrl, icon_url.
func snakeCase(name string) string {
	var b strings.Builder
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
