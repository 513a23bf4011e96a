import { describe, expect, it } from '@jest/globals';

import { readQuery } from './promql.js';

const METRICS: Readonly<Record<string, readonly string[]>> = {
  m: ['job', 'pod', 'code'],
  n: ['job', 'pod'],
  h_bucket: ['job', 'le'],
};
const read = (expression: string): ReturnType<typeof readQuery> =>
  readQuery(expression, (name) => METRICS[name]);
const labels = (expression: string): string[] => [...read(expression).labels].sort();

describe('readQuery', () => {
  it('returns the metrics and their matchers', () => {
    expect(read('rate(m{code!~"2..|3..", job="x"}[5m]) > 0').selectors).toEqual([
      {
        metric: 'm',
        matchers: [
          { label: 'code', operator: '!~', value: '2..|3..' },
          { label: 'job', operator: '=', value: 'x' },
        ],
      },
    ]);
  });

  it.each([
    ['m', ['code', 'job', 'pod']],
    ['sum by (job) (m) == 0', ['job']],
    ['sum without (code) (m)', ['job', 'pod']],
    ['time() - n > 2', ['job', 'pod']],
    ['sum by (job) (m) / sum by (job) (n)', ['job']],
    ['n and ignoring (code) m', ['job', 'pod']],
    ['m and on (job) n', ['code', 'job', 'pod']],
    ['n / on (job) sum by (job) (m)', ['job']],
    ['histogram_quantile(0.9, rate(h_bucket[5m]))', ['job']],
    ['absent(m{code="200"})', ['code']],
    ['sum(m) or vector(0)', []],
    ['max_over_time((timestamp(n > 0) unless (n == n offset 2m))[1h:1m])', ['job', 'pod']],
    ['sum by (job) (n{pod=~"$pod"}[$__rate_interval])', ['job']],
  ])('knows the labels of the result of %s', (expression, expected) => {
    expect(labels(expression)).toEqual(expected);
  });

  it('returns what only one side of an "or" has', () => {
    const { labels: certain, possibleLabels } = read('sum by (job) (n) or on () absent(n)');
    expect([[...certain], [...possibleLabels]]).toEqual([[], ['job']]);
  });

  it.each([
    ['sum by (x (m)', 'no PromQL'],
    ['sum(', 'no PromQL'],
    ['rate(other[5m])', 'nobody exports other'],
    ['n{code="1"}', 'no label code on n'],
    ['sum by (code) (n)', 'no label code'],
    ['sum by (pod) (sum by (job) (m))', 'no label pod'],
    ['m / n', 'the sides never match'],
    ['m unless n', 'the sides never match'],
    ['n and on (code) m', 'no label code'],
    ['histogram_quantile(0.9, sum by (job) (h_bucket))', 'no label le'],
  ])('refuses %s', (expression, problem) => {
    expect(() => read(expression)).toThrow(problem);
  });
});
