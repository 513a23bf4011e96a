// Bundles @kubernetes/client-node to one CommonJS file for Jest; see jest.config.js for the reason.
import { build } from 'esbuild';

await build({
  entryPoints: ['node_modules/@kubernetes/client-node/dist/index.js'],
  outfile: '.cache/client-node.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  logLevel: 'error',
});
