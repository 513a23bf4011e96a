import { beforeEach, describe, expect, it } from '@jest/globals';

import { type Access, AccessReviewer } from '../../../src/kube/access-reviewer.js';
import { KubeError } from '../../../src/kube/kube-error.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import type { Json } from '../../support/http-json.js';
import { RecordingLogger } from '../../support/loggers.js';

const PATH = '/metrics';

/** An API server that knows some tokens, and who may read. */
class Reviews {
  readonly asked: { readonly kind: string; readonly spec: Json; readonly timeoutMs: number | undefined }[] =
    [];
  readonly users = new Map<string, object>();
  readonly mayRead = new Set<string>();
  /** Instead of a status. */
  answer: ((kind: string) => unknown) | undefined;
  failure: Error | undefined;
  private held: (() => void)[] | undefined;

  hold(): void {
    this.held = [];
  }

  release(): void {
    for (const go of this.held ?? []) go();
    this.held = undefined;
  }

  async request(
    verb: string,
    path: string,
    options: { body?: unknown; timeoutMs?: number } = {},
  ): Promise<unknown> {
    const { kind, spec } = options.body as Json;
    expect([verb, path]).toEqual([
      'POST',
      kind === 'TokenReview'
        ? '/apis/authentication.k8s.io/v1/tokenreviews'
        : '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    ]);
    this.asked.push({ kind, spec, timeoutMs: options.timeoutMs });
    const { held } = this;
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve));
    if (this.failure !== undefined) throw this.failure;
    if (this.answer !== undefined) return this.answer(kind);
    if (kind === 'SubjectAccessReview') return { status: { allowed: this.mayRead.has(spec.user) } };
    const user = this.users.get(spec.token);
    return { status: user === undefined ? { error: 'invalid bearer token' } : { authenticated: true, user } };
  }

  count(kind?: string): number {
    return this.asked.filter((one) => kind === undefined || one.kind === kind).length;
  }
}

let api: Reviews;
let clock: FakeClock;
let logger: RecordingLogger;
let reviewer: AccessReviewer;

beforeEach(() => {
  api = new Reviews();
  api.users.set('reader', { username: 'prometheus', uid: 'u1', groups: ['g'], extra: { e: ['x'] } });
  api.users.set('stranger', { username: 'stranger' });
  api.mayRead.add('prometheus');
  clock = new FakeClock();
  logger = new RecordingLogger();
  reviewer = new AccessReviewer(api, clock, logger);
});

const review = async (token: string): Promise<Access> => await reviewer.review(token, PATH);

describe('a review', () => {
  it('asks who it is, and whether this user may get the path', async () => {
    expect(await review('reader')).toBe('allowed');
    expect(api.asked).toEqual([
      { kind: 'TokenReview', spec: { token: 'reader' }, timeoutMs: 10_000 },
      {
        kind: 'SubjectAccessReview',
        spec: {
          user: 'prometheus',
          uid: 'u1',
          groups: ['g'],
          extra: { e: ['x'] },
          nonResourceAttributes: { path: PATH, verb: 'get' },
        },
        timeoutMs: 10_000,
      },
    ]);
    expect(await review('stranger')).toBe('denied');
    expect(await review('nobody')).toBe('unauthenticated');
  });

  it.each<[string, (kind: string) => unknown, Access]>([
    ['nothing', () => undefined, 'unauthenticated'],
    ['no status', () => ({}), 'unauthenticated'],
    ['a user who is not authenticated', () => ({ status: { user: { username: 'x' } } }), 'unauthenticated'],
    ['nobody', () => ({ status: { authenticated: true } }), 'unauthenticated'],
    ['a text', () => ({ status: { authenticated: 'true', user: {} } }), 'unauthenticated'],
    [
      'a permission that is denied, too',
      (kind) => ({
        status: kind === 'TokenReview' ? { authenticated: true, user: {} } : { allowed: true, denied: true },
      }),
      'denied',
    ],
  ])('takes %s for a refusal', async (_what, answer, access) => {
    api.answer = answer;
    expect(await review('reader')).toBe(access);
  });

  it('is made once for all who ask the same at the same time', async () => {
    const answers = Promise.all(Array.from({ length: 50 }, () => review('reader')));
    expect(await answers).toEqual(Array.from({ length: 50 }, () => 'allowed'));
    expect(api.count()).toBe(2);
  });
});

