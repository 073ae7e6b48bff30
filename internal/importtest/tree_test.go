package importtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// module is the path of the module whose root is two folders up.
const module = "outcrop"

// file is one Go file of the module, parsed.
type file struct {
	name  string // below the root, with slashes
	pkg   string // the folder of name
	test  bool
	fset  *token.FileSet
	syn   *ast.File
	lines int
}

// line is where in the file a node starts.
func (f file) line(n ast.Node) int { return f.fset.Position(n.Pos()).Line }

// calls visits every call of pkg.name(…), where pkg is how the file names an import.
func (f file) calls(pkg, name string, visit func(*ast.CallExpr)) {
	ast.Inspect(f.syn, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && isSelector(call.Fun, pkg, name) {
			visit(call)
		}
		return true
	})
}

func isSelector(e ast.Expr, x, name string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	id, ok := selector.X.(*ast.Ident)
	return ok && id.Name == x
}

// tree reads every Go file of the module, whatever its build tags.
func tree(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	if data, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil || !strings.HasPrefix(string(data), "module "+module+"\n") {
		t.Fatalf("%s is not the root of the module %s: %v", root, module, err)
	}
	var files []file
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(root, name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		f, err := parse(root, name)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files found")
	}
	return files
}

// skipped says which folders are not the module's: hidden ones, other languages' dependencies,
// test data, and modules of their own.
func skipped(root, dir string) bool {
	if dir == "." {
		return false
	}
	base := path.Base(dir)
	if strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(root, dir, "go.mod"))
	return err == nil
}

func parse(root, name string) (file, error) {
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return file{}, err
	}
	fset := token.NewFileSet()
	syn, err := parser.ParseFile(fset, name, data, parser.ParseComments|parser.SkipObjectResolution)
	return file{
		name: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		fset: fset, syn: syn, lines: strings.Count(string(data), "\n"),
	}, err
}
