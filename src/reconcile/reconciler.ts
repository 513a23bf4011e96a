import { inject, injectable } from 'tsyringe';

import { PARTIAL_KIND } from '../api/group.js';
import { printable } from '../api/printable.js';
import { isReady, READY_REASONS, type ReadyReason } from '../api/reasons.js';
import { keyString, type ResourceKey } from '../api/resource-key.js';
import type { KMSVaultSecret, Resource } from '../api/resources.js';
import { KubeError } from '../kube/kube-error.js';
import type { ResourceCache } from '../kube/resource-store.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { ResourceGauges } from '../observability/resource-gauges.js';
import type { Finding, Outcome } from '../queue/outcome.js';
import type { Priority } from '../queue/work-queue.js';
import { StaleCacheError, WriteGateClosedError } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import type { Announcer } from './announcer.js';
import type { ContextViolations } from './context-violations.js';
import type { FinalizerHandler } from './finalizer-handler.js';
import { mainReason } from './ready-findings.js';
import type { PartialReconciler } from './partial-reconciler.js';
import type { SecretReconciler } from './secret-reconciler.js';
import type { SyncMemory } from './sync-memory.js';
import type { UnseenOwners } from './unseen-owners.js';

/** Reconciles the resource of one key; the processor of the work queue. Never throws. */
@injectable()
export class Reconciler {
  /** From key to uid, so that memory can be cleared when only the key is known. */
  private readonly uids = new Map<string, string>();

  constructor(
    @inject(TOKENS.cache) private readonly cache: ResourceCache,
    @inject(TOKENS.secrets) private readonly secrets: SecretReconciler,
    @inject(TOKENS.partials) private readonly partials: PartialReconciler,
    @inject(TOKENS.finalizers) private readonly finalizers: FinalizerHandler,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.unseenOwners) private readonly unseenOwners: UnseenOwners,
    @inject(TOKENS.announcer) private readonly announcer: Announcer,
    @inject(TOKENS.contextViolations) private readonly violations: ContextViolations,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<
      OperatorMetrics,
      'reconciles' | 'reconcileDuration' | 'reconcileErrors' | 'lastReconcile'
    >,
    @inject(TOKENS.resourceGauges) private readonly gauges: ResourceGauges,
    @inject(TOKENS.logger) private readonly logger: Logger,
  ) {}

  async reconcile(key: ResourceKey, priority: Priority, signal?: AbortSignal): Promise<Outcome> {
    const stopTimer = this.metrics.reconcileDuration.startTimer();
    const facts = { kind: key.kind, namespace: key.namespace, name: key.name };
    const outcome = await this.dispatch(key, priority, signal).catch((error: unknown) =>
      this.failed(error, facts),
    );
    this.metrics.reconciles.inc({ result: outcome.result });
    stopTimer();
    this.metrics.lastReconcile.setToCurrentTime();
    return outcome;
  }

  /** Failures that are not a state of the resource. */
  private failed(error: unknown, facts: Readonly<Record<string, string>>): Outcome {
    const { metrics, logger } = this;
    if (error instanceof WriteGateClosedError) return { result: 'standby' };
    // The queue holds the key until the cache is fresh.
    if (error instanceof StaleCacheError) return { result: 'stale' };
    if (error instanceof KubeError) {
      const { status, message, retryAfterMs } = error;
      metrics.reconcileErrors.inc({ reason: 'KubernetesUnavailable' });
      const text = 'a request to the API server failed; will retry';
      logger.warn(text, { ...facts, status, problem: message });
      return { result: 'error', ...(retryAfterMs === undefined ? {} : { afterMs: retryAfterMs }) };
    }
    metrics.reconcileErrors.inc({ reason: 'Internal' });
    // The message of an unexpected error may hold anything: only its kind and place are safe to log.
    logger.error('reconcile failed unexpectedly; will retry', { ...facts, ...placeOf(error) });
    return { result: 'error' };
  }

  /** A new term of this replica: another one may have written meanwhile. */
  beginTerm(): void {
    this.memory.forgetUnverifiable();
    this.unseenOwners.beginTerm();
  }

  /** Another replica reports the state of the resources from now on. */
  endTerm(): void {
    this.gauges.reset();
  }

  /** Drops memory and metrics of a resource that is gone. */
  forget(key: ResourceKey): void {
    const id = keyString(key);
    const uid = this.uids.get(id);
    this.uids.delete(id);
    if (uid !== undefined) this.forgetUid(uid);
    if (key.kind !== PARTIAL_KIND) this.gauges.remove(key);
  }

  private forgetUid(uid: string): void {
    this.memory.forget(uid);
    this.announcer.forget(uid);
    this.violations.forget(uid);
  }

  private resourceOf({ kind, namespace, name }: ResourceKey): Resource | undefined {
    return kind === PARTIAL_KIND ? this.cache.partial(namespace, name) : this.cache.secret(namespace, name);
  }

  private async dispatch(key: ResourceKey, priority: Priority, signal?: AbortSignal): Promise<Outcome> {
    const resource = this.resourceOf(key);
    if (resource === undefined) {
      this.forget(key);
      return { result: 'gone' };
    }
    this.remember(key, resource.metadata.uid);
    try {
      return await this.process(key, resource, priority, signal);
    } finally {
      // Deleted while it was processed: drop what was remembered or shown meanwhile.
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
      return await this.partials.reconcile(resource);
    }
    if (resource.metadata.deletionTimestamp !== undefined) {
      const outcome = await this.finalizers.handle(resource, signal);
      if (outcome.result === 'suspended') this.show(resource);
      if (outcome.findings !== undefined) {
        const reason = mainReason(outcome.findings);
        this.metrics.reconcileErrors.inc({ reason });
        this.gauges.set(key, { ready: false, reason });
      }
      return outcome;
    }
    const outcome = await this.secrets.reconcile(resource, priority, signal);
    if (outcome.findings !== undefined) this.account(resource, outcome.findings);
    if (outcome.result === 'suspended') this.show(resource);
    return outcome;
  }

  private account(secret: KMSVaultSecret, findings: readonly Finding[]): void {
    const { metrics, logger } = this;
    const { namespace, name } = secret.metadata;
    const reason = mainReason(findings);
    if (!isReady(reason)) {
      metrics.reconcileErrors.inc({ reason });
      const problem = findings.map((finding) => finding.message).join('; ');
      logger.warn('not synced', { namespace, name, reason, problem: printable(problem, 1000) });
    } else {
      logger.debug('synced', { namespace, name });
    }
    this.show(secret, reason);
  }

  /**
   * Sets the gauges of a resource to what its status says: during an outage and while it is suspended, the condition
   * stays as it is, and so do they.
   *
   * @param reached for a resource without a condition.
   */
  private show({ metadata: { namespace, name, uid } }: KMSVaultSecret, reached?: ReadyReason): void {
    const latest = this.cache.secret(namespace, name);
    if (latest?.metadata.uid !== uid) return;
    const condition = latest.status?.conditions?.find(({ type }) => type === 'Ready');
    // It becomes a label, so it must be known.
    const reason = READY_REASONS.find((known) => known === condition?.reason) ?? reached;
    if (reason === undefined) return;
    const ready = condition === undefined ? isReady(reason) : condition.status === 'True';
    this.gauges.set({ namespace, name }, { ready, reason });
  }

  /** The same name with another uid is another resource; the memory of the old one does not apply. */
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
