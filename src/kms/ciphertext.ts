import { decodeBase64 } from '../api/base64.js';
import { KmsError } from './kms-error.js';

/** Limits of `CiphertextBlob` (AWS KMS API reference, Decrypt). */
const MAX_CIPHERTEXT_BYTES = 6_144;
/** The base64 of that many bytes has 8,192 characters, plus line breaks; longer texts are not decoded. */
const MAX_CHARACTERS = 65_536;

/**
 * Decodes the ciphertext of a resource.
 *
 * @throws KmsError `NotBase64` or `InvalidLength`, both wrong input; KMS need not be asked.
 */
export function readCiphertext(encryptedSecret: string): Uint8Array {
  if (encryptedSecret.length > MAX_CHARACTERS) {
    throw new KmsError(
      'wrong-input',
      'InvalidLength',
      'a ciphertext has 1 to 6144 bytes; this one is far larger',
    );
  }
  const ciphertext = decodeBase64(encryptedSecret);
  if (ciphertext === undefined) {
    throw new KmsError('wrong-input', 'NotBase64', 'encryptedSecret is not base64');
  }
  if (ciphertext.length < 1 || ciphertext.length > MAX_CIPHERTEXT_BYTES) {
    const size = `${String(ciphertext.length)} bytes`;
    throw new KmsError(
      'wrong-input',
      'InvalidLength',
      `a ciphertext has 1 to 6144 bytes; this one has ${size}`,
    );
  }
  return ciphertext;
}
