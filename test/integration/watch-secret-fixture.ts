import { PARTIAL_KIND, SECRET_KIND } from '../../src/api/group.js';
import { keyString, type ResourceKey } from '../../src/api/resource-key.js';
import { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import type { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import type { Priority, WorkQueue } from '../../src/queue/work-queue.js';
import { Freshness } from '../../src/watch/freshness.js';
import { SecretOperator } from '../../src/watch/secret-operator.js';
import { closing, onClose } from '../support/closing.js';
import { operatorParts, plainKubeConfig, until } from './watch-recording.js';
import { ScriptedApi } from './watch-scripted-api.js';

export class RecordingQueue implements WorkQueue {
  readonly added: string[] = [];
  readonly forgotten: string[] = [];
  add(key: ResourceKey, priority: Priority): void {
    this.added.push(`${priority} ${keyString(key)}`);
  }
  forget(key: ResourceKey): void {
    this.forgotten.push(keyString(key));
  }
}

export const spec = (path: string, ...includeSecrets: string[]) => ({
  path,
  kvSettings: { engineVersion: 'v1' },
  includeSecrets,
});

export async function startApi(): Promise<ScriptedApi> {
  const api = await ScriptedApi.start();
  closing(api.server);
  return api;
}

export async function startOperator(api: ScriptedApi, namespaces?: readonly string[]) {
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
  onClose(async () => {
    operator.stop();
    await operator.whenStopped();
    parts.connection.close();
  });
  await operator.start();
  return { operator, cache, queue, forgotten, parts, freshness };
}

/** Started, listed and watching, with the keys of the lists taken off the queue. */
export async function startSynced(api: ScriptedApi) {
  const started = await startOperator(api);
  await started.operator.whenSynced();
  await until('both streams', () => api.openStreams === 2);
  started.queue.added.length = 0;
  return started;
}

/** What is queued once every earlier event has been handled: an edit of a bystander comes after them. */
export async function settled(api: ScriptedApi, queue: RecordingQueue): Promise<string[]> {
  for (const kind of [SECRET_KIND, PARTIAL_KIND] as const) {
    api.put(kind, 'bystander', 'last', spec('secret/bystander'));
    await until('the bystander', () => queue.added.includes(`edit ${kind}/bystander/last`));
  }
  return queue.added.filter((entry) => !entry.includes('/bystander/'));
}

export async function synced({ metrics }: { metrics: OperatorMetrics }): Promise<Record<string, number>> {
  const { values } = await metrics.watchSynced.get();
  return Object.fromEntries(
    values.map(({ labels, value }) => [`${String(labels.kind)} ${String(labels.namespace)}`, value]),
  );
}
