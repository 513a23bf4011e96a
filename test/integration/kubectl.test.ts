import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';

const hasKubectl = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' }).status === 0;
const withKubectl = hasKubectl ? describe : describe.skip;

let fixture: OperatorFixture;
let directory: string;

/** Runs beside the servers of this process: they must be able to answer while kubectl waits. */
async function run(...parameters: readonly string[]): Promise<string> {
  return await new Promise((resolve, reject) => {
    const child = spawn('kubectl', [
      '--kubeconfig',
      join(directory, 'kubeconfig'),
      `--cache-dir=${join(directory, 'cache')}`,
      ...parameters,
    ]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`kubectl ${parameters.join(' ')}: ${String(code)}: ${output}`));
    });
  });
}

/** Lines of the guide that match. */
function guideLines(pattern: RegExp): string[] {
  return readFileSync('docs/guide.md', 'utf8')
    .split('\n')
    .filter(
      (line) => line.startsWith('kubectl ') && pattern.test(line) && /sync|reconcile|suspend/i.test(line),
    );
}

/** A line of a document, as a shell takes it. */
async function runLine(line: string): Promise<void> {
  const words = [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ''));
  await run(...words.slice(1));
}

withKubectl('kubectl (skipped where it is not on the PATH)', () => {
  beforeAll(async () => {
    fixture = await OperatorFixture.prepare();
    directory = mkdtempSync(join(tmpdir(), 'kubectl-'));
    writeFileSync(join(directory, 'kubeconfig'), fixture.servers.kubernetes.adminKubeconfig(), {
      mode: 0o600,
    });
    await fixture.start(['--sync-period-seconds=1']);
  }, 60_000);

  afterAll(async () => {
    await fixture.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('asks for a sync, suspends and resumes with the lines of the guide', async () => {
    await run('apply', '-f', 'manifests/samples/shared.yaml', '-f', 'manifests/samples/billing.yaml');
    await run('wait', '--for=condition=Ready', 'kmsvs', 'billing', '--timeout=30s');
    const lines = guideLines(/annotate kmsvs web|wait kmsvs web|patch kmsvs web/).map((line) =>
      line.replace('-n shop', '-n default').replace('web', 'billing'),
    );
    expect(lines).toHaveLength(5);
    for (const line of lines) {
      await runLine(line);
      if (line.includes('"suspend":true')) {
        await run('wait', 'kmsvs', 'billing', '--for=condition=Suspended', '--timeout=30s');
      }
    }
    await eventually(
      'it is resumed',
      async () => !(await run('get', 'kmsvs', 'billing', '-o', 'json')).includes('"type": "Suspended"'),
    );
    await run('delete', '-f', 'manifests/samples/billing.yaml', '-f', 'manifests/samples/shared.yaml');
  });

  it('applies, waits for, shows, explains, describes and deletes the samples', async () => {
    await run('apply', '-f', 'manifests/samples');
    await run('wait', '--for=condition=Ready', 'kmsvs', '--all', '--timeout=30s');
    const table = (await run('get', 'kmsvs'))
      .split('\n')
      .map((line) => line.split(/\s{2,}|\s(?=\d+\/\d+)/).map((cell) => cell.trim()));
    expect(table[0]).toEqual(['NAME', 'PATH', 'ENGINE', 'READY', 'REASON', 'KEYS', 'AGE']);
    expect(table.slice(1, 4).map((row) => row.slice(0, 6))).toEqual([
      ['billing', 'kv/billing', 'v1', 'True', 'Synced', '2/2'],
      ['pinned', 'secret/data/team/pinned', 'v2', 'True', 'Synced', '1/1'],
      ['web', 'secret/data/web', 'v2', 'True', 'Synced', '4/4'],
    ]);
    const wide = (await run('get', 'kmsvs', '-o', 'wide')).split('\n');
    expect(wide[0]).toMatch(/KEYS +MESSAGE +VERSION +LAST-WRITE +AGE$/);
    expect(wide.find((line) => line.startsWith('web '))).toMatch(/4 keys are in Vault +1 +\d+s +\d+s$/);
    await eventually('the partial shows its includers', async () =>
      /shared\s+True\s+Valid\s+2\s/.test(await run('get', 'pkmsvs')),
    );
    expect(await run('get', 'pkmsvs', '-o', 'wide')).toContain('Included by 2 KMSVaultSecrets');
    const both = await run('get', 'kms-vault', '-o', 'name');
    expect(both).toContain('kmsvaultsecret.k8s.patoarvizu.dev/web');
    expect(both).toContain('partialkmsvaultsecret.k8s.patoarvizu.dev/shared');
    expect(await run('explain', 'kmsvs.spec')).toContain('includeSecrets');
    expect(await run('explain', 'kmsvs.spec.kvSettings.casIndex')).toContain('the only version');
    await eventually('the event is shown', async () =>
      (await run('describe', 'kmsvs', 'web')).includes('Wrote secret web to secret/data/web'),
    );
    const again = await run('apply', '-f', 'manifests/samples');
    expect(
      again
        .trim()
        .split('\n')
        .every((line) => line.endsWith('unchanged')),
    ).toBe(true);
    await run('delete', '-f', 'manifests/samples', '--wait', '--timeout=30s');
    await fixture.inVault('kv/billing', undefined);
    expect(await fixture.vault.read('secret/data/web')).toBeDefined();
  }, 120_000);

  it('is told by the schema what is wrong', async () => {
    const file = join(directory, 'wrong.yaml');
    writeFileSync(
      file,
      'apiVersion: k8s.patoarvizu.dev/v1alpha1\nkind: KMSVaultSecret\nmetadata:\n  name: wrong\n  namespace: default\n' +
        'spec:\n  path: kv/x\n  kvSettings:\n    engineVersion: v3\n',
    );
    await expect(run('apply', '-f', file)).rejects.toThrow(
      /Unsupported value: "v3": supported values: "v1", "v2"/,
    );
  }, 60_000);
});
