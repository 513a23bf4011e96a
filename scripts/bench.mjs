// `npm run bench`: bundles the benchmarks with the loopback servers, and runs them on the built programs.
import { spawn } from 'node:child_process';

import { build } from 'esbuild';

await build({
  entryPoints: ['bench/bench.ts'],
  outfile: '.cache/bench.mjs',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
const child = spawn(
  process.execPath,
  ['--enable-source-maps', '.cache/bench.mjs', ...process.argv.slice(2)],
  {
    stdio: 'inherit',
    // That Node 20 nears its end for the AWS SDK is no matter of these servers on loopback.
    env: { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
  },
);
// Ctrl-C reaches the whole group; the demo ends by itself and this waits for it.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (signal === 'SIGTERM') child.kill(signal);
  });
}
child.on('exit', (code) => process.exit(code ?? 1));
