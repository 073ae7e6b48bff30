package config

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// settingsTable are the sections of DIAL's static settings.
func settingsTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"config", "object", "", enforced, "the configuration files, see below", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, filesTable(), s) }},
		{"identityProviders", "object: name → provider", "{}", enforced, "who vouches for users, see below. DIAL wants at least one; here keys alone are enough", "", readProviders},
		{"server", "object", "", enforced, "the server, see below", "", readServer},
		{"client", "object", "", enforced, "calls to other servers, see below", "", readClient},
		{"perRequestApiKey", "object", "", enforced, "the keys that other servers get, see below", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, passTable(), s) }},
		{"apiKeyValidation", "object", "", enforced, "see below", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, validationTable(), s) }},
		{"access", "object", "", enforced, "who is an admin, see below", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, accessTable(), s) }},
		{"encryption", "object", "", enforced, "what the names of buckets are made with, see below", "", readEncryption},
		{"resources", "object", "", enforced, "see below", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, resourcesTable(), s) }},
		{"storage", "object", "", enforced, "see below", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, storageTable(), s) }},
		{"backgroundJob", "object", "", enforced, "answers in the background of the Responses API, see below", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, backgroundTable(), s) }},
		{"redis", "object", "", enforced, "a Redis or Valkey that replicas share, see below. DIAL needs one; here one process needs none", "", readRedis},
		{"postgres", "object", "", enforced, "the PostgreSQL of the usage ledger that replicas share, see below. Outcrop's own field", "", readPostgres},
		{"limits", "object", "", enforced, "how limits are kept, see below. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, limitsSettingsTable(), s) }},
		{"load", "object", "", enforced, "how much may be in work at once, see below. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, loadTable(), s) }},
		{"promptLog", "object", "", enforced, "what is in the prompt log, see below. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, promptLogTable(), s) }},
		{"analytics", "object", "", enforced, "what else is in the prompt log, see below", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, analyticsTable(), s) }},
		{"tracing", "object", "", enforced, "what traces have, see below", "",
			func(l *loader, v spot, s *Settings) { readSection(l, v, tracingTable(), s) }},
		{"vertx", "object", "", enforced, "the port of the metrics, see below", "", readVertx},
		without("webSocketClient", "WebSockets", "no WebSocket is served"),
		without("asyncTaskExecutor", "the Java program's own threads", ""),
		without("complexResource", "skills", "resources are not served yet"),
		without("complexResourceSweep", "skills", "resources are not served yet"),
		without("clientChannel", "channels to clients", "they are not served"),
		without("invitations", "sharing", "sharing is not served yet"),
		without("applications", "custom applications and their controller", "the applications of the configuration files are served, no others"),
		without("codeInterpreter", "the code interpreter", "it is not served"),
		without("toolsets", "MCP servers", "they are not served"),
		without("kms", "encryption of stored credentials", "no credentials are stored"),
	}, elsewhere: func(m member) string {
		if rootTable().has(m.name) {
			return "it belongs to the configuration files (aidial.config.json), which config.files names"
		}
		return ""
	}}
}

// without is a section that DIAL has and that means nothing here.
func without(name, about, instead string) field[Settings] {
	return field[Settings]{name: name, kind: "object", use: meaningless, about: about, remedy: instead, read: func(l *loader, v spot, _ *Settings) {
		if l.want(v, object) && !v.isDefault("") {
			l.warn(v, "has no effect in Outcrop", instead)
		}
	}}
}

// readSection reads an object and says once which of its members have no effect here.
func readSection[T any](l *loader, s spot, t table[T], into *T) {
	readObject(l, s, t, into)
	var idle, instead []string
	for _, m := range s.members {
		if f, ok := t.lookup(m.name); ok && f.use == meaningless && !m.value.isDefault(f.def) {
			idle = append(idle, m.name)
			if f.remedy != "" {
				instead = append(instead, f.remedy)
			}
		}
	}
	if len(idle) > 0 {
		l.warn(s, "without effect in Outcrop: "+strings.Join(idle, ", "), strings.Join(instead, "; "))
	}
}

// idle is a setting that DIAL has and that means nothing here.
func idle[T any](name, kind, def, instead string) field[T] {
	return field[T]{name: name, kind: kind, def: def, use: meaningless, remedy: instead}
}

func filesTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"files", "list of paths", "[]", enforced, "the configuration files, in order, later ones win; `--config` goes before. A relative path is one of the working directory", "",
			func(l *loader, v spot, s *Settings) {
				if v.kind == text && v.text != "" { // as people write a variable with one file
					s.Files = []string{v.text}
					return
				}
				s.Files = l.strs(v)
			}},
		{"reload", "milliseconds ≥ 1", "60000", enforced, "how often the files are looked at; `--config-poll` goes before. Here they are looked at every 5 s when it is not stated", "",
			func(l *loader, v spot, s *Settings) { l.millis(v, 1, &s.Reload) }},
		{"jsonMergeStrategy", "object", "", enforced, "`overwriteArrays` (false): a list of a later file replaces the earlier one instead of following it", "",
			func(l *loader, v spot, s *Settings) {
				readObject(l, v, mergeTable(), s)
			}},
		{"onInvalidEntity", "`abort`, `skip`", "abort", enforced, "what a mistake in one model, key, role … does: nothing is served, or all but that", "",
			func(l *loader, v spot, s *Settings) {
				var word string
				l.oneOf(v, &word, "abort", "skip")
				s.SkipInvalid = word == "skip"
			}},
		idle[Settings]("write", "object", "", "the configuration is not written through an API"),
	}}
}

func mergeTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"overwriteArrays", "boolean", "false", enforced, "a list of a later file replaces the earlier one instead of following it", "",
			func(l *loader, v spot, s *Settings) { l.boolean(v, &s.OverwriteArrays) }},
	}}
}

// idleDraft is the idleTimeout of a section while its fields are read: a number of units.
type idleDraft struct {
	*Settings
	idle int64
	unit string
}

func newIdleDraft(s *Settings) idleDraft { return idleDraft{Settings: s, unit: "MILLISECONDS"} }

// stated is how long that is, at most a day; 0 is not stated.
func (d idleDraft) stated() time.Duration {
	unit := map[string]time.Duration{"MILLISECONDS": time.Millisecond, "SECONDS": time.Second, "MINUTES": time.Minute, "HOURS": time.Hour}[d.unit]
	if d.idle <= 0 || unit == 0 {
		return 0
	}
	return time.Duration(min(d.idle, int64(24*time.Hour/unit))) * unit
}

// idleFields are the two fields of it.
func idleFields(about string) []field[idleDraft] {
	return []field[idleDraft]{
		{"idleTimeout", "integer ≥ 1", "300000", enforced, about + ", in units of `idleTimeoutUnit`; at most a day", "",
			func(l *loader, v spot, s *idleDraft) { l.integer(v, 1, &s.idle) }},
		{"idleTimeoutUnit", "`MILLISECONDS`, `SECONDS`, `MINUTES`, `HOURS`", "MILLISECONDS", enforced, "", "",
			func(l *loader, v spot, s *idleDraft) {
				l.oneOf(v, &s.unit, "MILLISECONDS", "SECONDS", "MINUTES", "HOURS")
			}},
	}
}

func readClient(l *loader, s spot, settings *Settings) {
	draft := newIdleDraft(settings)
	readSection(l, s, clientTable(), &draft)
	settings.SilenceTimeout = draft.stated()
}

func clientTable() table[idleDraft] {
	return table[idleDraft]{
		exact: true,
		fields: append([]field[idleDraft]{
			{"connectTimeout", "milliseconds ≥ 1", "10000", enforced, "how long a connection to another server may take", "",
				func(l *loader, v spot, s *idleDraft) { l.millis(v, 1, &s.ConnectTimeout) }},
			idle[idleDraft]("keepAlive", "boolean", "true", "connections are kept"),
			idle[idleDraft]("maxPoolSize", "integer", "4096", "connections are opened as they are needed"),
			idle[idleDraft]("maxWaitQueueSize", "integer", "0", "no call waits for a connection"),
		}, idleFields("how long another server may say nothing during an answer, of a deployment that states no `timeouts.interToken`")...),
		elsewhere: vertxOption,
	}
}

// vertxOption is what becomes of the other options of Vert.x, of which DIAL takes all.
func vertxOption(member) string { return "options of Vert.x have no effect here" }

func readServer(l *loader, s spot, settings *Settings) {
	draft := newIdleDraft(settings)
	readSection(l, s, serverTable(), &draft)
	settings.IdleTimeout = draft.stated()
}

