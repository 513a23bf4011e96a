import { describe, expect, it } from '@jest/globals';
import { Agent } from 'node:https';

import { eventually } from '../support/wait.js';
import { EMPTY, fixture, useWebhook } from './webhook-fixture.js';
import { openSocket } from './webhook-sockets.js';

useWebhook();

describe('WebhookProgram', () => {
  it('answers reviews in flight before it ends, and refuses new connections meanwhile', async () => {
    const path = '/?timeout=30s';
    const idle = await openSocket(fixture);
    fixture.kms.latencyMs = 300;
    const call = fixture.create(
      { ...EMPTY, secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('a') }] },
      'KMSVaultSecret',
      { path },
    );
    await eventually('the review is in flight', () => fixture.kms.requests.all.length === 1);
    const agent = new Agent({ ca: fixture.authority.cert });
    const stopping = fixture.stopping();
    expect((await fetch(`${fixture.metricsUrl}/readyz`)).status).toBe(503);
    await expect(fixture.create(EMPTY, 'KMSVaultSecret', { agent })).rejects.toThrow(/ECONNREFUSED/);
    expect((await call).allowed).toBe(true);
    idle.destroy();
    expect(await stopping).toBe(0);
    fixture.kms.latencyMs = 0;
    expect(fixture.logger.entries.at(-1)?.message).toBe('stopped');
  });

  it('answers with 503 when KMS does not answer within the grace period', async () => {
    await fixture.start('-shutdown-grace-seconds=2');
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const call = fixture.create(
      { ...EMPTY, secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('a') }] },
      'KMSVaultSecret',
      { path: '/?timeout=30s' },
    );
    await eventually('the review is in flight', () => fixture.kms.requests.all.length === 1);
    const stopping = fixture.stopping();
    expect((await call).status.code).toBe(503);
    expect(await stopping).toBe(0);
  });
});
