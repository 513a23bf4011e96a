import { PARTIAL_KIND } from '../api/group.js';
import { printable } from '../api/printable.js';
import { isReady } from '../api/reasons.js';
import { keyString, type ResourceKey } from '../api/resource-key.js';
import type { KMSVaultSecret, Resource } from '../api/resources.js';
import { KubeError } from '../kube/kube-error.js';
import type { ResourceCache } from '../kube/resource-store.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Outcome, Priority } from '../queue/work-queue.js';
import { StaleCacheError, WriteGateClosedError } from '../runtime/write-gate.js';
import type { Announcer } from './announcer.js';
import type { FinalizerHandler } from './finalizer-handler.js';
import { byImportance } from './findings.js';
import type { PartialReconciler } from './partial-reconciler.js';
import type { Reconciled, SecretReconciler } from './secret-reconciler.js';
import type { SyncMemory } from './sync-memory.js';

/** Brings the resource behind one key to its desired state; the queue's processor. Never throws. */
export class Reconciler {
  /** key to uid, so that memory can go when only the key is known. */
  private readonly uids = new Map<string, string>();

  constructor(
    private readonly deps: {
      readonly cache: ResourceCache;
      readonly secrets: SecretReconciler;
      readonly partials: PartialReconciler;
      readonly finalizers: FinalizerHandler;
      readonly memory: SyncMemory;
      readonly announcer: Announcer;
      readonly metrics: Pick<
        OperatorMetrics,
        'reconciles' | 'reconcileDuration' | 'reconcileErrors' | 'lastReconcile' | 'resourceReady'
      >;
      readonly logger: Logger;
    },
  ) {}

  async reconcile(key: ResourceKey, priority: Priority, signal?: AbortSignal): Promise<Outcome> {
    const stopTimer = this.deps.metrics.reconcileDuration.startTimer();
    const facts = { kind: key.kind, namespace: key.namespace, name: key.name };
    try {
      return await this.dispatch(key, priority, signal);
    } catch (error) {
      if (error instanceof WriteGateClosedError) {
        this.deps.metrics.reconciles.inc({ result: 'standby' });
        return { retry: 'none' };
      }
      // No state of the resource: the queue holds the key until the cache is fresh.
      if (error instanceof StaleCacheError) {
        this.deps.metrics.reconciles.inc({ result: 'stale' });
        return { retry: 'soon' };
      }
      this.deps.metrics.reconciles.inc({ result: 'error' });
      if (error instanceof KubeError) {
        this.deps.metrics.reconcileErrors.inc({ reason: 'KubernetesUnavailable' });
        this.deps.logger.warn('the API server did not answer as needed; will try again', {
          ...facts,
          status: error.status,
          problem: error.message,
        });
        return {
          retry: 'soon',
          ...(error.retryAfterMs === undefined ? {} : { afterMs: error.retryAfterMs }),
        };
      }
      this.deps.metrics.reconcileErrors.inc({ reason: 'Internal' });
      // The message of an unforeseen error may hold anything: only its kind and place are safe to tell.
      this.deps.logger.error('reconcile failed unexpectedly; will try again', {
        ...facts,
        ...placeOf(error),
      });
      return { retry: 'soon' };
    } finally {
      stopTimer();
      this.deps.metrics.lastReconcile.setToCurrentTime();
    }
  }

  /** This replica leads anew: others may have written meanwhile. */
  beginTerm(): void {
    this.deps.memory.forgetUnverifiable();
  }

  /** Another replica tells from now on how the resources are. */
  endTerm(): void {
    this.deps.metrics.resourceReady.reset();
  }

  /** Drops everything remembered of a resource that is gone: memory and metrics. */
  forget(key: ResourceKey): void {
    const id = keyString(key);
    const uid = this.uids.get(id);
    this.uids.delete(id);
    if (uid !== undefined) this.forgetUid(uid);
    if (key.kind !== PARTIAL_KIND) {
      this.deps.metrics.resourceReady.remove({ namespace: key.namespace, name: key.name });
    }
  }

