// Bundles the operator and the webhook to two files each in dist/, a tiny one that takes signals and loads the other,
// and the author's tool to one. Bundles mean fewer files, half the start-up time, a quarter less memory.
//
//   node scripts/build.mjs [--watch] [--out=FOLDER]
//
// With --watch it rebuilds after each change and prints `built NAME` each time.
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync } from 'node:fs';

import { build, context } from 'esbuild';

import { slim } from './slim/plugin.mjs';

/** CommonJS dependencies call require() for Node's own modules. */
const REQUIRE = [
  "import { createRequire as __createRequire } from 'node:module';",
  'const require = __createRequire(import.meta.url);',
].join('\n');

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const watching = process.argv.includes('--watch');
const out = process.argv.find((argument) => argument.startsWith('--out='))?.slice('--out='.length) ?? 'dist';
/** Entry files, and the program that each of them loads. */
const programs = { main: 'operator', webhook: 'validating-webhook' };
const bundles = Object.entries(programs).flatMap(([entry, program]) => [
  { name: entry, banner: ['#!/usr/bin/env node'], external: [`./${program}.js`], executable: true },
  { name: program, banner: [REQUIRE] },
]);
// One file that can be copied anywhere. What is imported dynamically is evaluated when it is needed.
bundles.push({ name: 'cli', banner: ['#!/usr/bin/env node', REQUIRE], executable: true });

rmSync(out, { recursive: true, force: true });
for (const { name, banner, external = [], executable = false } of bundles) {
  const outfile = `${out}/${name}.js`;
  const options = {
    entryPoints: [`src/${name}.ts`],
    outfile,
    bundle: true,
    platform: 'node',
    // ES modules, so that what nothing uses is left out.
    mainFields: ['module', 'main'],
    format: 'esm',
    target: 'node20',
    sourcemap: 'linked',
    sourcesContent: false,
    // Identifiers stay as they are: stack traces are read, and renaming with keepNames takes more memory.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    // `debug` tries to load it and does without; it is here for development only.
    external: ['supports-color', ...external],
    logLevel: 'warning',
    define: { BUILD_VERSION: JSON.stringify(version), BUILD_COMMIT: JSON.stringify(commit()) },
    banner: { js: banner.join('\n') },
    plugins: [slim],
  };
  if (watching) await (await context({ ...options, plugins: [slim, announce(name, executable)] })).watch();
  else {
    await build(options);
    if (executable) chmodSync(outfile, 0o755);
  }
}

function announce(name, executable) {
  return {
    name: 'announce',
    setup: ({ onEnd }) => {
      onEnd(({ errors }) => {
        if (errors.length > 0) return;
        if (executable) chmodSync(`${out}/${name}.js`, 0o755);
        console.log(`built ${name}`);
      });
    },
  };
}

function commit() {
  if (process.env.GIT_COMMIT) return process.env.GIT_COMMIT;
  try {
    return execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}
