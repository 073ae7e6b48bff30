package config

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"outcrop/internal/secret"
)

const keysSection = "keys"

// keyDraft is a key while its fields are read.
type keyDraft struct {
	Key
	role    string
	project spot
	// given are the fields that state the key, of an entry whose name is only a name.
	given []spot
	file  string // of keyFile
}

func keyTable() table[keyDraft] {
	return table[keyDraft]{fields: []field[keyDraft]{
		{"project", "string", "", enforced, "required; who the caller is: two keys of one project are the same caller", "",
			func(l *loader, v spot, k *keyDraft) {
				l.str(v, &k.Project)
				k.project = v
			}},
		{"roles", "list of role names", "[]", enforced, "at least one, here or in `role`", "",
			func(l *loader, v spot, k *keyDraft) {
				k.Roles = l.strs(v)
				for i := range v.items {
					if item := v.item(i); slices.Contains(k.Roles, item.text) {
						l.checkHeldRole(item, item.text)
					}
				}
			}},
		{"role", "string", "", enforced, "the role of a key that has one; counts only without `roles`", "",
			func(l *loader, v spot, k *keyDraft) {
				l.str(v, &k.role)
				l.checkHeldRole(v, k.role)
			}},
		{"secured", "boolean", "false", enforced, "bodies of this key's requests are not logged; no body ever is", "",
			func(l *loader, v spot, k *keyDraft) { l.boolean(v, &k.Secured) }},
		{"allowedIpAddressRanges", "list of CIDRs", "", enforced, "networks (`10.0.0.0/8`, `2001:db8::/32`) and addresses that the key may be used from; absent is everywhere, an empty list nowhere", "",
			func(l *loader, v spot, k *keyDraft) { k.AllowedIPs = l.networks(v) }},
		{"key", "secret string", "", enforced, "the key itself, of an entry whose name is only a name", "",
			func(l *loader, v spot, k *keyDraft) { l.secret(v, &k.Secret); k.given = append(k.given, v) }},
		{"keyFile", "path of a file", "", enforced, "file that holds the key, of an entry whose name is only a name; it is read again when it changes. Outcrop's own field", "",
			func(l *loader, v spot, k *keyDraft) {
				k.Secret, k.file = l.secretFile(v)
				k.given = append(k.given, v)
			}},
		{"digest", "`sha256:` and 64 hex digits", "", enforced, "SHA-256 of the key, of an entry whose name is only a name: the file holds no secret then (`outcrop keys new`). Outcrop's own field", "",
			func(l *loader, v spot, k *keyDraft) { l.digest(v, &k.Digest); k.given = append(k.given, v) }},
		{"expires", "date, or time as in RFC 3339", "", enforced, "when the key stops to be good; a date (`2027-01-31`, UTC) is its last day. Outcrop's own field", "",
			func(l *loader, v spot, k *keyDraft) { l.expiry(v, k) }},
	}}
}

func readKeys(l *loader, s spot, cfg *Config) {
	if !l.want(s, object) {
		return
	}
	first, secrets := map[string]spot{}, map[string]spot{}
	for i, m := range s.members {
		v := s.member(i)
		if l.isNull(v) {
			continue
		}
		if !isNamedKey(m.value) {
			l.checkKey(v.namedAt(m.pos), m.name)
		}
		if !l.want(v, object) {
			continue
		}
		var draft keyDraft
		for version := range v.versions() {
			draft = l.readKey(version, m)
		}
		if m.lost {
			continue
		}
		l.checkTwinKeys(v.namedAt(m.pos), draft.Key, secrets)
		if draft.file != "" {
			cfg.secretFiles = append(cfg.secretFiles, draft.file)
		}
		cfg.Keys = append(cfg.Keys, draft.Key)
		if draft.Project == "" {
			continue
		}
		if other, twice := first[draft.Project]; twice {
			l.warn(draft.project, fmt.Sprintf("the project of another key too (%s:%d): both are the same caller", other.file, other.line), "they share limits and costs; give each its own project if that is not meant")
			continue
		}
		first[draft.Project] = draft.project
	}
}

func (l *loader) readKey(s spot, m member) keyDraft {
	var draft keyDraft
	key := m.name
	if isNamedKey(m.value) {
		draft.Name = m.name
		readObject(l, s, keyTable(), &draft)
		l.checkGivenKey(s.namedAt(m.pos), &draft)
		key = draft.Secret.Reveal()
	} else {
		draft.Secret = secret.New(m.name)
		readObject(l, s, keyTable(), &draft)
	}
	l.checkProject(s.namedAt(m.pos), &draft, key)
	l.checkKeyRoles(s.namedAt(m.pos), &draft)
	return draft
}

// hideKeys makes secrets of a file's keys, before anything is said about the
// file. In a section of another shape the keys may be anything but fields.
func (l *loader) hideKeys(n *node) {
	if n.kind != object {
		l.hide(n)
	}
	for _, m := range n.members {
		if !isNamedKey(m.value) {
			l.secrets.add(m.name)
		}
		if m.value.kind != object {
			l.hide(m.value)
		}
		for _, inner := range m.value.members {
			if inner.name == "key" {
				l.hide(inner.value)
			}
		}
	}
	for _, item := range n.items {
		for _, m := range item.members {
			if !keyTable().has(m.name) {
				l.secrets.add(m.name)
			}
		}
	}
}

// checkKey looks at the key itself, the name of the entry.
func (l *loader) checkKey(s spot, key string) {
	switch {
	case key == "":
		l.err(s, "an empty key", "the name of an entry of keys is the key itself")
	case strings.TrimSpace(key) != key:
		l.err(s, "a key with a space at its end or beginning: no header can carry it", "remove the space")
	case strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c >= 0x7f }):
		l.err(s, "a key with a character that no header can carry", "use ASCII letters, digits and signs")
	case len(key) < minSecret:
		l.warn(s, fmt.Sprintf("a key of less than %d characters is soon guessed", minSecret), "make a longer one")
	}
}

