import { describe, expect, it } from '@jest/globals';
import type { Registry } from 'prom-client';

import type { ReconcileQueue } from '../../src/queue/reconcile-queue.js';
import { TOKENS } from '../../src/tokens.js';
import { eventually } from '../support/wait.js';
import { apply, fixture, useOperator } from './running-operator.js';

useOperator();

describe('an operator without its API server', () => {
  it('keeps running, and writes nothing for unchanged resources when it is back', async () => {
    await apply('a', 'value-a');
    await fixture.reason('a', 'Synced');
    const { kubernetes } = fixture.servers;
    await kubernetes.stop();
    await eventually('it is noticed', () =>
      fixture.logger.entries.some((entry) => entry.level === 'warn' || entry.level === 'error'),
    );
    fixture.clearRecords();
    await kubernetes.restart();
    const path = await apply('b', 'value-b');
    await fixture.inVault(path, { a: 'value-b' }, 45_000);
    expect(fixture.vaultWrites).toBe(1);
  }, 90_000);

  it('removes the metrics of a resource that was deleted meanwhile', async () => {
    await apply('a', 'value-a');
    await fixture.reason('a', 'Synced');
    const metric = async (): Promise<string> =>
      await fixture.container
        .resolve<Registry>(TOKENS.registry)
        .getSingleMetricAsString('kms_vault_operator_resource_ready');
    expect(await metric()).toContain('name="a"');
    const { kubernetes } = fixture.servers;
    const blocked = kubernetes.faults.inject({
      matches: (request) => request.url.includes('watch='),
      action: { kind: 'reset' },
    });
    kubernetes.cutWatches();
    await fixture.kube.delete('KMSVaultSecret', 'default', 'a');
    kubernetes.compact();
    blocked();
    await eventually('the gauge is gone', async () => !(await metric()).includes('name="a"'), 45_000);
  }, 60_000);
});

describe('an operator and its own status patches', () => {
  it('causes no further patch at a resync', async () => {
    await apply('a', 'value-a');
    await fixture.reason('a', 'Synced');
    await eventually('it rests', () => fixture.container.resolve<ReconcileQueue>(TOKENS.queue).size === 0);
    const patches = fixture.statusPatches;
    const resynced = fixture.vaultReads + 2;
    await eventually('it was synced again twice', () => fixture.vaultReads >= resynced);
    expect(fixture.statusPatches).toBe(patches);
  });
});
