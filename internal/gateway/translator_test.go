package gateway_test

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/tools/txtar"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/client"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/memnet"
)

// TestTranslator: a Messages request, what DIAL Core is asked, what it answers, what the client gets.
func TestTranslator(t *testing.T) {
	files, err := filepath.Glob("testdata/translator/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(file), "testdata/translator/"), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { runTranslation(t, archive) })
			if !*update {
				return
			}
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func runTranslation(t *testing.T, archive *txtar.Archive) {
	if !strings.HasSuffix(strings.TrimSpace(string(archive.Comment)), ".") {
		t.Error("the fixture does not begin with a sentence")
	}
	core := &core{upstream{t: t, script: section(archive, "core reply")}}
	reply := exchange(t, newTranslator(t, core), section(archive, "request"))
	synctest.Wait()
	if want := core.expected(); want != core.calls {
		t.Errorf("DIAL Core was called %d times instead of %d", core.calls, want)
	}
	compare(t, archive, "core request", core.got)
	compare(t, archive, "reply", reply)
}

// core is a DIAL Core that answers as a script says.
type core struct{ upstream }

func (c *core) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Error(err)
	}
	script := c.note(r.Method + " " + r.URL.RequestURI() + "\n" + coreHeaders(r.Header) + indent(body))
	for line := range strings.Lines(script) {
		if !c.waited(r, line) {
			c.line(w, strings.TrimSpace(line))
		}
	}
}

func coreHeaders(h http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if name != "Content-Length" && name != "Accept-Encoding" {
			b.WriteString(name + ": " + h.Get(name) + "\n")
		}
	}
	return b.String()
}

// newTranslator is an adapter in front of a DIAL Core, or without one.
func newTranslator(t *testing.T, core http.Handler) http.Handler {
	t.Helper()
	empty, err := catalog.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := gateway.Options{Auth: anyone{}, Deployments: gateway.Fixed(empty), Version: "test", Log: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))}
	if core != nil {
		transport := memnet.Serve(t, core)
		o.Core = func(r *http.Request, deployment string) llm.ChatModel {
			return client.Model{
				URL:    "http://core/openai/deployments/" + url.PathEscape(deployment) + "/chat/completions?api-version=2024-10-21",
				Header: gateway.CoreHeader(r.Header), HTTP: &http.Client{Transport: transport},
			}
		}
	}
	g, err := gateway.NewAdapter(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// anyone lets everybody in.
type anyone struct{}

func (anyone) Authenticate(*http.Request) (auth.Caller, error) { return auth.Caller{}, nil }

// TestTranslatorWithoutCore: what is missing is told.
func TestTranslatorWithoutCore(t *testing.T) {
	reply := exchange(t, newTranslator(t, nil), []byte("POST /to-chat-completions/anthropic/v1/messages\nContent-Type: application/json\n\n"+
		`{"model":"m","messages":[{"role":"user","content":"a"}]}`))
	if !strings.HasPrefix(reply, "500\n") || !strings.Contains(reply, "DIAL_URL") || !strings.Contains(reply, `"api_error"`) {
		t.Error(reply)
	}
}

// TestTranslatorUnreachable: a Core that is not there is a 502.
func TestTranslatorUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		reply := exchange(t, newTranslator(t, gone), []byte("POST /to-chat-completions/anthropic/v1/messages\nContent-Type: application/json\n\n"+
			`{"model":"m","stream":true,"messages":[{"role":"user","content":"a"}]}`))
		if !strings.HasPrefix(reply, "502\n") || !strings.Contains(reply, `"api_error"`) {
			t.Error(reply)
		}
	})
}
