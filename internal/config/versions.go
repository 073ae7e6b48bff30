package config

import "iter"

// maxVersions bounds how many of the entries that a later one of the same name
// overrides are read in one object. A file with more is a file that went wrong
// as a whole, and every one of them is reported as such.
const maxVersions = 16

// markLost marks the members that a later one of the same name overrides, which
// is what DIAL does.
func (n *node) markLost() {
	last := make(map[string]int, len(n.members))
	for i, m := range n.members {
		if before, twice := last[m.name]; twice {
			n.members[before].lost = true
		}
		last[m.name] = i
	}
}

// versions yields the object as it would be with one of its lost members in
// place of the one that counts, for each of them, and at the end as it is: who
// reads them all finds the mistakes of all members, and what the last one says
// is what counts. Mistakes that several versions share are reported once.
func (s spot) versions() iter.Seq[spot] {
	return func(yield func(spot) bool) {
		left := maxVersions
		for i, m := range s.members {
			if s.chosen || !m.lost || left == 0 {
				continue
			}
			left--
			if !yield(s.with(i)) {
				return
			}
		}
		last := *s.node
		last.chosen = true
		s.node = &last
		yield(s)
	}
}

// with is the object in which the lost member i counts.
func (s spot) with(i int) spot {
	version := *s.node
	version.chosen = true
	version.members = make([]member, len(s.members))
	for j, m := range s.members {
		m.lost = m.lost || m.name == s.members[i].name
		version.members[j] = m
	}
	version.members[i].lost = false
	s.node = &version
	return s
}
