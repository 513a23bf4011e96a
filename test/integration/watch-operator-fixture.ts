import { SECRET_KIND } from '../../src/api/group.js';
import type { WatchLimits } from '../../src/watch/watch-limits.js';
import { closing, onClose } from '../support/closing.js';
import {
  type ImpatientClock,
  operatorParts,
  plainKubeConfig,
  RecordingOperator,
  until,
} from './watch-recording.js';
import { ScriptedApi } from './watch-scripted-api.js';

/** @param names secrets in the namespace `team`. */
export async function startApi(...names: string[]): Promise<ScriptedApi> {
  const api = await ScriptedApi.start();
  closing(api.server);
  for (const name of names) api.put(SECRET_KIND, 'team', name, { path: `secret/${name}` });
  return api;
}

export async function startOperator(
  server: string,
  limits: Partial<WatchLimits> = {},
  namespaces?: readonly (string | undefined)[],
  random?: () => number,
  clock?: ImpatientClock,
): Promise<RecordingOperator> {
  const parts = operatorParts(plainKubeConfig(server), limits, random, clock);
  const operator = new RecordingOperator(parts, namespaces);
  onClose(async () => {
    operator.stop();
    await operator.whenStopped();
    operator.parts.connection.close();
  });
  await operator.start();
  return operator;
}

export const watching = (api: ScriptedApi): Promise<void> =>
  until('an open stream', () => api.openStreams === 1);
