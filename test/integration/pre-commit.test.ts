import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';

const CANARY = 'hunter2-canary-19d3';
const PLAINTEXT = Buffer.from(CANARY).toString('base64');
const CIPHERTEXT = seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(CANARY), {}).toString('base64');

const PARTIAL = (value: string): string =>
  `apiVersion: k8s.patoarvizu.dev/v1alpha1\nkind: PartialKMSVaultSecret\nmetadata: {name: shared}\nspec:\n  secrets:\n  - key: password\n    encryptedSecret: ${value}\n`;

let folder: string;
let repository: string;
let env: Readonly<Record<string, string>>;

interface Ran {
  readonly status: number | null;
  readonly output: string;
}

function run(command: string, ...args: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: repository, env, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

function write(name: string, text: string): void {
  mkdirSync(dirname(join(repository, name)), { recursive: true });
  writeFileSync(join(repository, name), text);
}

const stage = (name: string, text: string): void => {
  write(name, text);
  expect(run('git', 'add', name).status).toBe(0);
};

const commit = (): Ran => run('git', 'commit', '-qm', 'change');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pre-commit-'));
  repository = join(folder, 'repository');
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'tmp'));
  mkdirSync(repository);
  const program = join(folder, 'bin', 'kubectl-kms_vault');
  writeFileSync(
    program,
    `#!/bin/sh\nexec '${process.execPath}' '${join(process.cwd(), 'dist/cli.js')}' "$@"\n`,
  );
  chmodSync(program, 0o755);
  env = {
    PATH: `${join(folder, 'bin')}:${process.env.PATH ?? ''}`,
    HOME: folder,
    TMPDIR: join(folder, 'tmp'),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'author',
    GIT_AUTHOR_EMAIL: 'author@example.com',
    GIT_COMMITTER_NAME: 'author',
    GIT_COMMITTER_EMAIL: 'author@example.com',
  };
  expect(run('git', 'init', '-q').status).toBe(0);
  mkdirSync(join(repository, '.git/hooks'), { recursive: true });
  cpSync('hooks/pre-commit', join(repository, '.git/hooks/pre-commit'));
});

afterEach(() => {
  expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
  rmSync(folder, { recursive: true });
});

describe('the pre-commit hook', () => {
  it('refuses a value that nobody encrypted, and does not show it', () => {
    stage('deploy/shared file.yaml', PARTIAL(PLAINTEXT));
    const { status, output } = commit();
    expect(status).toBe(1);
    expect(output).toContain(
      'deploy/shared file.yaml:7:22: error: key "password": encryptedSecret is base64 of text',
    );
    expect(output).not.toContain(CANARY);
    expect(output).not.toContain(PLAINTEXT);
    expect(run('git', 'log').status).not.toBe(0);
  });

  it('lets ciphertexts and other files pass', () => {
    stage('shared.yaml', PARTIAL(CIPHERTEXT));
    stage('chart/templates/web.yaml', '{{- if .Values.web }}\nkind: Pod\n{{- end }}\n');
    stage('README.md', PLAINTEXT);
    expect(commit()).toEqual({ status: 0, output: '' });
    stage('README.md', 'nothing to check');
    expect(commit()).toEqual({ status: 0, output: '' });
  });

  it('judges what is staged, not what the files hold', () => {
    stage('shared.yaml', PARTIAL(PLAINTEXT));
    write('shared.yaml', PARTIAL(CIPHERTEXT));
    expect(commit().status).toBe(1);
    stage('shared.yaml', PARTIAL(CIPHERTEXT));
    write('shared.yaml', PARTIAL(PLAINTEXT));
    expect(commit()).toEqual({ status: 0, output: '' });
  });

  it('finds values in folders that begin with a dot, and in files of any case', () => {
    for (const name of ['.deploy/.base/web.yaml', 'a/.hidden.yml', 'node_modules/web.json', 'WEB.YAML']) {
      stage(name, PARTIAL(PLAINTEXT));
      expect(commit()).toMatchObject({
        status: 1,
        output: expect.stringContaining(`${name}:7:22: error`) as unknown,
      });
      expect(run('git', 'rm', '-qf', '--', name).status).toBe(0);
    }
  });

  it('lets pass links, whose targets are judged themselves, and files of others that are not YAML', () => {
    symlinkSync('elsewhere.yaml', join(repository, 'link.yaml'));
    expect(run('git', 'add', 'link.yaml').status).toBe(0);
    stage('tsconfig.json', '{ // why\n  "a": 1,\n}\n');
    expect(commit()).toEqual({ status: 0, output: '' });
  });

  it('runs a program of the repository', () => {
    cpSync(join(folder, 'bin', 'kubectl-kms_vault'), join(repository, 'tools/check'));
    env = { ...env, KMS_VAULT: 'tools/check' };
    stage('shared.yaml', PARTIAL(CIPHERTEXT));
    expect(commit()).toEqual({ status: 0, output: '' });
  });

  it('knows patches by the kustomization, also by one that is not part of the commit', () => {
    stage('prod/kustomization.yaml', 'resources: [../base]\npatches: [{path: web.yaml}]\n');
    expect(commit().status).toBe(0);
    const patch =
      'kind: KMSVaultSecret\nmetadata: {name: web}\nspec: {secrets: [{key: a, encryptedSecret: VALUE}]}\n';
    stage('prod/web.yaml', patch.replace('VALUE', CIPHERTEXT));
    expect(commit()).toEqual({ status: 0, output: '' });
    stage('prod/web.yaml', patch.replace('VALUE', PLAINTEXT));
    expect(commit().status).toBe(1);
  });

  it('refuses to go on without the program', () => {
    rmSync(join(folder, 'bin', 'kubectl-kms_vault'));
    stage('shared.yaml', PARTIAL(CIPHERTEXT));
    const { status, output } = commit();
    expect(output).toContain('kubectl-kms_vault is not on the PATH');
    expect(status).toBe(1);
  });

  it('is the same check for pre-commit.com', () => {
    const [hook] = parse(readFileSync('.pre-commit-hooks.yaml', 'utf8')) as {
      entry: string;
      files: string;
    }[];
    const checks = (...names: readonly string[]): Ran =>
      run(join(process.cwd(), hook?.entry ?? ''), ...names);
    write('bad.yaml', PARTIAL(PLAINTEXT));
    write('good.yaml', PARTIAL(CIPHERTEXT));
    expect(checks('bad.yaml').status).toBe(1);
    expect(checks('good.yaml')).toEqual({ status: 0, output: '' });
    write('-template.yaml', '{{ if x }}: y: z\n');
    symlinkSync('elsewhere.yaml', join(repository, 'link.yaml'));
    expect(checks('-template.yaml', 'link.yaml')).toEqual({ status: 0, output: '' });
    expect(checks('-template.yaml', 'bad.yaml', 'good.yaml').status).toBe(1);
    // Python writes the flag at the begin of the pattern.
    const pattern = new RegExp((hook?.files ?? '$^').replace(/^\(\?i\)/, ''), 'i');
    expect(['a.yaml', 'a/b.YML', 'c.json', 'd.txt'].map((name) => pattern.test(name))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});
