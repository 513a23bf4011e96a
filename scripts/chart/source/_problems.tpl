{{- /* One line for each value that cannot mean what it says; empty when all is well. */ -}}
{{- define "kms-vault-operator.problems" -}}
{{- $v := .Values -}}
{{- $webhook := $v.validatingWebhook -}}
{{- if $v.watchNamespace }}
watchNamespace: the Go operator ignored this value and watched all namespaces. To go on like that, set it to "". To watch only {{ $v.watchNamespace }}, set watchNamespaces to {{ splitList "," $v.watchNamespace | toJson }} and watchNamespace to "".
{{- end }}
{{- if eq (toString $v.tls.enable) "true" }}
{{- if and $v.tls.secretName $v.tls.configMapName }}
tls.configMapName: set either this or tls.secretName.
{{- else if not (or $v.tls.secretName $v.tls.configMapName) }}
tls.secretName: with tls.enable, set this or tls.configMapName.
{{- end }}
{{- end }}
{{- if and (kindIs "invalid" $v.tls.enable) (or $v.tls.secretName $v.tls.configMapName) }}
tls.enable: set it to true, or {{ if $v.tls.secretName }}tls.secretName{{ else }}tls.configMapName{{ end }} means nothing.
{{- end }}
{{- if and (eq $v.vaultAuthenticationMethod "k8s") (not $v.auth.audience) (not $v.authMethodVariables) }}
{{- range $key, $name := dict "role" "VAULT_K8S_ROLE" "endpoint" "VAULT_K8S_LOGIN_ENDPOINT" }}
{{- if get $v.auth $key }}
auth.{{ $key }}: without auth.audience, the method k8s does not use it. Set {{ $name }} in authMethodVariables, or set auth.audience too.
{{- end }}
{{- end }}
{{- end }}
{{- if and (not $v.leaderElection.enabled) (not (kindIs "invalid" $v.replicas)) }}
{{- if gt (int64 $v.replicas) 1 }}
replicas: without leaderElection.enabled, {{ int64 $v.replicas }} replicas would all write to Vault. Set it to 1.
{{- end }}
{{- end }}
{{- if and $v.metrics.certManager (not $v.metrics.secure) }}
metrics.certManager: set metrics.secure too.
{{- end }}
{{- if and $webhook.sidecar (not $webhook.enabled) }}
validatingWebhook.sidecar: set validatingWebhook.enabled too.
{{- end }}
{{- if and $webhook.enabled $webhook.certManager.injectSecret (ne $webhook.certManager.apiVersion "cert-manager.io/v1") }}
validatingWebhook.certManager.apiVersion: no cert-manager since 1.6 serves {{ $webhook.certManager.apiVersion }}. Set it to cert-manager.io/v1.
{{- end }}
{{- if and $webhook.enabled (not $webhook.sidecar) $v.serviceAccount.create $webhook.serviceAccount.create (eq $webhook.serviceAccount.name $v.serviceAccount.name) }}
validatingWebhook.serviceAccount.name: it is that of the operator. Set validatingWebhook.serviceAccount.create to false.
{{- end }}
{{- range $path, $labels := dict "podLabels" $v.podLabels "validatingWebhook.podLabels" $webhook.podLabels "global.prometheusMonitoring.serviceMonitor.customLabels" $v.global.prometheusMonitoring.serviceMonitor.customLabels "prometheusMonitoring.serviceMonitor.customLabels" $v.prometheusMonitoring.serviceMonitor.customLabels "validatingWebhook.prometheusMonitoring.serviceMonitor.customLabels" $webhook.prometheusMonitoring.serviceMonitor.customLabels }}
{{- range $name, $_ := $labels }}
{{- if or (and (eq $name "app") (hasSuffix "podLabels" $path)) (has $name (list "app.kubernetes.io/name" "app.kubernetes.io/version" "app.kubernetes.io/component" "app.kubernetes.io/part-of" "app.kubernetes.io/managed-by")) }}
{{ $path }}: the chart sets the label {{ $name }} itself. Choose another one.
{{- end }}
{{- end }}
{{- end }}
{{- range $path, $variables := dict "env" $v.env "aws.iamCredentialsSecrets" $v.aws.iamCredentialsSecrets "authMethodVariables" $v.authMethodVariables "validatingWebhook.env" $webhook.env }}
{{- range $variables }}
{{- if has .name (list "AWS_REGION" "VAULT_ADDR" "VAULT_SKIP_VERIFY" "VAULT_CACERT") }}
{{ $path }}: {{ .name }} has a value of its own: {{ get (dict "AWS_REGION" "aws.region" "VAULT_ADDR" "vault.address" "VAULT_SKIP_VERIFY" "tls.enable" "VAULT_CACERT" "tls.secretName or tls.configMapName") .name }}.
{{- end }}
{{- end }}
{{- end }}
{{- include "kms-vault-operator.repeated" (list "authMethodVariables, aws.iamCredentialsSecrets and env" (concat $v.authMethodVariables $v.aws.iamCredentialsSecrets $v.env)) }}
{{- include "kms-vault-operator.repeated" (list "aws.iamCredentialsSecrets and validatingWebhook.env" (concat $v.aws.iamCredentialsSecrets $webhook.env)) }}
{{- end -}}

{{- /* (list WHERE VARIABLES): the API server keeps two variables of one name, and a later upgrade may remove both. */ -}}
{{- define "kms-vault-operator.repeated" -}}
{{- $seen := dict }}
{{- range index . 1 }}
{{- if hasKey $seen .name }}
{{ index $ 0 }}: {{ .name }} is there twice.
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- end -}}
