import type { EncryptionContext, SecretItem } from '../api/resources.js';
import { checkPartialSpec, firstContext } from '../api/validation.js';
import { isRecord } from './admission-review.js';
import type { ItemToCheck } from './item-check.js';
import { sameJson } from './same-json.js';

/** The items of a spec of either kind, as far as they have their proper shape, and the resource's context. */
export interface SpecItems {
  readonly items: readonly SecretItem[];
  readonly ownContext: EncryptionContext | undefined;
}

/** Never throws, whatever `spec` is; what has no proper shape is left out. */
export function itemsOf(spec: unknown): SpecItems {
  if (!isRecord(spec)) return { items: [], ownContext: undefined };
  const secrets: readonly unknown[] = Array.isArray(spec.secrets) ? spec.secrets : [];
  const context = checkPartialSpec({ secretContext: spec.secretContext });
  return {
    items: secrets.filter((item): item is SecretItem => checkPartialSpec({ secrets: [item] }).ok),
    ownContext: context.ok ? context.spec.secretContext : undefined,
  };
}

/** What KMS would be asked for an item; undefined when it needs no decryption. */
export function toCheck(
  item: SecretItem,
  ownContext: EncryptionContext | undefined,
): ItemToCheck | undefined {
  const { key, encryptedSecret = '' } = item;
  if (item.emptySecret === true || encryptedSecret === '') return undefined;
  return {
    key,
    encryptedSecret,
    context: firstContext(item.secretContext ?? undefined, ownContext ?? undefined),
  };
}

/**
 * The items that have to be decrypted to judge `spec`: all of them, or, when there was a spec before,
 * those whose ciphertext or effective context is not what it was.
 */
export function itemsToCheck(spec: unknown, oldSpec?: unknown): ItemToCheck[] {
  const before = new Map(decryptable(oldSpec).map((item) => [item.key, item]));
  return decryptable(spec).filter((item) => !sameJson(item, before.get(item.key)));
}

function decryptable(spec: unknown): ItemToCheck[] {
  const { items, ownContext } = itemsOf(spec);
  return items.flatMap((item) => toCheck(item, ownContext) ?? []);
}
