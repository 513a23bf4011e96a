{{- /*
Puts into the values what is absent or null. With `helm upgrade --reuse-values`, Helm keeps the values of the installed
chart and does not merge the defaults of this one.
*/ -}}
{{- define "kms-vault-operator.fill" -}}
{{- range $key, $default := .defaults }}
{{- $value := get $.into $key }}
{{- if or (not (hasKey $.into $key)) (kindIs "invalid" $value) }}
{{- $_ := set $.into $key $default }}
{{- else if and (kindIs "map" $default) (kindIs "map" $value) }}
{{- include "kms-vault-operator.fill" (dict "into" $value "defaults" $default) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "kms-vault-operator.fail" -}}
{{- fail (printf "\n\n%s\n" .) -}}
{{- end -}}

{{- /* First in every template: afterwards every value is there and fits the others. */ -}}
{{- define "kms-vault-operator.prepare" -}}
{{- include "kms-vault-operator.fill" (dict "into" .Values "defaults" (include "kms-vault-operator.defaults" . | fromYaml)) -}}
{{- $problems := include "kms-vault-operator.problems" . | trim -}}
{{- if $problems }}{{ include "kms-vault-operator.fail" $problems }}{{ end -}}
{{- end -}}

{{- /* Verification of Vault's certificate is off only where somebody says so. */ -}}
{{- define "kms-vault-operator.skipVerify" -}}
{{- if and (kindIs "bool" .Values.tls.enable) (not .Values.tls.enable) }}true{{ else }}false{{ end -}}
{{- end -}}

{{- /* The component auth-<login> that sets the variables of the login; empty: none. */ -}}
{{- define "kms-vault-operator.login" -}}
{{- $v := .Values -}}
{{- if $v.authMethodVariables -}}
{{- else if ne $v.vaultAuthenticationMethod "k8s" }}{{ $v.vaultAuthenticationMethod -}}
{{- else if $v.auth.audience }}kubernetes{{ end -}}
{{- end -}}

{{- define "kms-vault-operator.features" -}}
{{- $v := .Values -}}
{{- $webhook := $v.validatingWebhook.enabled -}}
{{- $certManager := and $webhook $v.validatingWebhook.certManager.injectSecret -}}
{{- $monitoring := or $v.global.prometheusMonitoring.enable $v.prometheusMonitoring.enable -}}
crds: {{ $v.crds.enabled }}
leaderElection: {{ $v.leaderElection.enabled }}
login: {{ include "kms-vault-operator.login" . | quote }}
vaultCa: {{ eq (toString $v.tls.enable) "true" }}
namespaced: {{ not (empty $v.watchNamespaces) }}
webhook: {{ $webhook }}
sidecar: {{ and $webhook $v.validatingWebhook.sidecar }}
certManager: {{ $certManager }}
ownAuthority: {{ and $certManager (empty $v.validatingWebhook.certManager.issuerRef.name) }}
networkPolicy: {{ $v.networkPolicy.enabled }}
monitoring: {{ $monitoring }}
metricsSecure: {{ $v.metrics.secure }}
metricsCertManager: {{ and $v.metrics.secure $v.metrics.certManager }}
admissionPolicy: {{ $v.admissionPolicy.enabled }}
webhookMonitoring: {{ and $webhook (or $v.global.prometheusMonitoring.enable $v.validatingWebhook.prometheusMonitoring.enable) }}
{{- end -}}

{{- /* What the pods mount and the chart does not make: a JSON list of `Kind name`. */ -}}
{{- define "kms-vault-operator.mounted" -}}
{{- $v := .Values -}}
{{- $f := include "kms-vault-operator.features" . | fromYaml -}}
{{- $names := list -}}
{{- if has $f.login (list "approle" "cert" "github" "ldap" "token" "userpass") }}
{{- $names = append $names (printf "Secret %s" (default (printf "kms-vault-operator-%s" $f.login) $v.auth.secretName)) }}
{{- end }}
{{- if $f.vaultCa }}
{{- $names = append $names (ternary (printf "Secret %s" $v.tls.secretName) (printf "ConfigMap %s" $v.tls.configMapName) (not (empty $v.tls.secretName))) }}
{{- end }}
{{- if and $f.metricsSecure (not $f.metricsCertManager) }}{{ $names = append $names (printf "Secret %s" $v.metrics.secretName) }}{{ end }}
{{- if and $f.webhook (not $f.certManager) }}{{ $names = append $names (printf "Secret %s" $v.validatingWebhook.tls.secretName) }}{{ end }}
{{- toJson $names -}}
{{- end -}}

