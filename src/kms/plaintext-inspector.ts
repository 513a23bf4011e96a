import { inject, injectable } from 'tsyringe';

import { TOKENS } from '../tokens.js';
import type { DecryptRequest, Decryptor } from './decryptor.js';

/** What may be known of a value by those who must not have it. */
export interface PlaintextFacts {
  /**
   * One line, and a line break at its end: what an editor or `echo` adds. A text of several lines, such as a
   * PEM file, ends with a line break as it should.
   */
  readonly endsWithLineBreak: boolean;
}

/** Finds out whether something can be decrypted. Tells facts; the value itself never leaves this folder. */
@injectable()
export class PlaintextInspector {
  constructor(@inject(TOKENS.decryptor) private readonly decryptor: Decryptor) {}

  /** @throws KmsError */
  async inspect(request: DecryptRequest, signal?: AbortSignal): Promise<PlaintextFacts> {
    const value = await this.decryptor.decrypt(request, signal);
    return { endsWithLineBreak: value.endsWith('\n') && !/[\r\n]/.test(value.replace(/\r?\n$/, '')) };
  }
}
