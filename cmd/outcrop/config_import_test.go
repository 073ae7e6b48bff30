package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// TestImportGoldens runs outcrop config import on the file of each archive: what it says (diff and report, or
// error), what the file is afterwards, and that a second import changes nothing. "form" says what an archive
// cannot hold: crlf, and a file without a final newline.
func TestImportGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/import/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			absolute, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			goldenImport(t, absolute, archive)
		})
	}
}

func goldenImport(t *testing.T, golden string, archive *txtar.Archive) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("AWS_REGION", "")
	part := map[string]string{}
	name := ""
	var kept []txtar.File
	for _, f := range archive.Files {
		part[f.Name] = string(f.Data)
		if strings.HasPrefix(f.Name, "a.") {
			name = f.Name
		}
		if f.Name != "stdout" && f.Name != "stderr" && f.Name != "after" {
			kept = append(kept, f)
		}
	}
	if name != "" {
		writeImported(t, name, inForm(part["form"], part[name]))
	} else {
		name = strings.TrimSpace(part["file"])
	}
	args := append([]string{"import", "--from", "catalogue", name}, strings.Fields(part["arguments"])...)
	stdout, stderr, code := runConfig(t, args...)
	written, _, writing := runConfig(t, append(args, "--write")...)
	got := []txtar.File{{Name: "stdout", Data: []byte(outOfForm(part["form"], stdout))}, {Name: "stderr", Data: []byte(stderr)}}
	if code != writing || code == 0 && written != stdout {
		t.Errorf("with --write: exit code %d, not %d; stdout:\n%s", writing, code, written)
	}
	if code == 0 {
		after := readImported(t, name)
		got = append(got, txtar.File{Name: "after", Data: []byte(outOfForm(part["form"], after))})
		if again, said, _ := runConfig(t, args...); again != "" || !strings.HasSuffix(said, "nothing changes\n") {
			t.Errorf("a second import:\n%s%s", again, said)
		}
	} else if part[name] != "" && readImported(t, name) != inForm(part["form"], part[name]) {
		t.Error("the file was changed")
	}
	archive.Files = slices.Concat(kept, got)
	if *update {
		writeImported(t, golden, string(txtar.Format(archive)))
		return
	}
	if diff := cmp.Diff(readImported(t, golden), string(txtar.Format(archive))); diff != "" {
		t.Error(diff)
	}
}

func inForm(form, s string) string {
	if strings.Contains(form, "crlf") {
		s = strings.ReplaceAll(s, "\n", "\r\n")
	}
	if strings.Contains(form, "no final newline") {
		s = strings.TrimRight(s, "\r\n")
	}
	return s
}

func outOfForm(form, s string) string {
	if strings.Contains(form, "crlf") {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\n", "<LF>\n"), "\r<LF>\n", "\n")
	}
	return s
}

func writeImported(t *testing.T, name, data string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readImported(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestImportKeepsWhatIsSavedMeanwhile: asking an account takes seconds, in which an editor may save.
func TestImportKeepsWhatIsSavedMeanwhile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	writeImported(t, file, "models: {} # saved\n")
	f, report := importFlags{write: true}, importReport{}
	if err := f.store(file, []byte("models: {}\n"), []byte("models: {a: {}}\n"), &report); err == nil || !strings.Contains(err.Error(), "type the command again") {
		t.Error(err)
	}
	if now := readImported(t, file); now != "models: {} # saved\n" || report.Written != "" {
		t.Errorf("%q, %+v", now, report)
	}
}
