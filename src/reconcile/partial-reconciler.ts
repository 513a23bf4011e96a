import { inject, injectable } from 'tsyringe';

import { DELETE_FINALIZER, SECRET_KIND } from '../api/group.js';
import type { PartialReason } from '../api/partial-reasons.js';
import { listNames } from '../api/printable.js';
import { keyOf, refOf } from '../api/resource-key.js';
import type { KMSVaultSecret, PartialKMSVaultSecret } from '../api/resources.js';
import { checkPartialSpec, checkSecretSpec, isSuspended } from '../api/validation.js';
import type { ResourceCache, ResourceClient } from '../kube/resource-store.js';
import type { Outcome } from '../queue/outcome.js';
import type { Requeue } from '../queue/work-queue.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import type { Announcer } from './announcer.js';
import { inputsHash } from './inputs-hash.js';
import type { PartialReview } from './partial-review.js';
import { partialStatus } from './partial-status.js';
import { qualifiedName } from './path-ownership.js';
import { placeOf } from './place.js';
import { isWithdrawn, type SecretAggregator } from './secret-aggregator.js';
import type { SyncState } from './place-record.js';
import type { SyncMemory } from './sync-memory.js';
import type { SyncNow } from './sync-now.js';

/**
 * Reconciles a `PartialKMSVaultSecret`: its status and its deletion. A partial is never written on its own; with
 * our finalizer it stays until every includer has removed its keys from Vault.
 */
