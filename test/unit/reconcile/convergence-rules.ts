import { expect } from '@jest/globals';

import { DELETE_FINALIZER, RECONCILE_AT_ANNOTATION } from '../../../src/api/group.js';
import type { KMSVaultSecret, SecretItem } from '../../../src/api/resources.js';
import type { ReconcileFixture } from '../../support/reconcile-fixture.js';

import { ENGINES, type Name, NAMES, pathOf } from './convergence-commands.js';

/** Key to item, by the rules of precedence: a later include wins, and any include over the own item. */
function desiredOf(
  fixture: ReconcileFixture,
  secret: KMSVaultSecret,
): { wanted: Map<string, SecretItem>; missing: boolean } {
  const wanted = new Map<string, SecretItem>();
  let missing = false;
  const add = (list: readonly SecretItem[] = []): void => {
    for (const one of list)
      if (one.emptySecret === true || one.encryptedSecret !== undefined) wanted.set(one.key, one);
  };
  add(secret.spec.secrets);
  for (const include of secret.spec.includeSecrets ?? []) {
    const partial = fixture.cache.partial('default', include);
    const going =
      partial?.metadata.deletionTimestamp !== undefined &&
      partial.metadata.finalizers?.includes(DELETE_FINALIZER) === true;
    if (partial === undefined) missing = true;
    else if (!going) add(partial.spec.secrets);
  }
  return { wanted, missing };
}

/** Keys of included partials that are being deleted with our finalizer. */
function withdrawnOf(fixture: ReconcileFixture, secret: KMSVaultSecret): Set<string> {
  const partials = (secret.spec.includeSecrets ?? []).flatMap(
    (include) => fixture.cache.partial('default', include) ?? [],
  );
  const going = partials.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
  return new Set(going.flatMap(({ spec }) => spec.secrets ?? []).map((each) => each.key));
}

/** A status that says `created` without a write must have found a desired value in Vault. */
function claimIsTrue(fixture: ReconcileFixture, one: Name, ours: Set<string>): void {
  const secret = fixture.cache.secret('default', one);
  if (secret?.status?.created !== true || ours.has(pathOf(one))) return;
  const actual = new Map(Object.entries(fixture.values(pathOf(one), ENGINES[one]) ?? {}));
  const { wanted } = desiredOf(fixture, secret);
  const found = [...wanted].some(([key, each]) => actual.has(key) && actual.get(key) === plaintextOf(each));
  if (!found) throw new Error(`${one} claims what it never wrote`);
  ours.add(pathOf(one));
}

/** Watches every write of the operator: nothing that is still desired vanishes, nothing foreign is touched. */
export function watchWrites(fixture: ReconcileFixture): void {
  const seen = new Map<string, ReadonlySet<string>>();
  /** Paths that the operator wrote, or where it found a value of its own. */
  const ours = new Set<string>();
  const look = (one: Name): ReadonlySet<string> =>
    new Set(fixture.vault.peek(pathOf(one), ENGINES[one])?.keys() ?? []);
  const refresh = (): void => {
    for (const one of NAMES) seen.set(pathOf(one), look(one));
  };
  const original = fixture.reconcile.bind(fixture);
  fixture.reconcile = async (...parameters) => {
    refresh();
    const outcome = await original(...parameters);
    for (const one of NAMES) claimIsTrue(fixture, one, ours);
    return outcome;
  };
  fixture.vault.onChange = (path) => {
    const one = NAMES.find((candidate) => pathOf(candidate) === path);
    if (one === undefined) throw new Error(`a path that no resource names was changed: ${path}`);
    const secret = fixture.cache.secret('default', one);
    if (secret === undefined) throw new Error(`${path} was changed although nobody wants it`);
    if (secret.spec.suspend === true) throw new Error(`${path} was changed although it is suspended`);
    const after = look(one);
    if (secret.metadata.deletionTimestamp === undefined) {
      const { wanted, missing } = desiredOf(fixture, secret);
      const withdrawn = withdrawnOf(fixture, secret);
      for (const before of seen.get(path) ?? []) {
        // While an include is missing nobody knows which of the other keys are its own.
        const stays = wanted.has(before) || (missing && !withdrawn.has(before));
        if (stays && !after.has(before)) throw new Error(`the key ${before} vanished from ${path}`);
      }
      ours.add(path);
    } else if (secret.metadata.finalizers?.includes(DELETE_FINALIZER) !== true || !ours.has(path)) {
      throw new Error(`${path} was deleted without the finalizer, or never written`);
    }
    refresh();
  };
}

/** Vault holds what the resource describes, as far as this can be known. */
export function expectDesired(fixture: ReconcileFixture, one: Name): void {
  const secret = fixture.cache.secret('default', one);
  if (secret === undefined || secret.metadata.deletionTimestamp !== undefined) return;
  expectSuspension(secret);
  if (secret.spec.suspend === true) return;
  expect(secret.status?.lastHandledReconcileAt).toBe(secret.metadata.annotations?.[RECONCILE_AT_ANNOTATION]);
  if (fixture.ready(one)?.reason === 'CasIndexStale') {
    expect(one).toBe('pinned');
    return;
  }
  const { wanted, missing } = desiredOf(fixture, secret);
  // A pinned version is not used up by an incomplete secret.
  if (one === 'pinned' && missing) return;
  const actual = new Map(Object.entries(fixture.values(pathOf(one), ENGINES[one]) ?? {}));
  const good = [...wanted].filter(([, each]) => plaintextOf(each) !== undefined);
  for (const [wantedKey, each] of good) {
    expect([wantedKey, actual.get(wantedKey)]).toEqual([wantedKey, plaintextOf(each)]);
  }
  const nothingDecryptable = wanted.size > 0 && good.length === 0;
  const mentioned = mentionedKeys(fixture, secret);
  const onlyWithoutValue = wanted.size === 0 && mentioned.size > 0;
  const neverWrote = secret.status?.created !== true || (one === 'plain' && wanted.size === 0);
  if (missing || nothingDecryptable || onlyWithoutValue || neverWrote) return;
  for (const actualKey of actual.keys()) expect(mentioned).toContain(actualKey);
}

function expectSuspension({ spec, status }: KMSVaultSecret): void {
  const types = status?.conditions?.map(({ type }) => type) ?? [];
  expect(types.includes('Suspended')).toBe(spec.suspend === true);
}

/** Undefined when KMS refuses it. */
function plaintextOf({ emptySecret, encryptedSecret = '' }: SecretItem): string | undefined {
  if (emptySecret === true) return '';
  const [context, plaintext] = Buffer.from(encryptedSecret, 'base64').toString().split('|');
  return context === '[]' ? plaintext : undefined;
}

/** Keys of every item, with or without a value, of the resource and its includes. */
function mentionedKeys(fixture: ReconcileFixture, secret: KMSVaultSecret): Set<string> {
  const included = (secret.spec.includeSecrets ?? []).flatMap(
    (include) => fixture.cache.partial('default', include)?.spec.secrets ?? [],
  );
  return new Set([...(secret.spec.secrets ?? []), ...included].map((each) => each.key));
}
