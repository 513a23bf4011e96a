import fc from 'fast-check';

import { DELETE_FINALIZER, PARTIAL_KIND, SECRET_KIND } from '../../../../src/api/group.js';
import type {
  EngineVersion,
  KMSVaultSecretSpec,
  MetadataSettings,
  SecretItem,
} from '../../../../src/api/resources.js';
import type { DeclaredResource } from '../../../../src/cli/planning/declared-resources.js';
import { FakeKms } from '../../../support/fake-kms.js';
import type { ReconcileFixture } from '../../../support/reconcile-fixture.js';
import { declared } from './plan-fixture.js';

export const SECRETS = ['a', 'b', 'c'];
const PARTIALS = ['p', 'q'];
/** Fewer than resources, so that they meet. */
export const PLACES: readonly { path: string; engine: EngineVersion }[] = [
  { path: 'secret/data/one', engine: 'v2' },
  { path: 'secret/data/two', engine: 'v2' },
  { path: 'kv/one', engine: 'v1' },
];

function homeOf(name: string): (typeof PLACES)[number] {
  const home = PLACES[SECRETS.indexOf(name)];
  if (home === undefined) throw new Error(`${name} has no home`);
  return home;
}

interface Item {
  readonly key: string;
  readonly value: string;
  readonly kind: 'good' | 'bound' | 'bad' | 'empty' | 'none';
}

export interface SecretEdit {
  readonly do: 'secret';
  readonly name: string;
  readonly place: (typeof PLACES)[number];
  readonly casIndex: number | undefined;
  readonly metadata: MetadataSettings | undefined;
  readonly deletion: 'all' | 'latest' | undefined;
  readonly items: readonly Item[];
  readonly includes: readonly string[];
  readonly finalizer: boolean;
  readonly suspend: boolean;
}

export interface PartialEdit {
  readonly do: 'partial';
  readonly name: string;
  readonly items: readonly Item[];
  readonly finalizer: boolean;
}

export type Step =
  | SecretEdit
  | PartialEdit
  | { readonly do: 'delete'; readonly name: string }
  | { readonly do: 'tamper'; readonly place: (typeof PLACES)[number]; readonly keys: readonly string[] }
  | { readonly do: 'tamper-metadata'; readonly path: string; readonly maxVersions: number }
  | { readonly do: 'lose'; readonly path: string; readonly how: 'version' | 'everything' }
  | { readonly do: 'reconcile'; readonly name: string }
  | { readonly do: 'restart' };

const key = fc.constantFrom('k1', 'k2', 'k3', '__proto__');
const item: fc.Arbitrary<Item> = fc.record({
  key,
  value: fc.constantFrom('one', 'two', 'denied'),
  kind: fc.constantFrom('good', 'good', 'bound', 'bad', 'empty', 'none'),
});
const items = fc.uniqueArray(item, { maxLength: 4, selector: (one) => one.key });
const place = fc.constantFrom(...PLACES);
const metadata: fc.Arbitrary<MetadataSettings> = fc.record(
  {
    maxVersions: fc.nat(2),
    deleteVersionAfter: fc.constantFrom('0s', '1h', '60m'),
    casRequired: fc.boolean(),
    customMetadata: fc.dictionary(
      fc.constantFrom('team', 'resource', '__proto__'),
      fc.constantFrom('x', 'y'),
    ),
  },
  { requiredKeys: [] },
);
export const secretEdit: fc.Arbitrary<SecretEdit> = fc
  .record({
    do: fc.constant('secret' as const),
    name: fc.constantFrom(...SECRETS),
    /** Most stay where they are, so that there is a history. */
    elsewhere: fc.option(place, { nil: undefined, freq: 3 }),
    casIndex: fc.option(fc.nat(3), { nil: undefined, freq: 2 }),
    metadata: fc.option(metadata, { nil: undefined }),
    deletion: fc.constantFrom(undefined, 'all' as const, 'latest' as const),
    items: fc.oneof({ weight: 3, arbitrary: items }, { weight: 1, arbitrary: fc.constant([]) }),
    includes: fc.oneof(
      { weight: 1, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.uniqueArray(fc.constantFrom(...PARTIALS, 'nowhere')) },
    ),
    finalizer: fc.boolean(),
    suspend: fc.constantFrom(false, false, false, false, true),
  })
  .map(({ elsewhere, ...edit }) => ({ ...edit, place: elsewhere ?? homeOf(edit.name) }));
