import { inject, injectable } from 'tsyringe';

import type { EncryptionContext } from '../../api/resources.js';
import { definesValue, isItem } from '../../api/validation.js';
import type { Decryptor } from '../../kms/decryptor.js';
import { KmsError } from '../../kms/kms-error.js';
import { TOKENS } from '../../tokens.js';
import type { ManifestFile } from '../files/manifest-file.js';
import { itemsIn, type ManifestResource, record } from '../files/manifest-resource.js';
import { contextText, effectiveContext, pairsText, sameContext } from '../keys/effective-context.js';

/** An item as its author sees it. */
export type ReadItem =
  | { readonly key: string; readonly kind: 'empty' }
  | {
      readonly key: string;
      readonly kind: 'value';
      readonly value: string;
      /** The context that decrypted it, and whose it is. */
      readonly context: string;
    }
  /** Neither a ciphertext nor `emptySecret: true`: the operator skips it. */
  | { readonly key: string; readonly kind: 'undefined' }
  | { readonly key: string; readonly kind: 'failed'; readonly problem: string; readonly context: string };

interface Candidate {
  readonly context: EncryptionContext;
  readonly text: string;
}

/** Decrypts the items of a resource in a file, with the contexts that the operator uses. */
@injectable()
export class ItemReader {
  constructor(@inject(TOKENS.decryptor) private readonly decryptor: Decryptor) {}

  /**
   * @param only reads only this key.
   * @throws KmsError when KMS gives no answer, which says nothing about the items.
   */
  async read(file: ManifestFile, resource: ManifestResource, only?: string): Promise<readonly ReadItem[]> {
    const items = itemsIn(resource.object).filter((item) => only === undefined || record(item).key === only);
    return await Promise.all(items.map(async (item) => await this.readOne(file, resource, item)));
  }

  private async readOne(file: ManifestFile, resource: ManifestResource, item: unknown): Promise<ReadItem> {
    const { key } = record(item);
    if (!isItem(item)) {
      const name = typeof key === 'string' ? key : '(without a key)';
      return { key: name, kind: 'failed', problem: 'the item is not valid: run validate', context: '' };
    }
    if (!definesValue(item)) return { key: item.key, kind: 'undefined' };
    if (item.emptySecret === true) return { key: item.key, kind: 'empty' };
    const candidates = candidatesFor(file, resource, item.key);
    let failure: { readonly error: KmsError; readonly context: string } | undefined;
    for (const { context, text } of candidates) {
      try {
        const value = await this.decryptor.decrypt({ encryptedSecret: item.encryptedSecret ?? '', context });
        return { key: item.key, kind: 'value', value, context: text };
      } catch (error) {
        if (!(error instanceof KmsError) || error.isOutage) throw error;
        failure ??= { error, context: text };
        if (error.code !== 'InvalidCiphertext') break;
      }
    }
    const { error, context = '' } = failure ?? {};
    return { key: item.key, kind: 'failed', problem: error?.message ?? '', context };
  }
}

/** The contexts that may decrypt an item: for a partial without one, those of the resources of the file that include it. */
function candidatesFor(file: ManifestFile, resource: ManifestResource, key: string): readonly Candidate[] {
  const effective = effectiveContext(resource, key);
  const candidates: Candidate[] = [{ context: effective.context, text: contextText(effective) }];
  if (effective.from !== 'includer') return candidates;
  for (const other of file.resources) {
    const { includeSecrets, secretContext } = record(record(other.object).spec);
    const includes =
      Array.isArray(includeSecrets) &&
      includeSecrets.includes(resource.name) &&
      other.namespace === resource.namespace;
    const context = includes ? (record(secretContext) as EncryptionContext) : {};
    if (candidates.some((candidate) => sameContext(candidate.context, context))) continue;
    candidates.push({
      context,
      text: `the context ${pairsText(context)} of ${other.title}, which includes it`,
    });
  }
  return candidates;
}
