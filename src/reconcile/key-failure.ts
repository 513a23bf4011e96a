/** A key that keeps the value Vault has for it. */
export interface KeyFailure {
  readonly key: string;
  /** Code and message of the {@link KmsError}. */
  readonly code: string;
  readonly message: string;
  /** `wrong-input` is not asked of KMS again until the input changes. */
  readonly failure: 'wrong-input' | 'administrator';
}
