import { inject, injectable } from 'tsyringe';

import { CONTEXT_NOT_ALLOWED } from '../api/required-context.js';
import type { EncryptionContext } from '../api/resources.js';
import type { DecryptRequest, Decryptor } from '../kms/decryptor.js';
import { KmsError } from '../kms/kms-error.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Priority } from '../queue/work-queue.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import type { WriteGate } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import { textOf } from '../vault/secret-data.js';
import type { KeyFailure } from './key-failure.js';
import type { ResolvedKey } from './resolved-key.js';
import type { SyncMemory } from './sync-memory.js';

export interface DecryptedKeys {
  /** Key to the JSON text of its value. */
  readonly values: ReadonlyMap<string, string>;
  readonly failures: readonly KeyFailure[];
  /** The work had to wait for the cache: what was read from Vault before is outdated. */
  readonly waited: boolean;
}

/** The resource that a decryption is for. */
export interface DecryptionFor {
  readonly uid: string;
  readonly priority: Priority;
  /** Called for each plaintext, because a quota can delay the others for minutes; throws to stop the decryption. */
  readonly assertWanted?: () => void;
  /** See {@link FreshWork.catchUp}; with it, what is decrypted outlives a new list of the cluster. */
  readonly catchUp?: (signal: AbortSignal) => Promise<boolean>;
}

/**
 * Decrypts the keys of one resource concurrently. Plaintexts are kept until the end of the attempt, however long
 * others wait for a quota, and no longer.
 */
@injectable()
export class KeyDecryption {
  constructor(
    @inject(TOKENS.decryptor) private readonly decryptor: Decryptor,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.metrics) private readonly metrics: Pick<OperatorMetrics, 'kmsRequestsAvoided'>,
    /** When it closes, nothing can be written, so nothing is decrypted. */
    @inject(TOKENS.gate) private readonly gate: WriteGate,
  ) {}

  /**
   * @throws KmsError of class `transient`, as soon as one key fails with it: nothing may be written then, so the
   *   other keys are cancelled.
   * @throws WriteGateClosedError when the gate has closed meanwhile.
   * @throws what `assertWanted` throws; the other keys are not asked for any more.
   */
  async decrypt(
    owner: DecryptionFor,
    keys: readonly ResolvedKey[],
    signal?: AbortSignal,
  ): Promise<DecryptedKeys> {
    const { gate } = this;
    const values = new Map<string, string>();
    const failures: KeyFailure[] = [];
    const giveUp = new LinkedAbort([signal, gate.signal]);
    // The first failure is the cause; the others were cancelled because of it.
    let cause: Error | undefined;
    await Promise.all(
      keys.map(async (key) => {
        if (key.value.kind === 'refused') {
          failures.push(refusalOf(key.key, key.value.problem));
          return;
        }
        try {
          const plaintext = await this.one(owner, key, giveUp.signal);
          owner.assertWanted?.();
          values.set(key.key, textOf(plaintext));
        } catch (error) {
          if (!(error instanceof KmsError) || error.isOutage) {
            cause ??=
              error instanceof Error ? error : new Error('the decryptor threw a value that is not an Error');
            giveUp.abort();
            return;
          }
          const { code, message, isFinal } = error;
          failures.push({ key: key.key, code, message, isFinal });
        }
      }),
    );
    let waited = false;
    if (cause === undefined && values.size > 0) {
      try {
        waited = (await owner.catchUp?.(giveUp.signal)) === true;
      } catch (error) {
        cause = error instanceof Error ? error : new Error('the cache threw a value that is not an Error');
      }
    }
    giveUp.dispose();
    if (cause !== undefined) {
      values.clear();
      if (gate.signal.aborted) gate.assertOpen();
      throw cause;
    }
    return { values, failures: failures.sort((a, b) => (a.key < b.key ? -1 : 1)), waited };
  }

  private async one(owner: DecryptionFor, key: ResolvedKey, signal: AbortSignal): Promise<string> {
    const { value } = key;
    const { uid, priority } = owner;
    if (value.kind !== 'encrypted') return '';
    const known = this.memory.badInput(uid, key);
    if (known !== undefined) {
      this.metrics.kmsRequestsAvoided.inc({ why: 'known_bad_input' });
      throw new KmsError('wrong-input', known.code, known.message);
    }
    try {
      return await this.withFallback({ ...value, owner: uid, urgency: priority }, signal);
    } catch (error) {
      if (error instanceof KmsError && error.isFinal) {
        this.memory.rememberBadInput(uid, key, { code: error.code, message: error.message });
      }
      throw error;
    }
  }

  private async withFallback(
    { fallbackContext, ...request }: DecryptRequest & { readonly fallbackContext?: EncryptionContext },
    signal: AbortSignal,
  ): Promise<string> {
    try {
      return await this.decryptor.decrypt(request, signal);
    } catch (error) {
      const wrongContextPossible = error instanceof KmsError && error.code === 'InvalidCiphertext';
      if (!wrongContextPossible || fallbackContext === undefined) throw error;
      return await this.decryptor.decrypt({ ...request, context: fallbackContext }, signal);
    }
  }
}

/** Only another ciphertext, another context or another flag of the operator helps. */
function refusalOf(key: string, problem: string): KeyFailure {
  return { key, code: CONTEXT_NOT_ALLOWED, message: problem, isFinal: true };
}
