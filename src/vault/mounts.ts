import type { EngineVersion } from '../api/resources.js';
import { SingleFlight } from '../runtime/single-flight.js';
import { answerMembers, refusal, unexpectedAnswer } from './vault-answers.js';
import { VaultError } from './vault-error.js';
import { networkFailure } from './vault-failures.js';
import type { SessionRequests } from './vault-request.js';

const OPERATION = 'mount_lookup';

export interface Mount {
  /** Without trailing slash. */
  readonly path: string;
  /** Undefined when it is not K/V. */
  readonly engine: EngineVersion | undefined;
  readonly type: string;
}

/**
 * The mount of a path, from `sys/internal/ui/mounts/<path>`, which any token with a rule on the mount may read. Answers
 * are cached per mount; mounts in Vault never nest.
 */
export class Mounts {
  private readonly known = new Map<string, Mount>();
  private readonly lookUps = new SingleFlight<Mount>();

  constructor(private readonly session: SessionRequests) {}

  /**
   * @param path normalised.
   * @throws VaultError `forbidden`: no such mount, or no permission on it; the two look the same.
   */
  async of(path: string, signal?: AbortSignal): Promise<Mount> {
    for (const mount of this.known.values()) if (path.startsWith(`${mount.path}/`)) return mount;
    return await this.lookUps.run(path, (giveUp) => this.lookUp(path, giveUp), {
      signal,
      reason: () => networkFailure('ABORTED', OPERATION),
    });
  }

  forget(mount: Mount): void {
    this.known.delete(mount.path);
  }

  forgetAll(): void {
    this.known.clear();
  }

  private async lookUp(path: string, signal: AbortSignal): Promise<Mount> {
    const operation = OPERATION;
    const answer = await this.session.request({
      method: 'GET',
      path: `sys/internal/ui/mounts/${path}`,
      operation,
      signal,
    });
    if (answer.status === 403) {
      const message = `no secrets engine is mounted for ${path}, or the token has no permission on it`;
      const retry = answer.mayPass === true ? 'soon' : 'resync';
      throw new VaultError('forbidden', message, { status: 403, operation, path }, undefined, retry);
    }
    if (answer.status !== 200) throw refusal(answer, operation, path);
    const mount = parseMount(answer.text, path);
    this.known.set(mount.path, mount);
    return mount;
  }
}

interface MountData {
  readonly path?: unknown;
  readonly type?: unknown;
  readonly options?: { readonly version?: unknown } | null;
}

/** Options that are absent or empty mean v1; `generic` is the old name of K/V v1. */
function parseMount(text: string, path: string): Mount {
  const raw = answerMembers(text, OPERATION, path).get('data') ?? 'null';
  const data = (JSON.parse(raw) ?? {}) as MountData;
  const { path: at, type } = data;
  const fits = typeof at === 'string' && /[^/]\/$/.test(at) && `${path}/`.startsWith(at);
  if (!fits || typeof type !== 'string') throw unexpectedAnswer(OPERATION, path);
  const version = data.options?.version;
  const isKv = type === 'kv' || type === 'generic';
  const engine = version === '2' || version === 2 ? 'v2' : 'v1';
  return { path: at.replace(/\/+$/, ''), type, engine: isKv ? engine : undefined };
}
