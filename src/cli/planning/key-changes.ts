import type { KeyFailure } from '../../reconcile/key-failure.js';
import type { KvReading } from '../../vault/kv-store.js';
import type { SecretData } from '../../vault/secret-data.js';

/** A key that KMS did not decrypt. */
export interface UndecryptableKey {
  readonly key: string;
  /** As in `status.failedKeys[].reason`. */
  readonly reason: string;
  readonly message: string;
  /** Vault has a value for it, which stays. */
  readonly keepsValue: boolean;
}

/** What happens to the keys of a secret: names only, each list sorted. */
export interface KeyChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly undecryptable: readonly UndecryptableKey[];
  /** In Vault without a definition that has a value, and left there. */
  readonly kept: readonly string[];
  readonly unchanged: number;
}

export const NO_CHANGES: KeyChanges = {
  added: [],
  changed: [],
  removed: [],
  undecryptable: [],
  kept: [],
  unchanged: 0,
};

/** @param defines whether the resource, or an include, defines a value for the key. */
export function keyChanges(
  { before, after }: { readonly before: KvReading; readonly after: KvReading },
  failures: readonly KeyFailure[],
  defines: (key: string) => boolean,
): KeyChanges {
  const [was, is] = [dataOf(before), dataOf(after)];
  const failed = new Set(failures.map(({ key }) => key));
  const added: string[] = [];
  const changed: string[] = [];
  const removed: string[] = [];
  const kept: string[] = [];
  let unchanged = 0;
  for (const key of [...new Set([...was.keys(), ...is.keys()])].sort()) {
    if (failed.has(key)) continue;
    if (!was.has(key)) added.push(key);
    else if (!is.has(key)) removed.push(key);
    else if (was.get(key) !== is.get(key)) changed.push(key);
    else if (defines(key)) unchanged += 1;
    else kept.push(key);
  }
  return { added, changed, removed, undecryptable: undecryptable(failures, was), kept, unchanged };
}

export function undecryptable(failures: readonly KeyFailure[], was: SecretData): UndecryptableKey[] {
  return failures.map(({ key, code, message }) => ({
    key,
    reason: code,
    message,
    keepsValue: was.has(key),
  }));
}

export function dataOf(reading: KvReading | undefined): SecretData {
  return reading?.state === 'live' ? reading.data : new Map<string, string>();
}
