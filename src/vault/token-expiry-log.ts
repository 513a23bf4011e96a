import type { Logger } from '../observability/logger.js';
import { LogOnce } from '../runtime/log-once.js';
import { endIsNearFromMs, type Session } from './session-life.js';

const TOPIC = 'end';

/**
 * Reports the expiry of a given token that cannot be renewed or replaced: a warning at two thirds of its lifetime, an
 * error when the end is near, each once per token.
 */
export class TokenExpiryLog {
  private readonly said = new LogOnce();

  constructor(private readonly logger: Logger) {}

  report(session: Session, nowMs: number): void {
    const secondsLeft = Math.max(0, Math.round(((session.endsAtMs ?? Infinity) - nowMs) / 1_000));
    if (nowMs >= endIsNearFromMs(session)) {
      if (this.said.isNew(TOPIC, 'error'))
        this.logger.error('VAULT_TOKEN expires soon and cannot be renewed; replace it now', { secondsLeft });
    } else if (!this.said.has('error') && this.said.isNew(TOPIC, 'warning')) {
      this.logger.warn('VAULT_TOKEN cannot be renewed any further; replace it before it expires', {
        secondsLeft,
      });
    }
  }

  /** The token was renewed or replaced after all. */
  reset(): void {
    this.said.clear(TOPIC);
  }
}
