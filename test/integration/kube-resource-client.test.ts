import { afterEach, describe, expect, it } from '@jest/globals';
import { isDeepStrictEqual } from 'node:util';

import { API_VERSION, DELETE_FINALIZER, PARTIAL_KIND, SECRET_KIND } from '../../src/api/group.js';
import type { KMSVaultSecretStatus, Resource } from '../../src/api/resources.js';
import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import { ApiResourceClient } from '../../src/kube/resource-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { openGate } from '../../src/runtime/write-gate.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { plainKubeConfig, RecordingLogger } from './watch-recording.js';

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const KEY = { kind: SECRET_KIND, namespace: 'team', name: 'app', uid: 'u' } as const;
const URL_OF_APP = '/apis/k8s.patoarvizu.dev/v1alpha1/namespaces/team/kmsvaultsecrets/app';

interface StoredObject {
  metadata: Record<string, unknown> & { resourceVersion: string };
  status?: Record<string, unknown>;
}

function secret(metadata: object = {}, status?: object): StoredObject & Resource {
  return {
    apiVersion: API_VERSION,
    kind: SECRET_KIND,
    metadata: { name: 'app', namespace: 'team', uid: 'u', resourceVersion: '10', ...metadata },
    spec: { path: 'secret/app', kvSettings: { engineVersion: 'v1' } },
    ...(status === undefined ? {} : { status }),
  } as unknown as StoredObject & Resource;
}

/** One object with merge patches, a status subresource and conflicts; `prune` is what an older CRD drops. */
async function startClient(
  start: StoredObject | undefined,
  prune: (status: Record<string, unknown>) => void = () => undefined,
) {
  const store = { object: start };
  const server = await LoopbackServer.start((seen, _request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const { object } = store;
    if (object === undefined || !seen.url.startsWith(URL_OF_APP)) {
      answer(404, { kind: 'Status', reason: 'NotFound', details: { name: 'app' } });
      return;
    }
    if (seen.method === 'GET') {
      answer(200, object);
      return;
    }
    const patch = JSON.parse(seen.body) as StoredObject;
    const { resourceVersion, ...metadata } = patch.metadata;
    if (resourceVersion !== object.metadata.resourceVersion) {
      answer(409, { kind: 'Status', reason: 'Conflict' });
      return;
    }
    const status: Record<string, unknown> = { ...object.status, ...patch.status };
    for (const [field, value] of Object.entries(status)) if (value === null) delete status[field];
    prune(status);
    const next = seen.url.endsWith('/status')
      ? { ...object, ...(Object.keys(status).length > 0 ? { status } : {}) }
      : { ...object, metadata: { ...object.metadata, ...metadata } };
    if (!isDeepStrictEqual(next, object)) {
      next.metadata = { ...next.metadata, resourceVersion: String(Number(resourceVersion) + 1) };
    }
    store.object = next;
    answer(200, next);
  });
  cleanups.push(() => server.close());
  const connection = new ApiConnection(plainKubeConfig(server.url));
  const cache = new IndexedResourceCache();
  const logger = new RecordingLogger();
  const kube = new KubeClient(connection, openGate, systemClock);
  const client = new ApiResourceClient(kube, cache, logger);
  const methods = (): string[] => server.requests.all.map(({ method }) => method);
  return { client, cache, logger, server, store, methods };
}

const patched = { outcome: 'patched' };
const unchanged = { outcome: 'unchanged' };
const forbidden = { outcome: 'forbidden' };

