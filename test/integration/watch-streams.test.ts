import { afterEach, describe, expect, it } from '@jest/globals';

import { SECRET_KIND } from '../../src/api/group.js';
import { closeAll, closing } from '../support/closing.js';
import { FreezableProxy } from './watch-freezable-proxy.js';
import { startApi, startOperator, watching } from './watch-operator-fixture.js';
import { HeldClock, until } from './watch-recording.js';
import type { ScriptedApi } from './watch-scripted-api.js';

afterEach(closeAll);

const INACTIVITY_MS = 1_000;

/** An operator whose stream is open and waits for the next line, with its full time limit. */
async function startOnHeldClock(api: ScriptedApi) {
  const clock = new HeldClock();
  const limits = { inactivityMs: INACTIVITY_MS };
  const operator = await startOperator(api.server.url, limits, undefined, undefined, clock);
  const listening = (): Promise<void> =>
    until('a new time limit', () => clock.waiting.includes(INACTIVITY_MS));
  await watching(api);
  await until('the first event', () => operator.heard.length === 1);
  await listening();
  return { operator, clock, listening };
}

describe('streams of ListWatchOperator', () => {
  it('deliver changes in order and one at a time', async () => {
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

  it('resume at the last bookmark, without a list, when the server ends or cuts them', async () => {
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

  it('wait after a 429 as long as Retry-After says, without another list', async () => {
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

  it('reconnect after a silence', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url, { inactivityMs: 200 });
    await until('a second stream', () => api.watches >= 2);
    expect(await operator.restarts('silent')).toBeGreaterThanOrEqual(1);
    expect(api.lists()).toBe(api.watches);
  });

  it('stay open while only bookmarks arrive', async () => {
    const api = await startApi('a');
    const { operator, clock, listening } = await startOnHeldClock(api);
    for (let sent = 0; sent < 4; sent += 1) {
      await clock.advance(INACTIVITY_MS - 1);
      api.say(JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '101' } } }));
      await listening();
    }
    expect(api.watches).toBe(1);
    expect(await operator.restarts('silent')).toBe(0);
  });

  it('do not count the time of a slow handler as silence', async () => {
    const api = await startApi('a');
    const { operator, clock } = await startOnHeldClock(api);
    let handled: (() => void) | undefined;
    operator.handler = ({ meta }) =>
      meta.name === 'b' ? new Promise((resolve) => (handled = resolve)) : Promise.resolve();
    api.put(SECRET_KIND, 'team', 'b', {});
    await until('the slow handler', () => handled !== undefined);
    await clock.advance(3 * INACTIVITY_MS);
    api.put(SECRET_KIND, 'team', 'c', {});
    handled?.();
    await until('both events', () => operator.heard.length === 3);
    expect(api.watches).toBe(1);
    expect(await operator.restarts('silent')).toBe(0);
  });

  it('recover from a half-open connection: packets dropped, no reset', async () => {
    const api = await startApi('a');
    const proxy = await FreezableProxy.start(api.server.port);
    closing(proxy);
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
  ])('end at a malformed line (%s), which is counted, and list again', async (_what, line) => {
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

  it('back off longer and longer when every stream delivers an unreadable line', async () => {
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
});
