import { createHash } from 'node:crypto';

import type { EncryptionContext, KvSettings } from '../api/resources.js';
import type { ResolvedKey } from './resolved-key.js';
import type { Aggregate } from './secret-aggregator.js';

/** Changes with the encoding below, so that an old hash never matches under new rules. */
const FORMAT = 'kms-vault-operator/inputs/1';

/**
 * A hash of all inputs that determine the desired value: path, engine, `casIndex`, and per key either "empty" or
 * the ciphertext with its effective contexts, and whether these are refused. It contains no secret. Includes that contribute nothing are part of
 * it, because foreign keys are kept while an include is missing and removed once it is taken off the list;
 * withdrawn keys are part of it as well.
 */
export function inputsHash(path: string, settings: KvSettings, aggregate: Aggregate): string {
  const encoded = JSON.stringify([
    FORMAT,
    path,
    settings.engineVersion,
    settings.engineVersion === 'v2' ? (settings.casIndex ?? null) : null,
    [...aggregate.keys.values()].sort(byKey).map((resolved) => [resolved.key, valueIdentity(resolved)]),
    aggregate.unusableIncludes.map((include) => include.name).sort(),
    [...aggregate.withoutValue].sort(),
    [...aggregate.withdrawn].sort(),
  ]);
  return `sha256:${createHash('sha256').update(encoded).digest('hex')}`;
}

/** Equal if and only if the KMS request would be the same. */
export function valueIdentity({ value }: ResolvedKey): string {
  if (value.kind === 'empty') return 'empty';
  if (value.kind === 'refused') {
    return JSON.stringify(['refused', value.encryptedSecret, sortedPairs(value.context)]);
  }
  const { encryptedSecret, context, fallbackContext } = value;
  return JSON.stringify([
    encryptedSecret,
    sortedPairs(context),
    fallbackContext === undefined ? null : sortedPairs(fallbackContext),
  ]);
}

function sortedPairs(context: EncryptionContext): [string, string][] {
  return Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
}

function byKey(a: ResolvedKey, b: ResolvedKey): number {
  return a.key < b.key ? -1 : 1;
}
