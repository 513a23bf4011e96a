import { createHash } from 'node:crypto';

import { inject, injectable } from 'tsyringe';

import { printable } from '../api/printable.js';
import type { Logger } from '../observability/logger.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Finding } from '../queue/outcome.js';
import type { Clock } from '../runtime/clock.js';
import { LogOnce } from '../runtime/log-once.js';
import { StaleCacheError } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import type { KvReading, KvSecret } from '../vault/kv-store.js';
import { VaultError } from '../vault/vault-error.js';
import type { Announcer } from './announcer.js';
import { SupersededError } from './entitlement.js';
import { isOurs } from './known-state.js';
import type { SyncMemory } from './sync-memory.js';
import type { SyncRequest, SyncResult } from './sync-request.js';
import {
  actsOnWrites,
  isShownBy,
  metadataChange,
  wantedMetadata,
  type WantedMetadata,
} from './wanted-metadata.js';

/** With OpenBao's check-and-set for metadata another client may win a race; Vault has none. */
const MAX_RACES = 3;
/** A permission that only provenance lacks is not asked for at every resync. */
const DENIED_FOR_MS = 3_600_000;

/** The metadata of one secret during one sync. */
export interface MetadataStep {
  /**
   * Right before the data are written, when the resource may write them: what acts at the time of that write. Never
   * keeps the data from being written.
   *
   * @throws whatever the guard throws.
   */
  prepare(reading: KvReading | 'unknown', signal?: AbortSignal): Promise<void>;
  /**
   * After the data are in Vault: the rest. A result without a value of this resource in Vault is returned unchanged.
   *
   * @throws VaultError (retry `soon`) when nothing was written and nothing is known to have changed. Whatever the guard
   *   throws.
   */
  finish(reading: KvReading | 'unknown', result: SyncResult, signal?: AbortSignal): Promise<SyncResult>;
}

const NOTHING_WANTED: MetadataStep = {
  prepare: () => Promise.resolve(),
  finish: (_reading, result) => Promise.resolve(result),
};

/** Keeps the metadata of v2 secrets as `spec.kvSettings.metadata` and `--provenance` ask. */
@injectable()
export class MetadataSync {
  private readonly said = new LogOnce();

