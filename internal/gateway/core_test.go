package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/gateway"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/proxy"
)

// people are callers by their key, as it stands in the request.
type people map[string]auth.Caller

// Authenticate implements gateway.Authenticator.
func (p people) Authenticate(r *http.Request) (auth.Caller, error) {
	if caller, ok := p[r.Header.Get("Api-Key")]; ok {
		return caller, nil
	}
	return auth.Caller{}, &auth.Error{Reason: auth.Unknown}
}

func everybody() people {
	admin := auth.Caller{User: "root", Name: "Root", Roles: []string{"admin"}, Admin: true, Claims: map[string][]string{"sub": {"root"}, "groups": {"a", "b"}}}
	nested := admin
	nested.Pass = &auth.Pass{Holder: "team/app", Caller: admin}
	return people{
		"admin": admin, "nested": nested, "user": {User: "u-1"}, "key": {Project: "team-a", Roles: []string{"default"}},
		"app": {Project: "team-a", Pass: &auth.Pass{Holder: "team/app"}},
	}
}

// core is a gateway of the deployments, for everybody.
func core(t testing.TB, o gateway.Options, deployments ...*catalog.Deployment) http.Handler {
	t.Helper()
	visible, err := catalog.New(deployments)
	if err != nil {
		t.Fatal(err)
	}
	o.Auth, o.Deployments, o.Log, o.Version = everybody(), gateway.Fixed(visible), slog.New(slog.DiscardHandler), "test"
	return newHandler(t, o)
}

