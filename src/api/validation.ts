import type {
  EncryptionContext,
  KMSVaultSecretSpec,
  PartialKMSVaultSecretSpec,
  SecretItem,
} from './resources.js';

/** One thing that is wrong with a spec; `field` as `kubectl explain` spells it. */
export interface SpecProblem {
  readonly field: string;
  readonly problem: string;
}

export type Checked<Spec> =
  | { readonly ok: true; readonly spec: Spec }
  | { readonly ok: false; readonly problems: readonly SpecProblem[] };

/**
 * Judges a stored spec as if no schema had been enforced: objects may stem from an older CRD or from a
 * server whose validation was off. Never throws; reports every problem, not the first.
 */
export function checkSecretSpec(spec: unknown): Checked<KMSVaultSecretSpec> {
  const check = new SpecCheck();
  const root = check.record('spec', spec);
  if (root !== undefined) {
    check.string('spec.path', root.path);
    checkKvSettings(check, root.kvSettings);
    checkItems(check, root);
    check.uniqueStrings('spec.includeSecrets', root.includeSecrets);
  }
  return check.result(spec as KMSVaultSecretSpec);
}

export function checkPartialSpec(spec: unknown): Checked<PartialKMSVaultSecretSpec> {
  const check = new SpecCheck();
  const root = check.record('spec', spec);
  if (root !== undefined) checkItems(check, root);
  return check.result(spec as PartialKMSVaultSecretSpec);
}

/** Contexts replace each other, they do not merge: the first that is not empty counts. */
export function firstContext(...contexts: readonly (EncryptionContext | undefined)[]): EncryptionContext {
  return contexts.find((context) => Object.keys(context ?? {}).length > 0) ?? {};
}

/** An item with neither a ciphertext nor `emptySecret: true` defines nothing and is skipped. */
export function definesValue(item: SecretItem): boolean {
  return item.emptySecret === true || (item.encryptedSecret ?? '') !== '';
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
    const field = `spec.secrets[${String(index)}]`;
    const fields = check.record(field, item);
    if (fields === undefined) return;
    check.string(`${field}.key`, fields.key);
    if (seen.has(fields.key)) check.add(`${field}.key`, 'stands twice in the list');
    seen.add(fields.key);
    check.optionalString(`${field}.encryptedSecret`, fields.encryptedSecret);
    check.context(`${field}.secretContext`, fields.secretContext);
    if (fields.emptySecret !== undefined && typeof fields.emptySecret !== 'boolean') {
      check.add(`${field}.emptySecret`, 'must be true or false');
    }
  });
}

class SpecCheck {
  private readonly problems: SpecProblem[] = [];

  add(field: string, problem: string): void {
    this.problems.push({ field, problem });
  }

  record(field: string, value: unknown): Record<string, unknown> | undefined {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
    this.add(field, value === undefined || value === null ? 'is missing' : 'must be an object');
    return undefined;
  }

  string(field: string, value: unknown): void {
    if (typeof value !== 'string') this.add(field, value === undefined ? 'is missing' : 'must be a string');
  }

  optionalString(field: string, value: unknown): void {
    if (value !== undefined) this.string(field, value);
  }

  context(field: string, value: unknown): void {
    if (value === undefined || value === null) return;
    const pairs = this.record(field, value);
    if (pairs === undefined) return;
    if (Object.values(pairs).some((text) => typeof text !== 'string')) {
      this.add(field, 'must map strings to strings');
    }
  }

  uniqueStrings(field: string, value: unknown): void {
    if (value === undefined || value === null) return;
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'string')) {
      this.add(field, 'must be a list of names');
    } else if (new Set(value).size !== value.length) {
      this.add(field, 'names a partial twice');
    }
  }

  result<Spec>(spec: Spec): Checked<Spec> {
    return this.problems.length === 0 ? { ok: true, spec } : { ok: false, problems: this.problems };
  }
}
