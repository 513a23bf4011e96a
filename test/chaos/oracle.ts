import { keyOf } from '../servers/kubernetes/storage.js';
import type { KubeObject } from '../servers/kubernetes/objects.js';
import {
  type Desired,
  desiredOf,
  differences,
  hasFinalizer,
  isGoing,
  specOf,
  type Stored,
} from './desired.js';
import { type LeaseRecord, LeaseTerms } from './lease-terms.js';
import { ObjectHistory, pathOf } from './object-history.js';
import type { SealedValue } from './sealed-values.js';
import { type MountReplacement, type Span, type VaultChange, VaultHistory } from './vault-history.js';

/** The promises that are watched. */
export type Rule =
  /** No desired key vanishes or holds what was never wanted for it. */
  | 'values'
  /** Nothing outside the paths of resources changes, and nothing of others is deleted. */
  | 'paths'
  /** No v2 version without a reason, and none without check-and-set. */
  | 'versions'
  /** Never two writers. */
  | 'writers'
  /** No value, token or password outside Vault. */
  | 'secrecy'
  /** What the webhook must refuse is not stored. */
  | 'admission'
  /** No program ends by itself. */
  | 'alive'
  /** When the faults have ended, everything is as desired and says so. */
  | 'convergence'
  /** Then nothing costs anything. */
  | 'quiet';

export interface Violation {
  readonly rule: Rule;
  readonly atMs: number;
  /** Names paths and keys, never values. */
  readonly text: string;
}

/**
 * The oldest state of the cluster that a leader may still act on within its term: a watch that was silent
 * and the request that it led to. What was desired before the term began counts in no case.
 */
export const STALENESS_MS = 45_000;
/** v1 has no check-and-set: what is kept was read at most so long before the write. */
const READ_BEFORE_MS = 20_000;
/** Combinations of owners and partials that are tried for one write, at the most. */
const MAX_WORLDS = 20_000;

/** How one write came about: who it was for, and which world it fits. */
interface Explanation {
  readonly uid: string;
}

/**
 * Checks every change at the servers when it happens: a write of a replica must be what some state of the
 * cluster asks for that held since the replica's term began. Knows the servers' records and nothing of
 * `src`.
 */
export class Oracle {
  readonly secrets = new ObjectHistory();
  readonly partials = new ObjectHistory();
  readonly vault = new VaultHistory();
  readonly leases = new LeaseTerms();
  readonly violations: Violation[] = [];
  /** Path to the uid of the resource whose value a replica put there last. */
  readonly writtenFor = new Map<string, string>();
  /**
   * When another engine was in the place of a mount: a finalizer that is handled then releases the resource without
   * deleting the value, which comes back with the mount.
   */
  readonly replacedMounts: MountReplacement[] = [];
  /** When the token might not read: a finalizer whose result is unknown then keeps what it cannot compare. */
  readonly forbiddenReads: Span[] = [];
  /** v2 paths whose secret a hand removed, and a hand made again: no finalizer may delete that. */
  readonly createdAnew = new Set<string>();

  constructor(
    private readonly deps: {
      readonly sealed: (ciphertext: string) => SealedValue | undefined;
      /** The identity of a process in the lease. */
      readonly identityOf: (process: string) => string | undefined;
    },
  ) {}

  report(rule: Rule, atMs: number, text: string): void {
    this.violations.push({ rule, atMs, text });
  }

  leaseChanged(record: LeaseRecord): void {
    const wrong = this.leases.record(record);
    if (wrong !== undefined) this.report('writers', record.atMs, wrong);
  }

  /** A request of a replica that changes something arrived at Vault, or at a resource in the API. */
  writeArrived(by: string, atMs: number, what: string): void {
    const identity = this.deps.identityOf(by);
    const wrong = identity === undefined ? 'it has not said who it is' : this.leases.mayWrite(identity, atMs);
    if (wrong !== undefined) this.report('writers', atMs, `${by} sent ${what}, but ${wrong}`);
  }

  vaultChanged(change: VaultChange): void {
    const before = this.vault.last(change.path);
    const isNew = before.version === 0 && change.operation === 'write';
    if (change.by !== undefined) this.createdAnew.delete(change.path);
    else if (change.engine === 'v2' && isNew) this.createdAnew.add(change.path);
    if (change.by !== undefined) this.checkChange(change, change.by, before);
    this.vault.record(change);
  }

