package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"outcrop/internal/telemetry"
)

// visitor is somebody who comes with a credential, or without.
type visitor struct {
	name, says string
	header     http.Header
	query      string
	refused    int // the status that this credential gets at every door that is not open; 0 for a good one
	admin      bool
}

// strangers are those who get nothing, wherever they knock.
func (d *doors) strangers() []visitor {
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	key := func(keys ...string) http.Header { return http.Header{"Api-Key": keys} }
	good := d.token(jose.RS256, d.keys[0], nil)
	const no = http.StatusUnauthorized
	basic := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("team-a:a-key-of-team-a"))}}
	two := http.Header{"Api-Key": {"a-key-of-team-a"}, "Authorization": {"Bearer " + good}}
	as := func(changes map[string]any) http.Header { return bearer(d.token(jose.RS256, d.keys[0], changes)) }
	return []visitor{
		{"none", "no credential", nil, "", no, false},
		{"blank", "an empty Api-Key", key(""), "", no, false},
		{"space", "an Api-Key of one blank", key(" "), "", no, false},
		{"wrong", "a key that nobody has", key("a-key-of-nobody"), "", no, false},
		{"ended", "a key after its expires", key("a-key-that-ended"), "", no, false},
		{"revoked", "a key that a reload has taken out of the configuration", key("a-key-taken-back"), "", no, false},
		{"where", "a key from an address that it may not be used from", key("a-key-of-elsewhere"), "", http.StatusForbidden, false},
		{"large", "a key of 32 KiB", key(strings.Repeat("a", 32<<10)), "", no, false},
		{"query", "a good key in the URL: ?api-key=, ?key=, ?access_token=", nil, "api-key=a-key-of-team-a&key=a-key-of-team-a&access_token=" + good, no, false},
		{"basic", "a good key as Authorization: Basic", basic, "", no, false},
		{"two", "a good key and a good token that are not the same", two, "", http.StatusBadRequest, false},
		{"twice", "two headers Api-Key, both good", key("a-key-of-team-a", "a-key-of-team-a"), "", http.StatusBadRequest, false},
		{"pass0", "the per-request key of a request that has ended", key(d.passes["ended"]), "", no, false},
		{"jwt-exp", "a token that has expired", as(map[string]any{"exp": 1}), "", no, false},
		{"jwt-iss", "a token of another issuer", as(map[string]any{"iss": "https://evil.example.com"}), "", no, false},
		{"jwt-aud", "a token for another audience", as(map[string]any{"aud": "mail"}), "", no, false},
		{"jwt-key", "an administrator's token that a stranger signed", bearer(d.token(jose.RS256, d.keys[1], map[string]any{"roles": []string{"admins"}})), "", no, false},
		{"jwt-none", "an administrator's token with alg none", bearer(d.unsigned()), "", no, false},
		{"jwt-hs", "key confusion: an administrator's token, HS256 with the provider's public key", bearer(d.confused()), "", no, false},
		{"jwt-long", "a token of more than 16 KiB", as(map[string]any{"fill": strings.Repeat("a", 16<<10)}), "", no, false},
		{"jwt-key=", "a good token as Api-Key", key(good), "", no, false},
	}
}

// guests are those who are known: the first three are one team.
func (d *doors) guests() []visitor {
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	return []visitor{
		{"key", "team a's key, as Api-Key (DIAL, Azure): its resources and deployments are asked for", http.Header{"Api-Key": {"a-key-of-team-a"}}, "", 0, false},
		{"bearer", "the same as Authorization: Bearer (OpenAI)", bearer("a-key-of-team-a"), "", 0, false},
		{"x-api", "the same as x-api-key (Anthropic)", http.Header{"X-Api-Key": {"a-key-of-team-a"}}, "", 0, false},
		{"pass", "the per-request key of a request of team a's, at another deployment", http.Header{"Api-Key": {d.passes["own"]}}, "", 0, false},
		{"other", "team b's key: nothing that is asked for is team b's", http.Header{"Api-Key": {"a-key-of-team-b"}}, "", 0, false},
		{"pass-b", "the per-request key of a request of team b's", http.Header{"Api-Key": {d.passes["other"]}}, "", 0, false},
		{"jwt", "a user's token, with team a's role", bearer(d.token(jose.RS256, d.keys[0], nil)), "", 0, false},
		{"admin", "an administrator's token", bearer(d.token(jose.RS256, d.keys[0], map[string]any{"sub": "root", "roles": []string{"a", "admins"}})), "", 0, true},
		{"pass-adm", "the per-request key of an administrator's request", http.Header{"Api-Key": {d.passes["admin"]}}, "", 0, false},
	}
}

