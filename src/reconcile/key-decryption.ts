import type { EncryptionContext } from '../api/resources.js';
import type { Decryptor } from '../kms/decryptor.js';
import { KmsError } from '../kms/kms-error.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
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
    const giveUp = new AbortController();
    const combined = signal === undefined ? giveUp.signal : AbortSignal.any([signal, giveUp.signal]);
    const results = await Promise.allSettled(
      keys.map(async (key) => {
        try {
          values.set(key.key, textOf(await this.one(uid, key, combined)));
        } catch (error) {
          if (!(error instanceof KmsError) || error.failure === 'transient') {
            giveUp.abort();
            throw error;
          }
          failures.push({
            key: key.key,
            code: error.code,
            message: error.message,
            failure: error.failure,
          });
        }
      }),
    );
    const rejected = results.find((result) => result.status === 'rejected');
    if (rejected !== undefined) throw rejected.reason;
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
