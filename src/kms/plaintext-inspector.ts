import { inject, injectable } from 'tsyringe';

import { TOKENS } from '../tokens.js';
import type { DecryptRequest, Decryptor } from './decryptor.js';

/** The facts about a value that may be known without knowing the value. */
export interface PlaintextFacts {
  /**
   * A single line with line breaks at its end, as editors and `echo` add them. A text of several lines, such as a PEM
   * file, should end with one.
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
    const first = value.search(/[\r\n]/);
    return { endsWithLineBreak: first >= 0 && /^(?:\r?\n)+$/.test(value.slice(first)) };
  }
}
