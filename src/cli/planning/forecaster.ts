import { inject, injectable } from 'tsyringe';

import { DELETE_FINALIZER } from '../../api/group.js';
import { CONTEXT_NOT_ALLOWED } from '../../api/required-context.js';
import type { KMSVaultSecret } from '../../api/resources.js';
import type { IndexedResourceCache } from '../../kube/resource-cache.js';
import type { FinalizerHandler } from '../../reconcile/finalizer-handler.js';
import { versionOf } from '../../reconcile/kv2-decision.js';
import { type PathOwnership, qualifiedName } from '../../reconcile/path-ownership.js';
import { placeOf } from '../../reconcile/place.js';
import type { SecretReconciler } from '../../reconcile/secret-reconciler.js';
import type { Clock } from '../../runtime/clock.js';
import { TOKENS } from '../../tokens.js';
import type { DryRunEvents } from './dry-run-cluster.js';
import type { DryRunKvStore, PlaceInVault, RemovedPlace } from './dry-run-store.js';
import { type Forecast, hasChanges, type OnDeletion, type PlannedAction } from './forecast.js';
import { dataOf, type KeyChanges, keyChanges, NO_CHANGES, undecryptable } from './key-changes.js';
import { metadataChanges } from './metadata-changes.js';
import type { ObservedResult, ObservedSync } from './observed-sync.js';

/** How many resources are looked at at the same time. */
const CONCURRENCY = 8;

/** The part of a forecast that a sync decides. */
const NOTHING_DELETED = /^Nothing was deleted from Vault: /;

type PlannedSync = Omit<Forecast, 'onDeletion'>;

type Outcome = Awaited<ReturnType<SecretReconciler['reconcile']>>;

/**
 * Tells what the operator would do, by letting its services do it to a cluster in memory and to a Vault that takes no
 * writes.
 */
@injectable()
export class Forecaster {
  constructor(
    @inject(TOKENS.cache) private readonly cache: IndexedResourceCache,
    @inject(TOKENS.secrets) private readonly reconciler: SecretReconciler,
    @inject(TOKENS.finalizers) private readonly finalizers: FinalizerHandler,
    @inject(TOKENS.secretSync) private readonly syncs: ObservedSync,
    @inject(TOKENS.kvStore) private readonly store: DryRunKvStore,
    @inject(TOKENS.ownership) private readonly ownership: PathOwnership,
    @inject(TOKENS.events) private readonly events: DryRunEvents,
    @inject(TOKENS.clock) private readonly clock: Clock,
  ) {}

  /**
   * @param secrets which the cache holds, too.
   * @returns one forecast for each, in their order.
   */
  async forecast(
    secrets: readonly KMSVaultSecret[],
    progress: (done: number) => void = () => undefined,
  ): Promise<Forecast[]> {
    const found = new Map<KMSVaultSecret, PlannedSync>();
    const isGoing = ({ metadata }: KMSVaultSecret): boolean => metadata.deletionTimestamp !== undefined;
    const live = secrets.filter((secret) => !isGoing(secret));
    await inParallel(live, async (secret) => {
      const first = this.forecastOf(secret, await this.reconciler.reconcile(secret, 'edit'));
      found.set(secret, await this.settled(first));
      progress(found.size);
    });
    const forecasts: Forecast[] = [];
    for (const secret of secrets) {
      const base = found.get(secret);
      if (base !== undefined) forecasts.push({ ...base, onDeletion: await this.onDeletion(secret) });
      else forecasts.push(await this.deletion(secret));
    }
    return forecasts;
  }

  /**
   * A secret that is rebuilt with a pinned version is written once more when its version is the pinned one: the next
   * sync of the operator does that.
   */
  private async settled(first: PlannedSync): Promise<PlannedSync> {
    const { secret, versions } = first;
    const isPinned = versions !== undefined && versions.after === secret.spec.kvSettings.casIndex;
    if (!isPinned || !hasChanges(first)) return first;
    const latest = this.cache.secret(secret.metadata.namespace, secret.metadata.name) ?? secret;
    const next = this.forecastOf(latest, await this.reconciler.reconcile(latest, 'edit'));
    return { ...next, secret, notes: first.notes };
  }

  private forecastOf(secret: KMSVaultSecret, outcome: Outcome): PlannedSync {
    const { uid } = secret.metadata;
    const observed = this.syncs.of(uid);
    const inVault = observed === undefined ? undefined : this.store.at(observed.request.place.path);
    const place = placeOf(secret);
    return {
      secret,
      action: actionOf(outcome, observed, inVault),
      path: place?.path,
      engine: place?.engine,
      versions: place?.engine === 'v2' && inVault !== undefined ? versionsOf(inVault) : undefined,
      keys: keysOf(observed, inVault),
      metadata: metadataChanges(inVault?.metadata),
      findings: outcome.findings ?? [],
      conflict: this.conflictOf(secret, place?.path),
      notes: [
        ...replacedNote(observed?.result?.replacedVersion),
        ...this.events.take(uid, 'PathChanged'),
        ...unreadableNote(inVault),
        ...this.auditNotes(uid, outcome),
      ],
    };
  }

  /** In the mode `audit` only an event tells; otherwise a finding does. */
  private auditNotes(uid: string, { findings = [] }: Outcome): readonly string[] {
    const events = this.events.take(uid, CONTEXT_NOT_ALLOWED);
    return findings.some(({ reason }) => reason === CONTEXT_NOT_ALLOWED)
      ? []
      : events.map((message) => `${CONTEXT_NOT_ALLOWED}: ${message}`);
  }

  private conflictOf(secret: KMSVaultSecret, path: string | undefined): Forecast['conflict'] {
    if (path === undefined) return undefined;
    const { owner, others } = this.ownership.claim(path, secret);
    return others.length === 0
      ? undefined
      : { owner: qualifiedName(owner), others: others.map(qualifiedName) };
  }

