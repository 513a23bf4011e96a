import { Registry } from 'prom-client';

import type { KubeRequestOptions, KubeVerb } from '../../../src/kube/kube-client.js';
import { KubeError } from '../../../src/kube/kube-error.js';
import type { KubeClient } from '../../../src/kube/kube-client.js';
import { LeaseElector } from '../../../src/kube/lease-elector.js';
import type { LeaseSettings } from '../../../src/kube/lease-settings.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { RecordingLogger } from '../../support/loggers.js';
import { type SimulatedClock, SimulatedTime } from './simulated-time.js';

export interface Lease {
  metadata: { name: string; namespace: string; uid: string; resourceVersion: string; labels?: unknown };
  spec?: Record<string, unknown>;
}

const LEASES = '/apis/coordination.k8s.io/v1/namespaces/vault/leases';
const NAME = '39a50047.patoarvizu.dev';
const EVENTS = '/api/v1/namespaces/vault/events';
/** Stands for the wire and the server when nobody is frozen. */
const WIRE_MS = 20;

/** An API server that holds one lease, with optimistic concurrency, in simulated time. */
export class LeaseWorld {
  readonly time = new SimulatedTime();
  private readonly wire = this.time.clock();
  lease: Lease | undefined;
  readonly events: { readonly message: string; readonly involvedObject: Record<string, unknown> }[] = [];
  readonly requests: string[] = [];
  /** Instead of serving: a status, or `hang`. */
  fault: ((verb: KubeVerb, path: string) => number | 'hang' | undefined) | undefined;
  private version = 0;
  readonly replicas: Replica[] = [];

  replica(name: string, options: LeaseSettings & { wallOffsetMs?: number } = {}): Replica {
    const replica = new Replica(this, name, options);
    this.replicas.push(replica);
    return replica;
  }

  /** Replicas that run and may write. */
  writers(): string[] {
    return this.replicas.filter(({ clock, leads }) => !clock.frozen && leads).map(({ name }) => name);
  }

  /** Lets time pass and looks after every step that there is at most one writer. */
  async pass(ms: number): Promise<void> {
    await this.time.advance(ms, () => {
      const writers = this.writers();
      if (writers.length > 1)
        throw new Error(`several writers at ${String(this.time.nowMs)} ms: ${writers.join(', ')}`);
    });
  }

  /** Another client's write to the spec. */
  overwrite(spec: Record<string, unknown>): void {
    this.store({ ...this.lease, metadata: { ...(this.lease?.metadata ?? this.newMetadata()) }, spec });
  }

  clientFor(clock: SimulatedClock): Pick<KubeClient, 'request'> {
    return {
      request: (verb, path, options = {}) =>
        new Promise((resolve, reject) => {
          const settle = (act: () => void) => (): void => {
            cancelTimeout();
            options.signal?.removeEventListener('abort', abort);
            act();
          };
          const fail = (why: string): (() => void) =>
            settle(() => {
              reject(new KubeError(`${verb} ${path}: ${why}`, undefined));
            });
          const abort = fail('given up');
          const cancelTimeout = clock.setTimer(options.timeoutMs ?? 30_000, fail('no answer'));
          options.signal?.addEventListener('abort', abort);
          this.requests.push(`${verb} ${path}`);
          // The answer reaches a frozen process when it runs again.
          const done = (act: () => void): void => {
            clock.setTimer(WIRE_MS, settle(act));
          };
          this.wire.setTimer(WIRE_MS, () => {
            const fault = this.fault?.(verb, path);
            if (fault === 'hang') return;
            try {
              if (fault !== undefined)
                throw new KubeError(`${verb} ${path}: the API server answered ${String(fault)}`, fault);
              const answer = structuredClone(this.serve(verb, path, options));
              done(() => {
                resolve(answer);
              });
            } catch (error) {
              done(() => {
                reject(error instanceof Error ? error : new Error('not served'));
              });
            }
          });
        }),
    };
  }

  private serve(verb: KubeVerb, path: string, { body }: KubeRequestOptions): unknown {
    if (path === EVENTS && verb === 'POST') {
      this.events.push(body as (typeof this.events)[number]);
      return body;
    }
    if (path === LEASES && verb === 'POST') {
      if (this.lease !== undefined) throw new KubeError('exists', 409);
      return this.store({ metadata: this.newMetadata(), spec: (body as Lease).spec ?? {} });
    }
    if (path !== `${LEASES}/${NAME}`) throw new Error(`not served: ${verb} ${path}`);
    if (this.lease === undefined) throw new KubeError('not found', 404);
    if (verb === 'GET') return this.lease;
    if (verb !== 'PUT') throw new Error(`not served: ${verb} ${path}`);
    const sent = body as Lease;
    if (sent.metadata.resourceVersion !== this.lease.metadata.resourceVersion)
      throw new KubeError('conflict', 409);
    return this.store(sent);
  }

  private store(lease: Lease): Lease {
    this.version += 1;
    this.lease = structuredClone({
      ...lease,
      metadata: { ...lease.metadata, resourceVersion: String(this.version) },
    });
    return this.lease;
  }

  private newMetadata(): Lease['metadata'] {
    return { name: NAME, namespace: 'vault', uid: `uid-${String(this.version)}`, resourceVersion: '' };
  }
}

/** One elector with its own clock, client and log. */
export class Replica {
  readonly clock: SimulatedClock;
  readonly logger = new RecordingLogger();
  readonly registry = new Registry();
  readonly changes: ('leading' | 'standby')[] = [];
  readonly elector: LeaseElector;

  constructor(
    world: LeaseWorld,
    readonly name: string,
    { wallOffsetMs = 0, ...options }: LeaseSettings & { wallOffsetMs?: number },
  ) {
    this.clock = world.time.clock(wallOffsetMs);
    this.elector = new LeaseElector(
      world.clientFor(this.clock),
      this.clock,
      this.logger,
      new OperatorMetrics(this.registry),
      'vault',
      name,
      { identity: name, random: () => 0.5, ...options },
    );
  }

  start(): this {
    this.elector.start({
      onLeading: () => this.changes.push('leading'),
      onStandby: () => this.changes.push('standby'),
    });
    return this;
  }

  get leads(): boolean {
    return this.elector.isLeading();
  }

  async metric(name: string): Promise<number | undefined> {
    const metric = await this.registry.getSingleMetric(`kms_vault_operator_${name}`)?.get();
    return metric?.values[0]?.value;
  }

  /** Log messages of a level. */
  said(level: 'info' | 'warn' | 'error'): string[] {
    return this.logger.entries.filter((entry) => entry.level === level).map((entry) => entry.message);
  }
}

/** Two replicas of which `a` leads; the wall clock of `b` may differ. */
export async function pair(wallOffsetMs = 0): Promise<{ world: LeaseWorld; a: Replica; b: Replica }> {
  const world = new LeaseWorld();
  const a = world.replica('a').start();
  await world.pass(4_000);
  const b = world.replica('b', { wallOffsetMs }).start();
  await world.pass(5_000);
  if (!a.leads || b.leads) throw new Error('not the first replica leads');
  return { world, a, b };
}
