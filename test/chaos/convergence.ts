import type { KubeObject } from '../servers/kubernetes/objects.js';
import { recordAt, textAt } from '../servers/kubernetes/objects.js';
import { keyOf } from '../servers/kubernetes/storage.js';
import { type Desired, differences, isGoing, specOf } from './desired.js';
import { pathOf } from './object-history.js';
import type { Oracle } from './oracle.js';

/** K/V version of a path by its mount; undefined: it cannot be written with this engine. */
export type EngineOf = (path: string) => 'v1' | 'v2' | undefined;

const NOTHING: ReadonlyMap<string, string> = new Map();

/** What is not yet as it must be once the faults are over; one line for each, without values. */
export function unconverged(oracle: Oracle, engineOf: EngineOf, nowMs: number): string[] {
  const secrets = oracle.secrets.live(nowMs);
  return [
    ...[...secrets, ...oracle.partials.live(nowMs)]
      .filter(isGoing)
      .map((object) => `${nameOf(object)} is still being deleted`),
    ...secrets
      .filter((secret) => !isGoing(secret))
      .flatMap((secret) => problemsOf(oracle, engineOf, secret, nowMs)),
    ...orphans(oracle, nowMs),
  ];
}

function problemsOf(oracle: Oracle, engineOf: EngineOf, secret: KubeObject, nowMs: number): string[] {
  const expected = expectationOf(oracle, engineOf, secret, nowMs);
  const conditions = recordAt(secret, 'status')['conditions'];
  const ready = (Array.isArray(conditions) ? (conditions as Record<string, unknown>[]) : []).find(
    ({ type }) => type === 'Ready',
  );
  const reason = textAt(ready, 'reason') || 'nothing';
  const isCurrent = ready?.['observedGeneration'] === secret.metadata.generation;
  const says =
    expected.reason === reason && isCurrent
      ? []
      : [`says ${reason}${isCurrent ? '' : ' (of an older generation)'} instead of ${expected.reason}`];
  return [...expected.faults, ...says].map(
    (fault) => `${nameOf(secret)} (${pathOf(secret) ?? 'bad path'}): ${fault}`,
  );
}

function expectationOf(
  oracle: Oracle,
  engineOf: EngineOf,
  secret: KubeObject,
  nowMs: number,
): { readonly reason: string; readonly faults: readonly string[] } {
  const path = pathOf(secret);
  if (path === undefined) return { reason: 'InvalidPath', faults: [] };
  if (oracle.secrets.ownerAt(path, nowMs)?.metadata.uid !== secret.metadata.uid)
    return { reason: 'PathConflict', faults: [] };
  if (engineOf(path) !== specOf(secret).kvSettings?.engineVersion)
    return { reason: 'EngineMismatch', faults: [] };
  const desired = withoutFaults(oracle.desiredAt(secret, nowMs));
  const { faults, stale } = inVault(oracle, secret, path, desired);
  return { reason: stale ? 'CasIndexStale' : reasonOf(desired), faults };
}

/** The faults are over: what could not be decrypted because of one is there by now. */
function withoutFaults(desired: Desired): Desired {
  const keys = [...desired.keys].map(
    ([key, expected]) =>
      [
        key,
        expected.kind === 'fragile' ? { kind: 'value' as const, value: expected.value } : expected,
      ] as const,
  );
  return { ...desired, keys: new Map(keys) };
}

function reasonOf(desired: Desired): string {
  if (desired.keepsOthers) return 'IncludeNotFound';
  if ([...desired.keys.values()].some((expected) => expected.kind === 'kept' && expected.bad))
    return 'DecryptionFailed';
  return desired.conflict ? 'KeyConflict' : 'Synced';
}

function inVault(
  oracle: Oracle,
  secret: KubeObject,
  path: string,
  desired: Desired,
): { readonly faults: readonly string[]; readonly stale: boolean } {
  const { data, version, engine } = oracle.vault.last(path);
  const { kvSettings } = specOf(secret);
  const hasValues = [...desired.keys.values()].some(({ kind }) => kind !== 'kept');
  const isEmpty = desired.keys.size === 0 && !desired.keepsOthers;
  // Nothing of what is desired is known: nothing may be written.
  if (!hasValues && !isEmpty) return { faults: [], stale: false };
  const isOfOthers = oracle.writtenFor.get(path) !== secret.metadata.uid;
  if (engine === 'v1' && isEmpty && isOfOthers) return { faults: [], stale: false };
  const found = differences(desired, data ?? NOTHING, data ?? NOTHING);
  const casIndex = kvSettings?.engineVersion === 'v2' ? kvSettings.casIndex : undefined;
  const isMissing = engine === 'v2' && isEmpty && version === 0;
  const faults = isMissing ? ['no empty version was written'] : found;
  if (casIndex === undefined || version === 0) {
    return desired.keepsOthers && casIndex !== undefined
      ? { faults: [], stale: false }
      : { faults, stale: false };
  }
  if (desired.keepsOthers && version === casIndex) return { faults: [], stale: false };
  if (version === casIndex) return { faults: ['the pinned version was not replaced'], stale: false };
  return { faults: [], stale: faults.length > 0 };
}

/** Values that a finalizer should have taken away with their resource. */
function orphans(oracle: Oracle, nowMs: number): string[] {
  const live = new Set(oracle.secrets.live(nowMs).map(({ metadata }) => metadata.uid));
  return [...oracle.writtenFor].flatMap(([path, uid]) => {
    const { data, version } = oracle.vault.last(path);
    const mayStay = oracle.createdAnew.has(path) || wasGoingWithoutProof(oracle, uid, path);
    if ((data === undefined && version === 0) || live.has(uid) || mayStay) return [];
    const gone = oracle.secrets.lastSeen(uid);
    // With a second resource at the path the value goes over to it.
    const wasAlone = oracle.secrets.namersOf(path).length === 1;
    const isOrphan =
      gone !== undefined &&
      wasAlone &&
      isGoing(gone) &&
      pathOf(gone) === path &&
      !isChangedSinceMark(oracle, gone, path);
    return isOrphan
      ? [`${path} holds the value of ${nameOf(gone)}, which was deleted with the finalizer`]
      : [];
  });
}

/** What was decided about the path just before it could be read again may be carried out a moment later. */
const AFTERWARDS_MS = 5_000;

/** The resource was being deleted while another engine was in the place of the mount, or reads were forbidden. */
function wasGoingWithoutProof(oracle: Oracle, uid: string, path: string): boolean {
  const replaced = oracle.replacedMounts.filter(({ mount }) => path.startsWith(`${mount}/`));
  return [...replaced, ...oracle.forbiddenReads].some(({ fromMs, toMs = Infinity }) =>
    oracle.secrets
      .everWithin(fromMs, toMs + AFTERWARDS_MS)
      .some((object) => object.metadata.uid === uid && isGoing(object)),
  );
}

/**
 * The status says that the removal has begun, and the value is a hand's: after a crash nothing shows whether it was
 * put there before or after the removal, so it is kept.
 */
function isChangedSinceMark({ vault }: Oracle, secret: KubeObject, path: string): boolean {
  const claim = recordAt(recordAt(secret, 'status'), 'claim');
  return textAt(claim, 'path') === path && vault.last(path).by === undefined;
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${keyOf(metadata.namespace ?? '', metadata.name)}`;
}
