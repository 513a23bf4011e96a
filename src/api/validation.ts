import { checkMetadata } from './metadata-rules.js';
import type {
  EncryptionContext,
  KMSVaultSecretSpec,
  PartialKMSVaultSecretSpec,
  SecretItem,
} from './resources.js';

/** One problem of a spec; `field` is spelled as in `kubectl explain`. */
export interface SpecProblem {
  readonly field: string;
  readonly problem: string;
}

export type Checked<Spec> =
  | { readonly ok: true; readonly spec: Spec }
  | {
      readonly ok: false;
      /** The first problems; at least one. */
      readonly problems: readonly SpecProblem[];
      /** The number of all problems. */
      readonly total: number;
    };

/** A spec of a few megabytes can have millions of problems: this many are kept, the rest is counted. */
const MAX_PROBLEMS = 50;

/**
 * Checks a stored spec as if no schema had been enforced: the object may have been stored under an older CRD, or
 * by a server without validation. Never throws; reports several problems and their number.
 */
export function checkSecretSpec(spec: unknown): Checked<KMSVaultSecretSpec> {
  const check = new SpecCheck();
  const root = check.record('spec', spec);
  if (root !== undefined) {
    check.string('spec.path', root.path);
    checkKvSettings(check, root.kvSettings);
    checkItems(check, root);
    check.uniqueStrings('spec.includeSecrets', root.includeSecrets);
    check.optionalBoolean('spec.suspend', root.suspend ?? undefined);
  }
  return check.result(spec as KMSVaultSecretSpec);
}

export function checkPartialSpec(spec: unknown): Checked<PartialKMSVaultSecretSpec> {
  const check = new SpecCheck();
  const root = check.record('spec', spec);
  if (root !== undefined) checkItems(check, root);
  return check.result(spec as PartialKMSVaultSecretSpec);
}

/** Whether one item of a list is well formed. */
export function isItem(item: unknown): item is SecretItem {
  const check = new SpecCheck();
  checkItem(check, 0, item);
  return check.total === 0;
}

/** Whether a value is an encryption context; an absent one counts. */
export function isContext(value: unknown): value is EncryptionContext | null | undefined {
  const check = new SpecCheck();
  check.context('', value);
  return check.total === 0;
}

/**
 * The context, or undefined if it has no pairs. The time is proportional to the pairs: call this once for a
 * context that many items share.
 */
export function nonEmptyContext(
  context: EncryptionContext | null | undefined,
): EncryptionContext | undefined {
  return context !== undefined && context !== null && Object.keys(context).length > 0 ? context : undefined;
}

/** An item with neither a ciphertext nor `emptySecret: true` defines nothing and is skipped. */
export function definesValue(item: SecretItem): boolean {
  return item.emptySecret === true || (item.encryptedSecret ?? '') !== '';
}

/** Whether the author has suspended the resource, even if the rest of its spec is not valid. */
export function isSuspended(spec: unknown): boolean {
  return (spec as { suspend?: unknown } | null | undefined)?.suspend === true;
}

function checkKvSettings(check: SpecCheck, value: unknown): void {
  const settings = check.record('spec.kvSettings', value);
  if (settings === undefined) return;
  if (settings.engineVersion !== 'v1' && settings.engineVersion !== 'v2') {
    check.add('spec.kvSettings.engineVersion', 'must be v1 or v2');
  }
  const { casIndex } = settings;
  if (casIndex !== undefined && !(Number.isSafeInteger(casIndex) && (casIndex as number) >= 0)) {
    check.add('spec.kvSettings.casIndex', 'must be a whole number, 0 or more');
  }
  checkMetadata(check, settings);
}

function checkItems(check: SpecCheck, root: Record<string, unknown>): void {
  check.context('spec.secretContext', root.secretContext);
  if (root.secrets === undefined || root.secrets === null) return;
  if (!Array.isArray(root.secrets)) {
    check.add('spec.secrets', 'must be a list');
    return;
  }
  const seen = new Set<unknown>();
  root.secrets.forEach((item: unknown, index) => {
    const fields = checkItem(check, index, item);
    if (fields === undefined) return;
    if (seen.has(fields.key)) check.add(itemField(index, 'key'), 'is listed twice');
    seen.add(fields.key);
  });
}

function checkItem(check: SpecCheck, index: number, item: unknown): Record<string, unknown> | undefined {
  const fields = check.record(itemField(index), item);
  if (fields === undefined) return undefined;
  check.string(itemField(index, 'key'), fields.key);
  check.optionalString(itemField(index, 'encryptedSecret'), fields.encryptedSecret);
  check.context(itemField(index, 'secretContext'), fields.secretContext);
  check.optionalBoolean(itemField(index, 'emptySecret'), fields.emptySecret);
  return fields;
}

/** The name of a field, built only when there is a problem to report. */
type FieldName = string | (() => string);

function itemField(index: number, name?: string): FieldName {
  return () => `spec.secrets[${String(index)}]${name === undefined ? '' : `.${name}`}`;
}

class SpecCheck {
  private readonly problems: SpecProblem[] = [];
  total = 0;

  add(field: FieldName, problem: string): void {
    this.total += 1;
    if (this.total > MAX_PROBLEMS) return;
    this.problems.push({ field: typeof field === 'string' ? field : field(), problem });
  }

  record(field: FieldName, value: unknown): Record<string, unknown> | undefined {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
    this.add(field, value === undefined || value === null ? 'is missing' : 'must be an object');
    return undefined;
  }

  string(field: FieldName, value: unknown): void {
    if (typeof value !== 'string') this.add(field, value === undefined ? 'is missing' : 'must be a string');
  }

  optionalString(field: FieldName, value: unknown): void {
    if (value !== undefined) this.string(field, value);
  }

  optionalBoolean(field: FieldName, value: unknown): void {
    if (value !== undefined && typeof value !== 'boolean') this.add(field, 'must be true or false');
  }

  context(field: FieldName, value: unknown): void {
    if (value === undefined || value === null) return;
    const pairs = this.record(field, value);
    if (pairs === undefined) return;
    if (Object.values(pairs).some((text) => typeof text !== 'string')) {
      this.add(field, 'must map strings to strings');
    }
  }

  uniqueStrings(field: FieldName, value: unknown): void {
    if (value === undefined || value === null) return;
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'string')) {
      this.add(field, 'must be a list of names');
    } else if (new Set(value).size !== value.length) {
      this.add(field, 'lists a partial twice');
    }
  }

  result<Spec>(spec: Spec): Checked<Spec> {
    return this.total === 0 ? { ok: true, spec } : { ok: false, problems: this.problems, total: this.total };
  }
}
