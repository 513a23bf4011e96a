import { inject, injectable } from 'tsyringe';

import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Finding } from '../queue/outcome.js';
import type { RightOfWay } from '../queue/work-queue.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import type { KvReading, KvSecret, KvStore } from '../vault/kv-store.js';
import type { SecretData } from '../vault/secret-data.js';
import { VaultError } from '../vault/vault-error.js';
import type { BlindSync } from './blind-sync.js';
import { findingsOf } from './ready-findings.js';
import { freshReading } from './fresh-reading.js';
import type { KeyDecryption } from './key-decryption.js';
import type { KeyFailure } from './key-failure.js';
import { isOurs } from './known-state.js';
import { blocked, type KvWriter } from './kv-writer.js';
import { isVersion, versionOf } from './kv2-decision.js';
import type { MetadataStep, MetadataSync } from './metadata-sync.js';
import { readIfAllowed } from './read-if-allowed.js';
import type { ResolvedKey } from './resolved-key.js';
import type { Aggregate } from './secret-aggregator.js';
import type { SyncMemory } from './sync-memory.js';
import type { SyncRequest, SyncResult } from './sync-request.js';
import { SyncValues } from './sync-values.js';
import { isTrulyEmpty, targetData } from './target-data.js';
import type { UnseenOwners } from './unseen-owners.js';

/** Another client keeps writing the same secret: after this many lost races the backoff of the queue takes over. */
const MAX_RACES = 5;

/**
 * Syncs one secret to Vault: reads once, compares, decrypts only what is not known to be equal, and writes only
 * what differs.
 */
@injectable()
export class SecretSync {
  constructor(
    @inject(TOKENS.kvStore) private readonly store: KvStore,
    @inject(TOKENS.decryption) private readonly decryption: KeyDecryption,
    @inject(TOKENS.blind) private readonly blind: BlindSync,
    @inject(TOKENS.writer) private readonly writer: KvWriter,
    @inject(TOKENS.metadataSync) private readonly metadata: MetadataSync,
    @inject(TOKENS.unseenOwners) private readonly unseenOwners: UnseenOwners,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<OperatorMetrics, 'kmsRequestsAvoided' | 'vaultWrites' | 'driftRepairs'>,
    @inject(TOKENS.queue) private readonly queue: RightOfWay,
  ) {}

  /**
   * @throws SupersededError when the resource is no longer entitled to write its path.
   * @throws VaultError, KmsError (class `transient`): nothing was written, or the result of the write is not known
   *   and the next reconcile finds out.
   */
  async sync(request: SyncRequest, signal?: AbortSignal): Promise<SyncResult> {
    await this.queue.giveWay(request.priority);
    const values = new SyncValues(this.decryption, request, signal);
    if (this.isSureToDecrypt(request)) values.begin();
    try {
      return await this.syncWith(values, request, signal);
    } finally {
      values.dispose();
    }
  }

  /**
   * Whether every key will be decrypted whatever Vault holds, so that this can begin before Vault answers: in the
   * first attempt after an edit of a secret that this process has read and synced before.
   */
  private isSureToDecrypt({ secret, place, inputsHash, priority, known }: SyncRequest): boolean {
    if (priority !== 'edit' || secret.spec.kvSettings.casIndex !== undefined) return false;
    const { uid } = secret.metadata;
    const fingerprint = this.memory.fingerprint(uid, place);
    const before = [fingerprint, known, this.memory.lastSync(uid, place)?.inputs];
    return fingerprint?.dataMac !== undefined && before.every((inputs) => inputs?.inputsHash !== inputsHash);
  }

  private async syncWith(
    values: SyncValues,
    request: SyncRequest,
    signal?: AbortSignal,
  ): Promise<SyncResult> {
    const { path, engine } = request.place;
    const kv = await this.store.open(path, engine, signal);
    /** The version that a write with a lost answer would have created. */
    let racedFor: number | undefined;
    const metadata = this.metadata.begin(request, kv);
    for (let race = 0; race < MAX_RACES; race += 1) {
      const reading = await readIfAllowed(kv, signal);
      if (reading === 'forbidden') {
        const result = await this.blind.sync(request, kv, metadata, signal);
        return await metadata.finish('unknown', this.noted(request, result), signal);
      }
      const result = await this.attempt(request, kv, { firstReading: reading, values, metadata }, signal);
      if (result !== 'raced') {
        const noted = this.noted(request, this.withLostWrite(request, result, racedFor));
        return await metadata.finish(reading, noted, signal);
      }
      racedFor = versionOf(reading) + 1;
    }
    throw new VaultError('unavailable', 'another client keeps changing this secret; will retry later', {
      path,
    });
  }

