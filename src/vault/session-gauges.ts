import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Clock } from '../runtime/clock.js';
import type { Session } from './session-life.js';

/** Shows in the metrics whether there is a Vault token, and when it expires. */
export class SessionGauges {
  constructor(
    private readonly metrics: Pick<OperatorMetrics, 'vaultSession' | 'vaultTokenExpiry'>,
    private readonly clock: Clock,
  ) {}

  show({ endsAtMs }: Session): void {
    const { metrics, clock } = this;
    const expiresMs = endsAtMs === undefined ? 0 : clock.now().getTime() + endsAtMs - clock.monotonicMs();
    metrics.vaultSession.set(1);
    metrics.vaultTokenExpiry.set(expiresMs / 1_000);
  }

  clear(): void {
    this.metrics.vaultSession.set(0);
    this.metrics.vaultTokenExpiry.set(0);
  }
}
