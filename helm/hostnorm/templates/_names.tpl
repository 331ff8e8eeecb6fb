{{- define "hostnorm.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name alone if it contains the chart's. Names of services have at most 63 characters. */}}
{{- define "hostnorm.fullname" -}}
{{- $name := include "hostnorm.name" . -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "hostnorm.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "hostnorm.serviceAccountName" -}}
{{- default (ternary (include "hostnorm.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{/* These labels must never change: the selector of a DaemonSet is immutable. */}}
{{- define "hostnorm.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hostnorm.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hostnorm.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "hostnorm.podLabels" . }}
{{- end }}

{{/* Without the version of the chart, so that a new chart alone does not replace pods, which may lose learned state. */}}
{{- define "hostnorm.podLabels" -}}
{{ include "hostnorm.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: metrics
app.kubernetes.io/part-of: {{ include "hostnorm.name" . }}
{{- with .Values.commonLabels }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}

{{/* Labels of what the Prometheus operator selects. Called with the root and more labels. */}}
{{- define "hostnorm.monitoringLabels" -}}
{{- $labels := include "hostnorm.labels" .root | fromYaml -}}
{{- with .root.Values.releaseLabel }}
{{- $_ := set $labels "release" (ternary . $.root.Release.Name (kindIs "string" .)) }}
{{- end }}
{{- toYaml (mergeOverwrite $labels .more) }}
{{- end }}

{{/* The namespace of rules and inhibitions. */}}
{{- define "hostnorm.alertNamespace" -}}
{{- default (include "hostnorm.namespace" .) .Values.prometheusRule.namespace }}
{{- end }}

{{/* Called with all values and those of one image. */}}
{{- define "hostnorm.image" -}}
{{- $registry := default .image.registry .Values.global.imageRegistry -}}
{{- with $registry }}{{ . }}/{{ end }}{{ .image.repository }}:{{ default .tag .image.tag }}
{{- with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "hostnorm.imagePullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - {{ ternary (dict "name" .) . (kindIs "string" .) | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{/* The port that hostnorm listens on; with kube-rbac-proxy it differs from the public port. */}}
{{- define "hostnorm.port" -}}
{{- ternary .Values.kubeRBACProxy.port .Values.service.port .Values.kubeRBACProxy.enabled | int }}
{{- end }}

{{- define "hostnorm.metricsPath" -}}
{{- dig "web" "telemetry_path" "/metrics" .Values.config }}
{{- end }}