  private forgetUid(uid: string): void {
    this.deps.memory.forget(uid);
    this.deps.announcer.forget(uid);
  }

  private resourceOf({ kind, namespace, name }: ResourceKey): Resource | undefined {
    return kind === PARTIAL_KIND
      ? this.deps.cache.partial(namespace, name)
      : this.deps.cache.secret(namespace, name);
  }

  private async dispatch(key: ResourceKey, priority: Priority, signal?: AbortSignal): Promise<Outcome> {
    const resource = this.resourceOf(key);
    if (resource === undefined) {
      this.forget(key);
      return { retry: 'none' };
    }
    this.remember(key, resource.metadata.uid);
    try {
      return await this.process(key, resource, priority, signal);
    } finally {
      // Deleted while it was processed: what was remembered or shown meanwhile goes, too.
      const latest = this.resourceOf(key);
      if (latest === undefined) this.forget(key);
      if (latest?.metadata.uid !== resource.metadata.uid) this.forgetUid(resource.metadata.uid);
    }
  }

  private async process(
    key: ResourceKey,
    resource: Resource,
    priority: Priority,
    signal?: AbortSignal,
  ): Promise<Outcome> {
    if (resource.kind === PARTIAL_KIND) {
      const outcome = await this.deps.partials.reconcile(resource);
      this.deps.metrics.reconciles.inc({ result: outcome.retry === 'none' ? 'synced' : 'waiting' });
      return outcome;
    }
    if (resource.metadata.deletionTimestamp !== undefined) {
      const outcome = await this.deps.finalizers.handle(resource, signal);
      this.deps.metrics.reconciles.inc({ result: outcome.retry === 'none' ? 'deleted' : 'error' });
      if (outcome.retry !== 'none') {
        const { namespace, name } = key;
        this.deps.metrics.reconcileErrors.inc({ reason: 'Deleting' });
        this.deps.metrics.resourceReady.set({ namespace, name }, 0);
      }
      return outcome;
    }
    return this.account(resource, await this.deps.secrets.reconcile(resource, priority, signal));
  }

  private account(secret: KMSVaultSecret, { outcome, findings, error, superseded }: Reconciled): Outcome {
    const { metrics, logger, cache } = this.deps;
    const { namespace, name, uid } = secret.metadata;
    if (superseded === true) {
      metrics.reconciles.inc({ result: 'superseded' });
      return outcome;
    }
    const reason = byImportance(findings)[0]?.reason ?? 'Synced';
    metrics.reconciles.inc({
      result: isReady(reason) ? 'synced' : error?.retry === 'soon' ? 'error' : 'blocked',
    });
    if (!isReady(reason)) {
      metrics.reconcileErrors.inc({ reason });
      const problem = findings.map((finding) => finding.message).join('; ');
      logger.warn('not synced', { namespace, name, reason, problem: printable(problem, 1000) });
    } else {
      logger.debug('synced', { namespace, name });
    }
    // During an outage the condition stands as it was, and so does the gauge.
    const condition = cache
      .secret(namespace, name)
      ?.status?.conditions?.find((candidate) => candidate.type === 'Ready');
    const ready = condition === undefined ? isReady(reason) : condition.status === 'True';
    if (cache.secret(namespace, name)?.metadata.uid === uid) {
      metrics.resourceReady.set({ namespace, name }, ready ? 1 : 0);
    }
    return outcome;
  }

  /** The same name with another uid is another resource, and nothing of the old one counts for it. */
  private remember(key: ResourceKey, uid: string): void {
    const id = keyString(key);
    const before = this.uids.get(id);
    if (before !== undefined && before !== uid) this.forgetUid(before);
    this.uids.set(id, uid);
  }
}

function placeOf(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: typeof error };
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  return { error: error.name, at: frames.slice(0, 5).map((line) => line.trim()) };
}
