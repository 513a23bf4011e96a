import 'reflect-metadata';

import { parseArgs } from 'node:util';

import { runChaos } from './run.js';
import { describeReport } from './report.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    resources: { type: 'string', default: '100' },
    timeline: { type: 'boolean', default: false },
  },
});
const [seconds, seed, resources] = [values.seconds, values.seed, values.resources].map(Number);
if (![seconds, seed, resources].every((number) => Number.isSafeInteger(number) && Number(number) > 0)) {
  process.stderr.write('chaos: --seconds, --seed and --resources are whole numbers above 0\n');
  process.exit(2);
}
process.stdout.write(`chaos: seed ${String(seed)}, ${String(seconds)} s, ${String(resources)} resources\n`);
const report = await runChaos({ seconds: seconds ?? 0, seed: seed ?? 0, resources: resources ?? 0 });
process.stdout.write(`${describeReport(report)}\n`);
if (values.timeline) process.stdout.write(`${report.fullTimeline.join('\n')}\n`);
process.exitCode = report.violations.length === 0 ? 0 : 1;
