import { inject, injectable } from 'tsyringe';

import { TOKENS } from '../tokens.js';
import type { DecryptRequest, Decryptor } from './decryptor.js';

/** The facts about a value that may be known without knowing the value. */
export interface PlaintextFacts {
  /**
   * A single line with a final line break, as editors and `echo` add it. A text of several lines, such as a PEM file,
   * should end with one.
   */
  readonly endsWithLineBreak: boolean;
}

/** Checks whether a ciphertext can be decrypted. Returns facts; the value itself never leaves this folder. */
@injectable()
export class PlaintextInspector {
  constructor(@inject(TOKENS.decryptor) private readonly decryptor: Decryptor) {}

  /** @throws KmsError */
  async inspect(request: DecryptRequest, signal?: AbortSignal): Promise<PlaintextFacts> {
    const value = await this.decryptor.decrypt(request, signal);
    return { endsWithLineBreak: value.endsWith('\n') && !/[\r\n]/.test(value.replace(/\r?\n$/, '')) };
  }
}
