//go:build helm

package helm

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
)

// These tests ask Helm itself: go test -tags helm ./internal/helm. HELM names the program (default helm of
// the PATH), OUTCROP_DIAL_EXTENSION a checkout of DIAL's charts/dial-extension with its dependency
// (bitnami's common) below charts/.

func helmTemplate(t *testing.T, release, chart, values string) ([]byte, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, bad bytes.Buffer
	cmd := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("HELM"), "helm"), "template", release, chart, "--namespace", "models", "--kube-version", "1.34.0", "-f", file)
	cmd.Stdout, cmd.Stderr = &out, &bad
	err := cmd.Run()
	if err != nil && bad.Len() == 0 {
		t.Fatal(err) // no helm
	}
	return out.Bytes(), errOf(err, bad.String())
}

type helmError string

func (e helmError) Error() string { return string(e) }

func errOf(err error, text string) error {
	if err == nil {
		return nil
	}
	return helmError(text)
}

// deployment is what is looked at of one.
type deployment struct {
	Kind string
	Spec struct {
		Template struct {
			Spec struct {
				ServiceAccountName string `yaml:"serviceAccountName"`
				Containers         []struct {
					Image string
					Args  []string
					Env   []struct {
						Name  string
						Value *string
					}
				}
			}
		}
	}
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
}

func objects(t *testing.T, rendered []byte, kind string) (out []deployment) {
	t.Helper()
	for _, doc := range strings.Split(string(rendered), "\n---\n") {
		var d deployment
		if err := yaml.Unmarshal([]byte(doc), &d); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if d.Kind == kind {
			out = append(out, d)
		}
	}
	return out
}

func env(d deployment) map[string]string {
	out := map[string]string{}
	for _, e := range d.Spec.Template.Spec.Containers[0].Env {
		if e.Value != nil {
			out[e.Name] = *e.Value
		}
	}
	return out
}

// TestHelmRendersEveryVariant: Helm takes what the generator writes, and the pod has region, role and image.
func TestHelmRendersEveryVariant(t *testing.T) {
	umbrella := dialUmbrella(t)
	for name, o := range variants() {
		t.Run(name, func(t *testing.T) {
			chart := "../../charts/outcrop"
			if o.Chart == ChartDIAL {
				if umbrella == "" {
					t.Skip("OUTCROP_DIAL_EXTENSION names no checkout of DIAL's chart")
				}
				chart = umbrella
			}
			w, err := Values(o)
			if err != nil {
				t.Fatal(err)
			}
			release := cmp.Or(o.Release, map[string]string{ChartDIAL: "dial"}[o.Chart], "outcrop")
			rendered, err := helmTemplate(t, release, chart, w.Values)
			if err != nil {
				t.Fatal(err)
			}
			all := objects(t, rendered, "Deployment")
			if len(all) != 1 {
				t.Fatalf("%d Deployments", len(all))
			}
			got := env(all[0])
			if got["AWS_REGION"] != o.Region || got["AWS_DEFAULT_REGION"] != o.Region || got["AWS_EC2_METADATA_DISABLED"] != "true" {
				t.Errorf("env is %v", got)
			}
			_, account, _ := strings.Cut(w.ServiceAccount, "/")
			if pod := all[0].Spec.Template.Spec; pod.ServiceAccountName != account {
				t.Errorf("the ServiceAccount is %s, the trust policy would name %s", pod.ServiceAccountName, account)
			}
			if o.RoleARN != "" {
				accounts := objects(t, rendered, "ServiceAccount")
				if len(accounts) != 1 || accounts[0].Metadata.Annotations[roleAnnotation] != o.RoleARN {
					t.Errorf("ServiceAccounts: %+v", accounts)
				}
			}
		})
	}
}

// dialUmbrella is a chart like DIAL's umbrella with the one sub-chart that matters; "" without a checkout.
func dialUmbrella(t *testing.T) string {
	t.Helper()
	extension := os.Getenv("OUTCROP_DIAL_EXTENSION")
	if extension == "" {
		return ""
	}
	dir := t.TempDir()
	write(t, dir, "Chart.yaml", "apiVersion: v2\nname: dial\nversion: 6.4.0\ndependencies:\n  - {name: dial-extension, version: \">=0.0.0-0\", alias: bedrock, condition: bedrock.enabled}\n")
	write(t, dir, "values.yaml", "bedrock:\n  enabled: false\n  image: {repository: epam/ai-dial-adapter-bedrock, tag: 0.40.0}\n")
	if err := os.CopyFS(filepath.Join(dir, "charts", "dial-extension"), os.DirFS(extension)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestHelmDeploysANullSection: trap 1, with Helm itself and a chart of our own: no error, and the sub-chart
// comes from its raw defaults.
func TestHelmDeploysANullSection(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "Chart.yaml", "apiVersion: v2\nname: umbrella\nversion: 1.0.0\ndependencies:\n  - {name: app, version: 1.0.0, alias: bedrock, condition: bedrock.enabled}\n")
	write(t, dir, "values.yaml", "bedrock:\n  enabled: false\n  image: {repository: some/adapter, tag: 1.0.0}\n")
	write(t, dir, "charts/app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n")
	write(t, dir, "charts/app/values.yaml", "image: {registry: docker.io, repository: \"\", tag: latest}\n")
	write(t, dir, "charts/app/templates/pod.yaml", "kind: Pod\nimage: {{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}\n")
	for _, name := range []string{"null-section-outer-indent", "null-section-indented-root"} {
		a, err := txtar.ParseFile("testdata/lint/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		rendered, err := helmTemplate(t, "dial", dir, string(a.Files[0].Data))
		if err != nil || !strings.Contains(string(rendered), "image: docker.io/:latest") {
			t.Errorf("%s: Helm no longer does what the finding says: %v\n%s", name, err, rendered)
		}
	}
}

// TestHelmAgrees: where the linter says that Helm refuses a file, Helm does; where it finds no error, Helm
// renders.
func TestHelmAgrees(t *testing.T) {
	umbrella := dialUmbrella(t)
	if umbrella == "" {
		t.Skip("OUTCROP_DIAL_EXTENSION names no checkout of DIAL's chart")
	}
	files, err := filepath.Glob("testdata/lint/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Files) != 2 || a.Files[0].Name != "values.yaml" {
			continue // several files, or flags
		}
		found := lintText(t, string(a.Files[0].Data))
		refused := slices.ContainsFunc(found, func(f Finding) bool { return strings.Contains(f.Message, "Helm refuses the file") })
		if strings.HasPrefix(filepath.Base(name), "ours") {
			continue
		}
		_, err = helmTemplate(t, "dial", umbrella, string(a.Files[0].Data))
		switch {
		case err == nil && refused && filepath.Base(name) != "braces-left-commented.txtar" && filepath.Base(name) != "all.txtar":
			t.Errorf("%s: Helm takes the file, the linter says that it does not", name)
		case err != nil && !HasErrors(found):
			t.Errorf("%s: the linter finds no error, and Helm says: %v", name, err)
		}
	}
}
