import { inject, injectable } from 'tsyringe';

import { printable } from '../api/printable.js';
import type { RequiredContext } from '../api/required-context.js';
import type { Logger } from '../observability/logger.js';
import type { WebhookMetrics } from '../observability/webhook-metrics.js';
import { TOKENS } from '../tokens.js';
import { type AdmissionAnswer, type AdmissionRequest, isRecord, titleOf } from './admission-review.js';
import { asMessage, asWarnings, type ReviewFinding, ReviewFindings } from './review-findings.js';
import { sameJson } from './same-json.js';
import type { SpecReview } from './spec-review.js';

const ALLOWED: AdmissionAnswer = { allowed: true, warnings: [] };

/** Decides whether a resource may be stored, which means that the operator could sync it. */
@injectable()
export class ResourceReviewer {
  constructor(
    @inject(TOKENS.specReview) private readonly specs: SpecReview,
    @inject(TOKENS.onKmsError) private readonly onKmsError: 'deny' | 'allow',
    @inject(TOKENS.logger) private readonly logger: Logger,
    @inject(TOKENS.requiredContext) private readonly required: Pick<RequiredContext, 'mode'>,
    @inject(TOKENS.metrics)
    private readonly metrics: {
      readonly contextViolations: Pick<WebhookMetrics['contextViolations'], 'inc'>;
    },
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
    if (!needsReview(request)) return ALLOWED;
    const problems = new ReviewFindings();
    const warnings = new ReviewFindings();
    const outages = new ReviewFindings();
    const { kind, namespace, object, oldObject } = request;
    const oldSpec = request.operation === 'UPDATE' ? oldObject?.spec : undefined;
    const subject = { kind, namespace, name: chosenName(object), spec: object?.spec, oldSpec };
    const found = { problems, warnings, outages };
    const { contextViolations } = await this.specs.review(subject, found, signal);
    if (contextViolations > 0) {
      this.metrics.contextViolations.inc({ mode: this.required.mode }, contextViolations);
    }
    return this.decide(request, problems, outages, warnings);
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
  return (
    oldObject === undefined || !sameJson(withoutSuspension(object?.spec), withoutSuspension(oldObject.spec))
  );
}

/**
 * Whoever suspends or resumes a stored resource changes nothing of what is judged, and must not have to mend it first.
 */
function withoutSuspension(spec: unknown): unknown {
  if (!isRecord(spec) || typeof spec.suspend !== 'boolean') return spec;
  const { suspend: _, ...rest } = spec;
  return rest;
}

/** With `generateName`, some servers choose the name after the review. */
function chosenName(object: AdmissionRequest['object']): string | undefined {
  const metadata = object?.metadata;
  return isRecord(metadata) && typeof metadata.name === 'string' && metadata.name !== ''
    ? metadata.name
    : undefined;
}

function refusal(code: number, reason: string, message: string): Pick<AdmissionAnswer, 'allowed' | 'status'> {
  return { allowed: false, status: { code, reason, message } };
}

function inLog({ code, keys, keysTotal }: ReviewFinding): object {
  return { code, keys, ...(keysTotal > keys.length ? { keysTotal } : {}) };
}
