package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"outcrop/internal/config"
	"outcrop/internal/models"
)

func catalogue(t *testing.T) *models.Catalogue {
	t.Helper()
	c, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCatalogueCheck(t *testing.T) {
	check := catalogueCheck{catalogue(t), "2026-11-22"}
	const (
		unknown = "the built-in catalogue does not know this model id: requests fail if AWS does not know it either"
		newer   = "if the model is newer than this program, all is well"
		profile = "AWS serves this model through inference profiles only and refuses its bare id"
	)
	for _, tt := range []struct{ id, message, remedy string }{
		{"amazon.nova-lite-v1:0", "", ""},
		{"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl", "", ""},
		{"arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl", "", ""},
		{"arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine", "", ""},
		{"anthropic.claude-sonnet-4-5-20250929-v1:0", profile,
			"use au.anthropic.claude-sonnet-4-5-20250929-v1:0, eu.anthropic.claude-sonnet-4-5-20250929-v1:0, global.anthropic.claude-sonnet-4-5-20250929-v1:0, jp.anthropic.claude-sonnet-4-5-20250929-v1:0, us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0, us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
		{"arn:aws:bedrock:us-east-1::foundation-model/deepseek.r1-v1:0", profile, "use us.deepseek.r1-v1:0"},
		{"us.anthropic.claude-sonet-4-5-20250929-v1:0", unknown, "the nearest it knows: us.anthropic.claude-sonnet-4-5-20250929-v1:0; " + newer},
		{"anthropic.claude-sonnet-9-nope-v1:0", unknown,
			"the nearest it knows: au.anthropic.claude-sonnet-4-6, eu.anthropic.claude-sonnet-4-6, global.anthropic.claude-sonnet-4-6, jp.anthropic.claude-sonnet-4-6, us-gov.anthropic.claude-sonnet-4-6, us.anthropic.claude-sonnet-4-6; " + newer},
		{"amazon.nova-lite-v1", unknown, "the nearest it knows: amazon.nova-lite-v1:0; " + newer},
		{"jp.deepseek.r1-v1:0", unknown, "the nearest it knows: us.deepseek.r1-v1:0; " + newer},
		{"nobody.ever-heard-of-this-one", unknown, newer},
		{"anthropic.claude-3-7-sonnet-20250219-v1:0", "AWS no longer serves this model: its end of life (EOL) was 2026-04-28", "choose another one"},
		{"anthropic.claude-v2", "AWS no longer serves this model: it is past its end of life (EOL)", "choose another one"},
		{"us.anthropic.claude-opus-4-1-20250805-v1:0", "", ""}, // legacy until 2027-01-08
		{"amazon.titan-embed-text-v2:0", "this model is of the kind embedding", `its type is "embedding"`},
		{"deepseek.v3.1", "", ""},
		{"openai.gpt-5.4-2026-03-05", "", ""},
		{"anthropic.claude-haiku-4-5", "", ""},
		{"amazon.nova-2-sonic-v1:0", "this model is of the kind speech, which is not served", "choose another one"},
		{"meta.llama3-1-8b-instruct-v1:0:128k", "AWS serves this model id with provisioned throughput only", "use the ARN of the provisioned model"},
	} {
		message, remedy := check.mistake(tt.id, "chat")
		if message != tt.message || remedy != tt.remedy {
			t.Errorf("%s:\n got %s (%s)\nwant %s (%s)", tt.id, message, remedy, tt.message, tt.remedy)
		}
	}
}

func TestTheModelBehindAnARNNeedNotBeCallable(t *testing.T) {
	check := catalogueCheck{catalogue(t), "2026-11-22"}
	for id, want := range map[string]bool{
		"anthropic.claude-sonnet-4-5-20250929-v1:0": false, "anthropic.claude-v2": false, "us.amazon.nova-lite-v1:0": false,
		"anthropic.claude-sonet-4-5": true, "acme.new": true,
	} {
		if message, remedy := check.baseMistake(id); (message != "") != want || want && remedy == "" {
			t.Errorf("%s: %s (%s)", id, message, remedy)
		}
	}
}

func TestTheCatalogueFileReachesTheCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files := write("a.json", `{"models": {"m": {"type": "chat", "endpoint": "bedrock:acme.brand-new-v1:0"}}, "keys": {"hush-key-1": {"project": "p", "roles": ["default"]}}}`)
	override := write("models.json", `{"models": [{"id": "acme.brand-new-v1:0"}]}`)
	broken := write("broken.json", `{"models": [{"name": "x"}]}`)
	for _, tt := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"config", "check", files}, "does not know this model id", 0},
		{[]string{"config", "check", "--catalogue", override, files}, "0 errors, 0 warnings", 0},
		{[]string{"config", "check", "--catalogue", broken, files}, "broken.json: line 1: a model needs an id", 1},
		{[]string{"config", "check", "--catalogue", filepath.Join(dir, "none.json"), files}, "no such file", 1},
	} {
		var out strings.Builder
		if code := run(t.Context(), tt.args, strings.NewReader(""), &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%q: exit %d\n%s", tt.args, code, out.String())
		}
	}
}

