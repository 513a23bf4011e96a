import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { GO_CHART_VALUES } from './go-chart.js';
import type { Json } from './http-json.js';
import { shippedCrds } from './installation.js';
import type { Manifest } from './kube-api.js';

const OPERATOR = 'kms-vault-operator';
const WEBHOOK = 'kms-vault-validating-webhook';

/**
 * Writes a chart that installs what the chart 0.4.0 of the Go operator installs: the same kinds, names, selectors,
 * arguments and variables, with the definitions among the templates.
 */
export function writeGoChart(folder: string): void {
  mkdirSync(join(folder, 'templates'), { recursive: true });
  const chart = { apiVersion: 'v2', name: OPERATOR, version: '0.4.0' };
  writeFileSync(join(folder, 'Chart.yaml'), JSON.stringify(chart));
  writeFileSync(join(folder, 'values.yaml'), JSON.stringify(GO_CHART_VALUES));
  const always = [...goCrds(), ...rights(), operator()];
  const webhook = [webhookDeployment(), webhookService(), webhookConfiguration()];
  const text = [
    ...always.map((object) => JSON.stringify(object)),
    '{{- if .Values.validatingWebhook.enabled }}',
    webhook.map((object) => JSON.stringify(object)).join('\n---\n'),
    '{{- end }}',
  ].join('\n---\n');
  writeFileSync(join(folder, 'templates', 'objects.yaml'), text);
}

/** Without columns, with a narrow status, and with `secrets` required. */
function goCrds(): Manifest[] {
  return shippedCrds().map(({ apiVersion, kind, metadata, spec }) => {
    const [{ name, served, storage, subresources, schema }] = spec.versions as Json[];
    const { properties } = schema.openAPIV3Schema;
    const required = [...(properties.spec.required ?? []), 'secrets'];
    const openAPIV3Schema = {
      type: 'object',
      properties: {
        apiVersion: { type: 'string' },
        kind: { type: 'string' },
        metadata: { type: 'object' },
        spec: { ...properties.spec, required },
        status: { type: 'object', properties: { created: { type: 'boolean' } } },
      },
    };
    const version = { name, served, storage, subresources, schema: { openAPIV3Schema } };
    return { apiVersion, kind, metadata: { name: metadata.name }, spec: { ...spec, versions: [version] } };
  });
}

function rights(): Manifest[] {
  const rule = (apiGroups: string[], resources: string[], verbs: string[]): object => ({
    apiGroups,
    resources,
    verbs,
  });
  const kinds = ['kmsvaultsecrets', 'partialkmsvaultsecrets'];
  const rbac = 'rbac.authorization.k8s.io';
  const subjects = [{ kind: 'ServiceAccount', name: OPERATOR, namespace: '{{ .Release.Namespace }}' }];
  const roleRef = (kind: string): object => ({ kind, name: OPERATOR, apiGroup: rbac });
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: OPERATOR } },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: OPERATOR },
      rules: [rule([''], ['events'], ['create', 'patch']), rule(['k8s.patoarvizu.dev'], kinds, ['*'])],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: OPERATOR },
      subjects,
      roleRef: roleRef('ClusterRole'),
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata: { name: OPERATOR },
      rules: [rule([''], ['configmaps'], ['*']), rule(['coordination.k8s.io'], ['leases'], ['*'])],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: OPERATOR },
      subjects,
      roleRef: roleRef('Role'),
    },
  ];
}

const IMAGE = 'patoarvizu/kms-vault-operator:{{ .Values.global.imageVersion }}';

function workload(name: string, container: object, pod: object): Manifest {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { serviceAccountName: OPERATOR, containers: [{ name, image: IMAGE, ...container }], ...pod },
      },
    },
  };
}

function operator(): Manifest {
  const container = {
    command: ['/manager'],
    args: ['--enable-leader-election', '--vault-authentication-method=k8s', '--sync-period-seconds=120'],
    env: [
      { name: 'WATCH_NAMESPACE', value: '' },
      { name: 'AWS_REGION', value: 'us-east-1' },
      { name: 'VAULT_ADDR', value: 'https://vault:8200' },
      { name: 'VAULT_K8S_ROLE', value: OPERATOR },
      { name: 'VAULT_K8S_LOGIN_ENDPOINT', value: 'auth/kubernetes/login' },
      { name: 'VAULT_SKIP_VERIFY', value: 'true' },
    ],
    ports: [{ name: 'http-metrics', containerPort: 8080 }],
  };
  return workload(OPERATOR, container, {});
}

function webhookDeployment(): Manifest {
  const container = {
    command: [
      '/kms-vault-validating-webhook',
      '-tls-cert-file',
      '/tls/tls.crt',
      '-tls-key-file',
      '/tls/tls.key',
    ],
    env: [{ name: 'AWS_REGION', value: 'us-east-1' }],
    ports: [
      { name: 'https', containerPort: 4443 },
      { name: 'webhook-metrics', containerPort: 8081 },
    ],
    volumeMounts: [{ name: 'tls', mountPath: '/tls' }],
  };
  return workload(WEBHOOK, container, { volumes: [{ name: 'tls', secret: { secretName: WEBHOOK } }] });
}

function webhookService(): Manifest {
  const ports = [{ protocol: 'TCP', port: 443, targetPort: 'https' }];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: WEBHOOK, labels: { app: WEBHOOK } },
    spec: { type: 'ClusterIP', ports, selector: { app: WEBHOOK } },
  };
}

function webhookConfiguration(): Manifest {
  const rule = {
    apiGroups: ['k8s.patoarvizu.dev'],
    apiVersions: ['v1alpha1'],
    operations: ['CREATE', 'UPDATE'],
    resources: ['kmsvaultsecrets', 'partialkmsvaultsecrets'],
  };
  const webhook = {
    name: `${WEBHOOK}.patoarvizu.dev`,
    rules: [rule],
    // The pods of these tests never run.
    failurePolicy: 'Ignore',
    sideEffects: 'None',
    admissionReviewVersions: ['v1beta1', 'v1'],
    clientConfig: { caBundle: 'Cg==', service: { namespace: '{{ .Release.Namespace }}', name: WEBHOOK } },
    namespaceSelector: { matchExpressions: [{ key: OPERATOR, operator: 'DoesNotExist' }] },
  };
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: WEBHOOK },
    webhooks: [webhook],
  };
}
