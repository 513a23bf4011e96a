import type { Mount, Mounts } from './mounts.js';
import { VaultError } from './vault-error.js';

/**
 * What is known about the mount of one secret. The mount may have been replaced since it was looked up, and a request
 * for the wrong engine would store wrong data or destroy versions: nothing is changed until the mount is verified.
 */
export class MountCheck {
  /** Since when the mount may be another one; undefined: it is verified. See {@link Mounts.moment}. */
  private unverifiedAt: number | undefined;

  constructor(
    private readonly deps: { readonly mounts: Mounts; readonly mount: Mount; readonly path: string },
  ) {}

  /** Vault refused a request as it does when the mount has been replaced: it is looked up for every secret again. */
  invalidate(): void {
    this.requireCheck();
    this.deps.mounts.forget(this.deps.mount);
  }

  /**
   * The answer does not confirm the engine: a secret that is not there looks the same in another engine, and one that
   * may not be read shows nothing. The cached mount stays for other secrets.
   */
  requireCheck(): void {
    this.unverifiedAt = this.deps.mounts.moment();
  }

  /**
   * Looks the mount up again if it is unverified; see {@link Mounts.ofSince}.
   *
   * @throws VaultError `engine-mismatch` when another engine is mounted there now; `unavailable` when the path belongs to
   *   another mount: the reconcile must start over.
   */
  async verify(signal?: AbortSignal): Promise<void> {
    if (this.unverifiedAt === undefined) return;
    const { mounts, mount, path } = this.deps;
    const now = await mounts.ofSince(this.unverifiedAt, path, mount, signal);
    if (now.engine !== mount.engine) {
      const found = now.engine === undefined ? `a ${now.type} mount` : `a K/V ${now.engine} mount`;
      throw new VaultError('engine-mismatch', `${now.path} is now ${found}`, { path });
    }
    if (now.path !== mount.path) {
      throw new VaultError('unavailable', `the mount of ${path} was replaced in the meantime`, { path });
    }
    this.unverifiedAt = undefined;
  }

  /**
   * Always looks the mount up again, for a request without a preceding read. A forbidden look-up (no such mount, or no
   * permission on it) is ignored: Vault then refuses the request itself.
   *
   * @throws VaultError as {@link verify}.
   */
  async confirm(signal?: AbortSignal): Promise<void> {
    this.requireCheck();
    try {
      await this.verify(signal);
    } catch (error) {
      if (!(error instanceof VaultError) || !error.isDenied) throw error;
    }
  }
}
