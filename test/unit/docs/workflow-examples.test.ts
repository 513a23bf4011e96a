import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

interface Workflow {
  readonly jobs?: Readonly<Record<string, { readonly steps: readonly { readonly run?: string }[] }>>;
}

const workflows = [...readFileSync('docs/authoring.md', 'utf8').matchAll(/^```yaml\n(.*?)^```$/gms)].map(
  ([, text = '']) => parse(text) as Workflow,
);
const jobs = workflows.flatMap(({ jobs: found = {} }) => Object.entries(found));

describe('the workflows in the documentation for authors', () => {
  it('are there', () => {
    expect(jobs.map(([name]) => name)).toEqual(['validate', 'plan']);
  });

  it.each(jobs)('%s has the program before it runs it', (_name, { steps }) => {
    const runs = steps.map(({ run = '' }) => run);
    const used = runs.findIndex((run) => run.includes('kubectl kms-vault '));
    const installed = runs.findIndex((run) => /chmod \+x \S*kubectl-kms_vault/.test(run));
    if (used === -1) expect(runs.join('\n')).toContain('docker run');
    else expect(installed).toBeGreaterThan(-1);
    expect(installed).toBeLessThanOrEqual(used);
  });
});
