{{/* Not empty if hostnorm itself serves HTTPS. */}}
{{- define "hostnorm.servesTLS" -}}
{{- if and .Values.tlsSecret.enabled (not .Values.kubeRBACProxy.enabled) }}true{{ end }}
{{- end }}

{{/* Not empty if hostnorm has a web configuration file. */}}
{{- define "hostnorm.hasWebConfig" -}}
{{- if and .Values.rateLimit.interval .Values.basicAuth.existingSecret }}
{{- fail "the file of basicAuth.existingSecret is the whole web configuration; set rate_limit in it, not rateLimit" }}
{{- end }}
{{- if or (include "hostnorm.servesTLS" .) .Values.basicAuth.users .Values.basicAuth.existingSecret .Values.rateLimit.interval }}
{{- if and .Values.kubeRBACProxy.enabled (or .Values.basicAuth.users .Values.basicAuth.existingSecret) }}
{{- fail "kubeRBACProxy and basicAuth both authenticate clients; disable one of them" }}
{{- end }}
{{- print "true" }}
{{- end }}
{{- end }}

{{/* http or https, as clients see it. */}}
{{- define "hostnorm.scheme" -}}
{{- ternary "https" "http" (or .Values.kubeRBACProxy.enabled (not (empty (include "hostnorm.servesTLS" .)))) }}
{{- end }}

{{/* Not empty if /metrics is only for clients that prove who they are. */}}
{{- define "hostnorm.authenticates" -}}
{{- if or .Values.kubeRBACProxy.enabled .Values.basicAuth.users .Values.basicAuth.existingSecret (and (include "hostnorm.servesTLS" .) (eq .Values.tlsSecret.clientAuthType "RequireAndVerifyClientCert")) }}true{{ end }}
{{- end }}

{{/*
Not empty if a probe over the network may be refused: by a certificate or a password that hostnorm asks for, or by a file of the
user's own, of which the chart does not know whether it asks for HTTPS or certificates.
*/}}
{{- define "hostnorm.probesByCommand" -}}
{{- $certificate := and (include "hostnorm.servesTLS" .) (eq .Values.tlsSecret.clientAuthType "RequireAndVerifyClientCert") }}
{{- $password := and .Values.basicAuth.users (not (dig "web" "health_auth_exempt" true .Values.config)) }}
{{- if or $certificate $password .Values.basicAuth.existingSecret }}true{{ end }}
{{- end }}

{{/* The web configuration file. */}}
{{- define "hostnorm.webConfig" -}}
{{- if include "hostnorm.servesTLS" . }}
tls_server_config:
  cert_file: /etc/tls/{{ .Values.tlsSecret.certItem }}
  key_file: /etc/tls/{{ .Values.tlsSecret.keyItem }}
  {{- with .Values.tlsSecret.clientAuthType }}
  client_auth_type: {{ . }}
  client_ca_file: /etc/tls/{{ required "tlsSecret.clientAuthType needs tlsSecret.caItem, the key of the authority that signs clients' certificates" $.Values.tlsSecret.caItem }}
  {{- end }}
{{- end }}
{{- with .Values.basicAuth.users }}
basic_auth_users:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.rateLimit.interval }}
rate_limit:
  interval: {{ . }}
  burst: {{ int $.Values.rateLimit.burst }}
{{- end }}
{{- end }}
