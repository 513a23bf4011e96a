import { beforeEach, describe, expect, it } from '@jest/globals';

import { Lifecycle } from '../../../src/runtime/lifecycle.js';
import { type WriteGate, WriteGateClosedError } from '../../../src/runtime/write-gate.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { settled } from '../../support/fake-clock.js';
import { ClientFixture, READ, WRITE } from './client-fixture.js';

function stopped(): Lifecycle {
  const lifecycle = new Lifecycle();
  lifecycle.beginStop();
  return lifecycle;
}

let fixture: ClientFixture;

beforeEach(() => {
  fixture = new ClientFixture();
});

describe('VaultClient when it must not send', () => {
  it('asks the write gate before every send of a request that changes something', async () => {
    let open = true;
    const gate: WriteGate = {
      assertOpen: () => {
        if (!open) throw new WriteGateClosedError();
      },
      signal: new AbortController().signal,
    };
    const client = fixture.client([{ status: 503 }, {}], { gate });
    const write = client.request(WRITE);
    write.catch(() => undefined);
    await settled();
    open = false;
    expect(await fixture.outcome(write)).toBeInstanceOf(WriteGateClosedError);
    expect(fixture.sent).toHaveLength(1);
    expect(await fixture.outcome(client.request(READ))).toMatchObject({ status: 200 });
  });

  it('asks the write gate again before a redirected send', async () => {
    let asked = 0;
    const gate: WriteGate = {
      assertOpen: () => {
        asked += 1;
        if (asked > 1) throw new WriteGateClosedError();
      },
      signal: new AbortController().signal,
    };
    const client = fixture.client(
      [{ status: 307, headers: { location: 'https://b.example/v1/kv/app' } }, {}],
      {
        gate,
      },
    );
    expect(await fixture.outcome(client.request(WRITE))).toBeInstanceOf(WriteGateClosedError);
    expect(fixture.sent).toHaveLength(1);
  });

  it('aborts a write in flight when the gate closes, but no read', async () => {
    const closing = new AbortController();
    const gate: WriteGate = { assertOpen: () => undefined, signal: closing.signal };
    const client = fixture.client(['hang', 'hang', {}], { gate });
    const write = client.request(WRITE).catch((error: unknown) => error);
    const read = client.request(READ).catch((error: unknown) => error);
    await settled();
    closing.abort();
    expect(await write).toBeInstanceOf(WriteGateClosedError);
    expect(fixture.sent[1]?.signal.aborted).toBe(false);
    await fixture.clock.advance(60_000);
    expect(await read).toBeInstanceOf(VaultError);
  });

  it('makes no further attempt while the operator is shutting down', async () => {
    const lifecycle = new Lifecycle();
    const failed = fixture.outcome(fixture.client([{ status: 503 }], { lifecycle }).request(READ));
    lifecycle.beginStop();
    expect(await failed).toBeInstanceOf(VaultError);
    expect(fixture.sent).toHaveLength(1);
  });

  it('sends nothing that still waits for VAULT_RATE_LIMIT when the operator stops', async () => {
    const lifecycle = new Lifecycle();
    const config = { rateLimit: { perSecond: 1, burst: 1 } };
    const client = fixture.client([{}], { config, lifecycle });
    await client.request(READ);
    const waiting = client.request(WRITE).catch((error: unknown) => error);
    await settled();
    lifecycle.beginStop();
    await fixture.clock.advance(60_000);
    expect(await waiting).toMatchObject({ failure: 'unavailable' });
    expect(fixture.sent).toHaveLength(1);
  });

  it('ends a pause between attempts when the operator stops, without another attempt', async () => {
    const lifecycle = new Lifecycle();
    const failed = fixture
      .client([{ status: 503 }, {}], { lifecycle })
      .request(READ)
      .catch((error: unknown) => error);
    await settled();
    expect(fixture.clock.waiting).toHaveLength(1);
    lifecycle.beginStop();
    expect(await failed).toBeInstanceOf(VaultError);
    await fixture.clock.advance(60_000);
    expect([fixture.sent.length, fixture.clock.waiting.length]).toEqual([1, 0]);
  });

  it('starts no look-up, login or renewal while the operator is shutting down, but finishes a redirected write', async () => {
    const location = 'https://active.example:8200/v1/kv/app';
    const redirect = { status: 307, headers: { location } };
    for (const operation of ['login', 'token_lookup', 'token_renew', 'mount_lookup'] as const) {
      const client = fixture.client([{}], { lifecycle: stopped() });
      expect(await fixture.outcome(client.request({ ...READ, operation }))).toMatchObject({
        failure: 'unavailable',
      });
    }
    expect(fixture.sent).toEqual([]);
    const ofRead = fixture.client([redirect, {}], { lifecycle: stopped() });
    expect(await fixture.outcome(ofRead.request(READ))).toMatchObject({ failure: 'unavailable' });
    expect(fixture.sent).toHaveLength(1);
    fixture.sent = [];
    const ofWrite = fixture.client([redirect, {}], { lifecycle: stopped() });
    expect(await fixture.outcome(ofWrite.request(WRITE))).toMatchObject({ status: 200 });
    expect(fixture.sent).toHaveLength(2);
  });

  it('aborts a request when its caller aborts', async () => {
    const caller = new AbortController();
    const failed = fixture.outcome(fixture.client(['hang']).request({ ...READ, signal: caller.signal }));
    await settled();
    caller.abort();
    expect(await failed).toMatchObject({ message: expect.stringContaining('was cancelled') as unknown });
    expect(fixture.sent).toHaveLength(1);
  });
});
