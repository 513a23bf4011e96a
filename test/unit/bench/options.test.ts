import { describe, expect, it } from '@jest/globals';

import { parseOptions } from '../../../bench/options.js';
import { percentile, Report } from '../../../bench/report.js';

describe('parseOptions', () => {
  it('measures our operator alone unless another one is given', () => {
    const [ours, compared] = [
      parseOptions([]),
      parseOptions(['--operator-command', 'other "$METRICS_ADDR"']),
    ];
    expect(ours).toMatchObject({ subjects: [{ name: 'ours' }], runs: 1, keys: 3, engine: 'v2' });
    expect(compared).toMatchObject({ subjects: [{ name: 'ours' }, { name: 'other' }] });
  });

  it.each([
    [['--only', 'floor,nothing'], "there is no benchmark 'nothing'"],
    [['--runs', '0'], '--runs must be a whole number from 1 on'],
    [['--resources', '1e9'], '--resources must be a whole number from 10 on'],
    [['--growth', '100,x'], '--growth must be a whole number from 10 on'],
    [['--engine', 'v3'], '--engine must be v1 or v2'],
    [['--webhook-command', 'x'], '--webhook-command needs --operator-command'],
    [['--nothing'], "Unknown option '--nothing'"],
    [['stray'], "Unexpected argument 'stray'"],
  ])('refuses %j', (args, fault) => {
    expect(parseOptions(args)).toContain(fault);
  });

  it('reports every problem at once', () => {
    expect(parseOptions(['--runs', '0', '--keys', '-'])).toEqual(expect.stringMatching(/--runs.*\n.*--keys/));
  });
});

describe('Report', () => {
  it('shows the median with the least and the most, and the ratio of the medians', () => {
    const report = new Report();
    for (const value of [3, 1, 2]) report.add('ours', 'sync', 'time', value, 's');
    report.add('other', 'sync', 'time', 4, 's');
    report.skip('other', 'floor', 'only of ours');
    const lines = report.table(false).split('\n');
    expect(lines[1]?.split(/ {2,}/)).toEqual(['sync', 'time', '2 (1–3)', '4', '0.5', 's']);
    expect(lines.at(-1)).toBe('skipped for other: floor: only of ours');
    expect(report.table(true).split('\n')[1]).toMatch(/^\| -+ \| -+ \| -+: \|/);
  });

  it.each([
    [0.5, 2],
    [0.99, 3],
    [0, 1],
  ])('takes the percentile %d', (share, value) => {
    expect(percentile([3, 1, 2], share)).toBe(value);
  });
});
