package helm

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// lintText lints one file.
func lintText(t testing.TB, text string) []Finding {
	t.Helper()
	found, err := Lint([]File{{"values.yaml", []byte(text)}}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func hasFinding(found []Finding, code, path string) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Code == code && f.Path == path })
}

// TestTrap01NullSectionDeploysRawDefaults: a service account's YAML of which Helm reads nothing but a null
// section. The linter names the line, the consequence, and what stands below it all the same.
func TestTrap01NullSectionDeploysRawDefaults(t *testing.T) {
	const values = `# an adapter with a role
   bedrock:
  # switched on, it seems
  enabled: true

  image:
    repository: epam/ai-dial-adapter-bedrock
    tag: 0.2.0

  serviceAccount:
  create: true
  annotations:
    eks.amazonaws.com/role-arn: "arn:aws:iam::123456789012:role/bedrock"

  env:
     DEFAULT_REGION: "us-east-1"
`
	var first struct {
		Bedrock any `yaml:"bedrock"`
	}
	if err := yaml.NewDecoder(strings.NewReader(values)).Decode(&first); err != nil || first.Bedrock != nil {
		t.Fatalf("a reader of one document must see null and no error: %v, %v", first.Bedrock, err)
	}
	found := lintText(t, values)
	for code, path := range map[string]string{
		nullSection: "bedrock", unread: "bedrock", besideParent: "bedrock.serviceAccount",
		imageTag: "bedrock.image.tag", regionName: "bedrock.env.DEFAULT_REGION",
	} {
		if !hasFinding(found, code, path) {
			t.Errorf("%s at %s is missing from %v", code, path, found)
		}
	}
	if i := slices.IndexFunc(found, func(f Finding) bool { return f.Code == nullSection }); i < 0 || !strings.Contains(found[i].Message, "docker.io/:latest") {
		t.Error("nobody says what is deployed")
	}
	if !HasErrors(found) {
		t.Error("no error")
	}
}

// TestTrap03RegionFromASecretIsOverridden: EKS looks at env only, so a region from a Secret is found, and
// what the generator writes has it in env, under both names.
func TestTrap03RegionFromASecretIsOverridden(t *testing.T) {
	found := lintText(t, "bedrock:\n  enabled: true\n  secrets:\n    AWS_DEFAULT_REGION: eu-west-1\n")
	if !hasFinding(found, regionInSecrets, "bedrock.secrets.AWS_DEFAULT_REGION") {
		t.Errorf("%v", found)
	}
	for name, o := range variants() {
		w, err := Values(o)
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			AWS     struct{ Region string }
			Bedrock struct {
				Env     map[string]string
				Secrets map[string]string
			}
		}
		if err := yaml.Unmarshal([]byte(w.Values), &v); err != nil {
			t.Fatal(err)
		}
		if o.Chart == ChartOutcrop {
			if v.AWS.Region != o.Region {
				t.Errorf("%s: aws.region is %q", name, v.AWS.Region)
			}
			continue
		}
		if v.Bedrock.Env["AWS_REGION"] != o.Region || v.Bedrock.Env["AWS_DEFAULT_REGION"] != o.Region || len(v.Bedrock.Secrets) > 0 {
			t.Errorf("%s: %v", name, v.Bedrock)
		}
	}
}

// TestTrap11ConfigurationIsADirectory: subPath never reloads and a big configuration is no variable; what
// the generator writes has neither.
func TestTrap11ConfigurationIsADirectory(t *testing.T) {
	big := "core:\n  secrets:\n    aidial.config.json: '{\"models\": {}, \"padding\": \"" + strings.Repeat("x", maxVariable) + "\"}'\n" +
		"  extraVolumes: [{name: c, secret: {secretName: s}}]\n  extraVolumeMounts: [{name: c, mountPath: /etc/x/f.json, subPath: f.json}]\n"
	found := lintText(t, big)
	if !hasFinding(found, envSize, `core.secrets["aidial.config.json"]`) || !hasFinding(found, subPathMount, "core.extraVolumeMounts[0].subPath") {
		t.Errorf("%v", found)
	}
	for name, o := range variants() {
		w, err := Values(o)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(w.Values, "subPath:") || strings.Contains(w.Values, "secrets:\n") {
			t.Errorf("%s mounts by subPath, or has secrets:\n%s", name, w.Values)
		}
	}
}

// TestTrap12EnvValuesAreText: a number is found, and what the generator writes is text.
func TestTrap12EnvValuesAreText(t *testing.T) {
	found := lintText(t, "bedrock:\n  enabled: true\n  env:\n    AWS_DEFAULT_REGION: eu-west-1\n    WEB_CONCURRENCY: 3\n")
	if !hasFinding(found, envType, "bedrock.env.WEB_CONCURRENCY") {
		t.Errorf("%v", found)
	}
	for name, o := range variants() {
		w, err := Values(o)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]struct {
			Env map[string]any
		}
		if o.Chart == ChartOutcrop || yaml.Unmarshal([]byte(w.Values), &v) != nil {
			continue
		}
		for section, component := range v {
			for variable, value := range component.Env {
				if _, ok := value.(string); !ok {
					t.Errorf("%s: %s.env.%s is %T", name, section, variable, value)
				}
			}
		}
	}
}
