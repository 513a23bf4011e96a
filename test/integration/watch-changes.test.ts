import { afterEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, PARTIAL_KIND, RECONCILE_AT_ANNOTATION, SECRET_KIND } from '../../src/api/group.js';
import { closeAll } from '../support/closing.js';
import { until } from './watch-recording.js';
import { settled, spec, startApi, startSynced } from './watch-secret-fixture.js';

afterEach(closeAll);

describe('changes that SecretOperator sees', () => {
  it.each([
    ['a status of our own', { created: true }, {}],
    ['labels and annotations', undefined, { labels: { a: 'b' }, annotations: { c: 'd' } }],
  ])('do not queue a change of %s', async (_what, status, metadata) => {
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

  it('queue each new value of the annotation reconcile-at, and nothing when it goes or comes back', async () => {
    const api = await startApi();
    const { metadata: before } = api.put(SECRET_KIND, 'team', 'app', spec('secret/app', 'shared'));
    const { metadata: partial } = api.put(PARTIAL_KIND, 'team', 'shared', {});
    const { queue } = await startSynced(api);
    const put = (value?: string): void => {
      const annotations = {
        other: String(value),
        ...(value === undefined ? {} : { [RECONCILE_AT_ANNOTATION]: value }),
      };
      api.put(SECRET_KIND, 'team', 'app', spec('secret/app', 'shared'), {
        generation: before.generation,
        annotations,
      });
    };
    put('one');
    expect(await settled(api, queue)).toEqual(['edit KMSVaultSecret/team/app']);
    queue.added.length = 0;
    put();
    put('one');
    expect(await settled(api, queue)).toEqual([]);
    queue.added.length = 0;
    put('two');
    expect(await settled(api, queue)).toEqual(['edit KMSVaultSecret/team/app']);
    queue.added.length = 0;
    // On a partial, it concerns everything that includes it.
    const annotations = { [RECONCILE_AT_ANNOTATION]: 'now' };
    api.put(PARTIAL_KIND, 'team', 'shared', {}, { generation: partial.generation, annotations });
    expect((await settled(api, queue)).sort()).toEqual([
      'edit KMSVaultSecret/team/app',
      'edit PartialKMSVaultSecret/team/shared',
    ]);
  });

  it('do not queue a status change where the server counts no generations, but queue a spec change', async () => {
    const api = await startApi();
    const none = { generation: undefined };
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app'), none);
    const { queue } = await startSynced(api);
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app'), none);
    expect(await settled(api, queue)).toEqual([]);
    api.put(SECRET_KIND, 'team', 'app', { ...spec('secret/app'), secrets: [{ key: 'new' }] }, none);
    await until('the edit', () => queue.added.includes('edit KMSVaultSecret/team/app'));
  });

  it('queue an edit that reached the cache through a conflict before the watch', async () => {
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
  ])('queue a change of %s', async (_what, metadata) => {
    const api = await startApi();
    const { metadata: before } = api.put(SECRET_KIND, 'team', 'app', spec('secret/app'), {
      finalizers: [DELETE_FINALIZER],
    });
    const { queue } = await startSynced(api);
    api.put(SECRET_KIND, 'team', 'app', spec('secret/app'), { generation: before.generation, ...metadata });
    expect(await settled(api, queue)).toEqual(['edit KMSVaultSecret/team/app']);
  });

  it('queue a partial and its owners when it is created, edited and deleted', async () => {
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

  it('queue the partials whose number of owners changes', async () => {
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

  it('queue the other resources at the old and the new path when a path changes', async () => {
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

  it.each([
    ['no spec', undefined],
    ['a spec that is a text', 'text'],
    ['includes that are no list', { path: 7, includeSecrets: { a: 1 } }],
    ['a path that is refused', { path: '../sys', includeSecrets: [1, null] }],
  ])('queue an object with %s like any other', async (_what, broken) => {
    const api = await startApi();
    const { queue, cache } = await startSynced(api);
    api.put(SECRET_KIND, 'team', 'broken', broken);
    expect(await settled(api, queue)).toEqual(['edit KMSVaultSecret/team/broken']);
    expect(cache.secret('team', 'broken')).toBeDefined();
  });
});
