{{/* Without a configuration file the proxy checks that the client may `get` the path, as the Prometheus of kube-prometheus-stack may. */}}
{{- define "hostnorm.kubeRBACProxy" -}}
{{- $proxy := .Values.kubeRBACProxy -}}
name: kube-rbac-proxy
image: {{ include "hostnorm.image" (dict "Values" .Values "image" $proxy.image) }}
imagePullPolicy: {{ $proxy.image.pullPolicy }}
args:
  - --secure-listen-address=:{{ .Values.service.port }}
  - --upstream=http://127.0.0.1:{{ $proxy.port }}/
  {{- /* Probes have no token. */}}
  - --ignore-paths=/-/healthy,/-/ready
  {{- if $proxy.tls.enabled }}
  {{- if not .Values.tlsSecret.enabled }}
  {{- fail "kubeRBACProxy.tls.enabled needs a certificate: set tlsSecret.enabled and tlsSecret.secretName" }}
  {{- end }}
  - --tls-cert-file=/etc/tls/{{ .Values.tlsSecret.certItem }}
  - --tls-private-key-file=/etc/tls/{{ .Values.tlsSecret.keyItem }}
  {{- if $proxy.tls.tlsClientAuth }}
  - --client-ca-file=/etc/tls/{{ required "kubeRBACProxy.tls.tlsClientAuth needs tlsSecret.caItem, the key of the authority that signs clients' certificates" .Values.tlsSecret.caItem }}
  {{- end }}
  {{- end }}
  {{- with $proxy.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $proxy.env }}
env:
  {{- range $name, $value := . }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml (default .Values.containerSecurityContext $proxy.containerSecurityContext) | nindent 2 }}
ports:
  - name: {{ .Values.service.portName }}
    containerPort: {{ .Values.service.port }}
    protocol: TCP
{{- with $proxy.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.tlsSecret.enabled }}
volumeMounts:
  - name: tls
    mountPath: /etc/tls
    readOnly: true
{{- end }}
{{- end }}
