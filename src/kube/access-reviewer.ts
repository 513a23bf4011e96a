import { createHmac, randomBytes } from 'node:crypto';

import { inject, injectable } from 'tsyringe';

import type { Logger } from '../observability/logger.js';
import type { Clock } from '../runtime/clock.js';
import { LogOnce } from '../runtime/log-once.js';
import { RecentMap } from '../runtime/recent-map.js';
import { SingleFlight } from '../runtime/single-flight.js';
import { TOKENS } from '../tokens.js';
import type { KubeClient } from './kube-client.js';
import { KubeError } from './kube-error.js';
import { isRecord } from './status-body.js';

const TOKEN_REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const ACCESS_REVIEWS = '/apis/authorization.k8s.io/v1/subjectaccessreviews';

/** The time limit of controller-runtime's filter (`TokenAccessReviewTimeout` in pkg/metrics/filters/filters.go). */
const REVIEW_TIMEOUT_MS = 10_000;
/**
 * How long verdicts are believed. controller-runtime believes who somebody is for a minute, a permission for five and
 * a refusal for half a minute; here no permission outlives its end by more than two minutes.
 */
const YES_MS = 60_000;
const NO_MS = 10_000;
/** More callers than any installation has; beyond that the oldest verdict is forgotten. */
const MAX_VERDICTS = 500;
/** Different reviews in flight; above this limit a flood of tokens gets no more of the API server. */
const MAX_IN_FLIGHT = 20;

export type Access = 'allowed' | 'denied' | 'unauthenticated' | 'unavailable';

interface Verdict<T> {
  readonly value: T;
  readonly untilMs: number;
}

/** The caller as a TokenReview describes it, in the shape of the spec of a SubjectAccessReview. */
interface Caller {
  readonly user?: unknown;
  readonly uid?: unknown;
  readonly groups?: unknown;
  readonly extra?: unknown;
}

/**
 * Asks the API server who sends a request and whether he may, as aggregated servers do (TokenReview and
 * SubjectAccessReview). Verdicts are kept for a short time by a keyed digest; no token is.
 */
@injectable()
export class AccessReviewer {
  private readonly digestKey = randomBytes(32);
  private readonly callers = new RecentMap<string, Verdict<Caller | undefined>>(MAX_VERDICTS);
  private readonly permissions = new RecentMap<string, Verdict<boolean>>(MAX_VERDICTS);
  private readonly reviews = new SingleFlight<unknown>();
  private readonly said = new LogOnce();
  private inFlight = 0;

  /** @param client with a gate that is always open: reviews change nothing, and standbys answer too. */
  constructor(
    @inject(TOKENS.reviewClient) private readonly client: Pick<KubeClient, 'request'>,
    @inject(TOKENS.clock) private readonly clock: Clock,
    @inject(TOKENS.logger) private readonly logger: Logger,
  ) {}

  /** Whether the sender of this bearer token may `get` a path that is no resource. Never throws. */
  async review(token: string, path: string): Promise<Access> {
    try {
      const caller = await this.callerOf(token);
      if (caller === undefined) return 'unauthenticated';
      const access = (await this.mayGet(caller, path)) ? 'allowed' : 'denied';
      this.said.clear('failure');
      return access;
    } catch (error) {
      this.sayFailure(error);
      return 'unavailable';
    }
  }

  private async callerOf(token: string): Promise<Caller | undefined> {
    return await this.remembered(this.callers, `token ${token}`, async () => {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
      const { authenticated, user } = statusOf(await this.ask(TOKEN_REVIEWS, body));
      if (authenticated !== true || !isRecord(user)) return undefined;
      const { username, uid, groups, extra } = user;
      return { user: username, uid, groups, extra };
    });
  }

  private async mayGet(caller: Caller, path: string): Promise<boolean> {
    return await this.remembered(this.permissions, `get ${path} ${JSON.stringify(caller)}`, async () => {
      const spec = { ...caller, nonResourceAttributes: { path, verb: 'get' } };
      const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
      const { allowed, denied } = statusOf(await this.ask(ACCESS_REVIEWS, body));
      return allowed === true && denied !== true;
    });
  }

  /** One review for all callers that ask the same, and none while its verdict is believed. */
  private async remembered<T>(
    verdicts: RecentMap<string, Verdict<T>>,
    question: string,
    ask: () => Promise<T>,
  ): Promise<T> {
    const id = createHmac('sha256', this.digestKey).update(question).digest('base64');
    const known = verdicts.get(id);
    if (known !== undefined && this.clock.monotonicMs() < known.untilMs) return known.value;
    const value = (await this.reviews.run(id, ask)) as T;
    const isYes = value !== undefined && value !== false;
    verdicts.set(id, { value, untilMs: this.clock.monotonicMs() + (isYes ? YES_MS : NO_MS) });
    return value;
  }

  private async ask(path: string, body: object): Promise<unknown> {
    if (this.inFlight >= MAX_IN_FLIGHT) {
      throw new KubeError(`POST ${path}: too many reviews in flight`, undefined);
    }
    this.inFlight += 1;
    try {
      return await this.client.request('POST', path, { body, timeoutMs: REVIEW_TIMEOUT_MS });
    } finally {
      this.inFlight -= 1;
    }
  }

  private sayFailure(error: unknown): void {
    const problem = error instanceof KubeError ? error.message : 'unexpected error';
    if (!this.said.isNew('failure', problem)) return;
    const isForbidden = error instanceof KubeError && error.status === 403;
    this.logger.warn('cannot check who may read the metrics; requests for them are answered with 503', {
      problem,
      ...(isForbidden
        ? { advice: 'the operator needs to create tokenreviews and subjectaccessreviews' }
        : {}),
    });
  }
}

function statusOf(answer: unknown): Record<string, unknown> {
  return isRecord(answer) && isRecord(answer.status) ? answer.status : {};
}
