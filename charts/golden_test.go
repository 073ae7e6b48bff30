//go:build helm

package charts_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// variants are the files of testdata/values, without their ending.
func variants(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "values", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no variants", err)
	}
	names := make([]string, 0, len(files))
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".yaml"))
	}
	return names
}

func variant(t *testing.T, name string) string {
	t.Helper()
	return read(t, "testdata", "values", name+".yaml")
}

// manifests are those of a variant, or of the umbrella.
func manifests(t *testing.T, name string) string {
	t.Helper()
	dir, values := chart, ""
	if name == "umbrella" {
		dir, values = umbrella(t), read(t, "testdata", "umbrella", "user.yaml")
	} else {
		values = variant(t, name)
	}
	text, err := template(t, dir, values)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGoldens(t *testing.T) {
	for _, name := range append(variants(t), "umbrella") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, filepath.Join("testdata", name+".golden"), manifests(t, name))
		})
	}
}

// The schemas are Kubernetes 1.36's and of the custom resources, strict: a field that does not exist is a mistake.
func TestKubeconform(t *testing.T) {
	for _, name := range append(variants(t), "umbrella") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, err := run(t, manifests(t, name), "kubeconform", "-strict", "-summary",
				"-schema-location", filepath.Join("schemas", "{{.ResourceKind}}{{.KindSuffix}}.json"), "-")
			if err != nil || !strings.Contains(stdout, "Invalid: 0, Errors: 0, Skipped: 0") {
				t.Errorf("%v\n%s%s", err, stdout, stderr)
			}
		})
	}
}

// kubeconform itself finds what it should: or a wrong location of the schemas would go unseen.
func TestKubeconformFindsMistakes(t *testing.T) {
	text := strings.Replace(manifests(t, "irsa"), "minReadySeconds:", "minReadyySeconds:", 1)
	stdout, _, err := run(t, text, "kubeconform", "-strict", "-summary", "-schema-location", filepath.Join("schemas", "{{.ResourceKind}}{{.KindSuffix}}.json"), "-")
	if err == nil || !strings.Contains(stdout, "minReadyySeconds") {
		t.Errorf("%v\n%s", err, stdout)
	}
}

// ignoredChecks are kube-score's that the chart decides otherwise.
func ignoredChecks() []string {
	return []string{
		"container-image-pull-policy",         // a tag is a version, and `latest` is refused
		"deployment-has-host-podantiaffinity", // topologySpreadConstraints spread over hosts and zones, and let one pod more be placed
	}
}

func TestKubeScore(t *testing.T) {
	for _, name := range variants(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ignored := ignoredChecks()
			if name == "openshift" {
				ignored = append(ignored, "container-security-context-user-group-id") // ids are OpenShift's
			}
			args := []string{"score", "--kubernetes-version", "v1.36", "--output-format", "ci", "-"}
			for _, check := range ignored {
				args = append(args, "--ignore-test", check)
			}
			stdout, stderr, err := run(t, manifests(t, name), "kube-score", args...)
			bad := slices.DeleteFunc(strings.Split(stdout, "\n"), func(line string) bool { return !strings.HasPrefix(line, "[CRITICAL]") })
			if err != nil || len(bad) > 0 || !strings.Contains(stdout, "[OK]") {
				t.Errorf("%v\n%s%s", err, strings.Join(bad, "\n"), stderr)
			}
		})
	}
}

func TestLint(t *testing.T) {
	for _, name := range variants(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, err := run(t, variant(t, name), "helm", "lint", "--strict", chart, "--values", "-")
			if err != nil {
				t.Errorf("%v\n%s%s", err, stdout, stderr)
			}
		})
	}
}
