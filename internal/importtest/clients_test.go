package importtest

import (
	"go/ast"
	"strings"
	"testing"
)

// TestNobodyFollowsRedirectsUnseen: net/http follows redirects, and takes along whatever header it does not know to be
// secret: Api-Key, for one. Who makes an http.Client says where it may be led, and nobody uses the usual one, nor
// http.Get and the like. A URL that a stranger wrote is for internal/fetch alone.
func TestNobodyFollowsRedirectsUnseen(t *testing.T) {
	// Where the client is made for another, which sets CheckRedirect.
	elsewhere := map[string]string{"internal/adapter/core.go": "client.Model sets its own"}
	for _, f := range tree(t) {
		if f.test || strings.HasPrefix(f.pkg, "bench") || strings.HasPrefix(f.pkg, "e2e") { // which have no strangers
			continue
		}
		for _, name := range []string{"Get", "Head", "Post", "PostForm"} {
			f.calls("http", name, func(c *ast.CallExpr) {
				t.Errorf("%s:%d: http.%s follows redirects, and waits without end: make a client, or use internal/fetch", f.name, f.line(c), name)
			})
		}
		ast.Inspect(f.syn, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || !isSelector(lit.Type, "http", "Client") || elsewhere[f.name] != "" {
				return true
			}
			for _, e := range lit.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "CheckRedirect" {
						return true
					}
				}
			}
			t.Errorf("%s:%d: an http.Client without CheckRedirect takes its headers to wherever a server leads it", f.name, f.line(lit))
			return true
		})
	}
}
