{{/* Refuses values that were meant for the chart prometheus-node-exporter, and says what to set instead. */}}
{{- define "hostnorm.refuseNodeExporter" -}}
{{- $wrong := list -}}
{{- range .Files.Get "files/node-exporter-values.yaml" | fromYamlArray }}
{{- $value := $.Values }}
{{- range splitList "." .key }}
{{- if kindIs "map" $value }}
{{- $value = get $value . }}
{{- end }}
{{- end }}
{{- if and $value (ne (toJson $value) (toJson .default)) }}
{{- $wrong = append $wrong (printf "%s is a value of prometheus-node-exporter; %s" .key .instead) }}
{{- end }}
{{- end }}
{{- if contains "node-exporter" .Values.image.repository }}
{{- $wrong = append $wrong (printf "image.repository %s is not an image of hostnorm; remove image from the values" .Values.image.repository) }}
{{- end }}
{{- if and .Values.hostNetwork (eq (int .Values.service.port) 9100) }}
{{- $wrong = append $wrong "service.port 9100 is that of node_exporter on the node's network; remove service.port, or hostNetwork, which hostnorm does not need" }}
{{- end }}
{{- $flags := .Files.Get "files/collector-flags.txt" | splitList "\n" }}
{{- range .Values.extraArgs }}
{{- $flag := regexReplaceAll "^--|[= ].*$" . "" }}
{{- if and (regexMatch "^--(no-)?collector\\." .) (not (has $flag $flags)) }}
{{- $instead := "hostnorm has no such collector or option: remove it" }}
{{- range $.Files.Get "files/node-exporter-flags.yaml" | fromYamlArray }}
{{- if regexMatch (printf "^(no-)?collector\\.(%s)$" .flag) $flag }}
{{- $instead = .instead }}
{{- end }}
{{- end }}
{{- $wrong = append $wrong (printf "extraArgs: --%s is a flag of node_exporter; %s" $flag $instead) }}
{{- end }}
{{- end }}
{{- if eq (include "hostnorm.job" .) "node-exporter" "prometheus-node-exporter" }}
{{- $wrong = append $wrong (printf "the label job would be %s, that of node_exporter: remove jobLabel from prometheus.monitor and prometheus.podMonitor, or from podLabels and service.labels" (include "hostnorm.job" .)) }}
{{- end }}
{{- with $wrong }}
{{- fail (printf "\n%s" (join "\n" .)) }}
{{- end }}
{{- end }}
