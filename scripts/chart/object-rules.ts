import type { ChartObject } from './chart-object.js';
import { addTo } from './rules.js';
import { at, baseValue, field, lines, text, type Tree } from './tree.js';

const OPERATOR = 'kms-vault-operator';
const WEBHOOK = 'kms-vault-validating-webhook';
const AT = '$v.validatingWebhook';

function map(tree: Tree, ...path: readonly (string | number)[]): Tree & { type: 'map' | 'list' } {
  const found = at(tree, ...path)?.value;
  if (found?.type !== 'map' && found?.type !== 'list') throw new Error(`no map or list at ${path.join('.')}`);
  return found;
}

/** The certificates of the webhook and of the metrics; those of the authorities are nobody's business. */
export function certificateRules({ name, tree }: ChartObject): void {
  if (name === `${OPERATOR}-metrics-tls`) {
    const secret = at(tree, 'spec', 'secretName');
    if (secret !== undefined) secret.value = text('{{ $v.metrics.secretName | quote }}');
  }
  if (name !== WEBHOOK) return;
  for (const key of ['duration', 'renewBefore']) {
    const one = at(tree, 'spec', key);
    if (one !== undefined) one.value = text(`{{ ${AT}.certManager.${key} | quote }}`);
  }
  const issuer = `${AT}.certManager.issuerRef`;
  const reference = map(tree, 'spec', 'issuerRef');
  for (const one of reference.members) {
    const own = String(baseValue(one.value));
    one.value = text(`{{ ternary "${own}" ${issuer}.${one.key ?? ''} $f.ownAuthority | quote }}`);
  }
}

/** Labels by which a Prometheus selects the object. */
export function serviceMonitorRules({ kind, name, tree }: ChartObject): void {
  const own =
    kind === 'ServiceMonitor' && name !== OPERATOR
      ? `${AT}.prometheusMonitoring.serviceMonitor.customLabels`
      : '$v.prometheusMonitoring.serviceMonitor.customLabels';
  addTo(
    map(tree, 'metadata'),
    'labels',
    'map',
    `(default $v.global.prometheusMonitoring.serviceMonitor.customLabels ${own})`,
    // By which many a Prometheus selects.
    ['app'],
  );
}

/** The authority of the protected metrics. */
export function secureMetricsRules({ tree }: ChartObject): void {
  const secret = at(tree, 'spec', 'endpoints', 0, 'tlsConfig', 'ca', 'secret', 'name');
  if (secret !== undefined) secret.value = text('{{ $v.metrics.secretName | quote }}');
}

/** The admission policy on contexts does what the flags of the programs say. */
export function requiredContextRules({ kind, tree }: ChartObject): void {
  const of = (flag: string): string => `include "kms-vault-operator.flagText" (list $v.flags "${flag}")`;
  if (kind === 'ConfigMap') {
    for (const one of map(tree, 'data').members)
      one.value = text(
        one.key === 'required-partial-context'
          ? '{{ include "kms-vault-operator.partialContext" $ | quote }}'
          : `{{ ${of(one.key ?? '')} | quote }}`,
      );
  }
  if (kind !== 'ValidatingAdmissionPolicyBinding') return;
  const actions = at(tree, 'spec', 'validationActions');
  if (actions !== undefined)
    actions.value = text(
      `{{ if eq (${of('required-context-mode')}) "audit" }}[Warn, Audit]{{ else }}[Deny]{{ end }}`,
    );
  const exempt = map(tree, 'spec', 'matchResources', 'namespaceSelector', 'matchExpressions', 0, 'values');
  exempt.members.push(
    lines(
      `{{- range ${of('required-context-exempt')} | splitList "," }}`,
      '{{- with trim . }}',
      '- {{ . | quote }}',
      '{{- end }}',
      '{{- end }}',
    ),
  );
}

export function networkPolicyRules({ name, tree }: ChartObject): void {
  if (name === WEBHOOK) addTo(map(tree, 'spec'), 'egress', 'list', `${AT}.networkPolicy.extraEgress`);
  if (name !== OPERATOR) return;
  addTo(map(tree, 'spec'), 'ingress', 'list', '$v.networkPolicy.extraIngress');
  addTo(map(tree, 'spec'), 'egress', 'list', '$v.networkPolicy.extraEgress');
}

export function webhookConfigurationRules({ tree }: ChartObject): void {
  const webhook = map(tree, 'webhooks', 0);
  const policy = field(webhook, 'failurePolicy');
  if (policy !== undefined) policy.value = text(`{{ ${AT}.failurePolicy }}`);
  const timeout = field(webhook, 'timeoutSeconds');
  if (timeout !== undefined)
    timeout.value = { type: 'override', by: `${AT}.timeoutSeconds`, inner: timeout.value };
  const client = map(webhook, 'clientConfig');
  client.members.push(
    lines(
      `{{- if not (has ${AT}.caBundle (list "" "Cg==")) }}`,
      `caBundle: {{ regexReplaceAll "\\\\s" ${AT}.caBundle "" | quote }}`,
      '{{- end }}',
    ),
  );
  const selector = map(webhook, 'namespaceSelector', 'matchExpressions');
  selector.members = [lines(`{{- toYaml ${AT}.namespaceSelectorExpressions | nindent @ }}`)];
}
