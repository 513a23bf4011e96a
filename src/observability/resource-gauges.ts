import { inject, injectable } from 'tsyringe';

import { TOKENS } from '../tokens.js';
import type { OperatorMetrics } from './operator-metrics.js';

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** The gauges with one series per `KMSVaultSecret`. */
@injectable()
export class ResourceGauges {
  /** The reason that is shown, by `namespace/name`: a series must be removed by all of its labels. */
  private readonly reasons = new Map<string, string>();

  constructor(
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<OperatorMetrics, 'resourceReady' | 'resourceReason'>,
  ) {}

  /** @param reason one of a closed list, because each value is a series of its own. */
  set({ namespace, name }: Named, state: { readonly ready: boolean; readonly reason: string }): void {
    const { metrics, reasons } = this;
    const id = `${namespace}/${name}`;
    const before = reasons.get(id);
    if (before !== undefined && before !== state.reason) {
      metrics.resourceReason.remove({ namespace, name, reason: before });
    }
    reasons.set(id, state.reason);
    metrics.resourceReason.set({ namespace, name, reason: state.reason }, 1);
    metrics.resourceReady.set({ namespace, name }, state.ready ? 1 : 0);
  }

  remove({ namespace, name }: Named): void {
    const id = `${namespace}/${name}`;
    const reason = this.reasons.get(id);
    this.reasons.delete(id);
    if (reason !== undefined) this.metrics.resourceReason.remove({ namespace, name, reason });
    this.metrics.resourceReady.remove({ namespace, name });
  }

  reset(): void {
    this.reasons.clear();
    this.metrics.resourceReason.reset();
    this.metrics.resourceReady.reset();
  }
}
