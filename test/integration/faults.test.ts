import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { ReconcileQueue } from '../../src/queue/reconcile-queue.js';
import type { Registry } from 'prom-client';
import { TOKENS } from '../../src/tokens.js';
import type { Json } from '../support/http-json.js';
import { canary, OperatorStand } from '../support/operator-stand.js';
import { eventually } from '../support/wait.js';

let stand: OperatorStand;

beforeEach(async () => {
  stand = await OperatorStand.prepare();
  await stand.start(['--sync-period-seconds=2', '--shutdown-grace-seconds=5']);
});

afterEach(async () => {
  await stand.close();
});

const v1 = { engineVersion: 'v1' };
const v2 = { engineVersion: 'v2' };

async function apply(
  name: string,
  value: string,
  kvSettings: Json = v2,
  metadata: Json = {},
): Promise<string> {
  const path = kvSettings === v1 ? `kv/${name}` : `secret/data/${name}`;
  const secrets = [{ key: 'a', encryptedSecret: stand.encrypt(value) }];
  await stand.kube.apply(stand.secret(name, { path, kvSettings, secrets }, metadata));
  return path;
}

describe('Kubernetes API', () => {
  it('unreachable and back: the process lives and unchanged resources cause no write', async () => {
    await apply('a', 'value-a');
    await stand.reason('a', 'Synced');
    const { kubernetes } = stand.servers;
    await kubernetes.stop();
    await eventually('it is noticed', () =>
      stand.logger.entries.some((entry) => entry.level === 'warn' || entry.level === 'error'),
    );
    stand.clearRecords();
    await kubernetes.restart();
    const path = await apply('b', 'value-b');
    await stand.inVault(path, { a: 'value-b' }, 45_000);
    expect(stand.vaultWrites).toBe(1);
  }, 90_000);

  it('after compaction there is one relist and nothing is lost', async () => {
    const { kubernetes } = stand.servers;
    await apply('a', 'value-a');
    await stand.reason('a', 'Synced');
    kubernetes.compact();
    kubernetes.cutWatches();
    await stand.inVault(await apply('b', 'value-b'), { a: 'value-b' }, 45_000);
  }, 60_000);

  it('deleted while disconnected: its metrics and memory go', async () => {
    await apply('a', 'value-a');
    await stand.reason('a', 'Synced');
    const metric = async (): Promise<string> =>
      await stand.container
        .resolve<Registry>(TOKENS.registry)
        .getSingleMetricAsString('kms_vault_operator_resource_ready');
    expect(await metric()).toContain('name="a"');
    const { kubernetes } = stand.servers;
    const blocked = kubernetes.faults.inject({
      matches: (request) => request.url.includes('watch='),
      action: { kind: 'reset' },
    });
    kubernetes.cutWatches();
    await stand.kube.delete('KMSVaultSecret', 'default', 'a');
    kubernetes.compact();
    blocked();
    await eventually('the gauge is gone', async () => !(await metric()).includes('name="a"'), 45_000);
  }, 60_000);

  it('an unusable resource says so on itself, and its siblings progress', async () => {
    await stand.kube.apply(
      stand.secret('climbs', { path: 'kv/../sys/policies/acl/x', kvSettings: v1, secrets: [] }),
    );
    await stand.reason('climbs', 'InvalidPath');
    await stand.event('climbs', 'InvalidPath');
    await stand.inVault(await apply('sibling', 'fine'), { a: 'fine' });
  });

  it('a status patch of our own causes nothing more', async () => {
    await apply('a', 'value-a');
    await stand.reason('a', 'Synced');
    await eventually('it rests', () => stand.container.resolve<ReconcileQueue>(TOKENS.queue).size === 0);
    const patches = stand.statusPatches;
    const resynced = stand.vaultReads + 2;
    await eventually('it was synced again twice', () => stand.vaultReads >= resynced);
    expect(stand.statusPatches).toBe(patches);
  });
});

