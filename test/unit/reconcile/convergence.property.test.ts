import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { DELETE_FINALIZER, PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import type { KMSVaultSecret, SecretItem } from '../../../src/api/resources.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';

const PARTIALS = ['p1', 'p2'];
const ENGINES = { tracked: 'v2', plain: 'v1', pinned: 'v2' } as const;
type Name = keyof typeof ENGINES;
const NAMES = Object.keys(ENGINES) as Name[];
const pathOf = (name: Name): string => (ENGINES[name] === 'v1' ? `kv/${name}` : `secret/data/${name}`);

interface Item {
  readonly key: string;
  readonly value: string;
  readonly kind: 'good' | 'bad' | 'empty' | 'none';
}

type Command =
  | {
      readonly do: 'edit';
      readonly name: Name;
      readonly items: readonly Item[];
      readonly includes: readonly string[];
      readonly casIndex: number;
      readonly finalizer: boolean;
    }
  | {
      readonly do: 'partial';
      readonly name: string;
      readonly items: readonly Item[];
      readonly finalizer: boolean;
    }
  | { readonly do: 'delete'; readonly kind: 'secret' | 'partial'; readonly name: string }
  | { readonly do: 'tamper'; readonly name: Name; readonly keys: readonly string[] }
  | { readonly do: 'lose'; readonly name: Name; readonly how: 'version' | 'everything' }
  | { readonly do: 'fault'; readonly of: 'kms' | 'vault' | 'api'; readonly down: boolean }
  | { readonly do: 'reconcile'; readonly name: string }
  | { readonly do: 'restart' };

const key = fc.constantFrom('k1', 'k2', 'k3', '__proto__');
const item: fc.Arbitrary<Item> = fc.record({
  key,
  value: fc.constantFrom('one', 'two', 'three'),
  kind: fc.constantFrom('good', 'good', 'good', 'bad', 'empty', 'none'),
});
const items = fc.uniqueArray(item, { maxLength: 4, selector: (one) => one.key });
const name = fc.constantFrom(...NAMES);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('edit' as const),
      name,
      items,
      includes: fc.uniqueArray(fc.constantFrom(...PARTIALS)),
      casIndex: fc.nat(3),
      finalizer: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('partial' as const),
      name: fc.constantFrom(...PARTIALS),
      items,
      finalizer: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('delete' as const),
      kind: fc.constantFrom('secret' as const, 'partial' as const),
      name: fc.constantFrom(...NAMES, ...PARTIALS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('tamper' as const),
      name,
      keys: fc.uniqueArray(key, { minLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('lose' as const),
      name,
      how: fc.constantFrom('version' as const, 'everything' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      of: fc.constantFrom('kms' as const, 'vault' as const, 'api' as const),
      down: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('reconcile' as const),
      name: fc.constantFrom(...NAMES, ...PARTIALS),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
);

function toItems(list: readonly Item[]): SecretItem[] {
  return list.map(({ key: itemKey, value, kind }) => {
    switch (kind) {
      case 'good':
        return { key: itemKey, encryptedSecret: FakeKms.encrypt(value) };
      case 'bad':
        return { key: itemKey, encryptedSecret: FakeKms.encrypt(value, { wrong: 'context' }) };
      case 'empty':
        return { key: itemKey, emptySecret: true };
      case 'none':
        return { key: itemKey };
    }
  });
}

/** Key to item, by the rules of precedence: a later include wins, and any include over the own item. */
function desiredOf(
  fixture: ReconcileFixture,
  secret: KMSVaultSecret,
): { wanted: Map<string, SecretItem>; missing: boolean } {
  const wanted = new Map<string, SecretItem>();
  let missing = false;
  const add = (list: readonly SecretItem[] = []): void => {
    for (const one of list)
      if (one.emptySecret === true || one.encryptedSecret !== undefined) wanted.set(one.key, one);
  };
  add(secret.spec.secrets);
  for (const include of secret.spec.includeSecrets ?? []) {
    const partial = fixture.cache.partial('default', include);
    const going =
      partial?.metadata.deletionTimestamp !== undefined &&
      partial.metadata.finalizers?.includes(DELETE_FINALIZER) === true;
    if (partial === undefined) missing = true;
    else if (!going) add(partial.spec.secrets);
  }
  return { wanted, missing };
}

/** Keys of included partials that are being deleted with our finalizer. */
function withdrawnOf(fixture: ReconcileFixture, secret: KMSVaultSecret): Set<string> {
  const partials = (secret.spec.includeSecrets ?? []).flatMap(
    (include) => fixture.cache.partial('default', include) ?? [],
  );
  const going = partials.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
  return new Set(going.flatMap(({ spec }) => spec.secrets ?? []).map((each) => each.key));
}

/** A status that says `created` without a write must have found a desired value in Vault. */
function claimIsTrue(fixture: ReconcileFixture, one: Name, ours: Set<string>): void {
  const secret = fixture.cache.secret('default', one);
  if (secret?.status?.created !== true || ours.has(pathOf(one))) return;
  const actual = new Map(Object.entries(fixture.values(pathOf(one), ENGINES[one]) ?? {}));
  const { wanted } = desiredOf(fixture, secret);
  const found = [...wanted].some(([key, each]) => actual.has(key) && actual.get(key) === plaintextOf(each));
  if (!found) throw new Error(`${one} claims what it never wrote`);
  ours.add(pathOf(one));
}

async function apply(fixture: ReconcileFixture, step: Command): Promise<void> {
  const finalizers = (set: boolean): { finalizers?: string[] } => ({
    finalizers: set ? [DELETE_FINALIZER] : [],
  });
  switch (step.do) {
    case 'edit': {
      // What is being deleted takes no new spec here: that is another property.
      if (fixture.cache.secret('default', step.name)?.metadata.deletionTimestamp !== undefined) return;
      const engineVersion = ENGINES[step.name];
      fixture.secret(
        step.name,
        {
          path: pathOf(step.name),
          kvSettings: step.name === 'pinned' ? { engineVersion, casIndex: step.casIndex } : { engineVersion },
          secrets: toItems(step.items),
          includeSecrets: [...step.includes],
        },
        finalizers(step.finalizer),
      );
      return;
    }
    case 'partial':
      if (fixture.cache.partial('default', step.name)?.metadata.deletionTimestamp !== undefined) return;
      fixture.partial(step.name, { secrets: toItems(step.items) }, finalizers(step.finalizer));
      return;
    case 'delete':
      fixture.delete(step.kind === 'secret' ? SECRET_KIND : PARTIAL_KIND, step.name);
      return;
    case 'tamper':
      fixture.vault.tamper(
        pathOf(step.name),
        ENGINES[step.name],
        new Map(step.keys.map((one) => [one, '12345678901234567890'])),
      );
      return;
    case 'lose':
      fixture.vault.lose(pathOf(step.name), step.how);
      return;
    case 'fault':
      if (step.of === 'kms') fixture.kms.down = step.down;
      if (step.of === 'vault') fixture.vault.down = step.down;
      if (step.of === 'api') fixture.apiDown = step.down;
      return;
    case 'restart':
      fixture.restart();
      return;
    case 'reconcile':
      await fixture.reconcile(step.name, 'resync', PARTIALS.includes(step.name) ? PARTIAL_KIND : SECRET_KIND);
      return;
  }
}

async function reconcileAll(fixture: ReconcileFixture): Promise<void> {
  fixture.kms.down = false;
  fixture.vault.down = false;
  fixture.apiDown = false;
  for (let round = 0; round < 6; round += 1) {
    for (const one of NAMES) await fixture.reconcile(one);
    for (const one of PARTIALS) await fixture.reconcile(one, 'resync', PARTIAL_KIND);
  }
}

/** Watches every write of the operator: nothing that is still desired vanishes, nothing foreign is touched. */
function guard(fixture: ReconcileFixture): void {
  const seen = new Map<string, ReadonlySet<string>>();
  /** Paths that the operator wrote, or where it found a value of its own. */
  const ours = new Set<string>();
  const look = (one: Name): ReadonlySet<string> =>
    new Set(fixture.vault.peek(pathOf(one), ENGINES[one])?.keys() ?? []);
  const refresh = (): void => {
    for (const one of NAMES) seen.set(pathOf(one), look(one));
  };
  const original = fixture.reconcile.bind(fixture);
  fixture.reconcile = async (...parameters) => {
    refresh();
    const outcome = await original(...parameters);
    for (const one of NAMES) claimIsTrue(fixture, one, ours);
    return outcome;
  };
  fixture.vault.onChange = (path) => {
    const one = NAMES.find((candidate) => pathOf(candidate) === path);
    if (one === undefined) throw new Error(`a path that no resource names was changed: ${path}`);
    const secret = fixture.cache.secret('default', one);
    if (secret === undefined) throw new Error(`${path} was changed although nobody wants it`);
    const after = look(one);
    if (secret.metadata.deletionTimestamp === undefined) {
      const { wanted, missing } = desiredOf(fixture, secret);
      const withdrawn = withdrawnOf(fixture, secret);
      for (const before of seen.get(path) ?? []) {
        // While an include is missing nobody knows which of the other keys are its own.
        const stays = wanted.has(before) || (missing && !withdrawn.has(before));
        if (stays && !after.has(before)) throw new Error(`the key ${before} vanished from ${path}`);
      }
      ours.add(path);
    } else if (secret.metadata.finalizers?.includes(DELETE_FINALIZER) !== true || !ours.has(path)) {
      throw new Error(`${path} was deleted without the finalizer, or never written`);
    }
    refresh();
  };
}

/** What stands in Vault is what the resource wants, as far as anybody can know it. */
function expectDesired(fixture: ReconcileFixture, one: Name): void {
  const secret = fixture.cache.secret('default', one);
  if (secret === undefined || secret.metadata.deletionTimestamp !== undefined) return;
  if (fixture.ready(one)?.reason === 'CasIndexStale') {
    expect(one).toBe('pinned');
    return;
  }
  const { wanted, missing } = desiredOf(fixture, secret);
  // A pinned version is not used up by an incomplete secret.
  if (one === 'pinned' && missing) return;
  const actual = new Map(Object.entries(fixture.values(pathOf(one), ENGINES[one]) ?? {}));
  const good = [...wanted].filter(([, each]) => plaintextOf(each) !== undefined);
  for (const [wantedKey, each] of good) {
    expect([wantedKey, actual.get(wantedKey)]).toEqual([wantedKey, plaintextOf(each)]);
  }
  const nothingDecryptable = wanted.size > 0 && good.length === 0;
  const mentioned = mentionedKeys(fixture, secret);
  const onlyWithoutValue = wanted.size === 0 && mentioned.size > 0;
  const neverWrote = secret.status?.created !== true || (one === 'plain' && wanted.size === 0);
  if (missing || nothingDecryptable || onlyWithoutValue || neverWrote) return;
  for (const actualKey of actual.keys()) expect(mentioned).toContain(actualKey);
}

/** Undefined when KMS refuses it. */
function plaintextOf({ emptySecret, encryptedSecret = '' }: SecretItem): string | undefined {
  if (emptySecret === true) return '';
  const [context, plaintext] = Buffer.from(encryptedSecret, 'base64').toString().split('|');
  return context === '[]' ? plaintext : undefined;
}

/** Keys of every item, with or without a value, of the resource and its includes. */
function mentionedKeys(fixture: ReconcileFixture, secret: KMSVaultSecret): Set<string> {
  const included = (secret.spec.includeSecrets ?? []).flatMap(
    (include) => fixture.cache.partial('default', include)?.spec.secrets ?? [],
  );
  return new Set([...(secret.spec.secrets ?? []), ...included].map((each) => each.key));
}

describe('any sequence of edits, drifts, partial changes, deletions and failures', () => {
  it('ends with Vault equal to the desired state, and loses nothing that is still desired on the way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        const fixture = new ReconcileFixture();
        guard(fixture);
        for (const step of commands) await apply(fixture, step);
        await reconcileAll(fixture);
        expect(fixture.logger.entries.filter((entry) => entry.level === 'error')).toEqual([]);
        for (const one of NAMES) expectDesired(fixture, one);
      }),
      { numRuns: 400 },
    );
  }, 60_000);
});
