package importer

import (
	"fmt"
	"slices"
	"strings"
)

// stubs adds what the operator asked for beside the models: the roles' limits, and keys.
func (m *merger) stubs(names []string) {
	if len(m.roles) > 0 {
		m.roleStubs(names)
	}
	if len(m.keys) > 0 {
		m.keyStubs()
	}
}

// roleStubs adds an empty limit, which limits nothing, for each model to each role: the place to write numbers.
func (m *merger) roleStubs(names []string) {
	section := m.section("roles")
	var fresh []treeMember
	for _, role := range m.roles {
		path := []string{"roles", role, "limits"}
		var at *tree
		if i := section.existing(role); i >= 0 {
			if at = section.members[i].value; at.kind != treeObject && at.kind != treeNull {
				m.mistake(section.members[i].line, "%s is %s, and should be an object: write %s", pathText(path[:2]), at.kind, m.empty(role))
				continue
			}
		}
		limits := at.get("limits")
		var missing []treeMember
		for _, name := range names {
			if name != "" && (limits == nil || limits.kind == treeObject && limits.exact(name) < 0) {
				missing = append(missing, field(name, object()))
				m.note(Change{What: ImportAdded, Path: pathText(append(slices.Clone(path), name)), Value: "{}"})
			}
		}
		if stub := m.roleStub(path, section, at, missing); stub != nil {
			fresh = append(fresh, *stub)
		}
	}
	if len(fresh) > 0 {
		m.add(nil, "roles", section, fresh)
	}
}

// roleStub adds the limits to the role of the file, or gives the role that the file lacks.
func (m *merger) roleStub(path []string, section, role *tree, missing []treeMember) *treeMember {
	switch limits := role.get("limits"); {
	case len(missing) == 0:
	case role == nil:
		stub := field(path[1], object(field("limits", object(missing...))))
		return &stub
	case role.kind == treeNull:
		m.replace(path[:2], section, section.exact(path[1]), object(field("limits", object(missing...))))
	case role.shared != "" || limits != nil && limits.shared != "":
		m.mistake(role.line, "%s is shared by an anchor: nothing can be added without changing other places; write its limits out", pathText(path[:2]))
	case limits == nil:
		m.insert(path[:2], role, []treeMember{field("limits", object(missing...))})
	default:
		m.insert(path, limits, missing)
	}
	return nil
}

// keyStubs adds a key for each project that has none.
func (m *merger) keyStubs() {
	section := m.section("keys")
	var fresh []treeMember
	for _, project := range m.keys {
		project, role, _ := strings.Cut(project, ":")
		if role == "" {
			role = "default"
		}
		has := section != nil && slices.ContainsFunc(section.members, func(k treeMember) bool {
			p := k.value.get("project")
			return p != nil && p.text == project
		})
		if has {
			continue
		}
		key := Placeholder(project)
		if m.newKey != nil {
			key = m.newKey(project)
		}
		fresh = append(fresh, field(key, object(field("project", text(project)), field("roles", texts([]string{role})))))
		m.note(Change{What: ImportAdded, Path: fmt.Sprintf("keys[project %q]", project)})
	}
	if len(fresh) > 0 {
		m.add(nil, "keys", section, fresh)
	}
}

// Placeholder stands in the place of a key: config check refuses it, and serve does not start with it.
func Placeholder(project string) string {
	return "${DIAL_KEY_" + strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			return c
		}
		return '_'
	}, project) + "}"
}
