{{/* Folders of configuration, as a JSON list of mount, volume and source. Later ones count more. */}}
{{- define "outcrop.configuration" -}}
{{- $list := list -}}
{{- $configuration := .Values.configuration -}}
{{- if $configuration.files -}}
{{- $list = append $list (dict "name" "configuration" "path" "/etc/outcrop/files" "volume" (dict "configMap" (dict "name" (printf "%s-configuration" (include "outcrop.fullname" .))))) -}}
{{- end -}}
{{- with $configuration.existingConfigMap -}}
{{- $list = append $list (dict "name" "configuration-existing" "path" "/etc/outcrop/configmap" "volume" (dict "configMap" (dict "name" (tpl . $)))) -}}
{{- end -}}
{{- with $configuration.existingSecret -}}
{{- $list = append $list (dict "name" "configuration-secret" "path" "/etc/outcrop/secret" "volume" (dict "secret" (dict "secretName" (tpl . $) "defaultMode" 288))) -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{/* `--config=FOLDER` for each folder. */}}
{{- define "outcrop.configArgs" -}}
{{- $list := list -}}
{{- if eq .Values.mode "gateway" -}}
{{- range include "outcrop.configuration" . | fromJsonArray -}}{{- $list = append $list (printf "--config=%s" .path) -}}{{- end -}}
{{- if and .Values.secretProviderClass.enabled .Values.secretProviderClass.asConfiguration -}}
{{- $list = append $list (printf "--config=%s" .Values.secretProviderClass.mountPath) -}}
{{- end -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{/* Arguments of the program. */}}
{{- define "outcrop.args" -}}
{{- if .Values.args -}}
{{- include "outcrop.render" (dict "value" .Values.args "context" .) -}}
{{- else -}}
{{- $args := list (eq .Values.mode "gateway" | ternary "serve" "adapter") (printf "--listen=:%s" (include "outcrop.port" .)) -}}
{{- if .Values.metrics.enabled -}}{{- $args = append $args (printf "--metrics-listen=:%d" (int .Values.containerPorts.metrics)) -}}{{- end -}}
{{- $args = concat $args (list (printf "--drain-delay=%ds" (int .Values.drain.delaySeconds)) (printf "--drain-timeout=%ds" (int .Values.drain.timeoutSeconds))) -}}
{{- /* A pod whose configuration is bad lives, is not ready, and tells Prometheus; it serves once the configuration is good. */ -}}
{{- with include "outcrop.configArgs" . | fromJsonArray -}}{{- $args = concat $args . (list "--wait-for-config") -}}{{- end -}}
{{- with int64 .Values.load.maxRequests -}}{{- $args = append $args (printf "--max-requests=%d" .) -}}{{- end -}}
{{- with int64 .Values.load.bodyMemory -}}{{- $args = append $args (printf "--body-memory=%d" .) -}}{{- end -}}
{{- if .Values.data.enabled -}}{{- $args = append $args (printf "--data-dir=%s" .Values.data.mountPath) -}}{{- end -}}
{{- with .Values.promptLog.path -}}{{- $args = append $args (printf "--prompt-log=%s" .) -}}{{- end -}}
{{- toYaml $args -}}
{{- with .Values.extraArgs }}
{{ include "outcrop.render" (dict "value" . "context" $) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "outcrop.mounts" -}}
{{- $list := list -}}
{{- range include "outcrop.configuration" . | fromJsonArray -}}
{{- $list = append $list (dict "name" .name "mountPath" .path "readOnly" true) -}}
{{- end -}}
{{- if .Values.aws.apiKey.existingSecret -}}
{{- $list = append $list (dict "name" "api-key" "mountPath" "/var/run/secrets/outcrop/api-key" "readOnly" true) -}}
{{- end -}}
{{- if .Values.secretProviderClass.enabled -}}
{{- $list = append $list (dict "name" "csi" "mountPath" .Values.secretProviderClass.mountPath "readOnly" true) -}}
{{- end -}}
{{- if .Values.temporary.enabled -}}
{{- $list = append $list (dict "name" "tmp" "mountPath" .Values.temporary.mountPath) -}}
{{- end -}}
{{- if .Values.data.enabled -}}
{{- $list = append $list (dict "name" "data" "mountPath" .Values.data.mountPath) -}}
{{- end -}}
{{- with $list }}{{ toYaml . }}{{ end }}
{{- with .Values.extraVolumeMounts }}
{{ include "outcrop.render" (dict "value" . "context" $) }}
{{- end -}}
{{- end -}}

{{- define "outcrop.volumes" -}}
{{- $list := list -}}
{{- range include "outcrop.configuration" . | fromJsonArray -}}
{{- $list = append $list (merge (dict "name" .name) .volume) -}}
{{- end -}}
{{- with .Values.aws.apiKey.existingSecret -}}
{{- $list = append $list (dict "name" "api-key" "secret" (dict "secretName" (tpl . $) "defaultMode" 288)) -}}
{{- end -}}
{{- if .Values.secretProviderClass.enabled -}}
{{- $list = append $list (dict "name" "csi" "csi" (dict "driver" "secrets-store.csi.k8s.io" "readOnly" true "volumeAttributes" (dict "secretProviderClass" (include "outcrop.secretProviderClass" .)))) -}}
{{- end -}}
{{- if .Values.temporary.enabled -}}
{{- $folder := dict -}}
{{- with .Values.temporary.sizeLimit -}}{{- $folder = set $folder "sizeLimit" . -}}{{- end -}}
{{- with .Values.temporary.medium -}}{{- $folder = set $folder "medium" . -}}{{- end -}}
{{- $list = append $list (dict "name" "tmp" "emptyDir" $folder) -}}
{{- end -}}
{{- if .Values.data.enabled -}}
{{- $claim := include "outcrop.claim" . -}}
{{- $list = append $list (merge (dict "name" "data") ($claim | empty | ternary (dict "emptyDir" dict) (dict "persistentVolumeClaim" (dict "claimName" $claim)))) -}}
{{- end -}}
{{- with $list }}{{ toYaml . }}{{ end }}
{{- with .Values.extraVolumes }}
{{ include "outcrop.render" (dict "value" . "context" $) }}
{{- end -}}
{{- end -}}

{{/* Name of the volume claim with the data; none if empty. */}}
{{- define "outcrop.claim" -}}
{{- if .Values.data.enabled -}}
{{- if .Values.data.existingClaim -}}{{- tpl .Values.data.existingClaim . -}}
{{- else if .Values.data.size -}}{{- printf "%s-data" (include "outcrop.fullname" . | trunc 58 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A probe: the operator's own, the chart's, or none. Takes custom, probe and context. */}}
{{- define "outcrop.probe" -}}
{{- if .custom -}}{{- include "outcrop.render" (dict "value" .custom "context" .context) -}}
{{- else if .probe.enabled -}}{{- include "outcrop.render" (dict "value" (omit .probe "enabled") "context" .context) -}}
{{- end -}}
{{- end -}}

{{/* What the program's container, the init container and the test have in common. */}}
{{- define "outcrop.container" -}}
image: {{ include "outcrop.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if .Values.containerSecurityContext.enabled }}
securityContext: {{- include "outcrop.securityContext" (dict "value" .Values.containerSecurityContext "context" .) | nindent 2 }}
{{- end }}
{{- with include "outcrop.env" . | trim }}
env: {{- . | nindent 2 }}
{{- end }}
{{- with include "outcrop.envFrom" . }}
envFrom: {{- . | nindent 2 }}
{{- end }}
{{- if .Values.resources }}
resources: {{- toYaml .Values.resources | nindent 2 }}
{{- else }}
{{- with include "outcrop.preset" .Values.resourcesPreset }}
resources: {{- . | nindent 2 }}
{{- end }}
{{- end }}
{{- with include "outcrop.mounts" . | trim }}
volumeMounts: {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* `outcrop doctor` as a container. */}}
{{- define "outcrop.doctor" -}}
- name: doctor
  args:
    - doctor
    {{- if eq .Values.mode "adapter" }}
    - --adapter
    {{- end }}
    {{- range include "outcrop.configArgs" . | fromJsonArray }}
    - {{ . | quote }}
    {{- end }}
    {{- with .Values.doctor.args }}
    {{- include "outcrop.render" (dict "value" . "context" $) | nindent 4 }}
    {{- end }}
  {{- include "outcrop.container" . | nindent 2 }}
{{- end -}}

{{/* What the pods of the Deployment and of the test have in common. */}}
{{- define "outcrop.podSpec" -}}
{{- $secrets := list -}}
{{- range concat (.Values.global.imagePullSecrets | default list) (.Values.image.pullSecrets | default list) -}}
{{- $secrets = append $secrets (kindIs "map" . | ternary . (dict "name" (tpl (toString .) $))) -}}
{{- end -}}
{{- with $secrets | uniq -}}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{ end -}}
serviceAccountName: {{ include "outcrop.serviceAccountName" . | quote }}
automountServiceAccountToken: {{ .Values.automountServiceAccountToken }}
enableServiceLinks: false
{{- if .Values.podSecurityContext.enabled }}
{{- with include "outcrop.securityContext" (dict "value" .Values.podSecurityContext "context" .) }}
securityContext: {{- . | nindent 2 }}
{{- end }}
{{- end }}
{{- range $field := list "hostAliases" "affinity" "nodeSelector" "tolerations" }}
{{- with get $.Values $field }}
{{ $field }}: {{- include "outcrop.render" (dict "value" . "context" $) | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- with include "outcrop.volumes" . | trim }}
volumes: {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "outcrop.topologySpread" -}}
{{- if .Values.topologySpreadConstraints -}}
{{- include "outcrop.render" (dict "value" .Values.topologySpreadConstraints "context" .) -}}
{{- else if and .Values.defaultTopologySpread (ge (include "outcrop.replicas" . | int) 2) -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels: {{- include "outcrop.selector" $ | nindent 6 }}
{{- end }}
{{- end -}}
{{- end -}}
