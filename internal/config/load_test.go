package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"outcrop/internal/secret"
)

// sameSecret lets cmp look into a secret, and not at places.
func sameSecret() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b secret.String) bool { return a.Reveal() == b.Reveal() }),
		cmpopts.IgnoreUnexported(Model{}, Upstream{}),
	}
}

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// everything is the configuration of the fixture that fills every field.
func everything(t *testing.T) *Config {
	t.Helper()
	ar, err := txtar.ParseFile("testdata/everything.txtar")
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := Load([]string{write(t, "a.json", string(ar.Files[0].Data))}, Options{})
	if HasErrors(problems) {
		t.Fatal(problems)
	}
	return cfg
}

func TestEveryFieldIsRead(t *testing.T) {
	cfg := everything(t)
	m := cfg.Models[0]
	twenty := 20
	features := DefaultFeatures()
	features.ToolsSupported, features.CacheSupported, features.SupportCommentInRateResponse = true, true, true
	features.ReasoningEfforts, features.TokenizeEndpoint = []string{"low", "high"}, "http://adapter/tokenize"
	upstreams := m.Upstreams
	m.Upstreams = nil
	want := Model{
		Name: "claude", Type: "chat", DisplayName: "Claude auf Deutsch", DisplayVersion: "Sonnet 4.5", Description: "for everything",
		Intro: "hello", IconURL: "claude.svg", Reference: "ref", Author: "us", DescriptionKeywords: []string{"chat"},
		CreatedAt: 1700000000000, UpdatedAt: 1700000000001,
		Endpoint:     "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0",
		Bedrock:      "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
		OverrideName: "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
		UserRoles:    []string{"default", "power"},
		Limits:       Limits{200000, 190000, 64000}, EmbeddingDimensions: 1024,
		Pricing: Pricing{Unit: "token", Prompt: "0.000003", Completion: "1.5e-05", CacheRead: "0.0000003", CacheWrite1h: "0.000006", Image: "0.04", Query: "0.002",
			CacheWriteTree: json.RawMessage(`{"test":{"field":"ttl","operator":"EQ","value":"1h"},"ifTrue":"6e-6"}`)},
		Features: features, InputAttachmentTypes: []string{"image/*"}, MaxInputAttachments: &twenty,
		MaxRetryAttempts: 3, TokenizerModel: "claude", Defaults: json.RawMessage(`{"max_tokens":4096,"temperature":0}`),
		Timeouts: Timeouts{Connect: 3 * time.Second, FirstToken: 2 * time.Minute, InterToken: 90 * time.Second, InterTokenStated: true, Total: 30 * time.Minute},
		Serving:  Serving{ForwardAuthToken: true, DefaultHeaders: map[string]secret.String{"X-A": secret.New("b")}, Dependencies: []string{}},
	}
	if diff := cmp.Diff(want, m, sameSecret()); diff != "" {
		t.Errorf("model (-want +got):\n%s", diff)
	}
	for i, want := range []string{
		`{use1  2 0  us-east-1 AKIAEXAMPLE hush-secret-1 hush-token-1   }`,
		`{usw2  https://vpce.example 1 1  us-west-2    arn:aws:iam::123456789012:role/team/BedrockAccess x1 outcrop}`,
		`{key hush-bedrock-api-key  1 0 us.anthropic.claude-sonnet-4-5-20250929-v1:0 us-east-2}`,
	} {
		u := upstreams[i]
		got := strings.Join([]string{u.ID, u.Key.Reveal(), u.Endpoint, fmt.Sprint(u.Weight, u.Tier), u.ModelID, u.Region, u.AccessKeyID,
			u.SecretAccessKey.Reveal(), u.SessionToken.Reveal(), u.AssumeRoleARN, u.ExternalID, u.RoleSessionName}, " ")
		if normal(got) != normal(strings.Trim(want, "{}")) {
			t.Errorf("upstream %d:\n got %s\nwant %s", i, got, want)
		}
	}
	if u := upstreams[0]; u.BaseModel != "anthropic.claude-sonnet-4-5-20250929-v1:0" || u.Surface != "converse" ||
		u.Guardrail != (Guardrail{"gr1abc2def3", "1", "enabled", "sync"}) {
		t.Errorf("upstream 0: %+v", u)
	}
	if k := cfg.Keys[0]; k.Secret.Reveal() != "hush-key-1" || k.Project != "team-a" || !k.Secured || !cmp.Equal(k.Roles, []string{"default"}) {
		t.Errorf("key 1 = %+v", k)
	}
	roles := []Role{
		{Name: "default", Limits: []RoleLimit{{"claude", 100000, 2000000, Unlimited, Unlimited, Unlimited, 5000}}, CostLimit: CostLimit{Month: "200"}, Concurrent: 8},
		{Name: "power"},
	}
	if diff := cmp.Diff(roles, cfg.Roles); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(RateLimitSchedule{"Europe/Berlin", "Mon", "00:00"}, cfg.RateLimitSchedule); diff != "" {
		t.Error(diff)
	}
	if !cmp.Equal(cfg.RetriableErrorCodes, []int{500}) || cfg.DefaultLocale != "de" {
		t.Errorf("root fields: %v %q", cfg.RetriableErrorCodes, cfg.DefaultLocale)
	}
}

