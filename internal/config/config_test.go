package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the problems and compiled parts of testdata and the tables of docs/config.md")

// secretForm is how every secret of a fixture begins, so that a leak is found
// whatever the fixture is about.
var secretForm = regexp.MustCompile(`hush-[\w-]+`)

// The parts of a fixture that are no input files.
const (
	partLoad     = "load"    // the files to load, one a line; default: all, in order
	partOptions  = "options" // overwriteArrays, skipInvalid, tokenRoles
	partProblems = "problems"
	partCompiled = "compiled"
)

func TestFixtures(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { testFixture(t, name) })
	}
}

func testFixture(t *testing.T, name string) {
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	ar, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if title, _, _ := strings.Cut(strings.TrimSpace(string(ar.Comment)), "\n"); !strings.HasSuffix(title, ".") {
		t.Errorf("the fixture needs a title sentence, it has %q", title)
	}
	part := map[string]string{}
	var inputs []txtar.File
	var files []string
	for _, f := range ar.Files {
		switch f.Name {
		case partLoad, partOptions, partProblems, partCompiled:
			part[f.Name] = string(f.Data)
		default:
			inputs, files = append(inputs, f), append(files, f.Name)
		}
	}
	t.Chdir(t.TempDir())
	for _, f := range inputs {
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if list, ok := part[partLoad]; ok {
		files = strings.Fields(list)
	}
	problems, compiled := load(t, files, Options{
		OverwriteArrays: strings.Contains(part[partOptions], "overwriteArrays"), SkipInvalid: strings.Contains(part[partOptions], "skipInvalid"),
		TokenRoles: strings.Contains(part[partOptions], "tokenRoles"),
	})
	noSecrets(t, inputs, problems+compiled)
	if *update {
		rewrite(t, path, ar, problems, compiled)
		return
	}
	if diff := cmp.Diff(part[partProblems], problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(part[partCompiled], compiled); diff != "" {
		t.Errorf("compiled (-want +got):\n%s", diff)
	}
}

// load is what a fixture states: one problem a line, and the dump.
func load(t *testing.T, files []string, o Options) (problems, compiled string) {
	t.Helper()
	cfg, found := Load(files, o)
	var p, c strings.Builder
	for _, problem := range found {
		p.WriteString(problem.String() + "\n")
	}
	if err := cfg.Dump(&c); err != nil {
		t.Fatal(err)
	}
	for _, left := range cfg.Skipped {
		fmt.Fprintf(&c, "left out: %s: %s\n", left.ID, left.Reason)
	}
	return p.String(), c.String()
}

func noSecrets(t *testing.T, inputs []txtar.File, out string) {
	t.Helper()
	for _, f := range inputs {
		for _, secret := range secretForm.FindAllString(string(f.Data), -1) {
			if strings.Contains(out, secret) {
				t.Errorf("the secret %s leaks:\n%s", secret, out)
			}
		}
	}
}

func rewrite(t *testing.T, path string, ar *txtar.Archive, problems, compiled string) {
	t.Helper()
	files := ar.Files[:0:0]
	for _, f := range ar.Files {
		if f.Name != partProblems && f.Name != partCompiled {
			files = append(files, f)
		}
	}
	files = append(files, txtar.File{Name: partProblems, Data: []byte(problems)}, txtar.File{Name: partCompiled, Data: []byte(compiled)})
	ar.Files = files
	if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}
