import { describe, expect, it } from '@jest/globals';

import type { KubernetesObject } from '../../../scripts/manifests/kubernetes-object.js';
import { parseObjects, plainManifests } from '../../../scripts/manifests/rendering.js';
import { wiringFaults } from '../../../scripts/manifests/wiring.js';

const MORE = parseObjects(`
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: issuer, namespace: vault}
spec: {ca: {secretName: authority}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: authority, namespace: vault}
spec: {secretName: authority, issuerRef: {name: issuer}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: kms-vault-validating-webhook, namespace: vault}
spec:
  secretName: kms-vault-validating-webhook
  issuerRef: {name: issuer}
  dnsNames: [kms-vault-validating-webhook.vault.svc, kms-vault-validating-webhook]
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: monitor, namespace: vault}
spec: {selector: {matchLabels: {app: kms-vault-validating-webhook}}, endpoints: [{port: webhook-metrics}]}
`).objects;

type Node = Record<string | number, unknown>;

/** Everything that is shipped as plain YAML, with a certificate and a monitor. */
function everything(): KubernetesObject[] {
  const objects = structuredClone([...plainManifests().flatMap((file) => file.objects), ...MORE]);
  const configuration = objects.find(({ kind }) => kind === 'ValidatingWebhookConfiguration');
  Object.assign(configuration?.metadata ?? {}, {
    annotations: { 'cert-manager.io/inject-ca-from': 'vault/kms-vault-validating-webhook' },
  });
  return objects;
}

function broken(kind: string, name: string, path: readonly (string | number)[], value: unknown): string[] {
  const objects = everything();
  const object = objects.find((one) => one.kind === kind && one.metadata.name === name);
  const parent = path.slice(0, -1).reduce<Node>((node, key) => node[key] as Node, object as unknown as Node);
  parent[path.at(-1) ?? ''] = value;
  return wiringFaults(objects);
}

const OPERATOR = 'kms-vault-operator';
const WEBHOOK = 'kms-vault-validating-webhook';
const POD = ['spec', 'template', 'spec'] as const;
const CONTAINER = [...POD, 'containers', 0] as const;
const AT_OPERATOR = 'Deployment vault/kms-vault-operator';
const AT_WEBHOOK = 'Deployment vault/kms-vault-validating-webhook';
const AT_SERVICE = 'Service vault/kms-vault-validating-webhook';
const AT_CONFIGURATION = 'ValidatingWebhookConfiguration kms-vault-validating-webhook';

