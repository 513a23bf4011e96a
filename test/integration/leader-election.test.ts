import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { isFrom, ReplicaFixture, type Replica } from '../support/replica-fixture.js';
import { eventually } from '../support/wait.js';

const NAMES = ['one', 'two', 'three', 'four', 'five', 'six'];
const V2_NAMES = NAMES.filter((_, i) => i % 2 === 0);
/** The lease, the longest pause between two looks at it, and room for a slow machine. */
const TAKEOVER_TIMEOUT_MS = 15_000 + 2_000 + 8_000;
/** Far below the lease: only a release explains it. */
const RELEASE_TIMEOUT_MS = 8_000;
const RENEW_DEADLINE_MS = 10_000;

let fixture: ReplicaFixture;
const leaders: string[] = [];

beforeAll(async () => {
  fixture = await ReplicaFixture.prepare();
  for (const name of ['a', 'b', 'c']) await fixture.start(name);
});

afterAll(async () => {
  await fixture.close();
});

const metric = async (replica: Replica, name: string): Promise<number> => {
  const { text } = await replica.get('/metrics');
  return Number(new RegExp(`^kms_vault_operator_${name} (\\S+)$`, 'm').exec(text)?.[1]);
};

describe('three built operators', () => {
  it('have one writer, and two that stand by warm', async () => {
    const leader = await fixture.leader(RELEASE_TIMEOUT_MS);
    leaders.push(leader.name);
    await fixture.applySecrets(NAMES, 'first');
    await fixture.inVault(NAMES, 'first');
    for (const replica of fixture.replicas) {
      expect(await metric(replica, 'leader')).toBe(replica === leader ? 1 : 0);
      await eventually('ready', async () => (await replica.get('/readyz')).status === 200);
    }
    expect(new Set(fixture.writes().map(({ by }) => by))).toEqual(new Set([leader.name]));
    const events = await eventually('the event', async () => {
      const found = await fixture.kube.events('vault', '39a50047.patoarvizu.dev');
      return found.length > 0 && found;
    });
    expect(events[0]).toMatchObject({
      reason: 'LeaderElection',
      message: `${leader.identity} became leader`,
    });
  });

  it('hand over at once on SIGTERM, without a KMS call for what is unchanged on v2', async () => {
    const old = await fixture.leader(RELEASE_TIMEOUT_MS);
    await eventually('every status', async () => {
      const found = await Promise.all(
        V2_NAMES.map((name) => fixture.kube.get('KMSVaultSecret', 'default', name)),
      );
      return found.every(({ status }) => status?.conditions?.[0]?.status === 'True');
    });
    // The v1 secrets would be decrypted by a new leader.
    for (const name of NAMES.filter((one) => !V2_NAMES.includes(one))) {
      await fixture.kube.delete('KMSVaultSecret', 'default', name);
    }
    const { vault, kms } = fixture.servers;
    kms.requests.clear();
    old.program.signal('SIGTERM');
    const next = await fixture.leader(RELEASE_TIMEOUT_MS, old);
    leaders.push(next.name);
    expect((await old.program.exited).code).toBe(0);
    await eventually('a look at every secret', () =>
      V2_NAMES.every((name) =>
        vault.requests.all.some(
          (request) =>
            isFrom(next, request) && request.method === 'GET' && request.url.includes(`/data/${name}`),
        ),
      ),
    );
    expect(kms.requests.count(({ operation }) => operation === 'Decrypt')).toBe(0);
    await fixture.applySecrets(NAMES, 'second');
    await fixture.inVault(NAMES, 'second');
    await fixture.start('d');
  });

  it('are not written to by a frozen leader that wakes up', async () => {
    const frozen = await fixture.leader(RELEASE_TIMEOUT_MS);
    const { vault } = fixture.servers;
    // It freezes while it waits for Vault's answers, after which it would write.
    const lift = vault.faults.inject({
      matches: (request) => request.method === 'GET' && isFrom(frozen, request),
      action: { kind: 'delay', ms: 1_000 },
    });
    const before = vault.requests.all.length;
    await fixture.applySecrets(NAMES, 'third');
    const waiting = (): number =>
      vault.requests.all
        .slice(before)
        .filter((request) => isFrom(frozen, request) && request.method === 'GET').length;
    await eventually('reads in flight', () => waiting() >= NAMES.length);
    frozen.program.signal('SIGSTOP');
    const stoppedAt = performance.now();
    const next = await fixture.leader(TAKEOVER_TIMEOUT_MS, frozen);
    leaders.push(next.name);
    await fixture.inVault(NAMES, 'third');
    lift();
    frozen.program.signal('SIGCONT');
    await frozen.program.logged('no longer the leader; standing by');
    // It looks at the lease again, and has work that it would do if it led.
    await fixture.applySecrets(NAMES, 'fourth');
    await fixture.inVault(NAMES, 'fourth');
    await eventually('a standby', async () => (await metric(frozen, 'leader')) === 0);
    const late = fixture
      .writes()
      .filter(({ by, at }) => by === frozen.name && at > stoppedAt + RENEW_DEADLINE_MS);
    expect(late).toEqual([]);
    expect(frozen.program.running).toBe(true);
  }, 60_000);

  it('replace a leader that was killed when its lease is over, and never wrote at the same time', async () => {
    const killed = await fixture.leader(RELEASE_TIMEOUT_MS);
    killed.program.signal('SIGKILL');
    const next = await fixture.leader(TAKEOVER_TIMEOUT_MS, killed);
    leaders.push(next.name);
    await fixture.applySecrets(NAMES, 'fifth');
    await fixture.inVault(NAMES, 'fifth');
    const turns = fixture
      .writes()
      .map(({ by }) => by)
      .filter((by, i, all) => by !== all[i - 1]);
    expect(turns).toEqual(leaders);
  }, 60_000);
});
