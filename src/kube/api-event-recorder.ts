import { createHash, randomBytes } from 'node:crypto';

import { inject, injectable } from 'tsyringe';

import type { EventReason, NormalEventReason, WarningEventReason } from '../api/reasons.js';
import type { Resource } from '../api/resources.js';
import type { Logger } from '../observability/logger.js';
import { backoffMs } from '../runtime/backoff.js';
import { type Clock, sleep } from '../runtime/clock.js';
import { onAbort, sharedAbort } from '../runtime/abort.js';
import { RecentMap } from '../runtime/recent-map.js';
import { LogOnce } from '../runtime/log-once.js';
import { TokenBucket } from '../runtime/token-bucket.js';
import { namedWaitMs } from '../runtime/wait-limits.js';
import { TOKENS } from '../tokens.js';
import { eventBody, eventTime } from './event-body.js';
import type { EventRecorder } from './event-recorder.js';
import { eventMessage, eventName } from './event-text.js';
import { type KubeClient, MERGE_PATCH } from './kube-client.js';
import { KubeError } from './kube-error.js';
import { isRecord } from './status-body.js';

const MAX_ATTEMPTS = 4;
/** A resource may have 50 failed keys with one event each, and some events besides. */
const EVENT_BURST = 100;
/** The default of client-go. */
const REFILL_MS = 300_000;
const BACKOFF = { baseMs: 500, capMs: 10_000 };
type EventType = 'Normal' | 'Warning';

interface Waiting {
  readonly id: string;
  readonly resource: Pick<Resource, 'apiVersion' | 'kind' | 'metadata'>;
  readonly type: EventType;
  readonly reason: EventReason;
  readonly message: string;
  first: Date;
  last: Date;
  /** Occurrences that have not been sent yet. */
  count: number;
}

interface Known {
  readonly name: string;
  count: number;
}

/** Limits on queued and sent events. */
export interface EventLimits {
  /** Limit on queued events; more are dropped. */
  readonly maxQueued?: number;
  /** Limit on events whose repeats are counted. */
  readonly maxKnown?: number;
  /** Per object: a burst, then one per interval. */
  readonly burst?: number;
  readonly refillMs?: number;
}

/** Writes core/v1 Events one at a time, in the order in which they were recorded. */
@injectable()
export class ApiEventRecorder implements EventRecorder {
  private readonly queue = new Map<string, Waiting>();
  /** Keyed by the event's identity. */
  private readonly known: RecentMap<string, Known>;
  /** One per object uid, so that no object floods the API server. */
  private readonly budgets: RecentMap<string, TokenBucket>;
  private readonly budget: { readonly burst: number; readonly refillMs: number };
  private readonly maxQueued: number;
  private sending: Promise<void> | undefined;
  private readonly said = new LogOnce();
  /** Aborted when a drain runs out of time. */
  private readonly givenUp = sharedAbort();

  constructor(
    @inject(TOKENS.kubeClient) private readonly client: KubeClient,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
    /** `reportingInstance`: the pod's name. */
    @inject(TOKENS.hostname) private readonly hostname: string,
    @inject(TOKENS.eventLimits, { isOptional: true }) limits: EventLimits = {},
  ) {
    this.maxQueued = limits.maxQueued ?? 1_000;
    const maxKnown = limits.maxKnown ?? 4_096;
    this.known = new RecentMap(maxKnown);
    this.budgets = new RecentMap(maxKnown);
    this.budget = { burst: limits.burst ?? EVENT_BURST, refillMs: limits.refillMs ?? REFILL_MS };
  }

  normal(resource: Resource, reason: NormalEventReason, message: string): void {
    this.record(resource, 'Normal', reason, message);
  }

  warning(resource: Resource, reason: WarningEventReason, message: string): void {
    this.record(resource, 'Warning', reason, message);
  }

  async drain(signal?: AbortSignal): Promise<void> {
    const stopListening = onAbort(signal, () => {
      this.queue.clear();
      this.givenUp.abort();
    });
    try {
      while (this.sending !== undefined) await this.sending;
    } finally {
      stopListening();
    }
  }

  private record(resource: Resource, type: EventType, reason: EventReason, text: string): void {
    if (this.givenUp.signal.aborted) return;
    const { kind, apiVersion, metadata } = resource;
    const message = eventMessage(text);
    const id = JSON.stringify([metadata.uid, type, reason, message]);
    const now = this.clock.now();
    const waiting = this.queue.get(id);
    if (waiting !== undefined) {
      waiting.count += 1;
      waiting.last = now;
      return;
    }
    if (!this.takeFromBudget(metadata.uid)) {
      this.logger.debug('dropped an event: too many events for one object', {
        namespace: metadata.namespace,
        name: metadata.name,
        reason,
      });
      return;
    }
    if (this.queue.size >= this.maxQueued) {
      this.once('full', 'dropped events: too many are waiting for the API server', {});
      return;
    }
    const { name, namespace, uid, resourceVersion } = metadata;
    this.queue.set(id, {
      id,
      resource: { kind, apiVersion, metadata: { name, namespace, uid, resourceVersion } },
      type,
      reason,
      message,
      first: now,
      last: now,
      count: 1,
    });
    this.sending ??= this.sendAll();
  }