func normal(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestWhatIsNotStatedHasDIALsDefaults(t *testing.T) {
	cfg, _ := Load([]string{write(t, "a.json", `{"models": {"m": {"endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{}]}}, "roles": {"r": {"limits": {"m": {}}}}}`)}, Options{})
	want := Model{
		Name: "m", Type: "chat", Endpoint: "bedrock:amazon.nova-lite-v1:0", Bedrock: "amazon.nova-lite-v1:0",
		MaxRetryAttempts: 5, Features: DefaultFeatures(), Upstreams: []Upstream{{Weight: 1}},
		Timeouts: Timeouts{Connect: 10 * time.Second, FirstToken: 10 * time.Minute, InterToken: 5 * time.Minute, Total: time.Hour, Heartbeat: 15 * time.Second},
	}
	if diff := cmp.Diff(want, cfg.Models[0], sameSecret()); diff != "" {
		t.Errorf("model (-want +got):\n%s", diff)
	}
	if limit := cfg.Roles[0].Limits[0]; limit != (RoleLimit{"m", Unlimited, Unlimited, Unlimited, Unlimited, Unlimited, Unlimited}) {
		t.Errorf("limit = %+v", limit)
	}
	if cfg.RateLimitSchedule != (RateLimitSchedule{"UTC", "Mon", "00:00"}) {
		t.Errorf("schedule = %+v", cfg.RateLimitSchedule)
	}
}

// However a Config is printed, it prints no secret.
func TestConfigPrintsNoSecret(t *testing.T) {
	cfg := everything(t)
	j, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := json.Marshal(cfg.Compile())
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %v %s %s %s", cfg, *cfg, cfg, cfg.Models, j, y, compiled)
	if strings.Contains(all, "hush-") {
		t.Errorf("a secret leaks: %s", all)
	}
}

func TestFileEncodings(t *testing.T) {
	const plain = `{"models": {"m": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "displayName": "ü"}}, "keys": {"hush-key-1": {"project": "p", "roles": ["r"]}}}`
	for _, tt := range []struct{ name, file, content, want string }{
		{"a byte order mark is no content", "a.json", "\ufeff" + plain, ""},
		{"nor in YAML", "a.yaml", "\ufeff" + plain, ""},
		{"nor where the content decides", "a.conf", "\ufeff" + plain, ""},
		{"Windows line ends", "a.json", strings.ReplaceAll(plain, ", ", ",\r\n"), ""},
		{"UTF-16", "a.json", "\xff\xfe{\x00}\x00", "1:1: error: this is UTF-16 text (save the file as UTF-8)"},
		{"Latin-1 is named by its place", "a.json", "{\n \"a\": \"h\xfcsh\"}", "2:9: error: this is not UTF-8 text (save the file as UTF-8)"},
		{"Latin-1 in YAML", "a.yaml", "models:\n  a: h\xfcsh\n", "a.yaml:2: error: this is not UTF-8 text (save the file as UTF-8)"},
		{"columns count characters", "a.json", `{"models": {"üü": 7}, "keys": {}}`, "1:19: error: models[\"üü\"]: must be an object, is a number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.file, tt.content)
			_, problems := Load([]string{path}, Options{})
			if tt.want == "" {
				if len(problems) > 0 {
					t.Error(problems)
				}
				return
			}
			if len(problems) == 0 || !strings.HasSuffix(problems[len(problems)-1].String(), tt.want) {
				t.Errorf("got %v, want %s", problems, tt.want)
			}
		})
	}
}

func TestDepthIsBounded(t *testing.T) {
	for _, tt := range []struct {
		file    string
		content string
		want    string
	}{
		{"a.json", strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1), "more than 10000 levels of nesting"},
		{"a.yaml", strings.Repeat(`[`, maxDepth+1) + strings.Repeat("]", maxDepth+1), "too many levels of nesting"},
		{"b.yaml", "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + aliases(6), "more than 1048576 values"},
	} {
		_, problems := Load([]string{write(t, tt.file, tt.content)}, Options{})
		if len(problems) != 1 || !strings.Contains(problems[0].Message, tt.want) {
			t.Errorf("%s: got %v, want %s", tt.file, problems, tt.want)
		}
	}
}

// aliases is a YAML file that grows tenfold with every line.
func aliases(lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "%c: &%c [%s]\n", 'b'+i, 'b'+i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", 'a'+i), 10), ","))
	}
	return b.String()
}

