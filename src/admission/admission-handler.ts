import type { IncomingMessage, ServerResponse } from 'node:http';

import { inject, injectable } from 'tsyringe';

import type { Logger } from '../observability/logger.js';
import type { WebhookMetrics } from '../observability/webhook-metrics.js';
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
import { ByteBudget, CallerGone, overloaded, readBody, RequestProblem } from './request-body.js';
import type { ResourceReviewer } from './resource-reviewer.js';
import { answerWithinMs } from './time-limit.js';

/** An update carries two objects; the API server stores none above 1.5 MiB, but takes 3 MiB each. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** Of all bodies that are being read. */
const MAX_BYTES_IN_FLIGHT = 32 * 1024 * 1024;
/** Of all reviews that are being judged, as estimated; the heap that V8 takes in a pod of 384 MiB is 192 MiB. */
const MAX_PARSED_BYTES_IN_FLIGHT = 80 * 1024 * 1024;
const MAX_REVIEWS_IN_FLIGHT = 256;

/** Turns one HTTP request into one answer: HTTP errors for what is no review, an `AdmissionReview` else. */
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
    /** Aborts when requests in flight are to be answered at once. */
    @inject(TOKENS.givingUp) private readonly givingUp: AbortSignal,
  ) {}

  /** From now on every answer is the last on its connection. */
  drain(): void {
    this.draining = true;
  }

  /** Ends the response, whatever happens; never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => {
      gone.abort();
    });
    const deadline = new LinkedAbort([gone.signal, this.givingUp], answerWithinMs(request.url ?? ''));
    try {
      const body = await this.judge(request, deadline.signal);
      this.send(response, 200, { 'content-type': 'application/json' }, body);
    } catch (error) {
      if (error instanceof CallerGone) response.destroy();
      else this.refuse(response, error);
    } finally {
      deadline.dispose();
    }
  }

  private async judge(request: IncomingMessage, signal: AbortSignal): Promise<string> {
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

  /** The body's own bytes are held no longer than this takes. */
  private async read(request: IncomingMessage): Promise<{ review: AdmissionRequest; parsedBytes: number }> {
    const taken = { bytes: 0 };
    try {
      const body = await readBody(request, { maxBytes: MAX_BODY_BYTES, budget: this.bodies, taken });
      if (this.reviewsInFlight >= MAX_REVIEWS_IN_FLIGHT) throw overloaded();
      const weighed = weighBody(body);
      if (!weighed.ok) throw new RequestProblem(400, weighed.problem);
      // The heaviest body is judged too, alone.
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
      this.logger.error('a review failed', { error: name });
    } else {
      this.logger.debug('rejected a request', { status, problem: message });
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
  if (method !== 'POST') throw new RequestProblem(405, 'only POST', { allow: 'POST' });
  const mediaType = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType !== 'application/json')
    throw new RequestProblem(415, 'the content type must be application/json');
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new RequestProblem(415, 'the body must not be compressed');
}
