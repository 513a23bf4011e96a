import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { ReconcileQueue } from '../../src/queue/reconcile-queue.js';
import type { Registry } from 'prom-client';
import { TOKENS } from '../../src/tokens.js';
import type { Json } from '../support/http-json.js';
import { canary, OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

let fixture: OperatorFixture;

beforeEach(async () => {
  fixture = await OperatorFixture.prepare();
  await fixture.start(['--sync-period-seconds=2', '--shutdown-grace-seconds=5']);
});

afterEach(async () => {
  await fixture.close();
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
  const secrets = [{ key: 'a', encryptedSecret: fixture.encrypt(value) }];
  await fixture.kube.apply(fixture.secret(name, { path, kvSettings, secrets }, metadata));
  return path;
}

describe('Kubernetes API', () => {
  it('unreachable and back: the process lives and unchanged resources cause no write', async () => {
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

  it('after compaction there is one relist and nothing is lost', async () => {
    const { kubernetes } = fixture.servers;
    await apply('a', 'value-a');
    await fixture.reason('a', 'Synced');
    kubernetes.compact();
    kubernetes.cutWatches();
    await fixture.inVault(await apply('b', 'value-b'), { a: 'value-b' }, 45_000);
  }, 60_000);

  it('deleted while disconnected: its metrics and memory go', async () => {
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

  it('an unusable resource says so on itself, and its siblings progress', async () => {
    await fixture.kube.apply(
      fixture.secret('climbs', { path: 'kv/../sys/policies/acl/x', kvSettings: v1, secrets: [] }),
    );
    await fixture.reason('climbs', 'InvalidPath');
    await fixture.event('climbs', 'InvalidPath');
    await fixture.inVault(await apply('sibling', 'fine'), { a: 'fine' });
  });

  it('a status patch of our own causes nothing more', async () => {
    await apply('a', 'value-a');
    await fixture.reason('a', 'Synced');
    await eventually('it rests', () => fixture.container.resolve<ReconcileQueue>(TOKENS.queue).size === 0);
    const patches = fixture.statusPatches;
    const resynced = fixture.vaultReads + 2;
    await eventually('it was synced again twice', () => fixture.vaultReads >= resynced);
    expect(fixture.statusPatches).toBe(patches);
  });
});

describe('Vault', () => {
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
    '%s: an unchanged resource stays Ready, a changed one says VaultUnavailable, and both recover',
    async (_what, down, up) => {
      await apply('unchanged', 'value-u');
      const path = await apply('changed', 'value-c');
      await fixture.reason('unchanged', 'Synced');
      await fixture.reason('changed', 'Synced');
      await down();
      await fixture.kube.apply(
        fixture.secret('changed', {
          path,
          kvSettings: v2,
          secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('value-c2') }],
        }),
      );
      await fixture.reason('changed', 'VaultUnavailable', 45_000);
      expect((await fixture.get('unchanged')).status.conditions[0].status).toBe('True');
      await up();
      await fixture.inVault(path, { a: 'value-c2' }, 45_000);
      await fixture.reason('changed', 'Synced');
    },
    120_000,
  );

  it('403 on one path concerns that resource alone', async () => {
    await fixture.vault.write('sys/policies/acl/operator', {
      policy: ['kv/*', 'secret/data/*', 'secret/metadata/*']
        .map((path) => `path "${path}" { capabilities = ["create", "read", "update", "delete"] }`)
        .concat('path "kv/denied" { capabilities = ["deny"] }')
        .join('\n'),
    });
    await apply('denied', 'value', v1);
    await fixture.reason('denied', 'VaultForbidden');
    await fixture.inVault(await apply('allowed', 'value', v1), { a: 'value' });
  });

  it('somebody writes in between: read again, decide again, overwrite nothing unseen', async () => {
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
    await fixture.kube.apply(
      fixture.secret('raced', {
        path,
        kvSettings: v2,
        secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('ours-2') }],
      }),
    );
    await fixture.inVault(path, { a: 'ours-2' });
    // Both foreign versions stand in the history.
    expect(await fixture.vault.version(path)).toBe(4);
  });

  it('an emptied Vault is written again within a period, on both engines', async () => {
    const one = await apply('one', 'value-1', v1);
    const two = await apply('two', 'value-2', v2);
    await fixture.inVault(one, { a: 'value-1' });
    await fixture.inVault(two, { a: 'value-2' });
    fixture.servers.vault.wipe();
    await fixture.inVault(one, { a: 'value-1' });
    await fixture.inVault(two, { a: 'value-2' });
  });

  it('a deletion waits for Vault, says why, and is finished when Vault is back', async () => {
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

  it('a path whose mount is gone already releases at once', async () => {
    await apply('orphan', 'value', v1, { finalizers: ['delete.k8s.patoarvizu.dev'] });
    await fixture.reason('orphan', 'Synced');
    await fixture.vault.delete('sys/mounts/kv');
    await fixture.kube.delete('KMSVaultSecret', 'default', 'orphan');
    await eventually('it is gone', async () => (await fixture.get('orphan')) === undefined, 30_000);
  }, 60_000);

  it('a token revoked in mid-run is said and nothing crashes', async () => {
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

describe('KMS', () => {
  it('down: nothing in Vault changes, a change is pending, and it comes when KMS is back', async () => {
    const path = await apply('a', 'first');
    await fixture.reason('a', 'Synced');
    const lift = fixture.servers.kms.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    await fixture.kube.apply(
      fixture.secret('a', {
        path,
        kvSettings: v2,
        secrets: [
          { key: 'a', encryptedSecret: fixture.encrypt('second') },
          { key: 'b', encryptedSecret: fixture.encrypt('more') },
        ],
      }),
    );
    await fixture.reason('a', 'KmsUnavailable', 30_000);
    await fixture.inVault(path, { a: 'first' });
    lift();
    await fixture.inVault(path, { a: 'second', b: 'more' }, 45_000);
    await fixture.reason('a', 'Synced');
  }, 90_000);

  it('denied: the key is skipped, kept, and tried again at every resync', async () => {
    const key = fixture.servers.kms.addKey();
    key.denied = true;
    const { seal } = await import('../servers/kms/ciphertext.js');
    const encryptedSecret = seal(key.id, key.material, Buffer.from('now allowed'), {}).toString('base64');
    await fixture.vault.write('secret/data/denied', { data: { d: 'as it was' } });
    await fixture.kube.apply(
      fixture.secret('denied', {
        path: 'secret/data/denied',
        kvSettings: v2,
        secrets: [
          { key: 'd', encryptedSecret },
          { key: 'ok', encryptedSecret: fixture.encrypt('fine') },
        ],
      }),
    );
    await fixture.inVault('secret/data/denied', { d: 'as it was', ok: 'fine' });
    await fixture.reason('denied', 'DecryptionFailed');
    key.denied = false;
    await fixture.inVault('secret/data/denied', { d: 'now allowed', ok: 'fine' });
    await fixture.reason('denied', 'Synced');
  });

  it('what KMS refuses for good is not asked again at resyncs', async () => {
    await fixture.kube.apply(
      fixture.secret('bad', {
        path: 'secret/data/bad',
        kvSettings: v2,
        secrets: [
          { key: 'bad', encryptedSecret: fixture.encrypt('x', { wrong: 'context' }) },
          { key: 'ok', encryptedSecret: fixture.encrypt('fine') },
        ],
      }),
    );
    await fixture.reason('bad', 'DecryptionFailed');
    fixture.clearRecords();
    await eventually('two resyncs', () => fixture.vaultReads >= 2);
    expect(fixture.servers.kms.decrypts).toBe(0);
  });
});

describe('shutdown', () => {
  it('a write under way at SIGTERM finishes', async () => {
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

  it('gives up what does not end within the grace period, and says so with 1', async () => {
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
    expect(fixture.logger.entries.filter((entry) => entry.message.includes('given up'))).toHaveLength(1);
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
      encryptedSecret: fixture.encrypt(key === 'long' ? long : `${value}${key}`),
    }));
    await fixture.kube.apply(fixture.secret('hostile', { path: 'kv/hostile', kvSettings: v1, secrets }));
    await fixture.kube.apply(
      fixture.secret('hostile-two', { path: 'secret/data/hostile', kvSettings: v2, secrets }),
    );
    const expected = JSON.stringify([...keys.map((key) => [key, `${value}${key}`]), ['long', long]].sort());
    for (const read of [
      (): ReadonlyMap<string, string> | undefined => fixture.servers.vault.kvV1('kv').secrets.get('hostile'),
      (): ReadonlyMap<string, string> | undefined =>
        fixture.servers.vault.kvV2('secret').secrets.get('hostile')?.versions.get(1)?.data,
    ]) {
      const stored = await eventually('it is stored', read);
      expect(JSON.stringify([...stored].map(([key, raw]) => [key, JSON.parse(raw)]).sort())).toBe(expected);
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    await fixture.reason('hostile', 'Synced');
    const everywhere = JSON.stringify([
      fixture.logger.entries,
      await fixture.get('hostile'),
      await fixture.kube.list('Event', 'default'),
      await fixture.container.resolve<Registry>(TOKENS.registry).metrics(),
    ]);
    expect(everywhere.includes(value)).toBe(false);
    expect(everywhere.includes(fixture.token)).toBe(false);
  });

  it('10,000 keys', async () => {
    // The API server takes objects up to 1.5 MiB: the values are as short as they can be.
    const secrets = Array.from({ length: 10_000 }, (_, index) => ({
      key: `k${String(index)}`,
      emptySecret: true,
    }));
    await fixture.kube.apply(fixture.secret('many-keys', { path: 'kv/many-keys', kvSettings: v1, secrets }));
    await eventually(
      'all keys are there',
      () => fixture.servers.vault.kvV1('kv').secrets.get('many-keys')?.size === 10_000,
    );
    await fixture.reason('many-keys', 'Synced');
    expect((await fixture.get('many-keys')).status.keys).toBe('10000/10000');
  });
});
