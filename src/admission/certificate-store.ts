import { readFile } from 'node:fs/promises';

import { inject, injectable } from 'tsyringe';

import type { ReadinessCheck } from '../observability/health.js';
import type { Logger } from '../observability/logger.js';
import type { WebhookMetrics } from '../observability/webhook-metrics.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import { type CertificatePair, fingerprint, judgePair } from './certificate-pair.js';

/** Files are compared by content: whatever way a mount changes them is noticed. */
const POLL_MS = 1_000;

/**
 * The serving certificate, read again and again from two files. As long as the files hold no pair that is
 * whole, fits together and is valid now, the last good one stays.
 */
@injectable()
export class CertificateStore implements ReadinessCheck {
  /** As a readiness check. */
  readonly name = 'certificate';
  private serving: { readonly pair: CertificatePair; readonly id: string } | undefined;
  private complaint = '';
  private expiryWasSaid = false;
  private cancelPoll: (() => void) | undefined;
  private running = false;

  constructor(
    @inject(TOKENS.tlsCertFile) private readonly certFile: string,
    @inject(TOKENS.tlsKeyFile) private readonly keyFile: string,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<WebhookMetrics, 'certificateExpiry' | 'certificateReloads'>,
  ) {}

  /** The pair that serves; undefined before the first good one. */
  get current(): CertificatePair | undefined {
    return this.serving?.pair;
  }

  /** Why there is no valid certificate; undefined when there is one. */
  problem(): string | undefined {
    if (this.serving === undefined) return 'no usable certificate yet';
    return this.serving.pair.notAfter <= this.clock.now() ? 'the certificate has expired' : undefined;
  }

  /** Reads the files now and then for ever; `use` gets every new good pair, the first one included. */
  async start(use: (pair: CertificatePair) => void): Promise<void> {
    this.running = true;
    await this.poll(use);
  }

  stop(): void {
    this.running = false;
    this.cancelPoll?.();
  }

  private async poll(use: (pair: CertificatePair) => void): Promise<void> {
    await this.refresh(use);
    if (!this.running) return;
    this.cancelPoll = this.clock.setTimer(POLL_MS, () => {
      void this.poll(use);
    });
  }

  private async refresh(use: (pair: CertificatePair) => void): Promise<void> {
    const { certFile, keyFile, clock, logger, metrics } = this;
    const [cert, key] = await Promise.all([read(certFile), read(keyFile)]);
    if (cert === undefined || key === undefined) {
      this.complain(`${cert === undefined ? certFile : keyFile} cannot be read`);
      return;
    }
    const id = fingerprint(cert, key);
    if (id === this.serving?.id) {
      this.complaint = '';
      this.sayExpiry();
      return;
    }
    const judged = judgePair(cert, key, clock.now());
    if (!judged.ok) {
      this.complain(judged.problem, id);
      this.sayExpiry();
      return;
    }
    const { pair } = judged;
    use(pair);
    this.serving = { pair, id };
    this.complaint = '';
    this.expiryWasSaid = false;
    metrics.certificateReloads.inc({ result: 'success' });
    metrics.certificateExpiry.set(pair.notAfter.getTime() / 1_000);
    logger.info('serving certificate loaded', { certFile, notAfter: pair.notAfter });
  }

  /** Once for each state of the files. */
  private complain(problem: string, id = ''): void {
    const complaint = `${problem} ${id}`;
    if (complaint === this.complaint) return;
    this.complaint = complaint;
    this.metrics.certificateReloads.inc({ result: 'failure' });
    const { certFile, keyFile } = this;
    const facts = { certFile, keyFile, problem };
    if (this.serving === undefined) {
      this.logger.error('no usable serving certificate; TLS handshakes fail until there is one', facts);
    } else {
      this.logger.warn('the serving certificate was not replaced; the last good one serves on', facts);
    }
  }

  private sayExpiry(): void {
    if (this.expiryWasSaid || this.problem() === undefined || this.serving === undefined) return;
    this.expiryWasSaid = true;
    const { notAfter } = this.serving.pair;
    this.logger.error('the serving certificate has expired and there is no new one', { notAfter });
  }
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
}
