package helm

import "slices"

// keySet is what may stand in a mapping: the key sets of the values by name. nil is anything.
type keySet map[string]keySet

// open is a value without keys of its own, or one in which anything goes.
func open() keySet { return nil }

func keysOf(names ...string) keySet {
	set := keySet{}
	for _, n := range names {
		set[n] = open()
	}
	return set
}

func (k keySet) with(name string, set keySet) keySet {
	k[name] = set
	return k
}

// umbrella lists DIAL's sub-charts by alias, and whether the umbrella deploys them unless told.
func umbrella() map[string]bool {
	return map[string]bool{
		"keycloak": false, "core": true, "chat": true, "themes": true,
		"openai": false, "bedrock": false, "vertexai": false, "dial": false,
	}
}

// isSection says whether the name is that of a section of DIAL's umbrella chart.
func isSection(name string) bool {
	_, ok := umbrella()[name]
	return ok
}

// isExtension says whether the alias is one of dial-extension.
func isExtension(alias string) bool {
	return slices.Contains([]string{"chat", "themes", "openai", "bedrock", "vertexai", "dial"}, alias)
}

// umbrellaKeys is the key set of DIAL's umbrella chart (6.x and 7.x).
func umbrellaKeys() keySet {
	set := keysOf("extraDeploy", "global", "keycloak", "common", "tags")
	for alias := range umbrella() {
		switch {
		case isExtension(alias):
			set[alias] = extensionKeys()
		case alias == "core":
			set[alias] = coreKeys()
		}
	}
	return set
}

// extensionKeys is the key set of dial-extension 3.1 under an alias of the umbrella.
func extensionKeys() keySet {
	probe := func() keySet {
		return keysOf("enabled", "initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold",
			"terminationGracePeriodSeconds", "httpGet", "exec", "tcpSocket", "grpc")
	}
	service := func() keySet {
		return keysOf("type", "clusterIP", "loadBalancerIP", "loadBalancerSourceRanges", "externalTrafficPolicy", "annotations",
			"extraPorts", "sessionAffinity", "sessionAffinityConfig").with("ports", keysOf("http")).with("nodePorts", keysOf("http"))
	}
	set := keysOf("enabled", "nameOverride", "fullnameOverride", "namespaceOverride", "commonLabels", "commonAnnotations", "extraDeploy",
		"global", "common", "replicaCount", "extraContainerPorts", "customLivenessProbe", "customReadinessProbe", "customStartupProbe",
		"resourcesPreset", "resources", "podSecurityContext", "containerSecurityContext", "command", "args", "automountServiceAccountToken",
		"hostAliases", "podLabels", "podAnnotations", "affinity", "nodeSelector", "tolerations", "updateStrategy", "priorityClassName",
		"topologySpreadConstraints", "schedulerName", "terminationGracePeriodSeconds", "lifecycleHooks", "env", "extraEnvVars", "secrets",
		"extraEnvVarsCM", "extraEnvVarsSecret", "extraVolumes", "extraVolumeMounts", "sidecars", "initContainers", "hostNetwork")
	set["image"] = keysOf("registry", "repository", "tag", "digest", "pullPolicy", "pullSecrets")
	set["containerPorts"] = keysOf("http", "metrics")
	set["diagnosticMode"] = keysOf("enabled")
	set["livenessProbe"], set["readinessProbe"], set["startupProbe"] = probe(), probe(), probe()
	set["pdb"] = keysOf("create", "minAvailable", "maxUnavailable")
	set["autoscaling"] = keySet{"hpa": keysOf("enabled", "annotations", "behavior", "minReplicas", "maxReplicas", "targetCPU", "targetMemory", "customRules")}
	set["service"] = service()
	set["serviceAccount"] = keysOf("create", "name", "annotations", "automountServiceAccountToken")
	set["metrics"] = keySet{
		"enabled": open(), "service": service(),
		"serviceMonitor": keysOf("enabled", "namespace", "annotations", "labels", "jobLabel", "honorLabels", "port", "path", "interval",
			"scrapeTimeout", "metricRelabelings", "relabelings", "selector"),
		"prometheusRule": keysOf("enabled", "namespace", "annotations", "labels", "rules"),
	}
	set["ingress"] = keysOf("enabled", "pathType", "ingressClassName", "path", "annotations", "serviceName", "hosts", "tls", "extraPaths", "extraRules")
	set["httpRoute"] = keysOf("enabled", "annotations", "parentRefs", "hostnames", "rules")
	set["persistence"] = keysOf("enabled", "mountPath", "subPath", "storageClass", "annotations", "dataSource", "accessModes", "size", "existingClaim", "selector")
	set["temporary"] = keysOf("mountPath", "subPath", "sizeLimit", "medium")
	set["networkPolicy"] = keysOf("enabled", "allowExternal", "allowExternalEgress", "extraIngress", "extraEgress", "ingressPodMatchLabels",
		"ingressNSMatchLabels", "ingressNSPodMatchLabels").with("metrics", keysOf("allowExternal", "ingressNSMatchLabels", "ingressNSPodMatchLabels"))
	return set
}

// coreKeys is the key set of dial-core 5 and 6.
func coreKeys() keySet {
	set := extensionKeys()
	delete(set, "resourcesPreset")
	set["configuration"] = keySet{"encryption": keysOf("secret", "key", "existingSecret")}
	set["logger"], set["valkey"], set["redis"] = open(), open(), open()
	return set
}

// neededParts are those that dial-extension's templates look into: null there ends the rendering with a
// nil pointer.
func neededParts() []string {
	return []string{
		"image", "containerPorts", "diagnosticMode", "livenessProbe", "readinessProbe", "startupProbe", "podSecurityContext",
		"containerSecurityContext", "pdb", "autoscaling", "service", "serviceAccount", "metrics", "ingress", "httpRoute", "persistence",
		"temporary", "networkPolicy",
	}
}

// aliases are names that people write for keys of the charts, and what the keys are.
func aliases() map[string]string {
	return map[string]string{
		"serviceAccount.enabled":    "create",
		"serviceAccount.annotation": "annotations",
		"pdb.enabled":               "create",
		"environment":               "env",
		"envs":                      "env",
		"extraEnv":                  "extraEnvVars",
		"secret":                    "secrets",
		"existingSecret":            "extraEnvVarsSecret",
		"replicas":                  "replicaCount",
		"livenessProbe.path":        "httpGet.path",
		"image.name":                "repository",
		"image.imagePullPolicy":     "pullPolicy",
		"image.imagePullSecrets":    "pullSecrets",
		"podDisruptionBudget":       "pdb",
		"hpa":                       "autoscaling.hpa",
		"autoscaling.enabled":       "autoscaling.hpa.enabled",
		"autoscaling.minReplicas":   "autoscaling.hpa.minReplicas",
		"autoscaling.maxReplicas":   "autoscaling.hpa.maxReplicas",
		"imagePullSecrets":          "image.pullSecrets",
		"volumes":                   "extraVolumes",
		"volumeMounts":              "extraVolumeMounts",
		"lifecycle":                 "lifecycleHooks",
		"securityContext":           "containerSecurityContext",
		"service.port":              "ports.http",
		"containerPort":             "containerPorts.http",
		"envFrom":                   "extraEnvVarsSecret",
		"serviceAccountName":        "serviceAccount.name",
		"serviceAccount.roleArn":    `annotations."eks.amazonaws.com/role-arn"`,
		"serviceAccount.role-arn":   `annotations."eks.amazonaws.com/role-arn"`,
	}
}
