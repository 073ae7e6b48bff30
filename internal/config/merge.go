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
	lost := map[string][]int{}
	for i, m := range a.members {
		if m.lost {
			lost[m.name] = append(lost[m.name], i)
			continue
		}
		place[m.name] = i
	}
	for _, m := range b.members {
		i, ok := place[m.name]
		merged := m
		if ok {
			merged.value = merge(both.members[i].value, m.value, overwriteLists)
		}
		switch {
		case m.lost || !ok:
			both.members = append(both.members, merged)
		default:
			both.members[i] = merged
			for _, j := range lost[m.name] { // it is checked as it would be merged
				both.members[j].value = merge(both.members[j].value, m.value, overwriteLists)
			}
		}
	}
	return &both
}