// call is what "METHOD /path key" is answered with.
func call(t testing.TB, h http.Handler, what string) *httptest.ResponseRecorder {
	t.Helper()
	method, rest, _ := strings.Cut(what, " ")
	path, key, _ := strings.Cut(rest, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	r.Header.Set("Api-Key", key)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func answers(t *testing.T, h http.Handler, what, want string) {
	t.Helper()
	w := call(t, h, what)
	if got := fmt.Sprintf("%d %s", w.Code, strings.TrimSpace(w.Body.String())); got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// TestUserInfo: of a token everything is told that it says, of a key its project.
func TestUserInfo(t *testing.T) {
	h := core(t, gateway.Options{})
	answers(t, h, "GET /v1/user/info admin", `200 {"roles":["admin"],"userId":"root","userClaims":{"groups":["a","b"],"sub":["root"]},"userDisplayName":"Root"}`)
	answers(t, h, "GET /v1/user/info user", `200 {"roles":[],"userId":"u-1"}`)
	answers(t, h, "GET /v1/user/info app", `200 {"roles":[],"project":"team-a","userDisplayName":"team-a"}`)
}

// TestBuckets: users and projects have places, and programs have one of their own and one among their user's.
func TestBuckets(t *testing.T) {
	buckets, err := gateway.NewBuckets("password", "salt")
	if err != nil {
		t.Fatal(err)
	}
	h := core(t, gateway.Options{Buckets: buckets})
	answers(t, h, "GET /v1/bucket user", `200 {"bucket":"`+buckets.Name("Users/u-1/")+`"}`)
	answers(t, h, "GET /v1/bucket key", `200 {"bucket":"`+buckets.Name("Keys/team-a/")+`"}`)
	answers(t, h, "GET /v1/bucket app", `200 {"bucket":"`+buckets.Name("Keys/team/app/")+`","appdata":"`+buckets.Name("Keys/team-a/")+`/appdata/team/app"}`)
}

// ledger are consents, or the error that keeps them from being kept.
type ledger struct {
	given map[string]bool
	err   error
}

func (l *ledger) Given(c auth.Caller, name string) bool { return l.given[c.ID()+name] }

func (l *ledger) Give(c auth.Caller, name string) error {
	if l.err == nil {
		l.given[c.ID()+name] = true
	}
	return l.err
}

// TestConsent: who has not agreed is refused, and who has is answered; each for themselves.
func TestConsent(t *testing.T) {
	l := &ledger{given: map[string]bool{}}
	h := core(t, gateway.Options{Consents: l}, &catalog.Deployment{Name: "team/asks", Consent: true, Chat: llmtest.Echo{}})
	chat := func(key string) int {
		r := chatRequest(t.Context(), strings.NewReader(`{"model":"team/asks","messages":[{"role":"user","content":"hi"}]}`))
		r.Header.Set("Api-Key", key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	const required, given = `200 {"deployments":{"team/asks":{"consentRequired":true}}}`, `200 {"deployments":{"team/asks":{"consentRequired":false}}}`
	if chat("key") != http.StatusForbidden {
		t.Error("nobody has agreed yet")
	}
	answers(t, h, "GET /v1/consent/team%2Fasks key", required)
	l.err = errors.New("the disk is full")
	answers(t, h, "POST /v1/consent/team/asks key", `500 {"error":{"message":"The server failed to process the request.","type":"server_error","param":null,"code":null}}`)
	l.err = nil
	if w := call(t, h, "POST /v1/consent/team/asks app"); w.Code != http.StatusForbidden {
		t.Errorf("a program agreed: %d", w.Code)
	}
	answers(t, h, "POST /v1/consent/team/asks key", given)
	answers(t, h, "GET /v1/consent/team/asks app", given) // it is the project's
	answers(t, h, "GET /v1/consent/team/asks user", required)
	if chat("key") != http.StatusOK || chat("app") != http.StatusOK || chat("user") != http.StatusForbidden {
		t.Error("consent is each one's own")
	}
	answers(t, core(t, gateway.Options{}, &catalog.Deployment{Name: "asks", Consent: true, Chat: llmtest.Echo{}}), "POST /v1/consent/asks key",
		`501 {"error":{"message":"This server keeps no consents.","type":"invalid_request_error","param":null,"code":"not_implemented"}}`)
}

// operations answer as they are.
type operations struct {
	merged   any
	problems []string
	health   gateway.ConfigHealth
}

func (o operations) Reload(context.Context) (any, []string) { return o.merged, o.problems }
func (o operations) ConfigHealth() gateway.ConfigHealth     { return o.health }

// TestAdministration is for administrators in person.
func TestAdministration(t *testing.T) {
	h := core(t, gateway.Options{Operations: operations{merged: map[string]any{"models": 1}}})
	answers(t, h, "POST /v1/ops/config/reload admin", `200 {"models":1}`)
	answers(t, h, "GET /v1/admin/health/config admin", `200 {"status":"","skipped":[],"generation":0,"problems":[],"providers":[]}`)
	for _, who := range []string{"user", "key", "nested", "app"} {
		for _, what := range []string{"POST /v1/ops/config/reload ", "GET /v1/admin/health/config "} {
			if w := call(t, h, what+who); w.Code != http.StatusForbidden {
				t.Errorf("%s%s: %d %s", what, who, w.Code, w.Body)
			}
		}
	}
	h = core(t, gateway.Options{Operations: operations{
		problems: []string{"aidial.config.json:1:1: error: broken"},
		health: gateway.ConfigHealth{
			Status: "failed", Skipped: []gateway.SkippedEntity{{ID: "models.x", Reason: "no endpoint"}}, Generation: 3,
			LoadedAt: time.Unix(1_700_000_000, 0).UTC(), Problems: []string{"p"},
		},
	}})
	answers(t, h, "POST /v1/ops/config/reload admin", `422 {"error":{"message":"The configuration was not loaded: the last good one is still served. See problems.","type":"invalid_request_error","param":null,"code":"invalid_configuration","problems":["aidial.config.json:1:1: error: broken"]}}`)
	answers(t, h, "GET /v1/admin/health/config admin", `200 {"status":"failed","skipped":[{"id":"models.x","reason":"no endpoint"}],"generation":3,"loadedAt":"2023-11-14T22:13:20Z","problems":["p"],"providers":[]}`)
	if w := call(t, core(t, gateway.Options{}), "POST /v1/ops/config/reload admin"); w.Code != http.StatusNotImplemented {
		t.Errorf("without a configuration: %d", w.Code)
	}
}

// TestApplicationsInListings: an application is listed as one, with what only applications have, and among what
// may be asked; and not among models.
func TestApplicationsInListings(t *testing.T) {
	remote, err := proxy.New(proxy.Options{URL: "http://app", Transport: proxy.NewTransport()})
	if err != nil {
		t.Fatal(err)
	}
	h := core(t, gateway.Options{},
		&catalog.Deployment{Name: "m", Chat: llmtest.Echo{}, Info: catalog.Info{
			Intro: "One line", ResponsesDefaults: []byte(`{"store":false}`), Dependencies: []string{"app"},
			InterfaceConfigs: []catalog.InterfaceConfig{{Interface: catalog.Messages, Defaults: []byte(`{"max_tokens":5}`)}, {Interface: catalog.Chats, Features: &catalog.Features{Tools: true}}},
		}},
		&catalog.Deployment{
			Name: "app", Kind: catalog.Application, Remotes: [catalog.Interfaces]*proxy.Remote{catalog.Chats: remote}, Feedback: remote, TokenizeAt: remote, TruncateAt: remote, ConfigurationAt: remote,
			Info: catalog.Info{Reference: "ref", ViewerURL: "http://viewer", EditorURL: "http://editor"},
		},
		&catalog.Deployment{Name: "guarded", Chat: llmtest.Echo{}, Interceptors: []string{"i"}},
		&catalog.Deployment{Name: "i", Kind: catalog.Interceptor, Remotes: [catalog.Interfaces]*proxy.Remote{catalog.Chats: remote}},
	)
	for what, want := range map[string]string{
		"/openai/models": "m guarded", "/openai/v1/models": "m app guarded", "/openai/deployments": "m guarded", "/openai/applications": "app",
		"/v1/deployments": "m app guarded", "/v1/deployments?interface_type=custom_ui": "app", "/v1/deployments?interface_type=ALL,mcp": "m app guarded",
		"/v1/deployments?interface_type=": "m app guarded", "/v1/deployments?interface_type=embedding": "",
	} {
		if got := names(t, call(t, h, "GET "+what+" key").Body.Bytes()); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	for _, what := range []string{"/openai/models/app", "/openai/deployments/app", "/openai/applications/m", "/v1/deployments/i"} {
		if w := call(t, h, "GET "+what+" key"); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
	app := member(t, call(t, h, "GET /openai/applications/app key").Body.Bytes())
	for name, want := range map[string]string{
		"application": `"app"`, "model": "", "object": `"application"`, "reference": `"ref"`, "viewer_url": `"http://viewer"`, "editor_url": `"http://editor"`,
		"lifecycle_status": "", "scale_settings": "", "interfaces": `["openaiChatCompletions"]`,
	} {
		if got := string(app[name]); got != want {
			t.Errorf("application: %s is %s, want %s", name, got, want)
		}
	}
	if f := member(t, app["features"]); string(f["rate"])+string(f["tokenize"])+string(f["truncate_prompt"])+string(f["configuration"]) != "truetruetruetrue" {
		t.Errorf("features %s", app["features"])
	}
	m := member(t, call(t, h, "GET /v1/deployments/m key").Body.Bytes())
	if string(m["intro"]) != `"One line"` || string(m["responses_defaults"]) != `{"store":false}` || string(m["dependencies"]) != `["app"]` ||
		!strings.Contains(string(m["interface_configs"]), `"anthropicMessages":{"defaults":{"max_tokens":5}}`) || !strings.Contains(string(m["interface_configs"]), `"openaiChatCompletions":{"features":{`) ||
		!strings.Contains(string(m["interface_configs"]), `"reasoning_efforts":[]`) {
		t.Errorf("m: %s", m)
	}
	guarded := member(t, call(t, h, "GET /openai/models/guarded key").Body.Bytes())
	if string(guarded["interfaces"]) != `["openaiChatCompletions"]` || string(member(t, guarded["features"])["responses_api"]) != "false" {
		t.Errorf("what has interceptors is asked in %s", guarded["interfaces"])
	}
	if got := names(t, call(t, h, "GET /anthropic/v1/models key").Body.Bytes()); got != "m" {
		t.Errorf("Anthropic's models are %s", got)
	}
}

// names are the ids of a listing, of either form.
func names(t *testing.T, body []byte) string {
	t.Helper()
	type entry struct{ ID string }
	var bare []entry
	if json.Unmarshal(body, &bare) != nil {
		var list struct{ Data []entry }
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		bare = list.Data
	}
	out := make([]string, 0, len(bare))
	for _, e := range bare {
		out = append(out, e.ID)
	}
	return strings.Join(out, " ")
}

func member(t *testing.T, body []byte) (out map[string]json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return out
}

// TestPages: every model is on one page, whatever their length, in both directions.
func TestPages(t *testing.T) {
	var all []*catalog.Deployment
	var want []string
	for i := range 45 {
		all = append(all, &catalog.Deployment{Name: fmt.Sprintf("m-%d", i), Chat: llmtest.Echo{}})
		want = append(want, all[i].Name)
	}
	h := core(t, gateway.Options{}, all...)
	for _, limit := range []string{"", "&limit=1", "&limit=44", "&limit=45", "&limit=1000"} {
		var got []string
		for after, more := "", true; more; {
			var page struct {
				Data    []struct{ ID string }
				HasMore bool   `json:"has_more"`
				LastID  string `json:"last_id"`
			}
			if err := json.Unmarshal(call(t, h, "GET /anthropic/v1/models?after_id="+after+limit+" key").Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Data {
				got = append(got, m.ID)
			}
			after, more = page.LastID, page.HasMore
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %q: %s", limit, diff)
		}
	}
	if got := names(t, call(t, h, "GET /anthropic/v1/models?before_id=m-0 key").Body.Bytes()); got != "" {
		t.Errorf("before the first: %s", got)
	}
	answers(t, h, "GET /anthropic/v1/models?after_id=m-44 key", `200 {"data":[],"has_more":false,"first_id":null,"last_id":null}`)
}

// nowhere is where a reply costs nothing.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

// BenchmarkListing is of 2,000 deployments, of which the caller may use half.
func BenchmarkListing(b *testing.B) {
	all := make([]*catalog.Deployment, 0, 2000)
	for i := range 2000 {
		d := &catalog.Deployment{Name: fmt.Sprintf("m-%d", i), Chat: llmtest.Echo{}, Info: catalog.Info{DisplayName: "A model", Description: strings.Repeat("word ", 20)}}
		if i%2 == 0 {
			d.Roles = []string{"default"}
		} else {
			d.Roles = []string{"power"}
		}
		all = append(all, d)
	}
	h := core(b, gateway.Options{}, all...)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/openai/models", http.NoBody)
	r.Header.Set("Api-Key", "key")
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(nowhere{}, r)
	}
}