describe('ApiResourceClient.fetch', () => {
  it('reads past the cache and lets the cache see it', async () => {
    const { client, cache, store } = await startClient(secret());
    cache.apply(secret({ resourceVersion: '9' }));
    expect(await client.fetch(KEY)).toEqual(store.object);
    expect(cache.secret('team', 'app')?.metadata.resourceVersion).toBe('10');
  });

  it('shows the cache nothing that no watch has shown: neither a new object nor another incarnation', async () => {
    const { client, cache } = await startClient(secret());
    expect(await client.fetch(KEY)).toBeDefined();
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual(patched);
    expect(cache.get(KEY)).toBeUndefined();
    cache.apply(secret({ uid: 'before', resourceVersion: '1' }));
    expect((await client.fetch(KEY))?.metadata.uid).toBe('u');
    expect(cache.get(KEY)?.metadata.uid).toBe('before');
  });

  it('gives undefined only for a 404 of this object', async () => {
    const { client, server } = await startClient(undefined);
    expect(await client.fetch(KEY)).toBeUndefined();
    for (const body of [
      '404 page not found',
      '{"kind":"Status","reason":"NotFound","details":{"name":"other"}}',
    ]) {
      server.faults.inject({ matches: () => true, action: { kind: 'answer', status: 404, body }, times: 1 });
      await expect(client.fetch(KEY)).rejects.toMatchObject({ name: 'KubeError', status: 404 });
    }
  });

  it.each([500, 403, 429])('throws for %i, which never means that the object is missing', async (status) => {
    const { client, server } = await startClient(secret());
    server.faults.inject({ matches: () => true, action: { kind: 'answer', status } });
    await expect(client.fetch(KEY)).rejects.toMatchObject({ name: 'KubeError', status });
  });

  it.each(['{}', 'text', '{"metadata":{"name":"other","uid":"u","resourceVersion":"1"}}'])(
    'throws for an answer that is not the object: %s',
    async (body) => {
      const { client, server } = await startClient(secret());
      server.faults.inject({ matches: () => true, action: { kind: 'answer', status: 200, body } });
      await expect(client.fetch(KEY)).rejects.toThrow('the answer is not the object');
    },
  );
});

