import type { Mount, Mounts } from './mounts.js';
import { VaultError } from './vault-error.js';

/**
 * What is known about the mount of one secret. The mount may have been replaced since it was looked up, and a request
 * for the wrong engine would store wrong data or destroy versions: nothing is changed until the mount is verified.
 */
export class MountCheck {
  private isUnverified = false;

  constructor(
    private readonly deps: { readonly mounts: Mounts; readonly mount: Mount; readonly path: string },
  ) {}

  /** Vault answered 400 or 404, as it does when the mount has been replaced. */
  invalidate(): void {
    this.isUnverified = true;
    this.deps.mounts.forget(this.deps.mount);
  }

  /** The secret could not be read, so the engine is not confirmed; the cached mount stays for other secrets. */
  requireCheck(): void {
    this.isUnverified = true;
  }

  /**
   * Looks the mount up again if it is unverified.
   *
   * @throws VaultError `engine-mismatch` when another engine is mounted there now; `unavailable` when the path belongs to
   *   another mount: the reconcile must start over.
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
   * Always looks the mount up again, for a request without a preceding read. A forbidden look-up (no such mount, or no
   * permission on it) is ignored: Vault then refuses the request itself.
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
