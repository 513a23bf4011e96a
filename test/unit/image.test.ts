import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Arg, Copy, DockerfileParser, From, Label, Run } from 'dockerfile-ast';

import { DockerIgnore } from '../../scripts/image/build-context.js';
import { runDockerfile } from '../../scripts/image/dockerfile-run.js';

const dockerfile = DockerfileParser.parse(readFileSync('Dockerfile', 'utf8'));
const instructions = dockerfile.getInstructions();

describe('Dockerfile', () => {
  it('names one base, by tag and by digest of the index of all architectures, and nothing in the end', () => {
    const images = dockerfile.getFROMs().map((from) => from.getImage() ?? '');
    expect(images.at(-1)).toBe('scratch');
    const bases = new Set(images.slice(0, -1));
    expect(bases.size).toBe(1);
    expect([...bases].join()).toMatch(
      /^docker\.io\/library\/node:22\.\d+\.\d+-bookworm-slim@sha256:[0-9a-f]{64}$/,
    );
    const [name, digest] = [...bases].join().split('@');
    const labels = new Map(
      instructions
        .filter((instruction) => instruction instanceof Label)
        .flatMap((label) => label.getProperties())
        .map((property) => [property.getName(), property.getValue()]),
    );
    expect(labels.get('org.opencontainers.image.base.name')).toBe(name);
    expect(labels.get('org.opencontainers.image.base.digest')).toBe(digest);
  });

  it('makes the bundles on the builder and takes Node and its libraries of the target', () => {
    const stages = dockerfile
      .getFROMs()
      .map((from) => [from.getBuildStage(), from.getPlatformFlag()?.getValue()]);
    expect(stages).toEqual([
      ['build', '$BUILDPLATFORM'],
      ['rootfs', undefined],
      [null, undefined],
    ]);
  });

  it('takes the arguments of the Go image, with the same defaults where they say nothing', () => {
    const last = instructions.slice(instructions.findLastIndex((instruction) => instruction instanceof From));
    const declared = last
      .filter((instruction) => instruction.getKeyword() === 'ARG')
      .map((instruction) => (instruction as Arg).getProperty())
      .map((property) => [property?.getName(), property?.getValue()]);
    expect(Object.fromEntries(declared)).toEqual({
      GIT_COMMIT: 'unspecified',
      GIT_TAG: null,
      COMMIT_TIMESTAMP: '0',
      CREATED: '1970-01-01T00:00:00Z',
      VERSION: 'unspecified',
      AUTHOR_EMAIL: 'unspecified',
      SIGNATURE_KEY: 'undefined',
    });
  });

  it('uses no feature that only some builders have', () => {
    expect(dockerfile.getDirectives()).toEqual([]);
    for (const instruction of instructions) {
      if (instruction instanceof Copy) expect(instruction.getHeredocs()).toEqual([]);
      if (instruction instanceof Run) {
        expect(instruction.getFlags()).toEqual([]);
        expect(instruction.getHeredocs()).toEqual([]);
      }
    }
    expect(instructions.map((instruction) => instruction.getKeyword())).not.toContain('ADD');
  });

  it('installs exactly the lock file, without install scripts', () => {
    const commands = instructions
      .filter((instruction) => instruction instanceof Run)
      .map((run) => run.getArgumentsContent());
    expect(commands[0]).toMatch(/^npm ci --ignore-scripts\b/);
    // In the other stages nothing is fetched at all.
    for (const command of commands.slice(1)) expect(command).not.toMatch(/apt|curl|wget|npm (ci|i|install)/);
  });
});

