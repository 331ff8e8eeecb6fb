{{- define "hostnorm.remediate.name" -}}
{{- printf "%s-remediate" (include "hostnorm.fullname" . | trunc 53 | trimSuffix "-") }}
{{- end }}

{{/* Another name than that of the DaemonSet, whose selector must not choose these pods. */}}
{{- define "hostnorm.remediate.selectorLabels" -}}
app.kubernetes.io/name: {{ printf "%s-remediate" (include "hostnorm.name" . | trunc 53 | trimSuffix "-") }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hostnorm.remediate.podLabels" -}}
{{ include "hostnorm.remediate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: remediation
app.kubernetes.io/part-of: {{ include "hostnorm.name" . }}
{{- with .Values.commonLabels }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}

{{- define "hostnorm.remediate.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "hostnorm.remediate.podLabels" . }}
{{- end }}

{{/* The actions on the cluster that the rules name, such as "cordon_node,". */}}
{{- define "hostnorm.remediate.clusterActions" -}}
{{- range dig "rules" list .Values.remediate.config }}
{{- range .actions }}
{{- with .kubernetes }}
{{- if .cordon_node }}cordon_node,{{ end }}
{{- if .delete_pod }}delete_pod,{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
