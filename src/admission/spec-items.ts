import type { EncryptionContext, SecretItem } from '../api/resources.js';
import { isContext, isItem, nonEmptyContext } from '../api/validation.js';
import { isRecord } from './admission-review.js';
import type { ItemToCheck } from './item-check.js';
import { sameJson } from './same-json.js';

/** The well-formed items of a spec of either kind, and the context of the resource. */
export interface SpecItems {
  readonly items: readonly SecretItem[];
  /** Undefined if there is none or it is empty. */
  readonly ownContext: EncryptionContext | undefined;
}

const NO_CONTEXT: EncryptionContext = {};

/** Never throws, whatever `spec` is; malformed parts are left out. */
export function itemsOf(spec: unknown): SpecItems {
  if (!isRecord(spec)) return { items: [], ownContext: undefined };
  const { secrets, secretContext } = spec;
  return {
    items: Array.isArray(secrets) ? secrets.filter(isItem) : [],
    ownContext: isContext(secretContext) ? nonEmptyContext(secretContext) : undefined,
  };
}

/** The KMS request for an item; undefined if it needs no decryption. */
function toCheck(item: SecretItem, ownContext: EncryptionContext | undefined): ItemToCheck | undefined {
  const { key, encryptedSecret = '' } = item;
  if (item.emptySecret === true || encryptedSecret === '') return undefined;
  return {
    key,
    encryptedSecret,
    context: nonEmptyContext(item.secretContext) ?? ownContext ?? NO_CONTEXT,
  };
}

/**
 * The items that must be decrypted to check a spec: all of them, or, if there was a spec before, those whose
 * ciphertext or effective context has changed.
 */
export function itemsToCheck(spec: SpecItems, oldSpec: SpecItems = itemsOf(undefined)): ItemToCheck[] {
  const before = new Map(decryptable(oldSpec).map((item) => [item.key, item]));
  // Compared once for all items that share it: a context may be as large as the whole spec.
  const sameOwn = sameJson(spec.ownContext, oldSpec.ownContext);
  const sameContext = (context: EncryptionContext, old: EncryptionContext): boolean =>
    context === spec.ownContext && old === oldSpec.ownContext ? sameOwn : sameJson(context, old);
  return decryptable(spec).filter((item) => {
    const old = before.get(item.key);
    return old?.encryptedSecret !== item.encryptedSecret || !sameContext(item.context, old.context);
  });
}

/** All items that have a ciphertext to decrypt, each with its effective context. */
export function decryptable({ items, ownContext }: SpecItems): ItemToCheck[] {
  return items.flatMap((item) => toCheck(item, ownContext) ?? []);
}