describe('Vault', () => {
  it.each([
    [
      'sealed',
      (): void => {
        stand.servers.vault.seal();
      },
      (): void => {
        stand.servers.vault.unseal();
      },
    ],
    [
      'stopped',
      (): Promise<void> => stand.servers.vault.stop(),
      (): Promise<void> => stand.servers.vault.restart(),
    ],
  ] as const)(
    '%s: an unchanged resource stays Ready, a changed one says VaultUnavailable, and both recover',
    async (_what, down, up) => {
      await apply('unchanged', 'value-u');
      const path = await apply('changed', 'value-c');
      await stand.reason('unchanged', 'Synced');
      await stand.reason('changed', 'Synced');
      await down();
      await stand.kube.apply(
        stand.secret('changed', {
          path,
          kvSettings: v2,
          secrets: [{ key: 'a', encryptedSecret: stand.encrypt('value-c2') }],
        }),
      );
      await stand.reason('changed', 'VaultUnavailable', 45_000);
      expect((await stand.get('unchanged')).status.conditions[0].status).toBe('True');
      await up();
      await stand.inVault(path, { a: 'value-c2' }, 45_000);
      await stand.reason('changed', 'Synced');
    },
    120_000,
  );

  it('403 on one path concerns that resource alone', async () => {
    await stand.vault.write('sys/policies/acl/operator', {
      policy: ['kv/*', 'secret/data/*', 'secret/metadata/*']
        .map((path) => `path "${path}" { capabilities = ["create", "read", "update", "delete"] }`)
        .concat('path "kv/denied" { capabilities = ["deny"] }')
        .join('\n'),
    });
    await apply('denied', 'value', v1);
    await stand.reason('denied', 'VaultForbidden');
    await stand.inVault(await apply('allowed', 'value', v1), { a: 'value' });
  });

  it('somebody writes in between: read again, decide again, overwrite nothing unseen', async () => {
    const path = await apply('raced', 'ours');
    await stand.reason('raced', 'Synced');
    let races = 2;
    const { vault } = stand.servers;
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
    await stand.kube.apply(
      stand.secret('raced', {
        path,
        kvSettings: v2,
        secrets: [{ key: 'a', encryptedSecret: stand.encrypt('ours-2') }],
      }),
    );
    await stand.inVault(path, { a: 'ours-2' });
    // Both foreign versions stand in the history.
    expect(await stand.vault.version(path)).toBe(4);
  });

  it('an emptied Vault is written again within a period, on both engines', async () => {
    const one = await apply('one', 'value-1', v1);
    const two = await apply('two', 'value-2', v2);
    await stand.inVault(one, { a: 'value-1' });
    await stand.inVault(two, { a: 'value-2' });
    stand.servers.vault.wipe();
    await stand.inVault(one, { a: 'value-1' });
    await stand.inVault(two, { a: 'value-2' });
  });

  it('a deletion waits for Vault, says why, and is finished when Vault is back', async () => {
    const path = await apply('waits', 'value', v1, { finalizers: ['delete.k8s.patoarvizu.dev'] });
    await stand.reason('waits', 'Synced');
    stand.servers.vault.seal();
    await stand.kube.delete('KMSVaultSecret', 'default', 'waits');
    await stand.event('waits', 'DeletionFailed');
    await eventually(
      'it says Deleting',
      async () => (await stand.get('waits')).status.conditions[0].reason === 'Deleting',
    );
    stand.servers.vault.unseal();
    await stand.inVault(path, undefined, 45_000);
    await eventually('it is gone', async () => (await stand.get('waits')) === undefined, 45_000);
  }, 120_000);

  it('a path whose mount is gone already releases at once', async () => {
    await apply('orphan', 'value', v1, { finalizers: ['delete.k8s.patoarvizu.dev'] });
    await stand.reason('orphan', 'Synced');
    await stand.vault.delete('sys/mounts/kv');
    await stand.kube.delete('KMSVaultSecret', 'default', 'orphan');
    await eventually('it is gone', async () => (await stand.get('orphan')) === undefined, 30_000);
  }, 60_000);

  it('a token revoked in mid-run is said and nothing crashes', async () => {
    await apply('a', 'value-a');
    await stand.reason('a', 'Synced');
    await stand.vault.write('auth/token/revoke', { token: stand.token });
    const path = await apply('b', 'value-b');
    // At first a node of Vault may only not know the token yet.
    await eventually(
      'it says that VAULT_TOKEN is not accepted',
      async () =>
        (await stand.reason('b', 'VaultUnavailable', 30_000)).message.includes('does not accept VAULT_TOKEN'),
      45_000,
    );
    expect(await stand.vault.read(path)).toBeUndefined();
  }, 120_000);
});

describe('KMS', () => {
  it('down: nothing in Vault changes, a change is pending, and it comes when KMS is back', async () => {
    const path = await apply('a', 'first');
    await stand.reason('a', 'Synced');
    const lift = stand.servers.kms.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    await stand.kube.apply(
      stand.secret('a', {
        path,
        kvSettings: v2,
        secrets: [
          { key: 'a', encryptedSecret: stand.encrypt('second') },
          { key: 'b', encryptedSecret: stand.encrypt('more') },
        ],
      }),
    );
    await stand.reason('a', 'KmsUnavailable', 30_000);
    await stand.inVault(path, { a: 'first' });
    lift();
    await stand.inVault(path, { a: 'second', b: 'more' }, 45_000);
    await stand.reason('a', 'Synced');
  }, 90_000);

  it('denied: the key is skipped, kept, and tried again at every resync', async () => {
    const key = stand.servers.kms.addKey();
    key.denied = true;
    const { seal } = await import('../servers/kms/ciphertext.js');
    const encryptedSecret = seal(key.id, key.material, Buffer.from('now allowed'), {}).toString('base64');
    await stand.vault.write('secret/data/denied', { data: { d: 'as it was' } });
    await stand.kube.apply(
      stand.secret('denied', {
        path: 'secret/data/denied',
        kvSettings: v2,
        secrets: [
          { key: 'd', encryptedSecret },
          { key: 'ok', encryptedSecret: stand.encrypt('fine') },
        ],
      }),
    );
    await stand.inVault('secret/data/denied', { d: 'as it was', ok: 'fine' });
    await stand.reason('denied', 'DecryptionFailed');
    key.denied = false;
    await stand.inVault('secret/data/denied', { d: 'now allowed', ok: 'fine' });
    await stand.reason('denied', 'Synced');
  });

  it('what KMS refuses for good is not asked again at resyncs', async () => {
    await stand.kube.apply(
      stand.secret('bad', {
        path: 'secret/data/bad',
        kvSettings: v2,
        secrets: [
          { key: 'bad', encryptedSecret: stand.encrypt('x', { wrong: 'context' }) },
          { key: 'ok', encryptedSecret: stand.encrypt('fine') },
        ],
      }),
    );
    await stand.reason('bad', 'DecryptionFailed');
    stand.clearRecords();
    await eventually('two resyncs', () => stand.vaultReads >= 2);
    expect(stand.servers.kms.decrypts).toBe(0);
  });
});

