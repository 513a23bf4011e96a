import type { KmsApi } from '../../../src/kms/kms-client.js';
import { classifyKmsFailure } from '../../../src/kms/kms-failures.js';
import { sleep } from '../../../src/runtime/clock.js';
import type { FakeClock } from '../../support/fake-clock.js';

/** Seconds of the quota that go unused before they are lost; a bucket of one second's requests. */
const BURST_SECONDS = 1;

/** KMS in virtual time: a quota as a token bucket, and a latency. */
export class VirtualKms implements KmsApi {
  /** What was decrypted, by the text of the ciphertext, in order. */
  readonly served: { readonly text: string; readonly at: number }[] = [];
  throttled = 0;
  requests = 0;
  /** Takes part in the answer; undefined: served. */
  fault: ((text: string) => unknown) | undefined;
  private tokens: number;
  private refilledAt = 0;

  constructor(
    private readonly clock: FakeClock,
    private quotaPerSecond: number,
    private readonly latencyMs = 20,
    burst = quotaPerSecond * BURST_SECONDS,
  ) {
    this.tokens = burst;
  }

  get quota(): number {
    return this.quotaPerSecond;
  }

  set quota(perSecond: number) {
    this.quotaPerSecond = perSecond;
    this.tokens = Math.min(this.tokens, perSecond * BURST_SECONDS);
  }

  async decrypt(ciphertext: Uint8Array, _context: unknown, signal?: AbortSignal): Promise<Uint8Array> {
    this.requests += 1;
    const text = Buffer.from(ciphertext).toString();
    const grant = this.takeToken();
    await sleep(this.clock, this.latencyMs, signal);
    // As the AWS SDK does: what was given up has no other outcome.
    if (signal?.aborted === true) throw classifyKmsFailure({ name: 'AbortError' });
    const fault = this.fault?.(text);
    if (fault !== undefined) throw classifyKmsFailure(fault);
    if (!grant) {
      this.throttled += 1;
      throw classifyKmsFailure({ name: 'ThrottlingException', $metadata: { httpStatusCode: 400 } });
    }
    this.served.push({ text, at: this.clock.monotonicMs() });
    return Buffer.from(text);
  }

  private takeToken(): boolean {
    const now = this.clock.monotonicMs();
    const refill = ((now - this.refilledAt) / 1_000) * this.quotaPerSecond;
    this.tokens = Math.min(this.quotaPerSecond * BURST_SECONDS, this.tokens + refill);
    this.refilledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