  /** A resource that is being deleted already. */
  private async deletion(secret: KMSVaultSecret): Promise<Forecast> {
    const place = placeOf(secret);
    const { removed, onDeletion, findings, isSuspended } = await this.handleDeletion(secret);
    const [{ path, onlyLatest } = { path: undefined, onlyLatest: false }] = removed;
    const inVault = path === undefined ? undefined : this.store.at(path);
    const before = inVault?.before;
    const after = onlyLatest && before !== undefined ? versionOf(before) : 0;
    return {
      secret,
      action: isSuspended === true ? 'suspended' : actionOnDeletion(findings, before),
      path: path ?? place?.path,
      engine: place?.engine,
      versions:
        before === undefined || place?.engine !== 'v2' ? undefined : { before: versionOf(before), after },
      keys: { ...NO_CHANGES, removed: [...dataOf(before).keys()].sort() },
      metadata: undefined,
      findings,
      conflict: undefined,
      notes: ['the resource is being deleted'],
      onDeletion,
    };
  }

  private async onDeletion(secret: KMSVaultSecret): Promise<OnDeletion> {
    const { namespace, name } = secret.metadata;
    const now = this.cache.secret(namespace, name);
    if (now === undefined) return { value: 'unknown', detail: 'the resource is gone' };
    const { metadata } = now;
    this.cache.apply({
      ...now,
      metadata: {
        ...metadata,
        deletionTimestamp: this.clock.now().toISOString(),
        ...(metadata.generation === undefined ? {} : { generation: metadata.generation + 1 }),
      },
    });
    try {
      return (await this.handleDeletion(this.cache.secret(namespace, name) ?? now)).onDeletion;
    } finally {
      this.cache.apply(now);
    }
  }

  private async handleDeletion(secret: KMSVaultSecret): Promise<{
    readonly removed: readonly RemovedPlace[];
    readonly onDeletion: OnDeletion;
    readonly findings: Forecast['findings'];
    readonly isSuspended?: boolean;
  }> {
    const { uid, finalizers = [] } = secret.metadata;
    if (!finalizers.includes(DELETE_FINALIZER)) {
      const detail = `the resource has no finalizer ${DELETE_FINALIZER}`;
      return { removed: [], findings: [], onDeletion: { value: 'kept', detail } };
    }
    const { result, removed } = await this.store.aside(() => this.finalizers.handle(secret));
    const findings = result.findings ?? [];
    if (result.result === 'suspended') {
      const detail = 'spec.suspend is true; the value and the resource stay until it is false or absent';
      return { removed: [], findings, onDeletion: { value: 'waits', detail }, isSuspended: true };
    }
    const [gone] = removed;
    // The event speaks of the past, the plan of what would be.
    const kept = this.events
      .take(uid, 'SecretKept')
      .map((message) => message.replace(NOTHING_DELETED, ''))
      .join('; ');
    if (findings.length > 0) {
      const detail = findings.map(({ message }) => message).join('; ');
      return { removed: [], findings, onDeletion: { value: 'unknown', detail } };
    }
    if (gone === undefined) {
      return {
        removed,
        findings,
        onDeletion: { value: 'kept', detail: kept || 'there is nothing to delete' },
      };
    }
    const detail = gone.onlyLatest ? `the current version of ${gone.path}` : gone.path;
    return { removed, findings, onDeletion: { value: 'deleted', detail } };
  }
}

function actionOf(
  outcome: Outcome,
  observed: ObservedResult | undefined,
  inVault: PlaceInVault | undefined,
): PlannedAction {
  if (outcome.result === 'suspended') return 'suspended';
  if (outcome.result !== 'synced' && outcome.result !== 'blocked') return 'error';
  if (observed === undefined) return 'blocked';
  if (observed.result === undefined) return isOfTheResource(outcome) ? 'blocked' : 'error';
  if (observed.result.state === 'blocked') return 'blocked';
  if (inVault?.written !== true) {
    return metadataChanges(inVault?.metadata) === undefined ? 'none' : 'update';
  }
  if (inVault.after.state === 'absent') return 'delete';
  return inVault.before.state === 'absent' ? 'create' : 'update';
}

function keysOf(observed: ObservedResult | undefined, inVault: PlaceInVault | undefined): KeyChanges {
  const failures = observed?.result?.failures ?? [];
  if (inVault === undefined || observed?.result?.state !== 'synced') {
    return { ...NO_CHANGES, undecryptable: undecryptable(failures, dataOf(inVault?.before)) };
  }
  const { keys } = observed.request.aggregate;
  return keyChanges(inVault, failures, (key) => keys.has(key));
}

function actionOnDeletion(
  findings: Forecast['findings'],
  before: PlaceInVault['before'] | undefined,
): PlannedAction {
  if (findings.length > 0) return 'error';
  return before === undefined ? 'none' : 'delete';
}

/** Vault's answer does not depend on the token. */
function isOfTheResource({ findings = [] }: Outcome): boolean {
  return findings.some(({ reason }) => reason === 'EngineMismatch');
}

function versionsOf({ before, after }: PlaceInVault): NonNullable<Forecast['versions']> {
  return { before: versionOf(before), after: versionOf(after) };
}

function unreadableNote(inVault: PlaceInVault | undefined): string[] {
  if (inVault?.metadata?.before !== 'unreadable') return [];
  return ['your token may not read the metadata, so changes of them are not shown'];
}

function replacedNote(version: number | undefined): string[] {
  if (version === undefined) return [];
  return [
    `version ${String(version)}, which this resource has not written, is replaced; it stays in the version history`,
  ];
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
