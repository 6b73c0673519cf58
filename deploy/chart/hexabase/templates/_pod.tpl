{{/* Environment of the processes: (dict "root" $ "component" "api"). */}}
{{- define "hexabase.environment" -}}
{{- $values := .root.Values -}}
{{- $master := "/etc/hexabase/master-key" -}}
- name: HEXABASE_CONFIG
  value: /etc/hexabase/config/hexabase.toml
- name: HEXABASE_LISTEN
  value: {{ printf "%s:8080" $values.listenAddress | quote }}
- name: HEXABASE_METRICS_LISTEN
  value: {{ printf "%s:9090" $values.listenAddress | quote }}
{{- if eq .component "api" }}
# Only workers act on the host, so they scrape the API servers of tenants.
- name: HEXABASE_TENANT_SCRAPE_TARGETS
  value: {{ include "hexabase.fullname" .root }}-worker-metrics.{{ .root.Release.Namespace }}.svc:9090
{{- end }}
- name: HEXABASE_MASTER_KEY_FILE
  value: {{ $master }}/{{ $values.masterKey.key }}
{{- with $values.masterKey.additionalKeys }}
{{- $files := list }}
{{- range . }}{{ $files = append $files (printf "%s/%s" $master .) }}{{ end }}
- name: HEXABASE_ADDITIONAL_MASTER_KEY_FILES
  value: {{ join "," $files }}
{{- end }}
{{- if ne $values.host.type "sandbox" }}
- name: HEXABASE_KUBECONFIG
  {{- if eq .component "api" }}
  value: /etc/hexabase/config/api.kubeconfig
  {{- else if eq $values.host.type "in-cluster" }}
  value: /etc/hexabase/config/host.kubeconfig
  {{- else }}
  value: /etc/hexabase/host/{{ $values.host.key }}
  {{- end }}
{{- end }}
{{- if eq $values.mode "quick" }}
- name: HEXABASE_DATABASE_URL
  value: sqlite:///var/lib/hexabase/hexabase.db
{{- else }}
{{ include "hexabase.databaseVariables" (dict "root" .root "owner" false) }}
{{ include "hexabase.urlVariable" (list "HEXABASE_REDIS_URL" $values.redis .root) }}
{{ include "hexabase.urlVariable" (list "HEXABASE_NATS_URL" $values.queue .root) }}
{{- end }}
{{- with $values.stripe.existingSecret }}
{{ include "hexabase.secretVariable" (list "HEXABASE_STRIPE_SECRET_KEY" . "secret-key") }}
{{ include "hexabase.secretVariable" (list "HEXABASE_STRIPE_WEBHOOK_SECRET" . "webhook-secret") }}
{{- end }}
{{- with $values.smtp.existingSecret }}
{{ include "hexabase.secretVariable" (list "HEXABASE_SMTP_URL" . "url") }}
{{- end }}
{{- with $values.prometheus.existingSecret }}
{{ include "hexabase.secretVariable" (list "HEXABASE_PROMETHEUS_TOKEN" . "token" "optional") }}
{{ include "hexabase.secretVariable" (list "HEXABASE_PROMETHEUS_DISCOVERY_TOKEN" . "discovery-token" "optional") }}
{{- end }}
{{- with $values.loki.existingSecret }}
{{ include "hexabase.secretVariable" (list "HEXABASE_LOKI_TOKEN" . "token") }}
{{- end }}
{{- with $values.alertmanager.existingSecret }}
{{ include "hexabase.secretVariable" (list "HEXABASE_ALERTMANAGER_TOKEN" . "token" "optional") }}
{{ include "hexabase.secretVariable" (list "HEXABASE_ALERTMANAGER_WEBHOOK_TOKEN" . "webhook-token" "optional") }}
{{- end }}
{{- with $values.extraEnv }}
{{ tpl (toYaml .) $.root }}
{{- end }}
{{- end -}}

{{/* Volumes of the host: the ServiceAccount token for processes that act on it, the CA certificate for the API. */}}
{{- define "hexabase.hostVolume" -}}
{{- $host := .root.Values.host -}}
{{- if eq $host.type "in-cluster" -}}
- name: host
  projected:
    sources:
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      {{- if ne .component "api" }}
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      {{- end }}
{{- else if and (eq $host.type "kubeconfig") (ne .component "api") -}}
- name: host
  secret:
    secretName: {{ $host.existingSecret }}
{{- end -}}
{{- end -}}

