import { describe, expect, it } from '@jest/globals';

import type { CheckReport, Problem } from '../../../../src/cli/checking/problem.js';
import { reportLines } from '../../../../src/cli/checking/problem-formats.js';

const PROBLEM: Problem = {
  file: 'a,b:c%.yaml',
  line: 3,
  column: 7,
  severity: 'error',
  code: 'InvalidPath',
  message: '100% wrong:\r\nfix it, please',
  resource: 'KMSVaultSecret web',
};
const REPORT: CheckReport = {
  files: 1,
  resources: 1,
  problems: [PROBLEM, { ...PROBLEM, severity: 'warning', message: 'odd' }],
};

describe('the formats of a report', () => {
  it('are one line per problem for people', () => {
    expect(reportLines({ ...REPORT, problems: [{ ...PROBLEM, message: 'wrong' }] }, 'text')).toEqual([
      'a,b:c%.yaml:3:7: error: wrong',
    ]);
  });

  it('escape for GitHub what its commands would misread', () => {
    expect(reportLines(REPORT, 'github')).toEqual([
      '::error file=a%2Cb%3Ac%25.yaml,line=3,col=7::100%25 wrong:%0D%0Afix it, please',
      '::warning file=a%2Cb%3Ac%25.yaml,line=3,col=7::odd',
    ]);
  });

  it('say on GitHub, too, that KMS was not there', () => {
    const unchecked = { ciphertexts: 2, reason: 'KMS is unavailable: ECONNREFUSED' };
    expect(reportLines({ ...REPORT, problems: [], unchecked }, 'github')).toEqual([
      '::error::KMS is unavailable: ECONNREFUSED; 2 ciphertexts were not checked: run it again when KMS is available, ' +
        'or use --no-kms',
    ]);
  });

  it('are JSON with counts', () => {
    expect(JSON.parse(reportLines(REPORT, 'json').join('\n'))).toEqual({
      files: 1,
      resources: 1,
      errors: 1,
      warnings: 1,
      problems: REPORT.problems,
    });
  });
});
