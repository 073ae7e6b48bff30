package config

import (
	"net/http"
	"slices"
)

// logFileVariable names the file of the prompt log. DIAL writes log/aidial.log without it; here nothing is written.
const logFileVariable = "AIDIAL_LOG_FILE"

// loggedBody is DIAL's longest body of the prompt log.
const loggedBody = 4 << 20

// credentialHeaders are DIAL's headers that no log may have, in small letters.
func credentialHeaders() []string {
	return []string{"authorization", "api-key", "cookie", "proxy-authorization"}
}

// defaultPromptLog is what DIAL has built in.
func defaultPromptLog(environ []string) PromptLogSettings {
	return PromptLogSettings{File: valueOf(environ, logFileVariable), MaxBody: loggedBody, HeadersBlacklist: credentialHeaders()}
}

func defaultTracing() TracingSettings {
	return TracingSettings{GenAIAttributes: true, ResponseHeaders: true, ConversationHeaders: []string{
		"x-claude-code-session-id", "thread-id", "x-session-id", "x-dial-client-channel-id", "X-CONVERSATION-ID",
	}}
}

func promptLogTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"bodies", "boolean", "false", enforced, "the prompt log has the bodies of requests and answers; never of secured keys. DIAL always writes them. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.boolean(v, &s.PromptLog.Bodies) }},
		{"maxBody", "bytes ≥ 1", "4194304", enforced, "where a body is cut. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.integer(v, 1, &s.PromptLog.MaxBody) }},
	}}
}

func analyticsTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"collectClaims", "boolean", "false", enforced, "the prompt log has the user's claims", "",
			func(l *loader, v spot, s *Settings) { l.boolean(v, &s.PromptLog.Claims) }},
		{"collectHeaders", "boolean", "false", enforced, "the prompt log has the request's headers", "",
			func(l *loader, v spot, s *Settings) { l.boolean(v, &s.PromptLog.Headers) }},
		{"headersBlacklist", "list of regular expressions", `["authorization","api-key","cookie","proxy-authorization"]`, enforced, "headers that it never has; each matches a whole name, in capitals or not. Credentials are left out whatever stands here", "",
			func(l *loader, v spot, s *Settings) { s.PromptLog.HeadersBlacklist = l.expressions(v) }},
		{"headersAllowlist", "list of regular expressions", "", enforced, "the only headers that it has; without it all that are not blacklisted", "",
			func(l *loader, v spot, s *Settings) { s.PromptLog.HeadersAllowlist = l.expressions(v) }},
	}}
}

// expressions reads regular expressions, never nil: a list that cannot be read is not the one that is built in.
func (l *loader) expressions(s spot) []string {
	all := l.strs(s)
	for i := range s.items {
		if v := s.item(i); v.kind == text {
			l.pattern(v)
		}
	}
	return all
}

func tracingTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"genAiSpanAttributes", "boolean", "true", enforced, "spans have OpenTelemetry's `gen_ai` attributes", "",
			func(l *loader, v spot, s *Settings) { l.boolean(v, &s.Tracing.GenAIAttributes) }},
		{"responseTraceHeaders", "boolean", "true", enforced, "answers tell the trace that they belong to", "",
			func(l *loader, v spot, s *Settings) { l.boolean(v, &s.Tracing.ResponseHeaders) }},
		{"conversationIdHeaders", "list of headers", `["x-claude-code-session-id","thread-id","x-session-id","x-dial-client-channel-id","X-CONVERSATION-ID"]`, enforced, "the first that a request has is the conversation's id, if it has at most 256 characters", "",
			func(l *loader, v spot, s *Settings) { s.Tracing.ConversationHeaders = l.headerNames(v) }},
	}}
}

// headerNames reads names of headers that are no credentials.
func (l *loader) headerNames(s spot) []string {
	names := l.strs(s)
	for i := range s.items {
		v := s.item(i)
		switch {
		case v.kind != text || v.text == "":
		case !isHeaderName(v.text):
			l.err(v, "no header can have this name", "letters, digits and !#$%&'*+-.^_`|~ only")
		case looksSecret(v.text) && slices.Contains([]string{"Authorization", "Api-Key", "X-Api-Key", "Cookie", "Proxy-Authorization", "X-Amz-Security-Token"}, http.CanonicalHeaderKey(v.text)):
			l.err(v, "this header is a credential, which no trace may have", "remove it")
		}
	}
	return names
}

// metricsDraft is the port of the metrics while the fields are read.
type metricsDraft struct {
	port int
	off  bool
}

func readVertx(l *loader, s spot, settings *Settings) {
	var d metricsDraft
	readSection(l, s, vertxTable(), &d)
	if !d.off {
		settings.MetricsPort = d.port
	}
}

func vertxTable() table[metricsDraft] {
	return table[metricsDraft]{exact: true, elsewhere: vertxOption, fields: []field[metricsDraft]{
		{"metricsOptions", "object", "", enforced, "see below", "",
			func(l *loader, v spot, d *metricsDraft) { readSection(l, v, metricsTable(), d) }},
		idle[metricsDraft]("workerPoolSize", "integer", "64", "there is no pool of threads"),
	}}
}

func metricsTable() table[metricsDraft] {
	return table[metricsDraft]{exact: true, elsewhere: vertxOption, fields: []field[metricsDraft]{
		switchField("enabled"),
		{"prometheusOptions", "object", "", enforced, "`enabled` and `startEmbeddedServer` (true), and `embeddedServerOptions.port`: where the metrics are served, on every address; `--metrics-listen` goes before. Here nowhere when it is not stated, in DIAL at 9464", "",
			func(l *loader, v spot, d *metricsDraft) { readSection(l, v, prometheusTable(), d) }},
		idle[metricsDraft]("jvmMetricsEnabled", "boolean", "true", "there is no Java program"),
		idle[metricsDraft]("oltpOptions", "object", "", "metrics are fetched, not sent"),
	}}
}

func prometheusTable() table[metricsDraft] {
	return table[metricsDraft]{exact: true, elsewhere: vertxOption, fields: []field[metricsDraft]{
		switchField("enabled"),
		switchField("startEmbeddedServer"),
		{"embeddedServerOptions", "object", "", enforced, "`port`", "",
			func(l *loader, v spot, d *metricsDraft) { readSection(l, v, metricsPortTable(), d) }},
	}}
}

func metricsPortTable() table[metricsDraft] {
	return table[metricsDraft]{exact: true, elsewhere: vertxOption, fields: []field[metricsDraft]{
		{"port", "integer ≥ 1", "9464", enforced, "", "", func(l *loader, v spot, d *metricsDraft) { l.port(v, &d.port) }},
	}}
}

// switchField turns the metrics off when it is false.
func switchField(name string) field[metricsDraft] {
	return field[metricsDraft]{name, "boolean", "true", enforced, "false: no metrics are served", "", func(l *loader, v spot, d *metricsDraft) {
		on := true
		if l.boolean(v, &on); !on {
			d.off = true
		}
	}}
}

// port reads the number of a port.
func (l *loader) port(s spot, into *int) {
	l.count(s, 1, into)
	if *into > 65535 {
		l.err(s, "must be a port: 1 to 65535", "")
		*into = 0
	}
}
