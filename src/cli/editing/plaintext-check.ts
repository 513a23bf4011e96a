import { MAX_PLAINTEXT_BYTES } from '../../kms/key-api.js';
import { AuthorError } from '../author-error.js';

/**
 * Refuses what cannot become a value, before KMS sees it.
 *
 * @param what names the value in the message, such as `the value of password`.
 * @throws AuthorError
 */
export function checkPlaintext(what: string, bytes: Uint8Array): void {
  if (bytes.length === 0) {
    throw new AuthorError(`${what} is empty, which KMS does not encrypt: use --empty for an empty value`);
  }
  if (bytes.length > MAX_PLAINTEXT_BYTES) {
    throw new AuthorError(
      `${what} has ${String(bytes.length)} bytes, and KMS encrypts ${String(MAX_PLAINTEXT_BYTES)} at most: split it into ` +
        'several keys (certificate and private key, for example), shorten it (a certificate chain without its root), ' +
        'or keep it elsewhere and store only the password that opens it',
    );
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new AuthorError(
      `${what} is not UTF-8 text, and Vault's K/V engine stores only text: encode it first, for example with base64`,
    );
  }
}

/** Whether a value is a single line that ends with line breaks, as editors and `echo` add them. */
export function endsWithLineBreak(bytes: Uint8Array): boolean {
  const first = bytes.findIndex((byte) => byte === 0x0a || byte === 0x0d);
  return first >= 0 && bytes.subarray(first).every((byte) => byte === 0x0a || byte === 0x0d);
}
