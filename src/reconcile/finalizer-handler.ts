import type { AllowedPaths } from '../api/allowed-paths.js';
import { DELETE_FINALIZER, SECRET_KIND } from '../api/group.js';
import { printable } from '../api/printable.js';
import { keyOf, type ResourceKey } from '../api/resource-key.js';
import type { EngineVersion, KMSVaultSecret } from '../api/resources.js';
import { parseVaultPath } from '../api/vault-path.js';
import type { ResourceClient } from '../kube/resource-store.js';
import type { Outcome } from '../queue/work-queue.js';
import type { Clock } from '../runtime/clock.js';
import type { KvStore } from '../vault/kv-store.js';
import { VaultError } from '../vault/vault-error.js';
import type { Announcer } from './announcer.js';
import { createdPath } from './known-state.js';
import { type PathOwnership, qualifiedName } from './path-ownership.js';
import { judgedStatus } from './secret-status.js';

type Verdict =
  | { readonly kind: 'remove'; readonly path: string }
  /** The value stays in Vault and the finalizer goes. */
  | { readonly kind: 'keep'; readonly why: string };

/**
 * Handles a `KMSVaultSecret` that is being deleted. Only with our finalizer is anything removed from
 * Vault, and only what the status says this resource wrote or found equal. Other finalizers are never
 * touched.
 */
export class FinalizerHandler {
  /** uids whose value has been deleted while the finalizer could not be removed: once is enough. */
  private readonly deleted = new Set<string>();

  constructor(
    private readonly deps: {
      readonly client: ResourceClient;
      readonly store: KvStore;
      readonly ownership: PathOwnership;
      readonly allowedPaths: AllowedPaths;
      readonly announcer: Announcer;
      readonly clock: Clock;
    },
  ) {}

  /**
   * @param resource with a `deletionTimestamp`.
   * @throws KubeError when the API server cannot be reached.
   */
  async handle(resource: KMSVaultSecret, signal?: AbortSignal): Promise<Outcome> {
    if (!hasFinalizer(resource)) return { retry: 'none' };
    // What may be removed stands in the status: never judge by a copy that may be behind.
    const fresh = await this.deps.client.fetch(keyOf(resource));
    if (fresh?.kind !== SECRET_KIND || !hasFinalizer(fresh)) return { retry: 'none' };
    if (fresh.metadata.deletionTimestamp === undefined) return { retry: 'none' };
    const verdict = this.judge(fresh);
    if (verdict.kind === 'keep') return await this.release(fresh, verdict.why);
    return await this.remove(fresh, verdict.path, signal);
  }

  private judge(secret: KMSVaultSecret): Verdict {
    const written = createdPath(secret);
    if (written === undefined) return { kind: 'keep', why: 'this resource never wrote anything' };
    const parsed = parseVaultPath(written);
    if (!parsed.ok) return { kind: 'keep', why: `path ${printable(written)} ${parsed.problem}` };
    const { path } = parsed;
    if (!this.deps.allowedPaths.allows(path, secret.metadata.namespace)) {
      return { kind: 'keep', why: `path ${path} is outside --allowed-vault-paths` };
    }
    const heir = this.deps.ownership.liveAt(path).find((other) => other.metadata.uid !== secret.metadata.uid);
    if (heir !== undefined) {
      return { kind: 'keep', why: `${path} goes over to ${qualifiedName(heir)}, which names the same path` };
    }
    return { kind: 'remove', path };
  }

  private async remove(secret: KMSVaultSecret, path: string, signal?: AbortSignal): Promise<Outcome> {
    if (this.deleted.has(secret.metadata.uid)) return await this.releaseFinalizer(secret);
    try {
      const kv = await this.deps.store.open(path, engineOf(secret), signal);
      await kv.remove(signal);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      return await this.notRemoved(secret, path, error, signal);
    }
    this.deleted.add(secret.metadata.uid);
    this.deps.announcer.normal(secret, 'SecretDeleted', `Deleted ${path} from Vault`);
    return await this.releaseFinalizer(secret);
  }

  private async notRemoved(
    secret: KMSVaultSecret,
    path: string,
    error: VaultError,
    signal?: AbortSignal,
  ): Promise<Outcome> {
    if (error.failure === 'engine-mismatch') return await this.release(secret, error.message);
    if (error.failure === 'mount-gone' || (await this.mountIsGone(path, error, signal))) {
      return await this.release(secret, `the mount of ${path} is gone from Vault`);
    }
    const byHand =
      error.failure === 'unavailable'
        ? ''
        : `; to let the resource go without deleting from Vault, remove the finalizer ${DELETE_FINALIZER} ` +
          'from its metadata.finalizers (kubectl edit)';
    const message = `${path} is still in Vault: ${error.message}${byHand}`;
    this.deps.announcer.warnings(secret, [{ reason: 'DeletionFailed', message }]);
    await this.sayDeleting(secret, message);
    return {
      retry: 'soon',
      ...(error.retryAfterMs === undefined ? {} : { afterMs: error.retryAfterMs }),
    };
  }

  private async mountIsGone(path: string, error: VaultError, signal?: AbortSignal): Promise<boolean> {
    if (error.failure !== 'forbidden') return false;
    try {
      return await this.deps.store.mountIsGone(path, signal);
    } catch (failure) {
      if (failure instanceof VaultError) return false;
      throw failure;
    }
  }

  private async release(secret: KMSVaultSecret, why: string): Promise<Outcome> {
    this.deps.announcer.normal(secret, 'SecretKept', `Nothing was deleted from Vault: ${why}`);
    return await this.releaseFinalizer(secret);
  }

  private async releaseFinalizer(secret: KMSVaultSecret): Promise<Outcome> {
    const key: ResourceKey = keyOf(secret);
    const { outcome } = await this.deps.client.removeFinalizer(key);
    if (outcome !== 'forbidden') {
      this.deleted.delete(secret.metadata.uid);
      return { retry: 'none' };
    }
    const message = `the operator may not remove the finalizer ${DELETE_FINALIZER}: grant it patch on kmsvaultsecrets`;
    this.deps.announcer.warnings(secret, [{ reason: 'DeletionFailed', message }]);
    await this.sayDeleting(secret, message);
    return { retry: 'soon' };
  }

  private async sayDeleting(secret: KMSVaultSecret, message: string): Promise<void> {
    await this.deps.client.updateStatus({ ...keyOf(secret), kind: SECRET_KIND }, (current, latest) =>
      judgedStatus(
        current,
        latest as KMSVaultSecret,
        [{ reason: 'Deleting', message }],
        this.deps.clock.now(),
      ),
    );
  }
}

function hasFinalizer({ metadata }: KMSVaultSecret): boolean {
  return (metadata.finalizers ?? []).includes(DELETE_FINALIZER);
}

/** The engine may have been edited since; a version in the status says what was really written. */
function engineOf({ status, spec }: KMSVaultSecret): EngineVersion {
  if (status?.vaultVersion !== undefined) return 'v2';
  // A path without a version was written on v1; the Go operator's status has neither.
  if (status?.path !== undefined) return 'v1';
  return spec.kvSettings?.engineVersion === 'v2' ? 'v2' : 'v1';
}
