//go:build aws || e2e

package aws_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// redactor takes out of a text what tells whose account it is from.
type redactor struct {
	secrets []string // literally
}

// rule replaces what it finds.
type rule struct {
	find *regexp.Regexp
	put  string
}

var (
	// tiny stands for a picture that a model made.
	tiny = `"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJggg=="`

	rules = []rule{
		{regexp.MustCompile(`(arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*):\d{12}:([a-z-]+)[:/][A-Za-z0-9_+=,.@:/-]+`), "$1:111122223333:$2/redacted"},
		{regexp.MustCompile(`\b\d{12}\b`), "111122223333"},
		{regexp.MustCompile(`\b(?:AKIA|ASIA|AROA|AIDA|ABIA)[A-Z0-9]{6,}`), "AKIDEXAMPLE"},
		{regexp.MustCompile(`bedrock-api-key-[A-Za-z0-9+/=_-]+|ABSK[A-Za-z0-9+/=]{8,}`), "redacted"},
		{regexp.MustCompile(`Bearer [^\s"]+`), "Bearer redacted"},
		{regexp.MustCompile(`[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}`), "00000000-0000-4000-8000-00000000000a"},
		{regexp.MustCompile(`"signature":\s*"[^"]+"`), `"signature":"c2lnbmF0dXJl"`},
		{regexp.MustCompile(`"created":\s*\d+`), `"created": 946684800`},
		{regexp.MustCompile(`"[A-Za-z0-9+/]{1000}[A-Za-z0-9+/]{1000}[A-Za-z0-9+/]*=*"`), tiny},
	}
	// names are ids of replies, one of which may be spoken of twice.
	names = regexp.MustCompile(`\b(tooluse|toolu|msg|resp|call|chatcmpl|fc|rs)(_bdrk)?[_-][A-Za-z0-9_-]{6,}`)
)

// text is a text without them.
func (r redactor) text(text string) string {
	for _, secret := range r.secrets {
		text = strings.ReplaceAll(text, secret, "redacted")
	}
	for _, rule := range rules {
		text = rule.find.ReplaceAllString(text, rule.put)
	}
	return text
}

// numbered gives ids that differ names that differ.
func numbered() func(text string) string {
	seen := map[string]string{}
	return func(text string) string {
		return names.ReplaceAllStringFunc(text, func(id string) string {
			if strings.HasSuffix(id, "-req-1") {
				return id
			}
			if seen[id] == "" {
				kind, _, _ := strings.Cut(strings.ReplaceAll(id, "-", "_"), "_")
				seen[id] = fmt.Sprintf("%s_%d", kind, len(seen)+1)
			}
			return seen[id]
		})
	}
}

// write writes a trial as a fixture of internal/gateway/testdata.
func (r redactor) write(dir string, t *trial, calls []wire, reply answer) error {
	calls = slices.DeleteFunc(slices.Clone(calls), func(c wire) bool { return c.service == serviceControl })
	archive := &txtar.Archive{Comment: fmt.Appendf(nil, "As AWS answered: %s.\n", t)}
	clean := numbered()
	section := func(name, text string) {
		text = strings.ReplaceAll(clean(r.text(text)), t.name, "model")
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
	}
	section("model", strings.TrimSpace(t.model+" "+t.surface)+"\n")
	section("request", fmt.Sprintf("POST %s\nApi-Key: %s\nContent-Type: application/json\n\n%s\n", t.route, clientKey, t.request))
	var requests, replies strings.Builder
	for i, c := range calls {
		if i > 0 {
			replies.WriteString("next\n")
		}
		requests.WriteString(c.text())
		replies.WriteString(c.reply.script())
	}
	section("upstream request", requests.String())
	section("upstream reply", replies.String())
	section("reply", reply.text())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(t.String()), "-"), "-") + ".txtar"
	return os.WriteFile(filepath.Join(dir, file), txtar.Format(archive), 0o644)
}

// text is a call as fixtures have it.
func (c *wire) text() string {
	host := ""
	if c.service == serviceMantle {
		host = "mantle"
	}
	uri, _, _ := strings.Cut(c.uri, "?")
	return c.method + " " + host + uri + "\n" + headers(c.header, "", "X-Amzn-Bedrock-", "Anthropic-") + indented(c.body)
}

// headers are the lines of those that begin with one of the prefixes.
func headers(h http.Header, verb string, prefixes ...string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			separator := ": "
			if verb != "" {
				separator = " "
			}
			fmt.Fprintf(&b, "%s%s%s%s\n", verb, name, separator, h.Get(name))
		}
	}
	return b.String()
}

// script is an answer of AWS as the lines of a fixture.
func (a answer) script() string {
	var b strings.Builder
	b.WriteString(headers(a.header, "header ", "X-Amzn-Errortype", "X-Amzn-Bedrock-"))
	fmt.Fprintf(&b, "status %d\n", a.status)
	list := a.events()
	if list == nil {
		fmt.Fprintf(&b, "json %s\n", compacted(a.body))
	}
	for _, e := range list {
		name := e.name + " "
		if e.kind == "chunk" || e.kind == "data" {
			name = ""
		}
		fmt.Fprintf(&b, "%s %s%s\n", e.kind, name, compacted(e.data))
	}
	return b.String()
}

// text is a reply of the gateway as fixtures have it.
func (a answer) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", a.status)
	for _, name := range []string{"Content-Type", "Retry-After", "X-Outcrop-Ignored", "X-Outcrop-Changed", "X-Dial-Cache-Breakpoint-Path", "X-Dial-Cache-Expire-At", "X-Request-Id"} {
		if value := a.header.Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String() + "\n" + indented(a.body)
}

func compacted(body []byte) string {
	var out bytes.Buffer
	if json.Compact(&out, body) != nil {
		return string(body)
	}
	return out.String()
}

func indented(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return string(body)
	}
	return out.String() + "\n"
}
