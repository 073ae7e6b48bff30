package config

import "slices"

const (
	applicationsSection = "applications"
	interceptorsSection = "interceptors"
)

// sharedFields are those that all deployments have.
func sharedFields() []field[modelDraft] {
	shared := slices.Concat(answeringFields(), servingFields(), policyFields(), listingFields(), plainFields())
	for i := range shared {
		if shared[i].name == "maxRetryAttempts" {
			shared[i].def = "1"
		}
	}
	return shared
}

func applicationTable() table[modelDraft] {
	plain := func(name, about string, into func(*modelDraft) *string) field[modelDraft] {
		return field[modelDraft]{name: name, kind: "URL", use: listed, about: about,
			read: func(l *loader, v spot, m *modelDraft) { l.str(v, into(m)) }}
	}
	none := func(name, kind, about, remedy string) field[modelDraft] {
		return field[modelDraft]{name: name, kind: kind, use: notServed, about: about, remedy: remedy}
	}
	return table[modelDraft]{
		fields: slices.Concat(sharedFields(), []field[modelDraft]{
			plain("viewerUrl", "where people see it", func(m *modelDraft) *string { return &m.more.ViewerURL }),
			plain("editorUrl", "where people edit it", func(m *modelDraft) *string { return &m.more.EditorURL }),
			{"applicationTypeSchemaId", "string", "", notServed, "its type, see applicationTypeSchemas", "the application is asked at its own endpoint, and its properties are not sent",
				func(l *loader, v spot, m *modelDraft) { l.str(v, &m.more.TypeSchemaID) }},
			{"applicationProperties", "object", "", notServed, "what its type asks for", "nothing is sent of them",
				func(l *loader, v spot, m *modelDraft) { m.more.Properties = l.object(v) }},
			none("function", "object", "a function that DIAL would run", "the endpoint counts"),
			none("mcp", "object", "its MCP server", "nobody can call it"),
			none("routes", "object", "routes of its own", "they are not forwarded; those of the section routes are"),
			none("externalServices", "object", "services that it signs in to", "it gets no token of theirs"),
			none("allowUserExternalServices", "boolean", "", "there are no external services"),
			none("appIdentity", "object", "", "it is called with a per-request key"),
			none("upstreams", "list", "of models only", "the endpoint counts"),
		}),
	}
}

func interceptorTable() table[modelDraft] { return table[modelDraft]{fields: sharedFields()} }

func readApplications(l *loader, s spot, cfg *Config) {
	readEntities(l, s, func(v spot, name string, at pos) (Application, bool) {
		l.checkName(v.namedAt(at), name)
		if first, ok := l.callable[name]; ok && first != at {
			l.err(v.namedAt(at), "a model has this name too, at "+first.place(), "clients ask for both by their names: rename one")
		}
		d, ok := l.readServer(v, applicationsSection, name, applicationTable())
		out := d.more
		out.Model = d.Model
		return out, ok
	}, &cfg.Applications)
}

func readInterceptors(l *loader, s spot, cfg *Config) {
	readEntities(l, s, func(v spot, name string, at pos) (Interceptor, bool) {
		if name == "" {
			l.err(v.namedAt(at), "an empty name", "lists of interceptors name it")
		}
		if _, ok := l.callable[name]; ok {
			l.warn(v.namedAt(at), "a model or an application has this name too: clients ask for that one", "name them differently, so that logs tell them apart")
		}
		d, ok := l.readServer(v, interceptorsSection, name, interceptorTable())
		if d.Features.ConsentRequired {
			l.warn(v, "consentRequired has no effect: nobody calls an interceptor by its name", "require it of the deployments")
		}
		if d.UserRoles != nil {
			l.warn(v, "userRoles have no effect: an interceptor sees the requests of everybody who may call the deployment", "remove them")
		}
		return Interceptor{d.Model}, ok
	}, &cfg.Interceptors)
}

// readServer reads a deployment that only another server can be.
func (l *loader) readServer(v spot, section, name string, t table[modelDraft]) (*modelDraft, bool) {
	draft := newDraft(section, name)
	if !l.want(v, object) {
		return draft, false
	}
	v.remote = true
	for version := range v.versions() {
		draft = newDraft(section, name)
		readObject(l, version, t, draft)
		l.readInterfaces(draft)
		endpoint, has := version.find("endpoint")
		if !draft.answers() && (!has || endpoint.kind == null) {
			l.warn(version, "it has no endpoint: its requests are answered with 503", "give it the URL of a server")
		}
		l.checkServing(version, draft)
	}
	return draft, true
}
