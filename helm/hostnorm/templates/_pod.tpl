{{- define "hostnorm.volumes" -}}
- name: config
  configMap:
    name: {{ include "hostnorm.fullname" . }}
{{- if eq .Values.store.type "none" }}
- name: control
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- else if eq .Values.store.type "emptyDir" }}
- name: store
  emptyDir:
    {{- toYaml .Values.store.emptyDir | nindent 4 }}
{{- else if eq .Values.store.type "hostPath" }}
- name: store
  hostPath:
    path: {{ .Values.store.hostPath.path }}
    {{- /* A directory created by the kubelet belongs to root. Without the init container it must exist. */}}
    type: {{ ternary "DirectoryOrCreate" "Directory" .Values.store.hostPath.chown.enabled }}
{{- end }}
{{- range list (list "proc" "/proc" .Values.hostProcFsMount) (list "sys" "/sys" .Values.hostSysFsMount) (list "root" "/" .Values.hostRootFsMount) (list "logs" "/var/log" .Values.hostLogsMount) }}
{{- if (last .).enabled }}
- name: {{ first . }}
  hostPath:
    path: {{ index . 1 }}
{{- end }}
{{- end }}
{{- range .Values.extraHostVolumeMounts }}
- name: {{ .name }}
  hostPath:
    path: {{ .hostPath }}
    {{- with .type }}
    type: {{ . }}
    {{- end }}
{{- end }}
{{- range .Values.configmaps }}
- name: {{ .name }}
  configMap:
    name: {{ .name }}
{{- end }}
{{- range .Values.secrets }}
- name: {{ .name }}
  secret:
    secretName: {{ .name }}
{{- end }}
{{- if .Values.tlsSecret.enabled }}
- name: tls
  secret:
    secretName: {{ tpl .Values.tlsSecret.secretName . | quote }}
    items:
      {{- range compact (list .Values.tlsSecret.certItem .Values.tlsSecret.keyItem .Values.tlsSecret.caItem) }}
      - key: {{ . | quote }}
        path: {{ . | quote }}
      {{- end }}
{{- end }}
{{- if include "hostnorm.hasWebConfig" . }}
- name: web-config
  secret:
    {{- if .Values.basicAuth.existingSecret }}
    secretName: {{ tpl .Values.basicAuth.existingSecret . | quote }}
    {{- else }}
    secretName: {{ printf "%s-web-config" (include "hostnorm.fullname" . | trunc 52 | trimSuffix "-") }}
    {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Changes the owner of the directory on the node to hostnorm's user. Root with this one capability. */}}
{{- define "hostnorm.chown" -}}
name: own-the-store
image: {{ include "hostnorm.image" (dict "Values" .Values "image" .Values.store.hostPath.chown.image) }}
imagePullPolicy: {{ .Values.store.hostPath.chown.image.pullPolicy }}
command: [chown, "{{ int .Values.securityContext.runAsUser }}:{{ int .Values.securityContext.runAsGroup }}", /var/lib/hostnorm]
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    add: [CHOWN]
    drop: [ALL]
  readOnlyRootFilesystem: true
  runAsGroup: 0
  runAsNonRoot: false
  runAsUser: 0
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.store.hostPath.chown.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: store
    mountPath: /var/lib/hostnorm
{{- end }}

{{/* Virtual nodes do not run DaemonSets, and an image for another architecture ends with an exec format error. */}}
{{- define "hostnorm.affinity" -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - key: eks.amazonaws.com/compute-type
            operator: NotIn
            values: [fargate]
          - key: type
            operator: NotIn
            values: [virtual-kubelet]
          {{- with .Values.image.architectures }}
          - key: kubernetes.io/arch
            operator: In
            values: {{ toJson . }}
          {{- end }}
{{- end }}
