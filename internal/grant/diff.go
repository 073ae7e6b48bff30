package grant

import (
	"maps"
	"slices"
	"strings"

	"outcrop/internal/iam"
)

// canonical is a document in one order, so that two which mean the same by other orders are equal.
func canonical(d iam.Document) string {
	out := iam.Document{Version: d.Version, Statement: slices.Clone(d.Statement)}
	for i := range out.Statement {
		s := &out.Statement[i]
		s.Action, s.Resource = slices.Sorted(slices.Values(s.Action)), slices.Sorted(slices.Values(s.Resource))
		if s.Principal != nil { // IAM does not keep their order
			principal := *s.Principal
			principal.AWS, principal.Federated = slices.Sorted(slices.Values(principal.AWS)), slices.Sorted(slices.Values(principal.Federated))
			s.Principal = &principal
		}
		s.Condition = maps.Clone(s.Condition)
		for operator, keys := range s.Condition {
			keys = maps.Clone(keys)
			for key, values := range keys {
				keys[key] = slices.Sorted(slices.Values(values))
			}
			s.Condition[operator] = keys
		}
	}
	return string(out.JSON())
}

// diff is what changes from one document to another, by lines: " " stays, "-" goes, "+" comes.
func diff(from, to iam.Document) string {
	a, b := strings.SplitAfter(canonical(from), "\n"), strings.SplitAfter(canonical(to), "\n")
	// longest[i][j] is the length of the longest common sequence of a[i:] and b[j:]
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			if a[i] != "" {
				out.WriteString("  " + a[i])
			}
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			out.WriteString("- " + a[i])
			i++
		default:
			out.WriteString("+ " + b[j])
			j++
		}
	}
	return out.String()
}
