// Node 20 runs no TypeScript, so what is written in it for these scripts is bundled first, into .cache.
import 'reflect-metadata';

import { spawn } from 'node:child_process';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { build } from 'esbuild';

/** The exports of a TypeScript module, which may import packages but is not bundled with them. */
export async function importTypescript(entry) {
  const outfile = await bundle(entry, { packages: 'external' });
  return await import(pathToFileURL(resolve(outfile)));
}

/** Runs a TypeScript program with this process's arguments, and ends with its exit code. */
export async function runTypescript(entry) {
  const outfile = await bundle(entry, {
    banner: {
      // CommonJS dependencies call require() for Node's own modules.
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  const child = spawn(process.execPath, ['--enable-source-maps', outfile, ...process.argv.slice(2)], {
    stdio: 'inherit',
    // That Node 20 nears its end for the AWS SDK is no matter of servers on loopback.
    env: { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
  });
  // Ctrl-C reaches the whole group; the program ends by itself and this waits for it.
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      if (signal === 'SIGTERM') child.kill(signal);
    });
  }
  child.on('exit', (code) => process.exit(code ?? 1));
}

async function bundle(entry, options) {
  const outfile = `.cache/${basename(entry, '.ts')}.mjs`;
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    ...options,
  });
  return outfile;
}
