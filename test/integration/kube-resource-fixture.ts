import { isDeepStrictEqual } from 'node:util';

import { API_VERSION, SECRET_KIND } from '../../src/api/group.js';
import type { Resource } from '../../src/api/resources.js';
import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import { ApiResourceClient } from '../../src/kube/resource-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { openGate } from '../../src/runtime/write-gate.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { closing } from '../support/closing.js';
import { plainKubeConfig, RecordingLogger } from './watch-recording.js';

export const KEY = { kind: SECRET_KIND, namespace: 'team', name: 'app', uid: 'u' } as const;
export const URL_OF_APP = '/apis/k8s.patoarvizu.dev/v1alpha1/namespaces/team/kmsvaultsecrets/app';

export interface StoredObject {
  metadata: Record<string, unknown> & { resourceVersion: string };
  status?: Record<string, unknown>;
}

export function secret(metadata: object = {}, status?: object): StoredObject & Resource {
  return {
    apiVersion: API_VERSION,
    kind: SECRET_KIND,
    metadata: { name: 'app', namespace: 'team', uid: 'u', resourceVersion: '10', ...metadata },
    spec: { path: 'secret/app', kvSettings: { engineVersion: 'v1' } },
    ...(status === undefined ? {} : { status }),
  } as unknown as StoredObject & Resource;
}

/** One object with merge patches, a status subresource and conflicts; `prune` is what an older CRD drops. */
export async function startClient(
  start: StoredObject | undefined,
  prune: (status: Record<string, unknown>) => void = () => undefined,
) {
  const store = { object: start };
  const server = await LoopbackServer.start((seen, _request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const { object } = store;
    if (object === undefined || !seen.url.startsWith(URL_OF_APP)) {
      answer(404, { kind: 'Status', reason: 'NotFound', details: { name: 'app' } });
      return;
    }
    if (seen.method === 'GET') {
      answer(200, object);
      return;
    }
    const patch = JSON.parse(seen.body) as StoredObject;
    const { resourceVersion, ...metadata } = patch.metadata;
    if (resourceVersion !== object.metadata.resourceVersion) {
      answer(409, { kind: 'Status', reason: 'Conflict' });
      return;
    }
    const status: Record<string, unknown> = { ...object.status, ...patch.status };
    for (const [field, value] of Object.entries(status)) if (value === null) delete status[field];
    prune(status);
    const next = seen.url.endsWith('/status')
      ? { ...object, ...(Object.keys(status).length > 0 ? { status } : {}) }
      : { ...object, metadata: { ...object.metadata, ...metadata } };
    if (!isDeepStrictEqual(next, object)) {
      next.metadata = { ...next.metadata, resourceVersion: String(Number(resourceVersion) + 1) };
    }
    store.object = next;
    answer(200, next);
  });
  closing(server);
  const connection = new ApiConnection(plainKubeConfig(server.url));
  const cache = new IndexedResourceCache();
  const logger = new RecordingLogger();
  const kube = new KubeClient(connection, openGate, systemClock);
  const client = new ApiResourceClient(kube, cache, logger);
  const methods = (): string[] => server.requests.all.map(({ method }) => method);
  return { client, cache, logger, server, store, methods };
}

export const patched = { outcome: 'patched' };
export const unchanged = { outcome: 'unchanged' };
export const forbidden = { outcome: 'forbidden' };
