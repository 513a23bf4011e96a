import type { EngineVersion } from '../api/resources.js';
import { parseVaultPath } from '../api/vault-path.js';
import type { Clock } from '../runtime/clock.js';
import { KvV1Secret } from './kv-v1.js';
import { KvV2Secret } from './kv-v2.js';
import { isMountGone } from './kv-answers.js';
import type { KvSecret, KvStore } from './kv-store.js';
import { type Mount, Mounts } from './mounts.js';
import { VaultError } from './vault-error.js';
import type { VaultSession } from './vault-session.js';

/** Secrets in K/V mounts of any name and depth. */
export class VaultKvStore implements KvStore {
  private readonly mounts: Mounts;

  constructor(private readonly deps: { readonly session: VaultSession; readonly clock: Clock }) {
    this.mounts = new Mounts(deps.session);
  }

  async open(path: string, engine: EngineVersion, signal?: AbortSignal): Promise<KvSecret> {
    guard(path);
    const mount = await this.mounts.of(path, signal);
    const inMount = path.slice(mount.path.length + 1);
    const problem = mismatch(mount, engine, inMount);
    if (problem !== undefined) throw new VaultError('engine-mismatch', problem, { path });
    const onSurprise = (): void => {
      this.mounts.forget(mount);
    };
    return engine === 'v1'
      ? new KvV1Secret({ session: this.deps.session, path, onSurprise })
      : new KvV2Secret({
          session: this.deps.session,
          clock: this.deps.clock,
          path,
          metadataPath: `${mount.path}/metadata/${inMount.slice('data/'.length)}`,
          onSurprise,
        });
  }

  async mountIsGone(path: string, signal?: AbortSignal): Promise<boolean> {
    guard(path);
    const { status, text } = await this.deps.session.request({
      method: 'GET',
      path,
      operation: 'read',
      signal,
    });
    return isMountGone(status, text);
  }

  forgetMounts(): void {
    this.mounts.forgetAll();
  }
}

/** Asked again right before any request: no path of a resource reaches Vault unjudged. */
function guard(path: string): void {
  const parsed = parseVaultPath(path);
  if (!parsed.ok || parsed.path !== path) {
    throw new VaultError('engine-mismatch', 'the path is not one that may be sent to Vault');
  }
}

function mismatch(mount: Mount, engine: EngineVersion, inMount: string): string | undefined {
  if (mount.engine === undefined) return `${mount.path} is mounted as ${mount.type}, not as a K/V engine`;
  if (mount.engine !== engine) {
    return `${mount.path} is a K/V ${mount.engine} mount, but kvSettings.engineVersion says ${engine}`;
  }
  if (engine === 'v2' && !/^data\/./.test(inMount)) {
    return `a path in the K/V v2 mount ${mount.path} reads ${mount.path}/data/…; this one lacks data/`;
  }
  return undefined;
}
