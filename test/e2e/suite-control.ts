import { describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { eventually } from '../support/wait.js';
import { FINALIZER, type SuiteRun, v1, v2 } from './suite-run.js';

const RECONCILE_AT = 'kms-vault.patoarvizu.dev/reconcile-at';

/** What users tell the operator about single resources: to sync now, and to leave them alone. */
export function controlSuite(run: SuiteRun): void {
  const patch = async (name: string, body: object, kind = 'KMSVaultSecret'): Promise<void> => {
    await run.servers.kube.patch(kind, run.servers.namespace, name, body);
  };
  const annotate = async (name: string, value: string, kind?: string): Promise<void> => {
    await patch(name, { metadata: { annotations: { [RECONCILE_AT]: value } } }, kind);
  };
  const decryptions = async (): Promise<number> =>
    await run.servers.metric(run.operator, 'kms_vault_operator_kms_requests_total');
  const condition = async (name: string, type: string): Promise<Json> =>
    (await run.servers.get(name)).status?.conditions?.find((one: Json) => one.type === type);
  const anotherResync = async (): Promise<void> => {
    const seen = async (): Promise<number> =>
      await run.servers.metric(run.operator, 'kms_vault_operator_reconcile_total');
    const before = await seen();
    const total = (await run.servers.kube.list('KMSVaultSecret', run.servers.namespace)).length;
    await eventually('every resource is looked at', async () => (await seen()) > before + 2 * total);
  };

  describe('the annotation reconcile-at', () => {
    it('causes one full sync for each new value, and says when it is done', async () => {
      const path = `${run.servers.v2}/data/sync-now`;
      const secrets = [
        { key: 'a', encryptedSecret: await run.servers.encrypt('decrypted-on-demand') },
        { key: 'b', encryptedSecret: await run.servers.encrypt('refused', { wrong: 'context' }) },
      ];
      await run.servers.kube.apply(run.servers.secret('sync-now', { path, kvSettings: v2, secrets }));
      await run.servers.reason('sync-now', 'DecryptionFailed');
      await anotherResync();
      const handled = async (value: string): Promise<void> => {
        await annotate('sync-now', value);
        await eventually(
          `the value ${value} is handled`,
          async () => (await run.servers.get('sync-now')).status?.lastHandledReconcileAt === value,
        );
      };
      let before = await decryptions();
      await handled('first');
      // Both keys, although one was refused before and the status vouches for the other.
      expect((await decryptions()) - before).toBeGreaterThanOrEqual(2);
      before = await decryptions();
      await handled('second');
      expect((await decryptions()) - before).toBeGreaterThanOrEqual(2);
      expect(await run.servers.vault.version(path)).toBe(1);
    });

    it('on a partial syncs what includes it', async () => {
      const item = { key: 's', encryptedSecret: await run.servers.encrypt('shared-on-demand') };
      await run.servers.kube.apply(run.servers.partial('ask-all', { secrets: [item] }));
      const path = `${run.servers.v1}/asked-by-partial`;
      await run.servers.kube.apply(
        run.servers.secret('asked-by-partial', { path, kvSettings: v1, includeSecrets: ['ask-all'] }),
      );
      await run.servers.inVault(path, { s: 'shared-on-demand' });
      await annotate('ask-all', 'now', 'PartialKMSVaultSecret');
      await eventually(
        'the partial is handled',
        async () =>
          (await run.servers.get('ask-all', 'PartialKMSVaultSecret')).status?.lastHandledReconcileAt ===
          'now',
      );
    });
  });

  describe('spec.suspend', () => {
    it('leaves Vault alone, keeps Ready, and syncs at once when it ends', async () => {
      const path = `${run.servers.v1}/suspended`;
      const secret = async (value: string, suspend: boolean): Promise<object> => ({
        path,
        kvSettings: v1,
        suspend,
        secrets: [{ key: 'a', encryptedSecret: await run.servers.encrypt(value) }],
      });
      await run.servers.kube.apply(run.servers.secret('suspended', await secret('before-suspension', false)));
      await run.servers.reason('suspended', 'Synced');
      const ready = await condition('suspended', 'Ready');
      await patch('suspended', { spec: { suspend: true } });
      await run.servers.event('suspended', 'Suspended');
      await eventually(
        'it says so',
        async () => (await condition('suspended', 'Suspended'))?.status === 'True',
      );
      await run.servers.vault.write(path, { a: 'by-hand' });
      await run.servers.kube.apply(run.servers.secret('suspended', await secret('while-suspended', true)));
      await annotate('suspended', 'not-now');
      await eventually(
        'its change is known to wait',
        async () => (await condition('suspended', 'Stalled'))?.reason === 'Suspended',
      );
      await anotherResync();
      await run.servers.inVault(path, { a: 'by-hand' });
      expect(await condition('suspended', 'Ready')).toEqual(ready);
      const { metadata, status } = await run.servers.get('suspended');
      expect(status.observedGeneration).toBe(metadata.generation);
      expect(status.lastHandledReconcileAt).toBeUndefined();
      await patch('suspended', { spec: { suspend: null } });
      await run.servers.inVault(path, { a: 'while-suspended' });
      await eventually('nothing is said of it any more', async () => {
        const conditions: Json[] = (await run.servers.get('suspended')).status.conditions;
        return conditions.length === 1 && conditions[0].type === 'Ready' && conditions[0].status === 'True';
      });
      await run.servers.event('suspended', 'Resumed');
    });

    it('makes a deletion wait', async () => {
      const path = `${run.servers.v2}/data/suspended-deletion`;
      const secrets = [{ key: 'a', encryptedSecret: await run.servers.encrypt('waits-for-deletion') }];
      await run.servers.kube.apply(
        run.servers.secret(
          'waits',
          { path, kvSettings: v2, secrets, suspend: false },
          { finalizers: [FINALIZER] },
        ),
      );
      await run.servers.reason('waits', 'Synced');
      await patch('waits', { spec: { suspend: true } });
      await eventually('it says so', async () => (await condition('waits', 'Suspended'))?.status === 'True');
      await run.servers.kube.delete('KMSVaultSecret', run.servers.namespace, 'waits');
      await run.servers.event('waits', 'DeletionFailed');
      await eventually('the condition says that the deletion waits', async () =>
        (await condition('waits', 'Suspended'))?.message.includes('is being deleted'),
      );
      await run.servers.inVault(path, { a: 'waits-for-deletion' });
      await patch('waits', { spec: { suspend: false } });
      await run.servers.inVault(path, undefined);
      await eventually('it is gone', async () => (await run.servers.get('waits')) === undefined);
    });
  });
}
