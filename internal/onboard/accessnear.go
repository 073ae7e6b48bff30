package onboard

import (
	"cmp"
	"slices"
	"strings"
)

// nearIDs are up to three ids that somebody may have meant.
func nearIDs(asked string, ids []string) []string {
	type candidate struct {
		id       string
		distance int
	}
	var all []candidate
	for _, id := range ids {
		d := distance(asked, id)
		if strings.Contains(id, asked) {
			d = 0
		}
		if d <= max(2, len(asked)/4) {
			all = append(all, candidate{id, d})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.id, b.id)) })
	var out []string
	for _, c := range all[:min(3, len(all))] {
		out = append(out, c.id)
	}
	return out
}

// distance counts the insertions, deletions and replacements (Levenshtein) that make a the beginning of b:
// dates and versions at the end of ids are often left out.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(above+1, row[j]+1, replace)
			diagonal = above
		}
	}
	return slices.Min(row)
}
