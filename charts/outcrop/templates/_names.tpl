{{/* The chart's name, which under an alias of another chart is the alias. */}}
{{- define "outcrop.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of all objects: <release>-<name>, or the release alone if it has the name in it. */}}
{{- define "outcrop.fullname" -}}
{{- $name := include "outcrop.name" . -}}
{{- $full := .Values.fullnameOverride -}}
{{- if not $full -}}
{{- $full = ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- end -}}
{{- $full | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "outcrop.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "outcrop.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "outcrop.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The name, as a label, of the pod of `helm test`. */}}
{{- define "outcrop.doctorName" -}}
{{- printf "%s-doctor" (include "outcrop.name" . | trunc 56 | trimSuffix "-") -}}
{{- end -}}

{{/* What never changes of a pod's labels, since a selector cannot. */}}
{{- define "outcrop.selector" -}}
app.kubernetes.io/name: {{ include "outcrop.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The labels of an object: the operator's count before the chart's, but for those of the selector.
     Takes a dict of context and, optionally, a list of maps "more", of which the first counts most. */}}
{{- define "outcrop.labels" -}}
{{- $chart := dict "helm.sh/chart" (printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
      "app.kubernetes.io/managed-by" .context.Release.Service
      "app.kubernetes.io/version" (.context.Chart.AppVersion | replace "+" "_" | trunc 63)
      "app.kubernetes.io/component" .context.Values.mode -}}
{{- $labels := include "outcrop.selector" .context | fromYaml -}}
{{- range concat (.more | default list) (list .context.Values.commonLabels $chart) -}}
{{- $labels = merge $labels (tpl (toYaml .) $.context | fromYaml) -}}
{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* The annotations of an object, or nothing: like labels. */}}
{{- define "outcrop.annotations" -}}
{{- $annotations := dict -}}
{{- range append (.more | default list) .context.Values.commonAnnotations -}}
{{- if . -}}{{- $annotations = merge $annotations (tpl (toYaml .) $.context | fromYaml) -}}{{- end -}}
{{- end -}}
{{- if $annotations -}}{{- toYaml $annotations -}}{{- end -}}
{{- end -}}

{{/* The metadata of an object. Takes context; optionally name, namespace, labels and annotations, lists of maps. */}}
{{- define "outcrop.metadata" -}}
name: {{ .name | default (include "outcrop.fullname" .context) | quote }}
namespace: {{ .namespace | default (include "outcrop.namespace" .context) | quote }}
labels: {{- include "outcrop.labels" (dict "context" .context "more" .labels) | nindent 2 }}
{{- with include "outcrop.annotations" (dict "context" .context "more" .annotations) }}
annotations: {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A value whose texts are templates, as YAML. Takes value and context. */}}
{{- define "outcrop.render" -}}
{{- if kindIs "string" .value -}}{{- tpl .value .context -}}{{- else -}}{{- tpl (toYaml .value) .context -}}{{- end -}}
{{- end -}}

{{- define "outcrop.image" -}}
{{- $image := .Values.image -}}
{{- $registry := .Values.global.imageRegistry | default $image.registry -}}
{{- $name := $image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" (trimSuffix "/" $registry) $name -}}{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion $image.tag | toString) -}}
{{- end -}}
{{- end -}}

{{/* Port of the API. */}}
{{- define "outcrop.port" -}}
{{- if .Values.containerPorts.http -}}{{- int .Values.containerPorts.http -}}
{{- else -}}{{- eq .Values.mode "gateway" | ternary 8080 5000 -}}{{- end -}}
{{- end -}}

{{/* How many pods there are at least. */}}
{{- define "outcrop.replicas" -}}
{{- $hpa := .Values.autoscaling.hpa -}}
{{- int (ternary $hpa.minReplicas .Values.replicaCount $hpa.enabled) -}}
{{- end -}}

{{/* Name of the Service of metrics, by which alerts know this release. */}}
{{- define "outcrop.metricsName" -}}
{{- printf "%s-metrics" (include "outcrop.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{/* Name of the Secret that External Secrets makes. */}}
{{- define "outcrop.externalSecret" -}}
{{- printf "%s-external" (include "outcrop.fullname" . | trunc 54 | trimSuffix "-") -}}
{{- end -}}

{{- define "outcrop.secretProviderClass" -}}
{{- default (include "outcrop.fullname" .) .Values.secretProviderClass.existing -}}
{{- end -}}

{{/* Not empty if user and group ids are OpenShift's to give. */}}
{{- define "outcrop.openshift" -}}
{{- $adapt := dig "compatibility" "openshift" "adaptSecurityContext" "disabled" (.Values.global | default dict) -}}
{{- if or (eq $adapt "force") (and (eq $adapt "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}true{{- end -}}
{{- end -}}

{{/* A security context without what is empty, and without ids where the platform gives them. Takes value and context. */}}
{{- define "outcrop.securityContext" -}}
{{- $security := omit .value "enabled" -}}
{{- if include "outcrop.openshift" .context -}}
{{- $security = omit $security "runAsUser" "runAsGroup" "fsGroup" -}}
{{- end -}}
{{- with $security.capabilities -}}
{{- if not .add -}}{{- $security = set $security "capabilities" (omit . "add") -}}{{- end -}}
{{- end -}}
{{- range $name, $value := $security -}}
{{- if or (kindIs "invalid" $value) (and (or (kindIs "map" $value) (kindIs "slice" $value)) (empty $value)) -}}
{{- $security = omit $security $name -}}
{{- end -}}
{{- end -}}
{{- toYaml $security -}}
{{- end -}}

{{/* Resources by the names and amounts of DIAL's charts: requests, and half as much again as the limit. Takes the name. */}}
{{- define "outcrop.preset" -}}
{{- $presets := dict
      "nano" (list "100m" "128Mi" "150m" "192Mi")
      "micro" (list "250m" "256Mi" "375m" "384Mi")
      "small" (list "500m" "512Mi" "750m" "768Mi")
      "medium" (list "500m" "1024Mi" "750m" "1536Mi")
      "large" (list "1" "2048Mi" "1.5" "3072Mi")
      "xlarge" (list "1" "3072Mi" "3" "6144Mi")
      "2xlarge" (list "1" "3072Mi" "6" "12288Mi") -}}
{{- with get $presets . -}}
requests:
  cpu: {{ index . 0 | quote }}
  memory: {{ index . 1 }}
  ephemeral-storage: 50Mi
limits:
  cpu: {{ index . 2 | quote }}
  memory: {{ index . 3 }}
  ephemeral-storage: 2Gi
{{- end -}}
{{- end -}}
