import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import type { Json } from '../support/http-json.js';

const folder = mkdtempSync(join(tmpdir(), 'krew-'));
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const archive = `kubectl-kms_vault-${version}.tar.gz`;

beforeAll(() => {
  execFileSync(process.execPath, ['scripts/krew.mjs', folder]);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The rules of krew's index (internal/index/validation and cmd/validate-krew-manifest of kubernetes-sigs/krew). */
function faults(plugin: Json, fileName: string): string[] {
  const found: string[] = [];
  const rule = (holds: boolean, text: string): void => {
    if (!holds) found.push(text);
  };
  const { apiVersion, kind, metadata, spec } = plugin;
  rule(apiVersion === 'krew.googlecontainertools.github.com/v1alpha2', 'apiVersion');
  rule(kind === 'Plugin', 'kind');
  rule(/^[\w-]+$/.test(metadata.name), 'a safe name');
  rule(fileName === `${String(metadata.name)}.yaml`, 'the name of the file');
  rule(
    typeof spec.shortDescription === 'string' && /^[^\r\n]+$/.test(spec.shortDescription),
    'shortDescription',
  );
  rule(/^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/.test(spec.version), 'version');
  rule(spec.platforms.length > 0, 'platforms');
  for (const { uri, sha256, bin, files, selector } of spec.platforms as Json[]) {
    rule(/^https:\/\/\S+$/.test(uri), 'uri');
    rule(/^[a-f0-9]{64}$/.test(sha256), 'sha256');
    rule(bin !== '' && bin !== undefined, 'bin');
    rule(
      files === undefined || (files.length > 0 && files.every(({ from, to }: Json) => from && to)),
      'files',
    );
    const { matchLabels, matchExpressions } = selector ?? {};
    const keys = [...Object.keys(matchLabels ?? {}), ...(matchExpressions ?? []).map(({ key }: Json) => key)];
    rule(keys.length > 0 && keys.every((key) => ['os', 'arch'].includes(key)), 'selector');
  }
  return found;
}

describe('the files of a release for krew', () => {
  it('are a manifest that fits the rules of the index', () => {
    const text = readFileSync(join(folder, 'kms-vault.yaml'), 'utf8');
    expect(text).not.toMatch(/\{\{|\}\}/);
    const plugin = parse(text);
    expect(faults(plugin, 'kms-vault.yaml')).toEqual([]);
    expect(plugin.spec.version).toBe(`v${version}`);
    expect(plugin.spec.caveats).toContain('Node.js 20.19');
    const [platform, ...others] = plugin.spec.platforms;
    expect(others).toEqual([]);
    expect(platform.uri).toBe(
      `https://github.com/patoarvizu/kms-vault-operator/releases/download/v${version}/${archive}`,
    );
    expect(platform.sha256).toBe(
      createHash('sha256')
        .update(readFileSync(join(folder, archive)))
        .digest('hex'),
    );
    expect(readFileSync(join(folder, `${archive}.sha256`), 'utf8')).toBe(
      `${String(platform.sha256)}  ${archive}\n`,
    );
  });

  it('are seen to be wrong', () => {
    const text = readFileSync('scripts/krew/kms-vault.yaml', 'utf8');
    expect(faults(parse(text), 'kms_vault.yaml')).toEqual(['the name of the file', 'version', 'sha256']);
  });

  it('hold a program that runs without this repository, and the license', () => {
    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    execFileSync('tar', ['-xzf', join(folder, archive), '-C', unpacked]);
    const program = join(unpacked, 'kubectl-kms_vault');
    expect(statSync(program).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(unpacked, 'LICENSE'), 'utf8')).toBe(readFileSync('LICENSE', 'utf8'));
    // As krew links it: the file has no extension, and no package.json says that it is a module.
    const said = execFileSync(program, ['--version'], { encoding: 'utf8', cwd: unpacked });
    expect(said).toMatch(new RegExp(`^${version.replaceAll('.', '\\.')} \\(`));
    expect(execFileSync(program, ['plan', '--help'], { encoding: 'utf8', cwd: unpacked })).toContain(
      'Examples:',
    );
  });

  it('are the same whenever they are made', () => {
    const again = join(folder, 'again');
    execFileSync(process.execPath, ['scripts/krew.mjs', again]);
    expect(readFileSync(join(again, archive)).equals(readFileSync(join(folder, archive)))).toBe(true);
  });
});
