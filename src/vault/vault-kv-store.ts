import { inject, injectable } from 'tsyringe';

import type { EngineVersion } from '../api/resources.js';
import { parseVaultPath } from '../api/vault-path.js';
import { TOKENS } from '../tokens.js';
import type { KvSecret, KvStore } from './kv-store.js';
import { KvV1Secret } from './kv-v1.js';
import { KvV2Secret } from './kv-v2.js';
import { MountCheck } from './mount-check.js';
import { type Mount, Mounts } from './mounts.js';
import { notFound } from './vault-answers.js';
import { VaultError } from './vault-error.js';
import type { SessionRequests } from './vault-request.js';

/** Secrets in K/V mounts of any name and depth. */
@injectable()
export class VaultKvStore implements KvStore {
  private readonly mounts: Mounts;

  private readonly session: SessionRequests;

  constructor(@inject(TOKENS.vaultSession) session: SessionRequests) {
    this.session = {
      request: async (request) => {
        try {
          return await session.request(request);
        } catch (error) {
          // After its upgrade, the mount has another engine version.
          if (error instanceof VaultError && error.facts.status === 400) this.mounts.forgetAll();
          throw error;
        }
      },
    };
    this.mounts = new Mounts(this.session);
  }

  async open(path: string, engine: EngineVersion, signal?: AbortSignal): Promise<KvSecret> {
    guard(path);
    const mount = await this.mounts.of(path, signal);
    const inMount = path.slice(mount.path.length + 1);
    const problem = mismatch(mount, engine, inMount);
    if (problem !== undefined) {
      // A corrected mount is found before the end of the period.
      this.mounts.forget(mount);
      throw new VaultError('engine-mismatch', problem, { path });
    }
    const { session } = this;
    const check = new MountCheck({ mounts: this.mounts, mount, path });
    if (engine === 'v1') return new KvV1Secret({ session, path, mount: check });
    const name = inMount.slice('data/'.length);
    return new KvV2Secret({ session, path, metadataPath: `${mount.path}/metadata/${name}`, mount: check });
  }

  async mountIsGone(path: string, signal?: AbortSignal): Promise<boolean> {
    guard(path);
    const { status, text } = await this.session.request({
      method: 'GET',
      path,
      operation: 'read',
      signal,
    });
    return status === 404 && notFound(text) === 'mount';
  }

  forgetMounts(): void {
    this.mounts.forgetAll();
  }
}

/** Checked again right before any request, so that no path of a resource reaches Vault unchecked. */
function guard(path: string): void {
  const parsed = parseVaultPath(path);
  if (!parsed.ok) throw new VaultError('engine-mismatch', `the path ${parsed.problem}`);
  if (parsed.path !== path) throw new VaultError('engine-mismatch', 'the path is not normalised');
}

function mismatch(mount: Mount, engine: EngineVersion, inMount: string): string | undefined {
  if (mount.engine === undefined) return `${mount.path} is mounted as ${mount.type}, not as a K/V engine`;
  if (mount.engine !== engine) {
    return `${mount.path} is a K/V ${mount.engine} mount, but kvSettings.engineVersion says ${engine}`;
  }
  if (inMount === '') return `${mount.path} is only a mount; add the name of a secret`;
  if (engine === 'v2' && !/^data\/./.test(inMount)) {
    return `the path lacks the data/ segment: in the K/V v2 mount ${mount.path}, use a path such as ${mount.path}/data/app`;
  }
  return undefined;
}
