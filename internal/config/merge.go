package config

import "slices"

// merge lays b over a as DIAL does: objects name by name, lists one after the
// other (unless overwriteLists), and of anything else the later one counts. A
// name keeps the place of its first file. The trees are not changed.
func merge(a, b *node, overwriteLists bool) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.kind == object && b.kind == object:
		return mergeObjects(a, b, overwriteLists)
	case a.kind == list && b.kind == list && !overwriteLists:
		both := *a
		both.items = slices.Concat(a.items, b.items)
		return &both
	default:
		return b
	}
}

func mergeObjects(a, b *node, overwriteLists bool) *node {
	both := *a
	both.members = slices.Clone(a.members)
	place := make(map[string]int, len(a.members))
	for i, m := range a.members {
		place[m.name] = i
	}
	for _, m := range b.members {
		i, ok := place[m.name]
		if !ok {
			place[m.name] = len(both.members)
			both.members = append(both.members, m)
			continue
		}
		merged := m
		merged.value = merge(both.members[i].value, m.value, overwriteLists)
		both.members[i] = merged
	}
	return &both
}
