import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { operatorFlags } from '../../src/config/operator-config.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { WEBHOOK_FLAGS } from '../../src/config/webhook-config.js';
import { ImageFixture } from './image-fixture.js';
import { ReadOnlyTree, whyNoTree } from './image-tree.js';

const reason = whyNoTree();
const withTree = reason === undefined ? describe : describe.skip;

/** What the Dockerfile passes to its steps. */
const ARGUMENTS = {
  GIT_COMMIT: '0123456789abcdef0123456789abcdef01234567',
  COMMIT_TIMESTAMP: '1700000000',
};
const COMMITTED_AT_MS = 1_700_000_000_000;

/** Every file that may be in the image, and nothing else may. */
const EXPECTED = [
  /^manager -> app\/main\.js$/,
  /^kms-vault-validating-webhook -> app\/webhook\.js$/,
  /^kubectl-kms_vault -> app\/cli\.js$/,
  /^app\/(main|webhook|operator|validating-webhook|cli)\.js$/,
  /^app\/(package|sbom\.spdx)\.json$/,
  /^usr\/local\/bin\/node$/,
  /^(usr\/)?lib(64)?\/([a-z0-9_]+-linux-gnu[a-z]*\/)?(lib[a-z+_]+|ld-linux[-a-z0-9_]*)\.so\.[0-9]+$/,
  /^etc\/(passwd|group|nsswitch\.conf|debian_version)$/,
  /^etc\/os-release -> \.\.\/usr\/lib\/os-release$/,
  /^usr\/lib\/os-release$/,
  /^usr\/share\/doc\/kms-vault-operator\/(LICENSE|THIRD_PARTY_NOTICES\.txt)$/,
  /^usr\/share\/doc\/[a-z0-9+-]+\/(copyright|LICENSE)$/,
  /^var\/lib\/dpkg\/status\.d\/[a-z0-9+-]+$/,
];

interface Entry {
  readonly path: string;
  readonly mode: number;
  readonly mtimeMs: number;
  readonly hash: string;
}

let workspace: string;
let fixture: ImageFixture | undefined;

/** Runs the Dockerfile's steps on this machine's Node and Debian; the folder of the root file system. */
function assemble(name: string, change?: (dist: string) => void): string {
  const folder = join(workspace, name);
  const dist = join(folder, 'dist');
  mkdirSync(folder);
  const env = { PATH: process.env['PATH'] ?? '', ...ARGUMENTS };
  execFileSync(process.execPath, ['scripts/build.mjs', `--out=${dist}`], { env });
  const describe = 'scripts/image/describe-bundles.mjs';
  execFileSync(process.execPath, [describe, dist, join(folder, 'described')], { env });
  cpSync('LICENSE', join(folder, 'LICENSE'));
  change?.(dist);
  execFileSync('sh', [resolve('scripts/image/assemble-rootfs.sh'), 'rootfs'], { cwd: folder, env });
  return join(folder, 'rootfs');
}

