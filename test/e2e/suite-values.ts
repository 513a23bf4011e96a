import { describe, expect, it } from '@jest/globals';

import { type SuiteRun, v1, v2 } from './suite-run.js';

/** Which values arrive in Vault. */
export function valuesSuite(run: SuiteRun): void {
  describe('the main job', () => {
    it.each([
      ['v1', v1, (): string => `${run.servers.v1}/main`],
      ['v2', v2, (): string => `${run.servers.v2}/data/main`],
    ])('writes a %s secret and reports it', async (version, kvSettings, pathOf) => {
      const name = `main-${version}`;
      const encryptedSecret = await run.servers.encrypt(`plain-${version}-value`);
      await run.servers.kube.apply(
        run.servers.secret(name, {
          path: pathOf(),
          kvSettings,
          secrets: [{ key: 'Hello', encryptedSecret }],
        }),
      );
      await run.servers.inVault(pathOf(), { Hello: `plain-${version}-value` });
      await run.servers.reason(name, 'Synced');
      const { status } = await run.servers.get(name);
      expect(status).toMatchObject({ created: true, path: pathOf(), keys: '1/1' });
      const event = await run.servers.event(name, 'SecretCreated');
      expect(event.message).toBe(`Wrote secret ${name} to ${pathOf()}`);
      expect(event.type).toBe('Normal');
      expect(event.source.component).toBe('kms-vault-controller');
    });

    it('reads resources of the Go operator: contexts at both levels, several pairs, empty secrets', async () => {
      const context = { Environment: 'Test', Application: 'web' };
      await run.servers.kube.apply(
        run.servers.secret('go-style', {
          path: `/${run.servers.v2}//data/go-style/`,
          kvSettings: { engineVersion: 'v2', casIndex: 0 },
          secretContext: context,
          secrets: [
            { key: 'top', encryptedSecret: await run.servers.encrypt('from-the-top-level', context) },
            {
              key: 'own',
              encryptedSecret: await run.servers.encrypt('from-its-own-context', { Hello: 'World' }),
              secretContext: { Hello: 'World' },
            },
            { key: 'empty', encryptedSecret: 'ignored', emptySecret: true },
          ],
        }),
      );
      await run.servers.inVault(`${run.servers.v2}/data/go-style`, {
        top: 'from-the-top-level',
        own: 'from-its-own-context',
        empty: '',
      });
      await run.servers.reason('go-style', 'Synced');
    });

    it('writes an edit, and makes no version without a change', async () => {
      const path = `${run.servers.v2}/data/edited`;
      const spec = async (value: string): Promise<object> => ({
        path,
        kvSettings: v2,
        secrets: [{ key: 'a', encryptedSecret: await run.servers.encrypt(value) }],
      });
      await run.servers.kube.apply(run.servers.secret('edited', await spec('first-edition')));
      await run.servers.inVault(path, { a: 'first-edition' });
      await run.servers.kube.apply(run.servers.secret('edited', await spec('second-edition')));
      await run.servers.inVault(path, { a: 'second-edition' });
      expect(await run.servers.vault.version(path)).toBe(2);
      // The same value under another ciphertext is no change in Vault.
      const before = await run.servers.metric(run.operator, 'kms_vault_operator_vault_writes_total');
      await run.servers.kube.apply(run.servers.secret('edited', await spec('second-edition')));
      await run.servers.reason('edited', 'Synced');
      expect(await run.servers.vault.version(path)).toBe(2);
      expect(await run.servers.metric(run.operator, 'kms_vault_operator_vault_writes_total')).toBe(before);
    });

    it('repairs what was changed by hand, on both engines', async () => {
      const one = `${run.servers.v1}/drift`;
      const two = `${run.servers.v2}/data/drift`;
      const secrets = [{ key: 'a', encryptedSecret: await run.servers.encrypt('as-it-should-be') }];
      await run.servers.kube.apply(run.servers.secret('drift-one', { path: one, kvSettings: v1, secrets }));
      await run.servers.kube.apply(run.servers.secret('drift-two', { path: two, kvSettings: v2, secrets }));
      await run.servers.reason('drift-one', 'Synced');
      await run.servers.reason('drift-two', 'Synced');
      await run.servers.vault.write(one, { a: 'changed', b: 'added' });
      await run.servers.vault.write(two, { data: { a: 'changed' } });
      await run.servers.inVault(one, { a: 'as-it-should-be' });
      await run.servers.inVault(two, { a: 'as-it-should-be' });
      await run.servers.event('drift-one', 'DriftRepaired');
      await run.servers.event('drift-two', 'DriftRepaired');
    });
  });

  describe('keys that cannot be decrypted', () => {
    it.each([
      ['v1', v1, (): string => `${run.servers.v1}/kept`, (): object => ({ bad: 'kept as it is', gone: 'x' })],
      [
        'v2',
        v2,
        (): string => `${run.servers.v2}/data/kept`,
        (): object => ({ data: { bad: 'kept as it is', gone: 'x' } }),
      ],
    ])('keep what Vault has for them, on %s', async (version, kvSettings, pathOf, before) => {
      const path = pathOf();
      const name = `kept-${version}`;
      await run.servers.vault.write(path, before());
      await run.servers.kube.apply(
        run.servers.secret(name, {
          path,
          kvSettings,
          secrets: [
            { key: 'good', encryptedSecret: await run.servers.encrypt('a-good-value') },
            {
              key: 'bad',
              encryptedSecret: await run.servers.encrypt('never-seen-value', { other: 'context' }),
            },
            { key: 'no-base64', encryptedSecret: 'UnencryptedSecret' },
          ],
        }),
      );
      await run.servers.inVault(path, { good: 'a-good-value', bad: 'kept as it is' });
      const { message } = await run.servers.reason(name, 'DecryptionFailed');
      expect(message).toContain('key bad: KMS rejected the ciphertext or its encryption context');
      const { status } = await run.servers.get(name);
      expect(status.keys).toBe('1/3');
      expect(status.failedKeys).toEqual([
        { key: 'bad', reason: 'InvalidCiphertext' },
        { key: 'no-base64', reason: 'NotBase64' },
      ]);
      await run.servers.event(name, 'DecryptingError');
      await run.servers.event(name, 'DecodingError');
    });
  });

  describe('casIndex', () => {
    it('pins the version that may be replaced', async () => {
      const path = `${run.servers.v2}/data/pinned`;
      const spec = async (casIndex: number, value: string): Promise<object> => ({
        path,
        kvSettings: { engineVersion: 'v2', casIndex },
        secrets: [{ key: 'a', encryptedSecret: await run.servers.encrypt(value) }],
      });
      await run.servers.kube.apply(run.servers.secret('pinned', await spec(0, 'pinned-first')));
      await run.servers.inVault(path, { a: 'pinned-first' });
      await run.servers.reason('pinned', 'Synced');
      await run.servers.kube.apply(run.servers.secret('pinned', await spec(0, 'pinned-second')));
      const { message } = await run.servers.reason('pinned', 'CasIndexStale');
      expect(message).toContain('set casIndex to 1');
      await run.servers.inVault(path, { a: 'pinned-first' });
      await run.servers.kube.apply(run.servers.secret('pinned', await spec(1, 'pinned-second')));
      await run.servers.inVault(path, { a: 'pinned-second' });
      await run.servers.reason('pinned', 'Synced');
      expect(await run.servers.vault.version(path)).toBe(2);
    });
  });
}
