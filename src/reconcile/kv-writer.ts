import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { KvReading, KvSecret, KvVersion } from '../vault/kv-store.js';
import { sameData, type SecretData } from '../vault/secret-data.js';
import { VaultError } from '../vault/vault-error.js';
import type { Finding } from './findings.js';
import type { KeyFailure } from './key-failure.js';
import { decideKv2, versionOf } from './kv2-decision.js';
import { isOurs, lastVersion } from './known-state.js';
import type { SyncMemory } from './sync-memory.js';
import type { SyncRequest } from './sync-request.js';
import { isTrulyEmpty } from './target-data.js';

/** Vault holds the target. */
export interface Written {
  readonly state: 'synced';
  readonly wrote: boolean;
  readonly version?: KvVersion;
  readonly replacedVersion?: number;
  /** Written although equal, so that index and version stay in step. */
  readonly keptInStep?: boolean;
}

export type WriteResult =
  | Written
  /** A pinned version is in the way; no finding where the ones of the keys say why. */
  | { readonly state: 'blocked'; readonly findings: readonly Finding[] }
  /** Somebody else wrote in between: read again, decide again. */
  | 'raced';

interface Wanted {
  readonly reading: KvReading;
  readonly target: SecretData;
  readonly failures: readonly KeyFailure[];
  /** The reading is known to be right for these inputs. */
  readonly vouched: boolean;
}

const UNCHANGED = { state: 'synced', wrote: false } as const;

/** Writes a target where the engine's rules say so. */
export class KvWriter {
  constructor(
    private readonly deps: {
      readonly memory: SyncMemory;
      readonly metrics: Pick<OperatorMetrics, 'vaultWrites'>;
    },
  ) {}

  async bring(
    request: SyncRequest,
    kv: KvSecret,
    wanted: Wanted,
    signal?: AbortSignal,
  ): Promise<WriteResult> {
    const { aggregate } = request;
    const nothingKnown =
      wanted.target.size === 0 && !isTrulyEmpty(aggregate) && aggregate.withdrawn.size === 0;
    if (nothingKnown) return UNCHANGED;
    return kv.engine === 'v1'
      ? await this.bringV1(request, kv, wanted, signal)
      : await this.bringV2(request, kv, wanted, signal);
  }

  private async bringV1(
    request: SyncRequest,
    kv: KvSecret,
    { reading, target, vouched }: Wanted,
    signal?: AbortSignal,
  ): Promise<WriteResult> {
    const { guard } = request;
    const present = reading.state === 'live' ? reading.data : new Map<string, string>();
    if (vouched || (reading.state === 'live' && sameData(present, target))) return UNCHANGED;
    if (target.size === 0) {
      // v1 takes no empty secret; what this resource never wrote is not its to delete.
      if (reading.state === 'absent' || !isOurs(request, this.deps.memory)) return UNCHANGED;
      await kv.remove({ guard: guard.send, signal });
    } else {
      await request.claim(reading);
      await kv.write(target, undefined, { guard: guard.send, signal });
    }
    this.deps.metrics.vaultWrites.inc({ engine: 'v1' });
    return { state: 'synced', wrote: true };
  }

  private async bringV2(
    request: SyncRequest,
    kv: KvSecret,
    { reading, target, failures, vouched }: Wanted,
    signal?: AbortSignal,
  ): Promise<WriteResult> {
    const { secret } = request;
    const { casIndex } = secret.spec.kvSettings;
    const decision = decideKv2({
      casIndex,
      reading,
      target,
      vouched,
      lastVersion: lastVersion(request, this.deps.memory),
    });
    const current = reading.state === 'absent' ? undefined : reading.version;
    if (decision.action === 'none') {
      return current === undefined ? UNCHANGED : { ...UNCHANGED, version: current };
    }
    if (decision.action === 'stale') {
      return { state: 'blocked', findings: [staleFinding(request, decision.current, decision.wouldDo)] };
    }
    if (casIndex !== undefined && !mayUseUpAVersion(request, failures))
      return { state: 'blocked', findings: [] };
    await request.claim(reading);
    const version = await this.writeV2(request, kv, { target, cas: decision.cas, before: reading }, signal);
    if (version === 'raced') return 'raced';
    this.deps.metrics.vaultWrites.inc({ engine: 'v2' });
    return {
      state: 'synced',
      wrote: true,
      ...(version === undefined ? {} : { version }),
      ...(decision.replaces === undefined ? {} : { replacedVersion: decision.replaces }),
      keptInStep: reading.state === 'live' && sameData(reading.data, target),
    };
  }

  /** Vault answers 400 to a wrong index and to other faults of a write alike: a second read tells. */
  private async writeV2(
    { guard }: SyncRequest,
    kv: KvSecret,
    { target, cas, before }: { target: SecretData; cas: number; before: KvReading },
    signal?: AbortSignal,
  ): Promise<KvVersion | undefined | 'raced'> {
    try {
      return await kv.write(target, cas, { guard: guard.send, signal });
    } catch (error) {
      if (!(error instanceof VaultError) || error.failure !== 'rejected') throw error;
      const now = await kv.read(signal);
      if (versionOf(now) === versionOf(before) && createdTime(now) === createdTime(before)) throw error;
      return 'raced';
    }
  }
}

/** The version of a pinned resource would be used up by an incomplete secret. */
function mayUseUpAVersion({ aggregate }: SyncRequest, failures: readonly KeyFailure[]): boolean {
  return (
    aggregate.unusableIncludes.length === 0 && failures.every((failure) => failure.failure === 'wrong-input')
  );
}

function staleFinding({ secret }: SyncRequest, current: number, wouldDo: number): Finding {
  const { casIndex } = secret.spec.kvSettings;
  return {
    reason: 'CasIndexStale',
    message:
      `Vault is at version ${String(current)}, which casIndex ${String(casIndex)} does not allow to replace; ` +
      `set casIndex to ${String(wouldDo)}, or remove it to let the operator track versions`,
  };
}

function createdTime(reading: KvReading): string | undefined {
  return reading.state === 'absent' ? undefined : reading.version?.createdTime;
}
