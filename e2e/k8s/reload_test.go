//go:build k8s

package k8s_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pollLimit is generous beside the 5 s after which `outcrop serve` looks at its files by default.
const pollLimit = 20 * time.Second

// mounted is a folder in the layout in which the kubelet mounts a ConfigMap: the files are links into ..data,
// which is a link to a dated folder, and a change is another folder and a rename of that link.
// https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
type mounted struct {
	t       *testing.T
	path    string
	version int
}

func mountLikeKubelet(t *testing.T, models string) *mounted {
	t.Helper()
	m := &mounted{t: t, path: filepath.Join(t.TempDir(), "configmap")}
	// The container's user is another than the test's.
	if err := os.Mkdir(m.path, 0o755); err != nil {
		t.Fatal(err)
	}
	m.swap(models)
	if err := os.Symlink("..data/models.json", filepath.Join(m.path, "models.json")); err != nil {
		t.Fatal(err)
	}
	return m
}

// swap publishes another content of models.json, and removes the one before, as the kubelet does.
func (m *mounted) swap(models string) {
	m.t.Helper()
	old, _ := os.Readlink(filepath.Join(m.path, "..data"))
	m.version++
	folder := fmt.Sprintf("..2026_11_22_10_00_%02d.%d", m.version, m.version)
	link := filepath.Join(m.path, "..data_tmp")
	for _, step := range []func() error{
		func() error { return os.Mkdir(filepath.Join(m.path, folder), 0o755) },
		func() error {
			return os.WriteFile(filepath.Join(m.path, folder, "models.json"), []byte(models), 0o644)
		},
		func() error { return os.Symlink(folder, link) },
		func() error { return os.Rename(link, filepath.Join(m.path, "..data")) },
	} {
		if err := step(); err != nil {
			m.t.Fatal(err)
		}
	}
	if old != "" {
		if err := os.RemoveAll(filepath.Join(m.path, old)); err != nil {
			m.t.Fatal(err)
		}
	}
}

// modelsFile is a configuration of chat models with these names.
func modelsFile(names ...string) string {
	const model = `%q: {"type": "chat", "endpoint": "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"}`
	var list []string
	for _, name := range names {
		list = append(list, fmt.Sprintf(model, name))
	}
	return `{"models": {` + strings.Join(list, ", ") + `}}`
}

// playMounted runs the rendered Deployment with the folder in place of the volume of its own ConfigMap.
func playMounted(t *testing.T, release, aws string, m *mounted) *pod {
	t.Helper()
	ports, err := freePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	replaced := 0
	manifests := change(t, render(t, release, gatewayValues(t, aws, ports[0], ports[1], ""), "--no-hooks"), "Deployment", func(object map[string]any) {
		volumes, _ := at(object, "spec", "template", "spec")["volumes"].([]any)
		for _, volume := range volumes {
			if v := at(volume); v["name"] == "configuration" && v["configMap"] != nil {
				delete(v, "configMap")
				v["hostPath"] = map[string]any{"path": m.path, "type": "Directory"}
				replaced++
			}
		}
	})
	if replaced != 1 {
		t.Fatalf("%d volumes of the chart's ConfigMap; want 1:\n%s", replaced, manifests)
	}
	return playManifests(t, release, manifests, ports)
}

// listing is the names of the models that the gateway lists, sorted.
func listing(t *testing.T, p *pod) ([]string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/openai/models", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Api-Key", "secret-of-the-test")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the listing: %s: %s", resp.Status, answer)
	}
	var list struct{ Data []struct{ ID string } }
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, err
	}
	var names []string
	for _, model := range list.Data {
		names = append(names, model.ID)
	}
	slices.Sort(names)
	return names, nil
}

func waitListed(t *testing.T, p *pod, want ...string) {
	t.Helper()
	if err := wait(pollLimit, "the listing", func() error {
		got, err := listing(t, p)
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("%q is listed, want %q", got, want)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func waitReloaded(t *testing.T, p *pod, successful int) {
	t.Helper()
	want := fmt.Sprintf("\noutcrop_config_last_reload_successful %d\n", successful)
	if err := wait(pollLimit, "the reload", func() error {
		if !strings.Contains(body(t, p.metrics+"/metrics"), want) {
			return fmt.Errorf("the metrics lack %q", want)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// started tells one run of a container from another.
func (p *pod) started() string {
	p.t.Helper()
	return podman(p.t, nil, "inspect", "--format", "{{.State.StartedAt}} {{.State.Pid}} {{.State.Running}} {{.RestartCount}}", p.name)
}

// A changed ConfigMap is served without a restart, and a stream that began before ends whole. A broken one
// leaves the pod as it was and ready, tells Prometheus, and is over with the next good one.
func TestReloadOfMountedConfigMap(t *testing.T) {
	files := mountLikeKubelet(t, modelsFile("claude"))
	// A stream of 40 tokens then outlasts the poll.
	p := playMounted(t, "reloaded", sandbox(t, 400*time.Millisecond), files)
	waitListed(t, p, "claude")
	waitReloaded(t, p, 1)
	before := p.started()

	whole, cut := streams(t, 1, p.url, func() {
		inFlight(t, p, 1)
		files.swap(modelsFile("claude", "second"))
		waitListed(t, p, "claude", "second")
		inFlight(t, p, 1) // the stream did not end before the change
	})
	if whole != 1 || cut != 0 {
		t.Errorf("%d streams are whole, %d were cut; want 1 and 0", whole, cut)
	}

	files.swap(strings.TrimSuffix(modelsFile("claude", "second", "third"), "}}"))
	waitReloaded(t, p, 0)
	waitListed(t, p, "claude", "second")
	for _, path := range []string{"/ready", "/health"} {
		if err := get(p.url + path); err != nil {
			t.Errorf("with a broken configuration: %v", err)
		}
	}
	if err := get(p.probes["readinessProbe"]); err != nil {
		t.Errorf("the readiness probe with a broken configuration: %v", err)
	}

	files.swap(modelsFile("claude", "third"))
	waitReloaded(t, p, 1)
	waitListed(t, p, "claude", "third")
	if after := p.started(); after != before {
		t.Errorf("the container is not the one that started: %s, was %s", after, before)
	}
}
