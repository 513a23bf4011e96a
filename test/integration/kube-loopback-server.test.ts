import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { API_VERSION, DELETE_FINALIZER, GROUP, PLURALS, SECRET_KIND, VERSION } from '../../src/api/group.js';
import { refOf } from '../../src/api/resource-key.js';
import type { KMSVaultSecret } from '../../src/api/resources.js';
import { ApiEventRecorder } from '../../src/kube/api-event-recorder.js';
import { loadKubeConfig } from '../../src/kube/kubeconfig.js';
import { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import { ApiResourceClient } from '../../src/kube/resource-client.js';
import { type LoopbackKubernetes, startKubernetesServer } from '../servers/kubernetes/server.js';
import { operatorParts, RecordingOperator, until } from './watch-recording.js';

const CRD = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${PLURALS[SECRET_KIND]}.${GROUP}` },
  spec: {
    group: GROUP,
    scope: 'Namespaced',
    names: {
      kind: SECRET_KIND,
      listKind: `${SECRET_KIND}List`,
      plural: PLURALS[SECRET_KIND],
      singular: 'kmsvaultsecret',
    },
    versions: [
      {
        name: VERSION,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              status: {
                type: 'object',
                properties: { created: { type: 'boolean' }, path: { type: 'string' } },
              },
            },
          },
        },
      },
    ],
  },
};

const COLLECTION = `/apis/${GROUP}/${VERSION}/namespaces/default/${PLURALS[SECRET_KIND]}`;
const KEY = { kind: SECRET_KIND, namespace: 'default', name: 'app' } as const;

let server: LoopbackKubernetes;
let directory: string;
let parts: ReturnType<typeof operatorParts>;
let operator: RecordingOperator;

beforeEach(async () => {
  server = await startKubernetesServer({ pathPrefix: '/clusters/root:test' });
  directory = mkdtempSync(join(tmpdir(), 'kube-'));
  const file = join(directory, 'kubeconfig');
  writeFileSync(file, server.adminKubeconfig());
  parts = operatorParts(loadKubeConfig({ file, environment: {} }));
  operator = new RecordingOperator(parts);
});

afterEach(async () => {
  operator.stop();
  await operator.whenStopped();
  parts.connection.close();
  await server.stop();
  rmSync(directory, { recursive: true });
});

async function create(name: string, finalizers: string[] = []): Promise<void> {
  await parts.client.request('POST', COLLECTION, {
    body: {
      apiVersion: API_VERSION,
      kind: SECRET_KIND,
      metadata: { name, finalizers },
      spec: { path: `secret/${name}` },
    },
  });
}

async function install(): Promise<void> {
  await parts.client.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    body: CRD,
  });
  await until(
    'the kind to be served',
    () => server.peek('customresourcedefinitions', '', CRD.metadata.name) !== undefined,
  );
}

describe('the Kubernetes client against an API server', () => {
  it('waits for the CRDs, then lists, watches and sees every change', async () => {
    await operator.start();
    await until(
      'the hint',
      () => parts.logger.count('API server does not know the kind: install the CRDs') === 1,
    );
    await install();
    await until('a watch', () => server.openWatches === 1);
    await create('app');
    await parts.client.request('DELETE', `${COLLECTION}/app`);
    await until('the events', () => operator.heard.length >= 2);
    expect(operator.heard).toEqual(['ADDED app', 'DELETED app']);
  });

  it('gets over cut watches, restarts and compaction, and loses nothing', async () => {
    await install();
    await operator.start();
    await until('a watch', () => server.openWatches === 1);
    await create('one');
    await until('one', () => operator.heard.includes('ADDED one'));
    server.cutWatches();
    await create('two');
    await until('two', () => operator.heard.includes('ADDED two'));
    await until('a watch', () => server.openWatches === 1);
    await server.stop();
    await until('the outage', () => parts.logger.count('API server cannot be reached') === 1);
    await server.restart();
    await parts.client.request('DELETE', `${COLLECTION}/one`);
    server.compact();
    await create('three');
    await until(
      'three',
      () => operator.heard.includes('ADDED three') && operator.heard.includes('DELETED one'),
    );
    expect(operator.heard.sort()).toEqual(['ADDED one', 'ADDED three', 'ADDED two', 'DELETED one']);
  });

  it('patches status and finalizers, with fresh reads on conflicts', async () => {
    await install();
    await create('app', ['example.com/foreign', DELETE_FINALIZER]);
    const cache = new IndexedResourceCache();
    const client = new ApiResourceClient(parts.client, cache, parts.logger);
    expect(await client.fetch({ ...KEY, name: 'none' })).toBeUndefined();
    const seen = await client.fetch(KEY);
    // As a watch does: what is read shows the cache only what a watch has shown before.
    cache.apply(seen as KMSVaultSecret);
    await parts.client.request('PATCH', `${COLLECTION}/app`, {
      body: { metadata: { labels: { a: 'b' } } },
      contentType: 'application/merge-patch+json',
    });
    const desired = () => ({ created: true, path: 'secret/app' });
    const object = refOf(seen as KMSVaultSecret);
    expect(await client.updateStatus(object, desired)).toEqual({ outcome: 'patched' });
    expect(await client.updateStatus(object, desired)).toEqual({ outcome: 'unchanged' });
    expect(await client.removeFinalizer(object)).toEqual({ outcome: 'patched' });
    const stored = server.peek(SECRET_KIND, 'default', 'app');
    expect(stored).toMatchObject({
      metadata: { finalizers: ['example.com/foreign'], labels: { a: 'b' }, generation: 1 },
      status: { created: true, path: 'secret/app' },
    });
    expect(cache.secret('default', 'app')?.metadata.resourceVersion).toBe(stored?.metadata.resourceVersion);
  });

  it('writes events that the server accepts, and counts repeats', async () => {
    await install();
    await create('app');
    const cache = new IndexedResourceCache();
    const resource = await new ApiResourceClient(parts.client, cache, parts.logger).fetch(KEY);
    if (resource === undefined) throw new Error('no resource');
    const recorder = new ApiEventRecorder(parts.client, parts.clock, parts.logger, 'pod-1');
    for (let round = 0; round < 3; round += 1) {
      recorder.warning(resource, 'VaultForbidden', 'no\npermission');
      await recorder.drain();
    }
    const events = server.peekAll('events', 'default').filter(({ kind }) => kind === 'Event');
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      count: 3,
      message: 'no permission',
      reportingComponent: 'kms-vault-controller',
    });
    expect(parts.logger.entries.filter(({ level }) => level === 'warn')).toEqual([]);
  });
});