func (l *loader) checkProject(s spot, draft *keyDraft, key string) {
	switch {
	case draft.project.node == nil || draft.project.kind == text && draft.Project == "":
		l.err(s, "Project key is undefined", `add "project": who uses the key`)
	case key != "" && draft.Project == key || len(key) >= minSecret && strings.Contains(draft.Project, key):
		l.err(draft.project, "the project is the key itself, and projects are shown in logs and listings", "name the project differently")
		draft.Project = secret.Redacted
	}
}

func (l *loader) checkKeyRoles(s spot, draft *keyDraft) {
	switch {
	case len(draft.Roles) == 0 && draft.role == "":
		l.err(s, "Invalid key: at least one role must be assigned to the key", `add "roles": ["default"]`)
	case len(draft.Roles) == 0:
		draft.Roles = []string{draft.role}
	case draft.role != "" && !slices.Contains(draft.Roles, draft.role):
		l.warn(s, "role has no effect beside roles", "add it to the list")
	}
}

func roleTable() table[Role] {
	return table[Role]{fields: slices.Concat([]field[Role]{
		{"limits", "object: deployment or route → limit", "{}", notEnforced, "see below", "no request is refused for its limits",
			readRoleLimits},
		{"costLimit", "object", "{}", notEnforced, "USD per window over all models, see below", "no request is refused for its cost",
			func(l *loader, v spot, r *Role) {
				v.quiet = true // reported as a whole
				readObject(l, v, costTable(), &r.CostLimit)
			}},
		{"share", "object", "{}", notServed, "limits of sharing", "nothing can be shared",
			nil},
	}, policyRoleFields())}
}

func roleLimitTable() table[RoleLimit] {
	row := func(name, about string, into func(*RoleLimit) *int64) field[RoleLimit] {
		return field[RoleLimit]{name: name, kind: "integer, or a string that holds one", def: "unlimited", use: notEnforced, about: about,
			read: func(l *loader, v spot, m *RoleLimit) { l.integer(v, math.MinInt64, into(m)) }}
	}
	return table[RoleLimit]{fields: []field[RoleLimit]{
		row("minute", "tokens", func(m *RoleLimit) *int64 { return &m.Minute }),
		row("day", "tokens", func(m *RoleLimit) *int64 { return &m.Day }),
		row("week", "tokens", func(m *RoleLimit) *int64 { return &m.Week }),
		row("month", "tokens", func(m *RoleLimit) *int64 { return &m.Month }),
		row("requestHour", "requests", func(m *RoleLimit) *int64 { return &m.RequestHour }),
		row("requestDay", "requests", func(m *RoleLimit) *int64 { return &m.RequestDay }),
	}}
}

func costTable() table[CostLimit] {
	row := func(name string, into func(*CostLimit) *string) field[CostLimit] {
		return field[CostLimit]{name: name, kind: "decimal", def: "unlimited", use: notEnforced, about: "USD",
			read: func(l *loader, v spot, m *CostLimit) { l.signed(v, into(m)) }}
	}
	return table[CostLimit]{fields: []field[CostLimit]{
		row("minute", func(m *CostLimit) *string { return &m.Minute }),
		row("day", func(m *CostLimit) *string { return &m.Day }),
		row("week", func(m *CostLimit) *string { return &m.Week }),
		row("month", func(m *CostLimit) *string { return &m.Month }),
	}}
}

// readRoleLimits reads one role's limits by deployment. The limit as a whole
// has been reported as not enforced; its windows are not reported again.
func readRoleLimits(l *loader, s spot, r *Role) {
	if !l.want(s, object) {
		return
	}
	s.quiet = true
	for i, m := range s.members {
		v := s.member(i)
		if !l.incomplete && !l.deployments[m.name] {
			l.warn(v.namedAt(m.pos), "limits of a deployment that does not exist", closest(m.name, l.deployments))
		}
		limit := RoleLimit{Deployment: m.name, Minute: Unlimited, Day: Unlimited, Week: Unlimited, Month: Unlimited, RequestHour: Unlimited, RequestDay: Unlimited}
		if v.kind != null {
			readObject(l, v, roleLimitTable(), &limit)
		}
		if limit.closes() && l.served[m.name] {
			l.err(v, "not enforced yet: a limit of 0 refuses every call in DIAL, here the model would stay open", "close it with the model's userRoles")
		}
		if !m.lost {
			r.Limits = append(r.Limits, limit)
		}
	}
}

func readRoles(l *loader, s spot, cfg *Config) {
	if !l.want(s, object) {
		return
	}
	for i, m := range s.members {
		v, role := s.member(i), Role{Name: m.name}
		if m.name == "" {
			l.err(v.namedAt(m.pos), "an empty role name", "")
		}
		if v.kind != null {
			readObject(l, v, roleTable(), &role)
			for version := range v.versions() {
				l.checkCosts(version, m.name)
			}
		}
		if !m.lost {
			cfg.Roles = append(cfg.Roles, role)
		}
	}
}

// checkCosts reports a cost limit that admits nothing in DIAL (403), for a role
// that may call a model served here.
func (l *loader) checkCosts(s spot, role string) {
	cost, ok := s.find("costLimit")
	if !ok || !l.reaches(role) {
		return
	}
	for i, m := range cost.members {
		v := cost.member(i)
		if costTable().has(m.name) && (v.kind == number || v.kind == text) && closes(v.text) {
			l.err(v, "not enforced yet: a cost limit of 0 refuses every call in DIAL, here the models would stay open", "close them with their userRoles")
		}
	}
}
