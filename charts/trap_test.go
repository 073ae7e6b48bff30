//go:build helm

package charts_test

import (
	"fmt"
	"strings"
	"testing"
)

// The guide's YAML has `bedrock:` with its children not below it: Helm reads `bedrock: null`, drops what the
// chart above says, finds no bedrock.enabled, and deploys what is left. Here nothing is left to deploy.
func TestTrap01NullSectionDeploysNothing(t *testing.T) {
	dir := umbrella(t)
	for name, values := range map[string]string{
		"null":   "bedrock:\n",
		"indent": "bedrock:\nserviceAccount:\n  create: true\n", // the children became siblings
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, dir, refusal{values: values, says: []string{"mode: missing", "look at their indentation", "charts/bedrock/"}})
		})
	}
	t.Run("section of the chart itself", func(t *testing.T) {
		refused(t, dir, refusal{values: "bedrock: {enabled: true, serviceAccount: null}", says: []string{"serviceAccount: the section is there, but nothing stands below it"}})
	})
	t.Run("empty object", func(t *testing.T) { // `{}` keeps the defaults, and is no mistake
		manifests, err := template(t, dir, "bedrock: {enabled: true, secrets: {}, aws: {}}")
		if err != nil || strings.Contains(manifests, ":latest") {
			t.Errorf("%v\n%s", err, manifests)
		}
	})
	t.Run("never latest", func(t *testing.T) {
		for _, name := range append(variants(t), "umbrella") {
			if text := manifests(t, name); strings.Contains(text, ":latest") {
				t.Errorf("%s deploys latest", name)
			}
		}
	})
}

// EKS puts AWS_REGION and AWS_DEFAULT_REGION of the cluster into a container whose own `env` has neither;
// it does not look into envFrom. So whatever names a region, `env` has it.
func TestTrap03RegionStandsInEnv(t *testing.T) {
	for _, c := range []struct{ values, name, want string }{
		{"{mode: adapter, aws: {region: eu-west-1}}", "AWS_REGION", "eu-west-1"},
		{"{mode: adapter, aws: {region: eu-west-1}}", "AWS_DEFAULT_REGION", "eu-west-1"},
		{"{mode: adapter, env: {DEFAULT_REGION: eu-west-1}}", "AWS_REGION", "eu-west-1"},
		{"{mode: adapter, env: {AWS_DEFAULT_REGION: eu-west-1}}", "AWS_REGION", "eu-west-1"},
		{"{mode: adapter, secrets: {AWS_DEFAULT_REGION: eu-west-1}}", "AWS_DEFAULT_REGION", "dial-outcrop/AWS_DEFAULT_REGION"},
		{"{mode: adapter, secrets: {DEFAULT_REGION: eu-west-1}}", "DEFAULT_REGION", "dial-outcrop/DEFAULT_REGION"},
	} {
		if have := variable(container(t, render(t, c.values)), c.name); have != c.want {
			t.Errorf("%s: %s is %q, not %q", c.values, c.name, have, c.want)
		}
	}
	both := "{mode: adapter, aws: {region: eu-west-1}, secrets: {AWS_DEFAULT_REGION: us-east-1}}"
	refused(t, chart, refusal{values: both, says: []string{"secrets.AWS_DEFAULT_REGION: the region is eu-west-1 elsewhere", "Keep aws.region alone"}})
}

// Without credentials of its own a pod has the role of its node, unless the instance metadata is not asked.
func TestTrap04NodeRoleIsNotUsed(t *testing.T) {
	for _, name := range variants(t) {
		if have := variable(container(t, render(t, variant(t, name))), "AWS_EC2_METADATA_DISABLED"); have != "true" {
			t.Errorf("%s: AWS_EC2_METADATA_DISABLED is %q", name, have)
		}
		if strings.Contains(manifests(t, name), "169.254.169.254") {
			t.Errorf("%s lets instance metadata be asked", name)
		}
	}
	allowed := container(t, render(t, "{mode: adapter, aws: {allowNodeRole: true}}"))
	if have := variable(allowed, "AWS_EC2_METADATA_DISABLED"); have != "" {
		t.Errorf("with aws.allowNodeRole AWS_EC2_METADATA_DISABLED is %q", have)
	}
}

