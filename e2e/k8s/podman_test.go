//go:build k8s

package k8s_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// chartDir is the chart, from this folder.
const chartDir = "../../charts/outcrop"

// image is how the archive of `make image` calls itself.
func image(t *testing.T) (registry, repository, tag string) {
	t.Helper()
	version := os.Getenv("OUTCROP_VERSION")
	if version == "" {
		t.Fatal("OUTCROP_VERSION is not set: run make e2e-k8s")
	}
	return "localhost", "outcrop", version
}

// podman runs a command of podman, with the settings that a machine without a session's limits needs.
func podman(t *testing.T, stdin io.Reader, args ...string) string {
	t.Helper()
	out, err := tryPodman(t, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryPodman(t *testing.T, stdin io.Reader, args ...string) (string, error) {
	t.Helper()
	settings := filepath.Join(kube.dir, "containers.conf")
	content := "[containers]\ndefault_ulimits=[\"nofile=4096:4096\",\"nproc=1024:1024\"]\n[engine]\nruntime=\"runc\"\ncgroup_manager=\"cgroupfs\"\n"
	if err := os.WriteFile(settings, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	// Not t.Context: what cleans up runs after it has ended.
	cmd := exec.CommandContext(context.Background(), "podman", args...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+settings)
	cmd.Stdin = stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("podman %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// sandbox is Bedrock for the containers, each token of which takes the pace.
func sandbox(t *testing.T, pace time.Duration, args ...string) (url string) {
	t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	cmd := exec.CommandContext(context.Background(), outcrop(t), append([]string{"sandbox", "--listen", address, "--pace", pace.String()}, args...)...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the sandbox said:\n%s", output.String())
		}
	})
	if err := wait(10*time.Second, "the sandbox", func() error {
		resp, err := fetch("http://" + address + "/foundation-models")
		if err == nil {
			resp.Body.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return "http://" + address
}

// outcrop is the binary of `make build`.
func outcrop(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/outcrop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make e2e-k8s", err)
	}
	return path
}

// pod is a Deployment of the chart, run by podman on the host's network.
type pod struct {
	t       *testing.T
	name    string // of the container
	url     string
	metrics string
	probes  map[string]string // their URLs, by name
}

// gatewayValues is a gateway of one model whose AWS is the sandbox.
func gatewayValues(t *testing.T, aws string, port, metrics int, more string) string {
	t.Helper()
	registry, repository, tag := image(t)
	return fmt.Sprintf(`
mode: gateway
image: {registry: %s, repository: %s, tag: %q, pullPolicy: Never}
containerPorts: {http: %d, metrics: %d}
aws: {region: us-east-1, existingSecret: "{{ .Release.Name }}-aws"}
env: {AWS_ENDPOINT_URL: %q}
metrics: {enabled: true}
configuration:
  existingSecret: "{{ .Release.Name }}-keys"
  files:
    models.json:
      models:
        claude: {type: chat, endpoint: "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0"}
extraDeploy:
  - apiVersion: v1
    kind: Secret
    metadata: {name: "{{ .Release.Name }}-aws"}
    stringData: {AWS_ACCESS_KEY_ID: sandbox, AWS_SECRET_ACCESS_KEY: sandbox}
  - apiVersion: v1
    kind: Secret
    metadata: {name: "{{ .Release.Name }}-keys"}
    stringData:
      keys.json: |
        {"keys": {"secret-of-the-test": {"project": "test", "role": "default"}}, "roles": {"default": {}}}
%s`, registry, repository, tag, port, metrics, aws, more)
}

// render is what helm makes of the chart.
func render(t *testing.T, release, values string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := kube.helm(t.Context(), append([]string{"template", release, chartDir, "--kube-version", "1.36.3", "-f", file}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// playable keeps what podman plays of the manifests, changed where podman 4.3 differs from Kubernetes: it
// cannot read back the Secrets that it stores, so they become ConfigMaps; on the host's network it takes no
// list of ports; and it would run probes with a curl inside the container, which has none, so the tests ask
// the probes themselves, from outside like a kubelet.
func playable(t *testing.T, manifests string) (documents string, probes map[string]string) {
	t.Helper()
	var out bytes.Buffer
	probes = map[string]string{}
	encoder := yaml.NewEncoder(&out)
	for decoder := yaml.NewDecoder(strings.NewReader(manifests)); ; {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		switch object["kind"] {
		case "ConfigMap":
		case "Secret":
			object["kind"], object["data"] = "ConfigMap", object["stringData"]
			delete(object, "stringData")
			delete(object, "type")
		case "Deployment", "Pod":
			spec := at(object, "spec")
			if object["kind"] == "Deployment" {
				spec = at(spec, "template", "spec")
			}
			spec["restartPolicy"] = "Never" // a pod that has ended is replaced by another, not started again
			volumes, _ := spec["volumes"].([]any)
			for _, volume := range volumes {
				if secret := at(volume, "secret"); secret != nil {
					volume.(map[string]any)["configMap"] = map[string]any{"name": secret["secretName"]}
					delete(volume.(map[string]any), "secret")
				}
			}
			for _, c := range spec["containers"].([]any) {
				takeProbes(c.(map[string]any), probes)
				takeSecrets(c.(map[string]any))
			}
		default:
			continue
		}
		if err := encoder.Encode(object); err != nil {
			t.Fatal(err)
		}
	}
	if err := encoder.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), probes
}

// takeSecrets makes variables from Secrets variables from ConfigMaps.
func takeSecrets(container map[string]any) {
	variables, _ := container["env"].([]any)
	for _, variable := range variables {
		if from := at(variable, "valueFrom"); from["secretKeyRef"] != nil {
			from["configMapKeyRef"] = from["secretKeyRef"]
			delete(from, "secretKeyRef")
		}
	}
}

// takeProbes moves a container's probes into a map of name and path with port, and removes its ports.
func takeProbes(container map[string]any, probes map[string]string) {
	numbers := map[any]any{}
	ports, _ := container["ports"].([]any)
	for _, port := range ports {
		numbers[at(port)["name"]] = at(port)["containerPort"]
	}
	for _, name := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		if ask := at(container, name, "httpGet"); ask != nil {
			probes[name] = fmt.Sprintf("http://127.0.0.1:%v%v", numbers[ask["port"]], ask["path"])
		}
		delete(container, name)
	}
	delete(container, "ports")
}

// at goes down mappings; nil where there is none.
func at(object any, path ...string) map[string]any {
	mapping, _ := object.(map[string]any)
	for _, name := range path {
		mapping, _ = mapping[name].(map[string]any)
	}
	return mapping
}

// play runs the rendered Deployment and waits until it is ready.
func play(t *testing.T, release, aws, more string) *pod {
	t.Helper()
	ports, err := freePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	return playManifests(t, release, render(t, release, gatewayValues(t, aws, ports[0], ports[1], more), "--no-hooks"), ports)
}

// playManifests does so with manifests that were changed after their rendering; ports are those of the values.
func playManifests(t *testing.T, release, rendered string, ports []int) *pod {
	t.Helper()
	manifests, probes := playable(t, rendered)
	p := &pod{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), metrics: fmt.Sprintf("http://127.0.0.1:%d", ports[1]), probes: probes}
	p.name = runContainer(t, release, manifests, "outcrop")
	if err := wait(30*time.Second, p.name, func() error { return get(p.url + "/ready") }); err != nil {
		t.Fatal(err)
	}
	return p
}

// runContainer plays manifests, and is the name of podman's for the container of the release; it goes when the
// test ends.
func runContainer(t *testing.T, release, manifests, container string) (name string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "play.yaml")
	if err := os.WriteFile(file, []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	// Before the cleanup: who finds the name taken removes nobody else's.
	podman(t, nil, "kube", "play", "--network=host", file)
	t.Cleanup(func() {
		if t.Failed() && name != "" {
			logs, err := tryPodman(t, nil, "logs", name)
			t.Logf("%s said:\n%s %v", name, logs, err)
		}
		if _, err := tryPodman(t, nil, "kube", "down", file); err != nil {
			t.Error(err)
		}
	})
	for _, line := range strings.Fields(podman(t, nil, "ps", "-a", "--format", "{{.Names}}")) {
		if strings.HasPrefix(line, release+"-") && strings.HasSuffix(line, "-"+container) {
			name = line
		}
	}
	if name == "" {
		t.Fatalf("podman runs no container of %s: %s", release, podman(t, nil, "ps", "-a"))
	}
	return name
}

// change edits the objects of one kind among manifests.
func change(t *testing.T, manifests, kind string, edit func(object map[string]any)) string {
	t.Helper()
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	edited := 0
	for decoder := yaml.NewDecoder(strings.NewReader(manifests)); ; {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if object["kind"] == kind {
			edit(object)
			edited++
		}
		if err := encoder.Encode(object); err != nil {
			t.Fatal(err)
		}
	}
	if err := encoder.Close(); err != nil {
		t.Fatal(err)
	}
	if edited == 0 {
		t.Fatalf("the manifests have no %s:\n%s", kind, manifests)
	}
	return out.String()
}

// terminate sends SIGTERM, as the kubelet does.
func (p *pod) terminate() { podman(p.t, nil, "kill", "--signal", "TERM", p.name) }

// exit waits until the process has ended, and is its status.
func (p *pod) exit() string {
	p.t.Helper()
	return strings.TrimSpace(podman(p.t, nil, "wait", p.name))
}

// stream asks for a streamed answer through a server and reads it to its end. Its error says what is not
// whole about it; cut says that the server told of cutting it.
func stream(ctx context.Context, url string) (text string, cut bool, err error) {
	body := `{"stream":true,"messages":[{"role":"user","content":"Write about rivers, at length. [[sandbox tokens=40]]"}]}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/openai/deployments/claude/chat/completions", strings.NewReader(body))
	if err != nil {
		return "", false, err
	}
	req.Header.Set("Api-Key", "secret-of-the-test")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(resp.Body)
		return "", false, fmt.Errorf("%s: %s %w", resp.Status, answer, err)
	}
	done := false
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case !ok:
		case data == "[DONE]":
			done = true
		case strings.Contains(data, `"error"`):
			cut = true
		default:
			var chunk struct {
				Choices []struct{ Delta struct{ Content string } }
			}
			if err := json.Unmarshal([]byte(data), &chunk); err != nil {
				return text, cut, err
			}
			for _, c := range chunk.Choices {
				text += c.Delta.Content
			}
		}
	}
	switch {
	case lines.Err() != nil:
		return text, cut, lines.Err()
	case done && cut:
		return text, cut, errors.New("an error and [DONE]")
	case !done && !cut:
		return text, cut, errors.New("the stream ended without [DONE] and without an error")
	}
	return text, cut, nil
}

// streams runs n streams beside each other, and calls then when all have said something.
func streams(t *testing.T, n int, url string, then func()) (whole, cut int) {
	t.Helper()
	var group sync.WaitGroup
	var mutex sync.Mutex
	for range n {
		group.Go(func() {
			_, wasCut, err := stream(t.Context(), url)
			mutex.Lock()
			defer mutex.Unlock()
			switch {
			case err != nil:
				t.Error(err)
			case wasCut:
				cut++
			default:
				whole++
			}
		})
	}
	then()
	group.Wait()
	return whole, cut
}
