import type { EncryptionContext } from '../api/resources.js';
import type { Urgency } from './fair-queue.js';

export interface DecryptRequest {
  /** Base64 of the ciphertext, as it stands in the resource. */
  readonly encryptedSecret: string;
  /** Exact and case-sensitive; an empty object means no context. */
  readonly context: EncryptionContext;
  /** Owners take turns when requests must wait: one is a resource, or a review. */
  readonly owner?: string;
  /** `resync` when absent. */
  readonly urgency?: Urgency;
}

/**
 * Turns one ciphertext into its plaintext. Implementations are safe to call concurrently, wait as long as a
 * quota asks for, and try again what failed for a moment.
 */
export interface Decryptor {
  /**
   * @returns the plaintext, valid UTF-8; it is not cached anywhere.
   * @throws KmsError with the failure's class; nothing else.
   */
  decrypt(request: DecryptRequest, signal?: AbortSignal): Promise<string>;
}
