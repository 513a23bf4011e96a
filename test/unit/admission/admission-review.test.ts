import { describe, expect, it } from '@jest/globals';

import { answerBody, parseReview, weighBody } from '../../../src/admission/admission-review.js';

const request = {
  uid: 'u',
  kind: { group: 'k8s.patoarvizu.dev', version: 'v1alpha1', kind: 'PartialKMSVaultSecret' },
  operation: 'CREATE',
  namespace: 'default',
  object: { metadata: { generateName: 'app-' } },
};

function parse(review: unknown): ReturnType<typeof parseReview> {
  const body = Buffer.from(typeof review === 'string' ? review : JSON.stringify(review));
  const weighed = weighBody(body);
  return weighed.ok ? parseReview(body) : weighed;
}

function reviewOf(more: object, version = 'v1'): object {
  return {
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${version}`,
    request: { ...request, ...more },
  };
}

describe('parseReview', () => {
  it('reads what is asked, and makes a name of generateName', () => {
    expect(parse(reviewOf({ dryRun: true }, 'v1beta1'))).toEqual({
      ok: true,
      request: {
        version: 'admission.k8s.io/v1beta1',
        uid: 'u',
        operation: 'CREATE',
        kind: 'PartialKMSVaultSecret',
        subresource: '',
        namespace: 'default',
        name: 'app-…',
        dryRun: true,
        object: request.object,
        oldObject: undefined,
      },
    });
    expect(parse(reviewOf({ operation: 'DELETE', object: null, oldObject: {} }))).toMatchObject({
      ok: true,
      request: { object: undefined, oldObject: {} },
    });
  });

  it('parses no endless nesting, and takes brackets in strings for what they are', () => {
    const nested = (levels: number): string =>
      JSON.stringify(reviewOf({ deep: '@' })).replace('"@"', '['.repeat(levels) + ']'.repeat(levels));
    expect(parse(nested(490)).ok).toBe(true);
    expect(parse(nested(510))).toEqual({ ok: false, problem: 'the body is nested deeper than 500 levels' });
    for (const text of ['['.repeat(9_999), '\\"['.repeat(999), `\\${'{'.repeat(999)}`, '"'.repeat(7)]) {
      expect(parse(reviewOf({ text })).ok).toBe(true);
    }
  });
});

describe('answerBody', () => {
  it('answers in the version that was asked, and says no more than there is to say', () => {
    const asked = { version: 'admission.k8s.io/v1beta1', uid: 'u' } as const;
    expect(JSON.parse(answerBody(asked, { allowed: true, warnings: [] }))).toEqual({
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1beta1',
      response: { uid: 'u', allowed: true },
    });
  });
});
