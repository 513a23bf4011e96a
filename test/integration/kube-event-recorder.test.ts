import { afterEach, describe, expect, it } from '@jest/globals';

import { API_VERSION, SECRET_KIND } from '../../src/api/group.js';
import type { Resource } from '../../src/api/resources.js';
import { ApiConnection } from '../../src/kube/api-connection.js';
import { ApiEventRecorder, type EventLimits } from '../../src/kube/api-event-recorder.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import { systemClock } from '../../src/runtime/clock.js';
import { openGate, type WriteGate, WriteGateClosedError } from '../../src/runtime/write-gate.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { plainKubeConfig, RecordingLogger, until } from './watch-recording.js';
import { closeAll, closing } from '../support/closing.js';

afterEach(closeAll);

interface StoredEvent {
  metadata: { name: string; namespace: string };
  count: number;
  lastTimestamp: string;
  message: string;
}

function resource(name = 'app', uid = `uid-${name}`): Resource {
  return {
    apiVersion: API_VERSION,
    kind: SECRET_KIND,
    metadata: { name, namespace: 'team', uid, resourceVersion: '7' },
    spec: { path: 'secret/app', kvSettings: { engineVersion: 'v1' } },
  };
}

/** Stores events as the API server does; `now` moves only when a test moves it. */
async function startRecorder(limits: EventLimits = {}, gate: WriteGate = openGate) {
  const events = new Map<string, StoredEvent>();
  const server = await LoopbackServer.start((seen, _request, response) => {
    const name = seen.url.split('/').at(-1) ?? '';
    const body = JSON.parse(seen.body) as StoredEvent;
    const known = events.get(name);
    if (seen.method === 'PATCH' && known === undefined) {
      response.writeHead(404).end('{"kind":"Status","reason":"NotFound"}');
      return;
    }
    events.set(known === undefined ? body.metadata.name : name, { ...known, ...body });
    response.writeHead(201).end('{}');
  });
  closing(server);
  const logger = new RecordingLogger();
  const time = { now: new Date('2024-05-06T07:08:09.123Z'), monotonicMs: 0 };
  const clock = {
    now: () => time.now,
    monotonicMs: () => time.monotonicMs,
    setTimer: (ms: number, callback: () => void) =>
      systemClock.setTimer(ms < 20_000 ? ms / 100 : ms, callback),
  };
  const connection = new ApiConnection(plainKubeConfig(server.url));
  const client = new KubeClient(connection, gate, systemClock);
  const recorder = new ApiEventRecorder(client, clock, logger, 'pod-1', limits);
  return { recorder, events, server, logger, time };
}