{{- /* Versions 0.x, with or without a v, are those of the Go operator. */ -}}
{{- define "kms-vault-operator.isOfGo" -}}
{{- if regexMatch "^v?0\\." (toString .) }}true{{ end -}}
{{- end -}}

{{- /* (list $ VERSION), with the version of one program */ -}}
{{- define "kms-vault-operator.image" -}}
{{- $root := index . 0 -}}
{{- $version := index . 1 | default $root.Values.global.imageVersion -}}
{{- if or (empty $version) (include "kms-vault-operator.isOfGo" $version) }}{{ $version = $root.Chart.AppVersion }}{{ end -}}
{{- $root.Values.image.repository }}:{{ $version }}{{ with $root.Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- /* Pods can sleep before they stop since Kubernetes 1.30. Not every server has a version that can be compared. */ -}}
{{- define "kms-vault-operator.canSleep" -}}
{{- if ge (regexFind "^[0-9]+" (toString .Capabilities.KubeVersion.Minor) | int) 30 }}true{{ end -}}
{{- end -}}

{{- /* (list NAME VALUE): a flag as the programs read it; empty when the value is null */ -}}
{{- define "kms-vault-operator.flag" -}}
{{- $name := index . 0 -}}
{{- $value := index . 1 -}}
{{- if kindIs "invalid" $value -}}
{{- else if kindIs "slice" $value }}{{ printf "--%s=%s" $name (join "," $value) -}}
{{- else if kindIs "float64" $value }}{{ printf "--%s=%s" $name (int64 $value | toString) -}}
{{- else }}{{ printf "--%s=%s" $name (toString $value) }}{{ end -}}
{{- end -}}

{{- /* (list FLAGS NAME): the text of a flag, empty when it is not set */ -}}
{{- define "kms-vault-operator.flagText" -}}
{{- $value := get (index . 0) (index . 1) -}}
{{- if kindIs "slice" $value }}{{ join "," $value }}{{ else if not (kindIs "invalid" $value) }}{{ $value }}{{ end -}}
{{- end -}}

{{- /* As the programs derive it: the pairs of required-context that say nothing of the name and the path. */ -}}
{{- define "kms-vault-operator.partialContext" -}}
{{- if and (hasKey .Values.flags "required-partial-context") (not (kindIs "invalid" (get .Values.flags "required-partial-context"))) }}
{{- include "kms-vault-operator.flagText" (list .Values.flags "required-partial-context") }}
{{- else }}
{{- $pairs := list }}
{{- range include "kms-vault-operator.flagText" (list .Values.flags "required-context") | splitList "," }}
{{- if not (regexMatch "[{][{](name|path)[}][}]" .) }}{{ $pairs = append $pairs . }}{{ end }}
{{- end }}
{{- join "," $pairs }}
{{- end }}
{{- end -}}

{{- define "kms-vault-operator.operatorFlags" -}}
{{- range $name, $value := .Values.flags }}
{{- with include "kms-vault-operator.flag" (list $name $value) }}
- {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "kms-vault-operator.webhookFlags" -}}
{{- $own := .Values.validatingWebhook.flags -}}
{{- range $name, $value := .Values.flags }}
{{- if and (has $name (include "kms-vault-operator.flagsOfWebhook" $ | fromYamlArray)) (not (hasKey $own $name)) }}
{{- with include "kms-vault-operator.flag" (list $name $value) }}
- {{ . | trimPrefix "-" | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := $own }}
{{- with include "kms-vault-operator.flag" (list $name $value) }}
- {{ . | trimPrefix "-" | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Longer than the shutdown of the program, with a pause before it: (list FLAGS DEFAULT) */ -}}
{{- define "kms-vault-operator.graceSeconds" -}}
{{- $grace := get (index . 0) "shutdown-grace-seconds" -}}
{{- if kindIs "invalid" $grace }}{{ index . 1 }}{{ else }}{{ max (index . 1) (add (int64 $grace) 15) }}{{ end -}}
{{- end -}}