{{/* Template of the pods of a server process: (dict "root" $ "component" "api" "command" "api" "values" .Values.api). */}}
{{- define "hexabase.pod" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $isQuick := eq .component "serve" -}}
metadata:
  labels:
    {{- include "hexabase.selectorLabels" . | nindent 4 }}
    app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "hexabase.configData" $root | sha256sum }}
    {{- with $values.secretChecksum }}
    checksum/secrets: {{ . | quote }}
    {{- end }}
    {{- with .values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  enableServiceLinks: false
  automountServiceAccountToken: false
  {{- if and (eq $values.host.type "in-cluster") (ne .component "api") }}
  serviceAccountName: {{ $values.host.serviceAccount }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "hexabase.podSecurityContext" $root | nindent 4 }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if not $isQuick }}
  {{- $spread := .values.topologySpreadConstraints }}
  {{- if not $spread }}
  {{- $spread = list }}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  {{- $spread = append $spread (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway") }}
  {{- end }}
  {{- end }}
  topologySpreadConstraints:
    {{- $selector := dict "matchLabels" (include "hexabase.selectorLabels" . | fromYaml) }}
    {{- range $spread }}
    - {{ toYaml (merge (dict "labelSelector" $selector) .) | nindent 6 | trim }}
    {{- end }}
  initContainers:
    - name: wait-for-schema
      image: {{ include "hexabase.image" $root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [migrate, --check, --wait, {{ $values.migrate.wait | quote }}]
      env:
        {{- include "hexabase.databaseVariables" (dict "root" $root "owner" false) | nindent 8 }}
      securityContext:
        {{- include "hexabase.securityContext" $root | nindent 8 }}
      resources:
        {{- toYaml $values.migrate.resources | nindent 8 }}
      {{- with include "hexabase.databaseMount" $root }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
  {{- end }}
  containers:
    - name: hexabase
      image: {{ include "hexabase.image" $root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [{{ .command }}]
      env:
        {{- include "hexabase.environment" . | nindent 8 }}
      {{- if or $values.providers.existingSecret $values.extraEnvFrom }}
      envFrom:
        {{- with $values.providers.existingSecret }}
        - secretRef:
            name: {{ . }}
        {{- end }}
        {{- with $values.extraEnvFrom }}
        {{- tpl (toYaml .) $root | nindent 8 }}
        {{- end }}
      {{- end }}
      ports:
        - name: http
          containerPort: 8080
        - name: metrics
          containerPort: 9090
      startupProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        # 503 only if requests need a backend that does not respond, which takes two seconds to find out.
        httpGet: { path: /readyz, port: http }
        periodSeconds: 5
        timeoutSeconds: 5
      {{- if gt (int $values.preStopSeconds) 0 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $values.preStopSeconds }}
      {{- end }}
      securityContext:
        {{- include "hexabase.securityContext" $root | nindent 8 }}
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/hexabase/config
          readOnly: true
        - name: master-key
          mountPath: /etc/hexabase/master-key
          readOnly: true
        - name: tmp
          mountPath: /tmp
        {{- if include "hexabase.hostVolume" . }}
        - name: host
          mountPath: /etc/hexabase/host
          readOnly: true
        {{- end }}
        {{- if $isQuick }}
        - name: data
          mountPath: /var/lib/hexabase
        {{- else }}
        {{- with include "hexabase.databaseMount" $root }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- tpl (toYaml .) $root | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "hexabase.fullname" $root }}
    - name: master-key
      secret:
        secretName: {{ $values.masterKey.existingSecret }}
        # 0440: readable by the group of the process only.
        defaultMode: 288
        items:
          {{- range prepend $values.masterKey.additionalKeys $values.masterKey.key }}
          - key: {{ . }}
            path: {{ . }}
          {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- with include "hexabase.hostVolume" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if $isQuick }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ default (printf "%s-data" (include "hexabase.fullname" $root)) $values.quick.persistence.existingClaim }}
    {{- else }}
    {{- with include "hexabase.databaseVolume" $root }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- tpl (toYaml .) $root | nindent 4 }}
    {{- end }}
{{- end -}}
