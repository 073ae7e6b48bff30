//go:build k8s

package k8s_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// must is a kubectl that works.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kube.kubectl(t.Context(), nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// install runs helm with values, and waits.
func install(t *testing.T, ns, values string) {
	t.Helper()
	if err := tryInstall(t, ns, values); err != nil {
		t.Fatal(err)
	}
}

func tryInstall(t *testing.T, ns, values string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		return err
	}
	_, err := kube.helm(t.Context(), "upgrade", "--install", "dial", chartDir, "-n", ns, "-f", file, "--wait", "--timeout", "90s")
	return err
}

// podsOf lists the pods that a selector of labels finds, as name → node.
func podsOf(t *testing.T, ns string, labels map[string]string) map[string]string {
	t.Helper()
	var selector []string
	for key, value := range labels {
		selector = append(selector, key+"="+value)
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name              string
				DeletionTimestamp string
			}
			Spec struct{ NodeName string }
		}
	}
	decode(t, must(t, "get", "pods", "-n", ns, "-l", strings.Join(selector, ","), "-o", "json"), &list)
	out := map[string]string{}
	for _, p := range list.Items {
		if p.Metadata.DeletionTimestamp == "" {
			out[p.Metadata.Name] = p.Spec.NodeName
		}
	}
	return out
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

const threeReplicas = `
mode: adapter
replicaCount: 3
minReadySeconds: 0
image: {registry: localhost, repository: outcrop, tag: "0.1.0"}
aws: {region: us-east-1, podIdentity: {enabled: true}}
autoscaling: {hpa: {enabled: false}}
metrics: {enabled: true, serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}
`

