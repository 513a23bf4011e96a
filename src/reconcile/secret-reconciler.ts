import { inject, injectable } from 'tsyringe';

import type { AllowedPaths } from '../api/allowed-paths.js';
import { OperatorError } from '../api/errors.js';
import { listNames, printable } from '../api/printable.js';
import { isOutage } from '../api/reasons.js';
import { refOf } from '../api/resource-key.js';
import type { KMSVaultSecret, KMSVaultSecretStatus } from '../api/resources.js';
import { checkSecretSpec, isSuspended } from '../api/validation.js';
import { parseVaultPath } from '../api/vault-path.js';
import { KmsError } from '../kms/kms-error.js';
import type { ResourceCache, ResourceClient } from '../kube/resource-store.js';
import type { Finding, Outcome } from '../queue/outcome.js';
import type { Priority, RightOfWay } from '../queue/work-queue.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import { type Announcer, conflictWarnings, warningsOf } from './announcer.js';
import type { CacheView } from './cache-view.js';
import type { ContextViolations } from './context-violations.js';
import { type Entitlement, SupersededError, type WriteGuard } from './entitlement.js';
import { findingOf, findingsOf, outcomeOf } from './ready-findings.js';
import { inputsHash } from './inputs-hash.js';
import { isFinalCode } from './key-failure.js';
import { knownState } from './known-state.js';
import type { LostPaths } from './lost-paths.js';
import type { PathClaims } from './path-claims.js';
import { type PathOwnership, qualifiedName } from './path-ownership.js';
import { type Place, placeOf } from './place.js';
import type { PartialRequeue } from './partial-requeue.js';
import type { SecretAggregator } from './secret-aggregator.js';
import { statusOf, keysColumn, syncedStatus } from './secret-status.js';
import type { SecretSync } from './secret-sync.js';
import type { Suspension } from './suspension.js';
import type { SyncMemory } from './sync-memory.js';
import type { AskedSyncs, SyncNow } from './sync-now.js';
import type { SyncRequest, SyncResult } from './sync-request.js';
import type { WriteReport } from './write-report.js';

