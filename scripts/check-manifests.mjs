// Checks everything that can be applied to a cluster; see scripts/manifests/check.ts. Node 20 runs no
// TypeScript, so that the check is bundled first.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { build } from 'esbuild';

const outfile = '.cache/check-manifests.mjs';
await build({
  entryPoints: ['scripts/manifests/check.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
});
const { checkManifests } = await import(pathToFileURL(resolve(outfile)));
const { faults, summary } = await checkManifests();
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
console.log(summary);
