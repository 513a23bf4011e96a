import { createHash } from 'node:crypto';

import type { EncryptionContext, KvSettings } from '../api/resources.js';
import type { Aggregate, ResolvedKey } from './secret-aggregator.js';

/** Changes whenever the encoding below does, so that an old hash never vouches for new rules. */
const FORMAT = 'kms-vault-operator/inputs/1';

/**
 * A hash of everything that decides what a resource wants in Vault: path, engine, `casIndex`, and per
 * key either "empty" or the ciphertext with its effective contexts. Nothing secret goes in. Includes
 * that contribute nothing are part of it, because while one is missing foreign keys are kept that go
 * once it is taken off the list; so are withdrawn keys.
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

/** Equal exactly when KMS would be asked the same. */
export function valueIdentity({ value }: ResolvedKey): string {
  if (value.kind === 'empty') return 'empty';
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
