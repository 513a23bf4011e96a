import { open } from '../servers/kms/ciphertext.js';
import type { LoopbackKms } from '../servers/kms/server.js';

/** What a ciphertext holds, without asking the server: its log and its faults stay as they are. */
export function openCiphertext(
  { keys }: Pick<LoopbackKms, 'keys'>,
  encryptedSecret: string,
  context: Readonly<Record<string, string>>,
): string {
  const ciphertext = Buffer.from(encryptedSecret, 'base64');
  for (const { id, material } of keys.values()) {
    const plaintext = open(id, material, ciphertext, context);
    if (plaintext !== undefined) return plaintext.toString();
  }
  throw new Error('no key decrypts it with this context');
}
