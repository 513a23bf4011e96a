import { inject, injectable } from 'tsyringe';

import type { ReadinessCheck } from '../observability/health.js';
import type { Logger } from '../observability/logger.js';
import type { WebhookMetrics } from '../observability/webhook-metrics.js';
import type { Clock } from '../runtime/clock.js';
import { type FilesSeen, LastGoodFiles } from '../runtime/last-good-files.js';
import { LogOnce } from '../runtime/log-once.js';
import { TOKENS } from '../tokens.js';
import { type ServingCertificate, servingCertificate } from './serving-certificate.js';

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
  private readonly files: LastGoodFiles<ServingCertificate>;
  private readonly said = new LogOnce();
  private cancelPoll: (() => void) | undefined;
  private running = false;

  constructor(
    @inject(TOKENS.tlsCertFile) private readonly certFile: string,
    @inject(TOKENS.tlsKeyFile) private readonly keyFile: string,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<WebhookMetrics, 'certificateExpiry' | 'certificateReloads'>,
  ) {
    this.files = new LastGoodFiles([certFile, keyFile], ([cert = '', key = '']) =>
      servingCertificate(cert, key, clock.now()),
    );
  }

  /** The pair in use; undefined before the first good one. */
  get current(): ServingCertificate | undefined {
    return this.files.value;
  }

  /** Why there is no valid certificate; undefined when there is one. */
  problem(): string | undefined {
    if (this.current === undefined) return 'no valid serving certificate has been loaded yet';
    return this.current.notAfter <= this.clock.now() ? 'the serving certificate has expired' : undefined;
  }

  /** Reads the files now and then periodically; `use` gets every new good pair, including the first one. */
  start(use: (pair: ServingCertificate) => void): void {
    this.running = true;
    this.poll(use);
  }

  stop(): void {
    this.running = false;
    this.cancelPoll?.();
  }

  private poll(use: (pair: ServingCertificate) => void): void {
    const seen = this.files.read();
    if (seen.outcome === 'new') this.changed(seen.value, use);
    else if (seen.outcome === 'same') this.said.clear('problem');
    else this.logProblem(seen);
    this.logExpiry();
    if (!this.running) return;
    this.cancelPoll = this.clock.setTimer(POLL_MS, () => {
      this.poll(use);
    });
  }

  private changed(pair: ServingCertificate, use: (pair: ServingCertificate) => void): void {
    const { certFile, logger, metrics } = this;
    use(pair);
    this.said.clear('problem');
    this.said.clear('expiry');
    metrics.certificateReloads.inc({ result: 'success' });
    metrics.certificateExpiry.set(pair.notAfter.getTime() / 1_000);
    logger.info('serving certificate loaded', { certFile, notAfter: pair.notAfter });
  }

  /** Logged once per state of the files. */
  private logProblem({ problem, file, state }: Extract<FilesSeen<unknown>, { outcome: 'bad' }>): void {
    if (!this.said.isNew('problem', state)) return;
    this.metrics.certificateReloads.inc({ result: 'failure' });
    const { certFile, keyFile } = this;
    const facts = { certFile, keyFile, problem: file === undefined ? problem : `${file} ${problem}` };
    if (this.current === undefined) {
      this.logger.error(
        'cannot load the serving certificate; TLS handshakes fail until its files are valid',
        facts,
      );
    } else {
      this.logger.warn('cannot load the new serving certificate; still serving the previous one', facts);
    }
  }

  private logExpiry(): void {
    if (this.current === undefined || this.problem() === undefined || !this.said.isNew('expiry')) return;
    const { notAfter } = this.current;
    this.logger.error('the serving certificate has expired; its files contain no valid one', { notAfter });
  }
}
