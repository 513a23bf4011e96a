import type { EncryptionContext } from '../api/resources.js';

export interface DecryptRequest {
  /** Base64 of the ciphertext, as it stands in the resource. */
  readonly encryptedSecret: string;
  /** Exact and case-sensitive; an empty object means no context. */
  readonly context: EncryptionContext;
}

/** Turns one ciphertext into its plaintext. Implementations are safe to call concurrently. */
export interface Decryptor {
  /**
   * @returns the plaintext, valid UTF-8; it is not cached anywhere.
   * @throws KmsError with the failure's class; nothing else.
   */
  decrypt(request: DecryptRequest, signal?: AbortSignal): Promise<string>;
}