describe('ApiResourceClient.updateStatus', () => {
  it('patches only what differs, with the version as precondition, and updates the cache at once', async () => {
    const before = secret({}, { created: true, path: 'old', keys: '1/1' });
    const { client, cache, server, store } = await startClient(before);
    cache.apply(before);
    const desired = (): KMSVaultSecretStatus => ({ created: true, path: 'new', inputsHash: 'x' });
    expect(await client.updateStatus(KEY, desired)).toEqual(patched);
    const patch = server.requests.all.at(-1);
    expect(patch?.url).toBe(`${URL_OF_APP}/status`);
    expect(patch?.headers['content-type']).toBe('application/merge-patch+json');
    expect(JSON.parse(patch?.body ?? '')).toEqual({
      metadata: { resourceVersion: '10' },
      status: { path: 'new', inputsHash: 'x', keys: null },
    });
    expect(store.object?.status).toEqual({ created: true, path: 'new', inputsHash: 'x' });
    expect(cache.secret('team', 'app')?.status).toEqual(store.object?.status);
    expect(cache.secret('team', 'app')?.metadata.resourceVersion).toBe('11');
    server.requests.clear();
    expect(await client.updateStatus(KEY, desired)).toEqual(unchanged);
    expect(server.requests.all).toEqual([]);
  });

  it('reads again after a conflict, asks again what is desired, and keeps what others wrote', async () => {
    const { client, cache, store, methods } = await startClient(secret({}, { path: 'live' }));
    cache.apply(secret({ resourceVersion: '9' }, { path: 'stale' }));
    const asked: unknown[] = [];
    const outcome = await client.updateStatus(KEY, (current) => {
      asked.push(current?.path);
      return { ...current, created: true };
    });
    expect(outcome).toEqual(patched);
    expect(asked).toEqual(['stale', 'live']);
    expect(methods()).toEqual(['PATCH', 'GET', 'PATCH']);
    expect(store.object?.status).toEqual({ path: 'live', created: true });
  });

  it('gives up after some conflicts in a row', async () => {
    const { client, server } = await startClient(secret());
    server.faults.inject({
      matches: ({ method }) => method === 'PATCH',
      action: { kind: 'answer', status: 409 },
    });
    await expect(client.updateStatus(KEY, () => ({ created: true }))).rejects.toMatchObject({ status: 409 });
    expect(server.requests.count(({ method }) => method === 'PATCH')).toBe(6);
  });

  it('says gone when the object is missing, before the patch or by then', async () => {
    const { client, cache } = await startClient(undefined);
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual({ outcome: 'gone' });
    cache.apply(secret());
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual({ outcome: 'gone' });
  });

  it('says forbidden for 403, and logs it once per kind', async () => {
    const { client, server, logger } = await startClient(secret());
    server.faults.inject({
      matches: ({ method }) => method === 'PATCH',
      action: { kind: 'answer', status: 403 },
    });
    for (let round = 0; round < 3; round += 1) {
      expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual(forbidden);
    }
    expect(logger.entries).toHaveLength(1);
    expect(logger.entries[0]?.facts).toMatchObject({ resource: 'kmsvaultsecrets/status', verb: 'patch' });
  });

  it('does not block where the CRD has no status subresource', async () => {
    const { client, server, logger } = await startClient(secret());
    server.faults.inject({
      matches: ({ url }) => url.endsWith('/status'),
      action: { kind: 'answer', status: 404 },
    });
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual(forbidden);
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual(forbidden);
    expect(logger.count('API server has no status subresource: update the CRDs')).toBe(1);
  });

  it('throws when the API server cannot be reached', async () => {
    const { client, cache, server } = await startClient(secret());
    cache.apply(secret());
    await server.close();
    await expect(client.updateStatus(KEY, () => ({ created: true }))).rejects.toMatchObject({
      status: undefined,
    });
  });

  it('does not patch again what an older CRD drops, and says so once', async () => {
    const { client, cache, server, logger } = await startClient(secret(), (status) => {
      for (const field of Object.keys(status)) if (field !== 'created') Reflect.deleteProperty(status, field);
    });
    cache.apply(secret());
    let time = 0;
    const desired = (created: boolean) => (): KMSVaultSecretStatus => ({
      created,
      lastWriteTime: String((time += 1)),
    });
    expect(await client.updateStatus(KEY, desired(false))).toEqual(patched);
    server.requests.clear();
    expect(await client.updateStatus(KEY, desired(false))).toEqual(unchanged);
    expect(server.requests.all).toEqual([]);
    expect(await client.updateStatus(KEY, desired(true))).toEqual(patched);
    expect(JSON.parse(server.requests.all[0]?.body ?? '')).toMatchObject({ status: { created: true } });
    expect(server.requests.all[0]?.body).not.toContain('lastWriteTime');
    expect(logger.entries.map(({ facts }) => facts.fields)).toEqual([['lastWriteTime']]);
  });

  it('does not patch again what an older CRD cuts from within a field', async () => {
    const { client, cache, server } = await startClient(secret(), (status) => {
      status.failedKeys = [{ key: 'a' }];
    });
    cache.apply(secret());
    const desired = (reason: string) => (): KMSVaultSecretStatus => ({ failedKeys: [{ key: 'a', reason }] });
    expect(await client.updateStatus(KEY, desired('one'))).toEqual(patched);
    expect(await client.updateStatus(KEY, desired('one'))).toEqual(unchanged);
    expect(await client.updateStatus(KEY, desired('two'))).toEqual(patched);
    expect(server.requests.count(({ method }) => method === 'PATCH')).toBe(2);
  });

  it.each([
    ['is gone', (client: ApiResourceClient) => Promise.resolve(client.forget(KEY))],
    [
      'was deleted while it was patched',
      (client: ApiResourceClient, cache: IndexedResourceCache) => {
        cache.remove(KEY);
        return client.updateStatus(KEY, () => ({ failedKeys: [{ key: 'a', reason: 'one' }] }));
      },
    ],
  ])('forgets what was altered of the status of a resource that %s', async (_how, leave) => {
    const { client, cache, server } = await startClient(secret(), (status) => {
      status.failedKeys = [{ key: 'a' }];
    });
    cache.apply(secret());
    const desired = (): KMSVaultSecretStatus => ({ failedKeys: [{ key: 'a', reason: 'one' }] });
    expect(await client.updateStatus(KEY, desired)).toEqual(patched);
    expect(await client.updateStatus(KEY, desired)).toEqual(unchanged);
    await leave(client, cache);
    server.requests.clear();
    expect(await client.updateStatus(KEY, desired)).toEqual(patched);
  });

  it('treats a status that is no object as none', async () => {
    const { client, cache, store } = await startClient(secret());
    cache.apply(secret({}, 'text' as never));
    const seen: unknown[] = [];
    await client.updateStatus(KEY, (current) => {
      seen.push(current);
      return { created: true };
    });
    expect(seen).toEqual([undefined]);
    expect(store.object?.status).toEqual({ created: true });
  });
});

