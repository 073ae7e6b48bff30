//go:build helm

package charts_test

// withoutEffect are values that are right without changing a manifest.
func withoutEffect() []string {
	return []string{
		"enabled", // the condition of the chart of which this one is a part; Helm reads it there
	}
}

// changes are the values that need others beside them to have an effect, or a value of their own form.
func changes() map[string]change {
	const (
		noKeys       = `{aws: {existingSecret: ""}, externalSecrets: {enabled: false}}`
		loadBalancer = `{service: {type: LoadBalancer}}`
		fixed        = `{autoscaling: {hpa: {enabled: false}}}`
		digest       = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	)
	return map[string]change{
		"args":                            {to: `[serve]`},
		"aws.apiKey.existingSecret":       {variant: "adapter-minimal", to: `key`},
		"aws.apiKey.file":                 {variant: "adapter-minimal", to: `/run/key`},
		"aws.apiKey.key":                  {variant: "api-key", to: `other`},
		"aws.assumeRoleArn":               {to: `arn:aws:iam::222233334444:role/other`},
		"aws.existingSecret":              {variant: "iam-user", to: `other`},
		"aws.podIdentity.enabled":         {variant: "adapter-minimal"},
		"aws.region":                      {to: `eu-west-3`},
		"aws.roleArn":                     {with: noKeys, to: `arn:aws:iam::222233334444:role/other`},
		"configuration.files":             {to: `{other.yaml: "models: {}"}`},
		"data.accessModes":                {variant: "gateway-data", to: `[ReadWriteOncePod]`},
		"data.enabled":                    {variant: "gateway-minimal"},
		"data.existingClaim":              {variant: "gateway-data", with: `{data: {size: ""}}`, to: `mine`},
		"data.mountPath":                  {variant: "gateway-data", to: `/data`},
		"data.size":                       {variant: "gateway-data", to: `9Gi`},
		"data.storageClassName":           {variant: "gateway-data", to: `other`},
		"postgres.existingSecret":         {variant: "gateway-minimal"},
		"postgres.key":                    {variant: "gateway-shared"},
		"postgres.port":                   {variant: "gateway-shared"},
		"promptLog.path":                  {variant: "gateway-minimal", to: `/dev/stdout`},
		"redis.existingSecret":            {variant: "gateway-minimal"},
		"redis.key":                       {variant: "gateway-shared"},
		"redis.port":                      {variant: "gateway-shared"},
		"tracing.endpoint":                {variant: "gateway-shared", to: `https://collector/v1/traces`},
		"tracing.existingSecret":          {variant: "gateway-shared"},
		"tracing.key":                     {variant: "gateway-shared"},
		"tracing.port":                    {variant: "gateway-shared"},
		"tracing.serviceName":             {variant: "gateway-shared", to: `core`},
		"defaultTopologySpread":           {},
		"dial.url":                        {variant: "adapter-minimal", to: `http://core`},
		"externalSecrets.enabled":         {},
		"externalSecrets.refreshInterval": {to: `1h`},
		"extraDeploy":                     {to: `["{apiVersion: v1, kind: ConfigMap, metadata: {name: other}}"]`},
		"extraEnvVars":                    {to: `[{name: OTHER, value: a}]`},
		"global.compatibility.openshift.adaptSecurityContext": {to: `force`},
		"image.digest":                          {to: digest},
		"metrics.enabled":                       {with: `{metrics: {serviceMonitor: {enabled: false}}}`},
		"metrics.prometheusRule.disabled":       {to: `[OutcropDown]`},
		"metrics.serviceMonitor.interval":       {to: `20s`},
		"metrics.serviceMonitor.scrapeTimeout":  {to: `5s`},
		"mode":                                  {variant: "adapter-minimal", with: `{args: [serve]}`, to: `gateway`},
		"networkPolicy.dialCore.nsMatchLabels":  {variant: "iam-user"},
		"networkPolicy.dialCore.podMatchLabels": {variant: "iam-user"},
		"networkPolicy.dialCore.port":           {variant: "iam-user"},
		"networkPolicy.httpsCIDRs":              {to: `[10.1.0.0/16]`},
		"podSecurityContext.supplementalGroups": {to: `[1000]`},
		"replicaCount":                          {with: fixed},
		"service.externalTrafficPolicy":         {with: loadBalancer, to: `Local`},
		"service.loadBalancerIP":                {with: loadBalancer},
		"service.loadBalancerSourceRanges":      {with: loadBalancer},
		"service.nodePorts.http":                {with: loadBalancer},
		"temporary.medium":                      {with: `{temporary: {medium: ""}}`, to: `Memory`},
	}
}