describe('wiringFaults', () => {
  it('finds no fault in what is shipped', () => {
    expect(wiringFaults(everything())).toEqual([]);
  });

  it.each<[string, string, readonly (string | number)[], unknown, string]>([
    [
      'Deployment',
      OPERATOR,
      ['spec', 'selector', 'matchLabels'],
      { app: 'x' },
      `${AT_OPERATOR}: its selector does not match its own pods`,
    ],
    ['Deployment', OPERATOR, ['spec', 'selector', 'matchLabels'], {}, `${AT_OPERATOR}: has no selector`],
    ['Deployment', OPERATOR, [...POD, 'serviceAccountName'], 'x', `${AT_OPERATOR}: no ServiceAccount x`],
    [
      'Deployment',
      OPERATOR,
      [...POD, 'serviceAccountName'],
      undefined,
      `${AT_OPERATOR}: no ServiceAccount default`,
    ],
    [
      'Deployment',
      OPERATOR,
      ['metadata', 'namespace'],
      'x',
      `Deployment x/kms-vault-operator: no ServiceAccount kms-vault-operator`,
    ],
    [
      'Deployment',
      OPERATOR,
      ['metadata', 'namespace'],
      'x',
      `PodDisruptionBudget vault/kms-vault-operator: its selector matches no pods`,
    ],
    [
      'Deployment',
      OPERATOR,
      [...POD, 'topologySpreadConstraints', 0, 'labelSelector', 'matchLabels'],
      { app: 'x' },
      `${AT_OPERATOR}: the selector for kubernetes.io/hostname does not match its own pods`,
    ],
    [
      'Deployment',
      OPERATOR,
      [...POD, 'affinity'],
      {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              weight: 1,
              podAffinityTerm: { topologyKey: 'k', labelSelector: { matchLabels: { app: 'x' } } },
            },
          ],
        },
      },
      `${AT_OPERATOR}: the selector for k does not match its own pods`,
    ],
    [
      'Deployment',
      OPERATOR,
      [...CONTAINER, 'livenessProbe', 'httpGet', 'port'],
      'heath',
      `${AT_OPERATOR}: container kms-vault-operator: livenessProbe: it has no port named heath`,
    ],
    [
      'Deployment',
      OPERATOR,
      [...CONTAINER, 'ports', 1, 'name'],
      'http-metrics',
      `${AT_OPERATOR}: http-metrics is listed twice`,
    ],
    [
      'Deployment',
      OPERATOR,
      [...CONTAINER, 'env', 1, 'name'],
      'AWS_REGION',
      `${AT_OPERATOR}: container kms-vault-operator: AWS_REGION is set twice`,
    ],
    ['Deployment', WEBHOOK, [...POD, 'volumes'], [], `${AT_WEBHOOK}: no volume tls`],
    ['Deployment', WEBHOOK, [...CONTAINER, 'volumeMounts'], [], `${AT_WEBHOOK}: volume tls is not mounted`],
    [
      'Deployment',
      WEBHOOK,
      [...CONTAINER, 'ports', 0, 'name'],
      'http',
      `${AT_SERVICE}: port https: ${AT_WEBHOOK} has no port named https`,
    ],
    ['Service', WEBHOOK, ['spec', 'selector', 'app'], 'x', `${AT_SERVICE}: its selector matches no pods`],
    [
      'Service',
      WEBHOOK,
      ['spec', 'selector', 'app'],
      OPERATOR,
      `${AT_SERVICE}: port https: ${AT_OPERATOR} has no port named https`,
    ],
    [
      'Service',
      WEBHOOK,
      ['spec', 'ports', 0, 'port'],
      8443,
      `${AT_CONFIGURATION}: no Service vault/kms-vault-validating-webhook with port 443`,
    ],
    [
      'Service',
      WEBHOOK,
      ['metadata', 'namespace'],
      'x',
      `${AT_CONFIGURATION}: no Service vault/kms-vault-validating-webhook with port 443`,
    ],
    [
      'Service',
      `${WEBHOOK}-metrics`,
      ['spec', 'ports', 0, 'name'],
      'x',
      'ServiceMonitor vault/monitor: no Service that it selects has a port named webhook-metrics',
    ],
    [
      'PodDisruptionBudget',
      WEBHOOK,
      ['spec', 'selector'],
      {},
      `PodDisruptionBudget vault/${WEBHOOK}: its selector matches no pods`,
    ],
    [
      'ClusterRoleBinding',
      OPERATOR,
      ['subjects', 0, 'namespace'],
      'x',
      'ClusterRoleBinding kms-vault-operator: no ServiceAccount kms-vault-operator in namespace x',
    ],
    [
      'ClusterRoleBinding',
      OPERATOR,
      ['roleRef', 'name'],
      'x',
      'ClusterRoleBinding kms-vault-operator: no ClusterRole x',
    ],
    [
      'RoleBinding',
      OPERATOR,
      ['metadata', 'namespace'],
      'x',
      'RoleBinding x/kms-vault-operator: no Role kms-vault-operator',
    ],
    [
      'ValidatingWebhookConfiguration',
      WEBHOOK,
      ['metadata', 'annotations', 'cert-manager.io/inject-ca-from'],
      `x/${WEBHOOK}`,
      `${AT_CONFIGURATION}: no Certificate x/${WEBHOOK} for ${WEBHOOK}.vault.svc`,
    ],
    [
      'ValidatingWebhookConfiguration',
      WEBHOOK,
      ['webhooks', 0, 'clientConfig', 'service', 'namespace'],
      'x',
      `${AT_CONFIGURATION}: no Certificate vault/${WEBHOOK} for ${WEBHOOK}.x.svc`,
    ],
    [
      'Certificate',
      WEBHOOK,
      ['spec', 'dnsNames', 0],
      `${WEBHOOK}.x.svc`,
      `${AT_CONFIGURATION}: no Certificate vault/${WEBHOOK} for ${WEBHOOK}.vault.svc`,
    ],
    [
      'Certificate',
      WEBHOOK,
      ['spec', 'issuerRef', 'name'],
      'x',
      `Certificate vault/${WEBHOOK}: no Issuer x in namespace vault`,
    ],
    [
      'Certificate',
      WEBHOOK,
      ['spec', 'dnsNames', 1],
      `x-${WEBHOOK}`,
      `Certificate vault/${WEBHOOK}: no Service for x-${WEBHOOK}`,
    ],
    [
      'Certificate',
      WEBHOOK,
      ['spec', 'secretName'],
      'x',
      `${AT_CONFIGURATION}: ${AT_WEBHOOK} does not mount the Secret x of its Certificate`,
    ],
    [
      'Certificate',
      'authority',
      ['spec', 'secretName'],
      'x',
      'Issuer vault/issuer: no Certificate writes the Secret authority',
    ],
    [
      'Deployment',
      OPERATOR,
      [...CONTAINER, 'args'],
      ['--enable-leader-election', '--leader-election-namespace=apps'],
      `${AT_OPERATOR}: ${OPERATOR} has no permission to update leases in apps`,
    ],
    [
      'ClusterRoleBinding',
      OPERATOR,
      ['subjects', 0, 'namespace'],
      'x',
      `${AT_OPERATOR}: ${OPERATOR} has no permission to watch kmsvaultsecrets in all namespaces`,
    ],
  ])('finds in %s %s at %j the value %j: %s', (kind, name, path, value, fault) => {
    expect(broken(kind, name, path, value)).toContain(fault);
  });

  it('finds a watched namespace without rights', () => {
    const objects = everything().filter(({ kind }) => kind !== 'ClusterRoleBinding');
    const operator = objects.find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata.name === OPERATOR,
    );
    const { template } = operator?.['spec'] as { template: { spec: { containers: { args: string[] }[] } } };
    template.spec.containers[0]?.args.push('--watch-namespace=default,apps');
    expect(wiringFaults(objects)).toEqual([
      `${AT_OPERATOR}: ${OPERATOR} has no permission to watch kmsvaultsecrets in apps`,
    ]);
  });

  it('finds an object that is defined twice', () => {
    const objects = everything();
    const [first] = objects;
    if (first === undefined) throw new Error('nothing is shipped');
    expect(wiringFaults([...objects, first])).toEqual([expect.stringMatching(/: is defined twice$/)]);
  });
});