func serverTable() table[idleDraft] {
	return table[idleDraft]{
		exact: true,
		fields: append([]field[idleDraft]{
			{"port", "integer ≥ 1", "8080", enforced, "where requests are taken, on every address; `--listen` goes before", "",
				func(l *loader, v spot, s *idleDraft) { l.port(v, &s.Port) }},
			idle[idleDraft]("acceptBacklog", "integer", "4096", "the system's own counts"),
			idle[idleDraft]("compressionSupported", "boolean", "true", "answers are not compressed"),
		}, idleFields("how long an idle connection of a client is kept")...),
		elsewhere: vertxOption,
	}
}

func passTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"ttl", "seconds ≥ 1", "1800", enforced, "how long a key is good that a called server got", "",
			func(l *loader, v spot, s *Settings) {
				var n int64
				l.integer(v, 1, &n)
				s.PassLifetime = time.Duration(min(n, int64(longestDuration/time.Second))) * time.Second
			}},
	}}
}

func validationTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"proxyCount", "integer ≥ 0", "0", enforced, "how many proxies stand before this server whose `X-Forwarded-For` is trusted, for `allowedIpAddressRanges`", "",
			func(l *loader, v spot, s *Settings) { l.count(v, 0, &s.ProxyCount) }},
	}}
}

func resourcesTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"maxSize", "bytes ≥ 1", "67108864", enforced, "the longest body of a request", "",
			func(l *loader, v spot, s *Settings) { l.integer(v, 1, &s.MaxBody) }},
		idle[Settings]("maxSizeToCache", "integer", "1048576", "resources are not served yet"),
		idle[Settings]("syncPeriod", "integer", "60000", ""),
		idle[Settings]("syncDelay", "integer", "120000", ""),
		idle[Settings]("syncBatch", "integer", "4096", ""),
		idle[Settings]("cacheExpiration", "integer", "300000", ""),
		idle[Settings]("resourceTypesExpiration", "object", "", ""),
		idle[Settings]("compressionMinSize", "integer", "256", ""),
		idle[Settings]("heartbeatPeriod", "integer", "60000", ""),
	}}
}

func storageTable() table[Settings] {
	const instead = "files are not stored yet"
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"maxUploadedFileSize", "bytes ≥ 1", "536870912", enforced, "the longest file of a multipart request", "",
			func(l *loader, v spot, s *Settings) { l.integer(v, 1, &s.MaxUpload) }},
		idle[Settings]("provider", "string", "filesystem", instead),
		idle[Settings]("endpoint", "string", "", ""),
		idle[Settings]("identity", "string", "", ""),
		{"credential", "secret string", "", meaningless, "", "",
			func(l *loader, v spot, _ *Settings) { l.hide(v.node) }},
		idle[Settings]("bucket", "string", "dial", ""),
		idle[Settings]("createBucket", "boolean", "true", ""),
		{"prefix", "string", "", enforced, "begins the names of the keys in Redis, so that several servers can share one", "",
			func(l *loader, v spot, s *Settings) { l.given(v, &s.RedisPrefix) }},
		idle[Settings]("overrides", "object", "", ""),
	}}
}

func backgroundTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"pollIntervalMs", "milliseconds ≥ 1", "10000", enforced, "how often another server is asked whether it has finished", "",
			func(l *loader, v spot, s *Settings) { l.millis(v, 1, &s.BackgroundPoll) }},
		{"defaultJobTtlMs", "milliseconds ≥ 1", "86400000", enforced, "how long an answer is kept", "",
			func(l *loader, v spot, s *Settings) { l.millis(v, 1, &s.BackgroundTTL) }},
		idle[Settings]("leaseTtlMs", "integer", "60000", "one process does the work"),
		idle[Settings]("maxSequentialPollFailures", "integer", "10", ""),
	}}
}

// The functions of rules about claims.
const (
	functionEqual   = "EQUAL"
	functionContain = "CONTAIN"
	functionRegex   = "REGEX"
)

func accessTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"admin", "object", "", enforced, "`rules`: who is an admin; one is enough. Without it DIAL's: `{\"source\": \"roles\", \"function\": \"CONTAIN\", \"targets\": [\"admin\"]}`", "",
			func(l *loader, v spot, s *Settings) {
				readObject(l, v, adminTable(), s)
			}},
		idle[Settings]("globalReader", "object", "", "resources are not served yet"),
		idle[Settings]("createCodeAppRoles", "list", "[]", "code applications are not served"),
	}}
}

func adminTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"rules", "list of rules", "", enforced, "one is enough", "", func(l *loader, v spot, s *Settings) { s.Admins = l.rules(v) }},
	}}
}

func ruleTable() table[ClaimRule] {
	return table[ClaimRule]{exact: true, fields: []field[ClaimRule]{
		{"source", "string", "", enforced, "the claim", "", func(l *loader, v spot, r *ClaimRule) { l.given(v, &r.Source) }},
		{"function", "`EQUAL`, `CONTAIN`, `REGEX`", "", enforced, "the claim, or one of its values, is a target, has one in it, or matches one as a whole; the first two take capitals for small letters", "",
			func(l *loader, v spot, r *ClaimRule) {
				upper := *v.node
				upper.text = strings.ToUpper(upper.text)
				v.node = &upper
				l.oneOf(v, &r.Function, functionEqual, functionContain, functionRegex)
			}},
		{"targets", "list of strings", "", enforced, "", "", func(l *loader, v spot, r *ClaimRule) { r.Targets = l.strs(v) }},
	}}
}

// rules reads a list of rules about claims, never nil: what cannot be read must not be DIAL's own.
func (l *loader) rules(s spot) []ClaimRule {
	out := []ClaimRule{}
	if !l.want(s, list) {
		return out
	}
	for i := range s.items {
		v, rule := s.item(i), ClaimRule{}
		if l.isNull(v) || !l.want(v, object) {
			continue
		}
		before := len(l.problems)
		readObject(l, v, ruleTable(), &rule)
		if len(l.problems) == before && (rule.Source == "" || rule.Function == "" || len(rule.Targets) == 0) {
			l.err(v, "a rule needs source, function and targets", `for example {"source": "roles", "function": "EQUAL", "targets": ["admin"]}`)
			continue
		}
		if slices.Contains(rule.Targets, "") {
			l.err(v, "an empty target would make an admin of everybody who has the claim", "remove it")
		}
		if targets, ok := v.find("targets"); ok && rule.Function == functionRegex {
			for j := range targets.items {
				l.pattern(targets.item(j))
			}
		}
		out = append(out, rule)
	}
	return out
}

// pattern looks whether a text is a regular expression.
func (l *loader) pattern(s spot) bool {
	_, err := regexp.Compile(s.text)
	if err != nil {
		l.err(s, "this is not a regular expression of RE2, which has no look-ahead and no back references", "github.com/google/re2/wiki/Syntax lists what it has")
	}
	return err == nil
}

func readEncryption(l *loader, s spot, settings *Settings) {
	readSection(l, s, encryptionTable(), &settings.Encryption)
	for _, two := range [][2]string{{"secret", "secretFile"}, {"key", "keyFile"}} {
		_, plain := s.find(two[0])
		if file, inFile := s.find(two[1]); plain && inFile {
			l.err(file, two[0]+" and "+two[1]+" together: which one counts?", "remove one of the two")
		}
	}
	if e := settings.Encryption; e.Secret.IsZero() != e.Key.IsZero() {
		l.err(s, "secret and key belong together, one of them is missing", "give both, or neither: then whoever has this program can read the names of buckets")
	}
}

func encryptionTable() table[Encryption] {
	return table[Encryption]{exact: true, fields: []field[Encryption]{
		{"secret", "secret string", "", enforced, "", "", func(l *loader, v spot, e *Encryption) { l.secret(v, &e.Secret) }},
		{"key", "secret string", "", enforced, "", "", func(l *loader, v spot, e *Encryption) { l.secret(v, &e.Key) }},
		{"secretFile", "path of a file", "", enforced, "file that holds the secret. Outcrop's own field", "",
			func(l *loader, v spot, e *Encryption) { e.Secret, _ = l.secretFile(v) }},
		{"keyFile", "path of a file", "", enforced, "file that holds the key. Outcrop's own field", "",
			func(l *loader, v spot, e *Encryption) { e.Key, _ = l.secretFile(v) }},
		renamed("password", "secret"),
		renamed("salt", "key"),
	}}
}

// renamed is a field that DIAL refuses under its old name.
func renamed(name, now string) field[Encryption] {
	return field[Encryption]{name: name, kind: "secret string", use: removed, remedy: "call it " + now, read: func(l *loader, v spot, _ *Encryption) {
		l.hide(v.node)
		l.err(v, "this is an old name, which DIAL refuses", "call it "+now)
	}}
}
