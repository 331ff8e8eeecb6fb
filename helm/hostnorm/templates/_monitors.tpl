{{/* Those keys of a map that are not empty, as they are. Called with the map as `of` and the `keys`, separated by spaces. */}}
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

{{/* Prometheus would scrape each host twice, and alerts would come twice. */}}
{{- define "hostnorm.oneMonitor" -}}
{{- if and .Values.prometheus.monitor.enabled .Values.prometheus.podMonitor.enabled }}
{{- fail "prometheus.monitor and prometheus.podMonitor are both enabled: each host would be scraped twice; enable one of them" }}
{{- end }}
{{- if and .Values.prometheus.monitor.enabled (not .Values.service.enabled) }}
{{- fail "prometheus.monitor scrapes through the service: set service.enabled, or enable prometheus.podMonitor in its place" }}
{{- end }}
{{- end }}
