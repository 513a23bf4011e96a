import { afterEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, PARTIAL_KIND } from '../../src/api/group.js';
import type { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import { closeAll } from '../support/closing.js';

import {
  forbidden,
  KEY,
  patched,
  secret,
  startClient,
  unchanged,
  URL_OF_APP,
} from './kube-resource-fixture.js';

afterEach(closeAll);

describe('ApiResourceClient.fetch', () => {
  it('reads from the API server and updates the cache', async () => {
    const { client, cache, store } = await startClient(secret());
    cache.apply(secret({ resourceVersion: '9' }));
    expect(await client.fetch(KEY)).toEqual(store.object);
    expect(cache.secret('team', 'app')?.metadata.resourceVersion).toBe('10');
  });

  it('adds nothing to the cache that no watch has delivered: neither a new object nor one with another uid', async () => {
    const { client, cache } = await startClient(secret());
    expect(await client.fetch(KEY)).toBeDefined();
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual(patched);
    expect(cache.get(KEY)).toBeUndefined();
    cache.apply(secret({ uid: 'before', resourceVersion: '1' }));
    expect((await client.fetch(KEY))?.metadata.uid).toBe('u');
    expect(cache.get(KEY)?.metadata.uid).toBe('before');
  });

  it('returns undefined only for a 404 of this object', async () => {
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

  it.each([500, 403, 429])('throws for %i: the object may exist', async (status) => {
    const { client, server } = await startClient(secret());
    server.faults.inject({ matches: () => true, action: { kind: 'answer', status } });
    await expect(client.fetch(KEY)).rejects.toMatchObject({ name: 'KubeError', status });
  });

  it.each(['{}', 'text', '{"metadata":{"name":"other","uid":"u","resourceVersion":"1"}}'])(
    'throws for an answer that is not the object: %s',
    async (body) => {
      const { client, server } = await startClient(secret());
      server.faults.inject({ matches: () => true, action: { kind: 'answer', status: 200, body } });
      await expect(client.fetch(KEY)).rejects.toThrow('the response is not the object');
    },
  );
});

describe('ApiResourceClient.removeFinalizer', () => {
  it('removes only our finalizer, with the version as precondition', async () => {
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

  it('sends no patch for an object without our finalizer', async () => {
    const { client, methods } = await startClient(secret({ finalizers: ['a'] }));
    expect(await client.removeFinalizer(KEY)).toEqual(unchanged);
    expect(methods()).toEqual(['GET']);
  });

  it('reports gone and forbidden', async () => {
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

  it('is not mistaken for a CRD without a status', async () => {
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
