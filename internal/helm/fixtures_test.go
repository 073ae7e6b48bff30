package helm

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"outcrop/charts"
	"outcrop/internal/models"
)

var update = flag.Bool("update", false, "write the expectations of testdata anew")

// options are those of the fixtures: the chart's schema, the built-in catalogue, a fixed day.
func options(t testing.TB) LintOptions {
	t.Helper()
	o, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

var loaded = sync.OnceValues(func() (LintOptions, error) {
	schema, bad := SchemaOf(charts.FS)
	catalogue, err := models.Load()
	return LintOptions{Schema: schema, Catalogue: catalogue, Today: "2026-11-22"}, errors.Join(bad, err)
})

// TestLintFixtures: each file of testdata/lint is one mistake and what is said of it. values*.yaml are the
// values in their order, config* are DIAL's configurations, "flags" has chart=, release= and namespace=.
func TestLintFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/lint/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { lintFixture(t, name) })
	}
}

func lintFixture(t *testing.T, name string) {
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if title := strings.TrimSpace(string(a.Comment)); !strings.HasSuffix(title, ".") {
		t.Errorf("the first line must be a sentence: %q", title)
	}
	o := options(t)
	var files []File
	want := ""
	for _, f := range a.Files {
		switch {
		case f.Name == "findings":
			want = string(f.Data)
		case f.Name == "flags":
			for _, field := range strings.Fields(string(f.Data)) {
				key, value, _ := strings.Cut(field, "=")
				switch key {
				case "chart":
					o.Chart = value
				case "release":
					o.Release = value
				case "namespace":
					o.Namespace = value
				}
			}
		case strings.HasPrefix(f.Name, "config"):
			o.Configs = append(o.Configs, File{f.Name, f.Data})
		default:
			files = append(files, File{f.Name, f.Data})
		}
	}
	findings, err := Lint(files, o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := WriteFindings(&b, findings); err != nil {
		t.Fatal(err)
	}
	if *update {
		rewrite(t, name, a, b.String())
		return
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func rewrite(t *testing.T, name string, a *txtar.Archive, findings string) {
	a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "findings" })
	a.Files = append(a.Files, txtar.File{Name: "findings", Data: []byte(findings)})
	if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEveryCodeHasAFixture: what the linter can say, some fixture shows.
func TestEveryCodeHasAFixture(t *testing.T) {
	all := ""
	files, err := filepath.Glob("testdata/lint/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if f.Name == "findings" {
				all += string(f.Data)
			}
		}
	}
	for _, c := range Codes() {
		if c.Code == envSize {
			continue // TestTrap11ConfigurationIsADirectory; a file of 128 KiB teaches nobody
		}
		if !strings.Contains(all, c.Code) {
			t.Errorf("no fixture shows %s: %s", c.Code, c.About)
		}
	}
}
