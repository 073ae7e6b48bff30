// Command schemas writes the JSON schemas beside it, by which kubeconform judges the chart without a
// network: of Kubernetes' own kinds from its OpenAPI document, of others from their CustomResourceDefinitions.
//
//	cd charts/schemas && go run .
//
// The documents come from the Go module proxy, with the versions below.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

const kubernetes = "k8s.io/kubernetes@v1.36.3"

// builtIn are Kubernetes' own kinds, by their definition's name.
func builtIn() map[string]string {
	return map[string]string{
		"configmap-v1":                           "io.k8s.api.core.v1.ConfigMap",
		"deployment-apps-v1":                     "io.k8s.api.apps.v1.Deployment",
		"horizontalpodautoscaler-autoscaling-v2": "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
		"ingress-networking-v1":                  "io.k8s.api.networking.v1.Ingress",
		"networkpolicy-networking-v1":            "io.k8s.api.networking.v1.NetworkPolicy",
		"persistentvolumeclaim-v1":               "io.k8s.api.core.v1.PersistentVolumeClaim",
		"pod-v1":                                 "io.k8s.api.core.v1.Pod",
		"poddisruptionbudget-policy-v1":          "io.k8s.api.policy.v1.PodDisruptionBudget",
		"secret-v1":                              "io.k8s.api.core.v1.Secret",
		"service-v1":                             "io.k8s.api.core.v1.Service",
		"serviceaccount-v1":                      "io.k8s.api.core.v1.ServiceAccount",
	}
}

// custom are kinds of others: module, and the file in it.
func custom() map[string][2]string {
	operator := "github.com/prometheus-operator/prometheus-operator@v0.85.0"
	folder := "example/prometheus-operator-crd/monitoring.coreos.com_"
	return map[string][2]string{
		"servicemonitor-monitoring-v1":       {operator, folder + "servicemonitors.yaml"},
		"prometheusrule-monitoring-v1":       {operator, folder + "prometheusrules.yaml"},
		"httproute-gateway-v1":               {"sigs.k8s.io/gateway-api@v1.3.0", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
		"externalsecret-external-secrets-v1": {"github.com/external-secrets/external-secrets@v1.3.2", "config/crds/bases/external-secrets.io_externalsecrets.yaml"},
	}
}

func main() {
	if err := generate(); err != nil {
		log.Fatal(err)
	}
}

func generate() error {
	content, err := read(kubernetes, "api/openapi-spec/swagger.json")
	if err != nil {
		return err
	}
	var document struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(content, &document); err != nil {
		return err
	}
	c := converter{definitions: document.Definitions}
	for name, definition := range builtIn() {
		if err := write(name, c.convert(c.definitions[definition])); err != nil {
			return err
		}
	}
	for name, at := range custom() {
		content, err := read(at[0], at[1])
		if err != nil {
			return err
		}
		_, version, _ := cutLast(name, "-")
		schema, err := ofResource(content, version)
		if err != nil {
			return fmt.Errorf("%s: %w", at[1], err)
		}
		if err := write(name, c.convert(schema)); err != nil {
			return err
		}
	}
	return write("secretproviderclass-secrets-store-v1", c.convert(secretProviderClass()))
}

// secretProviderClass is written by hand, since its module is not to be had from the proxy:
// https://secrets-store-csi-driver.sigs.k8s.io/concepts#secretproviderclass
func secretProviderClass() map[string]any {
	text := map[string]any{"type": "string"}
	texts := map[string]any{"type": "object", "additionalProperties": text}
	object := func(properties map[string]any) map[string]any {
		return map[string]any{"type": "object", "properties": properties}
	}
	list := func(items map[string]any) map[string]any { return map[string]any{"type": "array", "items": items} }
	root := object(map[string]any{"apiVersion": text, "kind": text, "spec": object(map[string]any{
		"provider": text, "parameters": texts,
		"secretObjects": list(object(map[string]any{
			"secretName": text, "type": text, "labels": texts, "annotations": texts,
			"data": list(object(map[string]any{"objectName": text, "key": text})),
		})),
	})})
	root["x-outcrop-root"] = true
	return root
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	return s[:max(i, 0)], s[i+1:], i >= 0
}

// ofResource is the schema of one version of a CustomResourceDefinition.
func ofResource(content []byte, version string) (map[string]any, error) {
	var resource struct {
		Spec struct {
			Versions []struct {
				Name   string `yaml:"name"`
				Schema struct {
					OpenAPI map[string]any `yaml:"openAPIV3Schema"`
				} `yaml:"schema"`
			} `yaml:"versions"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(content, &resource); err != nil {
		return nil, err
	}
	for _, v := range resource.Spec.Versions {
		if v.Name == version {
			v.Schema.OpenAPI["x-outcrop-root"] = true
			return v.Schema.OpenAPI, nil
		}
	}
	return nil, errors.New("no version " + version)
}

// read is a file of a module, which is downloaded if the cache lacks it.
func read(module, file string) ([]byte, error) {
	var stdout bytes.Buffer
	command := exec.Command("go", "mod", "download", "-json", module)
	command.Stdout = &stdout
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", module, err, stdout.String())
	}
	var where struct{ Dir string }
	if err := json.Unmarshal(stdout.Bytes(), &where); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(where.Dir, file))
}

type converter struct{ definitions map[string]map[string]any }

// convert makes JSON schema of OpenAPI's: references are put in place, an object has no other members than
// those that are named, null is as good as nothing where nothing is required.
func (c converter) convert(from map[string]any) map[string]any {
	if ref, ok := from["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/definitions/")
		switch name {
		case "io.k8s.apimachinery.pkg.util.intstr.IntOrString":
			return intOrString()
		case "io.k8s.apimachinery.pkg.api.resource.Quantity":
			return map[string]any{"type": []string{"string", "number"}}
		}
		return c.convert(c.definitions[name])
	}
	if from["x-kubernetes-int-or-string"] == true || from["format"] == "int-or-string" {
		return intOrString()
	}
	schema := map[string]any{}
	for _, keyword := range []string{"type", "enum", "required", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "oneOf", "anyOf"} {
		if value, ok := from[keyword]; ok {
			schema[keyword] = value
		}
	}
	if items, ok := from["items"].(map[string]any); ok {
		schema["items"] = c.convert(items)
	}
	if additional, ok := from["additionalProperties"].(map[string]any); ok {
		schema["additionalProperties"] = c.convert(additional)
	}
	if properties, ok := from["properties"].(map[string]any); ok {
		c.object(schema, properties, from)
	}
	return schema
}

func (c converter) object(schema, properties, from map[string]any) {
	required := map[string]bool{}
	if names, ok := from["required"].([]any); ok {
		for _, name := range names {
			required[name.(string)] = true
		}
	}
	converted := map[string]any{}
	for name, property := range properties {
		p := c.convert(property.(map[string]any))
		if kind, ok := p["type"].(string); ok && !required[name] && p["enum"] == nil {
			p["type"] = []string{kind, "null"}
		}
		converted[name] = p
	}
	if from["x-outcrop-root"] == true {
		converted["metadata"] = c.convert(c.definitions["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"])
	}
	schema["properties"] = converted
	if from["x-kubernetes-preserve-unknown-fields"] != true {
		schema["additionalProperties"] = false
	}
}

func intOrString() map[string]any {
	return map[string]any{"type": []string{"integer", "string", "null"}}
}

func write(name string, schema map[string]any) error {
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	content, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(name+".json", append(content, '\n'), 0o644)
}
