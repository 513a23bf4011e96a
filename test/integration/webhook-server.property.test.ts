import { describe, expect, it } from '@jest/globals';

import fc from 'fast-check';

import { EMPTY, createOf, fixture, useWebhook } from './webhook-fixture.js';
import { review } from './webhook-sockets.js';

const MIB = 1024 * 1024;
useWebhook();

async function alive(): Promise<void> {
  expect((await fixture.create(EMPTY)).allowed).toBe(true);
}

describe('AdmissionServer', () => {
  it('answers any body with a review or a 4xx', async () => {
    const hostile = fc.oneof(
      fc.constantFrom<unknown>(null, true, -0, 1e308, '', '__proto__', [], {}),
      fc.bigInt().map((number) => Number(number)),
      fc.string({ unit: 'binary' }),
      fc.jsonValue({ maxDepth: 3 }),
    );
    const spec = fc.record(
      {
        path: hostile,
        kvSettings: fc.oneof(hostile, fc.record({ engineVersion: hostile, casIndex: hostile })),
        secretContext: hostile,
        includeSecrets: hostile,
        secrets: fc.oneof(
          hostile,
          fc.array(
            fc.oneof(
              hostile,
              fc.record(
                { key: hostile, encryptedSecret: hostile, secretContext: hostile, emptySecret: hostile },
                { requiredKeys: [] },
              ),
            ),
          ),
        ),
      },
      { requiredKeys: [] },
    );
    const object = fc.oneof(hostile, fc.record({ metadata: hostile, spec: fc.oneof(hostile, spec) }));
    const request = fc.record(
      {
        uid: fc.oneof(fc.constant('u'), hostile),
        operation: fc.oneof(fc.constantFrom('CREATE', 'UPDATE', 'DELETE'), hostile),
        kind: fc.oneof(
          fc.constantFrom(createOf({}).kind, createOf({}, 'PartialKMSVaultSecret').kind),
          hostile,
        ),
        namespace: hostile,
        name: hostile,
        subResource: hostile,
        object,
        oldObject: object,
      },
      { requiredKeys: ['uid', 'operation', 'kind', 'object'] },
    );
    const polluted = '{"__proto__":{"allowed":true},"constructor":{"prototype":{"allowed":true}}}';
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const body = fc.oneof(
      { weight: 6, arbitrary: request.map((value) => review(value)) },
      { weight: 2, arbitrary: spec.map((value) => review({ uid: 'u', ...createOf(value) })) },
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        deep,
        polluted,
        review('@').replace('"@"', deep),
        review({ uid: 'u', ...createOf('@') }).replace('"@"', polluted),
        review({ uid: 'u', ...createOf('@'), operation: 'UPDATE', oldObject: { spec: '@' } }).replaceAll(
          '"@"',
          deep,
        ),
        review({ uid: 'u', ...createOf('@') }).replace('"@"', '9'.repeat(100_000)),
      ),
    );
    const before = process.memoryUsage.rss();
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        const { status, json } = await fixture.call(text);
        if (status !== 200) expect([400, 413]).toContain(status);
        else
          expect(json).toMatchObject({
            kind: 'AdmissionReview',
            response: { uid: expect.any(String), allowed: expect.any(Boolean) },
          });
      }),
      { numRuns: 800 },
    );
    expect(process.memoryUsage.rss() - before).toBeLessThan(300 * MIB);
    expect(Object.prototype).not.toHaveProperty('allowed');
    expect(fixture.logger.entries.filter(({ level }) => level === 'error')).toEqual([]);
    await alive();
  }, 30_000);
});
