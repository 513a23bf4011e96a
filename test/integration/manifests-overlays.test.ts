import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { type KubernetesObject, matches, workloadOf } from '../../scripts/manifests/kubernetes-object.js';
import {
  hasKubectl,
  overlayNames,
  renderFolder,
  type Rendering,
  renderOverlay,
} from '../../scripts/manifests/rendering.js';
import { wiringFaults } from '../../scripts/manifests/wiring.js';
import { deployment, OPERATOR, operatorOf, the, WEBHOOK, webhookOf } from '../unit/manifests/rendered.js';

const withKubectl = hasKubectl() ? describe : describe.skip;

let overlays: ReadonlyMap<string, Rendering> = new Map();

function overlay(name: string): readonly KubernetesObject[] {
  return overlays.get(name)?.objects ?? [];
}

withKubectl('the overlays (skipped where kubectl is not on the PATH)', () => {
  beforeAll(async () => {
    const names = overlayNames();
    const rendered = await Promise.all(names.map((name) => renderOverlay(name)));
    overlays = new Map(names.map((name, index) => [name, rendered[index] as Rendering]));
  }, 60_000);

  it.each([
    ['dev', 'vault-dev'],
    ['staging', 'vault-staging'],
    ['production', 'vault'],
  ])('puts everything of the overlay %s into the namespace %s, whatever names it', (name, namespace) => {
    const objects = overlay(name);
    const homes = new Set(objects.flatMap(({ metadata }) => metadata.namespace ?? []));
    expect([...homes]).toEqual([namespace]);
    const { subjects } = the(objects, 'ClusterRoleBinding', OPERATOR) as unknown as { subjects: unknown };
    expect(subjects).toEqual([{ kind: 'ServiceAccount', name: OPERATOR, namespace }]);
    const configuration = the(objects, 'ValidatingWebhookConfiguration', WEBHOOK);
    expect(configuration.metadata.annotations?.['cert-manager.io/inject-ca-from']).toBe(
      `${namespace}/${WEBHOOK}`,
    );
    expect(configuration['webhooks']).toMatchObject([
      { clientConfig: { service: { namespace, name: WEBHOOK } } },
    ]);
    expect(the(objects, 'Certificate', WEBHOOK)['spec']).toMatchObject({
      secretName: WEBHOOK,
      dnsNames: [
        WEBHOOK,
        `${WEBHOOK}.${namespace}`,
        `${WEBHOOK}.${namespace}.svc`,
        `${WEBHOOK}.${namespace}.svc.cluster.local`,
      ],
    });
    // The lease lies where the pod is.
    expect(operatorOf(objects).leaderElection.namespace).toBeUndefined();
    // They would go with `kubectl delete -k`, and every resource with them.
    expect(objects.filter(({ kind }) => ['Namespace', 'CustomResourceDefinition'].includes(kind))).toEqual(
      [],
    );
  });

  it('differs between the environments', () => {
    const table = ['dev', 'staging', 'production'].map((name) => {
      const objects = overlay(name);
      const config = operatorOf(objects);
      const { replicas } = the(objects, 'Deployment', OPERATOR)['spec'] as { replicas: number };
      const webhooks = the(objects, 'Deployment', WEBHOOK)['spec'] as { replicas: number };
      const {
        webhooks: [hook],
      } = the(objects, 'ValidatingWebhookConfiguration', WEBHOOK) as unknown as {
        webhooks: { failurePolicy: string }[];
      };
      return {
        name,
        image: deployment(objects, OPERATOR).pod.containers[0]?.image?.split(':')[1],
        replicas: [replicas, webhooks.replicas],
        log: `${config.log.level} ${config.log.format}`,
        auth: config.auth.method,
        syncSeconds: config.syncPeriodMs / 1_000,
        vault: config.vault.address,
        authority: config.vault.caCertFile,
        failure: [hook?.failurePolicy, webhookOf(objects).onKmsError],
        policies: objects.filter(({ kind }) => kind === 'NetworkPolicy').length,
        monitored: objects.some(({ kind }) => kind === 'ServiceMonitor'),
      };
    });
    expect(table).toEqual([
      {
        name: 'dev',
        image: 'latest',
        replicas: [1, 1],
        log: 'debug text',
        auth: 'token',
        syncSeconds: 30,
        vault: 'http://vault:8200',
        authority: undefined,
        failure: ['Ignore', 'allow'],
        policies: 0,
        monitored: false,
      },
      {
        name: 'staging',
        image: '1.0.0',
        replicas: [2, 2],
        log: 'info json',
        auth: 'approle',
        syncSeconds: 60,
        vault: 'https://vault.staging.example.com:8200',
        authority: '/etc/vault-ca/ca.crt',
        failure: ['Fail', 'deny'],
        policies: 2,
        monitored: true,
      },
      {
        name: 'production',
        image: '1.0.0',
        replicas: [2, 3],
        log: 'info json',
        auth: 'k8s',
        syncSeconds: 300,
        vault: 'https://vault.example.com:8200',
        authority: '/etc/vault-ca/ca.crt',
        failure: ['Fail', 'deny'],
        policies: 2,
        monitored: true,
      },
    ]);
  });

  it('holds operator and webhook of production to the same paths', () => {
    const objects = overlay('production');
    const { allowedVaultPaths } = operatorOf(objects);
    expect(allowedVaultPaths).toEqual(['secret/data/{{namespace}}/**', 'kv/{{namespace}}/**']);
    expect(webhookOf(objects).allowedVaultPaths).toEqual(allowedVaultPaths);
  });

  it.each(['staging', 'production'])(
    'has a Service for every monitor, and pods for every policy, in %s',
    (name) => {
      const objects = overlay(name);
      const pods = objects.flatMap((object) => workloadOf(object) ?? []).map(({ labels }) => labels);
      const services = objects
        .filter(({ kind }) => kind === 'Service')
        .map(({ metadata }) => metadata.labels ?? {});
      const selected = (
        kind: string,
        field: string,
        among: readonly Readonly<Record<string, string>>[],
      ): number[] =>
        objects
          .filter((object) => object.kind === kind)
          .map(
            ({ spec }) =>
              (spec as Record<string, { matchLabels: Record<string, string> }>)[field]?.matchLabels ?? {},
          )
          .map((wanted) => among.filter((labels) => matches(wanted, labels)).length);
      expect(selected('NetworkPolicy', 'podSelector', pods)).toEqual([1, 1]);
      // Both Services of the webhook carry its label; one of them has the port.
      expect(selected('ServiceMonitor', 'selector', services)).toEqual([1, 2]);
    },
  );

  it.each(['staging', 'production'])('closes the pods of %s but for what they need', (name) => {
    const objects = overlay(name);
    const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
    const ports = (rules: readonly { ports?: readonly { port: unknown }[] }[]): unknown[] =>
      rules.flatMap((rule) => (rule.ports ?? []).map(({ port }) => port));
    const seen = policies.map(({ metadata, spec }) => {
      const { podSelector, policyTypes, ingress, egress } = spec as Record<string, never>;
      return [metadata.name, podSelector, policyTypes, ports(ingress as never), ports(egress as never)];
    });
    const both = ['Ingress', 'Egress'];
    const basics = [53, 53, 80, 443];
    expect(seen).toEqual([
      [
        OPERATOR,
        { matchLabels: { app: OPERATOR } },
        both,
        ['http-metrics', 'webhook-metrics', 'https'],
        [...basics, 6443, 8200],
      ],
      [WEBHOOK, { matchLabels: { app: WEBHOOK } }, both, ['https', 'webhook-metrics'], basics],
    ]);
  });

  it('renders the overlay that its README shows', async () => {
    const readme = readFileSync('kustomize/README.md', 'utf8');
    const example = /```yaml\n([\s\S]+?)```/.exec(readme)?.[1];
    if (example === undefined) throw new Error('no example');
    const folder = mkdtempSync(join(tmpdir(), 'manifests-readme-'));
    try {
      for (const name of ['manifests', 'kustomize']) cpSync(name, join(folder, name), { recursive: true });
      const own = join(folder, 'kustomize/overlays/own');
      mkdirSync(join(own, 'namespace'), { recursive: true });
      writeFileSync(join(own, 'kustomization.yaml'), example);
      const component = readFileSync('kustomize/overlays/dev/namespace/kustomization.yaml', 'utf8');
      writeFileSync(join(own, 'namespace/kustomization.yaml'), component.replace('vault-dev', 'secrets'));
      const { objects, faults } = await renderFolder(own);
      expect(faults).toEqual([]);
      expect(wiringFaults(objects)).toEqual([]);
      expect(operatorOf(objects).log.level).toBe('debug');
      const homes = new Set(objects.flatMap(({ metadata }) => metadata.namespace ?? []));
      expect([...homes].sort()).toEqual(['default', 'secrets']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('kustomize/README.md', () => {
  it('has a line for every component', () => {
    const readme = readFileSync('kustomize/README.md', 'utf8');
    const described = [...readme.matchAll(/^\| `([a-z0-9-]+)`/gm)].map(([, name]) => name);
    expect(described.sort()).toEqual(readdirSync('kustomize/components').sort());
  });
});