// openRoutes are those that ask nobody who he is, and why.
func openRoutes() map[string]string {
	const lost = "says that there is no such route, and no more"
	open := map[string]string{
		"/":            lost + "; the routes of a configuration behind it ask (GET /canned)",
		"GET /health":  "a load balancer's probe has no key; it says nothing but 200",
		"GET /ready":   "a load balancer's probe has no key; it says whether, and why not",
		"GET /version": "the number of the version, as DIAL Core's",
		"GET /.well-known/oauth-protected-resource/{path...}": "MCP clients ask before they have a token; it is always 404",
	}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		open[method+" /anthropic/"] = lost
	}
	return open
}

// adminRoutes are for administrators alone.
func adminRoutes() []string {
	return []string{"GET /v1/admin/health/config", "GET /v1/ops/usage", "POST /v1/ops/config/reload"}
}

// knock is a request to a route: its wildcards stand for what is team a's.
func (d *doors) knock(pattern string) (method, path, body string) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = http.MethodGet, pattern+"nowhere"
	}
	if strings.Contains(path, "/responses/{id}") {
		path = strings.Replace(path, "{id}", d.response(), 1)
	}
	rest := map[string]string{
		"GET /v1/deployments/": "team/private", "POST /v1/deployments/": "team/private/tokenize",
		"POST /openai/deployments/": "team/private/chat/completions", "POST /v1/": "team/private/rate",
	}[strings.TrimSuffix(pattern, "{rest...}")]
	name := "private"
	for part, special := range map[string]string{"/applications/{name": "app", "{name}/embeddings": "embed", "{name}/images": "image"} {
		if strings.Contains(path, part) {
			name = special
		}
	}
	for wild, value := range map[string]string{
		"{name}": name, "{name...}": name, "{rest...}": rest, "{id}": "x", "{bucket}": "b", "{path...}": "p", "{operation}": "list", "{type}": "models", "{what}": "list",
	} {
		path = strings.ReplaceAll(path, wild, value)
	}
	if strings.HasSuffix(path, "/anthropic/") {
		path += "nowhere"
	}
	if method != http.MethodPost && method != http.MethodPut && method != http.MethodPatch {
		return method, path, ""
	}
	return method, path, bodyFor(path)
}

// bodyFor is a good body.
func bodyFor(path string) string {
	const messages = `"messages":[{"role":"user","content":"Hello"}]`
	for _, known := range []struct{ suffix, body string }{
		{"/count_tokens", `{"model":"private",` + messages + `}`},
		{"/v1/messages", `{"model":"private","max_tokens":9,` + messages + `}`},
		{"/chat/completions", `{"model":"private",` + messages + `}`},
		{"/completions", `{"model":"private","prompt":"Hello"}`},
		{"/v1/embeddings", `{"model":"embed","input":"Hello"}`},
		{"/embeddings", `{"input":"Hello"}`},
		{"/responses", `{"model":"private","input":"Hello"}`},
		{"/rerank", `{"model":"rerank","query":"Hello","documents":["a","b"]}`},
		{"/images/generations", `{"model":"image","prompt":"a cat"}`},
		{"/images/edits", "--X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nimage\r\n--X\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na cat\r\n" +
			"--X\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--X--\r\n"},
		{"/tokenize", `{"inputs":[{"type":"string","value":"Hello"}]}`},
		{"/truncate_prompt", `{"inputs":[{` + messages + `}]}`},
		{"/rate", `{"responseId":"r","rate":true}`},
	} {
		if strings.HasSuffix(path, known.suffix) {
			return known.body
		}
	}
	return `{}`
}

