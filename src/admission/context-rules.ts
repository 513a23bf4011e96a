import { type Kind, PARTIAL_KIND } from '../api/group.js';
import { CONTEXT_NOT_ALLOWED, type ContextCheck, type RequiredContext } from '../api/required-context.js';
import type { Sorted } from './kms-findings.js';
import { decryptable, type SpecItems } from './spec-items.js';

const FIELD = 'secretContext';

/** The resource whose ciphertexts are judged. */
export interface ContextOwner {
  readonly kind: Kind;
  readonly namespace: string;
  /** Undefined: not chosen yet. */
  readonly name: string | undefined;
  /** Normalised `spec.path`; undefined: there is none, or it is not valid. */
  readonly path: string | undefined;
}

/** What the required contexts say about a spec. */
export interface JudgedItems {
  /** How many ciphertexts lack a pair. */
  readonly violations: number;
  /** Keys that need not be decrypted. */
  readonly refused: ReadonlySet<string>;
}

/**
 * Judges every ciphertext of a spec by its effective context. An item of a partial without a context of its own gets that
 * of the including resource, which is not known here: the operator judges it.
 */
export function judgeContexts(
  required: RequiredContext,
  { kind, ...owner }: ContextOwner,
  items: SpecItems,
  { problems, warnings }: Sorted,
): JudgedItems {
  const refused = new Set<string>();
  const check = kind === PARTIAL_KIND ? required.ofPartial(owner) : required.ofSecret(owner);
  if (check === undefined) return { violations: 0, refused };
  let violations = 0;
  for (const { key, context } of decryptable(items)) {
    const place = { key, field: FIELD };
    if (kind === PARTIAL_KIND && Object.keys(context).length === 0) {
      warnings.add(CONTEXT_NOT_ALLOWED, withoutContext(check), place);
      continue;
    }
    const problem = check.problemOf(context);
    if (problem === undefined) continue;
    violations += 1;
    if (required.mode === 'audit') {
      const text = `${problem}; accepted, because --required-context-mode is audit`;
      warnings.add(CONTEXT_NOT_ALLOWED, text, place);
    } else {
      refused.add(key);
      problems.add(CONTEXT_NOT_ALLOWED, `${problem}; encrypt the value again with ${check.text}`, place);
    }
  }
  return { violations, refused };
}

function withoutContext(check: ContextCheck): string {
  return `has no secretContext here, so that of each including resource must have ${check.text}`;
}