describe('DockerIgnore', () => {
  it.each([
    ['*', ['a', 'a/b', '.env'], []],
    ['*\n!a', ['b', 'b/a'], ['a', 'a/b/c']],
    ['*\n!a/b', ['a', 'a/c'], ['a/b', 'a/b/c']],
    ['a/b', ['a/b', 'a/b/c'], ['a', 'b', 'x/a/b', 'a/bc']],
    ['/a', ['a', 'a/b'], ['x/a']],
    ['a/', ['a', 'a/b'], ['b']],
    ['*.log', ['x.log'], ['a/x.log', 'xlog']],
    ['**/*.log', ['x.log', 'a/b/x.log'], ['x.log.gz']],
    ['a/**', ['a/b', 'a/b/c'], ['a', 'b']],
    ['a/**/c', ['a/c', 'a/b/c', 'a/b/b/c'], ['a', 'a/b', 'ac']],
    ['a?c', ['abc'], ['ac', 'a/c', 'abbc']],
    ['# a\n\n  b  \n', ['b'], ['a', '# a']],
    ['a\n!a/b\na/b/c', ['a', 'a/b/c'], ['a/b', 'a/b/d']],
    ['a/../b', ['b'], ['a']],
    ['a+(b)', ['a+(b)'], ['aab']],
  ])('reads %j', (text, ignored, kept) => {
    const ignore = new DockerIgnore(text);
    expect(ignored.filter((path) => !ignore.ignores(path))).toEqual([]);
    expect(kept.filter((path) => ignore.ignores(path))).toEqual([]);
  });

  it('refuses a pattern that it would read wrongly', () => {
    expect(() => new DockerIgnore('[ab]')).toThrow('[ab]');
  });

  it('keeps secrets and leftovers out, wherever they lie', () => {
    const ignore = new DockerIgnore(readFileSync('.dockerignore', 'utf8'));
    const kept = [
      '.git/config',
      '.env',
      'src/.env',
      'src/.env.local',
      'src/vault/client.pem',
      'src/main.ts~',
      'src/npm-debug.log',
      'test/unit/image.test.ts',
      'node_modules/x/index.js',
      'dist/main.js',
      'docs/vault.md',
      'scripts/demo.mjs',
      'scripts/image/try-build.ts',
      'Dockerfile',
    ].filter((path) => !ignore.ignores(path));
    expect(kept).toEqual([]);
  });
});

describe('runDockerfile', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dockerfile-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function run(text: string, files: Readonly<Record<string, string>> = {}): ReturnType<typeof runDockerfile> {
    for (const [path, content] of Object.entries({ Dockerfile: text, ...files })) {
      mkdirSync(dirname(join(folder, 'context', path)), { recursive: true });
      writeFileSync(join(folder, 'context', path), content);
    }
    return runDockerfile(join(folder, 'context', 'Dockerfile'), {
      context: join(folder, 'context'),
      workspace: join(folder, 'stages'),
      buildArguments: { GIVEN: 'given' },
      baseEnvironment: { PATH: process.env['PATH'] ?? '' },
    });
  }

  it('shows an argument to steps after its declaration, and to no other stage', () => {
    const { root, labels } = run(
      [
        'FROM base AS one',
        'WORKDIR /w',
        'RUN echo "1 $GIVEN" >> seen',
        'ARG GIVEN=default',
        'ARG OTHER=default',
        'RUN echo "2 $GIVEN $OTHER" >> seen',
        'FROM scratch',
        'LABEL one=$GIVEN',
        'ARG GIVEN',
        'LABEL two=$GIVEN',
        'COPY --from=one /w/seen ./',
      ].join('\n'),
    );
    expect(readFileSync(join(root, 'seen'), 'utf8')).toBe('1 \n2 given default\n');
    expect(labels).toEqual({ one: '', two: 'given' });
  });

  it('copies files, and the contents of folders, to where builders put them', () => {
    const { root } = run(
      'FROM scratch\nWORKDIR /w\nCOPY a/one renamed\nCOPY a/one a/two ./many/\nCOPY a tree\nCOPY a/one /\n',
      { 'a/one': '1', 'a/two': '2' },
    );
    for (const path of ['w/renamed', 'w/many/one', 'w/many/two', 'w/tree/one', 'w/tree/two', 'one']) {
      expect(readFileSync(join(root, path), 'utf8')).toMatch(/^[12]$/);
    }
  });

  it.each([
    ['a file that is not let through', 'FROM scratch\nCOPY missing ./', /missing/],
    ['a stage that is not there', 'FROM scratch\nCOPY --from=nowhere /x ./', /nowhere/],
    ['a step that fails', 'FROM base\nRUN exit 3', /exit 3/],
    ['an instruction that it does not know', 'FROM base\nVOLUME /x', /VOLUME/],
  ])('fails on %s', (_, text, message) => {
    expect(() => run(text)).toThrow(message);
  });
});
