import type { KMSVaultSecret } from '../api/resources.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Priority } from '../queue/work-queue.js';
import type { KvReading, KvSecret, KvStore, KvVersion } from '../vault/kv-store.js';
import type { SecretData } from '../vault/secret-data.js';
import { VaultError } from '../vault/vault-error.js';
import { type BlindSync } from './blind-sync.js';
import { conflictFindings, decryptionFindings, type Finding, includeFindings } from './findings.js';
import type { KeyDecryption, KeyFailure } from './key-decryption.js';
import { isVersion } from './kv2-decision.js';
import { KvWriter, type WriteResult } from './kv-writer.js';
import type { Aggregate, ResolvedKey } from './secret-aggregator.js';
import type { SyncMemory } from './sync-memory.js';
import { targetData } from './target-data.js';

/** One resource, judged and aggregated, on its way to Vault. */
export interface SyncRequest {
  readonly secret: KMSVaultSecret;
  /** `spec.path`, normalised. */
  readonly path: string;
  readonly aggregate: Aggregate;
  readonly inputsHash: string;
  readonly priority: Priority;
  /** What the status says of this very path; empty when it tells of another path or nothing. */
  readonly known: KnownState;
}

export interface KnownState {
  readonly created: boolean;
  readonly inputsHash?: string;
  readonly version?: KvVersion;
  readonly failedKeys: readonly string[];
  readonly failedKeysCut: boolean;
}

export interface SyncResult {
  /** `blocked`: it may not or cannot be written until somebody changes something. */
  readonly state: 'synced' | 'blocked';
  readonly findings: readonly Finding[];
  readonly failures: readonly KeyFailure[];
  /** The v2 version written or found equal; undefined on v1 or when blocked. */
  readonly version?: KvVersion;
  /** Why a write happened, if one did. */
  readonly wrote?: 'update' | 'drift';
  /** A live version that nobody here wrote and that gave way. */
  readonly replacedVersion?: number;
}

/** Somebody else keeps writing the same secret: after so many lost races the queue's backoff takes over. */
const MAX_RACES = 5;

/**
 * Brings one secret in Vault to its desired state: read once, compare, decrypt only what cannot be
 * trusted, write only what differs.
 */
export class SecretSync {
  private readonly writer: KvWriter;

  constructor(
    private readonly deps: {
      readonly store: KvStore;
      readonly decryption: KeyDecryption;
      readonly blind: BlindSync;
      readonly memory: SyncMemory;
      readonly metrics: Pick<OperatorMetrics, 'kmsRequestsAvoided' | 'vaultWrites' | 'driftRepairs'>;
    },
  ) {
    this.writer = new KvWriter(deps);
  }

  /**
   * @throws VaultError, KmsError (class `transient`) when nothing could be decided; nothing was written
   *   then, or the write's fate is unknown and the next reconcile finds out.
   */
  async sync(request: SyncRequest, signal?: AbortSignal): Promise<SyncResult> {
    const { secret, path } = request;
    const kv = await this.deps.store.open(path, secret.spec.kvSettings.engineVersion, signal);
    for (let race = 0; race < MAX_RACES; race += 1) {
      const reading = await readIfAllowed(kv, signal);
      if (reading === 'forbidden') return await this.deps.blind.sync(request, kv, signal);
      const result = await this.attempt(request, kv, reading, signal);
      if (result !== 'raced') return result;
    }
    throw new VaultError('unavailable', 'another writer keeps changing this secret; trying again later', {
      path,
    });
  }

  private async attempt(
    request: SyncRequest,
    kv: KvSecret,
    reading: KvReading,
    signal?: AbortSignal,
  ): Promise<SyncResult | 'raced'> {
    const { aggregate, inputsHash, secret } = request;
    const { uid } = secret.metadata;
    if (reading.state !== 'absent' && reading.version !== undefined) {
      if (this.deps.memory.isStale(uid, inputsHash, reading.version))
        return this.writer.stale(request, reading);
    }
    const trusted = this.trustedData(request, reading);
    const toDecrypt =
      trusted === undefined ? [...aggregate.keys.values()] : failedOf(aggregate, trusted.failedKeys);
    const { values, failures } = await this.deps.decryption.decrypt(uid, toDecrypt, signal);
    const findings = findingsOf(aggregate, failures);
    if (trusted === undefined && aggregate.keys.size > 0 && values.size === 0) {
      return { state: 'blocked', findings, failures };
    }
    if (trusted !== undefined) this.countAvoided(aggregate, toDecrypt.length, trusted.why);
    const target =
      trusted === undefined
        ? targetData(aggregate, values, failures, reading)
        : new Map([...trusted.data, ...values]);
    const written = await this.writer.bring(
      request,
      kv,
      {
        reading,
        target,
        failures,
        vouched: trusted !== undefined && values.size === 0,
      },
      signal,
    );
    if (written === 'raced') return 'raced';
    return this.finish(request, { target, values, failures, findings, written });
  }

