//go:build helm

package charts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Under the alias of DIAL's adapter every name is what DIAL Core and the role's trust policy know.
func TestAliasHasTheNamesOfDIAL(t *testing.T) {
	list := objects(t, manifests(t, "umbrella"))
	for _, kind := range []string{"Deployment", "Service", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"} {
		if one(list, kind, "dial-bedrock") == nil {
			t.Errorf("no %s dial-bedrock", kind)
		}
	}
	service, c := one(list, "Service", "dial-bedrock"), container(t, list)
	if at(service, "spec.ports.0.port") != 80 || at(service, "spec.ports.0.targetPort") != "http" || at(c, "ports.0.containerPort") != 5000 {
		t.Errorf("Service %v, container %v", at(service, "spec.ports"), c["ports"])
	}
	account := one(list, "ServiceAccount", "dial-bedrock")
	if at(one(list, "Deployment", "dial-bedrock"), "spec.template.spec.serviceAccountName") != "dial-bedrock" {
		t.Error("the pods have another ServiceAccount")
	}
	if annotations, _ := at(account, "metadata.annotations").(object); annotations["eks.amazonaws.com/role-arn"] != "arn:aws:iam::111122223333:role/dial-bedrock" {
		t.Errorf("annotations %v", annotations)
	}
	t.Run("off", func(t *testing.T) {
		if text, err := template(t, umbrella(t), "{}"); err != nil || strings.TrimSpace(text) != "" {
			t.Errorf("bedrock.enabled: false deploys: %v\n%s", err, text)
		}
	})
}

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 70)
	for _, c := range []struct{ values, want string }{
		{"{mode: adapter}", "dial-outcrop"},
		{"{mode: adapter, nameOverride: bedrock}", "dial-bedrock"},
		{"{mode: adapter, nameOverride: dial}", "dial"}, // the release has the name in it
		{"{mode: adapter, fullnameOverride: mine}", "mine"},
		{"{mode: adapter, fullnameOverride: '123'}", "123"},
		{"{mode: adapter, fullnameOverride: " + long + "}", long[:63]},
	} {
		list := render(t, c.values)
		if one(list, "Deployment", c.want) == nil {
			t.Errorf("%s: no Deployment %s", c.values, c.want)
		}
		for _, o := range list {
			if name, _ := at(o, "metadata.name").(string); name == "" || len(name) > 63 {
				t.Errorf("%s: %v is called %q", c.values, o["kind"], name)
			}
		}
	}
}

// A selector cannot change, and only the pods of the Deployment may get requests.
func TestSelectors(t *testing.T) {
	list := render(t, variant(t, "everything"))
	selector := object{"app.kubernetes.io/name": "outcrop", "app.kubernetes.io/instance": "dial"}
	deployment := one(list, "Deployment", "dial-outcrop")
	for _, have := range []any{
		at(deployment, "spec.selector.matchLabels"), at(one(list, "Service", "dial-outcrop"), "spec.selector"),
		at(one(list, "Service", "dial-outcrop-metrics"), "spec.selector"), at(one(list, "PodDisruptionBudget", "dial-outcrop"), "spec.selector.matchLabels"),
	} {
		if diff := cmp.Diff(any(selector), have); diff != "" {
			t.Error(diff)
		}
	}
	labels, _ := at(deployment, "spec.template.metadata.labels").(object)
	doctor, _ := at(one(list, "Pod", "dial-outcrop-doctor"), "metadata.labels").(object)
	for name, value := range selector {
		if labels[name] != value {
			t.Errorf("the pods have %s=%v", name, labels[name])
		}
	}
	if doctor["app.kubernetes.io/name"] == selector["app.kubernetes.io/name"] {
		t.Error("the Service would send requests to the test's pod")
	}
	t.Run("labels of the operator do not change them", func(t *testing.T) {
		list := render(t, "{mode: adapter, commonLabels: {app.kubernetes.io/name: x, team: ai}, podLabels: {app.kubernetes.io/instance: other}}")
		labels, _ := at(one(list, "Deployment", "dial-outcrop"), "spec.template.metadata.labels").(object)
		if labels["app.kubernetes.io/name"] != "outcrop" || labels["app.kubernetes.io/instance"] != "dial" || labels["team"] != "ai" {
			t.Errorf("labels %v", labels)
		}
	})
}

