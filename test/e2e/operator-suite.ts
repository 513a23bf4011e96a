import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { eventually } from '../support/wait.js';
import { type Access, E2eServers } from './servers.js';
import { metadataSuite } from './suite-metadata.js';
import { controlSuite } from './suite-control.js';
import { resourcesSuite } from './suite-resources.js';
import type { SuiteRun } from './suite-run.js';
import { gitopsSuite } from './suite-gitops.js';
import { statusSuite } from './suite-status.js';
import { valuesSuite } from './suite-values.js';

/** What the operator does for its users, with no more rights than the shipped roles give. */
export function operatorSuite(access: Access): void {
  const run = {} as SuiteRun;

  beforeAll(async () => {
    run.servers = await E2eServers.prepare({ access });
    run.operator = await run.servers.startOperator();
  }, 120_000);

  afterAll(async () => {
    await (run.servers as E2eServers | undefined)?.cleanUp();
  }, 60_000);

  valuesSuite(run);
  resourcesSuite(run);
  // These need no other rights than the two above.
  if (access !== 'namespaced') {
    metadataSuite(run);
    statusSuite(run);
    gitopsSuite(run);
    controlSuite(run);
  }

  describe('metrics', () => {
    it('show the session with Vault, the period and the last reconcile', async () => {
      const seen = async (name: string): Promise<number> =>
        await run.servers.metric(run.operator, `kms_vault_operator_${name}`);
      expect(await seen('vault_session')).toBe(1);
      expect(await seen('sync_period_seconds')).toBe(3);
      const before = await seen('last_reconcile_timestamp_seconds');
      expect(before).toBeGreaterThan(1_700_000_000);
      await eventually(
        'another reconcile',
        async () => (await seen('last_reconcile_timestamp_seconds')) > before,
      );
    });
  });

  describe('the log', () => {
    it('holds one JSON object in each line, warnings of Node and of libraries too', () => {
      expect(run.operator.lines.length).toBeGreaterThan(20);
      expect(run.operator.lines.filter(({ level }) => level === undefined)).toEqual([]);
    });
  });

  describe('secrecy', () => {
    it('shows no value and no token in logs, events, status or metrics', async () => {
      const address = await run.operator.address('serving metrics');
      const metrics = await (await fetch(`${address}/metrics`)).text();
      const objects = JSON.stringify([
        await run.servers.kube.list('KMSVaultSecret', run.servers.namespace),
        await run.servers.kube.list('Event', run.servers.namespace),
      ]);
      expect(run.servers.secrets.length).toBeGreaterThan(10);
      for (const secret of run.servers.secrets) {
        expect(run.servers.output().includes(secret)).toBe(false);
        expect(objects.includes(secret)).toBe(false);
        expect(metrics.includes(secret)).toBe(false);
      }
    });
  });
}