describe('an object that was deleted and created again under its name', () => {
  const other = { uid: 'another', finalizers: [DELETE_FINALIZER] };

  it.each([
    ['as the cache has it', (cache: IndexedResourceCache) => cache.apply(secret(other))],
    ['as the API server says', () => undefined],
    [
      'while the cache still has the old one',
      (cache: IndexedResourceCache) =>
        cache.apply(secret({ resourceVersion: '9', finalizers: [DELETE_FINALIZER] })),
    ],
  ])('keeps its status and its finalizer, %s', async (_, see) => {
    const { client, cache, store, logger } = await startClient(secret(other));
    see(cache);
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual({ outcome: 'gone' });
    expect(await client.removeFinalizer(KEY)).toEqual({ outcome: 'gone' });
    expect(store.object).toEqual(secret(other));
    expect(logger.entries).toEqual([]);
  });

  it('is not taken for a CRD without a status', async () => {
    const { client, cache, server, logger } = await startClient(secret(other));
    cache.apply(secret());
    server.faults.inject({
      matches: ({ method }) => method === 'PATCH',
      action: {
        kind: 'answer',
        status: 404,
        body: JSON.stringify({ kind: 'Status', reason: 'NotFound', details: { name: 'app' } }),
      },
    });
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual({ outcome: 'gone' });
    expect(logger.entries).toEqual([]);
  });
});

describe('ApiResourceClient.removeFinalizer', () => {
  it('removes ours and nothing else, with the version as precondition', async () => {
    const { client, server, store } = await startClient(secret({ finalizers: ['a', DELETE_FINALIZER, 'b'] }));
    expect(await client.removeFinalizer(KEY)).toEqual(patched);
    expect(store.object?.metadata.finalizers).toEqual(['a', 'b']);
    const patch = server.requests.all.at(-1);
    expect(patch?.url).toBe(URL_OF_APP);
    expect(JSON.parse(patch?.body ?? '')).toEqual({
      metadata: { finalizers: ['a', 'b'], resourceVersion: '10' },
    });
  });

  it('keeps a foreign finalizer that was added meanwhile', async () => {
    const { client, cache, store, methods } = await startClient(
      secret({ finalizers: [DELETE_FINALIZER, 'late'] }),
    );
    cache.apply(secret({ resourceVersion: '9', finalizers: [DELETE_FINALIZER] }));
    expect(await client.removeFinalizer(KEY)).toEqual(patched);
    expect(methods()).toEqual(['PATCH', 'GET', 'PATCH']);
    expect(store.object?.metadata.finalizers).toEqual(['late']);
  });

  it('leaves an object without our finalizer alone', async () => {
    const { client, methods } = await startClient(secret({ finalizers: ['a'] }));
    expect(await client.removeFinalizer(KEY)).toEqual(unchanged);
    expect(methods()).toEqual(['GET']);
  });

  it('says gone and forbidden', async () => {
    const { client, server, store, logger } = await startClient(secret({ finalizers: [DELETE_FINALIZER] }));
    const lift = server.faults.inject({
      matches: ({ method }) => method === 'PATCH',
      action: { kind: 'answer', status: 403 },
    });
    expect(await client.removeFinalizer(KEY)).toEqual(forbidden);
    expect(logger.entries).toHaveLength(1);
    lift();
    store.object = undefined;
    expect(await client.removeFinalizer(KEY)).toEqual({ outcome: 'gone' });
    expect(await client.removeFinalizer({ ...KEY, kind: PARTIAL_KIND })).toEqual({ outcome: 'gone' });
  });
});
