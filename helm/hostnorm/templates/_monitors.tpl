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

{{/* Two monitors would scrape each host twice and duplicate alerts. */}}
{{- define "hostnorm.oneMonitor" -}}
{{- if and .Values.prometheus.monitor.enabled .Values.prometheus.podMonitor.enabled }}
{{- fail "prometheus.monitor and prometheus.podMonitor are both enabled: each host would be scraped twice; enable one of them" }}
{{- end }}
{{- if and .Values.prometheus.monitor.enabled (not .Values.service.enabled) }}
{{- fail "prometheus.monitor scrapes through the service: set service.enabled, or enable prometheus.podMonitor in its place" }}
{{- end }}
{{- end }}

{{/* The name of the node is the instance; also where values of another chart say that there is no relabeling. */}}
{{- define "hostnorm.relabelings" -}}
{{- toYaml (default (list (dict "sourceLabels" (list "__meta_kubernetes_pod_node_name") "targetLabel" "instance")) .relabelings) }}
{{- end }}
