import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import type { Json } from '../../support/http-json.js';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const REPOSITORY = 'https://github.com/patoarvizu/kms-vault-operator';
let folder: string;
let index: string;

/** A package as `helm package` makes it, with the chart of another version if asked to. */
function add(
  name: string,
  { of = version, note = '' }: { of?: string; note?: string } = {},
): { status: number | null; stderr: string } {
  const file = join(folder, name);
  const chart = join(folder, 'kms-vault-operator');
  mkdirSync(chart, { recursive: true });
  const metadata = readFileSync('charts/kms-vault-operator/Chart.yaml', 'utf8');
  writeFileSync(join(chart, 'Chart.yaml'), metadata.replaceAll(`ersion: ${version}\n`, `ersion: ${of}\n`));
  writeFileSync(join(chart, 'README.md'), note);
  const packed = spawnSync('tar', ['-czf', file, '-C', folder, 'kms-vault-operator'], { encoding: 'utf8' });
  expect(packed).toMatchObject({ status: 0 });
  return spawnSync(process.execPath, ['scripts/chart-index.mjs', file, index], {
    encoding: 'utf8',
    env: { ...process.env, COMMIT_TIMESTAMP: '1700000000' },
  });
}

function entries(): Json[] {
  return parse(readFileSync(index, 'utf8')).entries['kms-vault-operator'];
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chart-index-'));
  index = join(folder, 'index.yaml');
  copyFileSync('docs/index.yaml', index);
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('docs/index.yaml', () => {
  const GO_VERSIONS = [
    '0.4.0',
    '0.3.6',
    '0.3.5',
    '0.3.4',
    '0.3.3',
    '0.3.2',
    '0.3.1',
    '0.3.0',
    '0.2.1',
    '0.2.0',
  ];

  it('has every chart of the Go operator, at a URL that does not depend on this folder', () => {
    const old = entries().filter((entry) => GO_VERSIONS.includes(entry.version));
    expect(old.map((entry) => entry.version)).toEqual(GO_VERSIONS);
    for (const { version: of, digest, urls } of old) {
      expect(digest).toMatch(/^[0-9a-f]{64}$/);
      expect(urls).toEqual([
        `https://raw.githubusercontent.com/patoarvizu/kms-vault-operator/v0.17.0/docs/kms-vault-operator-${String(of)}.tgz`,
      ]);
    }
  });

  it('gets the chart of a release first, once however often it is added', () => {
    const before = entries().filter((entry) => entry.version !== version);
    const name = `kms-vault-operator-${version}.tgz`;
    for (const note of ['a chart', 'made again'])
      expect(add(name, { note })).toMatchObject({ status: 0, stderr: '' });
    const [entry, ...others] = entries();
    expect(others).toEqual(before);
    expect(entry).toMatchObject({
      apiVersion: 'v2',
      version,
      appVersion: version,
      created: '2023-11-14T22:13:20.000Z',
      digest: createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
      urls: [`${REPOSITORY}/releases/download/v${version}/${name}`],
    });
    expect(readFileSync(index, 'utf8')).toMatch(/^# The Helm repository /);
  });

  it('gets the chart that is in the package, also when the branch is of another version', () => {
    expect(add('kms-vault-operator-1.0.77.tgz', { of: '1.0.77' })).toMatchObject({ status: 0, stderr: '' });
    expect(entries()[0]).toMatchObject({
      version: '1.0.77',
      appVersion: '1.0.77',
      urls: [`${REPOSITORY}/releases/download/v1.0.77/kms-vault-operator-1.0.77.tgz`],
    });
  });

  it('gets no package of another version than its name says, and no other file', () => {
    const before = readFileSync(index, 'utf8');
    const file = join(folder, 'broken.tgz');
    writeFileSync(file, 'a chart');
    const { status, stderr } = spawnSync(process.execPath, ['scripts/chart-index.mjs', file, index], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([1, expect.stringContaining('is no package of a chart')]);
    expect(add('kms-vault-operator-0.0.1.tgz')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is not the package') as unknown,
    });
    expect(readFileSync(index, 'utf8')).toBe(before);
  });
});