// An API key lives for 12 hours at most, so that it is a file, in a folder that changes with the Secret.
func TestTrap06APIKeyIsAFile(t *testing.T) {
	list := render(t, variant(t, "api-key"))
	c := container(t, list)
	if have := variable(c, "AWS_BEARER_TOKEN_BEDROCK_FILE"); have != "/var/run/secrets/outcrop/api-key/token" {
		t.Errorf("AWS_BEARER_TOKEN_BEDROCK_FILE is %q", have)
	}
	if have := variable(c, "AWS_BEARER_TOKEN_BEDROCK"); have != "" {
		t.Error("the key stands in env")
	}
}

// A file that is mounted with subPath never changes in a running pod, and a configuration in a variable is
// limited to 128 KiB: folders are mounted, and env and envFrom have nothing of them.
func TestTrap11ConfigurationIsMountedAsFolders(t *testing.T) {
	for _, name := range append(variants(t), "umbrella") {
		text := manifests(t, name)
		if strings.Contains(text, "subPath") {
			t.Errorf("%s mounts with subPath", name)
		}
	}
	list := render(t, variant(t, "everything"))
	c, deployment := container(t, list), one(list, "Deployment", "dial-outcrop")
	for _, source := range mappings(c, "envFrom") {
		for _, name := range []any{at(source, "configMapRef.name"), at(source, "secretRef.name")} {
			if name == "dial-outcrop-configuration" || name == "outcrop-keys" || name == "outcrop-models" {
				t.Errorf("%v is in envFrom", name)
			}
		}
	}
	for _, path := range []string{"/etc/outcrop/files", "/etc/outcrop/configmap", "/etc/outcrop/secret", "/var/run/secrets/outcrop/csi"} {
		var mount object
		for _, m := range mappings(c, "volumeMounts") {
			if m["mountPath"] == path {
				mount = m
			}
		}
		volume := named(mappings(deployment, "spec.template.spec.volumes"), fmt.Sprint(mount["name"]))
		if mount["readOnly"] != true || volume == nil {
			t.Errorf("%s: mount %v of volume %v", path, mount, volume)
		}
		if args, _ := c["args"].([]any); !strings.Contains(fmt.Sprint(args), "--config="+path) {
			t.Errorf("%s is not among %v", path, args)
		}
	}
	mount := "{mode: gateway, configuration: {existingSecret: a}, extraVolumeMounts: [{name: a, mountPath: /etc/outcrop/a.json, subPath: a.json}]}"
	refused(t, chart, refusal{values: mount, says: []string{"extraVolumeMounts: /etc/outcrop/a.json is mounted with subPath", "configuration.existingConfigMap"}})
}

// dial-extension's template ends on `env: {WEB_CONCURRENCY: 3}`; here a number is a text, and never 1e+06.
func TestTrap12EnvTakesNumbers(t *testing.T) {
	c := container(t, render(t, `{mode: adapter, env: {A: 3, B: 1000000, C: true, D: 0.5, E: "007", F: 12345678901, G: "{{ .Release.Name }}", H: null}}`))
	for name, want := range map[string]string{"A": "3", "B": "1000000", "C": "true", "D": "0.5", "E": "007", "F": "12345678901", "G": "dial"} {
		if have := variable(c, name); have != want {
			t.Errorf("%s is %q, not %q", name, have, want)
		}
	}
	if named(mappings(c, "env"), "H") != nil {
		t.Error("a variable that is null is set")
	}
	secret := one(render(t, "{mode: adapter, secrets: {A: 3000000}}"), "Secret", "dial-outcrop")
	if have := at(secret, "data.A"); have != "MzAwMDAwMA==" {
		t.Errorf("a number in secrets is %v", have)
	}
}

// Helm 3 that `go install` built takes Kubernetes for 1.20; README.md says what to give it then.
func TestTrap14KubernetesVersion(t *testing.T) {
	_, err := template(t, chart, "mode: adapter", "--kube-version", "1.20.0")
	if err == nil || !strings.Contains(err.Error(), "chart requires kubeVersion: >=1.30.0-0 which is incompatible with Kubernetes v1.20.0") {
		t.Errorf("Kubernetes 1.20: %v", err)
	}
	for _, version := range []string{"1.30.0", "1.34.0", "1.31.5-eks-abc1234", "1.36.3"} {
		if _, err := template(t, chart, "mode: adapter", "--kube-version", version); err != nil {
			t.Errorf("Kubernetes %s: %v", version, err)
		}
	}
	if !strings.Contains(string(file(t, "README.md")), "--kube-version 1.34.0") {
		t.Error("README.md does not say what to do with such a Helm")
	}
}
