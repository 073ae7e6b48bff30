//go:build k8s

package k8s_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unserved are kinds of others' APIs that the control plane lacks; kubeconform checks them in `make chart-check`.
var unserved = regexp.MustCompile(`(?m)^apiVersion: (external-secrets\.io|secrets-store\.csi\.x-k8s\.io|gateway\.networking\.k8s\.io)/`)

// namespace makes a namespace whose pods must be `restricted`, where whatever is not is warned of, too.
func namespace(t *testing.T, name string) {
	t.Helper()
	manifest := fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,"labels":{
"pod-security.kubernetes.io/enforce":"restricted","pod-security.kubernetes.io/warn":"restricted"}}}`, name)
	if _, err := kube.kubectl(t.Context(), strings.NewReader(manifest), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := kube.kubectl(context.Background(), nil, "delete", "namespace", name, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
}

// Every variant of the chart is admitted by the API server, in a namespace of Pod Security `restricted`,
// without a warning.
func TestServerAdmitsEveryVariant(t *testing.T) {
	variants, err := filepath.Glob("../../charts/testdata/values/*.yaml")
	if err != nil || len(variants) == 0 {
		t.Fatalf("no variants: %v", err)
	}
	namespace(t, "admitted")
	namespace(t, "monitoring") // where a variant has its ServiceMonitor
	// Of a pod's priority class and service account the server wants to know, and a dry run makes neither.
	class := `{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"high"},"value":1000}`
	if _, err := kube.kubectl(t.Context(), strings.NewReader(class), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	for _, file := range variants {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			values, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var served, accounts []string
			for _, manifest := range strings.Split(render(t, "release", string(values), "--namespace", "admitted"), "\n---\n") {
				switch {
				case unserved.MatchString(manifest):
				case strings.Contains(manifest, "\nkind: ServiceAccount\n"):
					accounts = append(accounts, manifest)
				default:
					served = append(served, manifest)
				}
			}
			if _, err := kube.kubectl(t.Context(), strings.NewReader(strings.Join(accounts, "\n---\n")), "apply", "--warnings-as-errors", "-f", "-"); err != nil {
				t.Error(err)
			}
			said, err := kube.kubectl(t.Context(), strings.NewReader(strings.Join(served, "\n---\n")),
				"apply", "--dry-run=server", "--warnings-as-errors", "-f", "-")
			if err != nil {
				t.Error(err)
			}
			if !strings.Contains(said, "deployment.apps/") {
				t.Errorf("no Deployment was asked for:\n%s", said)
			}
		})
	}
}

// What admits every variant is not blind: a container without its security context is warned of.
func TestServerWarnsOfWhatIsNotRestricted(t *testing.T) {
	namespace(t, "warned")
	values, err := os.ReadFile("../../charts/testdata/values/iam-user.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manifests := render(t, "release", string(values), "--namespace", "warned", "--set", "containerSecurityContext.enabled=false", "--show-only", "templates/deployment.yaml")
	_, err = kube.kubectl(t.Context(), strings.NewReader(manifests), "apply", "--dry-run=server", "--warnings-as-errors", "-f", "-")
	if err == nil || !strings.Contains(err.Error(), `would violate PodSecurity "restricted`) {
		t.Errorf("the server said: %v", err)
	}
}
