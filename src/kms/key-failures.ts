import { KmsError } from './kms-error.js';

/** An operation, and the key that the caller named; Decrypt finds its key in the ciphertext. */
export type KeyOperation =
  { readonly name: 'Encrypt' | 'ReEncrypt'; readonly keyId: string } | { readonly name: 'Decrypt' };

/**
 * Says what a failure means for an operation that names a key: the messages of {@link KmsError} are about the key that
 * a ciphertext was encrypted with. Errors by code (AWS KMS API reference, Encrypt and ReEncrypt, Errors).
 */
export function keyFailure(error: KmsError, operation: KeyOperation): KmsError {
  if (operation.name === 'Decrypt') return error;
  const message = (operation.name === 'Encrypt' ? encryptMessage : reEncryptMessage)(error, operation.keyId);
  if (message === undefined) return error;
  return new KmsError(error.failure, error.code, message, error.retryAfterMs, error.passing);
}

function encryptMessage({ code, message }: KmsError, keyId: string): string | undefined {
  const region = regionHint(message);
  switch (code) {
    case 'AccessDenied':
      return `KMS denied kms:Encrypt with the key ${keyId}: check the key's policy and the IAM permissions of your AWS identity${region}`;
    case 'KeyNotFound':
      return `KMS cannot find the key ${keyId} in this account and region`;
    case 'KeyDisabled':
      return `the key ${keyId} is disabled`;
    case 'KeyInvalidState':
      return `the key ${keyId} is pending deletion or in another state that does not allow encryption`;
    case 'InvalidKeyUsage':
      return `the key ${keyId} does not encrypt with a context: use a symmetric key for encryption and decryption`;
    case 'ValidationError':
      return `KMS did not accept the request: check that ${keyId} is the id, ARN or alias of a key, and check the context`;
    default:
      return undefined;
  }
}

/** KMS does not always tell which of the two keys it means. */
function reEncryptMessage({ code, message }: KmsError, keyId: string): string | undefined {
  switch (code) {
    case 'AccessDenied':
      return (
        'KMS denied access to one of the two keys: it needs kms:ReEncryptFrom on the key of the ciphertext and ' +
        `kms:ReEncryptTo on ${keyId}${regionHint(message)}`
      );
    case 'KeyNotFound':
      return `KMS cannot find the key ${keyId}, or the key of the ciphertext, in this account and region`;
    case 'KeyDisabled':
      return `the key ${keyId}, or the key of the ciphertext, is disabled`;
    case 'KeyInvalidState':
      return `the key ${keyId}, or the key of the ciphertext, is pending deletion or in another state that does not allow it`;
    case 'InvalidKeyUsage':
      return `the key ${keyId} does not encrypt with a context: use a symmetric key for encryption and decryption`;
    case 'ValidationError':
      return `KMS did not accept the request: check that ${keyId} is the id, ARN or alias of a key, and check the context`;
    default:
      return undefined;
  }
}

/** The part that names the region, if there is one. */
function regionHint(message: string): string {
  const at = message.indexOf('; the request went to KMS');
  return at === -1 ? '' : message.slice(at);
}
