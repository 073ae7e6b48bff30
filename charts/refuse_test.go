//go:build helm

package charts_test

import (
	"strings"
	"testing"
)

// refusal is values that must not deploy, and what the message has to say.
type refusal struct {
	name, values string
	says         []string
}

// Each mistake ends the rendering, names the value, and says what to type.
func TestRefusals(t *testing.T) {
	for _, r := range append(schemaRefusals(), refusals()...) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			refused(t, chart, r)
		})
	}
}

func refused(t *testing.T, chart string, r refusal) {
	t.Helper()
	manifests, err := template(t, chart, r.values)
	if err == nil {
		t.Fatalf("it deploys:\n%s", manifests)
	}
	for _, want := range r.says {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

// schemaRefusals are what values.schema.json finds, before anything is rendered.
func schemaRefusals() []refusal {
	return []refusal{
		{"unknown value", "{mode: adapter, aws: {regoin: eu-west-1}}", []string{"at '/aws'", "'regoin' not allowed"}},
		{"unknown section", "{mode: adapter, persistence: {enabled: true}}", []string{"'persistence' not allowed"}},
		{"siblings of serviceAccount, as in the guide", "{mode: adapter, create: true, annotations: {}}", []string{"'annotations'", "'create'", "not allowed"}},
		{"mode", "mode: proxy", []string{"at '/mode'", "'adapter', 'gateway'"}},
		{"port", "{mode: adapter, containerPorts: {metrics: 70000}}", []string{"/containerPorts/metrics"}},
		{"text for a number", "{mode: adapter, replicaCount: two}", []string{"at '/replicaCount'", "want integer"}},
		{"a list in env", "{mode: adapter, env: {A: [1]}}", []string{"at '/env/A'"}},
		{"env as a list", "{mode: adapter, env: [{name: A, value: b}]}", []string{"at '/env'", "want object"}},
		{"digest", "{mode: adapter, image: {digest: abc}}", []string{"at '/image/digest'"}},
		{"preset", "{mode: adapter, resourcesPreset: huge}", []string{"at '/resourcesPreset'", "'nano'"}},
		{"size of the data", "{mode: gateway, data: {size: large}}", []string{"at '/data/size'"}},
		{"collector without a scheme", "{mode: gateway, tracing: {endpoint: 'collector:4318'}}", []string{"at '/tracing/endpoint'"}},
		{"no address", "{mode: adapter, dial: {url: dial-core}}", []string{"at '/dial/url'"}},
	}
}

// refusals are what the templates find.
func refusals() []refusal {
	return []refusal{
		{"nothing", "{}", []string{"mode: missing", "`mode: adapter`", "indentation"}},
		{"null section", "{mode: adapter, aws: null}", []string{"aws: the section is there, but nothing stands below it", "Indent its settings below `aws:`"}},
		{"null below a section", "{mode: adapter, metrics: {serviceMonitor: null}}", []string{"metrics.serviceMonitor: the section is there", "below `serviceMonitor:`"}},
		{"tag latest", "{mode: adapter, image: {tag: latest}}", []string{"image.tag: latest", "Write a version"}},
		{"DIAL's image", "{mode: adapter, image: {repository: epam/ai-dial-adapter-bedrock}}", []string{"image.repository: epam/ai-dial-adapter-bedrock is DIAL's adapter"}},
		{"role", "{mode: adapter, aws: {roleArn: dial-bedrock}}", []string{"aws.roleArn: dial-bedrock is not the ARN of a role", "arn:aws:iam::<12 digits>:role/<name>"}},
		{"assumed role", "{mode: adapter, aws: {assumeRoleArn: 'arn:aws:iam::111122223333:user/x'}}", []string{"aws.assumeRoleArn:", "is not the ARN of a role"}},
		{"two sources", "{mode: adapter, aws: {existingSecret: keys, roleArn: 'arn:aws:iam::111122223333:role/x'}}", []string{"aws.existingSecret, aws.roleArn: these are 2 sources", "Keep one"}},
		{"key in env beside Pod Identity", "{mode: adapter, aws: {podIdentity: {enabled: true}}, secrets: {AWS_ACCESS_KEY_ID: a}}", []string{"aws.podIdentity.enabled, secrets.AWS_ACCESS_KEY_ID: these are 2 sources"}},
		{"API key and role", "{mode: adapter, aws: {apiKey: {existingSecret: k}, assumeRoleArn: 'arn:aws:iam::111122223333:role/x'}}", []string{"a Bedrock API key assumes no role"}},
		{"role for a foreign service account", "{mode: adapter, serviceAccount: {create: false, name: sa}, aws: {roleArn: 'arn:aws:iam::111122223333:role/x'}}", []string{"kubectl annotate serviceaccount sa eks.amazonaws.com/role-arn=arn:aws:iam::111122223333:role/x"}},
		{"region", "{mode: adapter, aws: {region: Ireland}}", []string{"aws.region: Ireland is not the name of a region", "us-east-1"}},
		{"two regions", "{mode: adapter, aws: {region: eu-west-1}, env: {DEFAULT_REGION: us-east-1}}", []string{"env.DEFAULT_REGION: us-east-1, but the region is eu-west-1", "Keep aws.region alone"}},
		{"configuration of an adapter", "{mode: adapter, configuration: {existingConfigMap: a}}", []string{"the adapter has none", "`mode: gateway`"}},
		{"gateway without configuration", "mode: gateway", []string{"configuration: missing", "configuration.existingSecret"}},
		{"gateway with a Core", "{mode: gateway, configuration: {existingSecret: a}, dial: {url: http://dial-core}}", []string{"dial.url: only the adapter"}},
		{"file name", "{mode: gateway, configuration: {files: {models: '{}'}}}", []string{"configuration.files: models would not be read", ".json, .yaml or .yml"}},
		{"keys in a ConfigMap", "{mode: gateway, configuration: {files: {a.yaml: {keys: {abc: {project: p}}}}}}", []string{"a.yaml has `keys`", "configuration.existingSecret"}},
		{"keys in a text", `{mode: gateway, configuration: {files: {a.json: '{"keys": {"abc": {}}}'}}}`, []string{"a.json has `keys`"}},
		{"credentials in a ConfigMap", `{mode: gateway, configuration: {files: {a.json: '{"models": {"m": {"upstreams": [{"extraData": {"aws_secret_access_key": "x"}}]}}}'}}}`, []string{"a.json has credentials of upstreams"}},
		{"an upstream's API key in a ConfigMap", "{mode: gateway, configuration: {files: {a.yaml: {models: {m: {upstreams: [{key: abc}]}}}}}}", []string{"a.yaml has credentials of upstreams", "configuration.existingSecret"}},
		{"a session token in a text", `{mode: gateway, configuration: {files: {a.json: '{"models": {"m": {"upstreams": [{"extraData": "{\"aws_session_token\": \"x\"}"}]}}}'}}}`, []string{"a.json has credentials of upstreams"}},
		{"autoscaler and replicas", "{mode: adapter, replicaCount: 3, autoscaling: {hpa: {enabled: true, targetCPU: 80}}}", []string{"replicaCount: 3 has no effect", "autoscaling.hpa.minReplicas"}},
		{"autoscaler without a target", "{mode: adapter, autoscaling: {hpa: {enabled: true}}}", []string{"autoscaling.hpa: nothing to scale on", "targetInFlight"}},
		{"autoscaler upside down", "{mode: adapter, autoscaling: {hpa: {enabled: true, targetCPU: 80, minReplicas: 9}}}", []string{"minReplicas: 9 is more than maxReplicas, 6"}},
		{"both of the budget", "{mode: adapter, pdb: {minAvailable: 1, maxUnavailable: 0}}", []string{"pdb: minAvailable and maxUnavailable exclude each other"}},
		{"grace", "{mode: adapter, terminationGracePeriodSeconds: 30}", []string{"terminationGracePeriodSeconds: 30 is not more than", "(310)", "Write 320 or more"}},
		{"route without a gateway", "{mode: adapter, httpRoute: {enabled: true}}", []string{"httpRoute.parentRefs: missing", "parentRefs: [{name: my-gateway"}},
		{"ingress without a host", "{mode: adapter, ingress: {enabled: true}}", []string{"ingress.hosts: missing"}},
		{"monitor without metrics", "{mode: adapter, metrics: {enabled: false, serviceMonitor: {enabled: true}}}", []string{"Write `metrics.enabled: true`"}},
		{"external secret without a store", "{mode: adapter, externalSecrets: {enabled: true}}", []string{"secretStoreRef.name: missing", "externalSecrets.data: missing", "nothing uses the Secret that it makes, dial-outcrop-external"}},
		{"CSI without parameters", "{mode: adapter, secretProviderClass: {enabled: true}}", []string{"secretProviderClass.parameters: missing"}},
		{"stores of an adapter", "{mode: adapter, redis: {existingSecret: a}, postgres: {existingSecret: a}, data: {enabled: true}, promptLog: {path: /dev/stdout}}", []string{"redis.existingSecret: the adapter has no limits", "postgres.existingSecret:", "data.enabled:", "promptLog.path:", "`mode: gateway`"}},
		{"one folder for several pods", "{mode: gateway, replicaCount: 2, configuration: {existingSecret: a}, data: {enabled: true, size: 8Gi}}", []string{"data: a volume claim is for one pod", "redis.existingSecret and postgres.existingSecret"}},
		{"one folder for an autoscaler", "{mode: gateway, configuration: {existingSecret: a}, autoscaling: {hpa: {enabled: true, targetCPU: 80}}, data: {enabled: true, existingClaim: mine}}", []string{"data: a volume claim is for one pod"}},
		{"two claims", "{mode: gateway, configuration: {existingSecret: a}, data: {enabled: true, existingClaim: mine, size: 8Gi}}", []string{"data: existingClaim and size exclude each other"}},
		{"a claim for nothing", "{mode: gateway, configuration: {existingSecret: a}, data: {size: 8Gi}}", []string{"Write `data.enabled: true`"}},
		{"null section of a store", "{mode: gateway, configuration: {existingSecret: a}, redis: null}", []string{"redis: the section is there"}},
		{"all at once", "{mode: gateway, image: {tag: latest}, aws: {region: x}}", []string{"image.tag", "aws.region", "configuration: missing"}},
	}
}
