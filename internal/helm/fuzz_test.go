package helm

import (
	"path/filepath"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"
)

// FuzzLint: whatever the file, the linter ends, and every finding stands inside it.
func FuzzLint(f *testing.F) {
	files, err := filepath.Glob("testdata/lint/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if file.Name != "findings" && file.Name != "flags" {
				f.Add(string(file.Data))
			}
		}
	}
	f.Add("\ufeffbedrock: &a {b: *a}\r\n  c: |\n\t x")
	f.Add("a: &x [*x]\n<<: *x\n")
	o := options(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, chart := range []string{ChartAuto, ChartOutcrop} {
			o := o
			o.Chart = chart
			o.Configs = []File{{"config.json", []byte(text)}}
			found, err := Lint([]File{{"values.yaml", []byte(text)}}, o)
			if err != nil {
				t.Fatal(err)
			}
			lines := newSource(File{Data: []byte(text)}).original
			for _, finding := range found {
				if finding.File == "" {
					continue
				}
				if finding.Line < 1 || finding.Line > len(lines) {
					t.Fatalf("%s: the file has %d lines", finding, len(lines))
				}
				if width := utf8.RuneCountInString(lines[finding.Line-1]); finding.Column < 1 || finding.Column > width+1 {
					t.Fatalf("%s: the line has %d columns", finding, width)
				}
				if !utf8.ValidString(finding.String()) {
					t.Fatalf("%q", finding.String())
				}
			}
		}
	})
}
