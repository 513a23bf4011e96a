import type { Mount, Mounts } from './mounts.js';
import { VaultError } from './vault-error.js';

/**
 * What is known of the mount of one secret. The mount may have been replaced since it was looked up, and
 * a request made for the other engine would be stored as it is, or destroy versions: nothing is changed
 * until that is verified.
 */
export class MountCheck {
  private isUnverified = false;

  constructor(
    private readonly deps: { readonly mounts: Mounts; readonly mount: Mount; readonly path: string },
  ) {}

  /** Vault answered 400 or 404, as it does when the mount is another one by now. */
  invalidate(): void {
    this.isUnverified = true;
    this.deps.mounts.forget(this.deps.mount);
  }

  /** The secret could not be read, so that no answer tells which engine is there; others keep the mount. */
  requireCheck(): void {
    this.isUnverified = true;
  }

  /**
   * Looks the mount up again if it is unverified.
   *
   * @throws VaultError `engine-mismatch` when another engine is mounted there by now; `unavailable` when
   *   the path belongs to another mount: everything is to be decided anew.
   */
  async verify(signal?: AbortSignal): Promise<void> {
    if (!this.isUnverified) return;
    const { mounts, mount, path } = this.deps;
    mounts.forget(mount);
    const now = await mounts.of(path, signal);
    if (now.engine !== mount.engine) {
      const found = now.engine === undefined ? `a ${now.type} mount` : `a K/V ${now.engine} mount`;
      throw new VaultError('engine-mismatch', `${now.path} is ${found} by now`, { path });
    }
    if (now.path !== mount.path) {
      throw new VaultError('unavailable', `the mount of ${path} was replaced in the meantime`, { path });
    }
    this.isUnverified = false;
  }

  /**
   * Looks the mount up again in any case, for a request that was not preceded by a read. A look-up that is
   * forbidden (no such mount, or no permission on it) holds nothing up: Vault refuses the request then.
   *
   * @throws VaultError as {@link verify}.
   */
  async confirm(signal?: AbortSignal): Promise<void> {
    this.isUnverified = true;
    try {
      await this.verify(signal);
    } catch (error) {
      if (!(error instanceof VaultError) || !error.isDenied) throw error;
    }
  }
}
