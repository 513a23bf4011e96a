import fc from 'fast-check';

import {
  DELETE_FINALIZER,
  PARTIAL_KIND,
  RECONCILE_AT_ANNOTATION,
  SECRET_KIND,
} from '../../../src/api/group.js';
import type { SecretItem } from '../../../src/api/resources.js';
import { FakeKms } from '../../support/fake-kms.js';
import type { ReconcileFixture } from '../../support/reconcile-fixture.js';

export const PARTIALS = ['p1', 'p2'];
export const ENGINES = { tracked: 'v2', plain: 'v1', pinned: 'v2' } as const;
export type Name = keyof typeof ENGINES;
export const NAMES = Object.keys(ENGINES) as Name[];
export const pathOf = (name: Name): string => (ENGINES[name] === 'v1' ? `kv/${name}` : `secret/data/${name}`);

interface Item {
  readonly key: string;
  readonly value: string;
  readonly kind: 'good' | 'bad' | 'empty' | 'none';
}

export type Command =
  | {
      readonly do: 'edit';
      readonly name: Name;
      readonly items: readonly Item[];
      readonly includes: readonly string[];
      readonly casIndex: number;
      readonly finalizer: boolean;
      readonly suspend: boolean;
    }
  | { readonly do: 'ask'; readonly name: string; readonly value: string }
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
export const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('edit' as const),
      name,
      items,
      includes: fc.uniqueArray(fc.constantFrom(...PARTIALS)),
      casIndex: fc.nat(3),
      finalizer: fc.boolean(),
      suspend: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      name: fc.constantFrom(...NAMES, ...PARTIALS),
      value: fc.constantFrom('1', '2'),
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

export async function apply(fixture: ReconcileFixture, step: Command): Promise<void> {
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
          suspend: step.suspend,
        },
        finalizers(step.finalizer),
      );
      return;
    }
    case 'ask':
      fixture.annotate(
        PARTIALS.includes(step.name) ? PARTIAL_KIND : SECRET_KIND,
        step.name,
        RECONCILE_AT_ANNOTATION,
        step.value,
      );
      return;
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
