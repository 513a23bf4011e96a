import { inject, injectable } from 'tsyringe';

import { OperatorError } from '../api/errors.js';
import { DELETE_FINALIZER, SECRET_KIND } from '../api/group.js';
import { printable } from '../api/printable.js';
import { keyOf, refOf } from '../api/resource-key.js';
import type { KMSVaultSecret } from '../api/resources.js';
import { isSuspended } from '../api/validation.js';
import { KmsError } from '../kms/kms-error.js';
import type { ResourceClient } from '../kube/resource-store.js';
import type { Outcome } from '../queue/outcome.js';
import type { Clock } from '../runtime/clock.js';
import type { FreshWork } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import type { KvSecret, KvStore, SendGuard } from '../vault/kv-store.js';
import { VaultError, type VaultFailure } from '../vault/vault-error.js';
import type { Announcer } from './announcer.js';
import type { CacheView } from './cache-view.js';
import {
  keepsHistory,
  manualDeleteCommand,
  type DeletionPlanner,
  type DeletionPlan,
  type KeptPlace,
} from './deletion-planner.js';
import { type Entitlement, SupersededError } from './entitlement.js';
import { type PathOwnership, qualifiedName } from './path-ownership.js';
import type { Place } from './place.js';
import type { RemovalCheck, RemovalVerdict } from './removal-check.js';
import { statusOf } from './secret-status.js';
import type { Suspension } from './suspension.js';
import type { SyncMemory } from './sync-memory.js';
import type { UnseenOwners } from './unseen-owners.js';

/** The meaning of a failed removal: if there is nothing of ours to remove, the finalizer is removed. */
const AFTER_FAILED_REMOVAL: Readonly<
  Record<VaultFailure, 'release' | 'mount-is-gone' | 'ask-whether-mount-is-gone' | 'wait'>
> = {
  'engine-mismatch': 'release',
  'mount-gone': 'mount-is-gone',
  // Vault answers the same for a missing mount and for a missing permission.
  forbidden: 'ask-whether-mount-is-gone',
  rejected: 'wait',
  unavailable: 'wait',
};

/** Another resource names the place and takes its value over. */
class SuccessorError extends Error {
  constructor(readonly successor: KMSVaultSecret) {
    super('another resource has the same path');
    this.name = 'SuccessorError';
  }
}

/**
 * Handles a `KMSVaultSecret` that is being deleted. A value is removed from Vault only if the resource has our
 * finalizer and the value is proven to belong to it. Other finalizers are never touched.
 */
