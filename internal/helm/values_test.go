package helm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const (
	testRole  = "arn:aws:iam::123456789012:role/bedrock"
	testImage = "registry.example.com/outcrop:1.0.0"
)

// variants are all that the generator writes, by the name of the golden file.
func variants() map[string]ValuesOptions {
	out := map[string]ValuesOptions{}
	add := func(name string, o ValuesOptions) {
		o.Region = "eu-west-1"
		switch o.Credentials {
		case IRSA:
			o.RoleARN = testRole
		case RolePerUpstream:
			o.Roles = []UpstreamRole{{"us-east-1", "arn:aws:iam::210987654321:role/east"}, {"", "arn:aws:iam::210987654321:role/west"}}
		}
		out[name] = o
	}
	for _, kind := range Kinds() {
		add("outcrop-adapter-"+kind, ValuesOptions{Credentials: kind, Chart: ChartOutcrop})
		add("outcrop-gateway-"+kind, ValuesOptions{Credentials: kind, Chart: ChartOutcrop, Mode: ModeGateway})
		add("dial-outcrop-"+kind, ValuesOptions{Credentials: kind, Chart: ChartDIAL, Image: testImage})
		add("dial-dial-"+kind, ValuesOptions{Credentials: kind, Chart: ChartDIAL, Adapter: AdapterDIAL})
	}
	models := File{"conf/models.json", []byte("{\n  \"models\": {\n    \"nova\": {\"type\": \"chat\", \"endpoint\": \"bedrock:us.amazon.nova-lite-v1:0\"}\n  }\n}\n")}
	keys := File{"conf/keys.yaml", []byte("keys:\n  sesame: {project: p, role: default}\n")}
	add("config-gateway", ValuesOptions{Credentials: PodIdentity, Chart: ChartOutcrop, Mode: ModeGateway, Configs: []File{models, keys}, Namespace: "models", Release: "acme", Image: testImage + "@sha256:" + strings.Repeat("0a", 32)})
	add("config-dial-core", ValuesOptions{Credentials: IAMUser, Chart: ChartDIAL, Adapter: AdapterDIAL, Configs: []File{models}, Secret: "my-keys", Release: "acme", Namespace: "models"})
	upstream := ValuesOptions{Credentials: RolePerUpstream, Chart: ChartDIAL, Image: testImage, RoleARN: testRole, DIALURL: "http://dial-core.dial.svc.cluster.local"}
	add("role-per-upstream-irsa", upstream)
	upstream.RoleARN, upstream.Secret, upstream.Adapter, upstream.Image = "", "keys", AdapterDIAL, ""
	add("role-per-upstream-iam-user", upstream)
	return out
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestValues: every variant is as its golden file, and the linter has nothing to say about it.
func TestValues(t *testing.T) {
	for name, o := range variants() {
		t.Run(name, func(t *testing.T) {
			w, err := Values(o)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "values/"+name+".yaml", w.Values)
			rest, err := json.MarshalIndent(map[string]any{"steps": w.Steps, "serviceAccount": w.ServiceAccount, "upstreams": w.Upstreams, "install": Install(o, "")}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "values/"+name+".json", string(rest)+"\n")
			for _, chart := range []string{ChartAuto, o.Chart} {
				l := options(t)
				l.Chart, l.Release, l.Namespace = chart, o.Release, ""
				found, err := Lint([]File{{"values.yaml", []byte(w.Values)}}, l)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range found {
					t.Errorf("--chart %s: %s", chart, f)
				}
			}
			if secretForm.MatchString(w.Values) || strings.Contains(w.Values, "sesame") {
				t.Error("a secret stands in the values")
			}
		})
	}
}

// TestManifests: the objects beside the values, none with a secret in it.
func TestManifests(t *testing.T) {
	for name, o := range map[string]ValuesOptions{
		"iam-user": {Credentials: IAMUser, Region: "eu-west-1", Namespace: "models"},
		"api-key":  {Credentials: APIKey, Region: "eu-west-1", Chart: ChartDIAL, Adapter: AdapterDIAL},
	} {
		got, err := Manifests(o, []string{ManifestSecret, ManifestExternalSecret, ManifestServiceAccount})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "manifests/"+name+".yaml", got)
		for _, doc := range strings.Split(got, "---\n") {
			if err := yaml.Unmarshal([]byte(doc), new(any)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	o := ValuesOptions{Credentials: IRSA, Region: "eu-west-1", RoleARN: testRole}
	got, err := Manifests(o, []string{ManifestServiceAccount})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "manifests/irsa.yaml", got)
	if _, err := Manifests(o, []string{ManifestSecret}); err == nil || !strings.Contains(err.Error(), "no Secret") {
		t.Errorf("a Secret for a role: %v", err)
	}
}

// TestValuesRefuses: what cannot be written is refused with the flag and what to type.
func TestValuesRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    ValuesOptions
		want string
	}{
		{"no credentials", ValuesOptions{Region: "eu-west-1"}, "--credentials is \"\": it must be one of iam-user, irsa"},
		{"no region", ValuesOptions{Credentials: IAMUser}, "--region"},
		{"a zone", ValuesOptions{Credentials: IAMUser, Region: "eu-west-1a"}, "--region"},
		{"irsa without role", ValuesOptions{Credentials: IRSA, Region: "eu-west-1"}, "--role-arn arn:aws:iam"},
		{"not a role", ValuesOptions{Credentials: IRSA, Region: "eu-west-1", RoleARN: "arn:aws:iam::1:role/x"}, "12 digits"},
		{"a role for a user", ValuesOptions{Credentials: IAMUser, Region: "eu-west-1", RoleARN: testRole}, "no use"},
		{"upstreams without roles", ValuesOptions{Credentials: RolePerUpstream, Region: "eu-west-1"}, "--upstream-role"},
		{"roles without upstreams", ValuesOptions{Credentials: PodIdentity, Region: "eu-west-1", Roles: []UpstreamRole{{"", testRole}}}, "no use"},
		{"gateway under DIAL", ValuesOptions{Credentials: PodIdentity, Region: "eu-west-1", Chart: ChartDIAL, Mode: ModeGateway}, "--mode gateway"},
		{"no image under DIAL", ValuesOptions{Credentials: PodIdentity, Region: "eu-west-1", Chart: ChartDIAL}, "--image"},
		{"latest", ValuesOptions{Credentials: PodIdentity, Region: "eu-west-1", Image: "outcrop:latest"}, "latest"},
		{"an image that is none", ValuesOptions{Credentials: PodIdentity, Region: "eu-west-1", Image: "Out crop"}, "--image"},
		{"a Secret's name", ValuesOptions{Credentials: IAMUser, Region: "eu-west-1", Secret: "My_Secret"}, "--secret"},
		{"config of an adapter", ValuesOptions{Credentials: PodIdentity, Region: "eu-west-1", Configs: []File{{"a.json", nil}}}, "--config"},
		{"a config that Core cannot read", ValuesOptions{Credentials: PodIdentity, Region: "eu-west-1", Chart: ChartDIAL, Adapter: AdapterDIAL, Configs: []File{{"a.yaml", nil}}}, "JSON"},
		{"config by the same name", ValuesOptions{Credentials: PodIdentity, Region: "eu-west-1", Mode: ModeGateway, Configs: []File{{"a.json", nil}, {"b/a.json", nil}}}, "a name of its own"},
	} {
		_, err := Values(tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