// TestLoad: what a pod may have in work is its memory's affair unless the values say it.
func TestLoad(t *testing.T) {
	for values, want := range map[string]string{
		"{mode: adapter}": "",
		"{mode: adapter, load: {maxRequests: 2000, bodyMemory: 268435456}}": "--max-requests=2000 --body-memory=268435456",
	} {
		args := fmt.Sprint(container(t, render(t, values))["args"])
		if !strings.Contains(args, want) || want == "" && (strings.Contains(args, "--max-requests") || strings.Contains(args, "--body-memory")) {
			t.Errorf("%s: arguments %s", values, args)
		}
	}
}

func TestDrain(t *testing.T) {
	list := render(t, "{mode: adapter, drain: {delaySeconds: 7, timeoutSeconds: 600}, terminationGracePeriodSeconds: 700}")
	deployment, c := one(list, "Deployment", "dial-outcrop"), container(t, list)
	args := fmt.Sprint(c["args"])
	if !strings.Contains(args, "--drain-delay=7s --drain-timeout=600s") {
		t.Errorf("arguments %s", args)
	}
	spec := at(deployment, "spec.template.spec")
	if at(spec, "terminationGracePeriodSeconds") != 700 || at(c, "lifecycle.preStop.sleep.seconds") != 5 || at(c, "lifecycle.preStop.exec") != nil {
		t.Errorf("grace %v, lifecycle %v", at(spec, "terminationGracePeriodSeconds"), c["lifecycle"])
	}
	if at(deployment, "spec.strategy.rollingUpdate.maxUnavailable") != 0 || at(deployment, "spec.strategy.rollingUpdate.maxSurge") != 1 {
		t.Errorf("strategy %v", at(deployment, "spec.strategy"))
	}
}

// Liveness asks /health, which never depends on AWS; readiness asks another question.
func TestProbes(t *testing.T) {
	c := container(t, render(t, variant(t, "adapter-minimal")))
	for probe, path := range map[string]string{"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"} {
		if at(c, probe+".httpGet.path") != path || at(c, probe+".httpGet.port") != "http" || at(c, probe+".enabled") != nil {
			t.Errorf("%s is %v", probe, c[probe])
		}
	}
	own := container(t, render(t, "{mode: adapter, livenessProbe: {enabled: false}, customReadinessProbe: {tcpSocket: {port: http}}}"))
	if own["livenessProbe"] != nil || at(own, "readinessProbe.tcpSocket.port") != "http" || at(own, "readinessProbe.httpGet") != nil {
		t.Errorf("liveness %v, readiness %v", own["livenessProbe"], own["readinessProbe"])
	}
}

// What Pod Security `restricted` asks for, of every container of ours.
func TestRestricted(t *testing.T) {
	for _, name := range append(variants(t), "umbrella") {
		for _, o := range objects(t, manifests(t, name)) {
			spec := at(o, "spec.template.spec")
			if o["kind"] == "Pod" {
				spec = o["spec"]
			}
			if spec == nil {
				continue
			}
			if at(spec, "automountServiceAccountToken") != false {
				t.Errorf("%s: %v mounts a token of the API", name, o["kind"])
			}
			for _, c := range append(mappings(spec, "containers"), mappings(spec, "initContainers")...) {
				security := c["securityContext"]
				if at(security, "runAsNonRoot") != true || at(security, "readOnlyRootFilesystem") != true || at(security, "allowPrivilegeEscalation") != false ||
					at(security, "capabilities.drop.0") != "ALL" || at(security, "seccompProfile.type") != "RuntimeDefault" || at(security, "privileged") == true {
					t.Errorf("%s: %v runs with %v", name, c["name"], security)
				}
			}
		}
	}
}

// The ids are the platform's with the switch, and with nulls.
func TestOpenShift(t *testing.T) {
	for _, values := range []string{
		variant(t, "openshift"),
		"{mode: adapter, podSecurityContext: {fsGroup: null}, containerSecurityContext: {runAsUser: null, runAsGroup: null}}",
	} {
		list := render(t, values)
		if text := marshal(t, list); strings.Contains(text, "65532") || strings.Contains(text, "fsGroup:") {
			t.Errorf("an id is left: %s", text)
		}
		if at(container(t, list), "securityContext.runAsNonRoot") != true {
			t.Error("runAsNonRoot went with them")
		}
	}
	auto := "{mode: adapter, global: {compatibility: {openshift: {adaptSecurityContext: auto}}}}"
	if text := marshal(t, render(t, auto)); !strings.Contains(text, "65532") {
		t.Error("auto takes the ids away on another platform")
	}
	if text := marshal(t, render(t, auto, "--api-versions", "security.openshift.io/v1")); strings.Contains(text, "65532") {
		t.Error("auto does not see OpenShift")
	}
}

