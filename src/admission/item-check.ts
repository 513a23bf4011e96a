import pLimit from 'p-limit';

import type { EncryptionContext } from '../api/resources.js';
import { readCiphertext } from '../kms/ciphertext.js';
import type { Decryptor } from '../kms/decryptor.js';
import { KmsError } from '../kms/kms-error.js';
import { LinkedAbort } from '../runtime/linked-abort.js';

/** One item as it would be decrypted at a sync. */
export interface ItemToCheck {
  readonly key: string;
  readonly encryptedSecret: string;
  readonly context: EncryptionContext;
}

export interface ItemFailure {
  readonly key: string;
  readonly error: KmsError;
}

/** As many reviews ask KMS already as there may be; to be answered with a "try again". */
export class TooManyReviews extends Error {
  override readonly name = 'TooManyReviews';
}

/**
 * Finds out which items can be decrypted, side by side; the plaintexts are dropped. One review never has
 * more requests waiting than KMS takes at a time, so a large resource does not hold up a small one.
 */
export class ItemCheck {
  private asking = 0;

  constructor(
    private readonly deps: {
      readonly decryptor: Decryptor;
      readonly maxConcurrentRequests: number;
      /** Reviews that wait for KMS at a time. */
      readonly maxReviews: number;
    },
  ) {}

  /**
   * @returns the failures in the order of the items. After a transient one KMS is not asked any more: the
   *   items that are left fail in the same way. When `signal` ends it, what is left is `Abandoned`.
   * @throws TooManyReviews
   */
  async check(items: readonly ItemToCheck[], signal: AbortSignal): Promise<ItemFailure[]> {
    const failures = new Map<ItemToCheck, KmsError>();
    const readable = items.filter((item) => {
      const problem = ciphertextProblem(item.encryptedSecret);
      if (problem !== undefined) failures.set(item, problem);
      return problem === undefined;
    });
    if (readable.length > 0) await this.ask(readable, signal, failures);
    return items.flatMap((item) => {
      const error = failures.get(item);
      return error === undefined ? [] : [{ key: item.key, error }];
    });
  }

  private async ask(
    items: readonly ItemToCheck[],
    signal: AbortSignal,
    failures: Map<ItemToCheck, KmsError>,
  ): Promise<void> {
    if (this.asking >= this.deps.maxReviews) throw new TooManyReviews();
    this.asking += 1;
    const giveUp = new LinkedAbort([signal]);
    const limit = pLimit(this.deps.maxConcurrentRequests);
    let cause: KmsError | undefined;
    try {
      await Promise.all(
        items.map((item) =>
          limit(async () => {
            try {
              await this.deps.decryptor.decrypt(item, giveUp.signal);
            } catch (error) {
              if (!(error instanceof KmsError)) throw error;
              if (error.failure === 'transient') {
                cause ??= error;
                giveUp.abort();
              }
              failures.set(item, error.failure === 'transient' ? (cause ?? error) : error);
            }
          }),
        ),
      );
    } finally {
      giveUp.abort();
      giveUp.dispose();
      this.asking -= 1;
    }
  }
}

function ciphertextProblem(encryptedSecret: string): KmsError | undefined {
  try {
    readCiphertext(encryptedSecret);
    return undefined;
  } catch (error) {
    if (error instanceof KmsError) return error;
    throw error;
  }
}
