import { afterEach, describe, expect, it } from '@jest/globals';

import { SECRET_KIND } from '../../src/api/group.js';
import { closeAll } from '../support/closing.js';
import { startApi, startOperator, watching } from './watch-operator-fixture.js';
import { until } from './watch-recording.js';
import type { ScriptedApi } from './watch-scripted-api.js';

afterEach(closeAll);

describe('lists of ListWatchOperator', () => {
  it('come page by page, then the watch starts at the version of the list', async () => {
    const api = await startApi('a', 'b', 'c', 'd', 'e');
    const operator = await startOperator(api.server.url, { pageSize: 2 });
    await watching(api);
    expect(operator.heard).toEqual(['ADDED a', 'ADDED b', 'ADDED c', 'ADDED d', 'ADDED e']);
    expect(operator.lists).toBe(1);
    const [first, second, third, watch] = api.server.requests.all.map(
      ({ url }) => new URL(url, 'http://x').searchParams,
    );
    expect(first?.get('limit')).toBe('2');
    expect(second?.get('continue')).toBe('2');
    expect(third?.get('continue')).toBe('4');
    expect(watch?.get('resourceVersion')).toBe(String(api.version));
    expect(watch?.get('allowWatchBookmarks')).toBe('true');
    expect(Number(watch?.get('timeoutSeconds'))).toBeGreaterThan(0);
  });

  it('come once after an outage and deliver only what changed: edits, deletions, objects created again', async () => {
    const api = await startApi('same', 'edited', 'deleted', 'replaced');
    const operator = await startOperator(api.server.url);
    await watching(api);
    const port = api.server.port;
    operator.heard.length = 0;
    await api.server.close();
    await until('failed reconnects', () => operator.parts.logger.count('API server cannot be reached') > 0);
    api.put(SECRET_KIND, 'team', 'edited', { path: 'secret/new' });
    api.delete(SECRET_KIND, 'team', 'deleted');
    api.delete(SECRET_KIND, 'team', 'replaced');
    api.put(SECRET_KIND, 'team', 'replaced', {});
    api.server.requests.clear();
    await api.server.listen(port);
    await watching(api);
    expect(operator.heard).toEqual([
      'MODIFIED edited',
      'DELETED replaced',
      'ADDED replaced',
      'DELETED deleted',
    ]);
    expect(api.lists()).toBe(1);
    expect(operator.parts.logger.count('API server cannot be reached')).toBe(1);
    await until('the recovery', () => operator.parts.logger.count('watch works again') === 1);
  });

  it.each([
    ['HTTP 410', (api: ScriptedApi) => api.endStreams()],
    [
      'an ERROR event with code 410',
      (api: ScriptedApi) => {
        api.say(JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }));
      },
    ],
  ])('come once and lose nothing after %s', async (_how, expire) => {
    const api = await startApi('a', 'b');
    const operator = await startOperator(api.server.url);
    await watching(api);
    api.server.faults.inject({
      matches: ({ url }) => url.includes('watch=true'),
      action: { kind: 'answer', status: 410, body: '{"kind":"Status","reason":"Expired","code":410}' },
      times: 1,
    });
    expire(api);
    api.put(SECRET_KIND, 'elsewhere', 'c', {});
    await until('the relist', () => operator.heard.includes('ADDED c') && api.openStreams === 1);
    expect(operator.heard.filter((event) => event !== 'ADDED c')).toEqual(['ADDED a', 'ADDED b']);
    expect(await operator.restarts('expired')).toBeGreaterThanOrEqual(1);
  });

  it('show a deletion that was compacted away', async () => {
    const api = await startApi('a', 'b');
    const operator = await startOperator(api.server.url);
    await watching(api);
    const lift = api.server.faults.inject({
      matches: ({ url }) => url.includes('watch=true'),
      action: { kind: 'answer', status: 429, headers: { 'retry-after': '0' } },
    });
    api.endStreams();
    await until('no stream', () => api.openStreams === 0);
    api.delete(SECRET_KIND, 'team', 'a');
    api.compact();
    lift();
    await until('the deletion', () => operator.heard.includes('DELETED a'));
    expect(api.lists()).toBe(2);
  });

  it('start again, in larger pages, when a continue token has expired', async () => {
    const api = await startApi('a', 'b', 'c');
    api.server.faults.inject({
      matches: ({ url }) => url.includes('continue='),
      action: { kind: 'answer', status: 410, body: '{"kind":"Status","reason":"Expired","code":410}' },
      times: 1,
    });
    const operator = await startOperator(api.server.url, { pageSize: 2 });
    await watching(api);
    expect(operator.heard).toEqual(['ADDED a', 'ADDED b', 'ADDED c']);
    expect(operator.lists).toBe(1);
    expect(api.server.requests.all[2]?.url).toContain('limit=8');
  });

  it('ask for the same page again after a 429', async () => {
    const api = await startApi('a', 'b', 'c');
    api.server.faults.inject({
      matches: ({ url }) => url.includes('continue='),
      action: { kind: 'answer', status: 429, headers: { 'retry-after': '0' } },
      times: 1,
    });
    const operator = await startOperator(api.server.url, { pageSize: 2 });
    await watching(api);
    expect(api.lists()).toBe(1);
    expect(operator.heard).toHaveLength(3);
  });

  it('deliver every object again when the server was restored from a backup', async () => {
    const api = await startApi('a', 'b');
    const operator = await startOperator(api.server.url);
    await watching(api);
    operator.heard.length = 0;
    const port = api.server.port;
    await api.server.close();
    api.rewind(50);
    api.put(SECRET_KIND, 'team', 'a', {});
    await until('a failed reconnect', () => operator.parts.logger.count('API server cannot be reached') > 0);
    await api.server.listen(port);
    await until('the list', () => operator.lists === 2);
    expect(operator.rewinds).toBe(1);
    expect(operator.heard).toEqual(['MODIFIED a', 'MODIFIED b']);
  });

  it('are separate for each namespace', async () => {
    const api = await startApi('a');
    api.put(SECRET_KIND, 'other', 'b', {});
    api.put(SECRET_KIND, 'third', 'c', {});
    const operator = await startOperator(api.server.url, {}, ['team', 'other']);
    await until('two streams', () => api.openStreams === 2);
    expect(operator.heard.sort()).toEqual(['ADDED a', 'ADDED b']);
  });
});

