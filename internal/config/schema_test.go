package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"
)

const (
	schemaFile         = "../../docs/config.schema.json"
	settingsSchemaFile = "../../docs/settings.schema.json"
)

func TestSchemaFilesAreUpToDate(t *testing.T) {
	for file, want := range map[string][]byte{schemaFile: Schema(), settingsSchemaFile: SettingsSchema()} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is out of date, run go test ./internal/config -update (-want +got):\n%s", file, diff)
		}
	}
}

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// validate says what the schema has against a file of a fixture.
func validate(t *testing.T, s *jsonschema.Schema, f txtar.File) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), f.Name)
	if err := os.WriteFile(file, f.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	root, bad := parseFile(file)
	if bad != nil {
		t.Fatal(bad.message)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(root.appendJSON(nil))))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// What Load finds no error in, the schema has nothing against.
func TestSchemaTakesWhatIsGood(t *testing.T) {
	for _, family := range []struct {
		schema []byte
		glob   string
	}{{Schema(), "testdata/*.txtar"}, {SettingsSchema(), "testdata/settings/*.txtar"}} {
		compiled, n := compile(t, family.schema), 0
		names, err := filepath.Glob(family.glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(ar.Files, func(f txtar.File) bool {
				return f.Name == partProblems && (strings.Contains(string(f.Data), "error: ") || strings.Contains(string(f.Data), "it has mistakes"))
			}) {
				continue
			}
			for _, f := range ar.Files {
				if ext := filepath.Ext(f.Name); ext != ".json" && ext != ".yaml" && ext != ".yml" || f.Name == "rules.json" {
					continue
				}
				if err := validate(t, compiled, f); err != nil {
					t.Errorf("%s: %s: %v", name, f.Name, err)
				}
				n++
			}
		}
		t.Logf("%s: %d files", family.glob, n)
	}
	compiled := compile(t, Schema())
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, compiled, txtar.File{Name: "example.json", Data: example}); err != nil {
		t.Error(err)
	}
}

func TestSchemaRefusesWhatIsWrong(t *testing.T) {
	check := func(s *jsonschema.Schema, texts ...string) {
		for _, text := range texts {
			if !json.Valid([]byte(text)) {
				t.Errorf("no JSON: %s", text)
			}
			if validate(t, s, txtar.File{Name: "a.json", Data: []byte(text)}) == nil {
				t.Errorf("taken: %s", text)
			}
		}
	}
	check(compile(t, Schema()),
		`[]`,
		`{"models": []}`,
		`{"models": {"a": "bedrock:amazon.nova-lite-v1:0"}}`,
		`{"models": {"a": {"type": "talk"}}}`,
		`{"models": {"a": {"userRoles": "admin"}}}`,
		`{"models": {"a": {"user_roles": "admin"}}}`,
		`{"models": {"a": {"features": {"toolsSupported": "maybe"}}}}`,
		`{"models": {"a": {"upstreams": {"key": "k"}}}}`,
		`{"models": {"a": {"upstreams": [{"weight": "heavy"}]}}}`,
		`{"models": {"a": {"maxInputAttachments": -1}}}`,
		`{"models": {"a": {"createdAt": "yesterday"}}}`,
		`{"models": {"a": {"defaults": [1]}}}`,
		`{"models": {"a": {"allowedGeographies": ["europe"]}}}`,
		`{"keys": {"a": {"roles": "default"}}}`,
		`{"keys": {"a": {"digest": "sha256:abc"}}}`,
		`{"keys": {"a": {"allowedIpAddressRanges": "10.0.0.0/8"}}}`,
		`{"keys": {"a": {"secured": 1}}}`,
		`{"roles": {"a": {"limits": {"m": {"minute": "many"}}}}}`,
		`{"roles": {"a": {"costLimit": 7}}}`,
		`{"retriableErrorCodes": ["x"]}`,
		`{"rateLimitSchedule": []}`,
	)
	check(compile(t, SettingsSchema()),
		`{"config": {"onInvalidEntity": "ignore"}}`,
		`{"config": {"reload": 0}}`,
		`{"server": {"port": "http"}}`,
		`{"identityProviders": {"a": {"jwksUrl": "login.example"}}}`,
		`{"identityProviders": {"a": {"algorithms": ["none"]}}}`,
		`{"identityProviders": {"a": {"rolePath": 7}}}`,
		`{"access": {"admin": {"rules": [{"function": "LIKE"}]}}}`,
		`{"encryption": {"secret": []}}`,
	)
}
