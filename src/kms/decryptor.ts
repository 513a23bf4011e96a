import type { EncryptionContext } from '../api/resources.js';
import type { Urgency } from './fair-queue.js';

export interface DecryptRequest {
  /** Base64 of the ciphertext, as in the resource. */
  readonly encryptedSecret: string;
  /** Exact and case-sensitive; an empty object means no context. */
  readonly context: EncryptionContext;
  /** Owners take turns when requests must wait; an owner is a resource or a review. */
  readonly owner?: string;
  /** `resync` when absent. */
  readonly urgency?: Urgency;
}

/**
 * Decrypts one ciphertext. Implementations are safe to call concurrently, wait while a quota is exhausted, and retry
 * momentary failures.
 */
export interface Decryptor {
  /**
   * @returns the plaintext, valid UTF-8; it is not cached anywhere.
   * @throws KmsError with the failure's class; nothing else.
   */
  decrypt(request: DecryptRequest, signal?: AbortSignal): Promise<string>;
}
