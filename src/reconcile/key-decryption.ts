import type { EncryptionContext } from '../api/resources.js';
import type { Decryptor } from '../kms/decryptor.js';
import { KmsError } from '../kms/kms-error.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import { textOf } from '../vault/secret-data.js';
import type { ResolvedKey } from './secret-aggregator.js';
import type { SyncMemory } from './sync-memory.js';

/** A key that keeps the value Vault has for it. */
export interface KeyFailure {
  readonly key: string;
  /** Code and message of the {@link KmsError}. */
  readonly code: string;
  readonly message: string;
  /** `wrong-input` is not asked of KMS again until the input changes. */
  readonly failure: 'wrong-input' | 'administrator';
}

export interface DecryptedKeys {
  /** Key to the JSON text of its value. */
  readonly values: ReadonlyMap<string, string>;
  readonly failures: readonly KeyFailure[];
}

/** Decrypts the keys of one resource side by side. */
export class KeyDecryption {
  constructor(
    private readonly deps: {
      readonly decryptor: Decryptor;
      readonly memory: SyncMemory;
      readonly metrics: Pick<OperatorMetrics, 'kmsRequestsAvoided'>;
    },
  ) {}

  /**
   * @throws KmsError of class `transient`, as soon as one key meets it: nothing may be written then, so
   *   the other keys are not asked for any more.
   */
  async decrypt(uid: string, keys: readonly ResolvedKey[], signal?: AbortSignal): Promise<DecryptedKeys> {
    const values = new Map<string, string>();
    const failures: KeyFailure[] = [];
    const giveUp = new LinkedAbort([signal]);
    // The first failure is the cause; those that follow were given up because of it.
    let cause: Error | undefined;
    await Promise.all(
      keys.map(async (key) => {
        try {
          values.set(key.key, textOf(await this.one(uid, key, giveUp.signal)));
        } catch (error) {
          if (!(error instanceof KmsError) || error.failure === 'transient') {
            cause ??= error instanceof Error ? error : new Error('the decryptor threw no error');
            giveUp.abort();
            return;
          }
          const { code, message, failure } = error;
          failures.push({ key: key.key, code, message, failure });
        }
      }),
    );
    giveUp.dispose();
    if (cause !== undefined) throw cause;
    return { values, failures: failures.sort((a, b) => (a.key < b.key ? -1 : 1)) };
  }

  private async one(uid: string, key: ResolvedKey, signal: AbortSignal): Promise<string> {
    const { value } = key;
    if (value.kind === 'empty') return '';
    const known = this.deps.memory.badInput(uid, key);
    if (known !== undefined) {
      this.deps.metrics.kmsRequestsAvoided.inc({ why: 'known_bad_input' });
      throw new KmsError('wrong-input', known.code, known.message);
    }
    try {
      return await this.withFallback(value, signal);
    } catch (error) {
      if (error instanceof KmsError && error.failure === 'wrong-input') {
        this.deps.memory.rememberBadInput(uid, key, { code: error.code, message: error.message });
      }
      throw error;
    }
  }

  private async withFallback(
    value: { encryptedSecret: string; context: EncryptionContext; fallbackContext?: EncryptionContext },
    signal: AbortSignal,
  ): Promise<string> {
    const { encryptedSecret, context, fallbackContext } = value;
    try {
      return await this.deps.decryptor.decrypt({ encryptedSecret, context }, signal);
    } catch (error) {
      const wrongContextPossible = error instanceof KmsError && error.code === 'InvalidCiphertext';
      if (!wrongContextPossible || fallbackContext === undefined) throw error;
      return await this.deps.decryptor.decrypt({ encryptedSecret, context: fallbackContext }, signal);
    }
  }
}
