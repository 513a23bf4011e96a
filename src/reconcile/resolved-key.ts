import type { EncryptionContext } from '../api/resources.js';

/** One key of the desired secret and the source of its value. */
export interface ResolvedKey {
  readonly key: string;
  /** Name of the partial; undefined for an item of the resource itself. */
  readonly partial: string | undefined;
  readonly value:
    | { readonly kind: 'empty' }
    | {
        readonly kind: 'encrypted';
        readonly encryptedSecret: string;
        readonly context: EncryptionContext;
        /** Tried once if `context` gives an invalid ciphertext; the Go operator used only this one. */
        readonly fallbackContext?: EncryptionContext;
      }
    | {
        /** Its context is not allowed: it is not decrypted. */
        readonly kind: 'refused';
        readonly encryptedSecret: string;
        readonly context: EncryptionContext;
        readonly problem: string;
      };
}
