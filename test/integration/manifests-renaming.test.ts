import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import type { KubernetesObject } from '../../scripts/manifests/kubernetes-object.js';
import {
  hasKubectl,
  overlayNames,
  renderCombination,
  renderFolder,
  renderKustomization,
} from '../../scripts/manifests/rendering.js';
import { wiringFaults } from '../../scripts/manifests/wiring.js';
import { deployment, OPERATOR, the, WEBHOOK } from '../unit/manifests/rendered.js';

const withKubectl = hasKubectl() ? describe : describe.skip;
const RENAMING = { namePrefix: 'blue-', nameSuffix: '-two', namespace: 'elsewhere' };
const NAMES = 'kustomize/components/cert-manager/names';
const METRICS_NAMES = 'kustomize/components/metrics-secure/cert-manager/names';

function renamed(name: string): string {
  return `blue-${name}-two`;
}

/** Everything has its new name, and everything that names another object uses that. */
function expectRenamed(objects: readonly KubernetesObject[], namespace = 'elsewhere'): void {
  expect(wiringFaults(objects)).toEqual([]);
  const kept = ['CustomResourceDefinition', 'Namespace'];
  for (const { kind, metadata } of objects) {
    if (!kept.includes(kind)) expect(metadata.name).toMatch(/^blue-.*-two$/);
    if (metadata.namespace !== undefined) expect(metadata.namespace).toBe(namespace);
  }
}

function expectCertificate(objects: readonly KubernetesObject[], namespace = 'elsewhere'): void {
  const service = renamed(WEBHOOK);
  expect(the(objects, 'Certificate', service)['spec']).toMatchObject({
    commonName: service,
    secretName: service,
    issuerRef: { name: service },
    dnsNames: [
      service,
      `${service}.${namespace}`,
      `${service}.${namespace}.svc`,
      `${service}.${namespace}.svc.cluster.local`,
    ],
  });
  const configuration = the(objects, 'ValidatingWebhookConfiguration', service);
  expect(configuration.metadata.annotations).toMatchObject({
    'cert-manager.io/inject-ca-from': `${namespace}/${service}`,
  });
  expect(configuration['webhooks']).toMatchObject([
    { clientConfig: { service: { namespace, name: service } } },
  ]);
}

/** Prometheus verifies the certificate that the operator serves. */
function expectMetricsCertificate(objects: readonly KubernetesObject[], namespace = 'elsewhere'): void {
  const service = renamed(`${OPERATOR}-metrics`);
  const secretName = renamed(`${OPERATOR}-metrics-tls`);
  the(objects, 'Service', service);
  expect(the(objects, 'Certificate', secretName)['spec']).toMatchObject({
    commonName: service,
    secretName,
    issuerRef: { name: service },
    dnsNames: ['', `.${namespace}`, `.${namespace}.svc`, `.${namespace}.svc.cluster.local`].map(
      (end) => `${service}${end}`,
    ),
  });
  expect(deployment(objects, renamed(OPERATOR)).pod.volumes).toContainEqual({
    name: 'metrics-tls',
    secret: { secretName },
  });
  expect(the(objects, 'ServiceMonitor', renamed(OPERATOR))['spec']).toMatchObject({
    endpoints: [{ tlsConfig: { ca: { secret: { name: secretName } }, serverName: service } }],
  });
}

