{{/* A scalar as the text of an environment variable: a number is never 1e+06. Takes name, value and context. */}}
{{- define "outcrop.text" -}}
{{- if kindIs "string" .value -}}{{- tpl .value .context -}}{{- else -}}{{- toJson .value -}}{{- end -}}
{{- end -}}

{{/* The region that the values name, wherever they do. */}}
{{- define "outcrop.region" -}}
{{- $env := .Values.env | default dict -}}
{{- $region := .Values.aws.region -}}
{{- range list "AWS_REGION" "AWS_DEFAULT_REGION" "DEFAULT_REGION" -}}
{{- $value := get $env . -}}
{{- if and (not $region) $value -}}{{- $region = tpl (toString $value) $ -}}{{- end -}}
{{- end -}}
{{- $region -}}
{{- end -}}

{{/* The variables that the values make, as a mapping of names: to a text, or to a valueFrom. */}}
{{- define "outcrop.env.made" -}}
{{- $made := dict -}}
{{- $aws := .Values.aws -}}
{{- /* EKS puts the cluster's region beside a role unless the container's own `env` has one; it does not look into envFrom. */ -}}
{{- range $name := list "DEFAULT_REGION" "AWS_DEFAULT_REGION" "AWS_REGION" -}}
{{- if hasKey ($.Values.secrets | default dict) $name -}}
{{- $made = set $made $name (dict "secretKeyRef" (dict "name" (include "outcrop.fullname" $) "key" $name)) -}}
{{- end -}}
{{- end -}}
{{- with include "outcrop.region" . -}}
{{- $made = set (set $made "AWS_REGION" .) "AWS_DEFAULT_REGION" . -}}
{{- end -}}
{{- with $aws.existingSecret -}}
{{- $secret := tpl . $ -}}
{{- range $name, $key := dict "AWS_ACCESS_KEY_ID" $aws.existingSecretKeys.accessKeyId "AWS_SECRET_ACCESS_KEY" $aws.existingSecretKeys.secretAccessKey "AWS_SESSION_TOKEN" $aws.existingSecretKeys.sessionToken -}}
{{- if $key -}}{{- $made = set $made $name (dict "secretKeyRef" (dict "name" $secret "key" $key)) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with $aws.apiKey.existingSecret -}}
{{- $made = set $made "AWS_BEARER_TOKEN_BEDROCK_FILE" (printf "/var/run/secrets/outcrop/api-key/%s" $aws.apiKey.key) -}}
{{- end -}}
{{- with $aws.apiKey.file -}}{{- $made = set $made "AWS_BEARER_TOKEN_BEDROCK_FILE" . -}}{{- end -}}
{{- with $aws.assumeRoleArn -}}{{- $made = set $made "AWS_ASSUME_ROLE_ARN" . -}}{{- end -}}
{{- if not $aws.allowNodeRole -}}{{- $made = set $made "AWS_EC2_METADATA_DISABLED" "true" -}}{{- end -}}
{{- with .Values.dial.url -}}{{- $made = set $made "DIAL_URL" (tpl . $) -}}{{- end -}}
{{- range $name, $store := dict "OUTCROP_REDIS_URL" .Values.redis "OUTCROP_POSTGRES_URL" .Values.postgres "OTEL_EXPORTER_OTLP_HEADERS" .Values.tracing -}}
{{- with $store.existingSecret -}}{{- $made = set $made $name (dict "secretKeyRef" (dict "name" (tpl . $) "key" $store.key)) -}}{{- end -}}
{{- end -}}
{{- with .Values.tracing.endpoint -}}
{{- $made = set $made "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" (tpl . $) -}}
{{- $made = set $made "OTEL_SERVICE_NAME" ($.Values.tracing.serviceName | default (include "outcrop.fullname" $)) -}}
{{- end -}}
{{- toYaml $made -}}
{{- end -}}

{{/* The container's env. What the operator sets by name counts in place of what the values make. */}}
{{- define "outcrop.env" -}}
{{- $made := include "outcrop.env.made" . | fromYaml -}}
{{- range $name, $value := .Values.env -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $made = set $made $name (include "outcrop.text" (dict "value" $value "context" $)) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnvVars -}}{{- $made = omit $made .name -}}{{- end -}}
{{- $list := list -}}
{{- range $name, $value := $made -}}
{{- $list = append $list (kindIs "map" $value | ternary (dict "name" $name "valueFrom" $value) (dict "name" $name "value" (toString $value))) -}}
{{- end -}}
{{- with $list }}{{ toYaml . }}{{ end }}
{{- with .Values.extraEnvVars }}
{{ include "outcrop.render" (dict "value" . "context" $) }}
{{- end -}}
{{- end -}}

{{- define "outcrop.envFrom" -}}
{{- $list := list -}}
{{- with .Values.extraEnvVarsCM -}}{{- $list = append $list (dict "configMapRef" (dict "name" (tpl . $))) -}}{{- end -}}
{{- if .Values.secrets -}}{{- $list = append $list (dict "secretRef" (dict "name" (include "outcrop.fullname" .))) -}}{{- end -}}
{{- with .Values.extraEnvVarsSecret -}}{{- $list = append $list (dict "secretRef" (dict "name" (tpl . $))) -}}{{- end -}}
{{- with $list -}}{{- toYaml . -}}{{- end -}}
{{- end -}}