  private takeFromBudget(uid: string): boolean {
    const bucket = this.budgets.get(uid) ?? new TokenBucket({ clock: this.clock, ...this.budget });
    this.budgets.set(uid, bucket);
    return bucket.take();
  }

  private async sendAll(): Promise<void> {
    // Let the caller continue first.
    await Promise.resolve();
    for (let [next] = this.queue.values(); next !== undefined; [next] = this.queue.values()) {
      this.queue.delete(next.id);
      await this.send(next);
    }
    this.sending = undefined;
  }

  private async send(event: Waiting): Promise<void> {
    const { signal } = this.givenUp;
    for (let attempt = 0; attempt < MAX_ATTEMPTS && !signal.aborted; attempt += 1) {
      try {
        await this.write(event);
        return;
      } catch (error) {
        if (!this.worthRetry(event, error)) return;
        const askedMs = namedWaitMs((error as KubeError).retryAfterMs, 'event');
        await sleep(this.clock, Math.max(askedMs, backoffMs(attempt, BACKOFF)), signal);
      }
    }
    if (!signal.aborted) this.once('lost', 'lost events: the API server does not accept them', {});
  }

  private async write(event: Waiting): Promise<void> {
    const known = this.known.get(event.id);
    const collection = `/api/v1/namespaces/${encodeURIComponent(event.resource.metadata.namespace)}/events`;
    const { client } = this;
    const { signal } = this.givenUp;
    if (known !== undefined) {
      const count = known.count + event.count;
      try {
        await client.request('PATCH', `${collection}/${encodeURIComponent(known.name)}`, {
          body: { count, lastTimestamp: eventTime(event.last) },
          contentType: MERGE_PATCH,
          signal,
        });
        this.known.set(event.id, { name: known.name, count });
        return;
      } catch (error) {
        // Events expire after an hour; the repeat of an older one is a new event.
        if (!(error instanceof KubeError) || error.status !== 404) throw error;
        this.known.delete(event.id);
      }
    }
    // The name is the same in every process, so that repeats are counted across restarts.
    const digest = createHash('sha256').update(event.id).digest('hex').slice(0, 16);
    const name = eventName(event.resource.metadata.name, digest);
    try {
      await client.request('POST', collection, { body: this.bodyOf(event, name), signal });
      this.known.set(event.id, { name, count: event.count });
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 409) throw error;
      await this.countOn(event, collection, name);
    }
  }

  /** Where RBAC allows only creating events, a repeat gets its own name. */
  private async createAgain(event: Waiting, collection: string): Promise<void> {
    const name = eventName(event.resource.metadata.name, randomBytes(8).toString('hex'));
    const { signal } = this.givenUp;
    await this.client.request('POST', collection, { body: this.bodyOf(event, name), signal });
    this.known.set(event.id, { name, count: event.count });
  }

  /** Continues the count of an earlier process; the answer to a patch holds it, so no read is needed. */
  private async countOn(event: Waiting, collection: string, name: string): Promise<void> {
    const path = `${collection}/${encodeURIComponent(name)}`;
    const patch = async (body: object): Promise<unknown> =>
      await this.client.request('PATCH', path, {
        body,
        contentType: MERGE_PATCH,
        signal: this.givenUp.signal,
      });
    let seen: unknown;
    try {
      seen = await patch({ lastTimestamp: eventTime(event.last) });
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 403) throw error;
      await this.createAgain(event, collection);
      return;
    }
    const before = isRecord(seen) && typeof seen.count === 'number' ? seen.count : 0;
    const count = before + event.count;
    await patch({ count });
    this.known.set(event.id, { name, count });
  }

  private bodyOf(event: Waiting, name: string): Record<string, unknown> {
    const { resource: subject, type, reason, message, count, first, last } = event;
    const instance = this.hostname;
    return eventBody({ name, subject, type, reason, message, count, first, last, instance });
  }

  /** Logs once per kind of failure, because events are not worth more. */
  private worthRetry(event: Waiting, error: unknown): boolean {
    if (!(error instanceof KubeError)) {
      // A closed gate: the new leader records its own events.
      this.logger.debug('event dropped', {
        error: error instanceof Error ? error.name : typeof error,
      });
      return false;
    }
    const { status } = error;
    if (status === undefined || status === 429 || status >= 500) return true;
    // The namespace is being deleted, with its objects.
    if (status === 404 || error.facts.causes?.includes('NamespaceTerminating') === true) return false;
    const message =
      status === 403
        ? 'RBAC denies writing events: update the ClusterRole'
        : 'the API server rejected an event';
    this.once(String(status), message, { reason: event.reason, detail: error.message });
    return false;
  }

  private once(id: string, message: string, facts: Readonly<Record<string, unknown>>): void {
    if (this.said.isNew(id)) this.logger.warn(message, facts);
  }
}
