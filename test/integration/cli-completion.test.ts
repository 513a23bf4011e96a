import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const folder = mkdtempSync(join(tmpdir(), 'completion-'));
const env = { PATH: `${folder}/bin:${process.env.PATH ?? ''}`, HOME: folder, TERM: 'dumb' };

function tool(...args: readonly string[]): string {
  return execFileSync(join(folder, 'bin/kubectl-kms_vault'), args, { encoding: 'utf8', env, cwd: folder });
}

const exists = (shell: string): boolean => spawnSync('sh', ['-c', `command -v ${shell}`]).status === 0;
const itWith = (shell: string): typeof it => (exists(shell) ? it : it.skip) as typeof it;

beforeAll(() => {
  mkdirSync(join(folder, 'bin'));
  symlinkSync(join(process.cwd(), 'dist/cli.js'), join(folder, 'bin/kubectl-kms_vault'));
  writeFileSync(join(folder, 'bin/kubectl_complete-kms_vault'), tool('completion', 'kubectl'));
  chmodSync(join(folder, 'bin/kubectl_complete-kms_vault'), 0o755);
  for (const shell of ['bash', 'zsh', 'fish'])
    writeFileSync(join(folder, `completion.${shell}`), tool('completion', shell));
  writeFileSync(join(folder, 'web file.yaml'), '');
  writeFileSync(join(folder, 'api.yaml'), '');
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What bash offers for a command line that it has split into words. */
function bash(...words: readonly string[]): string[] {
  const script = [
    'set -u',
    'source completion.bash',
    'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()',
    '_kubectl_kms_vault',
    'for word in "${COMPREPLY[@]}"; do printf "%s\\n" "$word"; done',
  ].join('\n');
  const answer = execFileSync('bash', ['-c', script, 'bash', 'kubectl-kms_vault', ...words], {
    encoding: 'utf8',
    env,
    cwd: folder,
  });
  return answer.split('\n').filter((line) => line !== '');
}

function fish(line: string): string[] {
  const script = `source completion.fish; complete -C ${JSON.stringify(line)}`;
  const answer = execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8', env, cwd: folder });
  return answer.split('\n').flatMap((found) => found.split('\t')[0] || []);
}

/** zsh's completion runs in its line editor only: the functions that take the candidates are replaced. */
function zsh(...words: readonly string[]): string[] {
  const script = [
    'compdef() { }',
    '_describe() { print -rl -- "${(@P)2}" }',
    '_files() { print -r -- "(files)" }',
    'source completion.zsh',
    'words=("$@"); CURRENT=$#',
    '_kubectl_kms_vault',
  ].join('\n');
  const answer = execFileSync('zsh', ['-f', '-c', script, 'zsh', 'kubectl-kms_vault', ...words], {
    encoding: 'utf8',
    env,
    cwd: folder,
  });
  return answer.split('\n').filter((line) => line !== '');
}

describe('completion', () => {
  itWith('bash')('completes commands, options, choices and files in bash', () => {
    expect(bash('pl')).toEqual(['plan']);
    expect(bash('plan', '--cl')).toEqual(['--cluster']);
    expect(bash('plan', '--output', '')).toEqual(['text', 'json']);
    // bash splits at the sign.
    expect(bash('plan', '--output', '=', 'j')).toEqual(['json']);
    expect(bash('plan', '--output', '=')).toEqual(['text', 'json']);
    expect(bash('plan', '-f', 'w')).toEqual(['web file.yaml']);
    expect(bash('set', 'a')).toEqual(['api.yaml']);
    expect(bash('set', 'api.yaml', '')).toEqual([]);
    expect(bash('completion', 'z')).toEqual(['zsh']);
    expect(bash('')).toEqual(expect.arrayContaining(['set', 'plan', 'completion']));
  });

  itWith('fish')('completes the same in fish', () => {
    expect(fish('kubectl-kms_vault pl')).toEqual(['plan']);
    expect(fish('kubectl-kms_vault plan --cl')).toEqual(['--cluster']);
    expect(fish('kubectl-kms_vault plan --output ')).toEqual(['json', 'text']);
    expect(fish('kubectl-kms_vault plan --output=j')).toEqual(['--output=json']);
    expect(fish('kubectl-kms_vault plan -f a')).toEqual(['api.yaml']);
    expect(fish('kubectl-kms_vault ')).toEqual(expect.arrayContaining(['set', 'plan', 'completion']));
  });

  itWith('zsh')('completes the same in zsh', () => {
    expect(zsh('pl')).toEqual([expect.stringMatching(/^plan:show what would be written/)]);
    expect(zsh('plan', '--output', '')).toEqual(['text', 'json']);
    expect(zsh('plan', '--output=j')).toEqual(['--output=json']);
    expect(zsh('plan', '-f', 'w')).toEqual(['(files)']);
    expect(zsh('set', 'api.yaml', '')).toEqual([]);
  });

  itWith('zsh')('is a script that zsh can load', () => {
    const script =
      'autoload -Uz compinit && compinit -u -d zcompdump && source completion.zsh && print $_comps[kubectl-kms_vault]';
    expect(execFileSync('zsh', ['-f', '-c', script], { encoding: 'utf8', env, cwd: folder }).trim()).toBe(
      '_kubectl_kms_vault',
    );
  });

  itWith('kubectl')('is what kubectl asks for', () => {
    const answer = (...words: readonly string[]): string[] =>
      execFileSync('kubectl', ['__complete', 'kms-vault', ...words], {
        encoding: 'utf8',
        env: { ...env, KUBECONFIG: '/dev/null' },
        cwd: folder,
        stdio: ['ignore', 'pipe', 'ignore'],
      })
        .trim()
        .split('\n');
    expect(answer('pl')).toEqual([expect.stringMatching(/^plan\tshow what/), ':4']);
    expect(answer('plan', '-f', '')).toEqual([':0']);
  });

  it('refuses a shell that it does not know', () => {
    const { status, stderr } = spawnSync(process.execPath, ['dist/cli.js', 'completion', 'tcsh'], {
      encoding: 'utf8',
    });
    expect(stderr).toContain('Allowed choices are bash, zsh, fish, kubectl');
    expect(status).toBe(1);
  });
});
