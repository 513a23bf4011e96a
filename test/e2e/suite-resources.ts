import { describe, expect, it } from '@jest/globals';

import { eventually } from '../support/wait.js';
import { FINALIZER, type SuiteRun, v1, v2 } from './suite-run.js';

/** What becomes of a resource that includes others, is deleted, shares its path or cannot be written. */
export function resourcesSuite(run: SuiteRun): void {
  describe('partials', () => {
    it('are merged, followed when they change, and reported when they are missing', async () => {
      const path = `${run.servers.v2}/data/with-partial`;
      const own = { key: 'own', encryptedSecret: await run.servers.encrypt('the-own-value') };
      await run.servers.kube.apply(
        run.servers.secret('with-partial', {
          path,
          kvSettings: v2,
          secrets: [own],
          includeSecrets: ['late'],
        }),
      );
      await run.servers.reason('with-partial', 'IncludeNotFound');
      await run.servers.inVault(path, { own: 'the-own-value' });
      const item = async (value: string): Promise<object> => ({
        secretContext: { from: 'partial' },
        secrets: [{ key: 'shared', encryptedSecret: await run.servers.encrypt(value, { from: 'partial' }) }],
      });
      await run.servers.kube.apply(run.servers.partial('late', await item('the-shared-value')));
      await run.servers.inVault(path, { own: 'the-own-value', shared: 'the-shared-value' });
      await run.servers.reason('with-partial', 'Synced');
      await run.servers.kube.apply(run.servers.partial('late', await item('the-new-shared-value')));
      await run.servers.inVault(path, { own: 'the-own-value', shared: 'the-new-shared-value' });
      await eventually(
        'the partial counts its includers',
        async () => (await run.servers.get('late', 'PartialKMSVaultSecret')).status?.includedBy === 1,
      );
      // Without the finalizer its deletion removes nothing.
      await run.servers.kube.delete('PartialKMSVaultSecret', run.servers.namespace, 'late');
      await run.servers.reason('with-partial', 'IncludeNotFound');
      await run.servers.inVault(path, { own: 'the-own-value', shared: 'the-new-shared-value' });
    });

    it('with the finalizer remove their keys from Vault before they go', async () => {
      const path = `${run.servers.v1}/partial-finalizer`;
      await run.servers.kube.apply(
        run.servers.partial(
          'going',
          {
            secrets: [{ key: 'shared', encryptedSecret: await run.servers.encrypt('goes-with-the-partial') }],
          },
          { finalizers: [FINALIZER] },
        ),
      );
      await run.servers.kube.apply(
        run.servers.secret('includer', {
          path,
          kvSettings: v1,
          secrets: [{ key: 'own', encryptedSecret: await run.servers.encrypt('stays-in-vault') }],
          includeSecrets: ['going'],
        }),
      );
      await run.servers.inVault(path, { own: 'stays-in-vault', shared: 'goes-with-the-partial' });
      await run.servers.reason('includer', 'Synced');
      await run.servers.kube.delete('PartialKMSVaultSecret', run.servers.namespace, 'going');
      await run.servers.inVault(path, { own: 'stays-in-vault' });
      await eventually(
        'the partial is gone',
        async () => (await run.servers.get('going', 'PartialKMSVaultSecret')) === undefined,
      );
    });
  });

  describe('deletion', () => {
    it.each([
      ['v1', v1, (): string => `${run.servers.v1}/deleted`],
      ['v2', v2, (): string => `${run.servers.v2}/data/deleted`],
    ])('removes a %s secret from Vault with the finalizer', async (version, kvSettings, pathOf) => {
      const name = `deleted-${version}`;
      const secrets = [{ key: 'a', encryptedSecret: await run.servers.encrypt('to-be-deleted') }];
      const foreign = 'example.com/somebody-else';
      await run.servers.kube.apply(
        run.servers.secret(
          name,
          { path: pathOf(), kvSettings, secrets },
          { finalizers: [FINALIZER, foreign] },
        ),
      );
      await run.servers.inVault(pathOf(), { a: 'to-be-deleted' });
      await run.servers.reason(name, 'Synced');
      await run.servers.kube.delete('KMSVaultSecret', run.servers.namespace, name);
      await run.servers.inVault(pathOf(), undefined);
      await eventually(
        'only the foreign finalizer is left',
        async () =>
          JSON.stringify((await run.servers.get(name)).metadata.finalizers) === JSON.stringify([foreign]),
      );
      await run.servers.event(name, 'SecretDeleted');
      if (version === 'v2') {
        const metadata = await run.servers.vault.send('GET', pathOf().replace('/data/', '/metadata/'));
        expect(metadata.status).toBe(404);
      }
    });

    it('changes nothing in Vault without the finalizer', async () => {
      const path = `${run.servers.v2}/data/stays`;
      const secrets = [{ key: 'a', encryptedSecret: await run.servers.encrypt('stays-for-good') }];
      await run.servers.kube.apply(run.servers.secret('stays', { path, kvSettings: v2, secrets }));
      await run.servers.inVault(path, { a: 'stays-for-good' });
      await run.servers.kube.delete('KMSVaultSecret', run.servers.namespace, 'stays');
      await eventually('the resource is gone', async () => (await run.servers.get('stays')) === undefined);
      await run.servers.inVault(path, { a: 'stays-for-good' });
    });

    it('never deletes what the resource did not write', async () => {
      const path = `${run.servers.v1}/somebody-elses`;
      await run.servers.vault.write(path, { theirs: 'not ours' });
      const secrets = [
        { key: 'a', encryptedSecret: await run.servers.encrypt('not-ours', { wrong: 'context' }) },
      ];
      await run.servers.kube.apply(
        run.servers.secret('never-wrote', { path, kvSettings: v1, secrets }, { finalizers: [FINALIZER] }),
      );
      await run.servers.reason('never-wrote', 'DecryptionFailed');
      await run.servers.kube.delete('KMSVaultSecret', run.servers.namespace, 'never-wrote');
      await eventually(
        'the resource is gone',
        async () => (await run.servers.get('never-wrote')) === undefined,
      );
      await run.servers.inVault(path, { theirs: 'not ours' });
      await run.servers.event('never-wrote', 'SecretKept');
    });
  });

  describe('one path, two resources', () => {
    it('is written by the older one, and by the other after its deletion', async () => {
      const path = `${run.servers.v2}/data/contested`;
      const spec = async (value: string): Promise<object> => ({
        path,
        kvSettings: v2,
        secrets: [{ key: 'a', encryptedSecret: await run.servers.encrypt(value) }],
      });
      await run.servers.kube.apply(run.servers.secret('contest-a', await spec('of-the-first')));
      await run.servers.inVault(path, { a: 'of-the-first' });
      await run.servers.kube.apply(run.servers.secret('contest-b', await spec('of-the-second')));
      const { message } = await run.servers.reason('contest-b', 'PathConflict');
      expect(message).toContain('contest-a');
      await run.servers.event('contest-a', 'PathConflict');
      await run.servers.inVault(path, { a: 'of-the-first' });
      await run.servers.kube.delete('KMSVaultSecret', run.servers.namespace, 'contest-a');
      await run.servers.inVault(path, { a: 'of-the-second' });
      await run.servers.reason('contest-b', 'Synced');
    });
  });

  describe('what cannot be written', () => {
    it.each([
      ['a v2 resource on a v1 mount', 'EngineMismatch', v2, (): string => `${run.servers.v1}/data/x`],
      ['a v1 resource on a v2 mount', 'EngineMismatch', v1, (): string => `${run.servers.v2}/data/x`],
      ['a v2 path without data/', 'EngineMismatch', v2, (): string => `${run.servers.v2}/x`],
      ['a mount that does not exist', 'VaultForbidden', v1, (): string => `no-such-${run.servers.runId}/x`],
      ['a path that the policy denies', 'VaultForbidden', v1, (): string => `${run.servers.v1}/forbidden`],
      ['a path that climbs', 'InvalidPath', v1, (): string => `${run.servers.v1}/../sys/policies/acl/x`],
      ["Vault's own endpoints", 'InvalidPath', v1, (): string => 'sys/mounts/x'],
    ])('reports %s as %s', async (what, reason, kvSettings, pathOf) => {
      const name = `refused-${what
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, '')}`;
      const secrets = [{ key: 'a', encryptedSecret: await run.servers.encrypt('never-written') }];
      await run.servers.kube.apply(run.servers.secret(name, { path: pathOf(), kvSettings, secrets }));
      await run.servers.reason(name, reason);
      await run.servers.event(name, reason);
    });

    it('is written once where the token may write but not read', async () => {
      const secrets = [{ key: 'a', encryptedSecret: await run.servers.encrypt('written-unread') }];
      const path = `${run.servers.v2}/data/write-only/x`;
      await run.servers.kube.apply(run.servers.secret('write-only', { path, kvSettings: v2, secrets }));
      await run.servers.inVault(path, { a: 'written-unread' });
      await run.servers.reason('write-only', 'Synced');
      expect(await run.servers.vault.version(path)).toBe(1);
    });
  });
}