// response is a response that is kept for team a.
func (d *doors) response() (id string) {
	d.t.Helper()
	w := d.ask(http.MethodPost, "/openai/v1/responses", bodyFor("/responses"), http.Header{"Api-Key": {"a-key-of-team-a"}})
	var made struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || made.ID == "" {
		d.t.Fatalf("%d %s, %v", w.Code, w.Body, err)
	}
	return made.ID
}

// enter is the answer to a visitor at a route.
func (d *doors) enter(pattern string, v *visitor) *httptest.ResponseRecorder {
	method, path, body := d.knock(pattern)
	if v.query != "" {
		path += "?" + v.query
	}
	before := d.asked.Load()
	w := d.ask(method, path, body, v.header)
	if v.refused != 0 && d.asked.Load() != before {
		d.t.Errorf("%s: %s: a server behind was called", pattern, v.says)
	}
	return w
}

// TestWhoGetsIn: every route of the program, everybody who may come, and what he gets. A route that is not in
// testdata/authorization.txt fails, and so does one that is open or lets a stranger in, whatever stands there.
func TestWhoGetsIn(t *testing.T) {
	d := newDoors(t)
	strangers, guests := d.strangers(), d.guests()
	var b bytes.Buffer
	b.WriteString("Who gets in: every route, and what everybody who may come is answered.\n" +
		"go test ./cmd/outcrop -run TestWhoGetsIn -update writes this file; without -update it is compared.\n\n" +
		"Nobody of these is let in anywhere:\n\n")
	legend(&b, strangers)
	b.WriteString("\nThese are known:\n\n")
	legend(&b, guests)
	all := slices.Concat(strangers, guests)
	b.WriteString("\n== outcrop serve\n\n")
	b.WriteString(strings.TrimRight(fmt.Sprintf("%-62s %s", "", heads(all)), " ") + "\n")
	open := openRoutes()
	routes := append(d.current.Load().gateway.Routes(), "GET /canned")
	for _, pattern := range routes {
		if why, ok := open[pattern]; ok {
			fmt.Fprintf(&b, "%-62s open: %d: %s\n", pattern, d.same(pattern, all), why)
			delete(open, pattern)
			continue
		}
		fmt.Fprintf(&b, "%-62s", pattern)
		for i := range all {
			code := d.enter(pattern, &all[i]).Code
			d.judge(pattern, &all[i], code)
			fmt.Fprintf(&b, " %-*d", len(all[i].name), code)
		}
		b.Truncate(len(bytes.TrimRight(b.Bytes(), " ")))
		b.WriteString("\n")
	}
	for pattern := range open {
		t.Errorf("%s is said to be open, and is no route", pattern)
	}
	d.adapterDoors(&b)
	d.sandboxDoors(&b)
	metricsDoors(t, &b)
	golden(t, filepath.Join("testdata", "authorization.txt"), b.Bytes())
}

func legend(b *bytes.Buffer, all []visitor) {
	for _, v := range all {
		fmt.Fprintf(b, "  %-9s %s\n", v.name, v.says)
	}
}

func heads(all []visitor) string {
	names := make([]string, 0, len(all))
	for _, v := range all {
		names = append(names, fmt.Sprintf("%-3s", v.name))
	}
	return strings.Join(names, " ")
}

// judge says what no table may.
func (d *doors) judge(pattern string, v *visitor, code int) {
	d.t.Helper()
	switch {
	case v.refused != 0 && code != v.refused:
		d.t.Errorf("%s: %s is answered with %d, want %d", pattern, v.says, code, v.refused)
	case v.refused == 0 && code == http.StatusUnauthorized:
		d.t.Errorf("%s: %s is not known", pattern, v.says)
	case code >= http.StatusInternalServerError && code != http.StatusNotImplemented && code != http.StatusServiceUnavailable && !strings.Contains(pattern, "app"):
		d.t.Errorf("%s: %s is answered with %d", pattern, v.says, code)
	case slices.Contains(adminRoutes(), pattern) && v.refused == 0 && (code == http.StatusForbidden) == v.admin:
		d.t.Errorf("%s: %s is answered with %d", pattern, v.says, code)
	}
}

