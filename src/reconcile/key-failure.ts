/** A key that keeps the value Vault has for it. */
export interface KeyFailure {
  readonly key: string;
  /** Code and message of the {@link KmsError}. */
  readonly code: string;
  readonly message: string;
  /** KMS is not asked again until the input changes. */
  readonly isFinal: boolean;
}
