package adapter_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestContract: every promise of DIAL's Bedrock adapter that testdata/contract lists has a fixture, no row is
// lost on the way, and each fixture in the folders that are the contract's is named by a row.
func TestContract(t *testing.T) {
	tables, err := filepath.Glob("testdata/contract/*.txt")
	if err != nil || len(tables) == 0 {
		t.Fatalf("%d tables: %v", len(tables), err)
	}
	named, folders := map[string]bool{}, map[string]bool{}
	for _, file := range tables {
		table, err := readContract(file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, row := range table {
			for _, name := range row.fixtures {
				named[name] = true
				folders[filepath.Dir(name)] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		checkPromise(t, name)
	}
	for folder := range folders {
		if slices.Contains(otherFolders(), folder) {
			continue
		}
		files, err := filepath.Glob("testdata/" + folder + "/*.txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := folder + "/" + strings.TrimSuffix(filepath.Base(file), ".txtar")
			if !named[name] {
				t.Errorf("no row of testdata/contract names %s", name)
			}
		}
	}
}

// otherFolders have fixtures of the contract, and others: how the adapter is set up, and whom it asks.
func otherFolders() []string {
	return []string{"anthropic", "claude", "credentials", "extra", "headers", "models", "region", "routes", "storage", "tags", "timeouts", "translator"}
}

// promise is a row of the contract.
type promise struct {
	section, row string
	fixtures     []string
}

// readContract reads a table: "section | row | fixture …", and "= section count" before the rows of each.
func readContract(file string) (rows []promise, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	promised, seen := map[string]int{}, map[string]bool{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		var section string
		var count int
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fmt.Sscanf(line, "= %s %d", &section, &count); err == nil {
			promised[section] = count
			continue
		}
		fields := strings.Split(line, " | ")
		if len(fields) != 3 || seen[fields[0]+fields[1]] {
			return nil, fmt.Errorf("line %d: not a row, or a second one of that name", n)
		}
		seen[fields[0]+fields[1]] = true
		p := promise{fields[0], fields[1], strings.Fields(fields[2])}
		if len(p.fixtures) == 0 {
			return nil, fmt.Errorf("line %d: no fixture shows it", n)
		}
		promised[p.section]--
		rows = append(rows, p)
	}
	for section, left := range promised {
		if left != 0 {
			return nil, fmt.Errorf("section %s has %d rows less than it says", section, left)
		}
	}
	return rows, nil
}

// checkPromise looks for a fixture, and at its title: what is another way than theirs stands at its end.
func checkPromise(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".txtar")
	if err != nil {
		t.Error(err)
		return
	}
	title, _, _ := strings.Cut(string(text), "\n")
	if _, theirs, ok := strings.Cut(title, "(theirs"); ok && (!strings.HasPrefix(theirs, ": ") || !strings.HasSuffix(theirs, ").")) {
		t.Errorf("%s: the title is to end with (theirs: …).", name)
	}
}