describe('a verdict', () => {
  it('is believed for a minute when it is a permission', async () => {
    expect(await review('reader')).toBe('allowed');
    api.mayRead.clear();
    await clock.advance(59_999);
    expect(await review('reader')).toBe('allowed');
    expect(api.count()).toBe(2);
    await clock.advance(1);
    expect(await review('reader')).toBe('denied');
    expect(api.count()).toBe(4);
  });

  it('ends the access of a deleted account within a minute', async () => {
    expect(await review('reader')).toBe('allowed');
    api.users.delete('reader');
    await clock.advance(60_000);
    expect(await review('reader')).toBe('unauthenticated');
  });

  it.each<[string, Access, number]>([
    ['nobody', 'unauthenticated', 1],
    ['stranger', 'denied', 2],
  ])('is believed for ten seconds when it is a refusal: %s', async (token, access, reviews) => {
    expect(await review(token)).toBe(access);
    api.users.set('nobody', { username: 'prometheus' });
    api.mayRead.add('stranger');
    await clock.advance(9_999);
    expect(await review(token)).toBe(access);
    expect(api.count()).toBe(reviews);
    await clock.advance(1);
    expect(await review(token)).toBe('allowed');
  });

  it('is forgotten when there are too many others', async () => {
    const tokens = Array.from({ length: 501 }, (_, index) => `token-${String(index)}`);
    for (const token of tokens) {
      api.users.set(token, { username: token });
      api.mayRead.add(token);
      expect(await review(token)).toBe('allowed');
    }
    api.asked.splice(0);
    for (const token of tokens.slice(1)) await review(token);
    expect(api.count()).toBe(0);
    await review(tokens[0] ?? '');
    expect(api.count()).toBe(2);
  });

  it('is not made of a failure', async () => {
    api.failure = new KubeError('POST /x: HTTP 500', 500);
    expect(await review('reader')).toBe('unavailable');
    api.failure = undefined;
    expect(await review('reader')).toBe('allowed');
  });

  it('outlives a failure of the API server', async () => {
    await review('reader');
    api.failure = new KubeError('POST /x: no response', undefined);
    await clock.advance(59_999);
    expect(await review('reader')).toBe('allowed');
    await clock.advance(1);
    expect(await review('reader')).toBe('unavailable');
  });
});

describe('a flood of tokens', () => {
  it('gets twenty reviews at once, and the verdicts of others stay', async () => {
    expect(await review('reader')).toBe('allowed');
    api.asked.splice(0);
    api.hold();
    const flood = Array.from({ length: 30 }, (_, index) => review(`flood-${String(index)}`));
    await settled();
    expect(api.count()).toBe(20);
    expect(await review('reader')).toBe('allowed');
    api.release();
    const answers = await Promise.all(flood);
    expect(answers.filter((answer) => answer === 'unavailable')).toHaveLength(10);
    expect(answers.filter((answer) => answer === 'unauthenticated')).toHaveLength(20);
    expect(await review('flood-29')).toBe('unauthenticated');
  });
});

describe('the log', () => {
  it('says a failure once, again after a success, and never a token', async () => {
    for (let turn = 0; turn < 2; turn += 1) {
      api.failure = new KubeError('POST /x: HTTP 403', 403);
      for (const token of ['reader', 'c4n4ry', 'reader']) expect(await review(token)).toBe('unavailable');
      api.failure = undefined;
      expect(await review('reader')).toBe('allowed');
      await clock.advance(60_000);
    }
    expect(logger.entries.map(({ level, facts }) => ({ level, facts }))).toEqual(
      Array.from({ length: 2 }, () => ({
        level: 'warn',
        facts: {
          problem: 'POST /x: HTTP 403',
          advice: 'the operator needs to create tokenreviews and subjectaccessreviews',
        },
      })),
    );
    expect(JSON.stringify(logger.entries)).not.toContain('c4n4ry');
  });

  it('keeps the text of an unexpected error to itself', async () => {
    api.failure = new Error('c4n4ry');
    expect(await review('reader')).toBe('unavailable');
    expect(logger.entries[0]?.facts).toEqual({ problem: 'unexpected error' });
  });
});
