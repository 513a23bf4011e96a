import { describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { kstatusOf } from '../support/kstatus.js';
import { eventually } from '../support/wait.js';
import { apply, fixture, useOperator, v1, v2 } from './running-operator.js';

useOperator();

describe('an operator when Vault', () => {
  it.each([
    [
      'sealed',
      (): void => {
        fixture.servers.vault.seal();
      },
      (): void => {
        fixture.servers.vault.unseal();
      },
    ],
    [
      'stopped',
      (): Promise<void> => fixture.servers.vault.stop(),
      (): Promise<void> => fixture.servers.vault.restart(),
    ],
  ] as const)(
    'is %s keeps an unchanged resource Ready, reports VaultUnavailable on a changed one, and recovers',
    async (_what, down, up) => {
      await apply('unchanged', 'value-u');
      const path = await apply('changed', 'value-c');
      await fixture.reason('unchanged', 'Synced');
      await fixture.reason('changed', 'Synced');
      await down();
      await apply('changed', 'value-c2');
      await fixture.reason('changed', 'VaultUnavailable', 45_000);
      expect(kstatusOf(await fixture.get('unchanged'))).toBe('Current');
      const { conditions } = (await fixture.get('changed')).status;
      expect(conditions.map(({ type, status }: Json) => [type, status])).toEqual([
        ['Ready', 'False'],
        ['Reconciling', 'True'],
      ]);
      await up();
      await fixture.inVault(path, { a: 'value-c2' }, 45_000);
      await fixture.reason('changed', 'Synced');
      expect((await fixture.get('changed')).status.conditions).toHaveLength(1);
      expect(kstatusOf(await fixture.get('changed'))).toBe('Current');
    },
    120_000,
  );

  it('has a newer version reads and decides again, and overwrites nothing unseen', async () => {
    const path = await apply('raced', 'ours');
    await fixture.reason('raced', 'Synced');
    let races = 2;
    const { vault } = fixture.servers;
    vault.faults.inject({
      matches: (request) => {
        const hit =
          races > 0 &&
          request.method === 'POST' &&
          request.url.endsWith('/secret/data/raced') &&
          request.body.includes('ours-2');
        if (hit) {
          races -= 1;
          const call = {
            operation: 'update' as const,
            path: 'data/raced',
            query: new URLSearchParams(),
            body: new Map([['data', `{"a":"theirs-${String(races)}"}`]]),
          };
          vault.kvV2('secret').handle(call);
        }
        return false;
      },
      action: { kind: 'delay', ms: 0 },
    });
    await apply('raced', 'ours-2');
    await fixture.inVault(path, { a: 'ours-2' });
    // Both foreign versions are in the history.
    expect(await fixture.vault.version(path)).toBe(4);
  });

  it('was emptied writes everything again within a period, on both engines', async () => {
    const one = await apply('one', 'value-1', v1);
    const two = await apply('two', 'value-2', v2);
    await fixture.inVault(one, { a: 'value-1' });
    await fixture.inVault(two, { a: 'value-2' });
    fixture.servers.vault.wipe();
    await fixture.inVault(one, { a: 'value-1' });
    await fixture.inVault(two, { a: 'value-2' });
  });

  it('is sealed keeps a deletion waiting, reports why, and finishes it when Vault is back', async () => {
    const path = await apply('waits', 'value', v1, { finalizers: ['delete.k8s.patoarvizu.dev'] });
    await fixture.reason('waits', 'Synced');
    fixture.servers.vault.seal();
    await fixture.kube.delete('KMSVaultSecret', 'default', 'waits');
    await fixture.event('waits', 'DeletionFailed');
    await eventually(
      'it says Deleting',
      async () => (await fixture.get('waits')).status.conditions[0].reason === 'Deleting',
    );
    fixture.servers.vault.unseal();
    await fixture.inVault(path, undefined, 45_000);
    await eventually('it is gone', async () => (await fixture.get('waits')) === undefined, 45_000);
  }, 120_000);

  it('has lost the mount releases a deleted resource at once', async () => {
    await apply('orphan', 'value', v1, { finalizers: ['delete.k8s.patoarvizu.dev'] });
    await fixture.reason('orphan', 'Synced');
    await fixture.vault.delete('sys/mounts/kv');
    await fixture.kube.delete('KMSVaultSecret', 'default', 'orphan');
    await eventually('it is gone', async () => (await fixture.get('orphan')) === undefined, 30_000);
  }, 60_000);

  it('has revoked VAULT_TOKEN reports it on the resources', async () => {
    await apply('a', 'value-a');
    await fixture.reason('a', 'Synced');
    await fixture.vault.write('auth/token/revoke', { token: fixture.token });
    const path = await apply('b', 'value-b');
    // At first a node of Vault may only not know the token yet.
    await eventually(
      'it says that VAULT_TOKEN is not accepted',
      async () =>
        (await fixture.reason('b', 'VaultUnavailable', 30_000)).message.includes(
          'does not accept VAULT_TOKEN',
        ),
      45_000,
    );
    expect(await fixture.vault.read(path)).toBeUndefined();
  }, 120_000);
});
