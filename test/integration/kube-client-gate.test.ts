import { afterEach, describe, expect, it } from '@jest/globals';

import { type WriteGate, WriteGateClosedError } from '../../src/runtime/write-gate.js';
import { closeAll } from '../support/closing.js';
import { until } from './watch-recording.js';

import { plain, serve } from './kube-client-fixture.js';

afterEach(closeAll);

describe('the write gate of KubeClient', () => {
  it('stops changes while it is closed, but no reads', async () => {
    const server = await serve();
    const gate: WriteGate = {
      assertOpen: () => {
        throw new WriteGateClosedError();
      },
      signal: new AbortController().signal,
    };
    const client = plain(server, { gate });
    for (const verb of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      await expect(client.request(verb, '/x')).rejects.toThrow(WriteGateClosedError);
    }
    await client.request('GET', '/x');
    expect(server.requests.all.map(({ method }) => method)).toEqual(['GET']);
  });

  it('is asked again once the connection is open, right before the first byte', async () => {
    const server = await serve();
    let asked = 0;
    const gate: WriteGate = {
      assertOpen: () => {
        asked += 1;
        if (asked > 1) throw new WriteGateClosedError();
      },
      signal: new AbortController().signal,
    };
    await expect(plain(server, { gate }).request('PATCH', '/x', { body: {} })).rejects.toThrow(
      WriteGateClosedError,
    );
    expect(asked).toBe(2);
    expect(server.connections).toBe(1);
    expect(server.requests.all).toEqual([]);
  });

  it('aborts a change in flight when it closes', async () => {
    const server = await serve(() => undefined);
    const abort = new AbortController();
    const gate: WriteGate = { assertOpen: () => undefined, signal: abort.signal };
    const request = plain(server, { gate }).request('PATCH', '/x', { body: {} });
    const failure = expect(request).rejects.toThrow(WriteGateClosedError);
    await until('the request', () => server.requests.all.length === 1);
    abort.abort();
    await failure;
  });
});
