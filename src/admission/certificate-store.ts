import { readFile } from 'node:fs/promises';

import { inject, injectable } from 'tsyringe';

import type { ReadinessCheck } from '../observability/health.js';
import type { Logger } from '../observability/logger.js';
import type { WebhookMetrics } from '../observability/webhook-metrics.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import { type CertificatePair, fingerprint, checkPair } from './certificate-pair.js';

/** Files are compared by content, so that any way of updating a mount is noticed. */
const POLL_MS = 1_000;

/**
 * The serving certificate, reread periodically from two files. While the files do not hold a complete, matching
 * and currently valid pair, the last good one stays in use.
 */
@injectable()
export class CertificateStore implements ReadinessCheck {
  /** The readiness check. */
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

  /** The pair in use; undefined before the first good one. */
  get current(): CertificatePair | undefined {
    return this.serving?.pair;
  }

  /** Why there is no valid certificate; undefined when there is one. */
  problem(): string | undefined {
    if (this.serving === undefined) return 'no usable certificate yet';
    return this.serving.pair.notAfter <= this.clock.now() ? 'the certificate has expired' : undefined;
  }

  /** Reads the files now and then periodically; `use` gets every new good pair, including the first one. */
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
    const check = checkPair(cert, key, clock.now());
    if (!check.ok) {
      this.complain(check.problem, id);
      this.sayExpiry();
      return;
    }
    const { pair } = check;
    use(pair);
    this.serving = { pair, id };
    this.complaint = '';
    this.expiryWasSaid = false;
    metrics.certificateReloads.inc({ result: 'success' });
    metrics.certificateExpiry.set(pair.notAfter.getTime() / 1_000);
    logger.info('serving certificate loaded', { certFile, notAfter: pair.notAfter });
  }

  /** Logged once per state of the files. */
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