  constructor(
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.announcer) private readonly announcer: Announcer,
    @inject(TOKENS.provenance) private readonly provenance: boolean,
    @inject(TOKENS.metrics) private readonly metrics: Pick<OperatorMetrics, 'driftRepairs'>,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
  ) {}

  /** For a request whose path the resource owns. */
  begin(request: SyncRequest, kv: KvSecret): MetadataStep {
    const wanted = wantedMetadata(request.secret, this.provenance);
    if (wanted === undefined || kv.engine !== 'v2') return NOTHING_WANTED;
    const { uid } = request.secret.metadata;
    const { place } = request;
    let isDone = false;
    let refused: VaultError | undefined;
    return {
      prepare: async (reading, signal) => {
        if (isDone || !this.goesFirst(request, wanted, reading)) return;
        try {
          await this.apply(request, kv, wanted, signal);
          isDone = true;
          refused = undefined;
        } catch (error) {
          if (!(error instanceof VaultError)) throw error;
          refused = error;
        }
      },
      finish: async (reading, result, signal) => {
        const isThere = reading === 'unknown' || result.version !== undefined;
        if (isDone || result.state !== 'synced' || !result.claims || !isThere) return result;
        if (this.isDenied(request, wanted)) return result;
        if (isShownBy(reading, wanted)) {
          this.memory.noteMetadata(uid, place, { wanted: hashOf(wanted) });
          return result;
        }
        try {
          // The same answer would come again.
          if (refused?.isDenied === true) throw refused;
          const done = await this.apply(request, kv, wanted, signal);
          if (wanted.fromSpec) this.report(request, result, done);
          return result;
        } catch (error) {
          if (!(error instanceof VaultError)) return afterRefusal(result, error);
          return wanted.fromSpec
            ? withFailure(request, result, error)
            : this.withoutProvenance(request, result, error);
        }
      },
    };
  }

  /**
   * Metadata of a secret that is never written must not be left behind, nor may that of a foreign one change: only
   * metadata that is there and belongs to this resource, or what the first version needs, goes before the data.
   */
  private goesFirst(request: SyncRequest, wanted: WantedMetadata, reading: KvReading | 'unknown'): boolean {
    if (!actsOnWrites(wanted)) return false;
    if (reading !== 'unknown' && reading.state === 'absent') {
      return (wanted.deleteVersionAfterSeconds ?? 0) > 0;
    }
    return isOurs(request, this.memory);
  }

  /** @returns what was done, and remembers that Vault has the wanted metadata. */
  private async apply(
    request: SyncRequest,
    kv: KvSecret,
    wanted: WantedMetadata,
    signal?: AbortSignal,
  ): Promise<'nothing' | 'update' | 'drift'> {
    const { secret, place, guard } = request;
    const { uid } = secret.metadata;
    const hash = hashOf(wanted);
    const known = this.memory.metadata(uid, place);
    let wrote = false;
    for (let race = 0; ; race += 1) {
      const current = await kv.readMetadata?.(signal);
      const change = metadataChange(wanted, current);
      if (change === undefined) break;
      try {
        await kv.writeMetadata?.(change, { guard: guard.send, signal });
        wrote = true;
        break;
      } catch (error) {
        const mayBeRace =
          error instanceof VaultError && error.failure === 'rejected' && change.revision !== undefined;
        if (!mayBeRace || race >= MAX_RACES) throw error;
        const now = await kv.readMetadata?.(signal);
        if (now?.revision === change.revision) throw error;
      }
    }
    this.memory.noteMetadata(uid, place, { wanted: hash });
    if (!wrote) return 'nothing';
    return known?.wanted === hash ? 'drift' : 'update';
  }

  private report({ secret, place }: SyncRequest, result: SyncResult, done: string): void {
    if (done === 'drift') {
      this.metrics.driftRepairs.inc();
      const message = `Restored the metadata of ${place.path}, which another client had changed in Vault`;
      this.announcer.normal(secret, 'DriftRepaired', message);
    } else if (done === 'update' && result.wrote === undefined) {
      const name = printable(secret.metadata.name);
      this.announcer.normal(
        secret,
        'SecretUpdated',
        `Updated the metadata of secret ${name} at ${place.path}`,
      );
    }
  }

  private isDenied({ secret, place, asked }: SyncRequest, wanted: WantedMetadata): boolean {
    if (wanted.fromSpec || asked.size > 0) return false;
    const deniedAtMs = this.memory.metadata(secret.metadata.uid, place)?.deniedAtMs;
    return deniedAtMs !== undefined && this.clock.monotonicMs() - deniedAtMs < DENIED_FOR_MS;
  }

  /** Who reads Vault's UI misses a hint; the resource is as its author wants it. */
  private withoutProvenance(
    { secret, place }: SyncRequest,
    result: SyncResult,
    error: VaultError,
  ): SyncResult {
    // After an outage, the next resync tries again.
    if (error.retry === 'soon') return result;
    this.memory.noteMetadata(secret.metadata.uid, place, { deniedAtMs: this.clock.monotonicMs() });
    const mount = place.path.replace(/\/data\/.*$/, '');
    if (this.said.isNew(mount)) {
      const text =
        'the origin of secrets is not recorded in Vault (--provenance); grant create, read and update on their ' +
        'metadata/ paths';
      this.logger.warn(text, { mount, path: place.path, problem: error.message });
    }
    return result;
  }
}

/** The data are in Vault, the metadata are not. */
function withFailure({ place, known }: SyncRequest, result: SyncResult, error: VaultError): SyncResult {
  const isSoon = error.retry === 'soon';
  // An outage is no state of a resource that is unchanged.
  if (isSoon && result.wrote === undefined && known.created) throw error;
  const metadataPath = place.path.replace('/data/', '/metadata/');
  const advice = error.isDenied
    ? `; grant create, read and update on ${error.facts.path ?? metadataPath}, or remove spec.kvSettings.metadata`
    : '';
  const finding: Finding = {
    reason: error.reason,
    message: `the values are in Vault, but the metadata are not as described: ${error.message}${advice}`,
  };
  const { retryAfterMs } = error;
  return {
    ...result,
    findings: [...result.findings, finding],
    ...(isSoon ? { retrySoon: retryAfterMs === undefined ? {} : { afterMs: retryAfterMs } } : {}),
  };
}

/** The write of the data must be reported, although the guard stops the metadata. */
function afterRefusal(result: SyncResult, error: unknown): SyncResult {
  if (result.wrote === undefined) throw error;
  // The change that ended the entitlement is reconciled anyway.
  if (error instanceof SupersededError) return result;
  if (error instanceof StaleCacheError) return { ...result, retrySoon: {} };
  throw error;
}

function hashOf({ provenance, customMetadata, ...rest }: WantedMetadata): string {
  const text = JSON.stringify([rest, [...(customMetadata ?? [])].sort(), [...provenance]]);
  return createHash('sha256').update(text).digest('base64');
}
