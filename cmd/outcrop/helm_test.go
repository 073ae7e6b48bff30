package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runHelm runs outcrop helm with its outputs apart.
func runHelm(t *testing.T, args ...string) (code int, out, errors string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = run(t.Context(), append([]string{"helm"}, args...), strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func tempFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestHelmValuesLintClean: what one command writes, the other has nothing to say about, by way of a file.
func TestHelmValuesLintClean(t *testing.T) {
	for _, args := range [][]string{
		{"--credentials", "irsa", "--region", "eu-west-1", "--role-arn", "arn:aws:iam::123456789012:role/bedrock"},
		{"--credentials", "iam-user", "--region", "us-east-1", "--chart", "dial", "--adapter", "dial"},
		{"--credentials", "role-per-upstream", "--region", "us-east-1", "--chart", "dial", "--image", "r.example.com/outcrop:1", "--upstream-role", "eu-west-1=arn:aws:iam::123456789012:role/bedrock"},
	} {
		code, out, said := runHelm(t, append([]string{"values"}, args...)...)
		if code != 0 || !strings.Contains(said, "next: helm upgrade --install") {
			t.Fatalf("%v: exit %d: %s", args, code, said)
		}
		code, out, said = runHelm(t, "lint", tempFile(t, "values.yaml", out))
		if code != 0 || out != "0 errors, 0 warnings, 0 notes\n" {
			t.Errorf("%v: exit %d: %s%s", args, code, out, said)
		}
	}
}

// TestHelmValuesForms: JSON holds the values, what must exist beside them and the upstreams; manifests come
// alone.
func TestHelmValuesForms(t *testing.T) {
	code, out, _ := runHelm(t, "values", "-o", "json", "--credentials", "role-per-upstream", "--region", "us-east-1", "--upstream-role", "eu-west-1=arn:aws:iam::123456789012:role/bedrock", "--secret", "keys", "--manifests", "secret", "--namespace", "models")
	var d helmWritten
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 0 {
		t.Fatalf("exit %d: %v: %s", code, err, out)
	}
	if len(d.Upstreams) != 1 || d.Upstreams[0].ExtraData.Region != "eu-west-1" || !strings.Contains(d.Values, "existingSecret: \"keys\"") || !strings.Contains(d.Manifests, "kind: Secret") || d.ServiceAccount != "models/outcrop" || len(d.Steps) != 1 {
		t.Errorf("%+v", d)
	}
	code, out, _ = runHelm(t, "values", "--credentials", "api-key", "--region", "us-east-1", "--manifests", "external-secret,service-account")
	if code != 0 || strings.Contains(out, "mode: adapter") || strings.Count(out, "\n---\n") != 1 {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestHelmLintExits: 0 without errors, 1 when it could not do its work, 2 with errors; each says what to do.
func TestHelmLintExits(t *testing.T) {
	clean := tempFile(t, "clean.yaml", "mode: adapter\naws:\n  region: eu-west-1\n")
	null := tempFile(t, "null.yaml", "  bedrock:\n enabled: true\n")
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"clean", []string{"lint", clean}, 0, "0 errors"},
		{"a null section", []string{"lint", null}, 2, "error HV001: bedrock: bedrock is null"},
		{"as JSON", []string{"lint", null, "--output", "json"}, 2, `"code": "HV006"`},
		{"as YAML", []string{"lint", null, "--output", "yaml"}, 2, "code: HV006"},
		{"both", []string{"lint", clean, null, "--chart", "dial"}, 2, "null.yaml:2:2"},
		{"no file", []string{"lint", clean + "x"}, 1, "no such file"},
		{"another chart", []string{"lint", clean, "--chart", "x"}, 1, "--chart is \"x\": it must be outcrop, dial or auto"},
		{"another form", []string{"lint", clean, "--output", "xml"}, 1, "text, json or yaml"},
		{"values without credentials", []string{"values", "--region", "eu-west-1"}, 1, "--credentials is \"\": it must be one of iam-user"},
		{"a config that is not there", []string{"values", "--region", "eu-west-1", "--credentials", "none", "--mode", "gateway", "--config", "/none"}, 1, "--config"},
	} {
		code, out, said := runHelm(t, tt.args...)
		if code != tt.code || !strings.Contains(out+said, tt.want) {
			t.Errorf("%s: exit %d, want %d with %q: %s%s", tt.name, code, tt.code, tt.want, out, said)
		}
	}
}
