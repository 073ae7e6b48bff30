//go:build helm

package charts_test

import (
	"strings"
	"testing"
)

// notes is what `helm install` would print. A dry run needs no cluster.
func notes(t *testing.T, values string) string {
	t.Helper()
	stdout, stderr, err := run(t, values, "helm", "install", "dial", chart, "--namespace", "ai", "--values", "-", "--dry-run=client")
	if err != nil {
		t.Fatal(stderr)
	}
	_, notes, ok := strings.Cut(stdout, "NOTES:")
	if !ok {
		t.Fatalf("no notes:\n%s", stdout)
	}
	return notes
}

func TestNotes(t *testing.T) {
	for _, c := range []struct {
		name, values string
		says, not    []string
	}{
		{
			"minimal", variant(t, "adapter-minimal"),
			[]string{
				"http://dial-outcrop.ai.svc.cluster.local/openai/deployments/<model id>/chat/completions", "helm test dial -n ai --logs",
				"aws.region: not set", "aws: no credentials are named", "outcrop:0.1.0 names no registry", "replicaCount: one pod",
			},
			[]string{"secrets:"},
		},
		{"nothing to say", variant(t, "irsa"), []string{"dial-outcrop in ai"}, []string{"Look at this"}},
		{
			"secrets in values", variant(t, "secrets-map"),
			[]string{"secrets: AWS_ACCESS_KEY_ID, AWS_DEFAULT_REGION, AWS_SECRET_ACCESS_KEY stand in the values, and in Helm's release. Prefer aws.existingSecret"},
			[]string{"AKIAIOSFODNN7EXAMPLE", "aws.region: not set"},
		},
		{"Pod Identity", variant(t, "pod-identity"), []string{"create-pod-identity-association --cluster-name <cluster> --namespace ai --service-account dial-outcrop"}, []string{"Look at this"}},
		{"guide's region", "{mode: adapter, env: {DEFAULT_REGION: eu-west-1}}", []string{"DEFAULT_REGION: DIAL's deprecated name"}, []string{"aws.region: not set"}},
		{"node's role", "{mode: adapter, aws: {allowNodeRole: true}}", []string{"aws.allowNodeRole: without credentials of its own"}, []string{"no credentials are named"}},
		{"ingress elsewhere", "{mode: adapter, ingress: {enabled: true, hosts: [a.example.com]}}", []string{"networkPolicy: lets only this namespace in", "ingress.tls: none"}, nil},
		{"only another namespace", "{mode: adapter, networkPolicy: {ingressNSMatchLabels: {team: a}}}", []string{"keeps the pods of this namespace out"}, nil},
		{"maps that are empty", "{mode: adapter, env: null, secrets: null}", []string{"aws.region: not set"}, nil},
		{
			"several pods that share nothing", "{mode: gateway, replicaCount: 3, configuration: {existingSecret: a}}",
			[]string{"redis.existingSecret: not set, so that each of 3 pods counts for itself, and a caller may use a limit 3 times", "postgres.existingSecret: not set"}, []string{"data.enabled"},
		},
		{"an autoscaler of pods that share nothing", "{mode: gateway, configuration: {existingSecret: a}, autoscaling: {hpa: {enabled: true, targetCPU: 80}}}", []string{"each of 6 pods counts for itself"}, nil},
		{"pods that share", variant(t, "gateway-shared"), []string{"dial-outcrop in ai"}, []string{"Look at this"}},
		{"stores by a variable", "{mode: gateway, replicaCount: 2, configuration: {existingSecret: a}, extraEnvVars: [{name: OUTCROP_REDIS_URL, value: 'redis://redis'}]}", []string{"postgres.existingSecret: not set"}, []string{"redis.existingSecret"}},
		{"stores by settings", "{mode: gateway, replicaCount: 2, configuration: {existingSecret: a}, extraArgs: [--settings=/etc/settings.json]}", nil, []string{"redis.existingSecret", "postgres.existingSecret"}},
		{"one pod that forgets", "{mode: gateway, configuration: {existingSecret: a}}", []string{"data.enabled: false, so that counters"}, []string{"redis.existingSecret"}},
		{"several adapters", variant(t, "irsa"), nil, []string{"redis.existingSecret"}},
		{"in flight", "{mode: adapter, autoscaling: {hpa: {enabled: true, targetInFlight: 50}}}", []string{"needs outcrop_requests_in_flight in the custom metrics API"}, []string{"one pod"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := notes(t, c.values)
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in:\n%s", want, text)
				}
			}
			for _, not := range c.not {
				if strings.Contains(text, not) {
					t.Errorf("%q in:\n%s", not, text)
				}
			}
		})
	}
}
