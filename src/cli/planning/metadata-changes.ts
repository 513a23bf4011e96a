import { goDuration } from '../../api/vault-duration.js';
import type { KvMetadata } from '../../vault/kv-store.js';
import type { MetadataInVault } from './dry-run-metadata.js';

/** A setting before and after. */
interface Changed<T> {
  readonly before: T;
  readonly after: T;
}

/** What happens to the metadata of a secret; of custom metadata names only, each list sorted. */
export interface MetadataChanges {
  readonly maxVersions?: Changed<number>;
  /** As Vault writes durations. */
  readonly deleteVersionAfter?: Changed<string>;
  readonly casRequired?: Changed<boolean>;
  readonly customMetadata?: {
    readonly added: readonly string[];
    readonly changed: readonly string[];
    readonly removed: readonly string[];
  };
}

/** @returns undefined when nothing changes. */
export function metadataChanges(inVault: MetadataInVault | undefined): MetadataChanges | undefined {
  if (inVault === undefined) return undefined;
  const { before, after } = inVault;
  if (before === 'unreadable' || after === undefined) return undefined;
  const changes: MetadataChanges = {
    ...changed('maxVersions', before.maxVersions, after.maxVersions),
    ...changed(
      'deleteVersionAfter',
      goDuration(before.deleteVersionAfterSeconds),
      goDuration(after.deleteVersionAfterSeconds),
    ),
    ...changed('casRequired', before.casRequired, after.casRequired),
    ...customChanges(before, after),
  };
  return Object.keys(changes).length === 0 ? undefined : changes;
}

/** One text per change, for people. */
export function metadataTexts(changes: MetadataChanges | undefined): string[] {
  if (changes === undefined) return [];
  const { customMetadata, ...settings } = changes;
  return [
    ...Object.entries(settings as Record<string, Changed<unknown>>).map(
      ([name, { before, after }]) => `${name} ${String(before)} -> ${String(after)}`,
    ),
    ...(customMetadata?.added ?? []).map((name) => `customMetadata + ${name}`),
    ...(customMetadata?.changed ?? []).map((name) => `customMetadata ~ ${name}`),
    ...(customMetadata?.removed ?? []).map((name) => `customMetadata - ${name}`),
  ];
}

function changed<Name extends string, T>(name: Name, before: T, after: T): Partial<Record<Name, Changed<T>>> {
  return before === after ? {} : ({ [name]: { before, after } } as Record<Name, Changed<T>>);
}

function customChanges(
  { customMetadata: was }: KvMetadata,
  { customMetadata: is }: KvMetadata,
): Pick<MetadataChanges, 'customMetadata'> {
  const added = [...is.keys()].filter((name) => !was.has(name)).sort();
  const differing = [...is].filter(([name, value]) => was.has(name) && was.get(name) !== value);
  const removed = [...was.keys()].filter((name) => !is.has(name)).sort();
  if (added.length + differing.length + removed.length === 0) return {};
  return { customMetadata: { added, changed: differing.map(([name]) => name).sort(), removed } };
}
