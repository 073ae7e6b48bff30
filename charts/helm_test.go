//go:build helm

package charts_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// chart is the folder of the chart; umbrella makes others.
const chart = "outcrop"

// tool is a program that charts/install has built.
func tool(t *testing.T, name string) string {
	t.Helper()
	if dir := os.Getenv("OUTCROP_CHART_BIN"); dir != "" {
		name = filepath.Join(dir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: run `export OUTCROP_CHART_BIN=$(charts/install)`", err)
	}
	return path
}

// run is what a program prints. Helm finds none of the configuration of whoever runs the test.
func run(t *testing.T, stdin, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), tool(t, name), args...)
	home := t.TempDir()
	command.Env = append(os.Environ(), "HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+filepath.Join(home, "none"))
	var out, errs bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &out, &errs
	err = command.Run()
	return out.String(), errs.String(), err
}

// template renders a chart with values, a YAML text, and returns manifests or Helm's message.
func template(t *testing.T, chart, values string, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"template", "dial", chart, "--namespace", "ai", "--values", "-"}, args...)
	stdout, stderr, err := run(t, values, "helm", args...)
	if err != nil {
		return "", errors.New(stderr)
	}
	return stdout, nil
}

// render is template of values that work, as objects.
func render(t *testing.T, values string, args ...string) []object {
	t.Helper()
	manifests, err := template(t, chart, values, args...)
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, manifests)
}

func objects(t *testing.T, manifests string) []object {
	t.Helper()
	var list []object
	decoder := yaml.NewDecoder(strings.NewReader(manifests))
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, manifests)
		}
		if o != nil {
			list = append(list, o)
		}
	}
}

// one is the object of a kind and name; nil for none.
func one(list []object, kind, name string) object {
	for _, o := range list {
		if o["kind"] == kind && at(o, "metadata.name") == name {
			return o
		}
	}
	return nil
}

// at is what stands at a path of names and numbers, with dots between; nil for nothing.
func at(value any, path string) any {
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, ".")
		switch v := value.(type) {
		case object:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// mappings is what stands at a path, as mappings.
func mappings(value any, path string) []object {
	var all []object
	items, _ := at(value, path).([]any)
	for _, item := range items {
		if o, ok := item.(object); ok {
			all = append(all, o)
		}
	}
	return all
}

// named is the item of a list with that name.
func named(items []object, name string) object {
	for _, item := range items {
		if item["name"] == name {
			return item
		}
	}
	return nil
}

// container is the program's.
func container(t *testing.T, objects []object) object {
	t.Helper()
	for _, o := range objects {
		if o["kind"] != "Deployment" {
			continue
		}
		if c := named(mappings(o, "spec.template.spec.containers"), "outcrop"); c != nil {
			return c
		}
	}
	t.Fatal("no container of the program")
	return nil
}

// variable is what a variable of a container's env says: its value, or secret/key.
func variable(container object, name string) string {
	v := named(mappings(container, "env"), name)
	if value, ok := v["value"].(string); ok {
		return value
	}
	secret, _ := at(v, "valueFrom.secretKeyRef.name").(string)
	key, _ := at(v, "valueFrom.secretKeyRef.key").(string)
	return strings.Trim(secret+"/"+key, "/")
}

// umbrella is a chart that has ours under the alias bedrock, as DIAL's has its adapter.
func umbrella(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "umbrella"))); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "charts", chart), os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
