import type { ContextCheck, ContextMode } from '../api/required-context.js';
import type { ResolvedKey } from './resolved-key.js';

/** The checks for one resource; undefined where nothing is required. */
export interface ContextChecks {
  /** Of its own items. */
  readonly own: ContextCheck | undefined;
  /** Of items of included partials. */
  readonly partial: ContextCheck | undefined;
}

/** Judges the encryption contexts of the keys of one resource. */
export class JudgedContexts {
  private readonly found = new Map<string, string>();

  constructor(
    private readonly mode: ContextMode,
    private readonly checks: ContextChecks,
  ) {}

  /**
   * In the mode `enforce`, keys whose context is not allowed become `refused`, which is part of the inputs of the
   * resource: what the status says about other inputs does not vouch for them. The context that an included item has
   * decides. The one of the including resource, which is tried when KMS rejects the first, is left out if it is not
   * allowed.
   */
  apply(keys: ReadonlyMap<string, ResolvedKey>): ReadonlyMap<string, ResolvedKey> {
    if (this.checks.own === undefined && this.checks.partial === undefined) return keys;
    return new Map([...keys].map(([name, key]) => [name, this.judge(key)]));
  }

  /** From key to problem, after {@link apply}. */
  get problems(): ReadonlyMap<string, string> {
    return this.found;
  }

  private judge(resolved: ResolvedKey): ResolvedKey {
    const { key, partial, value } = resolved;
    const check = partial === undefined ? this.checks.own : this.checks.partial;
    if (check === undefined || value.kind !== 'encrypted') return resolved;
    const { encryptedSecret, context, fallbackContext } = value;
    const problem = check.problemOf(context);
    if (problem !== undefined) this.found.set(key, problem);
    if (this.mode === 'audit') return resolved;
    if (problem !== undefined) {
      return { key, partial, value: { kind: 'refused', encryptedSecret, context, problem } };
    }
    if (fallbackContext === undefined || check.problemOf(fallbackContext) === undefined) return resolved;
    return { key, partial, value: { kind: 'encrypted', encryptedSecret, context } };
  }
}
