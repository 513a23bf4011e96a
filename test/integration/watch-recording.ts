import { KubeConfig } from '@kubernetes/client-node';
import { Registry } from 'prom-client';

import { GROUP, PLURALS, SECRET_KIND, VERSION } from '../../src/api/group.js';
import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import type { Facts, Logger } from '../../src/observability/logger.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { type Clock, systemClock } from '../../src/runtime/clock.js';
import { openGate } from '../../src/runtime/write-gate.js';
import type { ResourceEvent } from '../../src/watch/framework.js';
import { ListWatchOperator } from '../../src/watch/list-watch-operator.js';
import type { WatchLimits } from '../../src/watch/watch-limits.js';
import { FakeClock } from '../support/fake-clock.js';

/** Waits for a condition; fails with what was waited for. */
export async function until(what: string, condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface LogEntry {
  readonly level: string;
  readonly message: string;
  readonly facts: Facts;
}

export class RecordingLogger implements Logger {
  readonly entries: LogEntry[] = [];
  debug = this.at('debug');
  info = this.at('info');
  warn = this.at('warn');
  error = this.at('error');
  child(): Logger {
    return this;
  }
  count(message: string): number {
    return this.entries.filter((entry) => entry.message === message).length;
  }
  private at(level: string) {
    return (message: string, facts: Facts = {}): void => {
      this.entries.push({ level, message, facts });
    };
  }
}

export function plainKubeConfig(server: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'loopback', server, skipTLSVerify: false }],
    users: [{ name: 'nobody' }],
    contexts: [{ name: 'loopback', cluster: 'loopback', user: 'nobody' }],
    currentContext: 'loopback',
  });
  return config;
}

/** The system's clock, but a wait of a minute or more is over at once and written down. */
export class ImpatientClock implements Clock {
  readonly skipped: number[] = [];
  /** Every wait that was asked for. */
  readonly waits: number[] = [];
  now = (): Date => systemClock.now();
  monotonicMs = (): number => systemClock.monotonicMs();
  setTimer(ms: number, callback: () => void): () => void {
    this.waits.push(ms);
    if (ms < 60_000) return systemClock.setTimer(ms, callback);
    this.skipped.push(ms);
    return systemClock.setTimer(0, callback);
  }
}

/** Time that moves only when a test says so, for streams over real sockets. */
export class HeldClock extends ImpatientClock {
  private readonly held = new FakeClock();
  override now = (): Date => this.held.now();
  override monotonicMs = (): number => this.held.monotonicMs();
  override setTimer(ms: number, callback: () => void): () => void {
    this.waits.push(ms);
    return this.held.setTimer(ms, callback);
  }
  /** Milliseconds until each timer that is set. */
  get waiting(): number[] {
    return this.held.waiting;
  }
  async advance(ms: number): Promise<void> {
    await this.held.advance(ms);
  }
}

/** Short times, so that a test sees in milliseconds what takes minutes in a cluster. */
export const SHORT_LIMITS: Partial<WatchLimits> = {
  inactivityMs: 10_000,
  healthyAfterMs: 0,
  backoffBaseMs: 4,
  backoffCapMs: 20,
};

/** Everything below an operator class, on one kubeconfig. */
export function operatorParts(
  kubeConfig: KubeConfig,
  limits: Partial<WatchLimits> = {},
  random: () => number = Math.random,
  clock = new ImpatientClock(),
) {
  const registry = new Registry();
  const connection = new ApiConnection(kubeConfig);
  const client = new KubeClient(connection, openGate, clock);
  return {
    connection,
    client,
    registry,
    clock,
    logger: new RecordingLogger(),
    metrics: new OperatorMetrics(registry),
    limits: { ...SHORT_LIMITS, ...limits },
    random,
  };
}

/** Watches one kind and writes down what it hears. */
export class RecordingOperator extends ListWatchOperator {
  readonly heard: string[] = [];
  /** How often a list was complete. */
  lists = 0;
  rewinds = 0;
  handler: (event: ResourceEvent) => Promise<void> = () => Promise.resolve();

  constructor(
    readonly parts: ReturnType<typeof operatorParts>,
    private readonly namespaces: readonly (string | undefined)[] = [undefined],
  ) {
    super(parts);
  }

  async restarts(why: string): Promise<number> {
    const { values } = await this.parts.metrics.watchRestarts.get();
    return values.filter(({ labels }) => labels.why === why).reduce((sum, { value }) => sum + value, 0);
  }

  listAgain(): void {
    this.relist(PLURALS[SECRET_KIND]);
  }

  uriOf(plural: string, namespace?: string): string {
    return this.getCustomResourceApiUri(GROUP, VERSION, plural, namespace);
  }

  protected override async init(): Promise<void> {
    for (const namespace of this.namespaces) {
      const record = async (event: ResourceEvent): Promise<void> => {
        this.heard.push(`${event.type} ${event.meta.name}`);
        await this.handler(event);
      };
      await this.watchResource(GROUP, VERSION, PLURALS[SECRET_KIND], record, namespace);
    }
  }

  protected override listed(): void {
    this.lists += 1;
  }

  protected override rewound(): void {
    this.rewinds += 1;
  }
}