func TestTopologySpread(t *testing.T) {
	for _, c := range []struct {
		values string
		want   []string
	}{
		{"{mode: adapter}", nil},
		{"{mode: adapter, replicaCount: 2}", []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"}},
		{"{mode: adapter, autoscaling: {hpa: {enabled: true, targetCPU: 80}}}", []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"}},
		{"{mode: adapter, replicaCount: 2, defaultTopologySpread: false}", nil},
		{"{mode: adapter, topologySpreadConstraints: [{topologyKey: rack, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}]}", []string{"rack"}},
	} {
		var keys []string
		for _, constraint := range mappings(one(render(t, c.values), "Deployment", "dial-outcrop"), "spec.template.spec.topologySpreadConstraints") {
			keys = append(keys, fmt.Sprint(constraint["topologyKey"]))
		}
		if !slices.Equal(keys, c.want) {
			t.Errorf("%s: spread over %v", c.values, keys)
		}
	}
}

func TestAutoscaler(t *testing.T) {
	list := render(t, variant(t, "everything"))
	hpa := one(list, "HorizontalPodAutoscaler", "dial-outcrop")
	if at(hpa, "spec.metrics.0.pods.metric.name") != "outcrop_requests_in_flight" || at(hpa, "spec.metrics.0.pods.target.averageValue") != "50" {
		t.Errorf("metrics %v", at(hpa, "spec.metrics"))
	}
	if window, _ := at(hpa, "spec.behavior.scaleDown.stabilizationWindowSeconds").(int); window < 300 {
		t.Errorf("scales down after %d s, in the middle of streams", window)
	}
	if at(one(list, "Deployment", "dial-outcrop"), "spec.replicas") != nil {
		t.Error("the Deployment says how many, too: each upgrade would undo the autoscaler's work")
	}
}

// The Pod Identity agent is let be asked only where it is used, and nothing but DNS and 443 besides.
func TestNetworkPolicy(t *testing.T) {
	const agent = "169.254.170.23/32"
	plain := marshal(t, one(render(t, variant(t, "adapter-minimal")), "NetworkPolicy", "dial-outcrop"))
	identity := one(render(t, variant(t, "pod-identity")), "NetworkPolicy", "dial-outcrop")
	if strings.Contains(plain, agent) || !strings.Contains(marshal(t, identity), agent) || !strings.Contains(marshal(t, identity), "fd00:ec2::23/128") {
		t.Errorf("the agent: %s\n%s", plain, marshal(t, identity))
	}
	var ports []any
	for _, rule := range mappings(identity, "spec.egress") {
		for _, port := range mappings(rule, "ports") {
			ports = append(ports, port["port"])
		}
		if len(mappings(rule, "ports")) == 0 {
			t.Errorf("calls to any port: %v", rule)
		}
	}
	if !slices.Equal(ports, []any{53, 53, 443, 80}) {
		t.Errorf("calls to %v", ports)
	}
	for _, rule := range mappings(identity, "spec.ingress") {
		if len(mappings(rule, "from")) == 0 {
			t.Errorf("requests from anywhere: %v", rule)
		}
	}
	open := one(render(t, "{mode: adapter, networkPolicy: {allowExternal: true, allowExternalEgress: true, metrics: {allowExternal: true}}}"), "NetworkPolicy", "dial-outcrop")
	if text := marshal(t, at(open, "spec.ingress")); strings.Contains(text, "from:") || fmt.Sprint(at(open, "spec.egress")) != "[map[]]" {
		t.Errorf("not open: %s, %v", text, at(open, "spec.egress"))
	}
}

// A ServiceMonitor that selected the Service of the API too would scrape it twice.
func TestServiceMonitorSelectsOneService(t *testing.T) {
	list := render(t, variant(t, "everything"))
	selector, _ := at(one(list, "ServiceMonitor", "dial-outcrop"), "spec.selector.matchLabels").(object)
	var found []any
	for _, o := range list {
		labels, _ := at(o, "metadata.labels").(object)
		matches := o["kind"] == "Service"
		for name, value := range selector {
			matches = matches && labels[name] == value
		}
		if matches {
			found = append(found, at(o, "metadata.name"))
		}
	}
	if len(selector) == 0 || !slices.Equal(found, []any{"dial-outcrop-metrics"}) {
		t.Errorf("it selects %v by %v", found, selector)
	}
}

func TestAlertsOfTheRelease(t *testing.T) {
	rules := mappings(one(render(t, variant(t, "everything")), "PrometheusRule", "dial-outcrop"), "spec.groups.0.rules")
	severities := map[any]int{}
	for _, rule := range rules {
		severities[at(rule, "labels.severity")]++
		if rule["alert"] == "OutcropFirstTokenSlow" {
			t.Error("an alert that is left out is there")
		}
		if !strings.Contains(fmt.Sprint(rule["expr"]), `{namespace="ai",service="dial-outcrop-metrics"`) {
			t.Errorf("%v: %v", rule["alert"], rule["expr"])
		}
	}
	if severities["warning"] == 0 || severities["critical"] == 0 || len(severities) != 2 {
		t.Errorf("severities %v", severities)
	}
}

// A map of secrets works as in dial-extension, and a change of it replaces the pods.
func TestSecretsMap(t *testing.T) {
	list := render(t, variant(t, "secrets-map"))
	if at(one(list, "Secret", "dial-outcrop"), "data.AWS_ACCESS_KEY_ID") != "QUtJQUlPU0ZPRE5ON0VYQU1QTEU=" {
		t.Error("no key in the Secret")
	}
	if from := mappings(container(t, list), "envFrom"); len(from) != 1 || at(from[0], "secretRef.name") != "dial-outcrop" {
		t.Errorf("envFrom %v", from)
	}
	sum := func(list []object) any {
		annotations, _ := at(one(list, "Deployment", "dial-outcrop"), "spec.template.metadata.annotations").(object)
		return annotations["checksum/secrets"]
	}
	other := render(t, strings.Replace(variant(t, "secrets-map"), "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7OTHER00", 1))
	if sum(list) == nil || sum(list) == sum(other) {
		t.Errorf("checksums %v and %v", sum(list), sum(other))
	}
}

// A change of configuration.files is read by the running pods, unless a checksum is asked for.
func TestConfigurationDoesNotReplacePods(t *testing.T) {
	values := variant(t, "gateway-minimal")
	annotations, _ := at(one(render(t, values), "Deployment", "dial-outcrop"), "spec.template.metadata.annotations").(object)
	if len(annotations) != 0 {
		t.Errorf("annotations %v", annotations)
	}
}

func TestDoctor(t *testing.T) {
	list := render(t, strings.Replace(variant(t, "gateway-minimal"), "mode: gateway", "mode: gateway\ndoctor: {initContainer: true}", 1))
	init := named(mappings(one(list, "Deployment", "dial-outcrop"), "spec.template.spec.initContainers"), "doctor")
	pod := one(list, "Pod", "dial-outcrop-doctor")
	test := named(mappings(pod, "spec.containers"), "doctor")
	if diff := cmp.Diff(init, test); diff != "" {
		t.Errorf("the init container and the test differ:\n%s", diff)
	}
	want := []any{"doctor", "--config=/etc/outcrop/files", "--config=/etc/outcrop/secret"}
	if diff := cmp.Diff(any(want), test["args"]); diff != "" {
		t.Error(diff)
	}
	adapter := one(render(t, variant(t, "irsa")), "Pod", "dial-outcrop-doctor")
	if diff := cmp.Diff(any([]any{"doctor", "--adapter"}), at(adapter, "spec.containers.0.args")); diff != "" {
		t.Error(diff)
	}
	program := container(t, list)
	for _, same := range []string{"image", "env", "volumeMounts", "securityContext"} {
		if diff := cmp.Diff(program[same], test[same]); diff != "" {
			t.Errorf("%s is not the program's:\n%s", same, diff)
		}
	}
	if annotations, _ := at(pod, "metadata.annotations").(object); annotations["helm.sh/hook"] != "test" {
		t.Errorf("annotations %v", annotations)
	}
}

// The adapter may call DIAL Core, wherever the values have its address.
func TestNetworkPolicyKnowsDIALCore(t *testing.T) {
	for values, want := range map[string]bool{
		"{mode: adapter}":                                                    false,
		"{mode: adapter, dial: {url: http://c}}":                             true,
		"{mode: adapter, env: {DIAL_URL: http://c}}":                         true,
		"{mode: adapter, secrets: {DIAL_URL: http://c}}":                     true,
		"{mode: adapter, extraEnvVars: [{name: DIAL_URL, value: http://c}]}": true,
	} {
		text, err := template(t, chart, values)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "port: 8080") != want {
			t.Errorf("%s: it may call DIAL Core: %v", values, !want)
		}
	}
}
