{{/* The container of hostnorm. */}}
{{- define "hostnorm.container" -}}
name: hostnorm
image: {{ include "hostnorm.image" (dict "Values" .Values "image" .Values.image "tag" (printf "v%s" .Chart.AppVersion)) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.extraArgs }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.containerSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
env:
  {{- include "hostnorm.env" . | nindent 2 }}
{{- if not .Values.kubeRBACProxy.enabled }}
ports:
  - name: {{ .Values.service.portName }}
    containerPort: {{ include "hostnorm.port" . }}
    protocol: TCP
{{- end }}
livenessProbe:
  {{- include "hostnorm.probe" (dict "Values" .Values "probe" .Values.livenessProbe "path" "/-/healthy") | nindent 2 }}
readinessProbe:
  {{- include "hostnorm.probe" (dict "Values" .Values "probe" .Values.readinessProbe "path" "/-/ready") | nindent 2 }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "hostnorm.terminationMessage" . }}
volumeMounts:
  {{- include "hostnorm.volumeMounts" . | nindent 2 }}
{{- end }}

{{- define "hostnorm.terminationMessage" -}}
{{- with .Values.terminationMessageParams }}
{{- if .enabled }}
terminationMessagePath: {{ .terminationMessagePath }}
terminationMessagePolicy: {{ .terminationMessagePolicy }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hostnorm.env" -}}
- name: HOSTNORM_CONFIG__FILE
  value: /etc/hostnorm/hostnorm.yaml
{{- if not (or .Values.service.listenOnAllInterfaces .Values.kubeRBACProxy.enabled) }}
- name: HOST_IP
  valueFrom:
    fieldRef:
      fieldPath: status.hostIP
- name: HOSTNORM_WEB__LISTEN_ADDRESS
  value: "$(HOST_IP):{{ include "hostnorm.port" . }}"
{{- end }}
{{- if .Values.otlp.endpoint }}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .Values.otlp.endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .Values.otlp.protocol | quote }}
{{- if .Values.otlp.headersSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .Values.otlp.headersSecret.name }}
      key: {{ .Values.otlp.headersSecret.key }}
{{- end }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ include "hostnorm.resourceAttributes" . | quote }}
{{- end }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A probe; with kube-rbac-proxy it goes through the proxy. The kubelet has neither certificate nor password: where one may be needed, a command asks on the socket. */}}
{{- define "hostnorm.probe" -}}
failureThreshold: {{ .probe.failureThreshold }}
{{- if include "hostnorm.probesByCommand" . }}
exec:
  command: [hostnorm, health]
{{- else }}
httpGet:
  {{- with .probe.httpGet.httpHeaders }}
  httpHeaders:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  path: {{ .path }}
  {{- if .Values.kubeRBACProxy.enabled }}
  port: {{ .Values.service.port }}
  scheme: HTTPS
  {{- else }}
  port: {{ .Values.service.portName }}
  scheme: {{ ternary "HTTPS" (upper .probe.httpGet.scheme) (not (empty (include "hostnorm.servesTLS" .))) }}
  {{- end }}
{{- end }}
initialDelaySeconds: {{ .probe.initialDelaySeconds }}
periodSeconds: {{ .probe.periodSeconds }}
successThreshold: {{ .probe.successThreshold }}
timeoutSeconds: {{ .probe.timeoutSeconds }}
{{- end }}

{{- define "hostnorm.volumeMounts" -}}
- name: config
  mountPath: /etc/hostnorm
  readOnly: true
- name: {{ ternary "control" "store" (eq .Values.store.type "none") }}
  mountPath: /var/lib/hostnorm
{{- /* Logs are where links of /var/log/containers expect them. */}}
{{- range list (list "proc" "/host/proc" .Values.hostProcFsMount) (list "sys" "/host/sys" .Values.hostSysFsMount) (list "root" "/host/root" .Values.hostRootFsMount) (list "logs" "/var/log" .Values.hostLogsMount) }}
{{- if (last .).enabled }}
- name: {{ first . }}
  mountPath: {{ index . 1 }}
  {{- with (last .).mountPropagation }}
  mountPropagation: {{ . }}
  {{- end }}
  readOnly: true
{{- end }}
{{- end }}
{{- range .Values.extraHostVolumeMounts }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: {{ dig "readOnly" true . }}
  {{- with .mountPropagation }}
  mountPropagation: {{ . }}
  {{- end }}
{{- end }}
{{- if include "hostnorm.hasWebConfig" . }}
- name: web-config
  mountPath: /etc/hostnorm-web
  readOnly: true
{{- end }}
{{- if include "hostnorm.servesTLS" . }}
- name: tls
  mountPath: /etc/tls
  readOnly: true
{{- end }}
{{- range concat .Values.configmaps .Values.secrets }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
