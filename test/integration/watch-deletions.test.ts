import { afterEach, describe, expect, it } from '@jest/globals';

import { PARTIAL_KIND, PLURALS, SECRET_KIND } from '../../src/api/group.js';
import { ApiResourceClient } from '../../src/kube/resource-client.js';
import { closeAll } from '../support/closing.js';
import { until } from './watch-recording.js';
import { settled, spec, startApi, startSynced } from './watch-secret-fixture.js';

afterEach(closeAll);

describe('deletions that SecretOperator sees', () => {
  it('remove the resource from memory and queue the others at its path, however it is spelled', async () => {
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

  it('are noticed at the relist after a disconnect', async () => {
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

  it.each([SECRET_KIND, PARTIAL_KIND] as const)(
    'are noticed for a %s that was created, read and deleted while the watch was down',
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
      // Both kinds must be listed: the history does not contain the deletion.
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

  it('are noticed for everything in the cache that a complete list lacks', async () => {
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