  private finish(
    request: SyncRequest,
    outcome: {
      target: SecretData;
      values: ReadonlyMap<string, string>;
      failures: readonly KeyFailure[];
      findings: readonly Finding[];
      written: Exclude<WriteResult, 'raced'>;
    },
  ): SyncResult {
    const { target, failures, written, values } = outcome;
    const findings = [...outcome.findings, ...written.findings];
    if (written.state === 'blocked') return { state: 'blocked', findings, failures };
    const { memory } = this.deps;
    const before = memory.fingerprint(request.secret.metadata.uid)?.inputsHash ?? request.known.inputsHash;
    const recovered = request.known.failedKeys.some((key) => values.has(key));
    memory.remember(request.secret.metadata.uid, {
      inputsHash: request.inputsHash,
      dataMac: memory.mac(target),
      failedKeys: failures.map((failure) => failure.key),
    });
    const base: SyncResult = {
      state: 'synced',
      findings,
      failures,
      ...(written.version === undefined ? {} : { version: written.version }),
    };
    if (!written.wrote) return base;
    const drift = request.known.created && before === request.inputsHash && !recovered && !written.keptInStep;
    if (drift) this.deps.metrics.driftRepairs.inc();
    return {
      ...base,
      wrote: drift ? 'drift' : 'update',
      ...(written.replacedVersion === undefined ? {} : { replacedVersion: written.replacedVersion }),
    };
  }

  /**
   * What stands in Vault, when it is known to be what these inputs give: by the keyed hash of this
   * process, or because the status names the version that stands there and the inputs it came from.
   */
  private trustedData(
    { secret, inputsHash, known }: SyncRequest,
    reading: KvReading,
  ): { data: SecretData; failedKeys: readonly string[]; why: 'unchanged' | 'vouched' } | undefined {
    if (reading.state !== 'live') return undefined;
    const { engineVersion, casIndex } = secret.spec.kvSettings;
    // A pinned resource whose index is the current version is written even when equal.
    if (engineVersion === 'v2' && casIndex !== undefined && reading.version?.version === casIndex)
      return undefined;
    const fingerprint = this.deps.memory.fingerprint(secret.metadata.uid);
    if (
      fingerprint?.inputsHash === inputsHash &&
      fingerprint.dataMac === this.deps.memory.mac(reading.data)
    ) {
      return { data: reading.data, failedKeys: fingerprint.failedKeys, why: 'unchanged' };
    }
    if (known.inputsHash === inputsHash && !known.failedKeysCut && isVersion(reading, known.version)) {
      return { data: reading.data, failedKeys: known.failedKeys, why: 'vouched' };
    }
    return undefined;
  }

  private countAvoided(aggregate: Aggregate, tried: number, why: string): void {
    const encrypted = [...aggregate.keys.values()].filter((key) => key.value.kind === 'encrypted').length;
    if (encrypted > tried) this.deps.metrics.kmsRequestsAvoided.inc({ why }, encrypted - tried);
  }
}

export function findingsOf(aggregate: Aggregate, failures: readonly KeyFailure[]): Finding[] {
  return [
    ...includeFindings(aggregate),
    ...decryptionFindings(failures),
    ...conflictFindings(aggregate.conflicts),
  ];
}

function failedOf(aggregate: Aggregate, failedKeys: readonly string[]): ResolvedKey[] {
  return failedKeys.flatMap((name) => aggregate.keys.get(name) ?? []);
}

async function readIfAllowed(kv: KvSecret, signal?: AbortSignal): Promise<KvReading | 'forbidden'> {
  try {
    return await kv.read(signal);
  } catch (error) {
    if (error instanceof VaultError && error.failure === 'forbidden') return 'forbidden';
    throw error;
  }
}
