import type { KubeObject } from '../servers/kubernetes/objects.js';
import { recordAt, sameJson } from '../servers/kubernetes/objects.js';
import type { Context, SealedValue } from './sealed-values.js';

export const FINALIZER = 'delete.k8s.patoarvizu.dev';

/** What one key may hold in Vault. */
export type Expectation =
  | { readonly kind: 'value'; readonly value: string }
  /** Whatever stood there before, or nothing: its ciphertext cannot be decrypted, or there is none. */
  | { readonly kind: 'kept'; readonly bad: boolean }
  /** As `value`, or as `kept` while an administrator has switched its KMS key off. */
  | { readonly kind: 'fragile'; readonly value: string };

/** What a resource wants at its path, with its partials as they were at one moment. */
export interface Desired {
  readonly keys: ReadonlyMap<string, Expectation>;
  /** An include is missing: keys that nobody defines stay as they are. */
  readonly keepsOthers: boolean;
  /** Of partials that are being deleted with the finalizer: these go in any case. */
  readonly withdrawn: ReadonlySet<string>;
  /** Several sources define the same key. */
  readonly conflict: boolean;
}

export interface Item {
  readonly key: string;
  readonly encryptedSecret?: string;
  readonly emptySecret?: boolean;
  readonly secretContext?: Context;
}

/** The spec of either kind; a secret has a path besides. */
export interface Spec {
  readonly path?: string;
  readonly kvSettings?: { readonly engineVersion?: string; readonly casIndex?: number };
  readonly secrets?: readonly Item[] | null;
  readonly secretContext?: Context;
  readonly includeSecrets?: readonly string[] | null;
}

export function specOf(object: KubeObject): Spec {
  return recordAt(object, 'spec');
}

export function isGoing({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

export function hasFinalizer({ metadata }: KubeObject): boolean {
  return metadata.finalizers?.includes(FINALIZER) === true;
}

/**
 * What a secret wants, by the rules of the README and by nothing of `src`: a later include wins over an
 * earlier one, any include over the own item; contexts replace each other: item, own resource, includer.
 */
export function desiredOf(
  spec: Spec,
  partial: (name: string) => KubeObject | undefined,
  sealed: (ciphertext: string) => SealedValue | undefined,
): Desired {
  const keys = new Map<string, Expectation>();
  const valueless = new Set<string>();
  const withdrawn = new Set<string>();
  let keepsOthers = false;
  let conflict = false;
  const add = (items: readonly Item[], own: Context | undefined): void => {
    for (const item of items) {
      if (item.emptySecret !== true && (item.encryptedSecret ?? '') === '') {
        valueless.add(item.key);
        continue;
      }
      if (keys.has(item.key)) conflict = true;
      keys.set(item.key, expectationOf(item, own, spec.secretContext, sealed));
    }
  };
  add(spec.secrets ?? [], undefined);
  for (const name of spec.includeSecrets ?? []) {
    const included = partial(name);
    if (included === undefined || (isGoing(included) && !hasFinalizer(included))) keepsOthers = true;
    else if (isGoing(included)) {
      for (const { key } of specOf(included).secrets ?? []) withdrawn.add(key);
    } else add(specOf(included).secrets ?? [], specOf(included).secretContext);
  }
  for (const key of valueless) if (!keys.has(key)) keys.set(key, { kind: 'kept', bad: false });
  for (const key of keys.keys()) withdrawn.delete(key);
  return { keys, keepsOthers, withdrawn, conflict };
}

function expectationOf(
  item: Item,
  own: Context | undefined,
  includers: Context | undefined,
  sealed: (ciphertext: string) => SealedValue | undefined,
): Expectation {
  if (item.emptySecret === true) return { kind: 'value', value: '' };
  const found = sealed(item.encryptedSecret ?? '');
  const [first = {}] = [item.secretContext, own, includers].filter(
    (context) => Object.keys(context ?? {}).length > 0,
  );
  const usesOwn = Object.keys(item.secretContext ?? {}).length === 0 && Object.keys(own ?? {}).length > 0;
  const fits =
    found !== undefined &&
    (sameJson(found.context, first) || (usesOwn && sameJson(found.context, includers ?? {})));
  if (!fits || found.plaintext === undefined) return { kind: 'kept', bad: true };
  return { kind: found.fragile ? 'fragile' : 'value', value: found.plaintext };
}

/** The data at a path: key to value. A value that is not a string is shown as its JSON. */
export type Stored = ReadonlyMap<string, string>;

/** How a write of `after` over `before` differs from what is desired; names of keys only, empty when it fits. */
export function differences(desired: Desired, before: Stored, after: Stored): string[] {
  const found: string[] = [];
  const isKept = (key: string): boolean => before.get(key) === after.get(key);
  for (const key of new Set([...before.keys(), ...after.keys(), ...desired.keys.keys()])) {
    const expected = desired.keys.get(key);
    if (expected === undefined) {
      const mayStay = desired.keepsOthers && !desired.withdrawn.has(key);
      if (mayStay && !isKept(key)) found.push(`${key} was changed although nobody defines it`);
      if (!mayStay && after.has(key)) found.push(`${key} is there although nobody wants it`);
      continue;
    }
    if (expected.kind !== 'kept' && after.get(key) === expected.value) continue;
    if (expected.kind !== 'value' && isKept(key)) continue;
    if (!after.has(key)) found.push(`${key} is desired and vanished`);
    else found.push(`${key} holds what is not wanted for it`);
  }
  return found;
}