describe('a list on demand', () => {
  it('replaces an open stream at once', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    operator.listAgain();
    await until('a second list and stream', () => operator.lists === 2 && api.watches === 2);
    expect(operator.heard).toEqual(['ADDED a']);
    expect(await operator.restarts('behind')).toBe(1);
  });

  it('replaces a list that is under way, and can be stopped in the middle', async () => {
    const api = await startApi('a');
    const lists = (): number => api.server.requests.count(({ url }) => url.includes('limit='));
    const lift = api.server.faults.inject({
      matches: ({ url }) => url.includes('limit='),
      action: { kind: 'hang' },
    });
    const operator = await startOperator(api.server.url);
    await until('a list', () => lists() === 1);
    operator.listAgain();
    await until('another list', () => lists() === 2);
    expect(operator.lists).toBe(0);
    operator.stop();
    await operator.whenStopped();
    expect(operator.heard).toEqual([]);
    lift();
  });

  it('does not wait for the end of a backoff', async () => {
    const api = await startApi('a');
    const limits = { backoffBaseMs: 50_000, backoffCapMs: 50_000 };
    const operator = await startOperator(api.server.url, limits);
    await watching(api);
    api.endStreams();
    await until('the pause', () => operator.parts.clock.waits.some((ms) => ms >= 25_000 && ms <= 50_000));
    operator.listAgain();
    await until('the list', () => operator.lists === 2);
  });
});