describe('shutdown', () => {
  it('a write under way at SIGTERM finishes', async () => {
    const path = 'kv/slow';
    const lift = stand.servers.vault.faults.inject({
      matches: (request) => request.method === 'POST' && request.url.endsWith('/kv/slow'),
      action: { kind: 'delay', ms: 1_000 },
    });
    await apply('slow', 'arrives', v1);
    await eventually(
      'the write is under way',
      () =>
        stand.servers.vault.requests.count(
          (request) => request.url.endsWith('/kv/slow') && request.method === 'POST',
        ) > 0,
    );
    expect(await stand.stop()).toBe(0);
    lift();
    await stand.inVault(path, { a: 'arrives' });
  });

  it('gives up what does not end within the grace period, and says so with 1', async () => {
    stand.servers.vault.faults.inject({
      matches: (request) => request.method === 'POST' && request.url.endsWith('/kv/hangs'),
      action: { kind: 'hang' },
    });
    await apply('hangs', 'never', v1);
    await eventually(
      'the write is under way',
      () =>
        stand.servers.vault.requests.count(
          (request) => request.url.endsWith('/kv/hangs') && request.method === 'POST',
        ) > 0,
    );
    expect(await stand.stop()).toBe(1);
    expect(stand.logger.entries.filter((entry) => entry.message.includes('given up'))).toHaveLength(1);
  }, 30_000);
});

describe('secrecy and hostile input', () => {
  it('keys of every kind and long values arrive verbatim, and a canary stands in Vault alone', async () => {
    const value = canary();
    const keys = [
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      '',
      '\u200b',
      'a/b',
      'ключ',
      '"quoted"\n',
    ];
    const long = 'ü'.repeat(2_048);
    const secrets = [...keys, 'long'].map((key) => ({
      key,
      encryptedSecret: stand.encrypt(key === 'long' ? long : `${value}${key}`),
    }));
    await stand.kube.apply(stand.secret('hostile', { path: 'kv/hostile', kvSettings: v1, secrets }));
    await stand.kube.apply(
      stand.secret('hostile-two', { path: 'secret/data/hostile', kvSettings: v2, secrets }),
    );
    const expected = JSON.stringify([...keys.map((key) => [key, `${value}${key}`]), ['long', long]].sort());
    for (const read of [
      (): ReadonlyMap<string, string> | undefined => stand.servers.vault.kvV1('kv').secrets.get('hostile'),
      (): ReadonlyMap<string, string> | undefined =>
        stand.servers.vault.kvV2('secret').secrets.get('hostile')?.versions.get(1)?.data,
    ]) {
      const stored = await eventually('it is stored', read);
      expect(JSON.stringify([...stored].map(([key, raw]) => [key, JSON.parse(raw)]).sort())).toBe(expected);
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    await stand.reason('hostile', 'Synced');
    const everywhere = JSON.stringify([
      stand.logger.entries,
      await stand.get('hostile'),
      await stand.kube.list('Event', 'default'),
      await stand.container.resolve<Registry>(TOKENS.registry).metrics(),
    ]);
    expect(everywhere.includes(value)).toBe(false);
    expect(everywhere.includes(stand.token)).toBe(false);
  });

  it('10,000 keys', async () => {
    // The API server takes objects up to 1.5 MiB: the values are as short as they can be.
    const secrets = Array.from({ length: 10_000 }, (_, index) => ({
      key: `k${String(index)}`,
      emptySecret: true,
    }));
    await stand.kube.apply(stand.secret('many-keys', { path: 'kv/many-keys', kvSettings: v1, secrets }));
    await eventually(
      'all keys are there',
      () => stand.servers.vault.kvV1('kv').secrets.get('many-keys')?.size === 10_000,
    );
    await stand.reason('many-keys', 'Synced');
    expect((await stand.get('many-keys')).status.keys).toBe('10000/10000');
  });
});