  /** A new spec of a secret was stored although the webhook was asked. */
  admitted(key: string, object: KubeObject, atMs: number): void {
    if (isGoing(object)) return;
    const { keys } = desiredOf({ ...specOf(object), includeSecrets: [] }, () => undefined, this.deps.sealed);
    const isBad = [...keys.values()].some((expected) => expected.kind === 'kept' && expected.bad);
    if (isBad) this.report('admission', atMs, `${key} was stored with keys that KMS refuses`);
  }

  /** What a resource wants with its partials as they are at a moment. */
  desiredAt(secret: KubeObject, ms: number): Desired {
    const namespace = secret.metadata.namespace ?? '';
    return desiredOf(
      specOf(secret),
      (name) => this.partials.at(keyOf(namespace, name), ms),
      this.deps.sealed,
    );
  }

  private checkChange(change: VaultChange, by: string, before: VaultChange): void {
    const { path, atMs } = change;
    const where = `${by} at ${path}`;
    if (change.operation === 'other') {
      this.report('paths', atMs, `${where}: neither a write nor a removal`);
      return;
    }
    const identity = this.deps.identityOf(by);
    const termMs = identity === undefined ? 0 : (this.leases.termStart(identity, atMs) ?? 0);
    const fromMs = Math.max(termMs, atMs - STALENESS_MS);
    if (change.operation === 'remove') {
      this.checkRemoval(change, fromMs, before, where);
      return;
    }
    const owners = this.secrets.ownersWithin(path, fromMs, atMs);
    if (owners.every((owner) => owner === undefined)) {
      this.report('paths', atMs, `${where}: written, but no resource that names it could be acted on`);
      return;
    }
    if (change.engine === 'v2') this.checkVersion(change, before, owners, where);
    const befores =
      change.engine === 'v2'
        ? [before.data ?? new Map<string, string>()]
        : this.vault.within(path, Math.max(fromMs, atMs - READ_BEFORE_MS), atMs);
    const explained = this.explain(change, owners, befores, fromMs);
    if ('uid' in explained) this.writtenFor.set(path, explained.uid);
    else this.report('values', atMs, `${where}: ${explained.differences.join('; ')}`);
  }

  private checkVersion(
    change: VaultChange,
    before: VaultChange,
    owners: readonly (KubeObject | undefined)[],
    where: string,
  ): void {
    const { atMs, cas } = change;
    if (cas === undefined) this.report('versions', atMs, `${where}: written without check-and-set`);
    const isPinnedTo = (version: number): boolean =>
      owners.some((owner) => owner !== undefined && specOf(owner).kvSettings?.casIndex === version);
    if (before.version > 0 && sameStored(before.data, change.data) && !isPinnedTo(before.version)) {
      this.report('versions', atMs, `${where}: version ${String(change.version)} equals the one before it`);
    }
  }

  /** Looks for a state of the cluster that asks for this write. */
  private explain(
    change: VaultChange,
    owners: readonly (KubeObject | undefined)[],
    befores: readonly Stored[],
    fromMs: number,
  ): Explanation | { readonly differences: string[] } {
    const after = change.data ?? new Map<string, string>();
    let closest: string[] | undefined;
    let left = MAX_WORLDS;
    for (const owner of owners) {
      if (owner === undefined || specOf(owner).kvSettings?.engineVersion !== change.engine) continue;
      for (const partials of this.partialsWithin(owner, fromMs, change.atMs)) {
        const desired = desiredOf(specOf(owner), (name) => partials.get(name), this.deps.sealed);
        for (const before of befores) {
          left -= 1;
          if (left < 0) return { uid: owner.metadata.uid ?? '' };
          const found = [
            ...differences(desired, before, after),
            ...pinnedFaults(owner, desired, change, this.vault.last(change.path).version, after),
          ];
          if (found.length === 0) return { uid: owner.metadata.uid ?? '' };
          if (closest === undefined || found.length < closest.length) closest = found;
        }
      }
    }
    return { differences: closest ?? [`no resource wants it on ${change.engine}`] };
  }

