import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { type KubernetesObject, workloadOf } from '../../../scripts/manifests/kubernetes-object.js';
import { labelFaults } from '../../../scripts/manifests/recommended-labels.js';
import { plainManifests } from '../../../scripts/manifests/rendering.js';

const LABELS = {
  app: 'kms-vault-operator',
  'app.kubernetes.io/name': 'kms-vault-operator',
  'app.kubernetes.io/version': '1.2.3',
  'app.kubernetes.io/component': 'operator',
  'app.kubernetes.io/part-of': 'kms-vault-operator',
  'app.kubernetes.io/managed-by': 'kustomize',
};
const object = (labels: Record<string, string>, spec: object = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 's', labels },
  spec,
});
const deployment = (podLabels: Record<string, string>, tag: string, labels = LABELS): KubernetesObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', labels },
  spec: {
    selector: { matchLabels: { app: 'kms-vault-operator' } },
    template: {
      metadata: { labels: podLabels },
      spec: { containers: [{ name: 'c', image: `patoarvizu/kms-vault-operator:${tag}` }] },
    },
  },
});

describe('labelFaults', () => {
  it('accepts the five labels on an object and on its pods', () => {
    expect(labelFaults(object(LABELS), '1.2.3')).toEqual([]);
    expect(labelFaults(deployment(LABELS, '1.2.3'), '1.2.3')).toEqual([]);
  });

  it.each(Object.keys(LABELS).filter((name) => name !== 'app'))('misses %s on objects and pods', (name) => {
    const { [name]: _, ...rest } = LABELS as Record<string, string>;
    expect(labelFaults(object(rest), '1.2.3')).toEqual([expect.stringContaining(`${name} is missing`)]);
    expect(labelFaults(deployment(rest, '1.2.3'), '1.2.3')).toEqual([
      expect.stringMatching(/^its pods: .* is missing/),
    ]);
  });

  it('asks for an image of the same version, or the latest', () => {
    expect(labelFaults(deployment(LABELS, '2.0.0@sha256:abc'), '1.2.3')).toEqual([
      'the image has the tag 2.0.0, not 1.2.3',
    ]);
    expect(labelFaults(deployment(LABELS, 'latest'), '1.2.3')).toEqual([]);
  });

  it('asks for the component that the label of the selectors stands for', () => {
    expect(labelFaults(object({ ...LABELS, app: 'kms-vault-validating-webhook' }), '1.2.3')).toEqual([
      'the label app.kubernetes.io/component is operator, not webhook',
    ]);
  });

  it('leaves instance to the user', () => {
    expect(labelFaults(object({ ...LABELS, 'app.kubernetes.io/instance': 'x' }), '1.2.3')).toHaveLength(1);
  });

  it.each([
    ['of a Service', { selector: { app: 'x', 'app.kubernetes.io/name': 'y' } }],
    ['of a Deployment', { selector: { matchLabels: { 'app.kubernetes.io/version': '1' } } }],
    [
      'of an expression',
      { podSelector: { matchExpressions: [{ key: 'app.kubernetes.io/component', operator: 'Exists' }] } },
    ],
    ['of a constraint', { a: [{ labelSelector: { matchLabels: { 'app.kubernetes.io/instance': '1' } } }] }],
  ])('refuses them in a selector %s', (_what, spec) => {
    expect(labelFaults(object(LABELS, spec), '1.2.3')).toHaveLength(1);
  });
});

describe('the manifests', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

  it('have the recommended labels with the version of the release', () => {
    const faults = plainManifests().flatMap(({ name, objects }) =>
      objects.flatMap((one) => labelFaults(one, version).map((fault) => `${name}: ${fault}`)),
    );
    expect(faults).toEqual([]);
  });

  it('select pods by the label app alone, as in every release, because a selector cannot be changed in place', () => {
    const selectors = plainManifests()
      .flatMap(({ objects }) => objects)
      .flatMap((one) => workloadOf(one) ?? [])
      .map(({ name, selector }) => [name, selector]);
    expect(selectors).toEqual([
      ['Deployment vault/kms-vault-operator', { app: 'kms-vault-operator' }],
      ['Deployment vault/kms-vault-validating-webhook', { app: 'kms-vault-validating-webhook' }],
    ]);
  });
});
