import { describe, expect, it } from '@jest/globals';

import { eventually } from '../support/wait.js';
import { apply, fixture, useOperator, v1 } from './running-operator.js';

useOperator();

describe('an operator that is stopped', () => {
  it('finishes a write that is in flight', async () => {
    const path = 'kv/slow';
    const lift = fixture.servers.vault.faults.inject({
      matches: (request) => request.method === 'POST' && request.url.endsWith('/kv/slow'),
      action: { kind: 'delay', ms: 1_000 },
    });
    await apply('slow', 'arrives', v1);
    await eventually(
      'the write is under way',
      () =>
        fixture.servers.vault.requests.count(
          (request) => request.url.endsWith('/kv/slow') && request.method === 'POST',
        ) > 0,
    );
    expect(await fixture.stop()).toBe(0);
    lift();
    await fixture.inVault(path, { a: 'arrives' });
  });

  it('exits with 1 when a write outlasts the grace period', async () => {
    fixture.servers.vault.faults.inject({
      matches: (request) => request.method === 'POST' && request.url.endsWith('/kv/hangs'),
      action: { kind: 'hang' },
    });
    await apply('hangs', 'never', v1);
    await eventually(
      'the write is under way',
      () =>
        fixture.servers.vault.requests.count(
          (request) => request.url.endsWith('/kv/hangs') && request.method === 'POST',
        ) > 0,
    );
    expect(await fixture.stop()).toBe(1);
    expect(
      fixture.logger.entries.filter((entry) => entry.message.includes('cancelled requests')),
    ).toHaveLength(1);
  }, 30_000);
});
