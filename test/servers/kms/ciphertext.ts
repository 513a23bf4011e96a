import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/**
 * Layout of a ciphertext blob of the loopback KMS (AWS does not publish its own):
 * 4 bytes magic, 36 bytes key id, 12 bytes nonce, 16 bytes AES-GCM tag, then the encrypted plaintext.
 * The key id and the canonical encryption context are authenticated.
 */
const MAGIC = Buffer.from('LKM1');
const KEY_ID_BYTES = 36;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = MAGIC.length + KEY_ID_BYTES;

export type Context = Readonly<Record<string, string>>;

/** @param material 32 bytes. */
export function seal(keyId: string, material: Buffer, plaintext: Buffer, context: Context): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', material, nonce);
  cipher.setAAD(associatedData(keyId, context));
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([MAGIC, Buffer.from(keyId), nonce, cipher.getAuthTag(), body]);
}

/** The key ID in a blob; undefined when the blob is not from this server. */
export function keyIdOf(blob: Buffer): string | undefined {
  if (blob.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES || !blob.subarray(0, MAGIC.length).equals(MAGIC)) {
    return undefined;
  }
  return blob.subarray(MAGIC.length, HEADER_BYTES).toString('latin1');
}

/** @returns undefined when the blob is damaged or the context differs; the two cannot be distinguished. */
export function open(keyId: string, material: Buffer, blob: Buffer, context: Context): Buffer | undefined {
  const nonce = blob.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
  const tag = blob.subarray(HEADER_BYTES + NONCE_BYTES, HEADER_BYTES + NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', material, nonce);
  decipher.setAAD(associatedData(keyId, context));
  decipher.setAuthTag(tag);
  try {
    const body = blob.subarray(HEADER_BYTES + NONCE_BYTES + TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch {
    return undefined;
  }
}

function associatedData(keyId: string, context: Context): Buffer {
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify([keyId, pairs]));
}
