import { inject, injectable } from 'tsyringe';

import type { EngineVersion } from '../api/resources.js';
import { parseVaultPath } from '../api/vault-path.js';
import { TOKENS } from '../tokens.js';
import { Mounts } from './mounts.js';
import { VaultError } from './vault-error.js';
import type { SessionRequests } from './vault-request.js';

/** Where a secret is, as a `KMSVaultSecret` says it. */
export interface KvLocation {
  /** `spec.path`: on v2 with the `data/` segment. */
  readonly path: string;
  readonly engine: EngineVersion;
}

/** Finds the engine of a path as the operator does, by the look-up of its mount. */
@injectable()
export class KvLocator {
  private readonly mounts: Mounts;

  constructor(@inject(TOKENS.vaultSession) session: SessionRequests) {
    this.mounts = new Mounts(session);
  }

  /**
   * @param raw a path as `vault kv get` takes it, or as `spec.path` spells it. On v2 a path that begins with `data/`
   *   behind the mount is the latter.
   * @throws VaultError `forbidden`, `engine-mismatch` when it is not K/V, `rejected` for a path that is not allowed.
   */
  async locate(raw: string, signal?: AbortSignal): Promise<KvLocation> {
    const parsed = parseVaultPath(raw);
    if (!parsed.ok) throw new VaultError('rejected', `the path ${parsed.problem}`);
    const { path } = parsed;
    const mount = await this.mounts.of(path, signal);
    if (mount.engine === undefined)
      throw new VaultError(
        'engine-mismatch',
        `${mount.path} is mounted as ${mount.type}, not as a K/V engine`,
      );
    const inMount = path.slice(mount.path.length + 1);
    if (mount.engine === 'v1' || /^data\/./.test(inMount)) return { path, engine: mount.engine };
    return { path: `${mount.path}/data/${inMount}`, engine: mount.engine };
  }
}
