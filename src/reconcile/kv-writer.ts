import { inject, injectable } from 'tsyringe';

import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Finding } from '../queue/outcome.js';
import { TOKENS } from '../tokens.js';
import type { KvReading, KvSecret, KvVersion } from '../vault/kv-store.js';
import { sameData, type SecretData } from '../vault/secret-data.js';
import { VaultError } from '../vault/vault-error.js';
import type { KeyFailure } from './key-failure.js';
import { isOurs, lastVersion } from './known-state.js';
import { decideKv2, versionOf } from './kv2-decision.js';
import type { SyncMemory } from './sync-memory.js';
import type { SyncRequest, SyncResult } from './sync-request.js';
import type { MetadataStep } from './metadata-sync.js';
import { isTrulyEmpty } from './target-data.js';
import { versionsExpire } from './wanted-metadata.js';

interface Wanted {
  readonly reading: KvReading;
  readonly target: SecretData;
  readonly failures: readonly KeyFailure[];
  /** The reading is known to match these inputs. */
  readonly vouched: boolean;
  /** See {@link SyncResult.claims}, when nothing is written. */
  readonly claims: boolean;
  /** The inputs are those of the last sync, so any difference in Vault is drift. */
  readonly sameInputs: boolean;
  readonly metadata: MetadataStep;
}

/** Writes the desired data if the rules of the engine require it. */
@injectable()
export class KvWriter {
  constructor(
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.metrics) private readonly metrics: Pick<OperatorMetrics, 'vaultWrites'>,
  ) {}

  /**
   * @returns `raced` when another client wrote in between: read and decide again. Otherwise the result, with the
   *   findings of a pinned version that blocks the write; none if the findings of the keys explain it.
   */
  async write(
    request: SyncRequest,
    kv: KvSecret,
    wanted: Wanted,
    signal?: AbortSignal,
  ): Promise<SyncResult | 'raced'> {
    const { aggregate } = request;
    const nothingKnown =
      wanted.target.size === 0 && !isTrulyEmpty(aggregate) && aggregate.withdrawn.size === 0;
    if (nothingKnown) return unchanged(wanted);
    return kv.engine === 'v1'
      ? await this.writeV1(request, kv, wanted, signal)
      : await this.writeV2(request, kv, wanted, signal);
  }

  private async writeV1(
    request: SyncRequest,
    kv: KvSecret,
    wanted: Wanted,
    signal?: AbortSignal,
  ): Promise<SyncResult> {
    const { guard } = request;
    const { reading, target, vouched } = wanted;
    const present = reading.state === 'live' ? reading.data : new Map<string, string>();
    if (vouched || (reading.state === 'live' && sameData(present, target))) return unchanged(wanted);
    if (target.size === 0) {
      // v1 has no empty secrets, and a value that this resource never wrote must not be deleted.
      if (reading.state === 'absent' || !isOurs(request, this.memory)) return unchanged(wanted);
      await kv.remove({ guard: guard.send, signal });
    } else {
      await request.claim(reading);
      await kv.write(target, undefined, { guard: guard.send, signal });
    }
    this.metrics.vaultWrites.inc({ engine: 'v1' });
    return written(wanted, {});
  }

  private async writeV2(
    request: SyncRequest,
    kv: KvSecret,
    wanted: Wanted,
    signal?: AbortSignal,
  ): Promise<SyncResult | 'raced'> {
    const { secret } = request;
    const { reading, target, failures, vouched } = wanted;
    const { casIndex } = secret.spec.kvSettings;
    const decision = decideKv2({
      casIndex,
      reading,
      target,
      vouched,
      lastVersion: lastVersion(request, this.memory),
    });
    const current = reading.state === 'absent' ? undefined : reading.version;
    if (decision.action === 'none') {
      return { ...unchanged(wanted), ...(current === undefined ? {} : { version: current }) };
    }
    if (decision.action === 'stale') {
      return blocked([staleFinding(request, decision.current, decision.wouldDo)], failures);
    }
    if (casIndex !== undefined && !mayUseUpAVersion(request, failures)) return blocked([], failures);
    await request.claim(reading);
    await wanted.metadata.prepare(reading, signal);
    const version = await this.checkAndSet(
      request,
      kv,
      { target, cas: decision.cas, before: reading },
      signal,
    );
    if (version === 'raced') return 'raced';
    this.metrics.vaultWrites.inc({ engine: 'v2' });
    // What Vault deletes because the resource asks for it is nobody's change.
    const isExpired = reading.state === 'deleted' && versionsExpire(secret);
    return written(isExpired ? { ...wanted, sameInputs: false } : wanted, {
      ...(version === undefined ? {} : { version }),
      ...(decision.replaces === undefined ? {} : { replacedVersion: decision.replaces }),
    });
  }

  /** Vault answers 400 for a wrong version and for other errors of a write; a second read tells which. */
  private async checkAndSet(
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

function unchanged({ claims, failures }: Wanted): SyncResult {
  return { state: 'synced', claims, findings: [], failures };
}

function written(
  { reading, target, failures, sameInputs }: Wanted,
  facts: Pick<SyncResult, 'version' | 'replacedVersion'>,
): SyncResult {
  // Equal data is written to keep index and version in step; this is not drift.
  const inStep = reading.state === 'live' && sameData(reading.data, target);
  const wrote = sameInputs && !inStep ? 'drift' : 'update';
  return { state: 'synced', claims: true, findings: [], failures, wrote, ...facts };
}

/** The write is blocked until somebody changes something. */
export function blocked(findings: readonly Finding[], failures: readonly KeyFailure[]): SyncResult {
  return { state: 'blocked', claims: false, findings, failures };
}

/** An incomplete secret would use up the version of a pinned resource. */
function mayUseUpAVersion({ aggregate }: SyncRequest, failures: readonly KeyFailure[]): boolean {
  return aggregate.unusableIncludes.length === 0 && failures.every(({ isFinal }) => isFinal);
}

function staleFinding({ secret }: SyncRequest, current: number, wouldDo: number): Finding {
  const { casIndex } = secret.spec.kvSettings;
  return {
    reason: 'CasIndexStale',
    message:
      `casIndex ${String(casIndex)} cannot replace version ${String(current)}, the current one in Vault; ` +
      `set casIndex to ${String(wouldDo)}, or remove it to let the operator track versions`,
  };
}

function createdTime(reading: KvReading): string | undefined {
  return reading.state === 'absent' ? undefined : reading.version?.createdTime;
}
