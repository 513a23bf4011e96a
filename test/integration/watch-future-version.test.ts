import { afterEach, describe, expect, it } from '@jest/globals';

import { SECRET_KIND } from '../../src/api/group.js';
import { closeAll } from '../support/closing.js';
import { startApi, startOperator, watching } from './watch-operator-fixture.js';
import type { RecordingOperator } from './watch-recording.js';
import { until } from './watch-recording.js';
import type { ScriptedApi } from './watch-scripted-api.js';

/**
 * What an API server answers whose watch cache has not seen the version yet (apiserver, storage/errors.go). It asks
 * for a second; a minute and more is what the clock of these tests writes down.
 */
const TOO_LARGE = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'Timeout: Too large resource version: 900, current: 101',
  reason: 'Timeout',
  details: {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 60,
  },
  code: 504,
};

afterEach(closeAll);

async function start(): Promise<{ api: ScriptedApi; operator: RecordingOperator }> {
  const api = await startApi('a', 'b');
  const operator = await startOperator(api.server.url);
  await watching(api);
  return { api, operator };
}

describe('a watch from a version that the API server has not reached', () => {
  it('is answered by 504: the watch lists again after the pause that was asked for, and loses nothing', async () => {
    const { api, operator } = await start();
    api.server.faults.inject({
      matches: ({ url }) => url.includes('watch=true'),
      action: {
        kind: 'answer',
        status: 504,
        headers: { 'retry-after': '60' },
        body: JSON.stringify(TOO_LARGE),
      },
      times: 2,
    });
    operator.heard.length = 0;
    const lists = operator.lists;
    api.endStreams();
    api.put(SECRET_KIND, 'team', 'b', { path: 'secret/b' });
    api.delete(SECRET_KIND, 'team', 'a');
    await until('another stream', () => api.openStreams === 1);
    expect(operator.heard).toEqual(['MODIFIED b', 'DELETED a']);
    expect(operator.lists).toBe(lists + 2);
    expect(await operator.restarts('refused')).toBe(2);
    expect(operator.parts.clock.skipped).toEqual([60_000, 60_000]);
  });

  it('ends an open stream with an error event: the same', async () => {
    const { api, operator } = await start();
    operator.heard.length = 0;
    const lists = operator.lists;
    api.say(JSON.stringify({ type: 'ERROR', object: TOO_LARGE }));
    await until('the list', () => operator.lists === lists + 1);
    api.put(SECRET_KIND, 'team', 'c', { path: 'secret/c' });
    await until('the change', () => operator.heard.includes('ADDED c'));
    expect(operator.heard).toEqual(['ADDED c']);
    expect(operator.parts.clock.skipped).toEqual([60_000]);
  });
});
