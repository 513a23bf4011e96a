import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { buildImage } from './image-build.js';
import { ReadOnlyTree, whyNoTree } from './read-only-tree.js';

/** Builds the tree, prints its parts by weight, starts both programs in it; the exit code. */
export function tryBuild({ keep }: { readonly keep: boolean }): number {
  const workspace = mkdtempSync(join(tmpdir(), 'image-'));
  chmodSync(workspace, 0o755);
  try {
    const git = (...words: string[]): string => execFileSync('git', words, { encoding: 'utf8' }).trim();
    const image = buildImage('.', {
      workspace,
      buildArguments: {
        GIT_COMMIT: git('rev-parse', 'HEAD'),
        COMMIT_TIMESTAMP: git('log', '-1', '--format=%ct'),
      },
      baseEnvironment: environmentOfNpm(),
      onStep: (step) => {
        console.log(step.length > 100 ? `${step.slice(0, 100)}…` : step);
      },
    });
    console.log(`\n${String(image.context.length)} files are let through to the build`);
    report(image.root);
    return start(image.root, workspace);
  } finally {
    if (keep) console.log(`kept: ${workspace}`);
    else rmSync(workspace, { recursive: true, force: true });
  }
}

/** PATH, and what npm needs to reach its registry from this machine. */
function environmentOfNpm(): Record<string, string> {
  const passed = /^(PATH|HOME|NODE_EXTRA_CA_CERTS|(https?|no)_proxy)$/i;
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      passed.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  );
}

function report(root: string): void {
  const parts = readdirSync(root)
    .filter((name) => !lstatSync(join(root, name)).isSymbolicLink())
    .map((name) => ({ name, bytes: weight(join(root, name)) }))
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes);
  for (const { name, bytes } of parts) console.log(`  /${name.padEnd(6)} ${megabytes(bytes)}`);
  const archive = execFileSync('tar', ['-c', '-C', root, '.'], { maxBuffer: 2 ** 30 });
  const whole = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const packed = gzipSync(archive, { level: 6 }).length;
  console.log(`  all     ${megabytes(whole)}, to be pulled (gzip): ${megabytes(packed)}`);
}

function weight(path: string): number {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + weight(join(path, name)), 0);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function start(root: string, workspace: string): number {
  const reason = whyNoTree();
  if (reason !== undefined) {
    console.log(`the programs were not started: ${reason}`);
    return 0;
  }
  const mounted = join(workspace, 'mounted');
  mkdirSync(mounted);
  const tree = new ReadOnlyTree(root, mounted);
  let failed = 0;
  for (const program of ['/manager', '/kms-vault-validating-webhook']) {
    const { code, out, err } = tree.run([program, '--version']);
    console.log(code === 0 ? out.trim() : `${program} ended with ${String(code)}: ${err}`);
    if (code !== 0) failed += 1;
  }
  return failed === 0 ? 0 : 1;
}