func TestAModelEndsOnItsDayWhateverTheCatalogueSaysOfIt(t *testing.T) {
	check := catalogueCheck{catalogue(t), "2027-01-08"}
	if message, _ := check.mistake("us.anthropic.claude-opus-4-1-20250805-v1:0", "chat"); message != "AWS no longer serves this model: its end of life (EOL) was 2027-01-08" {
		t.Errorf("got %q", message)
	}
}

// Whatever is proposed can be used as it stands.
func TestCatalogueCheckProposesWhatItAccepts(t *testing.T) {
	check := catalogueCheck{catalogue(t), "2026-11-22"}
	accepted := 0
	for _, m := range check.All() {
		message, remedy := check.mistake(m.ID, typeOf(m))
		if message == "" {
			accepted++
			if !check.serves(m) {
				t.Errorf("%s is accepted and not served", m.ID)
			}
		}
		list, ok := strings.CutPrefix(remedy, "use ")
		if !ok || !strings.Contains(list, m.ID) {
			continue
		}
		for proposed := range strings.SplitSeq(list, ", ") {
			if message, _ := check.mistake(proposed, "chat"); message != "" {
				t.Errorf("%s: %s is proposed, but %s", m.ID, proposed, message)
			}
		}
	}
	if accepted < 200 {
		t.Errorf("only %d ids are accepted", accepted)
	}
}

func TestConfigCheckAsksTheCatalogue(t *testing.T) {
	writeConfig(t, `{
  "models": {
    "bare": {"type": "chat", "endpoint": "bedrock:deepseek.r1-v1:0"},
    "typo": {"type": "chat", "endpoint": "bedrock:amazon.nova-lite-v1:0", "upstreams": [{"modelId": "amazon.nova-lite-v1:O"}]}
  },
  "keys": {"hush-key-1": {"project": "team-a", "roles": ["default"]}}, "unknown": 1}`)
	out, _, code := runConfig(t, "check", "a.json")
	if code != 0 {
		t.Errorf("exit status %d, want 0: a warning", code)
	}
	want := `
a.json:3:42: warning: models.bare.endpoint: AWS serves this model through inference profiles only and refuses its bare id (use us.deepseek.r1-v1:0)
a.json:4:101: warning: models.typo.upstreams[0].modelId: the built-in catalogue does not know this model id: requests fail if AWS does not know it either (the nearest it knows: amazon.nova-lite-v1:0; if the model is newer than this program, all is well)
a.json:6:72: warning: unknown: unknown field, ignored (docs/config.md lists the fields)
0 errors, 3 warnings
`
	if !strings.HasSuffix(out, want) {
		t.Errorf("got:\n%s\nwant at its end:\n%s", out, want)
	}
}

func TestTheCatalogueKnowsOurOwnExamples(t *testing.T) {
	check := catalogueCheck{catalogue(t), "2026-11-22"}
	example, problems := config.Load([]string{"../../docs/example/aidial.config.json"}, config.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, p := range slices.Concat(check.problems(example), check.problems(demoConfig())) {
		t.Error(p)
	}
}

func TestCatalogueCheckOfRegions(t *testing.T) {
	check := catalogueCheck{catalogue(t), "2026-11-22"}
	for _, tt := range []struct{ id, region, message, remedy string }{
		{"us.amazon.nova-2-lite-v1:0", "us-west-2", "", ""},
		{"us.amazon.nova-2-lite-v1:0", "", "", ""}, // the environment's
		{"amazon.nova-lite-v1:0", "eu-west-3", "", ""},
		{"global.amazon.nova-2-lite-v1:0", "eu-west-3", "", ""},
		{"us.amazon.nova-2-lite-v1:0", "eu-west-3",
			"profiles of the geography us cannot be called from eu-west-3: AWS calls the model identifier invalid there",
			"use eu.amazon.nova-2-lite-v1:0, global.amazon.nova-2-lite-v1:0, or another region"},
		{"us.deepseek.r1-v1:0", "eu-west-3",
			"profiles of the geography us cannot be called from eu-west-3: AWS calls the model identifier invalid there",
			"call it from a region of the geography"},
	} {
		if message, remedy := check.farMistake(tt.id, tt.region); message != tt.message || remedy != tt.remedy {
			t.Errorf("%s from %s:\n got %s (%s)\nwant %s (%s)", tt.id, tt.region, message, remedy, tt.message, tt.remedy)
		}
	}
}