/** Reconciles one live `KMSVaultSecret` and reports the result in its status. */
@injectable()
export class SecretReconciler {
  constructor(
    @inject(TOKENS.cache) private readonly cache: ResourceCache,
    @inject(TOKENS.resources) private readonly client: ResourceClient,
    @inject(TOKENS.aggregator) private readonly aggregator: SecretAggregator,
    @inject(TOKENS.secretSync) private readonly sync: SecretSync,
    @inject(TOKENS.ownership) private readonly ownership: PathOwnership,
    @inject(TOKENS.entitlement) private readonly entitlement: Entitlement,
    @inject(TOKENS.claims) private readonly claims: PathClaims,
    @inject(TOKENS.lostPaths) private readonly lostPlaces: LostPaths,
    @inject(TOKENS.partialRequeue) private readonly partials: PartialRequeue,
    @inject(TOKENS.suspension) private readonly suspension: Suspension,
    @inject(TOKENS.syncNow) private readonly syncNow: SyncNow,
    @inject(TOKENS.writeReport) private readonly writes: WriteReport,
    @inject(TOKENS.freshness) private readonly view: CacheView,
    @inject(TOKENS.allowedPaths) private readonly allowedPaths: AllowedPaths,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.announcer) private readonly announcer: Announcer,
    @inject(TOKENS.contextViolations) private readonly violations: ContextViolations,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.queue) private readonly queue: RightOfWay,
  ) {}

  /**
   * @param secret without a `deletionTimestamp`.
   * @throws KubeError when the API server cannot be reached, WriteGateClosedError on a standby.
   */
  async reconcile(secret: KMSVaultSecret, priority: Priority, signal?: AbortSignal): Promise<Outcome> {
    const work = this.view.begin(secret.metadata.namespace);
    if (isSuspended(secret.spec)) return await this.suspension.hold(secret);
    await this.suspension.end(secret);
    this.lostPlaces.release(secret);
    const asked = this.syncNow.asked(secret);
    const evaluated = this.evaluate(secret);
    if ('refusal' in evaluated) return await this.refuse(secret, evaluated.refusal, asked);
    const { place, rivals } = evaluated;
    const aggregate = await this.aggregator.aggregate(secret);
    const guard = this.entitlement.guard(secret, place, work);
    const request: SyncRequest = {
      secret,
      place,
      aggregate,
      inputsHash: inputsHash(place.path, secret.spec.kvSettings, aggregate),
      priority,
      asked,
      known: knownState(secret, place, this.memory),
      guard,
      catchUp: (waiting) => work.catchUp(() => this.isUnchanged(request), waiting),
      claim: async (reading) => {
        guard.assert();
        await this.claims.before(request, reading);
      },
    };
    if (asked.size > 0) this.memory.forgetBadInputs(secret.metadata.uid);
    else this.memory.keepBadInputs(secret.metadata.uid, aggregate.keys.values());
    this.violations.note(secret, aggregate, request.inputsHash);
    try {
      const result = await this.attempt(request, guard, signal);
      // What was written belongs to the current owner of the place, which writes its own value.
      if (guard.begun && this.entitlement.isTaken(secret, place)) return { result: 'superseded' };
      return await this.succeed(request, result, rivals);
    } catch (error) {
      if (error instanceof SupersededError) {
        this.entitlement.handOver(secret, place);
        return { result: 'superseded' };
      }
      if (!(error instanceof OperatorError)) throw error;
      // Cancelled by the shutdown, which is not a state of the resource.
      if (signal?.aborted === true || (error instanceof KmsError && error.isAbandoned))
        return { result: 'abandoned' };
      return await this.fail(request, error, rivals);
    } finally {
      this.partials.waiting(secret);
    }
  }

  /** Whether the cache asks for exactly what the request asks for. */
  private async isUnchanged({ secret, place, inputsHash: before }: SyncRequest): Promise<boolean> {
    const latest = this.cache.secret(secret.metadata.namespace, secret.metadata.name);
    if (latest === undefined || !this.entitlement.isEntitled(secret, place)) return false;
    const aggregate = await this.aggregator.aggregate(latest);
    return inputsHash(place.path, latest.spec.kvSettings, aggregate) === before;
  }

  /**
   * A write that was sent may have reached Vault, whatever the answer was: if another resource owns the path by then,
   * it is enqueued to check the value.
   */
  private async attempt(
    request: SyncRequest,
    guard: WriteGuard,
    signal: AbortSignal | undefined,
  ): Promise<SyncResult> {
    const { secret, place } = request;
    try {
      return await this.sync.sync(request, signal);
    } finally {
      const { entitlement } = this;
      if (guard.begun && !entitlement.isEntitled(secret, place)) entitlement.handOver(secret, place);
    }
  }

  private evaluate(
    secret: KMSVaultSecret,
  ): { refusal: Finding } | { place: Place; rivals: readonly KMSVaultSecret[] } {
    const checked = checkSecretSpec(secret.spec);
    if (!checked.ok) {
      const problems = checked.problems.map(({ field, problem }) => `${field} ${problem}`);
      return { refusal: { reason: 'InvalidSpec', message: listNames(problems, 5, checked.total) } };
    }
    const parsed = parseVaultPath(secret.spec.path);
    if (!parsed.ok) {
      const message = `spec.path ${printable(secret.spec.path)} ${parsed.problem}`;
      return { refusal: { reason: 'InvalidPath', message } };
    }
    const { path } = parsed;
    if (!this.allowedPaths.allows(path, secret.metadata.namespace)) {
      const message = `path ${path} is not allowed by --allowed-vault-paths in this namespace`;
      return { refusal: { reason: 'PathNotAllowed', message } };
    }
    const { owner, others } = this.ownership.claim(path, secret);
    if (owner.metadata.uid !== secret.metadata.uid) {
      const message = `the older resource ${qualifiedName(owner)} has the same path, ${path}; this resource is not written`;
      return { refusal: { reason: 'PathConflict', message } };
    }
    return { place: { path, engine: secret.spec.kvSettings.engineVersion }, rivals: others };
  }

  private async refuse(secret: KMSVaultSecret, refusal: Finding, asked: AskedSyncs): Promise<Outcome> {
    const { generation, uid } = secret.metadata;
    const place = placeOf(secret);
    if (place !== undefined)
      this.memory.recordSync(uid, place, { generation, inputsHash: undefined }, 'blocked');
    this.syncNow.answer(secret, asked);
    this.announcer.warnings(secret, warningsOf([refusal], []));
    this.partials.waiting(secret);
    await this.updateStatus(secret, (current) => statusOf(current, secret, [refusal], this.clock.now()));
    return outcomeOf([refusal]);
  }

  private async succeed(
    request: SyncRequest,
    result: SyncResult,
    rivals: readonly KMSVaultSecret[],
  ): Promise<Outcome> {
    const { secret, place } = request;
    const { generation, uid } = secret.metadata;
    const { memory, clock } = this;
    memory.recordSync(uid, place, { generation, inputsHash: request.inputsHash }, result.state);
    this.syncNow.answer(secret, request.asked);
    this.writes.announce(request, result);
    if (result.claims) {
      const { version, wrote } = result;
      const wroteAt = wrote === undefined ? {} : { wroteAt: clock.now() };
      memory.recordHeld(uid, { place, ...(version === undefined ? {} : { version }), ...wroteAt });
    }
    this.warn(request, result, rivals);
    await this.queue.giveWay(request.priority);
    await this.updateStatus(secret, (current) =>
      syncedStatus(current, request, result, clock.now(), memory.unreportedWrite(uid, place)),
    );
    memory.markReported(uid, place);
    this.partials.found(request, result);
    const { findings, retrySoon } = result;
    return retrySoon === undefined ? outcomeOf(findings) : { result: 'error', findings, ...retrySoon };
  }

  private async fail(
    request: SyncRequest,
    error: OperatorError,
    rivals: readonly KMSVaultSecret[],
  ): Promise<Outcome> {
    const { secret, place, inputsHash: hash, known } = request;
    const { generation, uid } = secret.metadata;
    const soon = error.retry === 'soon';
    this.memory.recordSync(uid, place, { generation, inputsHash: hash }, soon ? 'pending' : 'blocked');
    const finding = findingOf(error);
    const unchanged = (this.memory.fingerprint(uid, place)?.inputsHash ?? known.inputsHash) === hash;
    // The request for a sync waits as long as the outage lasts.
    if (!soon) this.syncNow.answer(secret, request.asked);
    // An outage is not a state of an unchanged resource; metrics and alerts report it.
    if (!(soon && unchanged && known.created)) {
      this.warn(request, { findings: [finding], failures: [] }, rivals);
      await this.updateStatus(secret, (current) => ({
        ...statusOf(current, secret, [finding], this.clock.now()),
        ...(unchanged && current?.keys !== undefined ? {} : { keys: keysColumn(0, request) }),
      }));
    } else {
      // Somebody waits for the sync.
      if (request.asked.size > 0) this.announcer.warnings(secret, warningsOf([finding], []));
      await this.reportNothingPending(request);
    }
    if (!soon) return outcomeOf([finding]);
    const { retryAfterMs } = error;
    const after = retryAfterMs === undefined ? {} : { afterMs: retryAfterMs };
    return { result: 'error', findings: [finding], ...after };
  }

  /** A change that was waiting for Vault or KMS was reverted: nothing is pending any more. */
  private async reportNothingPending(request: SyncRequest): Promise<void> {
    const { secret, aggregate, known } = request;
    const reason = secret.status?.conditions?.find((condition) => condition.type === 'Ready')?.reason;
    if (!isOutage(reason)) return;
    const failures = (secret.status?.failedKeys ?? []).map(({ key, reason: code }) => ({
      key,
      code,
      message: `failed before with ${code}`,
      isFinal: isFinalCode(code),
    }));
    const findings = findingsOf(aggregate, failures);
    await this.updateStatus(secret, (current) => ({
      ...statusOf(current, secret, findings, this.clock.now(), 'nothing has changed since the last sync'),
      keys: keysColumn(aggregate.keys.size - known.failedKeys.length, request),
    }));
  }

  private warn(
    { secret, place, aggregate }: SyncRequest,
    { findings, failures }: Pick<SyncResult, 'findings' | 'failures'>,
    rivals: readonly KMSVaultSecret[],
  ): void {
    this.announcer.warnings(secret, [
      ...warningsOf(findings, failures),
      ...this.violations.warnings(aggregate),
      ...conflictWarnings(place.path, rivals),
    ]);
  }

  private async updateStatus(
    secret: KMSVaultSecret,
    desired: (current: KMSVaultSecretStatus | undefined) => KMSVaultSecretStatus,
  ): Promise<void> {
    const handled = this.syncNow.lastAnswered(secret.metadata.uid);
    await this.client.updateStatus(refOf(secret), (current) => ({
      ...desired(this.lostPlaces.withoutLost(secret, current)),
      ...(handled === undefined ? {} : { lastHandledReconcileAt: handled }),
    }));
  }
}
