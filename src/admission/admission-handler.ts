import type { IncomingMessage, ServerResponse } from 'node:http';

import { inject, injectable } from 'tsyringe';

import type { Logger } from '../observability/logger.js';
import type { WebhookMetrics } from '../observability/webhook-metrics.js';
import { systemClock } from '../runtime/clock.js';
import type { Lifecycle } from '../runtime/lifecycle.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import { TOKENS } from '../tokens.js';
import {
  type AdmissionAnswer,
  type AdmissionRequest,
  answerBody,
  parseReview,
  weighBody,
} from './admission-review.js';
import { TooManyReviews } from './item-check.js';
import { ByteBudget, ClientDisconnected, overloaded, readBody, RequestProblem } from './request-body.js';
import type { ResourceReviewer } from './resource-reviewer.js';
import { reviewTimeoutMs } from './review-timeout.js';

/** An update carries two objects. The API server stores at most 1.5 MiB per object but accepts 3 MiB each. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** The total for all bodies that are being read. */
const MAX_BYTES_IN_FLIGHT = 32 * 1024 * 1024;
/** The estimated total for all reviews in progress. V8 sizes its heap at 192 MiB in a pod of 384 MiB. */
const MAX_PARSED_BYTES_IN_FLIGHT = 80 * 1024 * 1024;
const MAX_REVIEWS_IN_FLIGHT = 256;

/** Answers one HTTP request: an HTTP error if it is not a review, an `AdmissionReview` otherwise. */
@injectable()
export class AdmissionHandler {
  private readonly bodies = new ByteBudget(MAX_BYTES_IN_FLIGHT);
  private readonly parsed = new ByteBudget(MAX_PARSED_BYTES_IN_FLIGHT);
  private reviewsInFlight = 0;
  private draining = false;

  constructor(
    @inject(TOKENS.reviewer) private readonly reviewer: Pick<ResourceReviewer, 'review'>,
    @inject(TOKENS.metrics)
    private readonly metrics: Pick<WebhookMetrics, 'admissions' | 'admissionDuration' | 'rejectedRequests'>,
    @inject(TOKENS.logger) private readonly logger: Logger,
    /** When the grace period is over, requests in flight are answered immediately. */
    @inject(TOKENS.lifecycle) private readonly lifecycle: Pick<Lifecycle, 'givingUp'>,
  ) {}

  /** From now on every answer closes its connection. */
  drain(): void {
    this.draining = true;
  }

  /** Ends the response, whatever happens; never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const deadline = new LinkedAbort([this.lifecycle.givingUp]);
    response.once('close', () => {
      // An abort takes time, and after an answer nothing listens.
      if (!response.writableFinished) deadline.abort();
    });
    deadline.expireIn(systemClock, reviewTimeoutMs(request.url ?? ''));
    try {
      const body = await this.review(request, deadline.signal);
      this.send(response, 200, { 'content-type': 'application/json' }, body);
    } catch (error) {
      if (error instanceof ClientDisconnected) response.destroy();
      else this.refuse(response, error);
    } finally {
      deadline.dispose();
    }
  }

  private async review(request: IncomingMessage, signal: AbortSignal): Promise<string> {
    const stopTimer = this.metrics.admissionDuration.startTimer();
    checkHead(request);
    const { review, parsedBytes } = await this.read(request);
    this.reviewsInFlight += 1;
    try {
      const answer = await this.reviewer.review(review, signal);
      this.count(review, answer);
      stopTimer();
      return answerBody(review, answer);
    } finally {
      this.reviewsInFlight -= 1;
      this.parsed.giveBack(parsedBytes);
    }
  }

  /** The raw bytes of the body are released when this returns. */
  private async read(request: IncomingMessage): Promise<{ review: AdmissionRequest; parsedBytes: number }> {
    const taken = { bytes: 0 };
    try {
      const body = await readBody(request, { maxBytes: MAX_BODY_BYTES, budget: this.bodies, taken });
      if (this.reviewsInFlight >= MAX_REVIEWS_IN_FLIGHT) throw overloaded();
      const weighed = weighBody(body);
      if (!weighed.ok) throw new RequestProblem(400, weighed.problem);
      // The heaviest body is reviewed as well, but alone.
      const parsedBytes = Math.min(weighed.parsedBytes, this.parsed.total);
      if (!this.parsed.take(parsedBytes)) throw overloaded();
      const parsed = parseReview(body);
      if (!parsed.ok) {
        this.parsed.giveBack(parsedBytes);
        throw new RequestProblem(400, parsed.problem);
      }
      return { review: parsed.request, parsedBytes };
    } finally {
      this.bodies.giveBack(taken.bytes);
    }
  }

  private count({ kind, operation }: AdmissionRequest, { allowed }: AdmissionAnswer): void {
    this.metrics.admissions.inc({ kind, operation, allowed: String(allowed) });
  }

  private refuse(response: ServerResponse, error: unknown): void {
    const problem =
      error instanceof RequestProblem
        ? error
        : error instanceof TooManyReviews
          ? overloaded()
          : new RequestProblem(500, 'internal error');
    const { status, message, headers } = problem;
    this.metrics.rejectedRequests.inc({ status: String(status) });
    if (status === 500) {
      const name = error instanceof Error ? error.name : typeof error;
      this.logger.error('admission review failed', { error: name });
    } else {
      this.logger.debug('rejected an invalid request', { status, problem: message });
    }
    this.send(response, status, { 'content-type': 'text/plain; charset=utf-8', ...headers }, `${message}\n`);
  }

  private send(
    response: ServerResponse,
    status: number,
    headers: Readonly<Record<string, string>>,
    body: string,
  ): void {
    if (response.destroyed) return;
    response.writeHead(status, {
      ...headers,
      'content-length': Buffer.byteLength(body),
      ...(this.draining ? { connection: 'close' } : {}),
    });
    response.end(body);
  }
}

function checkHead({ method, headers }: IncomingMessage): void {
  if (method !== 'POST') throw new RequestProblem(405, 'only POST is supported', { allow: 'POST' });
  const mediaType = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType !== 'application/json')
    throw new RequestProblem(415, 'the content type must be application/json');
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new RequestProblem(415, 'compressed bodies are not supported');
}
