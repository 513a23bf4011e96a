// Builds the image's tree as a container builder would, in an empty folder, with a real `npm ci`, and tells
// what it weighs; where that is possible, starts both programs in it. It takes the network and a minute:
//
//   node scripts/image/try-build.mjs [--keep]
//
// `--keep` leaves the folder. The work is in try-build.ts, bundled first: Node 20 runs no TypeScript.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { build } from 'esbuild';

const outfile = '.cache/try-build.mjs';
await build({
  entryPoints: ['scripts/image/try-build.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
});
const { tryBuild } = await import(pathToFileURL(resolve(outfile)));
process.exitCode = tryBuild({ keep: process.argv.includes('--keep') });
