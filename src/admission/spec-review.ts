import { inject, injectable } from 'tsyringe';

import { type Kind, PARTIAL_KIND, SECRET_KIND } from '../api/group.js';
import type { RequiredContext } from '../api/required-context.js';
import { checkPartialSpec, checkSecretSpec } from '../api/validation.js';
import { parseVaultPath } from '../api/vault-path.js';
import { TOKENS } from '../tokens.js';
import { isRecord } from './admission-review.js';
import { judgeContexts } from './context-rules.js';
import type { ItemCheck } from './item-check.js';
import { type Sorted, sortFailures, warnOfLineBreaks } from './kms-findings.js';
import { itemsOf, itemsToCheck } from './spec-items.js';
import { warnOf } from './spec-warnings.js';
import type { VaultPathRules } from './vault-path-rules.js';

/** The spec of a resource that is to be stored. */
export interface SpecToReview {
  readonly kind: Kind;
  readonly namespace: string;
  /** Undefined: not chosen yet. */
  readonly name: string | undefined;
  readonly spec: unknown;
  /** Items of it whose ciphertext and context are unchanged are not decrypted. */
  readonly oldSpec?: unknown;
}

/** What a review tells besides its findings. */
export interface ReviewedSpec {
  /** Ciphertexts without the required encryption context, whatever the mode. */
  readonly contextViolations: number;
}

const INCLUDED = { of: 'partial', by: 'including resource' };

/** Finds what is wrong with a spec: the verdict of the webhook, and of the author's tool. */
@injectable()
export class SpecReview {
  constructor(
    @inject(TOKENS.itemCheck) private readonly items: Pick<ItemCheck, 'check'>,
    @inject(TOKENS.pathRules) private readonly paths: VaultPathRules,
    @inject(TOKENS.requiredContext) private readonly required: RequiredContext,
  ) {}

  /**
   * @param signal aborts when the caller stops waiting; items that were not asked for are outages then.
   * @throws TooManyReviews when the client should try again later.
   */
  async review(
    { kind, namespace, name, spec, oldSpec }: SpecToReview,
    found: Sorted,
    signal: AbortSignal,
  ): Promise<ReviewedSpec> {
    const { problems, warnings } = found;
    const shape = kind === SECRET_KIND ? checkSecretSpec(spec) : checkPartialSpec(spec);
    if (!shape.ok) {
      for (const { field, problem } of shape.problems)
        problems.add('InvalidSpec', `${field} ${problem}`, { field });
      problems.addUnnamed(shape.total - shape.problems.length);
    }
    const items = itemsOf(spec);
    if (isRecord(spec)) {
      if (kind === SECRET_KIND) this.checkPath(spec, namespace, found);
      warnOf(kind, spec, items, warnings);
    }
    const owner = { kind, namespace, name, path: pathOf(spec) };
    const { violations, refused } = judgeContexts(this.required, owner, items, found);
    const toCheck = itemsToCheck(items, itemsOf(oldSpec)).filter(({ key }) => !refused.has(key));
    const checked = await this.items.check(toCheck, signal);
    sortFailures(checked.failures(), found, kind === PARTIAL_KIND ? INCLUDED : undefined);
    warnOfLineBreaks(checked.withLineBreak(), warnings);
    return { contextViolations: violations };
  }

  private checkPath(spec: Readonly<Record<string, unknown>>, namespace: string, { problems }: Sorted): void {
    const { path, kvSettings } = spec;
    if (typeof path !== 'string') return;
    const engineVersion = isRecord(kvSettings) ? kvSettings.engineVersion : undefined;
    this.paths.check(path, engineVersion, namespace, problems);
  }
}

function pathOf(spec: unknown): string | undefined {
  if (!isRecord(spec) || typeof spec.path !== 'string') return undefined;
  const parsed = parseVaultPath(spec.path);
  return parsed.ok ? parsed.path : undefined;
}
