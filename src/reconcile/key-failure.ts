/** A key that failed and keeps the value that Vault has for it. */
export interface KeyFailure {
  readonly key: string;
  /** Code and message of the {@link KmsError}. */
  readonly code: string;
  readonly message: string;
  /** KMS is not called again until the input changes. */
  readonly isFinal: boolean;
}
