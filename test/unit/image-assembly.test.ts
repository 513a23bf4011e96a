import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

/** A package of this machine whose licence file replaces that of a library. */
const LICENSED =
  process.platform === 'linux' && existsSync('/usr/share/doc')
    ? readdirSync('/usr/share/doc').find((name) => existsSync(`/usr/share/doc/${name}/copyright`))
    : undefined;
const onDebian = LICENSED === undefined ? describe.skip : describe;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'assembly-'));
  for (const file of ['dist/main.js', 'dist/webhook.js', 'dist/cli.js'])
    write(file, '#!/usr/bin/env node\nprogram();\n');
  for (const file of ['dist/operator.js', 'dist/validating-webhook.js']) write(file, 'rest();\n');
  for (const file of ['package.json', 'sbom.spdx.json', 'THIRD_PARTY_NOTICES.txt']) {
    write(`described/${file}`, file);
  }
  write('LICENSE', 'licence');
  // The machine of another architecture: its tools, and its libraries where they lie on Debian.
  tool('node', '');
  for (const library of ['libatomic.so.1.2.0', 'libc.so.6', 'ld-linux-armhf.so.3'])
    write(`lib/${library}`, library);
  symlinkSync('libatomic.so.1.2.0', join(folder, 'lib/libatomic.so.1'));
  tool(
    'ldd',
    `printf '\\tlinux-vdso.so.1 (0xff)\\n\\tlibatomic.so.1 => ${folder}/lib/libatomic.so.1 (0xf7)\\n\\tlibc.so.6 => ${folder}/lib/libc.so.6 (0xf6)\\n\\t${folder}/lib/ld-linux-armhf.so.3 (0xf5)\\n'`,
  );
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function tool(name: string, script: string): void {
  write(`bin/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'bin', name), 0o755);
}

/** A package manager that knows the libraries by these names, which may differ from ldd's. */
function packages(prefix: string, sibling: string): void {
  tool(
    'dpkg-query',
    `case "$*" in
      "--search ${prefix}${folder}/lib/libatomic.so.1") echo "libfirst1:armhf: $2" ;;
      "--search ${prefix}${folder}/lib/libc.so.6" | "--search ${prefix}${folder}/lib/ld-linux-armhf.so.3")
        echo "diversion by other from: $2"; echo "libsecond6:armhf: $2" ;;
      "--status "*) printf 'Package: %s\\nStatus: install ok installed\\nVersion: 1-2\\n' "\${2%%:*}" ;;
      '--show --showformat=\${source:Package} \${Package}\\n') printf 'first libfirst1\\nfirst ${sibling}\\nsecond libsecond6\\nsecond ${sibling}\\n' ;;
      '--show --showformat=\${source:Package} libfirst1:armhf') printf 'first' ;;
      '--show --showformat=\${source:Package} libsecond6:armhf') printf 'second' ;;
      *) exit 1 ;;
    esac`,
  );
}

function assemble(environment: Readonly<Record<string, string>> = {}): { code: number | null; err: string } {
  const { status, stderr } = spawnSync('sh', [resolve('scripts/image/assemble-rootfs.sh'), 'rootfs'], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`, ...environment },
  });
  return { code: status, err: stderr };
}

const inRoot = (path: string): string => join(folder, 'rootfs', path);

onDebian('assemble-rootfs.sh (needs Debian)', () => {
  it.each([
    ['by the same names', ''],
    ['by their names below /usr', '/usr'],
  ])('takes what ldd names on any architecture, and their packages, known %s', (_, prefix) => {
    packages(prefix, LICENSED ?? '');
    expect(assemble()).toEqual({ code: 0, err: '' });
    expect(readdirSync(inRoot(`${folder}/lib`)).sort()).toEqual([
      'ld-linux-armhf.so.3',
      'libatomic.so.1',
      'libc.so.6',
    ]);
    expect(readFileSync(inRoot(`${folder}/lib/libatomic.so.1`), 'utf8')).toBe('libatomic.so.1.2.0');
    expect(readdirSync(inRoot('var/lib/dpkg/status.d')).sort()).toEqual(['libfirst1', 'libsecond6']);
    expect(readFileSync(inRoot('var/lib/dpkg/status.d/libsecond6'), 'utf8')).toContain(
      'Package: libsecond6\n',
    );
  });

  it('takes a licence from a sibling of the same source where a package has left its own out', () => {
    packages('', LICENSED ?? '');
    assemble();
    expect(readFileSync(inRoot('usr/share/doc/libfirst1/copyright'), 'utf8')).toBe(
      readFileSync(`/usr/share/doc/${LICENSED ?? ''}/copyright`, 'utf8'),
    );
  });

  it.each<[string, () => void, string]>([
    [
      'a library of no package',
      () => {
        tool('dpkg-query', 'exit 1');
      },
      'no package owns',
    ],
    [
      'a package without a licence',
      () => {
        packages('', 'no-such-package');
      },
      'no copyright file',
    ],
    [
      'a static or broken Node',
      () => {
        tool('ldd', 'echo "not a dynamic executable"; exit 1');
      },
      'ldd names no library',
    ],
    [
      'a time that is none',
      () => {
        packages('', LICENSED ?? '');
      },
      'invalid date',
    ],
  ])('fails on %s, with a word', (what, arrange, message) => {
    arrange();
    const { code, err } = assemble(what.includes('time') ? { COMMIT_TIMESTAMP: 'yesterday-ish' } : {});
    expect(code).not.toBe(0);
    expect(err).toContain(message);
  });

  it.each<[Record<string, string>, number]>([
    [{}, 0],
    [{ COMMIT_TIMESTAMP: '1700000000' }, 1_700_000_000],
    [{ COMMIT_TIMESTAMP: '1700000000', SOURCE_DATE_EPOCH: '1600000000' }, 1_600_000_000],
  ])('gives every file the time that %j says', (environment, seconds) => {
    packages('', LICENSED ?? '');
    expect(assemble(environment).code).toBe(0);
    const { stdout } = spawnSync('find', [inRoot(''), '-printf', '%T@\n'], { encoding: 'utf8' });
    expect(new Set(stdout.trim().split('\n').map(Number))).toEqual(new Set([seconds]));
  });

  it('starts the programs by the first line, as there is no env', () => {
    packages('', LICENSED ?? '');
    assemble();
    for (const program of ['main', 'webhook', 'cli']) {
      expect(readFileSync(inRoot(`app/${program}.js`), 'utf8')).toMatch(
        /^#!\/usr\/local\/bin\/node --disable-warning=DEP0040\nprogram\(\);\n$/,
      );
    }
    for (const loaded of ['operator', 'validating-webhook']) {
      expect(readFileSync(inRoot(`app/${loaded}.js`), 'utf8')).toBe('rest();\n');
      expect(statSync(inRoot(`app/${loaded}.js`)).mode & 0o777).toBe(0o444);
    }
  });
});
