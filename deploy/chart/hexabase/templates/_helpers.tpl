{{/* Prefix of the names of all objects. */}}
{{- define "hexabase.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of a release. They must never change: selectors of Deployments are immutable. */}}
{{- define "hexabase.releaseLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels that select the pods of a component: (dict "root" $ "component" "api"). */}}
{{- define "hexabase.selectorLabels" -}}
{{ include "hexabase.releaseLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of an object of a component. */}}
{{- define "hexabase.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "hexabase.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- define "hexabase.image" -}}
{{- $image := .Values.image -}}
{{- $name := printf "%s/%s" $image.registry $image.repository | trimPrefix "/" -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Host name of the public URL, without the port. */}}
{{- define "hexabase.publicHost" -}}
{{- (urlParse .Values.publicUrl).hostname -}}
{{- end -}}

{{- define "hexabase.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "hexabase.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Value of a key in TOML. Helm's own toToml writes whole numbers as floating-point numbers. */}}
{{- define "hexabase.tomlValue" -}}
{{- if kindIs "string" . -}}
{{- toJson . -}}
{{- else if kindIs "slice" . -}}
[{{ range $index, $item := . }}{{ if $index }}, {{ end }}{{ include "hexabase.tomlValue" $item }}{{ end }}]
{{- else if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* Configuration file of the processes. */}}
{{- define "hexabase.toml" -}}
{{- $options := dict "public_url" .Values.publicUrl -}}
{{- if eq .Values.host.type "in-cluster" -}}
{{- $_ := set $options "host_service_account" (printf "%s/%s" .Release.Namespace .Values.host.serviceAccount) -}}
{{- end -}}
{{- if .Values.plans -}}
{{- $_ := set $options "plans" "/etc/hexabase/config/plans.toml" -}}
{{- end -}}
{{- $options = merge (deepCopy .Values.config) $options -}}
{{- range $name := keys $options | sortAlpha }}
{{- $value := get $options $name }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ $name }} = {{ include "hexabase.tomlValue" $value }}
{{- end }}
{{- end }}
{{- range $kind := list "providers" "clients" "trusts" }}
{{- range $name, $table := index $options $kind }}

[{{ $kind }}.{{ toJson $name }}]
{{- range $key, $value := $table }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ include "hexabase.tomlValue" $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Kubeconfig of the host: (dict "server" … "authority" … "token" …), the last two being files or empty. */}}
{{- define "hexabase.kubeconfig" -}}
apiVersion: v1
kind: Config
current-context: host
clusters:
  - name: host
    cluster:
      server: {{ .server }}
      {{- with .authority }}
      certificate-authority: {{ . }}
      {{- end }}
contexts:
  - name: host
    context:
      cluster: host
      user: {{ if .token }}hexabase{{ else }}""{{ end }}
{{- with .token }}
users:
  - name: hexabase
    user:
      tokenFile: {{ . }}
{{- end }}
{{- end -}}

{{/* Variable of a container from a key of a Secret: (list NAME SECRET KEY), with a fourth item if the key is optional. */}}
{{- define "hexabase.secretVariable" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 }}
      {{- if gt (len .) 3 }}
      optional: true
      {{- end }}
{{- end -}}

{{- define "hexabase.databaseName" -}}
{{ include "hexabase.fullname" . }}-database
{{- end -}}

{{/* Variables with the URL of the database: (dict "root" $ "owner" true) for that of the owner. */}}
{{- define "hexabase.databaseVariables" -}}
{{- $database := .root.Values.database -}}
{{- if $database.cnpg.enabled -}}
{{- $user := ternary "hexabase_owner" "hexabase_server" .owner -}}
{{ include "hexabase.secretVariable" (list "DATABASE_PASSWORD" (ternary $database.cnpg.ownerSecret $database.cnpg.serverSecret .owner) "password") }}
- name: HEXABASE_DATABASE_URL
  value: postgres://{{ $user }}:$(DATABASE_PASSWORD)@{{ include "hexabase.databaseName" .root }}-rw.{{ .root.Release.Namespace }}.svc:5432/hexabase?sslmode=verify-full&sslrootcert=/etc/hexabase/database/ca.crt
{{- else if .owner -}}
{{ include "hexabase.secretVariable" (list "HEXABASE_DATABASE_URL" $database.ownerSecret $database.ownerKey) }}
{{- else -}}
{{ include "hexabase.secretVariable" (list "HEXABASE_DATABASE_URL" $database.existingSecret $database.key) }}
{{- end -}}
{{- end -}}

{{/* Mount of the CA certificates of the database. */}}
{{- define "hexabase.databaseMount" -}}
{{- if or .Values.database.cnpg.enabled .Values.database.caConfigMap -}}
- name: database
  mountPath: /etc/hexabase/database
  readOnly: true
{{- end -}}
{{- end -}}

{{/* CA certificates of the database; of CloudNativePG without the key of the CA. */}}
{{- define "hexabase.databaseVolume" -}}
{{- if .Values.database.cnpg.enabled -}}
- name: database
  secret:
    secretName: {{ include "hexabase.databaseName" . }}-ca
    items:
      - key: ca.crt
        path: ca.crt
{{- else if .Values.database.caConfigMap -}}
- name: database
  configMap:
    name: {{ .Values.database.caConfigMap }}
{{- end -}}
{{- end -}}

{{/* Variable of a backend with a URL in the values, as a template, or in a Secret: (list NAME VALUES ROOT). */}}
{{- define "hexabase.urlVariable" -}}
{{- $values := index . 1 -}}
{{- if $values.existingSecret -}}
{{ include "hexabase.secretVariable" (list (index . 0) $values.existingSecret $values.key) }}
{{- else -}}
- name: {{ index . 0 }}
  value: {{ tpl $values.url (index . 2) }}
{{- end -}}
{{- end -}}

{{/* Ports of a rule of a NetworkPolicy. */}}
{{- define "hexabase.policyPorts" -}}
{{- range $index, $port := . }}
{{- if $index }}{{ "\n" }}{{ end -}}
- port: {{ $port }}
{{- end }}
{{- end -}}

{{/* Content of the ConfigMap. */}}
{{- define "hexabase.configData" -}}
hexabase.toml: |
  {{- include "hexabase.toml" . | trim | nindent 2 }}
{{- with .Values.plans }}
plans.toml: |
  {{- . | nindent 2 }}
{{- end }}
{{- $host := .Values.host }}
{{- $cluster := dict "server" $host.server "authority" (ternary "/etc/hexabase/config/host-ca.crt" "" (ne $host.certificateAuthority "")) }}
{{- if eq $host.type "in-cluster" }}
{{- $cluster = dict "server" "https://kubernetes.default.svc" "authority" "/etc/hexabase/host/ca.crt" }}
host.kubeconfig: |
  {{- include "hexabase.kubeconfig" (merge (dict "token" "/etc/hexabase/host/token") $cluster) | nindent 2 }}
{{- end }}
{{- if eq .Values.mode "distributed" }}
api.kubeconfig: |
  {{- include "hexabase.kubeconfig" (merge (dict "token" "") $cluster) | nindent 2 }}
{{- with $host.certificateAuthority }}
host-ca.crt: |
  {{- . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Spec of the Job that migrates the database. */}}
{{- define "hexabase.migrateSpec" -}}
backoffLimit: {{ .Values.migrate.backoffLimit }}
{{- with .Values.migrate.ttlSecondsAfterFinished }}
ttlSecondsAfterFinished: {{ . }}
{{- end }}
template:
  metadata:
    labels:
      {{- include "hexabase.selectorLabels" (dict "root" . "component" "migrate") | nindent 6 }}
  spec:
    restartPolicy: Never
    enableServiceLinks: false
    automountServiceAccountToken: false
    securityContext:
      {{- include "hexabase.podSecurityContext" . | nindent 6 }}
    {{- with .Values.imagePullSecrets }}
    imagePullSecrets:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    containers:
      - name: migrate
        image: {{ include "hexabase.image" . }}
        imagePullPolicy: {{ .Values.image.pullPolicy }}
        args: [migrate]
        env:
          {{- include "hexabase.databaseVariables" (dict "root" . "owner" true) | nindent 10 }}
        securityContext:
          {{- include "hexabase.securityContext" . | nindent 10 }}
        resources:
          {{- toYaml .Values.migrate.resources | nindent 10 }}
        {{- with include "hexabase.databaseMount" . }}
        volumeMounts:
          {{- . | nindent 10 }}
        {{- end }}
    {{- with include "hexabase.databaseVolume" . }}
    volumes:
      {{- . | nindent 6 }}
    {{- end }}
{{- end -}}
