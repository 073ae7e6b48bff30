package fixturetest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// Archive is one fixture: a sentence that is its promise, and sections.
type Archive struct {
	*txtar.Archive
	update bool
}

// Run runs a test for each fixture in testdata and the folders there, in a bubble of its own. With
// update, the fixtures are rewritten to what was got.
func Run(t *testing.T, update bool, run func(t *testing.T, a *Archive)) {
	t.Helper()
	RunIn(t, "testdata", update, run)
}

// RunIn is Run for the fixtures in another folder and the folders there.
func RunIn(t *testing.T, folder string, update bool, run func(t *testing.T, a *Archive)) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.txtar", "*/*.txtar"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatal("no fixtures")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(file), folder+"/"), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(strings.TrimSpace(string(archive.Comment)), ".") {
				t.Error("the fixture does not begin with a sentence")
			}
			synctest.Test(t, func(t *testing.T) { run(t, &Archive{archive, update}) })
			if !update {
				return
			}
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Play sends the requests of a fixture, one after the other, and compares what comes of each. The log is
// what the handler writes, as text.
func (a *Archive) Play(t *testing.T, handler http.Handler, u *Upstream, log *Log) {
	t.Helper()
	var names names
	for i := 1; i == 1 || a.Section(numbered("request", i)) != nil; i++ {
		u.begin(a.Section(numbered("upstream reply", i)))
		log.take()
		reply := names.out(exchange(t, handler, names.in(a.Section(numbered("request", i)))))
		synctest.Wait() // for an upstream that was left
		calls, got := u.end()
		if want := u.expected(); want != calls {
			t.Errorf("request %d: the upstream was called %d times instead of %d", i, calls, want)
		}
		a.Compare(t, numbered("upstream request", i), names.out(got))
		a.Compare(t, numbered("reply", i), reply)
		written := log.take()
		for _, text := range quotedIn(written, a.Section(numbered("request", i))) {
			t.Errorf("request %d: the log quotes %q: %s", i, text, written)
		}
		a.Compare(t, numbered("log", i), formatLog(written))
	}
}

// numbered is the name of a section of the first exchange, or of a later one: "request", "request 2".
func numbered(name string, i int) string {
	if i == 1 {
		return name
	}
	return fmt.Sprintf("%s %d", name, i)
}

// Section is the text of a section, nil when there is none.
func (a *Archive) Section(name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// Compare checks a section, or rewrites it. A section whose name begins with "log" may be left out.
func (a *Archive) Compare(t *testing.T, name, got string) {
	t.Helper()
	if a.update {
		i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
		switch {
		case i >= 0:
			a.Files[i].Data = []byte(got)
		case got != "" && !strings.HasPrefix(name, "log"):
			a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(got)})
		}
		return
	}
	want := a.Section(name)
	if want == nil && strings.HasPrefix(name, "log") {
		return
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
