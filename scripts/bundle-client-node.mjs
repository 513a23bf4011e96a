// Bundles @kubernetes/client-node to one CommonJS file for Jest, with what the programs have of it: the whole package would
// be 14 MB in each test file. See jest.config.js for the reason.
import { build } from 'esbuild';

import { slim } from './slim/plugin.mjs';

await build({
  entryPoints: ['scripts/slim/client-node.mjs'],
  outfile: '.cache/client-node.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  logLevel: 'error',
  plugins: [slim],
});
