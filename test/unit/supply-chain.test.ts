import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

interface Entry {
  version: string;
  name?: string;
  integrity?: string;
  dev?: boolean;
  license?: string;
  [field: string]: unknown;
}

const HASH = `sha512-${Buffer.alloc(64).toString('base64')}`;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'supply-chain-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(path: string, content: unknown): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content));
}

function run(
  script: string,
  words: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [resolve(script), ...words], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, GIT_COMMIT: 'c0ffee', COMMIT_TIMESTAMP: '1700000000', ...environment },
  });
  return { code: status, out: stdout, err: stderr };
}

function lock(packages: Readonly<Record<string, Entry>>): void {
  write('package-lock.json', {
    packages: {
      '': { name: 'product', version: '1.0.0' },
      ...Object.fromEntries(Object.entries(packages).map(([name, entry]) => [`node_modules/${name}`, entry])),
    },
  });
}

describe('check-lockfile', () => {
  it('passes what this repository ships, and says how much that is', () => {
    const { code, out } = run('scripts/check-lockfile.mjs', [resolve('package-lock.json')]);
    expect(code).toBe(0);
    expect(out).toMatch(/^\d+ packages ship \(\d+\.\d MB installed\); none is on the deny-list\n/);
  });

  it('counts what ships, and what it weighs, each file once', () => {
    lock({
      a: { version: '1.0.0', integrity: HASH },
      'a/node_modules/b': { version: '1.0.0', integrity: HASH },
      c: { version: '1.0.0', dev: true },
    });
    write('node_modules/a/index.js', 'x'.repeat(300_000));
    write('node_modules/a/node_modules/b/lib/index.js', 'x'.repeat(200_000));
    write('node_modules/c/index.js', 'x'.repeat(900_000));
    const { out } = run('scripts/check-lockfile.mjs');
    expect(out).toBe('2 packages ship (0.5 MB installed); none is on the deny-list\n');
  });

  it.each<[string, string, Entry]>([
    ['on the deny-list in every version', 'request', { version: '99.0.0', integrity: HASH }],
    ['below the version that is good', 'axios', { version: '1.11.9', integrity: HASH }],
    ['a preview of the version that is good', 'axios', { version: '1.12.0-beta.1', integrity: HASH }],
    ['deprecated', 'fine', { version: '1.0.0', integrity: HASH, deprecated: 'use another' }],
    ['without a hash', 'fine', { version: '1.0.0' }],
    ['known by a weak hash', 'fine', { version: '1.0.0', integrity: 'sha1-x' }],
    ['from elsewhere', 'fine', { version: '1.0.0', integrity: HASH, resolved: 'git+ssh://git@x/y.git' }],
    ['deep in the tree', 'a/node_modules/request', { version: '2.88.2', integrity: HASH }],
    ['under another name', 'harmless', { name: 'request', version: '2.88.2', integrity: HASH }],
  ])('refuses a package that is %s', (_, name, entry) => {
    lock({ [name]: entry });
    const { code, err } = run('scripts/check-lockfile.mjs');
    expect(code).toBe(1);
    expect(err).toContain(`${entry.name ?? name.split('/').at(-1) ?? ''} ${entry.version}: `);
  });

  it('leaves alone what is good, and what is there for development only', () => {
    lock({
      axios: { version: '1.12.0', integrity: HASH },
      request: { version: '2.88.2', dev: true },
    });
    expect(run('scripts/check-lockfile.mjs').code).toBe(0);
  });
});

describe('describe-bundles', () => {
  /** A checkout whose one bundle has lines of these packages. */
  function checkout(packages: Readonly<Record<string, Entry>>): void {
    write('package.json', { name: 'product', version: '1.0.0', license: 'Apache-2.0', type: 'module' });
    lock(packages);
    for (const [name, { version, license }] of Object.entries(packages)) {
      write(`node_modules/${name}/package.json`, { name, version, license });
      write(`node_modules/${name}/LICENSE.md`, `the licence of ${name}`);
    }
    const sources = Object.keys(packages).map((name) => `../node_modules/${name}/lib/index.js`);
    write('dist/main.js.map', { version: 3, sources: ['../src/main.ts', ...sources] });
  }

  const read = (file: string): string => readFileSync(join(folder, 'out', file), 'utf8');

  it('lists every bundled package with its licence, in the notices and in the SBOM', () => {
    checkout({
      '@scope/b': { version: '2.0.0', license: 'MIT', integrity: HASH },
      a: { version: '1.0.0', license: 'ISC', integrity: HASH },
    });
    write('node_modules/unused/package.json', { name: 'unused', version: '1.0.0' });
    expect(run('scripts/image/describe-bundles.mjs', ['dist', 'out']).code).toBe(0);
    const notices = read('THIRD_PARTY_NOTICES.txt');
    for (const text of ['@scope/b 2.0.0 (MIT)', 'the licence of @scope/b', 'a 1.0.0 (ISC)']) {
      expect(notices).toContain(text);
    }
    expect(notices).not.toContain('unused');
    const sbom = JSON.parse(read('sbom.spdx.json')) as {
      documentNamespace: string;
      creationInfo: { created: string };
      packages: {
        externalRefs: { referenceLocator: string }[];
        checksums?: { checksumValue: string }[];
      }[];
    };
    expect(sbom.documentNamespace).toMatch(/\/1\.0\.0\/c0ffee$/);
    expect(sbom.creationInfo.created).toBe('2023-11-14T22:13:20Z');
    expect(sbom.packages.map(({ externalRefs }) => externalRefs[0]?.referenceLocator)).toEqual([
      'pkg:npm/product@1.0.0',
      'pkg:npm/%40scope/b@2.0.0',
      'pkg:npm/a@1.0.0',
    ]);
    expect(sbom.packages[1]?.checksums?.[0]?.checksumValue).toBe('0'.repeat(128));
  });

  it.each<[string, Entry, string]>([
    ['a licence that asks for more', { version: '1.0.0', license: 'GPL-3.0-only' }, 'GPL-3.0-only'],
    ['no licence', { version: '1.0.0' }, 'NOASSERTION'],
    ['a package of development', { version: '1.0.0', license: 'MIT', dev: true }, 'make it external'],
  ])('refuses %s', (_, entry, message) => {
    checkout({ fine: { version: '1.0.0', license: 'MIT', integrity: HASH }, odd: entry });
    const { code, err } = run('scripts/image/describe-bundles.mjs', ['dist', 'out']);
    expect(code).toBe(1);
    expect(err.trim().split('\n')).toEqual([expect.stringMatching(/^odd 1\.0\.0: /)]);
    expect(err).toContain(message);
  });

  it('says what a time must be that it cannot read', () => {
    checkout({ fine: { version: '1.0.0', license: 'MIT', integrity: HASH } });
    const { code, err } = run('scripts/image/describe-bundles.mjs', ['dist', 'out'], {
      COMMIT_TIMESTAMP: '2023-11-14T22:13:20Z',
    });
    expect(code).toBe(1);
    expect(err).toContain('COMMIT_TIMESTAMP must be in seconds since 1970');
  });

  it('refuses bundles without source maps, of which it can tell nothing', () => {
    checkout({});
    expect(run('scripts/image/describe-bundles.mjs', ['dist', 'out']).code).toBe(1);
  });
});
