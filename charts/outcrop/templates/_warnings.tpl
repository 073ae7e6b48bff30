{{/* What works, and is perhaps not meant: a list of sentences for NOTES.txt. */}}
{{- define "outcrop.warnings" -}}
{{- if .Values.secrets }}
- {{ printf "secrets: %s stand in the values, and in Helm's release. Prefer aws.existingSecret, extraEnvVarsSecret, or a role." (keys .Values.secrets | sortAlpha | join ", ") | quote }}
{{- end }}
{{- $regions := list "AWS_REGION" "AWS_DEFAULT_REGION" "DEFAULT_REGION" }}
{{- $named := include "outcrop.region" . }}
{{- range $regions }}{{ if get ($.Values.secrets | default dict) . }}{{ $named = "in secrets" }}{{ end }}{{ end }}
{{- range .Values.extraEnvVars }}{{ if has .name $regions }}{{ $named = "in extraEnvVars" }}{{ end }}{{ end }}
{{- if not $named }}
- {{ "aws.region: not set. On EKS with a role the cluster's region counts; elsewhere each upstream has to name its own." | quote }}
{{- end }}
{{- if or (get (.Values.env | default dict) "DEFAULT_REGION") (get (.Values.secrets | default dict) "DEFAULT_REGION") }}
- {{ "DEFAULT_REGION: DIAL's deprecated name, which no tool of AWS reads. Write aws.region." | quote }}
{{- end }}
{{- $aws := .Values.aws }}
{{- $annotated := get (.Values.serviceAccount.annotations | default dict) "eks.amazonaws.com/role-arn" }}
{{- $somewhere := or $aws.existingSecret $aws.roleArn $annotated $aws.podIdentity.enabled $aws.apiKey.existingSecret $aws.apiKey.file .Values.secrets .Values.extraEnvVars .Values.extraEnvVarsSecret }}
{{- if not (or $somewhere $aws.allowNodeRole .Values.configuration.existingSecret) }}
- {{ "aws: no credentials are named, so that only upstreams with credentials of their own work. Write one of aws.roleArn, aws.podIdentity.enabled, aws.existingSecret and aws.apiKey.existingSecret." | quote }}
{{- end }}
{{- if $aws.allowNodeRole }}
- {{ "aws.allowNodeRole: without credentials of its own the pod has the role of its node. The NetworkPolicy does not let 169.254.169.254 be asked: write networkPolicy.extraEgress." | quote }}
{{- end }}
{{- if not (or .Values.image.registry .Values.global.imageRegistry) }}
- {{ printf "image: %s names no registry, so that nodes look for it at docker.io. Write image.registry." (include "outcrop.image" .) | quote }}
{{- end }}
{{- if lt (include "outcrop.replicas" . | int) 2 }}
- {{ "replicaCount: one pod, so that its node is a single point of failure. Write `replicaCount: 2`." | quote }}
{{- end }}
{{- if and .Values.autoscaling.hpa.enabled .Values.autoscaling.hpa.targetInFlight }}
- {{ "autoscaling.hpa.targetInFlight: needs outcrop_requests_in_flight in the custom metrics API, for example by prometheus-adapter." | quote }}
{{- end }}
{{- $policy := .Values.networkPolicy }}
{{- if and $policy.enabled (not $policy.allowExternal) (or .Values.ingress.enabled .Values.httpRoute.enabled (ne .Values.service.type "ClusterIP")) (not $policy.ingressNSMatchLabels) (not $policy.extraIngress) }}
- {{ "networkPolicy: lets only this namespace in, and not what stands before it. Write networkPolicy.ingressNSMatchLabels: {kubernetes.io/metadata.name: <its namespace>}." | quote }}
{{- end }}
{{- if and $policy.enabled (not $policy.allowExternal) $policy.ingressNSMatchLabels (not $policy.ingressPodMatchLabels) (not $policy.extraIngress) (eq .Values.mode "adapter") }}
- {{ "networkPolicy.ingressNSMatchLabels: keeps the pods of this namespace out, and so a DIAL Core beside the adapter. For one write networkPolicy.ingressPodMatchLabels, such as {app.kubernetes.io/name: core}." | quote }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.tls) }}
- {{ "ingress.tls: none, so that keys and prompts may cross the network in the clear unless the load balancer ends TLS." | quote }}
{{- end }}
{{- if eq .Values.mode "gateway" }}
{{- $pods := include "outcrop.replicas" . | int }}
{{- if .Values.autoscaling.hpa.enabled }}{{ $pods = int .Values.autoscaling.hpa.maxReplicas }}{{ end }}
{{- $shared := or (include "outcrop.names" (dict "name" "OUTCROP_REDIS_URL" "context" .)) .Values.redis.existingSecret }}
{{- $ledger := or (include "outcrop.names" (dict "name" "OUTCROP_POSTGRES_URL" "context" .)) .Values.postgres.existingSecret }}
{{- if and (ge $pods 2) (not $shared) }}
- {{ printf "redis.existingSecret: not set, so that each of %d pods counts for itself, and a caller may use a limit %d times." $pods $pods | quote }}
{{- end }}
{{- if and (ge $pods 2) (not $ledger) }}
- {{ "postgres.existingSecret: not set, so that each pod has a usage ledger of its own, which ends with it." | quote }}
{{- end }}
{{- if and (lt $pods 2) (not .Values.data.enabled) (not (and $shared $ledger)) }}
- {{ "data.enabled: false, so that counters of limits and the usage ledger end with the pod. Write `data.enabled: true` and data.size." | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Says whether an operator sets a variable by name, or gives all settings in a file. Takes name and context. */}}
{{- define "outcrop.names" -}}
{{- $values := .context.Values -}}
{{- $found := or (hasKey ($values.env | default dict) .name) (hasKey ($values.secrets | default dict) .name) $values.args -}}
{{- $wanted := .name -}}
{{- range $values.extraEnvVars -}}{{- if eq .name $wanted -}}{{- $found = true -}}{{- end -}}{{- end -}}
{{- range $values.extraArgs -}}{{- if regexMatch "^--(settings|redis|postgres)(=|$)" (toString .) -}}{{- $found = true -}}{{- end -}}{{- end -}}
{{- if $found -}}yes{{- end -}}
{{- end -}}
