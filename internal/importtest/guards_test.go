package importtest

import (
	"go/ast"
	"path"
	"strings"
	"testing"
)

// The budgets of docs/architecture.md. Lines of a test are not counted: a table is as long as it is.
const (
	maxFileLines = 600
	maxFuncLines = 70
)

func TestNoInit(t *testing.T) {
	for _, f := range tree(t) {
		for _, d := range f.syn.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s:%d: init runs behind the reader's back: make the value where it is used and pass it", f.name, f.line(fn))
			}
		}
	}
}

func TestBudgets(t *testing.T) {
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines, the budget is %d: split it", f.name, f.lines, maxFileLines)
		}
		for _, d := range f.syn.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.fset.Position(fn.End()).Line - f.line(fn) + 1; n > maxFuncLines {
				t.Errorf("%s:%d: %s has %d lines, the budget is %d: give its parts names", f.name, f.line(fn), fn.Name.Name, n, maxFuncLines)
			}
		}
	}
}

// Every package says in doc.go what it is, a command in main.go. A folder of tests alone has no
// package to document.
func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		documented[f.pkg] = documented[f.pkg] || documents(f)
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s: no doc.go (main.go for a command) whose comment starts with \"Package %s\" (\"Command %[2]s\") and says what it is", pkg, path.Base(pkg))
		}
	}
}

func documents(f file) bool {
	want, where := "Package "+f.syn.Name.Name+" ", "doc.go"
	if f.syn.Name.Name == "main" {
		want, where = "Command "+path.Base(f.pkg)+" ", "main.go"
	}
	return path.Base(f.name) == where && strings.HasPrefix(f.syn.Doc.Text(), want)
}

// A test that is skipped says why.
func TestSkipsHaveReasons(t *testing.T) {
	for _, f := range tree(t) {
		if !f.test {
			continue
		}
		for _, receiver := range []string{"t", "b", "f", "tb"} {
			silent := func(c *ast.CallExpr) {
				if len(c.Args) == 0 {
					t.Errorf("%s:%d: a skipped test says why: %s.Skip(\"…\")", f.name, f.line(c), receiver)
				}
			}
			f.calls(receiver, "Skip", silent)
			f.calls(receiver, "SkipNow", silent)
		}
	}
}

// A test that sleeps is slow or flaky, and mostly both. Under synctest's fake clock a sleep costs
// nothing and is exact, so what stands lexically inside synctest.Test may sleep.
func TestNoSleepInTests(t *testing.T) {
	for _, f := range tree(t) {
		if !f.test {
			continue
		}
		var bubbles []*ast.CallExpr
		f.calls("synctest", "Test", func(c *ast.CallExpr) { bubbles = append(bubbles, c) })
		f.calls("time", "Sleep", func(c *ast.CallExpr) {
			for _, b := range bubbles {
				if b.Pos() <= c.Pos() && c.End() <= b.End() {
					return
				}
			}
			t.Errorf("%s:%d: time.Sleep outside a synctest bubble: wait for what is awaited, or put the test into synctest.Test", f.name, f.line(c))
		})
	}
}

// The guards themselves see what they look for.
func TestGuardsSee(t *testing.T) {
	for _, tc := range []struct {
		row  row
		path string
		want bool
	}{
		{row{internal: []string{"llm"}}, "outcrop/internal/llm", true},
		{row{internal: []string{"llm"}}, "outcrop/internal/llm/llmtest", false},
		{row{internal: []string{"llm"}}, "outcrop/internal/sse", false},
		{row{external: []string{"a.b/c/..."}}, "a.b/c/d", true},
		{row{external: []string{"a.b/c/..."}}, "a.b/c", true},
		{row{external: []string{"a.b/c/..."}}, "a.b/cd", false},
		{row{external: []string{"a.b/c"}}, "a.b/c/d", false},
		{row{everything: true}, "outcrop/internal/llm", true},
		{row{everything: true}, "outcrop/internal/memnet", false},
		{row{everything: true}, "outcrop/internal/unknown", false},
	} {
		if got := tc.row.allows(tc.path); got != tc.want {
			t.Errorf("%+v allows %s: %t, want %t", tc.row, tc.path, got, tc.want)
		}
	}
	for name, want := range map[string]bool{"net/http": true, "C": true, "outcrop/internal/llm": false, "golang.org/x/tools/txtar": false} {
		if got := isStandard(name); got != want {
			t.Errorf("%s is standard: %t, want %t", name, got, want)
		}
	}
}
