import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import type { IContainer } from 'kubernetes-models/v1';

import {
  type KubernetesObject,
  type Workload,
  workloadOf,
} from '../../../scripts/manifests/kubernetes-object.js';
import { plainManifests } from '../../../scripts/manifests/rendering.js';
import { startOf } from './program-command.js';

const OPERATOR = 'kms-vault-operator';
const WEBHOOK = 'kms-vault-validating-webhook';
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const objects = plainManifests().flatMap((file) => file.objects);

function the(kind: string, name: string): KubernetesObject {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  if (found[0] === undefined || found.length > 1)
    throw new Error(`${String(found.length)} of ${kind} ${name}`);
  return found[0];
}

function workload(name: string): Workload {
  const found = workloadOf(the('Deployment', name));
  if (found === undefined) throw new Error(`no Deployment ${name}`);
  return found;
}

function only(name: string): IContainer {
  const { containers } = workload(name).pod;
  if (containers[0] === undefined || containers.length !== 1) throw new Error('not one container');
  return containers[0];
}

function ports(container: IContainer): Record<string, number> {
  return Object.fromEntries(
    (container.ports ?? []).map(({ name = '', containerPort }) => [name, containerPort]),
  );
}

function pauseMs({ lifecycle }: IContainer): number {
  return (lifecycle?.preStop?.sleep?.seconds ?? 0) * 1_000;
}

