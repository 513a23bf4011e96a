// `npm run check`: everything that CI checks beside the tests, in two lanes side by side. A lane ends with the first
// step that fails.
import { spawn } from 'node:child_process';

const LANES = [
  ['prettier --check --log-level warn .', 'eslint --max-warnings 0 .'],
  [
    'tsc',
    'knip',
    'node scripts/check-lockfile.mjs',
    'node scripts/check-manifests.mjs',
    'node scripts/reference.mjs --check',
    'node scripts/chart.mjs --check',
  ],
];

/** Prints what a step says when it has ended, so that the lanes do not mix. */
async function passes(step) {
  const child = spawn(step, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const parts = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => parts.push(part));
  const code = await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  process.stdout.write(Buffer.concat(parts));
  if (code !== 0) console.log(`check: ${step} failed`);
  return code === 0;
}

async function lane(steps) {
  for (const step of steps) if (!(await passes(step))) return false;
  return true;
}

const results = await Promise.all(LANES.map(lane));
process.exitCode = results.every(Boolean) ? 0 : 1;