export const partialEdit: fc.Arbitrary<PartialEdit> = fc.record({
  do: fc.constant('partial' as const),
  name: fc.constantFrom(...PARTIALS),
  items,
  finalizer: fc.boolean(),
});
export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: secretEdit },
  { weight: 2, arbitrary: partialEdit },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('delete' as const),
      name: fc.constantFrom(...SECRETS, ...PARTIALS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('tamper' as const),
      place,
      keys: fc.uniqueArray(key, { minLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('tamper-metadata' as const),
      path: fc.constantFrom('secret/data/one', 'secret/data/two'),
      maxVersions: fc.nat(2),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('lose' as const),
      path: place.map(({ path }) => path),
      how: fc.constantFrom('version' as const, 'everything' as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('reconcile' as const),
      name: fc.constantFrom(...SECRETS, ...PARTIALS),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
);

const BOUND = { of: 'default' };

function itemsOf(list: readonly Item[]): SecretItem[] {
  return list.map(({ key: name, value, kind }) => {
    if (kind === 'empty') return { key: name, emptySecret: true };
    if (kind === 'none') return { key: name };
    if (kind === 'bound') {
      return { key: name, encryptedSecret: FakeKms.encrypt(value, BOUND), secretContext: BOUND };
    }
    return { key: name, encryptedSecret: FakeKms.encrypt(value, kind === 'bad' ? { wrong: 'context' } : {}) };
  });
}

function specOf({
  place: { path, engine },
  casIndex,
  metadata: settings,
  deletion,
  items: list,
  includes,
  suspend,
}: SecretEdit): KMSVaultSecretSpec {
  return {
    path,
    kvSettings: {
      engineVersion: engine,
      ...(casIndex === undefined ? {} : { casIndex }),
      ...(settings === undefined ? {} : { metadata: settings }),
      ...(deletion === undefined ? {} : { deletion }),
    },
    secrets: itemsOf(list),
    includeSecrets: [...includes],
    suspend,
  };
}

const finalizersOf = (set: boolean): string[] => (set ? [DELETE_FINALIZER] : []);
const isPartial = (name: string): boolean => PARTIALS.includes(name);
const isGoing = (fixture: ReconcileFixture, name: string): boolean =>
  fixture.find(isPartial(name) ? PARTIAL_KIND : SECRET_KIND, name)?.metadata.deletionTimestamp !== undefined;

/** As `kubectl apply`; what is being deleted keeps its spec here. */
export function edit(fixture: ReconcileFixture, change: SecretEdit | PartialEdit): void {
  if (isGoing(fixture, change.name)) return;
  const metadata = { finalizers: finalizersOf(change.finalizer) };
  if (change.do === 'secret') fixture.secret(change.name, specOf(change), metadata);
  else fixture.partial(change.name, { secrets: itemsOf(change.items) }, metadata);
}

export async function apply(fixture: ReconcileFixture, one: Step): Promise<void> {
  switch (one.do) {
    case 'secret':
    case 'partial':
      edit(fixture, one);
      return;
    case 'delete':
      fixture.delete(isPartial(one.name) ? PARTIAL_KIND : SECRET_KIND, one.name);
      return;
    case 'tamper': {
      const { path, engine } = one.place;
      fixture.vault.tamper(path, engine, new Map(one.keys.map((name) => [name, '12345678901234567890'])));
      return;
    }
    case 'tamper-metadata':
      fixture.vault.tamperMetadata(one.path, { maxVersions: one.maxVersions });
      return;
    case 'lose':
      fixture.vault.lose(one.path, one.how);
      return;
    case 'reconcile':
      await fixture.reconcile(one.name, 'edit', isPartial(one.name) ? PARTIAL_KIND : SECRET_KIND);
      return;
    case 'restart':
      fixture.restart();
  }
}

/** What the files hold: the edits, and what is being deleted as it is. */
export function filesOf(
  fixture: ReconcileFixture,
  edits: readonly (SecretEdit | PartialEdit)[],
): DeclaredResource[] {
  return edits.map((change) => {
    const kind = change.do === 'secret' ? SECRET_KIND : PARTIAL_KIND;
    const metadata = { finalizers: finalizersOf(change.finalizer) };
    if (isGoing(fixture, change.name)) {
      const { spec, metadata: live } = fixture.find(kind, change.name) ?? { spec: {}, metadata: undefined };
      return declared(kind, change.name, spec, { finalizers: live?.finalizers ?? [] });
    }
    const spec = change.do === 'secret' ? specOf(change) : { secrets: itemsOf(change.items) };
    return declared(kind, change.name, spec, metadata);
  });
}
