import { afterEach, describe, expect, it } from '@jest/globals';

import { PARTIAL_KIND, PLURALS, SECRET_KIND } from '../../src/api/group.js';
import { closeAll } from '../support/closing.js';
import { until } from './watch-recording.js';
import { spec, startApi, startOperator, synced } from './watch-secret-fixture.js';

afterEach(closeAll);

describe('the first lists of SecretOperator', () => {
  it('queue nothing before both kinds are listed, then every key with resync priority', async () => {
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

  it('keep the priority of an edit that came before, and drop a key that was deleted', async () => {
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

  it('are complete with an empty cluster', async () => {
    const { operator, queue } = await startOperator(await startApi());
    await operator.whenSynced();
    expect(queue.added).toEqual([]);
  });

  it('start each namespace when its own lists are complete, whether the others are or not', async () => {
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
    expect(freshness.note()).toBe('the API server denies the list in b: not synced');
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
});
