import { describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import type { EngineVersion } from '../../../src/api/resources.js';
import { MortalStand } from '../../support/crash-points.js';
import { FakeKms } from '../../support/fake-kms.js';

/** More requests than any of these operations makes. */
const MANY = 40;
const ENGINES: EngineVersion[] = ['v1', 'v2'];
const AFTERWARDS = ['converges', 'is deleted at once', 'converges and is deleted'] as const;
const THEIRS = { theirs: 'precious' };
const cases = ENGINES.flatMap((engine) =>
  [false, true].flatMap((stranger) => AFTERWARDS.map((afterwards) => ({ engine, stranger, afterwards }))),
);

const pathOf = (engine: EngineVersion, name: string): string =>
  engine === 'v1' ? `kv/${name}` : `secret/data/${name}`;

/** Our resource at a path, edited or made. */
function put(stand: MortalStand, engine: EngineVersion, name: string): void {
  stand.secret(
    'x',
    {
      path: pathOf(engine, name),
      kvSettings: { engineVersion: engine },
      secrets: [{ key: 'a', encryptedSecret: FakeKms.encrypt('ours') }],
    },
    { finalizers: [DELETE_FINALIZER] },
  );
}

function strangerAt(stand: MortalStand, engine: EngineVersion, name: string): void {
  stand.vault.tamper(pathOf(engine, name), engine, new Map([['theirs', '"precious"']]));
}

/** Paths that were written by the operator. */
function watchWrites(stand: MortalStand): Set<string> {
  const written = new Set<string>();
  stand.vault.onChange = (path): void => {
    if (stand.vault.peek(path, path.startsWith('kv/') ? 'v1' : 'v2') !== undefined) written.add(path);
  };
  return written;
}

async function reconcileAll(stand: MortalStand): Promise<void> {
  for (let round = 0; round < 4; round += 1) await stand.reconcile('x');
}

async function goOn(stand: MortalStand, afterwards: (typeof AFTERWARDS)[number]): Promise<void> {
  stand.restart();
  if (afterwards !== 'is deleted at once') await reconcileAll(stand);
  if (afterwards === 'converges') return;
  stand.delete(SECRET_KIND, 'x');
  await reconcileAll(stand);
  expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
}

function expectSynced(stand: MortalStand, engine: EngineVersion, name: string): void {
  expect(stand.values(pathOf(engine, name), engine)).toEqual({ a: 'ours' });
  expect(stand.ready('x')?.reason).toBe('Synced');
  const status = stand.cache.secret('default', 'x')?.status;
  expect(status).toMatchObject({ created: true, path: pathOf(engine, name) });
  expect(status?.claim).toBeUndefined();
}

/** Runs the operation once for every request in it, and once to its end. */
async function forEveryRequest(run: (requests: number) => Promise<{ died: boolean }>): Promise<void> {
  for (let requests = 1; requests < MANY; requests += 1) {
    const { died } = await run(requests);
    if (!died) {
      expect(requests).toBeGreaterThan(3);
      return;
    }
  }
  throw new Error('the operation never ends');
}

describe('a process that is killed after any of its requests', () => {
  it.each(cases)(
    'first write on $engine, a stranger at the path: $stranger, then it $afterwards',
    async ({ engine, stranger, afterwards }) => {
      await forEveryRequest(async (requests) => {
        const stand = new MortalStand();
        if (stranger) strangerAt(stand, engine, 'b');
        const written = watchWrites(stand);
        put(stand, engine, 'b');
        stand.killAfter(requests);
        await stand.reconcile('x');
        const died = stand.isDead;
        await goOn(stand, afterwards);
        if (afterwards === 'converges') expectSynced(stand, engine, 'b');
        else {
          const stays = stranger && !written.has(pathOf(engine, 'b'));
          expect(stand.values(pathOf(engine, 'b'), engine)).toEqual(stays ? THEIRS : undefined);
        }
        return { died };
      });
    },
  );

  it.each(cases)(
    'path moves on $engine, a stranger at the new one: $stranger, then it $afterwards',
    async ({ engine, stranger, afterwards }) => {
      await forEveryRequest(async (requests) => {
        const stand = new MortalStand();
        put(stand, engine, 'a');
        await reconcileAll(stand);
        if (stranger) strangerAt(stand, engine, 'b');
        const written = watchWrites(stand);
        put(stand, engine, 'b');
        stand.killAfter(requests);
        await stand.reconcile('x', 'edit');
        const died = stand.isDead;
        await goOn(stand, afterwards);
        const [older, newer] = [pathOf(engine, 'a'), pathOf(engine, 'b')];
        if (afterwards === 'converges') {
          expectSynced(stand, engine, 'b');
          expect(stand.values(older, engine)).toEqual({ a: 'ours' });
        } else if (written.has(newer)) {
          expect(stand.values(newer, engine)).toBeUndefined();
          expect(stand.values(older, engine)).toEqual({ a: 'ours' });
          expect(JSON.stringify(stand.events)).toContain(`${older} stays in Vault`);
        } else {
          expect(stand.values(newer, engine)).toEqual(stranger ? THEIRS : undefined);
          const says = stand.events.filter(({ message }) => message.includes(`${older} stays in Vault`));
          // A v1 value has no version that would tell whether it is the one that was there at the claim.
          if (says.length > 0) expect([engine, stranger]).toEqual(['v1', true]);
          expect(stand.values(older, engine)).toEqual(says.length > 0 ? { a: 'ours' } : undefined);
        }
        return { died };
      });
    },
  );

  it.each(ENGINES.flatMap((engine) => [0, 1, 3, 11].map((versions) => ({ engine, versions }))))(
    'deletion on $engine: $versions writes of somebody else after the removal stay',
    async ({ engine, versions }) => {
      await forEveryRequest(async (requests) => {
        const stand = new MortalStand();
        put(stand, engine, 'a');
        await reconcileAll(stand);
        stand.delete(SECRET_KIND, 'x');
        stand.killAfter(requests);
        await stand.reconcile('x', 'edit');
        const died = stand.isDead;
        const removed = stand.values(pathOf(engine, 'a'), engine) === undefined;
        for (let version = 0; removed && version < versions; version += 1) strangerAt(stand, engine, 'a');
        stand.restart();
        await reconcileAll(stand);
        expect(stand.find(SECRET_KIND, 'x')).toBeUndefined();
        expect(stand.values(pathOf(engine, 'a'), engine)).toEqual(
          removed && versions > 0 ? THEIRS : undefined,
        );
        return { died };
      });
    },
  );
});
