{{/* Fails, with the next step, if a required value is missing. */}}
{{- define "hexabase.validate" -}}
{{- $values := .Values -}}
{{- $secret := printf "kubectl -n %s create secret generic" .Release.Namespace -}}
{{- $_ := required "publicUrl is required: set the URL under which users reach the server, as in --set publicUrl=https://hexabase.example.com" $values.publicUrl -}}
{{- $_ := required (printf "masterKey.existingSecret is required: create the Secret, keep a copy of the key elsewhere, and set the name:\n  %s hexabase-master-key --from-literal=%s=\"$(openssl rand -base64 32)\"" $secret $values.masterKey.key) $values.masterKey.existingSecret -}}
{{- if eq $values.mode "distributed" -}}
{{- if eq $values.host.type "sandbox" -}}
{{- fail "host.type sandbox requires the mode quick: separate processes do not share a sandbox" -}}
{{- end -}}
{{- if $values.database.cnpg.enabled -}}
{{- range $name, $user := dict "serverSecret" "hexabase_server" "ownerSecret" "hexabase_owner" -}}
{{- $role := trimPrefix "hexabase_" $user -}}
{{- $_ := required (printf "database.cnpg.%s is required: create the Secret and set the name:\n  %s hexabase-database-%s --type=kubernetes.io/basic-auth --from-literal=username=%s --from-literal=password=\"$(openssl rand -hex 24)\"" $name $secret $role $user) (get $values.database.cnpg $name) -}}
{{- end -}}
{{- else -}}
{{- range $name, $key := dict "existingSecret" $values.database.key "ownerSecret" $values.database.ownerKey -}}
{{- $role := ternary "owner" "server" (eq $name "ownerSecret") -}}
{{- $_ := required (printf "database.%s is required without database.cnpg.enabled: create the roles with deploy/postgres-roles.sh, then the Secret, and set the name:\n  %s hexabase-database%s --from-literal=%s='postgres://hexabase_%s:PASSWORD@HOST/hexabase?sslmode=verify-full'" $name $secret (ternary "-owner" "" (eq $role "owner")) $key $role) (get $values.database $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $example := dict "redis" "rediss://hexabase:PASSWORD@HOST:6379" "queue" "tls://USER:PASSWORD@HOST:4222" -}}
{{- $backend := get $values $name -}}
{{- $_ := required (printf "%s.url or %s.existingSecret is required: set the URL if it has no password, or create the Secret and set the name:\n  %s hexabase-%s --from-literal=%s='%s'" $name $name $secret (ternary "redis" "nats" (eq $name "redis")) $backend.key $example) (coalesce $backend.url $backend.existingSecret) -}}
{{- end -}}
{{- end -}}
{{- if eq $values.host.type "kubeconfig" -}}
{{- $_ := required (printf "host.existingSecret is required for the type kubeconfig: create the Secret and set the name:\n  %s hexabase-host --from-file=%s=HOST.KUBECONFIG" $secret $values.host.key) $values.host.existingSecret -}}
{{- if eq $values.mode "distributed" -}}
{{- $_ := required "host.server is required for the type kubeconfig: set the URL of the API server of the host, which the API processes check without credentials" $values.host.server -}}
{{- end -}}
{{- end -}}
{{- if $values.hostSetup.enabled -}}
{{- if or (ne .Release.Namespace "hexabase-system") (ne $values.host.serviceAccount "hexabase") $values.config.label_domain $values.config.gitops_namespaces (eq (toString $values.config.policy_reports) "kyverno") (eq (toString $values.config.scrape_tenants) "service-monitor") -}}
{{- fail (printf "hostSetup.enabled is for the ServiceAccount hexabase-system/hexabase and the default label domain, without service-monitor and namespaces for GitOps tools and policy reports: disable it, and run\n  hexabase host-setup --host-service-account %s/%s | kubectl apply --server-side -f -\nwith the same options as in config" .Release.Namespace $values.host.serviceAccount) -}}
{{- end -}}
{{- end -}}
{{- if and $values.smtp.existingSecret (not $values.config.mail_from) -}}
{{- fail "config.mail_from is required with smtp.existingSecret, as in --set config.mail_from=noreply@example.com" -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is required: name the Gateway, as in --set httpRoute.parentRefs[0].name=public,httpRoute.parentRefs[0].namespace=gateway" -}}
{{- end -}}
{{- if and $values.backup.cronJob.enabled (or (eq $values.mode "quick") $values.database.cnpg.enabled) -}}
{{- fail "backup.cronJob is for a PostgreSQL server of your own: use backup.cnpg with database.cnpg, and snapshots of the volume with the mode quick" -}}
{{- end -}}
{{- if and $values.backup.cnpg.enabled (not $values.database.cnpg.enabled) -}}
{{- fail "backup.cnpg requires database.cnpg.enabled: use backup.cronJob with a PostgreSQL server of your own" -}}
{{- end -}}
{{- end -}}
