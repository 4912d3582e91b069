{{- /* Names, labels and what all pods have in common. Each takes a dict of root and component. */ -}}

{{- define "lineside.name" -}}
{{ .root.Release.Name | trunc 50 | trimSuffix "-" }}-{{ .component }}
{{- end }}

{{- define "lineside.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "lineside.labels" -}}
{{ include "lineside.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- /* What every pod begins with; takes the user beside. */ -}}
{{- define "lineside.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "lineside.closed" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* 288 is 0440: the authority's key is refused where others may read it. */ -}}
{{- define "lineside.secret" -}}
- name: {{ .volume }}
  secret: {secretName: {{ .secret }}, defaultMode: 288}
{{- end }}

{{- define "lineside.database.host" -}}
{{ .Values.database.host | default (include "lineside.name" (dict "root" . "component" "database")) }}
{{- end }}

{{- define "lineside.database.sslmode" -}}
{{- /* In the cluster a policy lets none but the hub reach it. */ -}}
{{ ternary .Values.database.sslmode "disable" (eq .Values.database.kind "external") }}
{{- end }}

{{- define "lineside.broker.host" -}}
{{ .Values.broker.host | default (include "lineside.name" (dict "root" . "component" "broker")) }}
{{- end }}

{{- /* What every process of the hub is told, as a map. */ -}}
{{- define "lineside.settings" -}}
LINESIDE_HUB_DATA_DIR: /var/lib/lineside
LINESIDE_HUB_LOG: json
LINESIDE_HUB_DATABASE__HOST: {{ include "lineside.database.host" . | quote }}
LINESIDE_HUB_DATABASE__PORT: {{ .Values.database.port | quote }}
LINESIDE_HUB_DATABASE__NAME: {{ .Values.database.name | quote }}
LINESIDE_HUB_DATABASE__SSLMODE: {{ include "lineside.database.sslmode" . | quote }}
LINESIDE_HUB_DATABASE__PASSWORDS_DIR: /run/secrets/database
{{- if .Values.database.authoritySecret }}
PGSSLROOTCERT: /run/secrets/database-authority/ca.crt
{{- end }}
LINESIDE_HUB_BROKER__HOST: {{ include "lineside.broker.host" . | quote }}
LINESIDE_HUB_BROKER__PORT: {{ .Values.broker.port | quote }}
LINESIDE_HUB_BROKER__CA_FILE: /run/secrets/broker/ca.crt
LINESIDE_HUB_BROKER__CERT_FILE: /run/secrets/broker/hub.crt
LINESIDE_HUB_BROKER__KEY_FILE: /run/secrets/broker/hub.key
LINESIDE_HUB_INGEST__SHARED: "true"
LINESIDE_HUB_CA__CERT_FILE: /run/secrets/authority/ca.crt
LINESIDE_HUB_CA__KEY_FILE: /run/secrets/authority/ca.key
LINESIDE_HUB_API__HOST: 0.0.0.0
LINESIDE_HUB_API__PORT: "8080"
LINESIDE_HUB_API__TOKEN_FILE: /run/secrets/api/token
{{- if .Values.hub.api.tlsSecret }}
LINESIDE_HUB_API__CERT_FILE: /run/secrets/tls/tls.crt
LINESIDE_HUB_API__KEY_FILE: /run/secrets/tls/tls.key
{{- end }}
LINESIDE_HUB_MONITORING__HOST: 0.0.0.0
LINESIDE_HUB_MONITORING__PORT: "9464"
{{- end }}

{{- /* A process of the hub: the pod's template. Takes the parts it runs and the secrets it reads
    (by their names in values), what runs before it, and its resources. */ -}}
{{- define "lineside.hub" -}}
metadata:
  labels:
    {{- include "lineside.labels" . | nindent 4 }}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "9464"
    # Settings changed: made anew.
    checksum/settings: {{ include (print .root.Template.BasePath "/settings.yaml") .root | sha256sum }}
spec:
  {{- include "lineside.pod" (merge (dict "user" 10001) .) | nindent 2 }}
  {{- with .before }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ .root.Values.hub.image }}
      args: [serve{{ range .parts }}, --only, {{ . }}{{ end }}]
      envFrom: [{configMapRef: {name: {{ include "lineside.name" (dict "root" .root "component" "hub") }}}}]
      ports:
        {{- if has "api" .parts }}
        - {name: http, containerPort: 8080}
        {{- end }}
        - {name: monitoring, containerPort: 9464}
      securityContext:
        {{- include "lineside.closed" . | nindent 8 }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      # The database may still be making itself, or the schema be brought up to date. The API is
      # asked by the port that it is there for.
      {{- $port := "port: monitoring" }}
      {{- if has "api" .parts }}
      {{- $port = printf "port: http, scheme: %s" (ternary "HTTPS" "HTTP" (ne .root.Values.hub.api.tlsSecret "")) }}
      {{- end }}
      startupProbe:
        httpGet: {path: /healthz, {{ $port }}}
        failureThreshold: 60
        periodSeconds: 5
      livenessProbe:
        httpGet: {path: /healthz, {{ $port }}}
        periodSeconds: 20
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /readyz, {{ $port }}}
        periodSeconds: 10
        timeoutSeconds: 5
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: data, mountPath: /var/lib/lineside}
        {{- range .secrets }}
        - {name: {{ . }}, mountPath: /run/secrets/{{ . }}, readOnly: true}
        {{- end }}
        {{- if and (has "api" .parts) .root.Values.hub.api.tlsSecret }}
        - {name: tls, mountPath: /run/secrets/tls, readOnly: true}
        {{- end }}
        {{- if .root.Values.database.authoritySecret }}
        - {name: database-authority, mountPath: /run/secrets/database-authority, readOnly: true}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {}}
    - {name: data, emptyDir: {}}
    {{- range .secrets }}
    {{- include "lineside.secret" (dict "volume" . "secret" (get $.root.Values.hub.secrets .)) | nindent 4 }}
    {{- end }}
    {{- if and (has "api" .parts) .root.Values.hub.api.tlsSecret }}
    {{- include "lineside.secret" (dict "volume" "tls" "secret" .root.Values.hub.api.tlsSecret) | nindent 4 }}
    {{- end }}
    {{- with .root.Values.database.authoritySecret }}
    {{- include "lineside.secret" (dict "volume" "database-authority" "secret" .) | nindent 4 }}
    {{- end }}
    {{- if .before }}
    {{- include "lineside.secret" (dict "volume" "superuser" "secret" .root.Values.database.superuserSecret) | nindent 4 }}
    {{- end }}
{{- end }}