describe('the shipped Deployments', () => {
  it.each([OPERATOR, WEBHOOK])('%s has the name, the labels and the namespace of the contract', (name) => {
    const deployment = the('Deployment', name);
    expect(deployment.metadata).toMatchObject({ namespace: 'vault', labels: { app: name } });
    // A selector cannot be changed on an object that is there: it is that of the Go operator's chart.
    expect(workload(name)).toMatchObject({ selector: { app: name }, labels: { app: name } });
    expect(workload(name).pod.serviceAccountName).toBe(name);
    expect(only(name).name).toBe(name);
    expect(only(name).image).toBe(`patoarvizu/kms-vault-operator:${version}`);
  });

  it('have the ports of the contract, which are those that the programs listen on', () => {
    expect(ports(only(OPERATOR))).toEqual({ 'http-metrics': 8080, health: 8082 });
    expect(ports(only(WEBHOOK))).toEqual({ https: 4443, 'webhook-metrics': 8081 });
    const operator = startOf(only(OPERATOR));
    const webhook = startOf(only(WEBHOOK));
    expect(operator.config).toMatchObject({
      metricsAddress: { host: '', port: 8080 },
      healthAddress: { host: '', port: 8082 },
    });
    expect(webhook.config).toMatchObject({
      listenAddress: { host: '', port: 4443 },
      metricsAddress: { host: '', port: 8081 },
    });
  });

  it.each([OPERATOR, WEBHOOK])('%s is probed for being alive and for being ready', (name) => {
    const { startupProbe, livenessProbe, readinessProbe } = only(name);
    const port = name === OPERATOR ? 'health' : 'webhook-metrics';
    expect(startupProbe?.httpGet).toEqual({ path: '/healthz', port });
    expect(livenessProbe?.httpGet).toEqual({ path: '/healthz', port });
    expect(readinessProbe?.httpGet).toEqual({ path: '/readyz', port });
  });

  it.each([OPERATOR, WEBHOOK])('%s may end in peace: the pod waits longer than the program', (name) => {
    const { shutdownGraceMs } = startOf(only(name)).config;
    expect((workload(name).pod.terminationGracePeriodSeconds ?? 0) * 1_000).toBeGreaterThan(
      shutdownGraceMs + pauseMs(only(name)) + 5_000,
    );
  });

  it.each([OPERATOR, WEBHOOK])('%s is spread over nodes and zones', (name) => {
    const spread = workload(name).pod.topologySpreadConstraints ?? [];
    expect(spread.map(({ topologyKey }) => topologyKey)).toEqual([
      'kubernetes.io/hostname',
      'topology.kubernetes.io/zone',
    ]);
  });

  it('never run two writers: without a lease the old pod is gone before the new one starts', () => {
    const { config, program } = startOf(only(OPERATOR));
    if (program !== 'operator') throw new Error(program);
    expect(config.leaderElection.enabled).toBe(false);
    expect(the('Deployment', OPERATOR)['spec']).toMatchObject({
      replicas: 1,
      strategy: { type: 'Recreate' },
    });
  });

  it('start the operator without a Secret of any kind', () => {
    const { config, program } = startOf(only(OPERATOR));
    if (program !== 'operator') throw new Error(program);
    expect(config.auth.method).toBe('k8s');
    expect(only(OPERATOR).env?.some(({ valueFrom }) => valueFrom !== undefined)).toBe(false);
    expect(workload(OPERATOR).pod.volumes).toBeUndefined();
  });

  it('keep the webhook away from the API server and from Vault', () => {
    expect(the('ServiceAccount', WEBHOOK)).toMatchObject({ automountServiceAccountToken: false });
    expect(workload(WEBHOOK).pod.automountServiceAccountToken).toBe(false);
    expect(only(WEBHOOK).env?.map(({ name }) => name)).toEqual(['AWS_REGION']);
    const bound = objects.filter(({ kind }) => kind.endsWith('Binding'));
    expect(JSON.stringify(bound)).not.toContain(WEBHOOK);
  });

  it('keep the webhook open until the API server has heard of its end', () => {
    expect(pauseMs(only(WEBHOOK))).toBe(5_000);
  });

  it('let a node be drained at any time', () => {
    for (const name of [OPERATOR, WEBHOOK]) {
      const budget = the('PodDisruptionBudget', name)['spec'];
      expect(budget).toMatchObject({ maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' });
    }
    expect(the('Deployment', WEBHOOK)['spec']).toMatchObject({
      replicas: 2,
      strategy: { rollingUpdate: { maxUnavailable: 0 } },
    });
  });
});

describe('the shipped ValidatingWebhookConfiguration', () => {
  it('asks about creations and updates of both kinds, and not about their status', () => {
    const { webhooks } = the('ValidatingWebhookConfiguration', WEBHOOK) as unknown as { webhooks: unknown[] };
    expect(webhooks).toEqual([
      {
        name: 'kms-vault-validating-webhook.patoarvizu.dev',
        admissionReviewVersions: ['v1', 'v1beta1'],
        clientConfig: { service: { name: WEBHOOK, namespace: 'vault', path: '/validate', port: 443 } },
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        namespaceSelector: { matchExpressions: [{ key: 'kms-vault-operator', operator: 'DoesNotExist' }] },
        rules: [
          {
            apiGroups: ['k8s.patoarvizu.dev'],
            apiVersions: ['v1alpha1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['kmsvaultsecrets', 'partialkmsvaultsecrets'],
            scope: 'Namespaced',
          },
        ],
        sideEffects: 'None',
        timeoutSeconds: 10,
      },
    ]);
  });
});

describe('startOf', () => {
  const container = only(OPERATOR);

  it.each<[string, Partial<IContainer>, RegExp]>([
    ['an unknown flag', { args: ['--sync-perod-seconds=1'] }, /unknown flag --sync-perod-seconds/],
    ['a bad value', { args: ['--sync-period-seconds=often'] }, /--sync-period-seconds/],
    ['a method without its variables', { args: ['--vault-authentication-method=token'] }, /VAULT_TOKEN/],
    ['an unknown program', { command: ['/operator'] }, /the image has no \/operator/],
    ['a flag of the other program', { command: ['/kms-vault-validating-webhook'] }, /unknown flag/],
    ['a variable in a variable', { args: ['--log-level=$(LEVEL)'] }, /refers to a variable/],
  ])('refuses %s', (_, part, message) => {
    expect(() => startOf({ ...container, ...part })).toThrow(message);
  });
});
