import { expect, it } from '@jest/globals';

import { describeReport } from './report.js';
import { runChaos } from './run.js';

/** `CHAOS_SEED=7 CHAOS_SECONDS=60 npm run jest -- test/chaos` runs another one; `npm run test:chaos` a longer one. */
const SEED = Number(process.env.CHAOS_SEED ?? 20_261);
const SECONDS = Number(process.env.CHAOS_SECONDS ?? 30);

it(
  'keeps every promise through random changes and faults',
  async () => {
    const report = await runChaos({ seed: SEED, seconds: SECONDS });
    if (report.violations.length > 0) throw new Error(describeReport(report));
    // An oracle that saw nothing would find nothing.
    expect(report.counts).toMatchObject({ changes: expect.any(Number) });
    for (const name of ['changes', 'faults', 'vaultWrites', 'kmsRequests'])
      expect(report.counts[name]).toBeGreaterThan(10);
  },
  SECONDS * 1000 + 240_000,
);