@injectable()
export class PartialReconciler {
  constructor(
    @inject(TOKENS.cache) private readonly cache: ResourceCache,
    @inject(TOKENS.resources) private readonly client: ResourceClient,
    @inject(TOKENS.aggregator) private readonly aggregator: SecretAggregator,
    @inject(TOKENS.syncNow) private readonly syncNow: SyncNow,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.partialReview) private readonly review: PartialReview,
    @inject(TOKENS.announcer) private readonly announcer: Announcer,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.queue) private readonly requeue: Requeue,
  ) {}

  /** @throws KubeError when the API server cannot be reached, WriteGateClosedError on a standby. */
  async reconcile(partial: PartialKMSVaultSecret): Promise<Outcome> {
    const { namespace, name } = partial.metadata;
    const includers = this.cache.includersOf(namespace, name);
    if (isWithdrawn(partial)) return await this.withdraw(partial, includers);
    if (partial.metadata.deletionTimestamp !== undefined) {
      const message =
        'It is being deleted and counts as missing; another finalizer than that of the operator keeps it';
      await this.report(partial, 'Withdrawing', message, includers.length);
      return { result: 'synced' };
    }
    const checked = checkPartialSpec(partial.spec);
    const problems = checked.ok ? [] : checked.problems.map(({ field, problem }) => `${field} ${problem}`);
    this.announcer.warnings(
      partial,
      problems.length === 0
        ? []
        : [{ reason: 'InvalidSpec', message: listNames(problems, 5, checked.ok ? 0 : checked.total) }],
    );
    const waitsFor = this.unsynced(partial, includers);
    const found = await this.review.problemOf(partial, includers);
    if (found === undefined) {
      await this.report(partial, 'Valid', capital(includedBy(includers.length)), includers.length);
    } else await this.report(partial, 'Invalid', found, includers.length);
    // Not an edit: that would end the backoff of an includer that waits for Vault or KMS.
    for (const includer of waitsFor) this.requeue.add(keyOf(includer), 'resync');
    return { result: waitsFor.length > 0 ? 'waiting' : 'synced' };
  }

  /**
   * Includers that still have to answer the request of the partial for a sync. Those that are suspended or being
   * deleted do not sync.
   */
  private unsynced(
    partial: PartialKMSVaultSecret,
    includers: readonly KMSVaultSecret[],
  ): readonly KMSVaultSecret[] {
    const value = this.syncNow.pending(partial);
    if (value === undefined) return [];
    const missing = includers.filter(
      (includer) =>
        includer.metadata.deletionTimestamp === undefined &&
        !isSuspended(includer.spec) &&
        !this.syncNow.hasAnswered(includer, partial, value),
    );
    if (missing.length === 0) this.syncNow.answerPartial(partial, value);
    return missing;
  }

  private async report(
    partial: PartialKMSVaultSecret,
    reason: PartialReason,
    message: string,
    includers: number,
  ): Promise<void> {
    const handled = this.syncNow.lastAnswered(partial.metadata.uid);
    await this.client.updateStatus(refOf(partial), (current) => ({
      ...partialStatus(current, partial, { reason, message, includedBy: includers }, this.clock.now()),
      ...(handled === undefined ? {} : { lastHandledReconcileAt: handled }),
    }));
  }

  private async withdraw(
    partial: PartialKMSVaultSecret,
    includers: readonly KMSVaultSecret[],
  ): Promise<Outcome> {
    const blocked: KMSVaultSecret[] = [];
    const suspended: KMSVaultSecret[] = [];
    let waiting = false;
    for (const includer of includers) {
      const state = await this.stateOf(includer);
      if (state === 'blocked') blocked.push(includer);
      if (state === 'suspended') suspended.push(includer);
      if (state === 'unseen') this.requeue.add({ ...keyOf(includer), kind: SECRET_KIND }, 'edit');
      if (state === 'unseen' || state === 'pending') waiting = true;
    }
    if (waiting) {
      const message = `Its keys are being removed from Vault; it is ${includedBy(includers.length)}`;
      await this.report(partial, 'Withdrawing', message, includers.length);
      return { result: 'waiting' };
    }
    if (suspended.length > 0) {
      const names = listNames(suspended.map(qualifiedName));
      const message =
        `Its keys stay in Vault at the paths of ${names}, where spec.suspend is true; it stays until they are resumed, ` +
        `or until its finalizer ${DELETE_FINALIZER} is removed`;
      this.announcer.warnings(partial, [{ reason: 'DeletionFailed', message }]);
      await this.report(partial, 'Withdrawing', message, includers.length);
      return { result: 'suspended' };
    }
    if (blocked.length > 0) {
      const names = listNames(blocked.map(qualifiedName));
      const message = `Its keys stay in Vault at the paths of ${names}, which cannot be written now`;
      this.announcer.normal(partial, 'SecretKept', message);
    }
    const { outcome } = await this.client.removeFinalizer(refOf(partial));
    if (outcome !== 'forbidden') return { result: 'synced' };
    const message =
      'the operator is not allowed to remove its finalizer: grant it patch on partialkmsvaultsecrets';
    this.announcer.warnings(partial, [{ reason: 'DeletionFailed', message }]);
    await this.report(partial, 'Withdrawing', message, includers.length);
    return { result: 'waiting' };
  }

  /** The state of an includer with its current inputs, without the keys of this partial. */
  private async stateOf(includer: KMSVaultSecret): Promise<SyncState | 'unseen' | 'suspended'> {
    const { uid, generation, deletionTimestamp } = includer.metadata;
    if (deletionTimestamp !== undefined) return 'blocked';
    if (isSuspended(includer.spec)) return this.mayHaveWritten(includer) ? 'suspended' : 'synced';
    const checked = checkSecretSpec(includer.spec);
    const place = placeOf(includer);
    if (!checked.ok || place === undefined) return 'blocked';
    const last = this.memory.lastSync(uid, place);
    if (last === undefined || last.inputs.generation !== generation) return 'unseen';
    if (last.inputs.inputsHash === undefined) return last.state;
    const aggregate = await this.aggregator.aggregate(includer);
    const current = inputsHash(place.path, checked.spec.kvSettings, aggregate);
    return last.inputs.inputsHash === current ? last.state : 'unseen';
  }

  /** Memory knows of a write that could not be reported. */
  private mayHaveWritten({ metadata: { uid }, status }: KMSVaultSecret): boolean {
    const { memory } = this;
    const isReported = status?.created === true || status?.claim !== undefined;
    return isReported || memory.held(uid) !== undefined || memory.claim(uid) !== undefined;
  }
}

function includedBy(includers: number): string {
  if (includers === 0) return 'included by no KMSVaultSecret';
  return `included by ${String(includers)} KMSVaultSecret${includers === 1 ? '' : 's'}`;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