@injectable()
export class FinalizerHandler {
  constructor(
    @inject(TOKENS.resources) private readonly client: ResourceClient,
    @inject(TOKENS.kvStore) private readonly store: KvStore,
    @inject(TOKENS.planner) private readonly planner: DeletionPlanner,
    @inject(TOKENS.removalCheck) private readonly check: RemovalCheck,
    @inject(TOKENS.ownership) private readonly ownership: PathOwnership,
    @inject(TOKENS.entitlement) private readonly entitlement: Entitlement,
    @inject(TOKENS.unseenOwners) private readonly unseenOwners: UnseenOwners,
    @inject(TOKENS.suspension) private readonly suspension: Suspension,
    @inject(TOKENS.freshness) private readonly view: CacheView,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.announcer) private readonly announcer: Announcer,
    @inject(TOKENS.clock) private readonly clock: Clock,
  ) {}

  /**
   * @param resource with a `deletionTimestamp`.
   * @throws KubeError when the API server cannot be reached.
   */
  async handle(resource: KMSVaultSecret, signal?: AbortSignal): Promise<Outcome> {
    const work = this.view.begin(resource.metadata.namespace);
    // The status decides what may be removed, so use the live object, not a cached one that may be stale.
    const fresh = hasFinalizer(resource) ? await this.client.fetch(keyOf(resource)) : resource;
    if (fresh?.kind !== SECRET_KIND || !hasFinalizer(fresh)) {
      // The finalizer was removed by hand, or the resource is gone: forget it.
      this.memory.forget(resource.metadata.uid);
      this.announcer.forget(resource.metadata.uid);
      return { result: 'deleted' };
    }
    if (fresh.metadata.deletionTimestamp === undefined) return { result: 'deleted' };
    if (isSuspended(fresh.spec)) return await this.suspension.holdDeletion(fresh);
    await this.suspension.end(fresh);
    if (this.memory.wasDeleted(fresh.metadata.uid)) return await this.releaseFinalizer(fresh);
    let plan: DeletionPlan;
    try {
      plan = await this.planner.plan(fresh, signal);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      return await this.retryPlanning(fresh, error);
    }
    if (plan.kind === 'keep') return await this.release(fresh, plan.why, plan.kept);
    return await this.remove(fresh, plan, work, signal);
  }

  private async remove(
    secret: KMSVaultSecret,
    { place, kept }: DeletionPlan & { kind: 'remove' },
    work: FreshWork,
    signal?: AbortSignal,
  ): Promise<Outcome> {
    const { uid } = secret.metadata;
    let begun = false;
    let verdict: RemovalVerdict;
    const guard = (): void => {
      work.assertFresh();
      if (this.entitlement.isSuspended(secret)) throw new SupersededError();
      const successor = this.ownership.liveAt(place.path).find(({ metadata }) => metadata.uid !== uid);
      if (successor !== undefined) throw new SuccessorError(successor);
      begun = true;
    };
    try {
      guard();
      begun = false;
      const kv = await this.store.open(place.path, place.engine, signal);
      verdict = await this.check.look(secret, place, kv, signal);
      if (verdict.do === 'remove')
        await this.removeValue({ secret, place, marked: verdict.marked }, kv, { guard, signal });
    } catch (error) {
      if (error instanceof SuccessorError) {
        const heir = qualifiedName(error.successor);
        this.unseenOwners.note(place);
        const why = `${heir} has the same path, ${place.path}, and takes it over`;
        return await this.release(secret, why, kept);
      }
      if (error instanceof SupersededError) return await this.suspension.holdDeletion(secret);
      if (error instanceof KmsError) return await this.retryPlanning(secret, error);
      if (!(error instanceof VaultError)) throw error;
      return await this.notRemoved(secret, place.path, kept, error, signal);
    } finally {
      // A resource that took the path over while the request was in flight may have lost its value: reconcile it.
      const { entitlement } = this;
      if (begun && entitlement.isTaken(secret, place)) entitlement.handOver(secret, place);
    }
    if (verdict.do === 'keep') {
      this.reportKept(secret, [{ place, why: verdict.why }, ...kept]);
      return await this.releaseFinalizer(secret);
    }
    this.memory.noteDeleted(uid);
    this.announcer.normal(secret, 'SecretDeleted', removedText(secret, place, verdict.do === 'remove'));
    this.reportKept(secret, kept);
    return await this.releaseFinalizer(secret);
  }

  private async removeValue(
    removal: { readonly secret: KMSVaultSecret; readonly place: Place; readonly marked: boolean },
    kv: KvSecret,
    { guard, signal }: { readonly guard: SendGuard; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    let sent = false;
    try {
      const options = {
        guard: (): void => {
          guard();
          sent = true;
        },
        signal,
      };
      const { secret, place } = removal;
      if (keepsHistory(secret, place) && kv.removeLatest !== undefined) await kv.removeLatest(options);
      else await kv.remove(options);
    } catch (error) {
      const refused = error instanceof VaultError && error.hadNoEffect;
      if (!(error instanceof SuccessorError)) await this.check.failed(removal, !sent || refused);
      throw error;
    }
  }

  private async notRemoved(
    secret: KMSVaultSecret,
    path: string,
    kept: readonly KeptPlace[],
    error: VaultError,
    signal?: AbortSignal,
  ): Promise<Outcome> {
    const next = AFTER_FAILED_REMOVAL[error.failure];
    if (next === 'release') return await this.release(secret, error.message, kept);
    const asks = next === 'ask-whether-mount-is-gone';
    if (next === 'mount-is-gone' || (asks && (await this.mountIsGone(path, signal)))) {
      return await this.release(secret, `the mount of ${path} no longer exists in Vault`, kept);
    }
    const advice = error.isOutage
      ? ''
      : `; to delete the resource and keep the value, remove the finalizer ${DELETE_FINALIZER} ` +
        'from its metadata.finalizers (kubectl edit)';
    const isLost = error.facts.operation === 'delete' && !error.hadNoEffect;
    const stays = isLost ? 'may still be in Vault' : 'is still in Vault';
    return await this.wait(secret, `${path} ${stays}: ${error.message}${advice}`, error);
  }

  private async retryPlanning(secret: KMSVaultSecret, error: OperatorError): Promise<Outcome> {
    return await this.wait(secret, `cannot determine yet what it wrote to Vault: ${error.message}`, error);
  }

  /** Keeps the resource, reports why, and tries again. */
  private async wait(secret: KMSVaultSecret, message: string, error: OperatorError): Promise<Outcome> {
    this.announcer.warnings(secret, [{ reason: 'DeletionFailed', message }]);
    await this.reportDeleting(secret, message);
    return failed(message, error.retryAfterMs);
  }

  private async mountIsGone(path: string, signal?: AbortSignal): Promise<boolean> {
    try {
      return await this.store.mountIsGone(path, signal);
    } catch (failure) {
      if (failure instanceof VaultError) return false;
      throw failure;
    }
  }

  private async release(
    secret: KMSVaultSecret,
    why: string,
    kept: readonly KeptPlace[] = [],
  ): Promise<Outcome> {
    this.announcer.normal(secret, 'SecretKept', `Nothing was deleted from Vault: ${why}`);
    this.reportKept(secret, kept);
    return await this.releaseFinalizer(secret);
  }

  private reportKept(secret: KMSVaultSecret, kept: readonly KeptPlace[]): void {
    for (const { place, why } of kept) {
      const message = `${printable(place.path)} stays in Vault: ${why}; to delete it by hand: ${manualDeleteCommand(place, keepsHistory(secret, place))}`;
      this.announcer.normal(secret, 'SecretKept', message);
    }
  }

  private async releaseFinalizer(secret: KMSVaultSecret): Promise<Outcome> {
    const { outcome } = await this.client.removeFinalizer(refOf(secret));
    if (outcome !== 'forbidden') {
      this.memory.forget(secret.metadata.uid);
      return { result: 'deleted' };
    }
    const message = `the operator is not allowed to remove the finalizer ${DELETE_FINALIZER}: grant it patch on kmsvaultsecrets`;
    this.announcer.warnings(secret, [{ reason: 'DeletionFailed', message }]);
    await this.reportDeleting(secret, message);
    return failed(message);
  }

  private async reportDeleting(secret: KMSVaultSecret, message: string): Promise<void> {
    await this.client.updateStatus(refOf(secret), (current, latest) =>
      statusOf(current, latest as KMSVaultSecret, [{ reason: 'Deleting', message }], this.clock.now()),
    );
  }
}

function removedText(secret: KMSVaultSecret, place: Place, wasThere: boolean): string {
  const { path } = place;
  if (!keepsHistory(secret, place)) {
    return wasThere ? `Deleted ${path} from Vault` : `${path} no longer exists in Vault`;
  }
  return wasThere
    ? `Deleted the current version of ${path} from Vault; older versions and the metadata stay`
    : `${path} has no current version in Vault any more`;
}

/** The outcome while the status reports `Deleting`. */
function failed(message: string, afterMs?: number): Outcome {
  return {
    result: 'error',
    findings: [{ reason: 'Deleting', message }],
    ...(afterMs === undefined ? {} : { afterMs }),
  };
}

function hasFinalizer({ metadata }: KMSVaultSecret): boolean {
  return (metadata.finalizers ?? []).includes(DELETE_FINALIZER);
}
