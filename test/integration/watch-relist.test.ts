import { afterEach, describe, expect, it } from '@jest/globals';

import { SECRET_KIND } from '../../src/api/group.js';
import type { WatchLimits } from '../../src/watch/watch-limits.js';
import { operatorParts, plainKubeConfig, RecordingOperator, until } from './watch-recording.js';
import { ScriptedApi } from './watch-scripted-api.js';

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

async function startOperator(server: string, limits: Partial<WatchLimits> = {}): Promise<RecordingOperator> {
  const operator = new RecordingOperator(operatorParts(plainKubeConfig(server), limits));
  cleanups.push(async () => {
    operator.stop();
    await operator.whenStopped();
    operator.parts.connection.close();
  });
  await operator.start();
  return operator;
}

const watching = (api: ScriptedApi) => until('an open stream', () => api.openStreams === 1);

describe('ListWatchOperator, asked to list again', () => {
  it('lists at once when it is asked to, in the place of an open stream', async () => {
    const api = await startApi('a');
    const operator = await startOperator(api.server.url);
    await watching(api);
    operator.listAgain();
    await until('a second list and stream', () => operator.lists === 2 && api.watches === 2);
    expect(operator.heard).toEqual(['ADDED a']);
    expect(await operator.restarts('behind')).toBe(1);
  });

  it('lists anew when it is asked to while a list is under way, and stops in the middle of one', async () => {
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

  it('does not wait out its own pause when it is asked to list', async () => {
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
