import type { Logger } from '../observability/logger.js';
import { endIsNearFromMs, type Session } from './session-life.js';

/**
 * Reports the expiry of a given token that cannot be renewed or replaced: a warning at two thirds of its lifetime, an
 * error when the end is near, each once per token.
 */
export class EndOfToken {
  private said: 'nothing' | 'warning' | 'error' = 'nothing';

  constructor(private readonly logger: Logger) {}

  isNear(session: Session, nowMs: number): void {
    const secondsLeft = Math.max(0, Math.round(((session.endsAtMs ?? Infinity) - nowMs) / 1_000));
    if (nowMs >= endIsNearFromMs(session)) {
      if (this.said !== 'error')
        this.logger.error('VAULT_TOKEN ends soon and cannot be renewed; replace it now', { secondsLeft });
      this.said = 'error';
    } else if (this.said === 'nothing') {
      this.said = 'warning';
      this.logger.warn('VAULT_TOKEN cannot be renewed beyond its end; replace it before', { secondsLeft });
    }
  }

  /** The token was renewed or replaced after all. */
  isFar(): void {
    this.said = 'nothing';
  }
}
