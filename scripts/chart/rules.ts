import type { ChartObject } from './chart-object.js';
import {
  certificateRules,
  networkPolicyRules,
  requiredContextRules,
  secureMetricsRules,
  serviceMonitorRules,
  webhookConfigurationRules,
} from './object-rules.js';
import { podRules } from './pod-rules.js';
import { at, baseValue, ensure, field, lines, member, type Member, text, type Tree, widen } from './tree.js';

const OPERATOR = 'kms-vault-operator';
const WEBHOOK = 'kms-vault-validating-webhook';
const METRICS = `${OPERATOR}-metrics`;
const NAMESPACE = 'vault';
const DASHBOARD = `${OPERATOR}-dashboard`;

/** Puts the values of the chart into the objects. */
export function applyRules(objects: readonly ChartObject[]): void {
  for (const object of objects) {
    visit(object.tree, (one) => {
      namespaceRule(one);
      labelRule(one);
    });
    accountRules(object);
    // After the rules above: `vault` as a namespace, and not as part of a template.
    if (object.kind === 'Deployment') podRules(object);
    if (object.kind === 'Certificate') certificateRules(object);
    if (object.kind === 'ServiceMonitor' || object.kind === 'PrometheusRule') serviceMonitorRules(object);
    if (object.kind === 'ServiceMonitor') secureMetricsRules(object);
    if (object.name === `${OPERATOR}-required-context`) requiredContextRules(object);
    if (object.kind === 'NetworkPolicy') networkPolicyRules(object);
    if (object.kind === 'ValidatingWebhookConfiguration') webhookConfigurationRules(object);
    conditionRules(object);
    if (object.name === DASHBOARD) dashboardRule(object);
  }
}

function visit(tree: Tree, rule: (one: Member) => void): void {
  if (tree.type === 'choice') {
    visit(tree.then, rule);
    visit(tree.otherwise, rule);
  }
  if (tree.type !== 'map' && tree.type !== 'list') return;
  for (const one of tree.members) {
    rule(one);
    visit(one.value, rule);
  }
}

/** The namespace of the release, by itself and in names that contain it. */
function namespaceRule(one: Member): void {
  const value = one.value.type === 'leaf' ? one.value.value : undefined;
  if (typeof value !== 'string') return;
  if (one.key === 'namespace' && value === NAMESPACE) one.value = text('{{ $.Release.Namespace | quote }}');
  else if (value.startsWith(`${NAMESPACE}/${WEBHOOK}`))
    one.value = text(`{{ $.Release.Namespace }}${value.slice(NAMESPACE.length)}`);
  for (const service of [WEBHOOK, METRICS]) {
    const host = `${service}.${NAMESPACE}`;
    if (value.startsWith(host))
      one.value = text(`${service}.{{ $.Release.Namespace }}${value.slice(host.length)}`);
  }
}

function labelRule(one: Member): void {
  if (one.key === 'app.kubernetes.io/version') one.value = text('{{ $.Chart.AppVersion | quote }}');
  if (one.key === 'app.kubernetes.io/managed-by') one.value = text('{{ $.Release.Service | quote }}');
}

/** Names of the service accounts, where they are made and where they are named. */
function accountRules({ kind, name, tree }: ChartObject): void {
  const valuesOf = (account: string): string =>
    account === OPERATOR ? '$v.serviceAccount' : '$v.validatingWebhook.serviceAccount';
  const rename = (one: Member | undefined): void => {
    if (one === undefined) return;
    const account = String(baseValue(one.value));
    if (account === OPERATOR || account === WEBHOOK)
      one.value = text(`{{ ${valuesOf(account)}.name | quote }}`);
  };
  if (kind === 'ServiceAccount') {
    rename(at(tree, 'metadata', 'name'));
    const annotations = `${valuesOf(name)}.annotations`;
    addLines(ensure(at(tree, 'metadata')?.value ?? tree, 'annotations', 'map', annotations), annotations);
  }
  if (kind === 'Deployment') rename(at(tree, 'spec', 'template', 'spec', 'serviceAccountName'));
  if (kind.endsWith('RoleBinding')) {
    const subjects = at(tree, 'subjects')?.value;
    if (subjects?.type === 'list') for (const { value } of subjects.members) rename(field(value, 'name'));
  }
}

