package importtest

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// TestSecretsAreComparedInConstantTime: what has been revealed of a secret.String is used, and never compared, looked
// up or switched over by its text: secret.String.Equal does that, or a digest. In package auth, where strangers'
// credentials come in, nothing is looked up by a text at all, but for what is none of theirs.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	reveals := func(e ast.Expr) bool {
		call, ok := e.(*ast.CallExpr)
		if !ok {
			return false
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		return ok && sel.Sel.Name == "Reveal"
	}
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		complain := func(n ast.Node) {
			t.Errorf("%s:%d: the text of a secret is compared, and the time it takes may tell how much of it is right: use secret.String.Equal", f.name, f.line(n))
		}
		ast.Inspect(f.syn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (reveals(n.X) && !isEmptyText(n.Y) || reveals(n.Y) && !isEmptyText(n.X)) {
					complain(n)
				}
			case *ast.IndexExpr:
				if reveals(n.Index) {
					complain(n)
				}
			case *ast.SwitchStmt:
				if n.Tag != nil && reveals(n.Tag) {
					complain(n)
				}
			case *ast.CallExpr:
				for _, compare := range [][2]string{{"strings", "EqualFold"}, {"strings", "Compare"}, {"bytes", "Equal"}, {"bytes", "Compare"}, {"slices", "Contains"}, {"slices", "Equal"}} {
					if isSelector(n.Fun, compare[0], compare[1]) && (reveals(n.Args[0]) || reveals(n.Args[1])) {
						complain(n)
					}
				}
			}
			return true
		})
	}
}

// TestCredentialsAreKnownByTheirDigests: package auth has no map by a text in which a credential could be looked up.
func TestCredentialsAreKnownByTheirDigests(t *testing.T) {
	// The ids of a provider's keys, claims of a token that is good, and names of algorithms and curves.
	allowed := map[string]bool{"missed": true, "claims": true, "Claims": true, "": true}
	for _, f := range tree(t) {
		if f.test || f.pkg != "internal/auth" {
			continue
		}
		ast.Inspect(f.syn, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok {
				return true
			}
			m, ok := field.Type.(*ast.MapType)
			if !ok {
				return true
			}
			key, ok := m.Key.(*ast.Ident)
			if !ok || key.Name != "string" {
				return true
			}
			for _, name := range field.Names {
				if !allowed[name.Name] {
					t.Errorf("%s:%d: %s is a map by a text: a credential is known by its SHA-256 (auth.Digest), so that the time of a look-up tells nothing of it", f.name, f.line(field), name.Name)
				}
			}
			return true
		})
	}
}

func isEmptyText(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING && strings.Trim(lit.Value, "\"`") == ""
}
