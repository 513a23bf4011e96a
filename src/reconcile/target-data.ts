import type { KvReading } from '../vault/kv-store.js';
import type { SecretData } from '../vault/secret-data.js';
import type { KeyFailure } from './key-failure.js';
import type { Aggregate } from './secret-aggregator.js';

/**
 * The desired data: every decrypted value, plus the existing values that must not be lost, byte for byte: keys that
 * could not be decrypted, keys of items without a value, and, while an include is missing, all other keys.
 */
export function targetData(
  aggregate: Aggregate,
  values: ReadonlyMap<string, string>,
  failures: readonly KeyFailure[],
  reading: KvReading,
): SecretData {
  const target = new Map<string, string>();
  if (reading.state === 'live') {
    const failed = new Set(failures.map((failure) => failure.key));
    const keepsForeign = aggregate.unusableIncludes.length > 0;
    for (const [key, text] of reading.data) {
      const foreign = keepsForeign && !aggregate.keys.has(key) && !aggregate.withdrawn.has(key);
      if (failed.has(key) || aggregate.withoutValue.has(key) || foreign) target.set(key, text);
    }
  }
  for (const [key, text] of values) target.set(key, text);
  return target;
}

/** The resource defines nothing at all, as opposed to: none of its values is known. */
export function isTrulyEmpty(aggregate: Aggregate): boolean {
  return (
    aggregate.keys.size === 0 && aggregate.unusableIncludes.length === 0 && aggregate.withoutValue.size === 0
  );
}

/** Every key of every source has a value, so a write without reading loses nothing. */
export function isComplete(aggregate: Aggregate, failures: readonly KeyFailure[]): boolean {
  return (
    aggregate.unusableIncludes.length === 0 && aggregate.withoutValue.size === 0 && failures.length === 0
  );
}
