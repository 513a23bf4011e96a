import { afterEach, describe, expect, it } from '@jest/globals';

import { SECRET_KIND } from '../../src/api/group.js';
import type { WatchLimits } from '../../src/watch/watch-limits.js';
import { operatorParts, plainKubeConfig, RecordingOperator, until } from './watch-recording.js';
import { ScriptedApi } from './watch-scripted-api.js';
import { FreezableProxy } from './watch-freezable-proxy.js';

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startApi(...names: string[]): Promise<ScriptedApi> {
  const api = await ScriptedApi.start();
  cleanups.push(() => api.server.close());
  for (const name of names) api.put(SECRET_KIND, 'team', name, { path: `secret/${name}` });
  return api;
}

async function startOperator(
  server: string,
  limits: Partial<WatchLimits> = {},
  namespaces?: readonly (string | undefined)[],
  random?: () => number,
): Promise<RecordingOperator> {
  const operator = new RecordingOperator(operatorParts(plainKubeConfig(server), limits, random), namespaces);
  cleanups.push(async () => {
    operator.stop();
    await operator.whenStopped();
    operator.parts.connection.close();
  });
  await operator.start();
  return operator;
}

const watching = (api: ScriptedApi) => until('an open stream', () => api.openStreams === 1);

describe('ListWatchOperator', () => {
  it('lists page by page, then watches from the version of the list', async () => {
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

  it('delivers changes in order and one at a time', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    let running = 0;
    let peak = 0;
    operator.handler = async () => {
      peak = Math.max(peak, (running += 1));
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    api.put(SECRET_KIND, 'team', 'b', {});
    api.put(SECRET_KIND, 'team', 'a', {});
    api.delete(SECRET_KIND, 'team', 'b');
    await until('all events', () => operator.heard.length === 4);
    expect(operator.heard).toEqual(['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED b']);
    expect(peak).toBe(1);
  });

  it('resumes at the last bookmark, without a list, when the server ends or cuts the stream', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    const bookmark = { kind: SECRET_KIND, metadata: { resourceVersion: '777' } };
    api.version = 777;
    api.say(JSON.stringify({ type: 'BOOKMARK', object: bookmark }));
    api.endStreams();
    await until('a second stream', () => api.watches === 2);
    await watching(api);
    api.server.cutConnections();
    await until('a third stream', () => api.watches === 3);
    await watching(api);
    api.put(SECRET_KIND, 'team', 'b', {});
    await until('the event', () => operator.heard.length === 2);
    expect(api.lists()).toBe(1);
    const versions = api.server.requests.all
      .filter(({ url }) => url.includes('watch=true'))
      .map(({ url }) => new URL(url, 'http://x').searchParams.get('resourceVersion'));
    expect(versions.slice(1)).toEqual(['777', '777']);
    expect(await operator.restarts('ended')).toBe(1);
    expect(await operator.restarts('cut')).toBe(1);
  });

  it('lists once after an outage and shows only what changed: changes, deletions, other incarnations', async () => {
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
  ])('lists once and loses nothing after %s', async (_how, expire) => {
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

  it('notices a deletion that was compacted away', async () => {
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

  it('begins the list again, in larger pages, when a continue token has expired', async () => {
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

  it('waits out a 429 with Retry-After and does not list again', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    api.server.faults.inject({
      matches: ({ url }) => url.includes('watch=true'),
      action: { kind: 'answer', status: 429, headers: { 'retry-after': '60' } },
      times: 1,
    });
    api.server.requests.clear();
    api.endStreams();
    await until('the second stream', () => api.watches === 2);
    expect(operator.parts.clock.skipped).toEqual([60_000]);
    expect(api.lists()).toBe(0);
    expect(await operator.restarts('throttled')).toBe(1);
  });

  it('asks for the same page again after a 429 in the middle of a list', async () => {
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

  it('reconnects a stream that went silent', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url, { inactivityMs: 200 });
    await until('a second stream', () => api.watches >= 2);
    expect(await operator.restarts('silent')).toBeGreaterThanOrEqual(1);
    expect(api.lists()).toBe(api.watches);
  });

  it('leaves a stream alone that has only bookmarks to say', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url, { inactivityMs: 1_000 });
    await watching(api);
    for (let sent = 0; sent < 8; sent += 1) {
      api.say(JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '101' } } }));
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    expect(api.watches).toBe(1);
    expect(await operator.restarts('silent')).toBe(0);
  });

  it('does not count the time of a slow handler as silence', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url, { inactivityMs: 1_000 });
    await watching(api);
    operator.handler = ({ meta }) =>
      meta.name === 'b' ? new Promise((resolve) => setTimeout(resolve, 1_300)) : Promise.resolve();
    api.put(SECRET_KIND, 'team', 'b', {});
    api.put(SECRET_KIND, 'team', 'c', {});
    await until('both events', () => operator.heard.length === 3);
    expect(api.watches).toBe(1);
  });

  it('gets over a half-open connection: packets dropped, no reset', async () => {
    const api = await startApi('a');
    const proxy = await FreezableProxy.start(api.server.port);
    cleanups.push(() => proxy.close());
    const operator = await startOperator(proxy.url, { inactivityMs: 200 });
    await watching(api);
    proxy.freezeOpenConnections();
    api.put(SECRET_KIND, 'team', 'b', {});
    await until('the event over a new connection', () => operator.heard.includes('ADDED b'));
    expect(await operator.restarts('silent')).toBeGreaterThanOrEqual(1);
  });

  it.each([
    ['not JSON', '{"type":"MODIF'],
    ['an event without an object', '{"type":"MODIFIED"}'],
    ['an object without a name', '{"type":"MODIFIED","object":{"apiVersion":"v1","kind":"X","metadata":{}}}'],
    ['an unknown type', '{"type":"RENAMED","object":{}}'],
  ])('counts a malformed line (%s), ends the stream at once and lists', async (_what, line) => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    api.say(line);
    await until('a second list', () => api.lists() === 2);
    await watching(api);
    api.put(SECRET_KIND, 'team', 'b', {});
    await until('the next event', () => operator.heard.includes('ADDED b'));
    expect(await operator.restarts('unreadable')).toBe(1);
    const { values } = await operator.parts.metrics.watchMalformedLines.get();
    expect(values).toEqual([{ labels: { kind: 'kmsvaultsecrets' }, value: 1 }]);
  });

  it('backs off more and more when every stream brings an unreadable line', async () => {
    const api = await startApi('a');
    const limits = { backoffBaseMs: 20, backoffCapMs: 10_000 };
    const operator = await startOperator(api.server.url, limits, [undefined], () => 1);
    for (let streams = 1; streams <= 4; streams += 1) {
      await until('a stream', () => api.watches === streams && api.openStreams === 1);
      api.say('{"type":"MODIF');
    }
    const pauses = (): number[] => operator.parts.clock.waits.filter((ms) => ms < 1_000);
    await until('the last pause', () => pauses().length >= 4);
    expect(pauses()).toEqual([20, 40, 80, 160]);
  });

  it.each([
    [404, 'API server does not know the kind: install the CRDs'],
    [403, 'RBAC does not allow to list and watch the kind: install the ClusterRole'],
    [401, 'API server refuses the credentials: check the kubeconfig or service account'],
  ])('says once what a %i means, retries, and says when it works again', async (status, message) => {
    const api = await startApi('a');
    const lift = api.server.faults.inject({ matches: () => true, action: { kind: 'answer', status } });
    const operator = await startOperator(api.server.url);
    await until('some attempts', () => api.server.requests.all.length >= 5);
    expect(operator.heard).toEqual([]);
    lift();
    await watching(api);
    expect(operator.heard).toEqual(['ADDED a']);
    const { logger } = operator.parts;
    expect(logger.entries.filter(({ level }) => level === 'warn').map((entry) => entry.message)).toEqual([
      message,
    ]);
    await until('the recovery', () => logger.count('watch works again') === 1);
  });

  it('says the same only once when lists work and watches are refused', async () => {
    const api = await startApi('a');
    api.server.faults.inject({
      matches: ({ url }) => url.includes('watch=true'),
      action: { kind: 'answer', status: 403 },
    });
    const operator = await startOperator(api.server.url);
    await until('some attempts', () => api.server.requests.all.length >= 8);
    expect(operator.parts.logger.entries.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect(operator.heard).toEqual(['ADDED a']);
  });

  it('logs a handler that fails, by the name of the error alone, and goes on', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    operator.handler = () => Promise.reject(new TypeError('canary'));
    api.put(SECRET_KIND, 'team', 'b', {});
    api.put(SECRET_KIND, 'team', 'c', {});
    await until('both events', () => operator.heard.length === 3);
    const { logger } = operator.parts;
    await until('two log entries', () => logger.count('handler of a watch event failed') === 2);
    expect(JSON.stringify(logger.entries)).not.toContain('canary');
    expect(api.watches).toBe(1);
  });

  it('shows every object again when the server was restored from a backup', async () => {
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

  it('stops for good: open streams end, nothing is asked and no event is delivered afterwards', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    let release: () => void = () => undefined;
    operator.handler = () => new Promise((resolve) => (release = resolve));
    api.put(SECRET_KIND, 'team', 'b', {});
    api.put(SECRET_KIND, 'team', 'c', {});
    await until('the handler', () => operator.heard.includes('ADDED b'));
    operator.stop();
    release();
    await operator.whenStopped();
    await until('no stream', () => api.openStreams === 0);
    expect(operator.heard).toEqual(['ADDED a', 'ADDED b']);
    expect(api.server.requests.all).toHaveLength(2);
  });

  it('stops while the API server cannot be reached', async () => {
    const api = await startApi();
    const { url } = api.server;
    await api.server.close();
    const operator = await startOperator(url, { backoffBaseMs: 50_000, backoffCapMs: 50_000 });
    await until('a failure', () => operator.parts.logger.entries.length > 0);
    operator.stop();
    await operator.whenStopped();
    expect(operator.heard).toEqual([]);
  });

  it('watches each namespace by itself', async () => {
    const api = await startApi('a');
    api.put(SECRET_KIND, 'other', 'b', {});
    api.put(SECRET_KIND, 'third', 'c', {});
    const operator = await startOperator(api.server.url, {}, ['team', 'other']);
    await until('two streams', () => api.openStreams === 2);
    expect(operator.heard.sort()).toEqual(['ADDED a', 'ADDED b']);
  });

  it('builds URIs below a server URL with a path', () => {
    const operator = new RecordingOperator(
      operatorParts(plainKubeConfig('http://127.0.0.1:1/clusters/root/')),
    );
    expect(operator.uriOf('kmsvaultsecrets', 'team')).toBe(
      'http://127.0.0.1:1/clusters/root/apis/k8s.patoarvizu.dev/v1alpha1/namespaces/team/kmsvaultsecrets',
    );
  });

  it('needs no default kubeconfig of the environment', () => {
    const before = process.env.KUBECONFIG;
    process.env.KUBECONFIG = '/nowhere/kubeconfig';
    try {
      expect(() => new RecordingOperator(operatorParts(plainKubeConfig('http://127.0.0.1:1')))).not.toThrow();
    } finally {
      if (before === undefined) delete process.env.KUBECONFIG;
      else process.env.KUBECONFIG = before;
    }
  });
});
