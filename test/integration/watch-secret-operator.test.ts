import { afterEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, PARTIAL_KIND, PLURALS, SECRET_KIND } from '../../src/api/group.js';
import { keyString, type ResourceKey } from '../../src/api/resource-key.js';
import { ApiResourceClient } from '../../src/kube/resource-client.js';
import { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import type { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import type { Priority, WorkQueue } from '../../src/queue/work-queue.js';
import { Freshness } from '../../src/watch/freshness.js';
import { SecretOperator } from '../../src/watch/secret-operator.js';
import { operatorParts, plainKubeConfig, until } from './watch-recording.js';
import { ScriptedApi } from './watch-scripted-api.js';

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

class RecordingQueue implements WorkQueue {
  readonly added: string[] = [];
  readonly forgotten: string[] = [];
  add(key: ResourceKey, priority: Priority): void {
    this.added.push(`${priority} ${keyString(key)}`);
  }
  forget(key: ResourceKey): void {
    this.forgotten.push(keyString(key));
  }
}

const spec = (path: string, ...includeSecrets: string[]) => ({
  path,
  kvSettings: { engineVersion: 'v1' },
  includeSecrets,
});

async function startApi(): Promise<ScriptedApi> {
  const api = await ScriptedApi.start();
  cleanups.push(() => api.server.close());
  return api;
}

async function startOperator(api: ScriptedApi, namespaces?: readonly string[]) {
  const parts = operatorParts(plainKubeConfig(api.server.url));
  const cache = new IndexedResourceCache();
  const queue = new RecordingQueue();
  const forgotten: string[] = [];
  const freshness = new Freshness(
    parts.clock,
    parts.logger,
    parts.metrics,
    { check: () => undefined },
    namespaces,
    {
      inactivityMs: 10_000,
    },
  );
  const operator = new SecretOperator(
    parts.connection,
    parts.client,
    parts.logger,
    parts.clock,
    parts.metrics,
    cache,
    queue,
    freshness,
    [{ forget: (key) => forgotten.push(keyString(key)) }],
    namespaces,
    parts.limits,
    parts.random,
  );
  cleanups.push(async () => {
    operator.stop();
    await operator.whenStopped();
    parts.connection.close();
  });
  await operator.start();
  return { operator, cache, queue, forgotten, parts, freshness };
}

/** Started, listed and watching, with the keys of the lists taken off the queue. */
async function startSynced(api: ScriptedApi) {
  const started = await startOperator(api);
  await started.operator.whenSynced();
  await until('both streams', () => api.openStreams === 2);
  started.queue.added.length = 0;
  return started;
}

/** An edit of a bystander that every earlier event has been handled before. */
async function settled(api: ScriptedApi, queue: RecordingQueue): Promise<string[]> {
  for (const kind of [SECRET_KIND, PARTIAL_KIND] as const) {
    api.put(kind, 'bystander', 'last', spec('secret/bystander'));
    await until('the bystander', () => queue.added.includes(`edit ${kind}/bystander/last`));
  }
  return queue.added.filter((entry) => !entry.includes('/bystander/'));
}

async function synced({ metrics }: { metrics: OperatorMetrics }): Promise<Record<string, number>> {
  const { values } = await metrics.watchSynced.get();
  return Object.fromEntries(
    values.map(({ labels, value }) => [`${String(labels.kind)} ${String(labels.namespace)}`, value]),
  );
}

describe('SecretOperator', () => {
  it('queues nothing before both kinds are listed completely, then every key with resync priority', async () => {
    const api = await startApi();
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app', 'shared'));
    api.put(PARTIAL_KIND, 'team', 'shared', {});
    const lift = api.server.faults.inject({
      matches: ({ url }) => url.includes(PLURALS[PARTIAL_KIND]),
      action: { kind: 'answer', status: 503 },
    });
    const { operator, queue, cache } = await startOperator(api);
    await until('the first stream', () => api.openStreams === 1);
    expect(cache.secret('team', 'app')?.spec.path).toBe('secret/app');
    expect(operator.synced()).toBe(false);
    expect(queue.added).toEqual([]);
    lift();
    await operator.whenSynced();
    expect(operator.synced()).toBe(true);
    expect(queue.added.sort()).toEqual([
      'resync KMSVaultSecret/team/app',
      'resync PartialKMSVaultSecret/team/shared',
    ]);
  });

  it('keeps the priority of an edit that came before the sync, and drops a key that was deleted', async () => {
    const api = await startApi();
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app'));
    api.put(SECRET_KIND, 'team', 'gone', spec('secret/gone'));
    const lift = api.server.faults.inject({
      matches: ({ url }) => url.includes(PLURALS[PARTIAL_KIND]),
      action: { kind: 'answer', status: 503 },
    });
    const { operator, queue, cache } = await startOperator(api);
    await until('the first stream', () => api.openStreams === 1);
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app2'));
    api.delete(SECRET_KIND, 'team', 'gone');
    await until('the changes', () => cache.secret('team', 'gone') === undefined);
    lift();
    await operator.whenSynced();
    expect(queue.added).toEqual(['edit KMSVaultSecret/team/app']);
  });

  it('is synced with an empty cluster', async () => {
    const { operator, queue } = await startOperator(await startApi());
    await operator.whenSynced();
    expect(queue.added).toEqual([]);
  });

  it('begins each namespace when its own lists are complete, whatever becomes of the others', async () => {
    const api = await startApi();
    api.put(SECRET_KIND, 'a', 'app', spec('secret/a'));
    api.put(SECRET_KIND, 'b', 'app', spec('secret/b'));
    api.put(SECRET_KIND, 'c', 'other', spec('secret/c'));
    const lift = api.server.faults.inject({
      matches: ({ url }) => url.includes('/namespaces/b/'),
      action: { kind: 'answer', status: 403 },
    });
    const { operator, queue, freshness, parts } = await startOperator(api, ['a', 'b', 'b']);
    await until('the streams of the other namespace', () => api.openStreams === 2);
    expect(queue.added).toEqual(['resync KMSVaultSecret/a/app']);
    await until('both refusals', () => freshness.mayProcess({ namespace: 'a' }));
    expect(freshness.mayProcess({ namespace: 'b' })).toBe(false);
    expect(operator.synced()).toBe(false);
    const warnings = parts.logger.entries.filter(({ level }) => level === 'warn');
    expect(warnings.map(({ facts }) => facts.namespace)).toEqual(['b']);
    expect(freshness.problem()).toBeUndefined();
    expect(freshness.note()).toBe('the API server refuses to list in b: not synced');
    expect(await synced(parts)).toEqual({
      'KMSVaultSecret a': 1,
      'KMSVaultSecret b': 0,
      'PartialKMSVaultSecret a': 1,
      'PartialKMSVaultSecret b': 0,
    });
    lift();
    await operator.whenSynced();
    await until('all streams', () => api.openStreams === 4);
    expect(queue.added).toEqual(['resync KMSVaultSecret/a/app', 'resync KMSVaultSecret/b/app']);
    expect(freshness.mayProcess({ namespace: 'b' })).toBe(true);
    expect(freshness.note()).toBeUndefined();
    expect(Object.values(await synced(parts))).toEqual([1, 1, 1, 1]);
    api.put(SECRET_KIND, 'b', 'app', spec('secret/b2'));
    await until('the edit', () => queue.added.includes('edit KMSVaultSecret/b/app'));
  });

  it.each([
    ['a status of our own', { created: true }, {}],
    ['labels and annotations', undefined, { labels: { a: 'b' }, annotations: { c: 'd' } }],
  ])('does not queue a change of %s', async (_what, status, metadata) => {
    const api = await startApi();
    const before = api.put(SECRET_KIND, 'team', 'app', spec('secret/app'));
    const { queue, cache } = await startSynced(api);
    const { generation } = before.metadata;
    const after = api.put(
      SECRET_KIND,
      'team',
      'app',
      spec('secret/app'),
      { generation, ...metadata },
      status,
    );
    expect(await settled(api, queue)).toEqual([]);
    expect(cache.secret('team', 'app')?.metadata.resourceVersion).toBe(after.metadata.resourceVersion);
    expect(cache.secret('team', 'app')?.status).toEqual(status);
  });

  it('does not queue a status change where the server counts no generations, but queues a spec change', async () => {
    const api = await startApi();
    const none = { generation: undefined };
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app'), none);
    const { queue } = await startSynced(api);
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app'), none);
    expect(await settled(api, queue)).toEqual([]);
    api.put(SECRET_KIND, 'team', 'app', { ...spec('secret/app'), secrets: [{ key: 'new' }] }, none);
    await until('the edit', () => queue.added.includes('edit KMSVaultSecret/team/app'));
  });

  it('queues an edit although a conflict has brought it into the cache before the watch', async () => {
    const api = await startApi();
    const before = api.put(SECRET_KIND, 'team', 'app', spec('secret/app'));
    const { queue, cache } = await startSynced(api);
    const metadata = { ...before.metadata, generation: 2, resourceVersion: String(api.version + 1) };
    cache.apply({ ...before, metadata });
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app'));
    expect(await settled(api, queue)).toEqual(['edit KMSVaultSecret/team/app']);
  });

  it.each([
    ['a deletionTimestamp', { deletionTimestamp: '2024-01-01T00:00:00Z', finalizers: [DELETE_FINALIZER] }],
    ['finalizers', { finalizers: ['foreign'] }],
  ])('queues a change of %s', async (_what, metadata) => {
    const api = await startApi();
    const { metadata: before } = api.put(SECRET_KIND, 'team', 'app', spec('secret/app'), {
      finalizers: [DELETE_FINALIZER],
    });
    const { queue } = await startSynced(api);
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app'), { generation: before.generation, ...metadata });
    expect(await settled(api, queue)).toEqual(['edit KMSVaultSecret/team/app']);
  });

  it('queues a partial and its owners when it appears, changes and goes', async () => {
    const api = await startApi();
    api.put(SECRET_KIND, 'team', 'one', spec('secret/one', 'shared'));
    api.put(SECRET_KIND, 'team', 'two', spec('secret/two', 'other', 'shared'));
    api.put(SECRET_KIND, 'team', 'none', spec('secret/none'));
    api.put(SECRET_KIND, 'elsewhere', 'three', spec('secret/three', 'shared'));
    const { queue, forgotten } = await startSynced(api);
    const owners = ['edit KMSVaultSecret/team/one', 'edit KMSVaultSecret/team/two'];
    const all = [...owners, 'edit PartialKMSVaultSecret/team/shared'];
    const { metadata } = api.put(PARTIAL_KIND, 'team', 'shared', {});
    expect((await settled(api, queue)).sort()).toEqual(all);
    queue.added.length = 0;
    api.put(PARTIAL_KIND, 'team', 'shared', { secrets: [] });
    expect((await settled(api, queue)).sort()).toEqual(all);
    queue.added.length = 0;
    api.put(PARTIAL_KIND, 'team', 'shared', { secrets: [] }, { generation: (metadata.generation ?? 0) + 1 });
    expect(await settled(api, queue)).toEqual([]);
    queue.added.length = 0;
    api.delete(PARTIAL_KIND, 'team', 'shared');
    expect((await settled(api, queue)).sort()).toEqual(owners);
    expect(queue.forgotten).toEqual(['PartialKMSVaultSecret/team/shared']);
    expect(forgotten).toEqual(queue.forgotten);
  });

  it('queues the partials whose count of includers changes', async () => {
    const api = await startApi();
    api.put(PARTIAL_KIND, 'team', 'kept', {});
    api.put(PARTIAL_KIND, 'team', 'left', {});
    api.put(PARTIAL_KIND, 'team', 'joined', {});
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app', 'kept', 'left'));
    const { queue } = await startSynced(api);
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app', 'kept', 'joined'));
    expect((await settled(api, queue)).sort()).toEqual([
      'edit KMSVaultSecret/team/app',
      'resync PartialKMSVaultSecret/team/joined',
      'resync PartialKMSVaultSecret/team/left',
    ]);
  });

  it('forgets a deleted resource and queues the others at its path, however it is spelled', async () => {
    const api = await startApi();
    api.put(SECRET_KIND, 'team', 'owner', spec('secret//app/'));
    api.put(SECRET_KIND, 'other', 'next', spec('secret/app'));
    api.put(SECRET_KIND, 'team', 'apart', spec('secret/apart'));
    const { queue, cache, forgotten, parts } = await startSynced(api);
    api.delete(SECRET_KIND, 'team', 'owner');
    expect(await settled(api, queue)).toEqual(['edit KMSVaultSecret/other/next']);
    expect(forgotten).toEqual(['KMSVaultSecret/team/owner']);
    expect(queue.forgotten).toEqual(['KMSVaultSecret/team/owner']);
    expect(cache.secret('team', 'owner')).toBeUndefined();
    const { values } = await parts.metrics.resources.get();
    expect(values.find(({ labels }) => labels.kind === SECRET_KIND)?.value).toBe(3);
  });

  it('queues the others at the old and at the new path when a path changes', async () => {
    const api = await startApi();
    api.put(SECRET_KIND, 'team', 'moves', spec('secret/old'));
    api.put(SECRET_KIND, 'team', 'at-old', spec('secret/old'));
    api.put(SECRET_KIND, 'team', 'at-new', spec('secret/new'));
    const { queue } = await startSynced(api);
    api.put(SECRET_KIND, 'team', 'moves', spec('secret/new'));
    expect((await settled(api, queue)).sort()).toEqual([
      'edit KMSVaultSecret/team/at-new',
      'edit KMSVaultSecret/team/at-old',
      'edit KMSVaultSecret/team/moves',
    ]);
  });

  it('notices at the relist what was deleted while disconnected', async () => {
    const api = await startApi();
    api.put(SECRET_KIND, 'team', 'gone', spec('secret/app'));
    api.put(SECRET_KIND, 'team', 'next', spec('secret/app'));
    const { queue, forgotten, parts } = await startSynced(api);
    const { port } = api.server;
    await api.server.close();
    await until('a failed reconnect', () => parts.logger.count('API server cannot be reached') > 0);
    api.delete(SECRET_KIND, 'team', 'gone');
    await api.server.listen(port);
    await until('the deletion', () => forgotten.includes('KMSVaultSecret/team/gone'));
    expect(queue.added).toEqual(['edit KMSVaultSecret/team/next']);
  });

  it.each([
    ['no spec', undefined],
    ['a spec that is a text', 'text'],
    ['includes that are no list', { path: 7, includeSecrets: { a: 1 } }],
    ['a path that is refused', { path: '../sys', includeSecrets: [1, null] }],
  ])('queues an object with %s like any other', async (_what, broken) => {
    const api = await startApi();
    const { queue, cache } = await startSynced(api);
    api.put(SECRET_KIND, 'team', 'broken', broken);
    expect(await settled(api, queue)).toEqual(['edit KMSVaultSecret/team/broken']);
    expect(cache.secret('team', 'broken')).toBeDefined();
  });

  it.each([SECRET_KIND, PARTIAL_KIND] as const)(
    'forgets a %s that was created and deleted while the watch was down and read in between',
    async (kind) => {
      const api = await startApi();
      const { metadata: ofOwner } = api.put(SECRET_KIND, 'team', 'owner', spec('secret/owner', 'brief'));
      const owner = { kind: SECRET_KIND, namespace: 'team', name: 'owner', uid: ofOwner.uid ?? '' } as const;
      const { cache, parts, queue } = await startSynced(api);
      const resources = new ApiResourceClient(parts.client, cache, parts.logger);
      const lift = api.server.faults.inject({
        matches: ({ url }) => url.includes('watch=true') || url.includes('limit='),
        action: { kind: 'answer', status: 503 },
      });
      api.server.requests.clear();
      api.endStreams();
      // A list is due for both kinds: the history will not tell.
      await until('refused lists', () =>
        Object.values(PLURALS).every((plural) =>
          api.server.requests.all.some(({ url }) => url.includes(`/${plural}?limit=`)),
        ),
      );
      const { metadata } = api.put(kind, 'team', 'brief', spec('secret/brief'));
      const read = await resources.fetch({ kind, namespace: 'team', name: 'brief' });
      expect(read?.metadata.uid).toBe(metadata.uid);
      await resources.updateStatus(owner, () => ({}));
      api.delete(kind, 'team', 'brief');
      lift();
      await until('both streams', () => api.openStreams === 2);
      await settled(api, queue);
      expect(cache.get({ kind, namespace: 'team', name: 'brief' })).toBeUndefined();
      expect(cache.secret('team', 'owner')).toBeDefined();
    },
  );

  it('removes at the end of a list whatever the list lacks, however it came into the cache', async () => {
    const api = await startApi();
    const stranger = api.put(PARTIAL_KIND, 'team', 'stranger', {});
    api.delete(PARTIAL_KIND, 'team', 'stranger');
    api.put(SECRET_KIND, 'team', 'owner', spec('secret/owner', 'stranger'));
    const { cache, queue, forgotten } = await startSynced(api);
    cache.apply(stranger);
    api.compact();
    api.version += 1;
    api.compact();
    api.endStreams();
    await until('the removal', () => cache.partial('team', 'stranger') === undefined);
    expect(forgotten).toEqual(['PartialKMSVaultSecret/team/stranger']);
    await until('the owner', () => queue.added.includes('edit KMSVaultSecret/team/owner'));
  });
});
