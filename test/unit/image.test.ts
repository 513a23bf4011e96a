import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

import { describe, expect, it } from '@jest/globals';

/** The instructions, each in one line. */
const instructions = readFileSync('Dockerfile', 'utf8')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '');
const last = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')));

function all(keyword: string, among = instructions): string[] {
  return among
    .filter((line) => line.startsWith(`${keyword} `))
    .map((line) => line.slice(keyword.length).trim());
}

describe('Dockerfile', () => {
  it('names one base, by tag and by digest of the index of all architectures, and ends in an empty image', () => {
    const bases = all('FROM').map((from) => from.replace(/^--\S+ | AS \w+$/g, ''));
    expect(bases.at(-1)).toBe('scratch');
    const [base = ''] = bases;
    expect(bases.slice(0, -1)).toEqual([base, base]);
    expect(base).toMatch(/^docker\.io\/library\/node:22\.\d+\.\d+-bookworm-slim@sha256:[0-9a-f]{64}$/);
    const [name = '', digest = ''] = base.split('@');
    expect(last.join('\n')).toContain(`org.opencontainers.image.base.name="${name}"`);
    expect(last.join('\n')).toContain(`org.opencontainers.image.base.digest="${digest}"`);
  });

  it('makes the bundles on the builder and takes Node and its libraries from the target', () => {
    const platforms = all('FROM').map((from) => from.startsWith('--platform=$BUILDPLATFORM '));
    expect(platforms).toEqual([true, false, false]);
  });

  it('takes the arguments of the Go image, with the same defaults', () => {
    expect(all('ARG', last)).toEqual([
      'GIT_COMMIT=unspecified',
      'GIT_TAG',
      'COMMIT_TIMESTAMP=0',
      'CREATED=1970-01-01T00:00:00Z',
      'VERSION=unspecified',
      'AUTHOR_EMAIL=unspecified',
      'SIGNATURE_KEY=undefined',
    ]);
    for (const label of ['GIT_COMMIT', 'GIT_TAG', 'COMMIT_TIMESTAMP', 'AUTHOR_EMAIL', 'SIGNATURE_KEY']) {
      expect(last.join('\n')).toMatch(new RegExp(`[ ]${label}=\\$${label}\\b`));
    }
  });

  it('starts the operator as a numeric user', () => {
    expect(all('USER', last)).toEqual(['65532:65532']);
    expect(all('ENTRYPOINT', last)).toEqual(['["/manager"]']);
  });

  it('uses no instruction that only some builders have', () => {
    const plain = /^(FROM|WORKDIR|COPY|RUN|ARG|LABEL|USER|ENTRYPOINT) /;
    expect(instructions.filter((line) => !plain.test(line))).toEqual([]);
    expect(instructions.filter((line) => /^RUN --|<<|^# syntax/.test(line))).toEqual([]);
  });

  it('installs exactly the lock file, without install scripts, and fetches nothing else', () => {
    const [install, ...others] = all('RUN');
    expect(install).toMatch(/^npm ci --ignore-scripts\b/);
    for (const command of others) expect(command).not.toMatch(/apt|curl|wget|npm (ci|i|install)/);
  });

  it('copies only what .dockerignore lets through, and .dockerignore lets nothing else through', () => {
    const rules = readFileSync('.dockerignore', 'utf8').split('\n');
    expect(rules.find((rule) => rule !== '' && !rule.startsWith('#'))).toBe('*');
    const allowed = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
    const copied = all('COPY')
      .filter((copy) => !copy.startsWith('--from='))
      .flatMap((copy) => copy.split(' ').slice(0, -1));
    expect([...copied].sort()).toEqual([...allowed].sort());
  });

  it('copies all that the build needs', () => {
    const folder = mkdtempSync(join(tmpdir(), 'kms-vault-build-'));
    try {
      for (const copy of all('COPY').filter((line) => !line.startsWith('--from='))) {
        const [target = '', ...sources] = copy.split(' ').reverse();
        for (const source of sources) {
          // The content of a folder is copied, not the folder.
          const isFolder = basename(source) === basename(target);
          cpSync(source, join(folder, target, isFolder ? '' : basename(source)), { recursive: true });
        }
      }
      symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
      execFileSync('npm', ['run', '-s', 'build'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
      expect(existsSync(join(folder, 'dist/operator.js'))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);
});
