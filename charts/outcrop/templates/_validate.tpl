{{/* Sections that have defaults: Helm drops those when a section is null, and what is left deploys something else. */}}
{{- define "outcrop.sections" -}}
- global
- global.compatibility
- global.compatibility.openshift
- image
- containerPorts
- serviceAccount
- aws
- aws.existingSecretKeys
- aws.podIdentity
- aws.apiKey
- configuration
- externalSecrets
- externalSecrets.secretStoreRef
- secretProviderClass
- dial
- redis
- postgres
- data
- promptLog
- tracing
- podSecurityContext
- containerSecurityContext
- containerSecurityContext.capabilities
- containerSecurityContext.seccompProfile
- livenessProbe
- load
- readinessProbe
- startupProbe
- drain
- pdb
- autoscaling
- autoscaling.hpa
- networkPolicy
- networkPolicy.metrics
- networkPolicy.dialCore
- metrics
- metrics.service
- metrics.service.ports
- metrics.serviceMonitor
- metrics.prometheusRule
- metrics.dashboard
- service
- service.ports
- service.nodePorts
- ingress
- httpRoute
- temporary
- doctor
{{- end -}}

{{/* Ends the rendering, with all mistakes at once. */}}
{{- define "outcrop.validate" -}}
{{- range $path := include "outcrop.sections" . | fromYamlArray -}}
{{- $at := $.Values -}}
{{- range splitList "." $path -}}
{{- $at = kindIs "map" $at | ternary (get ($at | default dict) .) nil -}}
{{- if not (kindIs "map" $at) -}}
{{- fail (printf "%s: the section is there, but nothing stands below it, so that Helm drops its defaults. Indent its settings below `%s:`, or remove that line" $path .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $mistakes := list -}}
{{- range list "mode" "image" "aws" "region" "configuration" "scale" "drain" "exposure" "secrets" "state" -}}
{{- $mistakes = concat $mistakes (include (printf "outcrop.validate.%s" .) $ | fromYamlArray) -}}
{{- end -}}
{{- if $mistakes -}}
{{- fail (printf "the values do not work:\n  - %s\n" (join "\n  - " $mistakes)) -}}
{{- end -}}
{{- end -}}

{{- define "outcrop.validate.mode" -}}
{{- if not .Values.mode }}
- {{ "mode: missing. Write `mode: adapter` (behind a DIAL Core) or `mode: gateway` (answers clients itself). If your values have it, look at their indentation: Helm may have read the section of this chart as empty" | quote }}
{{- else if not (has .Values.mode (list "adapter" "gateway")) }}
- {{ printf "mode: %s is not one. Write `mode: adapter` or `mode: gateway`" .Values.mode | quote }}
{{- end }}
{{- end -}}

{{- define "outcrop.validate.image" -}}
{{- $image := .Values.image }}
{{- if and (eq (toString $image.tag) "latest") (not $image.digest) }}
- {{ printf "image.tag: latest is whatever was pushed last. Write a version, such as %s, or image.digest" .Chart.AppVersion | quote }}
{{- end }}
{{- if not $image.repository }}
- {{ "image.repository: missing. Write the repository of Outcrop's image, `image.repository: outcrop`" | quote }}
{{- end }}
{{- if contains "ai-dial-adapter-" (toString $image.repository) }}
- {{ printf "image.repository: %s is DIAL's adapter, which does not know Outcrop's arguments. Write image.registry, image.repository and image.tag of Outcrop's image" $image.repository | quote }}
{{- end }}
{{- end -}}

{{- define "outcrop.validate.aws" -}}
{{- $aws := .Values.aws }}
{{- $role := "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$" }}
{{- range $name := list "roleArn" "assumeRoleArn" }}
{{- $arn := get $aws $name }}
{{- if and $arn (not (regexMatch $role $arn)) }}
- {{ printf "aws.%s: %s is not the ARN of a role. Write arn:aws:iam::<12 digits>:role/<name>" $name $arn | quote }}
{{- end }}
{{- end }}
{{- $sources := list }}
{{- if $aws.existingSecret }}{{ $sources = append $sources "aws.existingSecret" }}{{ end }}
{{- if $aws.roleArn }}{{ $sources = append $sources "aws.roleArn" }}{{ end }}
{{- if $aws.podIdentity.enabled }}{{ $sources = append $sources "aws.podIdentity.enabled" }}{{ end }}
{{- if $aws.apiKey.existingSecret }}{{ $sources = append $sources "aws.apiKey.existingSecret" }}{{ end }}
{{- if $aws.apiKey.file }}{{ $sources = append $sources "aws.apiKey.file" }}{{ end }}
{{- range $map := list "env" "secrets" }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_BEARER_TOKEN_BEDROCK" "AWS_BEARER_TOKEN_BEDROCK_FILE" }}
{{- if get (get $.Values $map | default dict) . }}{{ $sources = append $sources (printf "%s.%s" $map .) }}{{ end }}
{{- end }}
{{- end }}
{{- if gt (len $sources) 1 }}
- {{ printf "%s: these are %d sources of credentials, and AWS's SDK would silently take one of them. Keep one" (join ", " $sources) (len $sources) | quote }}
{{- end }}
{{- if and $aws.assumeRoleArn (or $aws.apiKey.existingSecret $aws.apiKey.file) }}
- {{ "aws.assumeRoleArn: a Bedrock API key assumes no role, and would not be used. Remove aws.apiKey, or aws.assumeRoleArn" | quote }}
{{- end }}
{{- if and $aws.roleArn (not .Values.serviceAccount.create) }}
- {{ printf "aws.roleArn: goes to the ServiceAccount, which serviceAccount.create: false leaves to you. Remove aws.roleArn, and annotate it: kubectl annotate serviceaccount %s eks.amazonaws.com/role-arn=%s" (include "outcrop.serviceAccountName" .) $aws.roleArn | quote }}
{{- end }}
{{- $annotated := get (.Values.serviceAccount.annotations | default dict) "eks.amazonaws.com/role-arn" }}
{{- if and $aws.roleArn $annotated (ne $annotated $aws.roleArn) }}
- {{ printf "aws.roleArn: %s, but serviceAccount.annotations has eks.amazonaws.com/role-arn: %s. Keep one" $aws.roleArn $annotated | quote }}
{{- end }}
{{- if and $aws.existingSecret (not (and $aws.existingSecretKeys.accessKeyId $aws.existingSecretKeys.secretAccessKey)) }}
- {{ "aws.existingSecretKeys: accessKeyId and secretAccessKey are both needed. Write the names that the keys have in the Secret" | quote }}
{{- end }}
{{- if and $aws.apiKey.existingSecret (not $aws.apiKey.key) }}
- {{ "aws.apiKey.key: missing. Write the name that the API key has in the Secret" | quote }}
{{- end }}
{{- end -}}

{{- define "outcrop.validate.region" -}}
{{- $region := include "outcrop.region" . }}
{{- if and $region (not (regexMatch "^[a-z]{2,}(-[a-z]+)+-[0-9]+$" $region)) }}
- {{ printf "aws.region: %s is not the name of a region. Write one such as us-east-1" $region | quote }}
{{- end }}
{{- range list "AWS_REGION" "AWS_DEFAULT_REGION" "DEFAULT_REGION" }}
{{- $value := get ($.Values.env | default dict) . }}
{{- if and $value (ne (tpl (toString $value) $) $region) }}
- {{ printf "env.%s: %s, but the region is %s elsewhere in the values. Keep aws.region alone" . (toString $value) $region | quote }}
{{- end }}
{{- if and $region (get ($.Values.secrets | default dict) .) }}
- {{ printf "secrets.%s: the region is %s elsewhere in the values, and it is no secret. Keep aws.region alone" . $region | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "outcrop.validate.configuration" -}}
{{- $configuration := .Values.configuration }}
{{- $any := or $configuration.files $configuration.existingConfigMap $configuration.existingSecret (and .Values.secretProviderClass.enabled .Values.secretProviderClass.asConfiguration) }}
{{- if and (eq .Values.mode "adapter") $any }}
- {{ "configuration: the adapter has none, DIAL Core has it. Remove `configuration`, or write `mode: gateway`" | quote }}
{{- end }}
{{- if and (eq .Values.mode "gateway") (not $any) (not .Values.args) }}
- {{ "configuration: missing, and a gateway needs one. Write configuration.files, or the name of a ConfigMap or Secret with files to configuration.existingConfigMap or configuration.existingSecret" | quote }}
{{- end }}
{{- if and (eq .Values.mode "gateway") .Values.dial.url }}
- {{ "dial.url: only the adapter calls DIAL Core. Remove it, or write `mode: adapter`" | quote }}
{{- end }}
{{- range $name, $content := $configuration.files }}
{{- if not (regexMatch "^[A-Za-z0-9_][A-Za-z0-9._-]*\\.(json|yaml|yml)$" $name) }}
- {{ printf "configuration.files: %s would not be read. Give it a name that ends in .json, .yaml or .yml" $name | quote }}
{{- end }}
{{- $parsed := kindIs "string" $content | ternary (fromYaml (toString $content)) $content | default dict }}
{{- if get $parsed "keys" }}
- {{ printf "configuration.files: %s has `keys`, and the name of a key is the key itself, which everybody who reads ConfigMaps would have. Put that file into a Secret, and write its name to configuration.existingSecret" $name | quote }}
{{- end }}
{{- /* Upstreams: Bedrock API keys, AWS keys, and those of other providers, in DIAL's places; extraData may be text. */}}
{{- $secret := "\\\\?\"(key|apiKey|api_key|aws_api_key|aws_secret_access_key|aws_session_token|aws_bearer_token_bedrock|secretExtraData)\\\\?\": *(\\\\?\"[^\"\\\\]|[{0-9])" }}
{{- $upstreams := list }}
{{- range $section := list "models" "applications" }}
{{- range $deployment := get $parsed $section | default dict }}
{{- if kindIs "map" $deployment }}{{ $upstreams = append $upstreams (get $deployment "upstreams") }}{{ end }}
{{- end }}
{{- end }}
{{- if or (regexMatch "aws_secret_access_key|aws_session_token|aws_bearer_token_bedrock[^_]" (toJson $content)) (regexMatch $secret (toJson $upstreams)) }}
- {{ printf "configuration.files: %s has credentials of upstreams, which everybody who reads ConfigMaps would have. Put that file into a Secret, and write its name to configuration.existingSecret" $name | quote }}
{{- end }}
{{- end }}
{{- range .Values.extraVolumeMounts }}
{{- if and .subPath (hasPrefix "/etc/outcrop" (toString .mountPath)) }}
- {{ printf "extraVolumeMounts: %s is mounted with subPath, so that it never changes in a running pod. Use configuration.existingConfigMap or configuration.existingSecret" .mountPath | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "outcrop.validate.scale" -}}
{{- $hpa := .Values.autoscaling.hpa }}
{{- if $hpa.enabled }}
{{- if gt (int .Values.replicaCount) 1 }}
- {{ printf "replicaCount: %d has no effect beside autoscaling.hpa.enabled. Remove it, and write autoscaling.hpa.minReplicas" (int .Values.replicaCount) | quote }}
{{- end }}
{{- if gt (int $hpa.minReplicas) (int $hpa.maxReplicas) }}
- {{ printf "autoscaling.hpa.minReplicas: %d is more than maxReplicas, %d" (int $hpa.minReplicas) (int $hpa.maxReplicas) | quote }}
{{- end }}
{{- if not (or $hpa.targetInFlight $hpa.targetCPU $hpa.targetMemory $hpa.customRules) }}
- {{ "autoscaling.hpa: nothing to scale on. Write targetInFlight (requests in flight per pod, such as 50) or targetCPU (percent, such as 80)" | quote }}
{{- end }}
{{- end }}
{{- if and (ne (toString .Values.pdb.minAvailable) "") (ne (toString .Values.pdb.maxUnavailable) "") }}
- {{ "pdb: minAvailable and maxUnavailable exclude each other. Remove one" | quote }}
{{- end }}
{{- if and (not .Values.resources) (ne .Values.resourcesPreset "none") (not (include "outcrop.preset" .Values.resourcesPreset)) }}
- {{ printf "resourcesPreset: %s is none of none, nano, micro, small, medium, large, xlarge, 2xlarge" .Values.resourcesPreset | quote }}
{{- end }}
{{- end -}}

{{- define "outcrop.validate.drain" -}}
{{- $hook := .Values.lifecycleHooks | default .Values.lifecycle | default dict }}
{{- $sleep := dig "preStop" "sleep" "seconds" 0 $hook }}
{{- $needed := add (int $sleep) (int .Values.drain.delaySeconds) (int .Values.drain.timeoutSeconds) }}
{{- if le (int .Values.terminationGracePeriodSeconds) (int $needed) }}
- {{ printf "terminationGracePeriodSeconds: %d is not more than the preStop sleep, drain.delaySeconds and drain.timeoutSeconds together (%d), so that the kubelet would cut streams. Write %d or more" (int .Values.terminationGracePeriodSeconds) $needed (add $needed 10) | quote }}
{{- end }}
{{- end -}}

{{- define "outcrop.validate.exposure" -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
- {{ "httpRoute.parentRefs: missing. Write the Gateway's name: `parentRefs: [{name: my-gateway, namespace: gateways}]`" | quote }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) (not .Values.ingress.extraRules) }}
- {{ "ingress.hosts: missing. Write the host names: `hosts: [outcrop.example.com]`" | quote }}
{{- end }}
{{- if not .Values.metrics.enabled }}
{{- if .Values.metrics.serviceMonitor.enabled }}
- {{ "metrics.serviceMonitor.enabled: there is nothing to scrape while metrics.enabled is false. Write `metrics.enabled: true`" | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "outcrop.validate.secrets" -}}
{{- $external := .Values.externalSecrets }}
{{- if $external.enabled }}
{{- $name := include "outcrop.externalSecret" . }}
{{- if not $external.secretStoreRef.name }}
- {{ "externalSecrets.secretStoreRef.name: missing. Write the name of the SecretStore or ClusterSecretStore" | quote }}
{{- end }}
{{- if not (or $external.data $external.dataFrom) }}
- {{ "externalSecrets.data: missing. Write what to fetch: `data: [{secretKey: AWS_ACCESS_KEY_ID, remoteRef: {key: outcrop, property: id}}]`" | quote }}
{{- end }}
{{- $users := list .Values.aws.existingSecret .Values.aws.apiKey.existingSecret .Values.configuration.existingSecret .Values.extraEnvVarsSecret .Values.redis.existingSecret .Values.postgres.existingSecret .Values.tracing.existingSecret }}
{{- $rendered := list }}{{ range $users }}{{ $rendered = append $rendered (tpl . $) }}{{ end }}
{{- if not (has $name $rendered) }}
- {{ printf "externalSecrets: nothing uses the Secret that it makes, %s. Write that name to aws.existingSecret, aws.apiKey.existingSecret, configuration.existingSecret, redis.existingSecret, postgres.existingSecret, tracing.existingSecret or extraEnvVarsSecret" $name | quote }}
{{- end }}
{{- end }}
{{- $class := .Values.secretProviderClass }}
{{- if and $class.enabled (not $class.existing) (not $class.parameters) }}
- {{ "secretProviderClass.parameters: missing. Write the provider's parameters, such as `objects`, or the name of one that exists to secretProviderClass.existing" | quote }}
{{- end }}
{{- end -}}

{{- define "outcrop.validate.state" -}}
{{- $data := .Values.data }}
{{- if eq .Values.mode "adapter" }}
{{- range $name, $is := dict "redis.existingSecret" .Values.redis.existingSecret "postgres.existingSecret" .Values.postgres.existingSecret "data.enabled" $data.enabled "promptLog.path" .Values.promptLog.path }}
{{- if $is }}
- {{ printf "%s: the adapter has no limits, no ledger and no prompt log, DIAL Core has them. Remove it, or write `mode: gateway`" $name | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $data.existingClaim $data.size }}
- {{ "data: existingClaim and size exclude each other. Remove one" | quote }}
{{- end }}
{{- if and (not $data.enabled) (or $data.existingClaim $data.size) }}
- {{ "data.enabled: false, so that the volume claim is not used. Write `data.enabled: true`" | quote }}
{{- end }}
{{- if and $data.enabled (or $data.existingClaim $data.size) (or .Values.autoscaling.hpa.enabled (gt (int .Values.replicaCount) 1)) }}
- {{ "data: a volume claim is for one pod, as only one process may write into it. Write `replicaCount: 1`, or redis.existingSecret and postgres.existingSecret in place of data" | quote }}
{{- end }}
{{- end -}}
