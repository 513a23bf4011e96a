import { createHmac, hash } from 'node:crypto';

/**
 * SHA-256, or HMAC-SHA-256 with a secret, for the signer of AWS requests. It computes everything in one call of
 * `node:crypto` at the end, which takes half of the time of a hash object: requests are small.
 */
export class Sha256 {
  private readonly parts: Uint8Array[] = [];

  constructor(private readonly secret?: string | ArrayBuffer | ArrayBufferView) {}

  /** A string counts as UTF-8. */
  update(part: string | ArrayBuffer | ArrayBufferView): void {
    this.parts.push(bytesOf(part));
  }

  /** May be called more than once: it does not end the input. */
  digest(): Promise<Uint8Array> {
    const [only] = this.parts;
    const data = this.parts.length === 1 && only !== undefined ? only : Buffer.concat(this.parts);
    const { secret } = this;
    return Promise.resolve(
      secret === undefined
        ? hash('sha256', data, 'buffer')
        : createHmac('sha256', bytesOf(secret)).update(data).digest(),
    );
  }

  reset(): void {
    this.parts.length = 0;
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data);
}
