package importtest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// isStandard says whether a path is of the standard library: its first element has no dot, and it
// is not ours.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && first != module
}

func TestImports(t *testing.T) {
	for _, f := range tree(t) {
		r, ok := rowOf(f.pkg)
		if !ok {
			t.Errorf("%s: the package %s has no row in internal/importtest/table_test.go: add one, with the floor it stands on and what it may import", f.name, f.pkg)
			continue
		}
		if f.test {
			continue
		}
		for _, spec := range f.syn.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if path == "C" {
				t.Errorf("%s:%d: cgo is not used: the binary is built with CGO_ENABLED=0", f.name, f.line(spec))
			} else if !isStandard(path) && !r.allows(path) {
				t.Errorf("%s:%d: %s may not import %s; its row in internal/importtest/table_test.go says what it may", f.name, f.line(spec), f.pkg, path)
			}
		}
	}
}

// The table must be a table: one row for each package that exists, every import of a lower floor.
func TestTable(t *testing.T) {
	var exist []string
	for _, f := range tree(t) {
		exist = append(exist, f.pkg)
	}
	seen := map[string]bool{}
	for _, r := range table() {
		if seen[r.pkg] {
			t.Errorf("%s has two rows", r.pkg)
		}
		seen[r.pkg] = true
		if !slices.Contains(exist, r.pkg) {
			t.Errorf("the row of %s has no package: remove it", r.pkg)
		}
		for _, name := range r.internal {
			below, ok := rowOf("internal/" + name)
			switch {
			case !ok:
				t.Errorf("the row of %s names %s, which has no row", r.pkg, name)
			case below.testOnly:
				t.Errorf("the row of %s names %s, which only test files may import", r.pkg, name)
			case below.floor >= r.floor:
				t.Errorf("%s stands on floor %d and %s on floor %d: imports go down", r.pkg, r.floor, name, below.floor)
			}
		}
	}
}