// Install, upgrade, history, rollback and removal; the objects that select pods select these and no others.
func TestInstallUpgradeRollback(t *testing.T) {
	const ns = "life"
	namespace(t, ns)
	install(t, ns, threeReplicas)
	var deployment struct {
		Spec struct {
			Selector struct{ MatchLabels map[string]string }
		}
	}
	decode(t, must(t, "get", "deployment", "dial-outcrop", "-n", ns, "-o", "json"), &deployment)
	pods := podsOf(t, ns, deployment.Spec.Selector.MatchLabels)
	if len(pods) != 3 {
		t.Fatalf("%d pods: %v", len(pods), pods)
	}
	var service struct {
		Spec struct{ Selector map[string]string }
	}
	decode(t, must(t, "get", "service", "dial-outcrop", "-n", ns, "-o", "json"), &service)
	var budget struct {
		Spec struct {
			Selector struct{ MatchLabels map[string]string }
		}
	}
	decode(t, must(t, "get", "pdb", "dial-outcrop", "-n", ns, "-o", "json"), &budget)
	var policy struct {
		Spec struct {
			PodSelector struct{ MatchLabels map[string]string }
		}
	}
	decode(t, must(t, "get", "networkpolicy", "dial-outcrop", "-n", ns, "-o", "json"), &policy)
	for what, labels := range map[string]map[string]string{
		"Service": service.Spec.Selector, "PodDisruptionBudget": budget.Spec.Selector.MatchLabels, "NetworkPolicy": policy.Spec.PodSelector.MatchLabels,
	} {
		if got := podsOf(t, ns, labels); len(got) != 3 {
			t.Errorf("the %s's labels %v find %v", what, labels, got)
		}
	}
	if err := wait(30*time.Second, "the endpoints", func() error {
		if out := must(t, "get", "endpointslices", "-n", ns, "-l", "kubernetes.io/service-name=dial-outcrop", "-o", "jsonpath={.items[*].endpoints[*].conditions.ready}"); strings.Count(out, "true") != 3 {
			return fmt.Errorf("%q", out)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	must(t, "get", "servicemonitor,prometheusrule", "-n", ns, "-o", "name")
	install(t, ns, threeReplicas+"podAnnotations: {again: \"1\"}\n")
	if out, err := kube.helm(t.Context(), "rollback", "dial", "1", "-n", ns, "--wait", "--timeout", "90s"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out := must(t, "get", "deployment", "dial-outcrop", "-n", ns, "-o", "jsonpath={.spec.template.metadata.annotations.again}"); out != "" {
		t.Errorf("after the rollback the annotation is %q", out)
	}
	history, err := kube.helm(t.Context(), "history", "dial", "-n", ns, "-o", "json")
	if err != nil || strings.Count(history, `"revision"`) != 3 {
		t.Errorf("%v %s", err, history)
	}
	if out, err := kube.helm(t.Context(), "uninstall", "dial", "-n", ns, "--wait", "--timeout", "90s"); err != nil {
		t.Errorf("%v %s", err, out)
	}
	if left := must(t, "get", "deployment,service,pdb,networkpolicy,configmap,secret,serviceaccount", "-n", ns, "-l", "app.kubernetes.io/instance=dial", "-o", "name"); left != "" {
		t.Errorf("left after the removal: %s", left)
	}
}

// Three replicas stand in three zones. During an upgrade there are never fewer than three ready, nor more than
// four. A drain evicts where the budget lets it, and is held up where it does not.
func TestTopologyRolloutAndDrain(t *testing.T) {
	const ns = "spread"
	namespace(t, ns)
	install(t, ns, threeReplicas)
	labels := map[string]string{"app.kubernetes.io/instance": "dial"}
	var nodes []string
	for _, node := range podsOf(t, ns, labels) {
		nodes = append(nodes, node)
	}
	if slices.Sort(nodes); !slices.Equal(nodes, []string{"node-0", "node-1", "node-2"}) {
		t.Errorf("the pods stand on %v, want one in each zone", nodes)
	}
	done := make(chan error, 1)
	fewest, most := 99, 0
	go func() { done <- tryInstall(t, ns, threeReplicas+"podAnnotations: {again: \"2\"}\n") }()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		case <-time.After(50 * time.Millisecond):
			var d struct {
				Status struct{ ReadyReplicas, Replicas int }
			}
			decode(t, must(t, "get", "deployment", "dial-outcrop", "-n", ns, "-o", "json"), &d)
			fewest, most = min(fewest, d.Status.ReadyReplicas), max(most, d.Status.Replicas)
		}
	}
	if fewest < 3 || most > 4 {
		t.Errorf("during the rollout %d to %d pods", fewest, most)
	}
	must(t, "drain", "node-0", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
	defer must(t, "uncordon", "node-0")
	for pod, node := range podsOf(t, ns, labels) {
		if node == "node-0" {
			t.Errorf("%s stands on the drained node", pod)
		}
	}
	install(t, ns, threeReplicas+"pdb: {create: true, minAvailable: 3}\n")
	out, err := kube.kubectl(t.Context(), nil, "drain", "node-1", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=5s")
	must(t, "uncordon", "node-1")
	if err == nil || !strings.Contains(err.Error(), "disruption budget") {
		t.Errorf("a budget that lets no pod go does not hold a drain up: %v %s", err, out)
	}
}

// An upgrade to pods that cannot become ready stops with the first of them; the old ones go on, and the way back works.
func TestABadUpgradeLeavesTheOldPods(t *testing.T) {
	const ns = "bad"
	namespace(t, ns)
	install(t, ns, threeReplicas)
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(threeReplicas+"nodeSelector: {no-such: node}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := kube.helm(t.Context(), "upgrade", "dial", chartDir, "-n", ns, "-f", file, "--wait", "--timeout", "8s"); err == nil {
		t.Fatalf("the upgrade did not fail: %s", out)
	}
	var d struct {
		Status struct{ ReadyReplicas, UnavailableReplicas int }
	}
	decode(t, must(t, "get", "deployment", "dial-outcrop", "-n", ns, "-o", "json"), &d)
	if d.Status.ReadyReplicas != 3 {
		t.Errorf("%d pods are ready, want the three old ones", d.Status.ReadyReplicas)
	}
	if out, err := kube.helm(t.Context(), "rollback", "dial", "1", "-n", ns, "--wait", "--timeout", "60s"); err != nil {
		t.Errorf("%v %s", err, out)
	}
}

// The section of an umbrella that is null does not install the chart from its defaults.
func TestTrap01NullSectionIsRefusedAtInstall(t *testing.T) {
	const ns = "null"
	namespace(t, ns)
	umbrella := t.TempDir()
	chart, err := filepath.Abs(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"Chart.yaml":  "apiVersion: v2\nname: dial\nversion: 1.0.0\ndependencies:\n  - {name: outcrop, alias: bedrock, version: '*', repository: 'file://" + chart + "', condition: bedrock.enabled}\n",
		"values.yaml": "bedrock: {enabled: false, mode: adapter}\n",
		"bad.yaml":    "bedrock:\n",
	} {
		if err := os.WriteFile(filepath.Join(umbrella, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := kube.helm(t.Context(), "dependency", "update", umbrella); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	out, err := kube.helm(t.Context(), "install", "dial", umbrella, "-n", ns, "-f", filepath.Join(umbrella, "bad.yaml"))
	if err == nil || !strings.Contains(err.Error(), "mode") {
		t.Errorf("%v %s", err, out)
	}
	if left := must(t, "get", "deployments", "-n", ns, "-o", "name"); left != "" {
		t.Errorf("deployed: %s", left)
	}
}
