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

/** A mount as a look-up found it. */
interface KnownMount extends Mount {
  /** See {@link Mounts.moment}. */
  readonly askedAt: number;
}

/**
 * The mount of a path, from `sys/internal/ui/mounts/<path>`, which any token with a rule on the mount may read. Answers
 * are cached per mount; mounts in Vault never nest.
 */
export class Mounts {
  private readonly known = new Map<string, KnownMount>();
  private readonly lookUps = new SingleFlight<Mount>();
  private moments = 0;
  /** By mount: when its last look-up for {@link ofSince} was sent. */
  private readonly asked = new Map<string, number>();

  constructor(private readonly session: SessionRequests) {}

  /**
   * @param path normalised.
   * @throws VaultError `forbidden`: no such mount, or no permission on it; the two look the same.
   */
  async of(path: string, signal?: AbortSignal): Promise<Mount> {
    return this.knownFor(path) ?? (await this.lookUp(path, path, this.moment(), signal));
  }

  /** Orders what was learnt from Vault and the look-ups that were sent; later moments are larger. */
  moment(): number {
    this.moments += 1;
    return this.moments;
  }

  /**
   * The mount of a path by a look-up that was sent after `moment`. One look-up serves all secrets of a mount that
   * ask meanwhile: to Vault, the permission on a mount is the same for every path in it.
   *
   * @param before the mount of the path as it was known.
   * @throws VaultError as {@link of}.
   */
  async ofSince(moment: number, path: string, before: Mount, signal?: AbortSignal): Promise<Mount> {
    const known = this.knownFor(path);
    if (known !== undefined && known.askedAt > moment) return known;
    const last = this.asked.get(before.path) ?? 0;
    if (last > moment && this.lookUps.isUnderWay(keyOf(before.path, last))) {
      try {
        const shared = await this.lookUp(keyOf(before.path, last), path, last, signal);
        if (isIn(shared, path)) return shared;
      } catch (error) {
        // It names the path of another secret.
        if (signal?.aborted === true) throw error;
      }
    }
    const askedAt = this.moment();
    this.asked.set(before.path, askedAt);
    return await this.lookUp(keyOf(before.path, askedAt), path, askedAt, signal);
  }

  forget(mount: Mount): void {
    this.known.delete(mount.path);
  }

  forgetAll(): void {
    this.known.clear();
  }

  private knownFor(path: string): KnownMount | undefined {
    for (const mount of this.known.values()) if (isIn(mount, path)) return mount;
    return undefined;
  }

  /** @param key of the look-up to join if it is under way. */
  private async lookUp(key: string, path: string, askedAt: number, signal?: AbortSignal): Promise<Mount> {
    return await this.lookUps.run(key, (giveUp) => this.ask(path, askedAt, giveUp), {
      signal,
      reason: () => networkFailure('ABORTED', OPERATION),
    });
  }

  private async ask(path: string, askedAt: number, signal: AbortSignal): Promise<Mount> {
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
    const mount = { ...parseMount(answer.text, path), askedAt };
    // Answers may overtake each other.
    if ((this.known.get(mount.path)?.askedAt ?? 0) <= askedAt) this.known.set(mount.path, mount);
    return mount;
  }
}

function isIn(mount: Mount, path: string): boolean {
  return path.startsWith(`${mount.path}/`);
}

function keyOf(mount: string, askedAt: number): string {
  return `${mount}/ at ${String(askedAt)}`;
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
