import { KmsError } from './kms-error.js';

/**
 * The text of a plaintext, whose bytes are zeroed. Vault's K/V engine stores JSON strings: bytes that are not UTF-8 would
 * be changed.
 *
 * @throws KmsError `wrong-input` when they are not.
 */
export function readPlaintext(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new KmsError(
      'wrong-input',
      'NotUtf8',
      'the decrypted value is not UTF-8 text, so Vault cannot store it',
    );
  } finally {
    bytes.fill(0);
  }
}
