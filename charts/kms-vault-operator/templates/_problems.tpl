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
{{- if and (not (kindIs "bool" $v.tls.enable)) (or $v.tls.secretName $v.tls.configMapName) }}
tls.enable: set it to true, or {{ if $v.tls.secretName }}tls.secretName{{ else }}tls.configMapName{{ end }} means nothing.
{{- end }}
{{- $login := include "kms-vault-operator.login" . -}}
{{- $method := $v.vaultAuthenticationMethod -}}
{{- /* The logins that use a value of `auth`. */ -}}
{{- $users := dict "secretName" (list "approle" "cert" "github" "iam" "ldap" "token" "userpass") "role" (list "cert" "iam" "jwt" "kubernetes") "endpoint" (list "approle" "cert" "github" "iam" "jwt" "kubernetes" "ldap" "userpass") "audience" (list "jwt" "kubernetes") }}
{{- range $key, $logins := $users }}
{{- if and (get $v.auth $key) (not (has $login $logins)) }}
{{- $variable := get (dict "role" "VAULT_K8S_ROLE" "endpoint" "VAULT_K8S_LOGIN_ENDPOINT") $key }}
{{- if $v.authMethodVariables }}
auth.{{ $key }}: with authMethodVariables, the chart does not use it. Set only one of them; --set-json 'authMethodVariables=[]' removes the variables.
{{- else if and (eq $method "k8s") $variable }}
auth.{{ $key }}: without auth.audience, the method k8s does not use it. Set {{ $variable }} in authMethodVariables, or set auth.audience too.
{{- else }}
auth.{{ $key }}: the method {{ $method }} does not use it. Set it to "".
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
{{- if and $v.metrics.certManager (eq $v.metrics.secretName "kms-vault-operator-metrics-ca") }}
metrics.secretName: the Secret kms-vault-operator-metrics-ca is that of the authority. Choose another name.
{{- end }}
{{- range $path, $flags := dict "flags" $v.flags "validatingWebhook.flags" (merge dict $webhook.flags $v.flags) }}
{{- if not (or (get $flags "required-context") (get $flags "required-partial-context")) }}
{{- range $name := list "required-context-mode" "required-context-exempt" }}
{{- if get $flags $name }}
{{ $path }}: {{ $name }} needs required-context or required-partial-context.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $webhook.sidecar (not $webhook.enabled) }}
validatingWebhook.sidecar: set validatingWebhook.enabled too.
{{- end }}
{{- if and $webhook.sidecar $webhook.enabled }}
{{- range $path, $value := dict "podAnnotations" $webhook.podAnnotations "podLabels" $webhook.podLabels "nodeSelector" $webhook.nodeSelector "tolerations" $webhook.tolerations "affinity" $webhook.affinity "priorityClassName" $webhook.priorityClassName "serviceAccount.annotations" $webhook.serviceAccount.annotations "networkPolicy.extraEgress" $webhook.networkPolicy.extraEgress }}
{{- if $value }}
validatingWebhook.{{ $path }}: the sidecar is in the pods of the operator. Set {{ $path }} instead, and this to null.
{{- end }}
{{- end }}
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
{{- $ofLogin := get (include "kms-vault-operator.loginVariables" . | fromYaml) $login | default list }}
{{- range $path, $variables := dict "env" $v.env "aws.iamCredentialsSecrets" $v.aws.iamCredentialsSecrets "authMethodVariables" $v.authMethodVariables "validatingWebhook.env" $webhook.env }}
{{- range $variables }}
{{- if has .name (list "AWS_REGION" "VAULT_ADDR" "VAULT_SKIP_VERIFY" "VAULT_CACERT") }}
{{ $path }}: {{ .name }} has a value of its own: {{ get (dict "AWS_REGION" "aws.region" "VAULT_ADDR" "vault.address" "VAULT_SKIP_VERIFY" "tls.enable" "VAULT_CACERT" "tls.secretName or tls.configMapName") .name }}.
{{- end }}
{{- if has (trimSuffix "_FILE" .name) $ofLogin }}
{{ $path }}: {{ .name }}: the chart sets this for the method {{ $method }}. Use the values of auth, or set all variables of the login in authMethodVariables.
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
