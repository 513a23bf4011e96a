import type { Mount, Mounts } from './mounts.js';
import { VaultError } from './vault-error.js';

/**
 * What is known of the mount of one secret. A 400 or 404 puts it in doubt: the mount may have been
 * replaced since it was looked up. Nothing is written in doubt, because a body of the other engine
 * would be stored as it is, or destroy versions.
 */
export class MountCheck {
  private inDoubt = false;

  constructor(
    private readonly deps: { readonly mounts: Mounts; readonly mount: Mount; readonly path: string },
  ) {}

  doubt(): void {
    this.inDoubt = true;
    this.deps.mounts.forget(this.deps.mount);
  }

  /**
   * Looks the mount up again if it is in doubt.
   *
   * @throws VaultError `unavailable` when it is another one by now: everything is to be decided anew.
   */
  async settle(signal?: AbortSignal): Promise<void> {
    if (!this.inDoubt) return;
    const { mounts, mount, path } = this.deps;
    const now = await mounts.of(path, signal);
    if (now.path !== mount.path || now.engine !== mount.engine) {
      throw new VaultError('unavailable', `the mount of ${path} was replaced in the meantime`, { path });
    }
    this.inDoubt = false;
  }
}
