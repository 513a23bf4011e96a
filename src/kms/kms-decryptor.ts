import pLimit, { type LimitFunction } from 'p-limit';

import type { OperatorMetrics } from '../observability/operator-metrics.js';
import { readCiphertext } from './ciphertext.js';
import type { DecryptRequest, Decryptor } from './decryptor.js';
import type { KmsApi } from './kms-client.js';
import { KmsError } from './kms-error.js';

interface Flight {
  readonly plaintext: Promise<string>;
  readonly giveUp: AbortController;
  waiters: number;
}

/**
 * Decrypts through KMS: at most so many requests at a time, and one for all who ask the same while it
 * is in flight. Plaintext buffers are zeroed once their text is taken; nothing is cached.
 */
export class KmsDecryptor implements Decryptor {
  private readonly limit: LimitFunction;
  private readonly inFlight = new Map<string, Flight>();

  constructor(
    private readonly deps: {
      readonly kms: KmsApi;
      readonly maxConcurrentRequests: number;
      readonly metrics: Pick<OperatorMetrics, 'kmsRequestsAvoided'>;
    },
  ) {
    this.limit = pLimit(deps.maxConcurrentRequests);
  }

  async decrypt(request: DecryptRequest, signal?: AbortSignal): Promise<string> {
    if (signal?.aborted === true) throw abandoned();
    const ciphertext = readCiphertext(request.encryptedSecret);
    const id = identity(request, ciphertext);
    const joined = this.inFlight.get(id);
    if (joined !== undefined) this.deps.metrics.kmsRequestsAvoided.inc({ why: 'coalesced' });
    const flight = joined ?? this.takeOff(id, request, ciphertext);
    return await this.wait(flight, signal);
  }

  private takeOff(id: string, { context }: DecryptRequest, ciphertext: Uint8Array): Flight {
    const giveUp = new AbortController();
    const plaintext = this.limit(async () => {
      if (giveUp.signal.aborted) throw abandoned();
      return textOf(await this.deps.kms.decrypt(ciphertext, context, giveUp.signal));
    }).finally(() => {
      if (this.inFlight.get(id) === flight) this.inFlight.delete(id);
    });
    const flight: Flight = { plaintext, giveUp, waiters: 0 };
    this.inFlight.set(id, flight);
    return flight;
  }

  /** One waiter who gives up does not end the request for the others; the last one does. */
  private async wait(flight: Flight, signal?: AbortSignal): Promise<string> {
    flight.waiters += 1;
    let onAbort: (() => void) | undefined;
    const aborted = new Promise<never>((_resolve, reject) => {
      onAbort = () => {
        reject(abandoned());
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([flight.plaintext, aborted]);
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
      flight.waiters -= 1;
      if (flight.waiters === 0) {
        // Nobody is left to hear of it.
        flight.plaintext.catch(() => undefined);
        this.forgetFlight(flight);
        flight.giveUp.abort();
      }
    }
  }

  private forgetFlight(flight: Flight): void {
    for (const [id, candidate] of this.inFlight) if (candidate === flight) this.inFlight.delete(id);
  }
}

/** Vault's K/V engine holds JSON strings: bytes that are not UTF-8 would arrive as something else. */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new KmsError(
      'wrong-input',
      'NotUtf8',
      'the decrypted value is not UTF-8 text, which Vault cannot hold',
    );
  } finally {
    bytes.fill(0);
  }
}

function identity({ context }: DecryptRequest, ciphertext: Uint8Array): string {
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([Buffer.from(ciphertext).toString('base64'), pairs]);
}

function abandoned(): KmsError {
  return new KmsError('transient', 'Abandoned', 'the request was given up');
}