  /** Every combination of the states that the included partials had in a span; watches may lag apart. */
  private *partialsWithin(
    owner: KubeObject,
    fromMs: number,
    toMs: number,
  ): Generator<ReadonlyMap<string, KubeObject | undefined>> {
    const names = specOf(owner).includeSecrets ?? [];
    const states = names.map((name) =>
      this.partials.within(keyOf(owner.metadata.namespace ?? '', name), fromMs, toMs),
    );
    const combine = function* (
      index: number,
      chosen: ReadonlyMap<string, KubeObject | undefined>,
    ): Generator<ReadonlyMap<string, KubeObject | undefined>> {
      const name = names[index];
      if (name === undefined) {
        yield chosen;
        return;
      }
      for (const state of states[index] ?? []) yield* combine(index + 1, new Map([...chosen, [name, state]]));
    };
    yield* combine(0, new Map());
  }

  private checkRemoval(change: VaultChange, fromMs: number, before: VaultChange, where: string): void {
    const { path, atMs } = change;
    if (before.data === undefined && before.version === 0) return;
    const owners = this.secrets.ownersWithin(path, fromMs, atMs);
    if (this.isEmptiedByOwner(change, owners, fromMs)) return;
    if (owners.every((owner) => owner !== undefined)) {
      this.report('values', atMs, `${where}: removed, although a resource named it all the time`);
      return;
    }
    const wasWritten = this.writtenFor.delete(path);
    const deleted = this.deletedWithin(path, fromMs, atMs);
    if (deleted.length === 0) {
      this.report('paths', atMs, `${where}: removed, although no resource that is being deleted claims it`);
      return;
    }
    const isOurs =
      wasWritten ||
      deleted.some(
        (resource) =>
          differences(this.desiredAt(resource, atMs), before.data ?? new Map(), before.data ?? new Map())
            .length === 0,
      );
    if (!isOurs) this.report('paths', atMs, `${where}: removed a value that no replica put there`);
  }

  /**
   * v1 takes no empty secret: its owner, which wants nothing any more, removes it, and what a hand puts there
   * afterwards too.
   */
  private isEmptiedByOwner(
    change: VaultChange,
    owners: readonly (KubeObject | undefined)[],
    fromMs: number,
  ): boolean {
    if (change.engine !== 'v1' || !this.writtenFor.has(change.path)) return false;
    for (const owner of owners) {
      if (owner === undefined) continue;
      for (const partials of this.partialsWithin(owner, fromMs, change.atMs)) {
        const desired = desiredOf(specOf(owner), (name) => partials.get(name), this.deps.sealed);
        const kept = [...desired.keys].filter(([, { kind }]) => kind !== 'kept');
        if (kept.length === 0) return true;
      }
    }
    return false;
  }

  /** Resources that were being deleted with the finalizer in a span and may have written the path. */
  private deletedWithin(path: string, fromMs: number, toMs: number): KubeObject[] {
    return this.secrets
      .everWithin(fromMs, toMs)
      .filter((object) => isGoing(object) && hasFinalizer(object))
      .filter(
        (object) => pathOf(object) === path || JSON.stringify(object['status'] ?? {}).includes(`"${path}"`),
      );
  }
}

/** What a resource with a `casIndex` may not do. */
function pinnedFaults(
  owner: KubeObject,
  desired: Desired,
  { engine }: VaultChange,
  current: number,
  after: Stored,
): string[] {
  const casIndex = specOf(owner).kvSettings?.casIndex;
  if (engine === 'v1' || casIndex === undefined) return [];
  const isIncomplete = [...desired.keys].some(
    ([key, expected]) => expected.kind === 'fragile' && after.get(key) !== expected.value,
  );
  return [
    ...(current > casIndex
      ? [`version ${String(current)} was replaced with casIndex ${String(casIndex)}`]
      : []),
    ...(isIncomplete || desired.keepsOthers ? ['a pinned version was used up by an incomplete secret'] : []),
  ];
}

export function sameStored(a: Stored | undefined, b: Stored | undefined): boolean {
  const [one, other] = [a ?? new Map<string, string>(), b ?? new Map<string, string>()];
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);
}
