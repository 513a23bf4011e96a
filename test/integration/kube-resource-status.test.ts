import { afterEach, describe, expect, it } from '@jest/globals';

import type { KMSVaultSecretStatus } from '../../src/api/resources.js';
import type { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import type { ApiResourceClient } from '../../src/kube/resource-client.js';
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

  it('reads again after a conflict, computes the status again, and keeps what others wrote', async () => {
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

  it('reports gone when the object is missing, before or at the patch', async () => {
    const { client, cache } = await startClient(undefined);
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual({ outcome: 'gone' });
    cache.apply(secret());
    expect(await client.updateStatus(KEY, () => ({ created: true }))).toEqual({ outcome: 'gone' });
  });

  it('reports forbidden for 403, and logs it once per kind', async () => {
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

  it('reports forbidden where the CRD has no status subresource', async () => {
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

  it('does not patch again what an older CRD drops, and logs it once', async () => {
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

  it('does not patch again what an older CRD drops inside a field', async () => {
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
      'was deleted during the patch',
      (client: ApiResourceClient, cache: IndexedResourceCache) => {
        cache.remove(KEY);
        return client.updateStatus(KEY, () => ({ failedKeys: [{ key: 'a', reason: 'one' }] }));
      },
    ],
  ])('forgets which status fields were altered when the resource %s', async (_how, leave) => {
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

  it('treats a status that is not an object as empty', async () => {
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
