{{/*
The settings file. Settings are in a file and not in arguments, so that commands (kubectl exec … -- hostnorm episodes)
find the same store and paths.
*/}}
{{- define "hostnorm.settings" -}}
{{- $path := dict -}}
{{- $collector := dict -}}
{{- if .Values.hostProcFsMount.enabled }}
{{- $_ := set $path "procfs" "/host/proc" }}
{{- else if not .Values.hostNetwork }}
{{- /* Process 1 and its network are the container's. */ -}}
{{- $_ := set $collector "network" false }}
{{- $_ := set $collector "tcp" false }}
{{- end }}
{{- if .Values.hostSysFsMount.enabled }}
{{- $_ := set $path "sysfs" "/host/sys" }}
{{- end }}
{{- if .Values.hostRootFsMount.enabled }}
{{- $_ := set $path "rootfs" "/host/root" }}
{{- else }}
{{- $_ := set $collector "filesystem" false }}
{{- end }}
{{- $storage := dict "path" (ternary "off" "/var/lib/hostnorm" (eq .Values.store.type "none")) -}}
{{- $made := dict "storage" $storage -}}
{{- $web := dict -}}
{{- if .Values.kubeRBACProxy.enabled }}
{{- $_ := set $web "listen_address" (list (printf "127.0.0.1:%s" (include "hostnorm.port" .))) }}
{{- else if .Values.service.listenOnAllInterfaces }}
{{- $_ := set $web "listen_address" (list (printf ":%s" (include "hostnorm.port" .))) }}
{{- end }}
{{- if eq .Values.store.type "none" }}
{{- /* Commands need a socket, and there is no store directory for it. */ -}}
{{- $_ := set $web "control_socket" "/var/lib/hostnorm/hostnorm.sock" }}
{{- end }}
{{- if include "hostnorm.hasWebConfig" . }}
{{- $_ := set $web "config_file" "/etc/hostnorm-web/web-config.yml" }}
{{- end }}
{{- with $web }}{{ $_ := set $made "web" . }}{{ end }}
{{- with $path }}{{ $_ := set $made "path" . }}{{ end }}
{{- with $collector }}{{ $_ := set $made "collector" . }}{{ end }}
{{- toYaml (mergeOverwrite $made (deepCopy .Values.config)) }}
{{- end }}

{{/* Node and pod of a trace. Commas and equals signs in values would end them. */}}
{{- define "hostnorm.resourceAttributes" -}}
{{- $all := list "host.name=$(NODE_NAME)" "k8s.node.name=$(NODE_NAME)" "k8s.pod.name=$(POD_NAME)" -}}
{{- $all = append $all (printf "k8s.namespace.name=%s" (include "hostnorm.namespace" .)) -}}
{{- $all = append $all (printf "k8s.daemonset.name=%s" (include "hostnorm.fullname" .)) -}}
{{- $all = append $all "k8s.container.name=hostnorm" -}}
{{- range $key, $value := .Values.otlp.resourceAttributes }}
{{- $all = append $all (printf "%s=%s" $key ($value | replace "%" "%25" | replace "," "%2C" | replace "=" "%3D")) -}}
{{- end }}
{{- join "," $all }}
{{- end }}