  private noted({ place }: SyncRequest, result: SyncResult): SyncResult {
    if (result.claims) this.unseenOwners.note(place);
    return result;
  }

  /** The answer to a write was lost, but the write was then found in Vault. */
  private withLostWrite(request: SyncRequest, result: SyncResult, racedFor: number | undefined): SyncResult {
    const ours = racedFor !== undefined && result.state === 'synced' && result.version?.version === racedFor;
    if (!ours || result.wrote !== undefined) return result;
    this.metrics.vaultWrites.inc({ engine: 'v2' });
    return { ...result, wrote: 'update' };
  }

  private async attempt(
    request: SyncRequest,
    kv: KvSecret,
    {
      firstReading,
      values: decrypting,
      metadata,
    }: { firstReading: KvReading; values: SyncValues; metadata: MetadataStep },
    signal?: AbortSignal,
  ): Promise<SyncResult | 'raced'> {
    const { aggregate, known } = request;
    const mayNot = this.mayNotWrite(request, firstReading);
    if (mayNot !== undefined) return mayNot;
    const trusted = isFull(request) ? undefined : this.trustedData(request, firstReading);
    const toDecrypt =
      trusted === undefined ? [...aggregate.keys.values()] : failedOf(aggregate, trusted.failedKeys);
    const readAtMs = this.clock.monotonicMs();
    const { values, failures, waited } = await decrypting.of(toDecrypt);
    const ageMs = waited ? Infinity : this.clock.monotonicMs() - readAtMs;
    const reading = await freshReading(kv, firstReading, ageMs, signal);
    if (trusted !== undefined && reading !== firstReading) return 'raced';
    const findings = findingsOf(aggregate, failures);
    // Known content is no value: a resource that defines none does not own what it finds empty.
    const hasValues = aggregate.keys.size > failures.length;
    if (!hasValues && !mayWriteWithoutValues(request, isOurs(request, this.memory))) {
      return blocked(findings, failures);
    }
    this.countAvoided(aggregate, toDecrypt.length, trusted);
    const target = targetOf(trusted?.data, aggregate, { values, failures, reading });
    // The value in Vault may have changed during the decryption.
    const unseenOwner = this.unseenOwners.finding(request, reading, target);
    if (unseenOwner !== undefined) return blocked([unseenOwner], failures);
    const vouched = trusted !== undefined && values.size === 0;
    const claims = hasValues || isOurs(request, this.memory);
    const sameInputs = this.hasSameInputs(request) && !known.failedKeys.some((key) => values.has(key));
    const wanted = { reading, target, failures, vouched, claims, sameInputs, metadata };
    await this.queue.giveWay(request.priority);
    const result = await this.writer.write(request, kv, wanted, signal);
    if (result === 'raced') return 'raced';
    if (result.state === 'blocked') {
      this.rememberBlocked(request, { reading, failures, pinFindings: result.findings });
    } else {
      this.rememberSynced(request, target, result);
    }
    return { ...result, findings: [...findings, ...result.findings] };
  }

  /** Whether the place was already synced from exactly these inputs. */
  private hasSameInputs({ secret, place, inputsHash, known }: SyncRequest): boolean {
    const fingerprint = this.memory.fingerprint(secret.metadata.uid, place);
    return known.created && (fingerprint?.inputsHash ?? known.inputsHash) === inputsHash;
  }

  private rememberBlocked(
    { inputsHash, secret, place }: SyncRequest,
    found: {
      readonly reading: KvReading;
      readonly failures: readonly KeyFailure[];
      readonly pinFindings: readonly Finding[];
    },
  ): void {
    // Whatever KMS answers, the pinned version blocks the write.
    const isLasting = found.pinFindings.length > 0 || found.failures.every(({ isFinal }) => isFinal);
    if (isLasting) this.memory.rememberBlocked(secret.metadata.uid, place, { inputsHash, ...found });
  }

