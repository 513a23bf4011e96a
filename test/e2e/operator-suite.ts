import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { ChildProgram } from '../support/child-program.js';
import { eventually } from '../support/wait.js';
import { type Access, E2eServers } from './servers.js';

const FINALIZER = 'delete.k8s.patoarvizu.dev';
const v1 = { engineVersion: 'v1' };
const v2 = { engineVersion: 'v2' };

/** What the operator does for its users, with no more rights than the shipped roles give. */
export function operatorSuite(access: Access): void {
  let servers: E2eServers;
  let operator: ChildProgram;

  beforeAll(async () => {
    servers = await E2eServers.prepare({ access });
    operator = await servers.startOperator();
  }, 120_000);

  afterAll(async () => {
    await (servers as E2eServers | undefined)?.cleanUp();
  }, 60_000);

  describe('the main job', () => {
    it.each([
      ['v1', v1, (): string => `${servers.v1}/main`],
      ['v2', v2, (): string => `${servers.v2}/data/main`],
    ])('writes a %s secret and says so', async (version, kvSettings, pathOf) => {
      const name = `main-${version}`;
      const encryptedSecret = await servers.encrypt(`plain-${version}-value`);
      await servers.kube.apply(
        servers.secret(name, { path: pathOf(), kvSettings, secrets: [{ key: 'Hello', encryptedSecret }] }),
      );
      await servers.inVault(pathOf(), { Hello: `plain-${version}-value` });
      await servers.reason(name, 'Synced');
      const { status } = await servers.get(name);
      expect(status).toMatchObject({ created: true, path: pathOf(), keys: '1/1' });
      const event = await servers.event(name, 'SecretCreated');
      expect(event.message).toBe(`Wrote secret ${name} to ${pathOf()}`);
      expect(event.type).toBe('Normal');
      expect(event.source.component).toBe('kms-vault-controller');
    });

    it('takes what was written for the Go operator: contexts at both levels, several pairs, empty secrets', async () => {
      const context = { Environment: 'Test', Application: 'web' };
      await servers.kube.apply(
        servers.secret('go-style', {
          path: `/${servers.v2}//data/go-style/`,
          kvSettings: { engineVersion: 'v2', casIndex: 0 },
          secretContext: context,
          secrets: [
            { key: 'top', encryptedSecret: await servers.encrypt('from-the-top-level', context) },
            {
              key: 'own',
              encryptedSecret: await servers.encrypt('from-its-own-context', { Hello: 'World' }),
              secretContext: { Hello: 'World' },
            },
            { key: 'empty', encryptedSecret: 'ignored', emptySecret: true },
          ],
        }),
      );
      await servers.inVault(`${servers.v2}/data/go-style`, {
        top: 'from-the-top-level',
        own: 'from-its-own-context',
        empty: '',
      });
      await servers.reason('go-style', 'Synced');
    });

    it('brings an edit, and never makes a version without a change', async () => {
      const path = `${servers.v2}/data/edited`;
      const spec = async (value: string): Promise<object> => ({
        path,
        kvSettings: v2,
        secrets: [{ key: 'a', encryptedSecret: await servers.encrypt(value) }],
      });
      await servers.kube.apply(servers.secret('edited', await spec('first-edition')));
      await servers.inVault(path, { a: 'first-edition' });
      await servers.kube.apply(servers.secret('edited', await spec('second-edition')));
      await servers.inVault(path, { a: 'second-edition' });
      expect(await servers.vault.version(path)).toBe(2);
      // The same value under another ciphertext is no change in Vault.
      const before = await servers.metric(operator, 'kms_vault_operator_vault_writes_total');
      await servers.kube.apply(servers.secret('edited', await spec('second-edition')));
      await servers.reason('edited', 'Synced');
      expect(await servers.vault.version(path)).toBe(2);
      expect(await servers.metric(operator, 'kms_vault_operator_vault_writes_total')).toBe(before);
    });

    it('puts right what was changed by hand, on both engines', async () => {
      const one = `${servers.v1}/drift`;
      const two = `${servers.v2}/data/drift`;
      const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('as-it-should-be') }];
      await servers.kube.apply(servers.secret('drift-one', { path: one, kvSettings: v1, secrets }));
      await servers.kube.apply(servers.secret('drift-two', { path: two, kvSettings: v2, secrets }));
      await servers.reason('drift-one', 'Synced');
      await servers.reason('drift-two', 'Synced');
      await servers.vault.write(one, { a: 'changed', b: 'added' });
      await servers.vault.write(two, { data: { a: 'changed' } });
      await servers.inVault(one, { a: 'as-it-should-be' });
      await servers.inVault(two, { a: 'as-it-should-be' });
      await servers.event('drift-one', 'DriftRepaired');
      await servers.event('drift-two', 'DriftRepaired');
    });
  });

  describe('keys that cannot be decrypted', () => {
    it.each([
      ['v1', v1, (): string => `${servers.v1}/kept`, (): object => ({ bad: 'kept as it is', gone: 'x' })],
      [
        'v2',
        v2,
        (): string => `${servers.v2}/data/kept`,
        (): object => ({ data: { bad: 'kept as it is', gone: 'x' } }),
      ],
    ])('keep what Vault has for them, on %s', async (version, kvSettings, pathOf, before) => {
      const path = pathOf();
      const name = `kept-${version}`;
      await servers.vault.write(path, before());
      await servers.kube.apply(
        servers.secret(name, {
          path,
          kvSettings,
          secrets: [
            { key: 'good', encryptedSecret: await servers.encrypt('a-good-value') },
            { key: 'bad', encryptedSecret: await servers.encrypt('never-seen-value', { other: 'context' }) },
            { key: 'no-base64', encryptedSecret: 'UnencryptedSecret' },
          ],
        }),
      );
      await servers.inVault(path, { good: 'a-good-value', bad: 'kept as it is' });
      const { message } = await servers.reason(name, 'DecryptionFailed');
      expect(message).toContain('key bad: KMS rejected the ciphertext or its encryption context');
      const { status } = await servers.get(name);
      expect(status.keys).toBe('1/3');
      expect(status.failedKeys).toEqual([
        { key: 'bad', reason: 'InvalidCiphertext' },
        { key: 'no-base64', reason: 'NotBase64' },
      ]);
      await servers.event(name, 'DecryptingError');
      await servers.event(name, 'DecodingError');
    });
  });

  describe('partials', () => {
    it('are merged, followed when they change, and named when they are missing', async () => {
      const path = `${servers.v2}/data/with-partial`;
      const own = { key: 'own', encryptedSecret: await servers.encrypt('the-own-value') };
      await servers.kube.apply(
        servers.secret('with-partial', { path, kvSettings: v2, secrets: [own], includeSecrets: ['late'] }),
      );
      await servers.reason('with-partial', 'IncludeNotFound');
      await servers.inVault(path, { own: 'the-own-value' });
      const item = async (value: string): Promise<object> => ({
        secretContext: { from: 'partial' },
        secrets: [{ key: 'shared', encryptedSecret: await servers.encrypt(value, { from: 'partial' }) }],
      });
      await servers.kube.apply(servers.partial('late', await item('the-shared-value')));
      await servers.inVault(path, { own: 'the-own-value', shared: 'the-shared-value' });
      await servers.reason('with-partial', 'Synced');
      await servers.kube.apply(servers.partial('late', await item('the-new-shared-value')));
      await servers.inVault(path, { own: 'the-own-value', shared: 'the-new-shared-value' });
      await eventually(
        'the partial counts its includers',
        async () => (await servers.get('late', 'PartialKMSVaultSecret')).status?.includedBy === 1,
      );
      // Without the finalizer its deletion removes nothing.
      await servers.kube.delete('PartialKMSVaultSecret', servers.namespace, 'late');
      await servers.reason('with-partial', 'IncludeNotFound');
      await servers.inVault(path, { own: 'the-own-value', shared: 'the-new-shared-value' });
    });

    it('with the finalizer take their keys out of Vault before they go', async () => {
      const path = `${servers.v1}/partial-finalizer`;
      await servers.kube.apply(
        servers.partial(
          'going',
          { secrets: [{ key: 'shared', encryptedSecret: await servers.encrypt('goes-with-the-partial') }] },
          { finalizers: [FINALIZER] },
        ),
      );
      await servers.kube.apply(
        servers.secret('includer', {
          path,
          kvSettings: v1,
          secrets: [{ key: 'own', encryptedSecret: await servers.encrypt('stays-in-vault') }],
          includeSecrets: ['going'],
        }),
      );
      await servers.inVault(path, { own: 'stays-in-vault', shared: 'goes-with-the-partial' });
      await servers.reason('includer', 'Synced');
      await servers.kube.delete('PartialKMSVaultSecret', servers.namespace, 'going');
      await servers.inVault(path, { own: 'stays-in-vault' });
      await eventually(
        'the partial is gone',
        async () => (await servers.get('going', 'PartialKMSVaultSecret')) === undefined,
      );
    });
  });

  describe('casIndex', () => {
    it('pins the version that may be replaced', async () => {
      const path = `${servers.v2}/data/pinned`;
      const spec = async (casIndex: number, value: string): Promise<object> => ({
        path,
        kvSettings: { engineVersion: 'v2', casIndex },
        secrets: [{ key: 'a', encryptedSecret: await servers.encrypt(value) }],
      });
      await servers.kube.apply(servers.secret('pinned', await spec(0, 'pinned-first')));
      await servers.inVault(path, { a: 'pinned-first' });
      await servers.reason('pinned', 'Synced');
      await servers.kube.apply(servers.secret('pinned', await spec(0, 'pinned-second')));
      const { message } = await servers.reason('pinned', 'CasIndexStale');
      expect(message).toContain('set casIndex to 1');
      await servers.inVault(path, { a: 'pinned-first' });
      await servers.kube.apply(servers.secret('pinned', await spec(1, 'pinned-second')));
      await servers.inVault(path, { a: 'pinned-second' });
      await servers.reason('pinned', 'Synced');
      expect(await servers.vault.version(path)).toBe(2);
    });
  });

  describe('deletion', () => {
    it.each([
      ['v1', v1, (): string => `${servers.v1}/deleted`],
      ['v2', v2, (): string => `${servers.v2}/data/deleted`],
    ])('takes a %s secret out of Vault with the finalizer', async (version, kvSettings, pathOf) => {
      const name = `deleted-${version}`;
      const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('to-be-deleted') }];
      const foreign = 'example.com/somebody-else';
      await servers.kube.apply(
        servers.secret(name, { path: pathOf(), kvSettings, secrets }, { finalizers: [FINALIZER, foreign] }),
      );
      await servers.inVault(pathOf(), { a: 'to-be-deleted' });
      await servers.reason(name, 'Synced');
      await servers.kube.delete('KMSVaultSecret', servers.namespace, name);
      await servers.inVault(pathOf(), undefined);
      await eventually(
        'only the foreign finalizer is left',
        async () =>
          JSON.stringify((await servers.get(name)).metadata.finalizers) === JSON.stringify([foreign]),
      );
      await servers.event(name, 'SecretDeleted');
      if (version === 'v2') {
        const metadata = await servers.vault.send('GET', pathOf().replace('/data/', '/metadata/'));
        expect(metadata.status).toBe(404);
      }
    });

    it('leaves Vault alone without the finalizer', async () => {
      const path = `${servers.v2}/data/stays`;
      const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('stays-for-good') }];
      await servers.kube.apply(servers.secret('stays', { path, kvSettings: v2, secrets }));
      await servers.inVault(path, { a: 'stays-for-good' });
      await servers.kube.delete('KMSVaultSecret', servers.namespace, 'stays');
      await eventually('the resource is gone', async () => (await servers.get('stays')) === undefined);
      await servers.inVault(path, { a: 'stays-for-good' });
    });

    it('never deletes what the resource did not write', async () => {
      const path = `${servers.v1}/somebody-elses`;
      await servers.vault.write(path, { theirs: 'not ours' });
      const secrets = [
        { key: 'a', encryptedSecret: await servers.encrypt('not-ours', { wrong: 'context' }) },
      ];
      await servers.kube.apply(
        servers.secret('never-wrote', { path, kvSettings: v1, secrets }, { finalizers: [FINALIZER] }),
      );
      await servers.reason('never-wrote', 'DecryptionFailed');
      await servers.kube.delete('KMSVaultSecret', servers.namespace, 'never-wrote');
      await eventually('the resource is gone', async () => (await servers.get('never-wrote')) === undefined);
      await servers.inVault(path, { theirs: 'not ours' });
      await servers.event('never-wrote', 'SecretKept');
    });
  });

  describe('one path, two resources', () => {
    it('is written by the older one and goes over when that one goes', async () => {
      const path = `${servers.v2}/data/contested`;
      const spec = async (value: string): Promise<object> => ({
        path,
        kvSettings: v2,
        secrets: [{ key: 'a', encryptedSecret: await servers.encrypt(value) }],
      });
      await servers.kube.apply(servers.secret('contest-a', await spec('of-the-first')));
      await servers.inVault(path, { a: 'of-the-first' });
      await servers.kube.apply(servers.secret('contest-b', await spec('of-the-second')));
      const { message } = await servers.reason('contest-b', 'PathConflict');
      expect(message).toContain('contest-a');
      await servers.event('contest-a', 'PathConflict');
      await servers.inVault(path, { a: 'of-the-first' });
      await servers.kube.delete('KMSVaultSecret', servers.namespace, 'contest-a');
      await servers.inVault(path, { a: 'of-the-second' });
      await servers.reason('contest-b', 'Synced');
    });
  });

  describe('what cannot be written', () => {
    it.each([
      ['a v2 resource on a v1 mount', 'EngineMismatch', v2, (): string => `${servers.v1}/data/x`],
      ['a v1 resource on a v2 mount', 'EngineMismatch', v1, (): string => `${servers.v2}/data/x`],
      ['a v2 path without data/', 'EngineMismatch', v2, (): string => `${servers.v2}/x`],
      ['a mount that does not exist', 'VaultForbidden', v1, (): string => `no-such-${servers.runId}/x`],
      ['a path that the policy denies', 'VaultForbidden', v1, (): string => `${servers.v1}/forbidden`],
      ['a path that climbs', 'InvalidPath', v1, (): string => `${servers.v1}/../sys/policies/acl/x`],
      ["Vault's own endpoints", 'InvalidPath', v1, (): string => 'sys/mounts/x'],
    ])('%s says %s', async (what, reason, kvSettings, pathOf) => {
      const name = `refused-${what
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, '')}`;
      const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('never-written') }];
      await servers.kube.apply(servers.secret(name, { path: pathOf(), kvSettings, secrets }));
      await servers.reason(name, reason);
      await servers.event(name, reason);
    });

    it('is written unread, once and complete, where the token may write but not read', async () => {
      const secrets = [{ key: 'a', encryptedSecret: await servers.encrypt('written-unread') }];
      const path = `${servers.v2}/data/write-only/x`;
      await servers.kube.apply(servers.secret('write-only', { path, kvSettings: v2, secrets }));
      await servers.inVault(path, { a: 'written-unread' });
      await servers.reason('write-only', 'Synced');
      expect(await servers.vault.version(path)).toBe(1);
    });
  });

  describe('metrics', () => {
    it('tell of the session with Vault, the period and the last reconcile', async () => {
      const seen = async (name: string): Promise<number> =>
        await servers.metric(operator, `kms_vault_operator_${name}`);
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
      expect(operator.lines.length).toBeGreaterThan(20);
      expect(operator.lines.filter(({ level }) => level === undefined)).toEqual([]);
    });
  });

  describe('secrecy', () => {
    it('shows no value and no token in logs, events, status or metrics', async () => {
      const address = await operator.address('serving metrics');
      const metrics = await (await fetch(`${address}/metrics`)).text();
      const objects = JSON.stringify([
        await servers.kube.list('KMSVaultSecret', servers.namespace),
        await servers.kube.list('Event', servers.namespace),
      ]);
      expect(servers.secrets.length).toBeGreaterThan(10);
      for (const secret of servers.secrets) {
        expect(servers.output().includes(secret)).toBe(false);
        expect(objects.includes(secret)).toBe(false);
        expect(metrics.includes(secret)).toBe(false);
      }
    });
  });
}
