import { inject, injectable } from 'tsyringe';

import { SECRET_KIND } from '../api/group.js';
import { printable } from '../api/printable.js';
import { checkPartialSpec, checkSecretSpec } from '../api/validation.js';
import type { Logger } from '../observability/logger.js';
import { TOKENS } from '../tokens.js';
import { type AdmissionAnswer, type AdmissionRequest, isRecord, titleOf } from './admission-review.js';
import { asMessage, asWarnings, type ReviewFinding, ReviewFindings } from './review-findings.js';
import type { ItemCheck } from './item-check.js';
import { sortFailures, warnOfLineBreaks } from './kms-findings.js';
import { sameJson } from './same-json.js';
import { itemsOf, itemsToCheck } from './spec-items.js';
import { warnOf } from './spec-warnings.js';
import type { VaultPathRules } from './vault-path-rules.js';

const ALLOWED: AdmissionAnswer = { allowed: true, warnings: [] };

/** Decides whether a resource may be stored, which means that the operator could sync it. */
@injectable()
export class ResourceReviewer {
  constructor(
    @inject(TOKENS.itemCheck) private readonly items: ItemCheck,
    @inject(TOKENS.pathRules) private readonly paths: VaultPathRules,
    @inject(TOKENS.onKmsError) private readonly onKmsError: 'deny' | 'allow',
    @inject(TOKENS.logger) private readonly logger: Logger,
  ) {}

  /**
   * Deletions, updates that do not change the spec, and updates of an object that is being deleted are allowed
   * unchecked, so that a finalizer can always be removed. Everything else is checked completely, except items whose
   * ciphertext and context are unchanged.
   *
   * @param signal aborts when the caller stops waiting; the answer then comes immediately.
   * @throws TooManyReviews when the client should try again later.
   */
  async review(request: AdmissionRequest, signal: AbortSignal): Promise<AdmissionAnswer> {
    const { kind, object, oldObject } = request;
    if (!needsReview(request)) return ALLOWED;
    const spec = object?.spec;
    const problems = new ReviewFindings();
    const warnings = new ReviewFindings();
    const outages = new ReviewFindings();
    const shape = kind === SECRET_KIND ? checkSecretSpec(spec) : checkPartialSpec(spec);
    if (!shape.ok) {
      for (const { field, problem } of shape.problems) problems.add('InvalidSpec', `${field} ${problem}`);
      problems.addUnnamed(shape.total - shape.problems.length);
    }
    const items = itemsOf(spec);
    if (isRecord(spec)) {
      if (kind === SECRET_KIND) this.checkPath(spec, request.namespace, problems);
      warnOf(kind, spec, items, warnings);
    }
    const oldSpec = request.operation === 'UPDATE' ? oldObject?.spec : undefined;
    const checked = await this.items.check(itemsToCheck(items, itemsOf(oldSpec)), signal);
    sortFailures(kind, checked.failures(), { problems, warnings, outages });
    warnOfLineBreaks(checked.withLineBreak(), warnings);
    return this.decide(request, problems, outages, warnings);
  }

  private checkPath(
    spec: Readonly<Record<string, unknown>>,
    namespace: string,
    problems: ReviewFindings,
  ): void {
    const { path, kvSettings } = spec;
    if (typeof path !== 'string') return;
    const engineVersion = isRecord(kvSettings) ? kvSettings.engineVersion : undefined;
    this.paths.check(path, engineVersion, namespace, problems);
  }

  private decide(
    request: AdmissionRequest,
    problems: ReviewFindings,
    outages: ReviewFindings,
    warnings: ReviewFindings,
  ): AdmissionAnswer {
    const { logger, onKmsError } = this;
    const facts = {
      kind: request.kind,
      namespace: printable(request.namespace),
      name: printable(request.name),
      operation: request.operation,
      dryRun: request.dryRun,
    };
    const title = titleOf(request);
    const unanswered = outages.all.map((finding) => ({
      ...finding,
      text: `could not be checked: ${finding.text}`,
    }));
    const warned = asWarnings(warnings.all, warnings.more);
    if (problems.all.length > 0) {
      logger.info('denied a resource', { ...facts, problems: problems.all.map(inLog) });
      const text = asMessage([...problems.all, ...unanswered], problems.more + outages.more);
      const message = `${title} cannot be synced: ${text}`;
      return { ...refusal(403, 'Forbidden', message), warnings: warned };
    }
    const facing = { ...facts, problems: outages.all.map(inLog) };
    if (outages.all.length > 0 && onKmsError === 'deny') {
      logger.warn('denied a resource that KMS could not check', facing);
      const message =
        `KMS could not check ${title}: ${asMessage(outages.all, outages.more)}; the resource may be ` +
        'valid: apply it again when KMS is available';
      return { ...refusal(503, 'ServiceUnavailable', message), warnings: warned };
    }
    if (outages.all.length > 0) logger.warn('allowed a resource that KMS could not check', facing);
    const all = [...unanswered, ...warnings.all];
    return { allowed: true, warnings: asWarnings(all, outages.more + warnings.more) };
  }
}

function needsReview({ operation, subresource, object, oldObject }: AdmissionRequest): boolean {
  if (subresource !== '') return false;
  if (operation === 'CREATE') return true;
  if (operation !== 'UPDATE') return false;
  const metadata = object?.metadata;
  if (isRecord(metadata) && typeof metadata.deletionTimestamp === 'string') return false;
  return oldObject === undefined || !sameJson(object?.spec, oldObject.spec);
}

function refusal(code: number, reason: string, message: string): Pick<AdmissionAnswer, 'allowed' | 'status'> {
  return { allowed: false, status: { code, reason, message } };
}

function inLog({ code, keys, keysTotal }: ReviewFinding): object {
  return { code, keys, ...(keysTotal > keys.length ? { keysTotal } : {}) };
}