withKubectl('names that an overlay changes (skipped where kubectl is not on the PATH)', () => {
  it.each(overlayNames())('are followed in a kustomization around the overlay %s', async (name) => {
    const { objects, faults } = await renderKustomization({
      ...RENAMING,
      resources: [`../../kustomize/overlays/${name}`],
      transformers: [`../../${NAMES}`],
    });
    expect(faults).toEqual([]);
    expectRenamed(objects);
    expectCertificate(objects);
  });

  it.each(overlayNames())('are followed when they are written into the overlay %s itself', async (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'manifests-renaming-'));
    try {
      for (const part of ['manifests', 'kustomize']) cpSync(part, join(folder, part), { recursive: true });
      const overlay = join(folder, 'kustomize/overlays', name);
      const lines = Object.entries(RENAMING).map(([field, value]) => `${field}: ${value}\n`);
      appendFileSync(join(overlay, 'kustomization.yaml'), lines.join(''));
      const { objects, faults } = await renderFolder(overlay);
      expect(faults).toEqual([]);
      expectRenamed(objects);
      expectCertificate(objects);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it.each([[['webhook', 'cert-manager']], [['webhook-sidecar', 'leader-election', 'cert-manager']]])(
    'are followed around the components %j',
    async (components) => {
      const { objects, faults } = await renderKustomization({
        ...RENAMING,
        resources: ['../../kustomize/base'],
        components: components.map((name) => `../../kustomize/components/${name}`),
        transformers: [`../../${NAMES}`],
      });
      expect(faults).toEqual([]);
      expectRenamed(objects);
      expectCertificate(objects);
    },
  );

  it('are followed by the certificate of the metrics, alone, with that of the webhook, and in a namespace', async () => {
    const alone = ['monitoring', 'metrics-secure', 'metrics-secure/cert-manager'];
    const render = async (
      components: readonly string[],
      names: readonly string[],
      renaming: object = RENAMING,
    ): Promise<readonly KubernetesObject[]> => {
      const { objects, faults } = await renderKustomization({
        ...renaming,
        resources: ['../../kustomize/base'],
        components: components.map((name) => `../../kustomize/components/${name}`),
        transformers: names.map((name) => `../../${name}`),
      });
      expect(faults).toEqual([]);
      expect(wiringFaults(objects)).toEqual([]);
      return objects;
    };
    expectMetricsCertificate(await render(alone, [METRICS_NAMES]));
    const both = await render(['webhook', ...alone, 'cert-manager'], [METRICS_NAMES, NAMES]);
    expectMetricsCertificate(both);
    expectCertificate(both);
    const [first = '', second = '', third = ''] = alone;
    const { namePrefix, nameSuffix } = RENAMING;
    const moved = await render([first, second, '../overlays/dev/namespace', third], [METRICS_NAMES], {
      namePrefix,
      nameSuffix,
    });
    expectMetricsCertificate(moved, 'vault-dev');
  });

  it('need no transformer where no certificate is made', async () => {
    const components = ['leader-election', 'webhook', 'network-policy', 'monitoring', 'auth-kubernetes'];
    const { objects, faults } = await renderKustomization({
      ...RENAMING,
      resources: ['../../kustomize/base'],
      components: components.map((name) => `../../kustomize/components/${name}`),
    });
    expect(faults).toEqual([]);
    expectRenamed(objects);
  });

  it('are followed in the roles of single namespaces', async () => {
    const { objects, faults } = await renderKustomization({
      namePrefix: RENAMING.namePrefix,
      nameSuffix: RENAMING.nameSuffix,
      resources: ['../../kustomize/base'],
      components: ['leader-election', '../overlays/dev/namespace', 'namespaced'].map(
        (name) => `../../kustomize/components/${name}`,
      ),
    });
    expect(faults).toEqual([]);
    expect(wiringFaults(objects)).toEqual([]);
    expect(the(objects, 'RoleBinding', renamed(OPERATOR))).toMatchObject({
      metadata: { namespace: 'default' },
      subjects: [{ kind: 'ServiceAccount', name: renamed(OPERATOR), namespace: 'vault-dev' }],
    });
  });

  it('are not lost by an alert that names the job of a Service', async () => {
    const { objects } = await renderKustomization({
      ...RENAMING,
      resources: ['../../kustomize/base'],
      components: ['webhook', 'monitoring'].map((name) => `../../kustomize/components/${name}`),
    });
    const rules = JSON.stringify(the(objects, 'PrometheusRule', renamed(OPERATOR)));
    const jobs = [...rules.matchAll(/job=(~?)\\"([^"\\]*)\\"/g)];
    expect(jobs.length).toBeGreaterThan(0);
    const services = objects.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name);
    for (const [, isPattern, text = ''] of jobs) {
      const matcher = new RegExp(`^(?:${text})$`);
      expect(
        services.filter((name) => (isPattern === '~' ? matcher.test(name) : name === text)),
      ).toHaveLength(1);
    }
  });

  it('would be missed by the check without the transformer', async () => {
    const { objects } = await renderKustomization({
      ...RENAMING,
      resources: ['../../kustomize/overlays/production'],
    });
    expect(wiringFaults(objects)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^Certificate .*: no Service for kms-vault-validating-webhook/),
      ]),
    );
  });

  it('are those of the shipped objects where nothing changes them', async () => {
    const { objects } = await renderCombination(['webhook', 'cert-manager']);
    expect(the(objects, 'Certificate', WEBHOOK)['spec']).toMatchObject({ secretName: WEBHOOK });
  });
});
