package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/config"
)

func TestDestinationsOf(t *testing.T) {
	at := func(region, id, base string) config.Upstream {
		return config.Upstream{Weight: 1, Region: region, ModelID: id, BaseModel: base}
	}
	off := at("us-east-1", "", "")
	off.Weight = 0
	tests := []struct {
		name      string
		id        string
		upstreams []config.Upstream
		regions   []string
		want      string
	}{
		{"a plain id runs where it is called", "amazon.nova-lite-v1:0", []config.Upstream{at("eu-west-1", "", "")}, nil, "eu-west-1"},
		{"without a region", "amazon.nova-lite-v1:0", nil, nil, "the environment's region"},
		{"a geography's profile", "us.amazon.nova-lite-v1:0", []config.Upstream{at("us-east-1", "", "")}, nil, "us-east-1 us-east-2 us-west-2"},
		{"called from outside", "us.amazon.nova-lite-v1:0", []config.Upstream{at("ca-central-1", "", "")}, nil, "ca-central-1 us-east-1 us-east-2 us-west-2"},
		{"a global profile", "global.amazon.nova-2-lite-v1:0", []config.Upstream{at("eu-west-1", "", "")}, nil, "any commercial region eu-west-1"},
		{"every upstream counts", "amazon.nova-lite-v1:0", []config.Upstream{at("eu-west-1", "", ""), at("us-east-1", "", "")}, nil, "eu-west-1 us-east-1"},
		{"but not a disabled one", "amazon.nova-lite-v1:0", []config.Upstream{at("eu-west-1", "", ""), off}, nil, "eu-west-1"},
		{"the ARN of a profile", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0", nil, nil, "us-east-1 us-east-2 us-west-2"},
		{"a provisioned model", "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/abcdefghijkl", nil, nil, "eu-west-1"},
		{"a profile of one's own", "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abcdefghijkl", nil, nil, "?"},
		{"of which the base is told", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl", []config.Upstream{at("", "", "us.amazon.nova-lite-v1:0")}, nil, "us-east-1 us-east-2 us-west-2"},
		{"or the regions", "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abcdefghijkl", nil, []string{"eu-west-1"}, "eu-west-1"},
		{"another server", "", nil, nil, "?"},
		{"another server that tells", "", nil, []string{"eu-west-3"}, "eu-west-3"},
	}
	for _, tt := range tests {
		m := config.Model{Bedrock: tt.id, Upstreams: tt.upstreams}
		m.Regions = tt.regions
		destinations := destinationsOf(m, processRegion)
		got := strings.Join(destinations, " ")
		if destinations == nil {
			got = "?"
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestOutside(t *testing.T) {
	tests := []struct{ regions, geographies, to, want string }{
		{"", "", "us-east-1 " + everyRegion, ""},
		{"-", "", "us-east-1", "us-east-1"},
		{"us-east-1", "", "us-east-1|us-west-2", "us-west-2"},
		{"", "us", "us-east-1|us-gov-west-1|ca-central-1|eu-west-1", "us-gov-west-1|ca-central-1|eu-west-1"},
		{"ca-central-1", "us", "us-east-1|ca-central-1", ""},
		{"", "eu", "eu-west-2|eu-central-2|eusc-de-east-1|eu-isoe-west-1", "eusc-de-east-1|eu-isoe-west-1"},
		{"", "global", "eu-west-1|" + everyRegion + "|us-gov-west-1|cn-north-1|" + processRegion, "us-gov-west-1|cn-north-1|" + processRegion},
		{"", "apac", everyRegion + "|ap-south-1", everyRegion},
		{"", "jp au in", "ap-northeast-1|ap-northeast-2|ap-southeast-4|ap-south-2", "ap-northeast-2"},
		{"", "us-gov ca", "us-gov-east-1|ca-west-1|us-east-1", "us-east-1"},
	}
	for _, tt := range tests {
		var p regionPolicy
		if tt.regions != "" {
			p.regions = strings.Fields(strings.Trim(tt.regions, "-"))
		}
		if tt.geographies != "" {
			p.geographies = strings.Fields(tt.geographies)
		}
		if got := strings.Join(p.outside(strings.Split(tt.to, "|")), "|"); got != tt.want {
			t.Errorf("%+v of %s: got %s, want %s", p, tt.to, got, tt.want)
		}
	}
}

const regionsConfig = `{
  "models": {
    "near": {"type": "chat", "endpoint": "bedrock:eu.amazon.nova-lite-v1:0", "allowedGeographies": ["eu"], "upstreams": [{"extraData": {"region": "eu-west-1"}}]},
    "far": {"type": "chat", "endpoint": "bedrock:us.amazon.nova-lite-v1:0", "allowedGeographies": ["eu"], "upstreams": [{"extraData": {"region": "us-east-1"}}]}
  },
  "keys": {"hush-key-1": {"project": "team-a", "roles": ["default"]}}
}`

// A deployment whose prompts may leave is an error, or is left out where that is asked for.
func TestConfigCheckOfRegions(t *testing.T) {
	writeConfig(t, regionsConfig)
	out, _, code := runConfig(t, "check", "a.json")
	if want := `a.json:4:99: error: models.far.allowedGeographies: its prompts may run in us-east-1, us-east-2, us-west-2, which is not allowed here`; code != 1 || !strings.Contains(out, want) {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	out, _, code = runConfig(t, "check", "--on-invalid-entity", "skip", "--output", "json", "a.json")
	var report struct {
		Regions map[string][]string
		Errors  int
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"near": {"eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"}}
	if diff := cmp.Diff(want, report.Regions); diff != "" || code != 0 || report.Errors != 0 {
		t.Errorf("exit status %d, %d errors, (-want +got):\n%s", code, report.Errors, diff)
	}
}

func TestReloadsKeepToTheRegions(t *testing.T) {
	r := newReloading(t, map[string]string{"10.json": model("a", "us-east-1"), "keys.json": teamKey})
	r.write(map[string]string{"10.json": regionsConfig})
	r.reload(t.Context(), false)
	if diff := cmp.Diff([]string{"a"}, r.listed()); diff != "" || !strings.Contains(r.log.String(), "which is not allowed here") {
		t.Errorf("%s\n%s", diff, r.log.String())
	}
}

func TestReloadsLeaveOutWhatLeavesItsRegions(t *testing.T) {
	r := newReloading(t, map[string]string{"10.json": regionsConfig, "keys.json": teamKey}, func(f *serveFlags) { f.merge.SkipInvalid = true })
	if diff := cmp.Diff([]string{"near"}, r.listed()); diff != "" {
		t.Error(diff)
	}
}

// A key that stands in a file is served anew when the file changes.
func TestAKeyInAFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	put := func(key string) {
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a-key-of-a-team\n")
	keys, err := json.Marshal(map[string]any{"keys": map[string]any{"team": map[string]any{"project": "team", "role": "default", "keyFile": file}}})
	if err != nil {
		t.Fatal(err)
	}
	r := newReloading(t, map[string]string{"10.json": model("a", "us-east-1"), "keys.json": string(keys)})
	status := func(want int) {
		t.Helper()
		if got, body := r.get("/openai/models"); got != want {
			t.Errorf("status %d, want %d: %s", got, want, body)
		}
	}
	status(200)
	put("a-key-of-another\n")
	r.reload(t.Context(), false)
	status(401)
	put("")
	r.reload(t.Context(), false)
	if !strings.Contains(r.log.String(), "is empty") {
		t.Error(r.log.String())
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	r.reload(t.Context(), false)
	status(401)
	put("a-key-of-a-team\n")
	r.reload(t.Context(), false)
	status(200)
	if n := r.number; n != 3 {
		t.Errorf("generation %d, want 3", n)
	}
}

// Another file that is named from then on is watched, too.
func TestAnotherFileOfAKey(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	for file, key := range map[string]string{first: "a-key-of-a-team", second: "a-key-of-another"} {
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys := func(file string) string {
		return `{"keys": {"team": {"project": "team", "role": "default", "keyFile": "` + file + `"}}}`
	}
	r := newReloading(t, map[string]string{"10.json": model("a", "us-east-1"), "keys.json": keys(first)})
	r.write(map[string]string{"keys.json": keys(second)})
	r.reload(t.Context(), false)
	if status, _ := r.get("/openai/models"); status != 401 {
		t.Errorf("status %d", status)
	}
	if err := os.WriteFile(second, []byte("a-key-of-a-team"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reload(t.Context(), false)
	if status, _ := r.get("/openai/models"); status != 200 {
		t.Errorf("status %d", status)
	}
}
