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
{{- with $wrong }}
{{- fail (printf "\n%s" (join "\n" .)) }}
{{- end }}
{{- end }}
