package config

import (
	"slices"
	"strconv"
	"strings"
)

func rootTable() table[Config] {
	return table[Config]{
		exact: true,
		fields: []field[Config]{
			{modelsSection, "object: name → model", "{}", enforced, "the order is that of listings", "", readModels},
			{keysSection, "object: key → entry", "{}", enforced, "who may call; the name of an entry is the key itself", "", readKeys},
			{rolesSection, "object: name → role", "{}", enforced, "", "", readRoles},
			{"retriableErrorCodes", "list of integers", "[]", enforced, "statuses, 400 to 599, after which another upstream is asked, besides 429, 502, 503, 504", "", readErrorCodes},
			{"rateLimitSchedule", "object", "", enforced, "when the days, weeks and months of limits begin, see below", "",
				func(l *loader, v spot, cfg *Config) {
					readObject(l, v, scheduleTable(), &cfg.RateLimitSchedule)
				}},
			{"globalInterceptors", "list of names", "[]", enforced, "interceptors that see every chat and embedding, before the deployment's own", "",
				func(l *loader, v spot, cfg *Config) { cfg.GlobalInterceptors = l.chain(v) }},
			{"defaultLocale", "string", "", listed, "which of several localized values is shown", "",
				func(l *loader, v spot, cfg *Config) { l.str(v, &cfg.DefaultLocale) }},
			{applicationsSection, "object: name → application", "{}", enforced, "deployments that are programs", "", readApplications},
			{interceptorsSection, "object: name → interceptor", "{}", enforced, "deployments that stand before others", "", readInterceptors},
			{translatorsSection, "object: name → translator", "{}", enforced, "servers between two interfaces", "", readTranslators},
			{routesSection, "object: name → route", "{}", enforced, "paths that are forwarded; of two that match, the one with the lower `order`, else the first", "", readRoutes},
			{"toolsets", "object", "{}", notServed, "MCP servers", "nobody can call them", notServedSection},
			{"applicationTypeSchemas", "list or object", "", notServed, "types of applications", "applications of a type are served as others are", notServedSchemas},
			{"catalogSchemas", "object", "", meaningless, "catalog data", "", nil},
			{"tracing", "object", "", removed, "", "it moved to DIAL's static settings", nil},
			{"addons", "object", "", removed, "", "", nil},
			{"assistant", "object", "", removed, "", "", nil},
			{"$schema", "string", "", meaningless, "for editors", "", nil},
		},
		elsewhere: func(m member) string {
			if looksLikeKey(m.value) {
				return `it looks like a key: keys stand inside {"keys": {…}}`
			}
			if slices.Contains(staticSettings(), m.name) {
				return "it belongs to DIAL's static settings (aidial.settings.json), which --settings names"
			}
			return ""
		},
	}
}

// staticSettings are the sections of DIAL's other file.
func staticSettings() []string {
	return []string{
		"access", "analytics", "apiKeyValidation", "applicationsSettings", "asyncTaskExecutor", "client", "codeInterpreter",
		"config", "encryption", "identityProviders", "invitations", "kms", "limits", "perRequestApiKey", "postgres", "promptLog", "redis", "resources",
		"server", "storage", "vertx", "webSocketClient",
	}
}

func scheduleTable() table[RateLimitSchedule] {
	return table[RateLimitSchedule]{fields: []field[RateLimitSchedule]{
		{"timezone", "IANA name", "UTC", enforced, "whose calendar counts, for example `Europe/Berlin`; it knows of daylight-saving time", "",
			func(l *loader, v spot, r *RateLimitSchedule) { l.timezone(v, &r.Timezone) }},
		{"weekStartDay", "`Mon` … `Sun`", "Mon", enforced, "the day on which a week begins", "",
			func(l *loader, v spot, r *RateLimitSchedule) {
				l.oneOf(v, &r.WeekStartDay, "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
			}},
		{"resetTime", "`HH:mm`", "00:00", enforced, "the time at which a day begins, also the first of a week and of a month", "",
			func(l *loader, v spot, r *RateLimitSchedule) {
				var at string
				if l.str(v, &at); isClock(at) {
					r.ResetTime = at
				} else if at != "" || v.kind == text {
					l.err(v, "must be a time of day like 00:00", "put it in quotes in YAML")
				}
			}},
	}}
}

func isClock(s string) bool {
	hour, minute, ok := strings.Cut(s, ":")
	h, errH := strconv.ParseUint(hour, 10, 8)
	m, errM := strconv.ParseUint(minute, 10, 8)
	return ok && len(s) == 5 && errH == nil && errM == nil && h < 24 && m < 60
}

func readErrorCodes(l *loader, s spot, cfg *Config) {
	if !l.want(s, list) {
		return
	}
	for i := range s.items {
		v, code := s.item(i), 0
		if l.isNull(v) {
			continue
		}
		l.count(v, 400, &code)
		if code > 599 {
			l.err(v, "must be a status from 400 to 599", "")
			continue
		}
		if code > 0 {
			cfg.RetriableErrorCodes = append(cfg.RetriableErrorCodes, code)
		}
	}
}

// notServedSection only looks at the shape: the warning has been given.
func notServedSection(l *loader, s spot, _ *Config) { l.want(s, object) }

func notServedSchemas(l *loader, s spot, _ *Config) {
	if s.kind != list {
		l.want(s, object)
	}
}

func (l *loader) readRoot(s spot, cfg *Config) {
	l.names = collectNames(s.node)
	l.checkPlaceholders(s)
	if locale := s.get("defaultLocale"); locale != nil {
		l.locale = locale.text
	}
	readObject(l, s, rootTable(), cfg)
}

// checkWhole looks at what only all files together can miss.
func (l *loader) checkWhole(root *node, files []string, cfg *Config) {
	missing := func(section string) bool {
		n := root.get(section)
		return n == nil || n.kind != text && n.isDefault("")
	}
	p := Problem{Severity: Warning}
	if len(files) == 1 {
		p.File = files[0]
	}
	warn := func(message, remedy string) {
		p.Message, p.Remedy = message, remedy
		l.report(p)
	}
	switch {
	case missing(modelsSection) && missing(applicationsSection):
		warn("there are no models", "add a section models")
	case len(cfg.Models) > 0 && !slices.ContainsFunc(cfg.Models, func(m Model) bool { return m.NotServed() == "" }):
		warn("none of the models is served by this version", `give one the endpoint "bedrock:<model id or ARN>"`)
	}
	if missing(keysSection) && !l.tokenRoles {
		warn("there are no keys: nobody can call, unless with a token", "add a section keys, or identityProviders to the settings")
	}
}