func TestProblemIsOneLine(t *testing.T) {
	for _, tt := range []struct {
		p    Problem
		want string
	}{
		{Problem{Error, "a.json", 3, 5, "models.m", "is wrong", "mend it"}, "a.json:3:5: error: models.m: is wrong (mend it)"},
		{Problem{Warning, "a.yaml", 3, 0, "", "is wrong", ""}, "a.yaml:3: warning: is wrong"},
		{Problem{Severity: Error, File: "a.json", Message: "is wrong"}, "a.json: error: is wrong"},
		{Problem{Severity: Error, Message: "is wrong"}, "error: is wrong"},
	} {
		if got := tt.p.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if HasErrors([]Problem{{Severity: Warning}}) || !HasErrors([]Problem{{Severity: Warning}, {Severity: Error}}) {
		t.Error("HasErrors looks for an error among warnings")
	}
}

func TestLoadOfManyModels(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"models": {`)
	for i := range 2000 {
		fmt.Fprintf(&b, `"m%d": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "displayName": "x", "userRoles": ["r"], "upstreams": [{"extraData": {"region": "us-east-1"}}]},`, i)
	}
	b.WriteString(`"last": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0"}}, "keys": {"hush-key-1": {"project": "p", "roles": ["r"]}}}`)
	cfg, problems := Load([]string{write(t, "a.json", b.String())}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems[0])
	}
	if len(cfg.Models) != 2001 || cfg.Models[1999].Name != "m1999" || cfg.Models[2000].Name != "last" {
		t.Errorf("%d models, in order", len(cfg.Models))
	}
}

// Every flag is read into the field of its name: the one that differs from the
// default is the one that was set.
func TestEveryFeatureIsRead(t *testing.T) {
	for _, f := range featureFlags() {
		value := map[string]string{"true": "false", "false": "true"}[f.def]
		path := write(t, "a.json", fmt.Sprintf(`{"models": {"m": {"endpoint": "bedrock:amazon.nova-lite-v1:0", "features": {%q: %s}}}}`, f.name, value))
		cfg, _ := Load([]string{path}, Options{})
		got, def := reflect.ValueOf(cfg.Models[0].Features), reflect.ValueOf(DefaultFeatures())
		var changed []string
		for i := range got.NumField() {
			if !reflect.DeepEqual(got.Field(i).Interface(), def.Field(i).Interface()) {
				changed = append(changed, got.Type().Field(i).Name)
			}
		}
		name := strings.TrimSuffix(strings.ToUpper(f.name[:1])+f.name[1:], "Supported")
		name = strings.Replace(name, "Url", "URL", 1)
		if len(changed) != 1 || strings.TrimSuffix(changed[0], "Supported") != name {
			t.Errorf("%s = %s changed %v", f.name, value, changed)
		}
	}
}

func TestYAMLValues(t *testing.T) {
	const file = `
base: &base {weight: 0x2}
more: &more
  tier: 0b11
  id: from-more
models:
  m:
    endpoint: bedrock:amazon.nova-lite-v1:0
    pricing: {prompt: .5, completion: 1_0.5}
    defaults: {a: ~, b: TRUE, c: 1_000, d: 2024-01-01, e: [1.50, "x"]}
    upstreams:
    - <<: [*base, *more, {id: too-late}]
      weight: 3
    - <<: *base
`
	cfg, problems := Load([]string{write(t, "a.yaml", file)}, Options{})
	if HasErrors(problems) {
		t.Fatal(problems)
	}
	m := cfg.Models[0]
	if m.Pricing.Prompt != "0.5" || m.Pricing.Completion != "10.5" {
		t.Errorf("pricing = %+v", m.Pricing)
	}
	if want := `{"a":null,"b":true,"c":1000,"d":"2024-01-01","e":[1.50,"x"]}`; string(m.Defaults) != want {
		t.Errorf("defaults = %s, want %s", m.Defaults, want)
	}
	if diff := cmp.Diff([]Upstream{{ID: "from-more", Weight: 3, Tier: 3}, {Weight: 2}}, m.Upstreams, sameSecret()); diff != "" {
		t.Error(diff)
	}
}

func TestLocalizedValues(t *testing.T) {
	for _, tt := range []struct{ locale, names, want string }{
		{`"de"`, `{"en": "E", "de": "D", "fr": "F"}`, "D"},
		{`"it"`, `{"fr": "F", "en": "E"}`, "E"},
		{`null`, `{"fr": "F", "de": "D"}`, "F"},
		{`null`, `"plain"`, "plain"},
	} {
		path := write(t, "a.json", fmt.Sprintf(`{"models": {"m": {"endpoint": "bedrock:amazon.nova-lite-v1:0", "displayName": %s}}, "defaultLocale": %s}`, tt.names, tt.locale))
		cfg, _ := Load([]string{path}, Options{})
		if got := cfg.Models[0].DisplayName; got != tt.want {
			t.Errorf("%s in locale %s = %q, want %q", tt.names, tt.locale, got, tt.want)
		}
	}
}
