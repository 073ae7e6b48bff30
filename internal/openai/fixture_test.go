package openai

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// forEachFixture runs fn for every archive of the directory.
func forEachFixture(t *testing.T, dir string, atLeast int, fn func(*testing.T, *fixture)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) < atLeast {
		t.Fatalf("%d fixtures in %s, want at least %d (%v)", len(paths), dir, atLeast, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(strings.TrimSpace(string(archive.Comment))) == 0 {
				t.Error("the fixture has no title")
			}
			f := &fixture{path: path, archive: archive}
			fn(t, f)
			f.save(t)
		})
	}
}

type fixture struct {
	path    string
	archive *txtar.Archive
}

// section returns a section's text without its last line break, "" when there is none.
func (f *fixture) section(name string) string {
	for _, file := range f.archive.Files {
		if file.Name == name {
			return strings.TrimSuffix(string(file.Data), "\n")
		}
	}
	return ""
}

// expect compares got with a section, or with -update makes it the section.
func (f *fixture) expect(t *testing.T, name, got string) {
	t.Helper()
	if !*update {
		if diff := cmp.Diff(f.section(name), strings.TrimSuffix(got, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		return
	}
	data := []byte(strings.TrimSuffix(got, "\n") + "\n")
	i := slices.IndexFunc(f.archive.Files, func(file txtar.File) bool { return file.Name == name })
	if i < 0 {
		f.archive.Files = append(f.archive.Files, txtar.File{Name: name, Data: data})
		return
	}
	f.archive.Files[i].Data = data
}

func (f *fixture) save(t *testing.T) {
	t.Helper()
	if !*update {
		return
	}
	if err := os.WriteFile(f.path, txtar.Format(f.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// drop removes an expectation that does not apply, and fails when it is there without -update.
func (f *fixture) drop(t *testing.T, name string) {
	t.Helper()
	i := slices.IndexFunc(f.archive.Files, func(file txtar.File) bool { return file.Name == name })
	if i < 0 {
		return
	}
	if !*update {
		t.Errorf("the fixture expects %s, which does not apply", name)
	}
	f.archive.Files = slices.Delete(f.archive.Files, i, i+1)
}