describe('ApiEventRecorder', () => {
  it('writes a core/v1 Event beside its object', async () => {
    const { recorder, server } = await startRecorder();
    recorder.normal(resource(), 'SecretCreated', 'Wrote secret app to secret/app');
    await recorder.drain();
    const [request] = server.requests.all;
    expect(request).toMatchObject({ method: 'POST', url: '/api/v1/namespaces/team/events' });
    expect(JSON.parse(request?.body ?? '')).toEqual({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: expect.stringMatching(/^app\.[0-9a-f]{16}$/), namespace: 'team' },
      involvedObject: {
        apiVersion: API_VERSION,
        kind: SECRET_KIND,
        namespace: 'team',
        name: 'app',
        uid: 'uid-app',
        resourceVersion: '7',
      },
      type: 'Normal',
      reason: 'SecretCreated',
      message: 'Wrote secret app to secret/app',
      count: 1,
      firstTimestamp: '2024-05-06T07:08:09Z',
      lastTimestamp: '2024-05-06T07:08:09Z',
      source: { component: 'kms-vault-controller' },
      reportingComponent: 'kms-vault-controller',
      reportingInstance: 'pod-1',
    });
  });

  it('counts a repeat on the existing event', async () => {
    const { recorder, events, server, time } = await startRecorder();
    recorder.warning(resource(), 'VaultForbidden', 'no');
    await recorder.drain();
    time.now = new Date('2024-05-06T07:09:00Z');
    recorder.warning(resource(), 'VaultForbidden', 'no');
    await recorder.drain();
    expect(server.requests.all.map(({ method }) => method)).toEqual(['POST', 'PATCH']);
    const [event] = events.values();
    expect(events.size).toBe(1);
    expect(event).toMatchObject({ count: 2, lastTimestamp: '2024-05-06T07:09:00Z' });
    expect(event).toMatchObject({ firstTimestamp: '2024-05-06T07:08:09Z' });
  });

  it.each([
    ['object', resource('app', 'another'), 'Warning', 'VaultForbidden', 'no'],
    ['type and reason', resource(), 'Normal', 'SecretKept', 'no'],
    ['reason', resource(), 'Warning', 'InvalidPath', 'no'],
    ['message', resource(), 'Warning', 'VaultForbidden', 'other'],
  ] as const)('counts apart what differs in its %s', async (_what, object, type, reason, message) => {
    const { recorder, events } = await startRecorder();
    recorder.warning(resource(), 'VaultForbidden', 'no');
    if (type === 'Normal') recorder.normal(object, reason, message);
    else recorder.warning(object, reason, message);
    await recorder.drain();
    expect([...events.values()].map(({ count }) => count)).toEqual([1, 1]);
  });

  it('merges repeats that wait, and sends in the order of recording', async () => {
    const { recorder, events, server } = await startRecorder();
    for (let round = 0; round < 5; round += 1) {
      recorder.warning(resource(), 'VaultForbidden', 'one');
      recorder.warning(resource(), 'VaultForbidden', 'two');
    }
    await recorder.drain();
    expect(server.requests.all).toHaveLength(2);
    expect([...events.values()].map(({ message, count }) => [message, count])).toEqual([
      ['one', 5],
      ['two', 5],
    ]);
  });

  it('creates the event again when the existing one has expired', async () => {
    const { recorder, events, server } = await startRecorder();
    recorder.warning(resource(), 'VaultForbidden', 'no');
    await recorder.drain();
    events.clear();
    recorder.warning(resource(), 'VaultForbidden', 'no');
    await recorder.drain();
    expect(server.requests.all.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST']);
    expect([...events.values()].map(({ count }) => count)).toEqual([1]);
  });

  it('limits what one object may cause, and leaves the others their share', async () => {
    const { recorder, events, time } = await startRecorder({ burst: 3, refillMs: 1_000 });
    for (let round = 0; round < 10; round += 1)
      recorder.warning(resource(), 'DecryptingError', `key ${String(round)}`);
    recorder.warning(resource('other'), 'DecryptingError', 'key');
    await recorder.drain();
    expect(events.size).toBe(4);
    time.monotonicMs += 2_000;
    for (let round = 10; round < 20; round += 1)
      recorder.warning(resource(), 'DecryptingError', `key ${String(round)}`);
    await recorder.drain();
    expect(events.size).toBe(6);
  });

  it('keeps a bounded number of events waiting', async () => {
    const { recorder, events, logger } = await startRecorder({ maxQueued: 2 });
    for (const name of ['a', 'b', 'c', 'd']) recorder.normal(resource(name), 'SecretCreated', 'x');
    await recorder.drain();
    expect(events.size).toBe(2);
    expect(logger.count('dropped events: too many are waiting for the API server')).toBe(1);
  });

  it('forgets the events it has not sent for longest', async () => {
    const { recorder, server } = await startRecorder({ maxKnown: 2 });
    for (const name of ['a', 'b', 'c', 'a']) {
      recorder.normal(resource(name), 'SecretCreated', 'x');
      await recorder.drain();
    }
    expect(server.requests.all.map(({ method }) => method)).toEqual(['POST', 'POST', 'POST', 'POST']);
  });

  it('says a 403 once and never throws', async () => {
    const { recorder, server, logger } = await startRecorder();
    server.faults.inject({ matches: () => true, action: { kind: 'answer', status: 403 } });
    for (const name of ['a', 'b']) recorder.normal(resource(name), 'SecretCreated', 'x');
    await recorder.drain();
    expect(logger.entries.map(({ message }) => message)).toEqual([
      'RBAC denies writing events: update the ClusterRole',
    ]);
    expect(server.requests.all).toHaveLength(2);
  });

  it('does not blame RBAC for a namespace that is going', async () => {
    const { recorder, server, logger } = await startRecorder();
    const body =
      '{"kind":"Status","reason":"Forbidden","details":{"causes":[{"reason":"NamespaceTerminating"}]}}';
    server.faults.inject({ matches: () => true, action: { kind: 'answer', status: 403, body } });
    recorder.normal(resource(), 'SecretDeleted', 'x');
    await recorder.drain();
    expect(logger.entries).toEqual([]);
  });

  it.each([
    ['500', { kind: 'answer', status: 500 } as const],
    ['429', { kind: 'answer', status: 429, headers: { 'retry-after': '1' } } as const],
    ['a reset', { kind: 'reset' } as const],
  ])('tries again after %s', async (_what, action) => {
    const { recorder, server, events, logger } = await startRecorder();
    server.faults.inject({ matches: () => true, action, times: 1 });
    recorder.normal(resource(), 'SecretCreated', 'x');
    await recorder.drain();
    expect(events.size).toBe(1);
    expect(logger.entries).toEqual([]);
  });

  it('drops an event after some attempts, and goes on with the next', async () => {
    const { recorder, server, events, logger } = await startRecorder();
    server.faults.inject({
      matches: ({ body }) => body.includes('poison'),
      action: { kind: 'answer', status: 500 },
    });
    recorder.normal(resource('a'), 'SecretCreated', 'poison');
    recorder.normal(resource('b'), 'SecretCreated', 'x');
    await recorder.drain();
    expect([...events.values()].map(({ message }) => message)).toEqual(['x']);
    expect(logger.count('lost events: the API server does not accept them')).toBe(1);
    expect(server.requests.all).toHaveLength(5);
  });

  it('writes nothing while the gate is closed', async () => {
    const gate: WriteGate = {
      assertOpen: () => {
        throw new WriteGateClosedError();
      },
      signal: new AbortController().signal,
    };
    const { recorder, server } = await startRecorder({}, gate);
    recorder.normal(resource(), 'SecretCreated', 'x');
    await recorder.drain();
    expect(server.requests.all).toEqual([]);
  });

  it('ends a drain when its signal aborts, although the API server hangs', async () => {
    const { recorder, server } = await startRecorder();
    server.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    for (const name of ['a', 'b']) recorder.normal(resource(name), 'SecretCreated', 'x');
    await until('the first request', () => server.requests.all.length === 1);
    const abort = new AbortController();
    const drained = recorder.drain(abort.signal);
    abort.abort();
    await drained;
    expect(server.requests.all).toHaveLength(1);
  });
});