// same is the answer of an open route, which is the same for everybody.
func (d *doors) same(pattern string, all []visitor) (code int) {
	d.t.Helper()
	first := d.enter(pattern, &all[0])
	for i := range all {
		if w := d.enter(pattern, &all[i]); w.Code != first.Code || w.Body.String() != first.Body.String() {
			d.t.Errorf("%s: %s is answered otherwise: %d %s", pattern, all[i].says, w.Code, w.Body)
		}
	}
	return first.Code
}

// TestWhatIsAnothersIsNotThere: the error for a response of somebody else, made or being made, is to the byte that
// for one that nobody has; and what is refused is still there for its owner.
func TestWhatIsAnothersIsNotThere(t *testing.T) {
	d := newDoors(t)
	own := http.Header{"Api-Key": {"a-key-of-team-a"}}
	running := d.ask(http.MethodPost, "/openai/v1/responses", `{"model":"private","input":"Hello","background":true}`, own)
	var job struct{ ID string }
	if err := json.Unmarshal(running.Body.Bytes(), &job); err != nil || job.ID == "" {
		t.Fatalf("%d %s, %v", running.Code, running.Body, err)
	}
	ids := map[string]string{"made": d.response(), "made in the background": job.ID}
	for _, v := range d.guests() {
		if strings.Contains(v.says, "team a's key") || v.name == "bearer" || v.name == "x-api" || v.name == "pass" {
			continue
		}
		for what, id := range ids {
			for _, action := range []string{"GET /openai/v1/responses/ID", "GET /openai/v1/responses/ID?stream=true", "POST /openai/v1/responses/ID/cancel", "DELETE /openai/v1/responses/ID"} {
				method, path, _ := strings.Cut(action, " ")
				theirs := d.ask(method, strings.Replace(path, "ID", id, 1), "", v.header)
				nobodys := d.ask(method, strings.Replace(path, "ID", d.another, 1), "", v.header)
				if theirs.Code != http.StatusNotFound || theirs.Code != nobodys.Code || theirs.Body.String() != nobodys.Body.String() || !maps.EqualFunc(theirs.Header(), nobodys.Header(), slices.Equal) {
					t.Errorf("%s, %s, by %s:\n%d %s\n%d %s", action, what, v.says, theirs.Code, theirs.Body, nobodys.Code, nobodys.Body)
				}
			}
		}
	}
	for what, id := range ids {
		if w := d.ask(http.MethodGet, "/openai/v1/responses/"+id, "", own); w.Code != http.StatusOK {
			t.Errorf("a response %s: its owner gets %d %s", what, w.Code, w.Body)
		}
	}
}

// metricsDoors are those of the port of --metrics-listen.
func metricsDoors(t *testing.T, b *bytes.Buffer) {
	b.WriteString("\n== the port of --metrics-listen (none by default; it is not for clients)\n\n")
	why := map[string]string{
		"GET /metrics": "Prometheus comes without a credential; there is no secret, prompt or account in it (the network keeps clients out)",
		"GET /health":  "as above",
	}
	routes := metricsRoutes(telemetry.New(telemetry.Options{}))
	for _, pattern := range slices.Sorted(maps.Keys(routes)) {
		_, path, _ := strings.Cut(pattern, " ")
		w := httptest.NewRecorder()
		routes[pattern].ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if why[pattern] == "" {
			t.Errorf("%s is open, and nobody says why", pattern)
		}
		fmt.Fprintf(b, "%-62s open: %d: %s\n", pattern, w.Code, why[pattern])
	}
}

// golden compares with a file, which -update rewrites.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what is so (-file +now): read it, and if it is right, go test ./cmd/outcrop -run '%s' -update\n%s", file, t.Name(), diff)
	}
}
