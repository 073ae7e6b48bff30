package config

import (
	"fmt"
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