/**
 * Adds what a value holds, a map or a list, where the value is not empty.
 *
 * @param replaces keys of the manifest that the value may have, too; others must not be in it.
 */
export function addLines(tree: Tree, value: string, replaces: readonly string[] = []): void {
  if (tree.type !== 'map' && tree.type !== 'list') throw new Error(`${value}: not into ${tree.type}`);
  for (const { key = '', unless } of tree.members)
    if (replaces.includes(key)) unless.push(`hasKey ${value} "${key}"`);
  tree.members.push(lines(`{{- with ${value} }}`, '{{- toYaml . | nindent @ }}', '{{- end }}'));
}

/** Adds it to a field that may not be there without it. */
export function addTo(
  tree: Tree,
  key: string,
  type: 'map' | 'list',
  value: string,
  replaces: readonly string[] = [],
): void {
  const found = field(tree, key);
  if (found !== undefined && found.when.length > 0) widen(found, value);
  addLines(ensure(tree, key, type, found === undefined ? value : undefined), value, replaces);
}

/** Objects that a value of their own adds or leaves out. */
function conditionRules(object: ChartObject): void {
  const { kind, name } = object;
  const only = (condition: string): void => {
    const [own] = object.when;
    object.when = [own === undefined ? condition : `and ${bracketed(own)} ${bracketed(condition)}`];
  };
  if (name === `${OPERATOR}-webhook` && kind === 'ServiceMonitor') object.when = ['$f.webhookMonitoring'];
  if (kind === 'NetworkPolicy' && name === WEBHOOK) only('$f.webhook');
  if (kind === 'PrometheusRule') only('$v.prometheusMonitoring.rules.enable');
  if (name === DASHBOARD) only('$v.prometheusMonitoring.dashboard.enable');
  if (kind === 'PodDisruptionBudget') only('$v.podDisruptionBudget.enabled');
  if (kind === 'ServiceAccount')
    only(name === OPERATOR ? '$v.serviceAccount.create' : '$v.validatingWebhook.serviceAccount.create');
  if (kind === 'ClusterRole' && /-(editor|viewer)$/.test(name)) only('$v.aggregatedRoles.enabled');
  if (isOfWebhookAuthority(object)) only('$f.ownAuthority');
  if (kind === 'CustomResourceDefinition') keepRule(object);
  // One in each namespace that is watched.
  if ((kind === 'Role' || kind === 'RoleBinding') && name === OPERATOR) {
    object.around = ['{{- range $namespace := $v.watchNamespaces }}', '{{- end }}'];
    const namespace = at(object.tree, 'metadata', 'namespace');
    if (namespace !== undefined) namespace.value = text('{{ $namespace | quote }}');
  }
}

/** Another issuer may sign the certificate of the webhook. */
function isOfWebhookAuthority({ kind, name }: ChartObject): boolean {
  return name.startsWith(WEBHOOK) && (kind === 'Issuer' || (kind === 'Certificate' && name !== WEBHOOK));
}

function bracketed(condition: string): string {
  return /\s/.test(condition) ? `(${condition})` : condition;
}

/** Uninstalling the chart, and leaving the definitions out later, keeps them. */
function keepRule({ tree }: ChartObject): void {
  const annotations = ensure(at(tree, 'metadata')?.value ?? tree, 'annotations', 'map');
  if (annotations.type === 'map')
    annotations.members.push(member({ type: 'leaf', value: 'keep' }, { key: 'helm.sh/resource-policy' }));
}

/** The dashboard is a file of the chart, as Grafana imports it. */
function dashboardRule({ tree }: ChartObject): void {
  const data = at(tree, 'data')?.value;
  if (data?.type !== 'map') throw new Error('the dashboard has no data');
  for (const { key = '' } of data.members) {
    data.members = [
      lines(
        `${key}: |`,
        `{{- .Files.Get "files/dashboard.json" | trimSuffix "\\n" | nindent @ | replace "\\n" "\\n  " }}`,
      ),
    ];
  }
}
