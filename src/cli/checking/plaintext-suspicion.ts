import type { FindingSink } from '../../admission/review-findings.js';
import { decodeBase64 } from '../../api/base64.js';
import { printable } from '../../api/printable.js';
import { itemsIn, record } from '../files/manifest-resource.js';

/** A nonce, an authentication tag and the id of a key: no ciphertext of KMS is shorter. */
const MIN_CIPHERTEXT_BYTES = 45;
const FIELDS: ReadonlySet<string> = new Set([
  'key',
  'encryptedSecret',
  'secretContext',
  'emptySecret',
  '$patch',
]);

/**
 * Refuses what looks like a value that nobody encrypted: text in base64, as in a Kubernetes `Secret`; something too
 * short for a ciphertext; a field that the operator does not know, which the API server drops but git keeps.
 */
export function suspectPlaintexts(object: unknown, problems: FindingSink): void {
  itemsIn(object).forEach((item, index) => {
    const fields = record(item);
    const at = `spec.secrets[${String(index)}]`;
    for (const field of Object.keys(fields).filter((name) => !FIELDS.has(name))) {
      const text = `${at} has the unknown field "${printable(field, 100)}", which may hold a plaintext: remove it`;
      problems.add('UnknownField', text, { field: `${at}.${field}` });
    }
    const { key, encryptedSecret } = fields;
    if (typeof key !== 'string' || typeof encryptedSecret !== 'string' || encryptedSecret === '') return;
    const bytes = decodeBase64(encryptedSecret);
    const place = { key, field: 'encryptedSecret' };
    const advice =
      'encrypt it with kubectl kms-vault set, and change the value wherever it is used if it was ever pushed';
    // What is not base64 is refused anyway.
    if (bytes === undefined) return;
    if (isText(bytes)) {
      problems.add(
        'LooksLikePlaintext',
        `encryptedSecret is base64 of text, not a ciphertext: ${advice}`,
        place,
      );
    } else if (bytes.length < MIN_CIPHERTEXT_BYTES) {
      const text = `encryptedSecret is too short for a ciphertext of KMS: ${advice}`;
      problems.add('LooksLikePlaintext', text, place);
    }
  });
}

/** Whether bytes are UTF-8 without control characters, which a ciphertext is not by chance. */
function isText(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text);
  } catch {
    return false;
  }
}
