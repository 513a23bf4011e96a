import { describe, expect, it } from '@jest/globals';

import { checkSecretSpec } from '../../../src/api/validation.js';
import { asMessage, asWarnings, ReviewFindings } from '../../../src/admission/review-findings.js';

const MANY = 100_000;

describe('what is found in a body of megabytes', () => {
  it('is counted, and kept up to a limit, by the check of a spec', () => {
    const secrets = new Array<number>(MANY).fill(0);
    const checked = checkSecretSpec({ path: 'kv/x', kvSettings: { engineVersion: 'v1' }, secrets });
    if (checked.ok) throw new Error('a number is no item');
    expect(checked.total).toBe(MANY);
    expect(checked.problems.length).toBeLessThanOrEqual(50);
  });

  it('is counted, and kept up to a limit, by the review', () => {
    const findings = new ReviewFindings();
    for (let index = 0; index < MANY; index += 1)
      findings.add('code', `problem ${String(index)}`, { key: 'key' });
    expect(findings.all.length).toBeLessThanOrEqual(30);
    expect(findings.all.length + findings.more).toBe(MANY);
    expect(asMessage(findings.all, findings.more)).toContain('more problems');
    expect(asWarnings(findings.all, findings.more).at(-1)).toContain('more warnings');
  });

  it('names some of the keys that have the same problem, and counts the others', () => {
    const findings = new ReviewFindings();
    for (let index = 0; index < MANY; index += 1)
      findings.add('code', 'the same', { key: `key-${String(index)}` });
    const [finding] = findings.all;
    expect(finding?.keysTotal).toBe(MANY);
    expect(finding?.keys.length).toBeLessThanOrEqual(25);
  });
});