  private mayNotWrite(request: SyncRequest, reading: KvReading): SyncResult | undefined {
    const asBefore = isFull(request) ? undefined : this.blockedAsBefore(request, reading);
    if (asBefore !== undefined) return asBefore;
    const finding = this.unseenOwners.finding(request, reading);
    return finding === undefined ? undefined : blocked([finding], []);
  }

  private blockedAsBefore(
    { aggregate, inputsHash, secret, place }: SyncRequest,
    reading: KvReading,
  ): SyncResult | undefined {
    const before = this.memory.blocked(secret.metadata.uid, place, inputsHash, reading);
    if (before === undefined) return undefined;
    const { failures, pinFindings } = before;
    return blocked([...findingsOf(aggregate, failures), ...pinFindings], failures);
  }

  private rememberSynced(
    { secret, place, inputsHash }: SyncRequest,
    target: SecretData,
    { failures, version, wrote }: SyncResult,
  ): void {
    const { memory, metrics } = this;
    memory.remember(secret.metadata.uid, place, {
      inputsHash,
      dataMac: memory.mac(target),
      failedKeys: failures.map((failure) => failure.key),
      ...(version === undefined ? {} : { version }),
    });
    if (wrote === 'drift') metrics.driftRepairs.inc();
  }

  /**
   * The data in Vault, if it is known to result from these inputs: by the keyed hash of this process, or because the
   * status reports the current version and the inputs that it came from.
   */
  private trustedData(
    { secret, place, inputsHash, known }: SyncRequest,
    reading: KvReading,
  ): { data: SecretData; failedKeys: readonly string[]; why: 'unchanged' | 'vouched' } | undefined {
    if (reading.state !== 'live') return undefined;
    const { engineVersion, casIndex } = secret.spec.kvSettings;
    // A pinned resource whose index is the current version is written even if the data is equal.
    if (engineVersion === 'v2' && casIndex !== undefined && reading.version?.version === casIndex)
      return undefined;
    const fingerprint = this.memory.fingerprint(secret.metadata.uid, place);
    if (fingerprint?.inputsHash === inputsHash && fingerprint.dataMac === this.memory.mac(reading.data)) {
      return { data: reading.data, failedKeys: fingerprint.failedKeys, why: 'unchanged' };
    }
    if (known.inputsHash === inputsHash && !known.failedKeysCut && isVersion(reading, known.version)) {
      return { data: reading.data, failedKeys: known.failedKeys, why: 'vouched' };
    }
    return undefined;
  }

  private countAvoided(aggregate: Aggregate, tried: number, trusted?: { readonly why: string }): void {
    if (trusted === undefined) return;
    const { why } = trusted;
    const encrypted = [...aggregate.keys.values()].filter((key) => key.value.kind === 'encrypted').length;
    if (encrypted > tried) this.metrics.kmsRequestsAvoided.inc({ why }, encrypted - tried);
  }
}

/** Somebody asked for a sync that trusts nothing. */
function isFull({ asked }: SyncRequest): boolean {
  return asked.size > 0;
}

/**
 * A resource without a single value of its own is written only if it defines nothing at all, or to remove the keys
 * of a deleted partial from a secret that it wrote.
 */
function mayWriteWithoutValues({ aggregate }: SyncRequest, ours: boolean): boolean {
  const withdraws = aggregate.keys.size === 0 && aggregate.withdrawn.size > 0 && ours;
  return isTrulyEmpty(aggregate) || withdraws;
}

function targetOf(
  trusted: SecretData | undefined,
  aggregate: Aggregate,
  found: {
    readonly values: ReadonlyMap<string, string>;
    readonly failures: readonly KeyFailure[];
    readonly reading: KvReading;
  },
): SecretData {
  return trusted === undefined
    ? targetData(aggregate, found.values, found.failures, found.reading)
    : new Map([...trusted, ...found.values]);
}

function failedOf(aggregate: Aggregate, failedKeys: readonly string[]): ResolvedKey[] {
  return failedKeys.flatMap((name) => aggregate.keys.get(name) ?? []);
}
