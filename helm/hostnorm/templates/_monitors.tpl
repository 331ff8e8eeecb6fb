{{/* The non-empty keys of a map. Called with the map as `of` and the `keys`, separated by spaces. */}}
{{- define "hostnorm.given" -}}
{{- $of := .of -}}
{{- $given := dict -}}
{{- range splitList " " .keys }}
{{- if index $of . }}
{{- $_ := set $given . (index $of .) }}
{{- end }}
{{- end }}
{{- with $given }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Two monitors, or one beside annotations that a Prometheus heeds, would scrape each host twice and duplicate alerts. */}}
{{- define "hostnorm.oneMonitor" -}}
{{- if and .Values.prometheus.monitor.enabled .Values.prometheus.podMonitor.enabled }}
{{- fail "prometheus.monitor and prometheus.podMonitor are both enabled: each host would be scraped twice; enable one of them" }}
{{- end }}
{{- if and .Values.prometheus.monitor.enabled (not .Values.service.enabled) }}
{{- fail "prometheus.monitor scrapes through the service: set service.enabled, or enable prometheus.podMonitor in its place" }}
{{- end }}
{{- if or .Values.prometheus.monitor.enabled .Values.prometheus.podMonitor.enabled }}
{{- range $key, $annotations := dict "service.annotations" .Values.service.annotations "podAnnotations" .Values.podAnnotations }}
{{- if eq (toString (index $annotations "prometheus.io/scrape")) "true" }}
{{- fail (printf "%s has prometheus.io/scrape beside a monitor: each host would be scraped twice, under two jobs; remove the annotation" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The name of the node is the instance; also where values of another chart say that there is no relabeling. */}}
{{- define "hostnorm.relabelings" -}}
{{- toYaml (default (list (dict "sourceLabels" (list "__meta_kubernetes_pod_node_name") "targetLabel" "instance")) .relabelings) }}
{{- end }}

{{/* The label job of series. The operator takes that of the service or pod, and its own name for a label that is missing or empty. */}}
{{- define "hostnorm.job" -}}
{{- $own := .Values.nameOverride | default .Chart.Name -}}
{{- $made := "" -}}
{{- if .Values.prometheus.podMonitor.enabled }}
{{- with .Values.prometheus.podMonitor.jobLabel }}
{{- $labels := merge (tpl (toYaml $.Values.podLabels) $ | fromYaml) (include "hostnorm.podLabels" $ | fromYaml) }}
{{- $made = get $labels . | default (printf "%s/%s" (default (include "hostnorm.namespace" $) $.Values.prometheus.podMonitor.namespace) (include "hostnorm.fullname" $)) }}
{{- end }}
{{- else if .Values.prometheus.monitor.enabled }}
{{- with .Values.prometheus.monitor.jobLabel }}
{{- $labels := merge (tpl (toYaml $.Values.service.labels) $ | fromYaml) (include "hostnorm.labels" $ | fromYaml) }}
{{- $made = get $labels . | default (include "hostnorm.fullname" $) }}
{{- end }}
{{- end }}
{{- .Values.prometheusRule.job | default $made | default $own }}
{{- end }}