/** Everything in a tree but folders, sorted by path. */
function entries(root: string, folder = ''): Entry[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((file): Entry[] => {
      const path = join(folder, file.name);
      if (file.isDirectory()) return entries(root, path);
      const { mode, mtimeMs } = lstatSync(join(root, path));
      if (file.isSymbolicLink()) {
        return [{ path: `${path} -> ${readlinkSync(join(root, path))}`, mode, mtimeMs, hash: '' }];
      }
      const hash = createHash('sha256')
        .update(readFileSync(join(root, path)))
        .digest('hex');
      return [{ path, mode, mtimeMs, hash }];
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

withTree(`the image's tree${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let root: string;
  let tree: ReadOnlyTree;

  beforeAll(() => {
    workspace = mkdtempSync(join(tmpdir(), 'image-'));
    // Others may look in: the programs do not run as root.
    chmodSync(workspace, 0o755);
    root = assemble('first');
    mkdirSync(join(workspace, 'mounted'));
    tree = new ReadOnlyTree(root, join(workspace, 'mounted'));
  });

  afterAll(async () => {
    await fixture?.close();
    rmSync(workspace, { recursive: true, force: true });
  });

  it('holds the programs, Node and its libraries, and nothing that could be a shell or an installer', () => {
    const files = entries(root);
    const unexpected = files.filter(({ path }) => !EXPECTED.some((pattern) => pattern.test(path)));
    expect(unexpected.map(({ path }) => path)).toEqual([]);
    const unmet = EXPECTED.filter((pattern) => !files.some(({ path }) => pattern.test(path)));
    expect(unmet).toEqual([]);
    const programs = files.filter(({ path, mode }) => (mode & 0o111) !== 0 && !path.includes(' -> '));
    expect(programs.map(({ path }) => path).filter((path) => !path.includes('.so.'))).toEqual([
      'app/cli.js',
      'app/main.js',
      'app/webhook.js',
      'usr/local/bin/node',
    ]);
  });

  it('can be written by nobody but in /tmp', () => {
    const writable = entries(root).filter(({ mode, path }) => (mode & 0o222) !== 0 && !path.includes(' -> '));
    expect(writable).toEqual([]);
    const find = [root, '-type', 'd', '-perm', '/022', '-printf', '/%P\n'];
    expect(execFileSync('find', find, { encoding: 'utf8' })).toBe('/tmp\n');
    expect(lstatSync(join(root, 'tmp')).mode & 0o7777).toBe(0o1777);
  });

  it('tells scanners which packages it holds, of Debian and of npm', () => {
    const status = join(root, 'var/lib/dpkg/status.d');
    for (const name of readdirSync(status)) {
      const text = readFileSync(join(status, name), 'utf8');
      expect(text).toMatch(new RegExp(`^Package: ${name.replaceAll('+', '\\+')}$`, 'm'));
      expect(text).toMatch(/^Version: \S+$/m);
      expect(existsSync(join(root, 'usr/share/doc', name, 'copyright'))).toBe(true);
    }
    expect(readdirSync(status)).toContain('libc6');
    const sbom = JSON.parse(readFileSync(join(root, 'app/sbom.spdx.json'), 'utf8')) as {
      spdxVersion: string;
      creationInfo: { created: string };
      packages: { name: string; versionInfo: string; SPDXID: string; externalRefs: unknown[] }[];
      relationships: { relatedSpdxElement: string }[];
    };
    expect(sbom.spdxVersion).toBe('SPDX-2.3');
    expect(sbom.creationInfo.created).toBe('2023-11-14T22:13:20Z');
    const notices = readFileSync(
      join(root, 'usr/share/doc/kms-vault-operator/THIRD_PARTY_NOTICES.txt'),
      'utf8',
    );
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const [name, version] of Object.entries(dependencies)) {
      expect(sbom.packages).toContainEqual(expect.objectContaining({ name, versionInfo: version }));
      expect(notices).toContain(`\n${name} ${version} (`);
    }
    const ids = sbom.packages.map(({ SPDXID }) => SPDXID);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(sbom.relationships.map(({ relatedSpdxElement }) => relatedSpdxElement))).toEqual(
      new Set(ids),
    );
  });

  it('differs in one file alone when one bundle does; all else is the same to the byte and the second', () => {
    const before = entries(root);
    const second = assemble('second', (dist) => {
      writeFileSync(join(dist, 'webhook.js'), "\nprocess.title = 'changed';\n", { flag: 'a' });
    });
    const after = entries(second);
    const differing = after.filter((entry, index) => !isDeepStrictEqual(entry, before[index]));
    expect(differing.map(({ path }) => path)).toEqual(['app/webhook.js']);
    expect(after.length).toBe(before.length);
    for (const { mtimeMs } of after) expect(mtimeMs).toBe(COMMITTED_AT_MS);
  });

  it('starts the programs by the paths of the Go image, and the tool by its own', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    for (const program of ['/manager', '/kms-vault-validating-webhook', '/kubectl-kms_vault']) {
      const { code, out, err } = tree.run([program, '--version']);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toContain(version);
      expect(out).toContain(ARGUMENTS.GIT_COMMIT);
      expect(out).toContain(process.version);
    }
  });

  it('prints every flag of both programs', () => {
    const operator = tree.run(['/manager', '--help']);
    const webhook = tree.run(['/kms-vault-validating-webhook', '--help']);
    expect([operator.code, webhook.code]).toEqual([0, 0]);
    for (const { name } of operatorFlags(AUTH_METHODS)) expect(operator.out).toContain(name);
    for (const { name } of WEBHOOK_FLAGS) expect(webhook.out).toContain(name);
  });

  it('lets the user write nowhere', () => {
    const attempt = `
      const { writeFileSync } = require('node:fs');
      for (const folder of ['/', '/app', '/etc', '/home/nonroot', '/tmp', '/usr/local/bin']) {
        try { writeFileSync(folder + '/x', ''); console.log(folder, 'written'); }
        catch (error) { console.log(folder, error.code); }
      }
      console.log(process.getuid(), process.getgid(), process.getgroups().join());`;
    const { out } = tree.run(['/usr/local/bin/node', '-e', attempt]);
    expect(out.trim().split('\n')).toEqual([
      '/ EROFS',
      '/app EROFS',
      '/etc EROFS',
      '/home/nonroot EROFS',
      '/tmp EROFS',
      '/usr/local/bin EROFS',
      '65532 65532 65532',
    ]);
  });

  it('has no shell to start', () => {
    for (const shell of ['/bin/sh', '/bin/bash', '/usr/bin/env']) {
      expect(tree.run([shell, '-c', 'true']).code).toBe(127);
    }
  });

  it('runs the operator, which syncs a secret, and the webhook, which reviews one', async () => {
    fixture = await ImageFixture.prepare(tree, join(workspace, 'mounted'));
    await fixture.startOperator();
    await fixture.startWebhook();
    expect(await fixture.health()).toEqual({ operator: [200, 200], webhook: [200, 200] });
    expect(fixture.users()).toEqual(['65532', '65532']);
    expect(await fixture.sync('from-the-image')).toEqual({ value: 'from-the-image' });
    expect(await fixture.review()).toEqual([true, false]);
    expect(await fixture.stop()).toEqual([0, 0]);
    // On Node 20, which the image does not have, the AWS SDK says on stderr that it will leave it.
    if (Number(process.versions.node.split('.')[0]) >= 22) expect(fixture.notJson()).toEqual([]);
  });
});
