import { decodeBase64 } from '../../src/api/base64.js';
import type { DecryptRequest, Decryptor } from '../../src/kms/decryptor.js';
import { KmsError } from '../../src/kms/kms-error.js';

/** "Decrypts" base64 of `context|plaintext`; counts what it is asked. */
export class FakeKms implements Decryptor {
  asked = 0;
  down = false;
  /** Called at each request, for what happens meanwhile. */
  onRequest: () => void = () => undefined;
  /** Plaintexts whose key is denied. */
  readonly denied = new Set<string>();

  static encrypt(plaintext: string, context: Readonly<Record<string, string>> = {}): string {
    return Buffer.from(`${canonical(context)}|${plaintext}`).toString('base64');
  }

  decrypt({ encryptedSecret, context }: DecryptRequest): Promise<string> {
    this.asked += 1;
    this.onRequest();
    const bytes = decodeBase64(encryptedSecret);
    if (bytes === undefined) return fail('wrong-input', 'NotBase64');
    if (this.down) return fail('transient', 'ThrottlingException');
    const [sealedWith = '', ...rest] = Buffer.from(bytes).toString().split('|');
    const plaintext = rest.join('|');
    if (this.denied.has(plaintext)) return fail('administrator', 'AccessDenied');
    return sealedWith === canonical(context)
      ? Promise.resolve(plaintext)
      : fail('wrong-input', 'InvalidCiphertext');
  }
}

function canonical(context: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(context).sort());
}

function fail(failure: KmsError['failure'], code: string): Promise<never> {
  return Promise.reject(new KmsError(failure, code, `failed with ${code}`));
}
