import { mkdirSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { canary } from '../support/operator-fixture.js';
import {
  fixture,
  inVault,
  partial,
  plan,
  planned,
  reader,
  requestsOfReader,
  secret,
  tool,
  usePlanner,
} from './plan-fixture.js';

usePlanner();

describe('plan', () => {
  it('shows what would be written key by key, never a value, and writes nothing', async () => {
    const [before, after, kept] = [canary(), canary(), canary()];
    await inVault('secret/data/web', { changed: before, removed: before, same: after, broken: kept });
    const broken = { ciphertext: fixture.encrypt(after, { other: 'context' }) };
    tool.write(
      'web.yaml',
      secret('web', { added: { value: after }, changed: { value: after }, same: { value: after }, broken }),
    );
    const { code, stdout } = await plan('-f', 'web.yaml');
    expect(stdout.split('\n')).toEqual([
      'KMSVaultSecret default/web (web.yaml:1): will be updated',
      '  secret/data/web (K/V v2): version 1 -> 2',
      '  + added',
      '  ~ changed',
      '  - removed',
      expect.stringMatching(
        /^ {2}! broken: cannot be decrypted \(InvalidCiphertext\): .*; Vault keeps the value that it has$/,
      ),
      '  = 1 key unchanged',
      '  note: version 1, which this resource has not written, is replaced; it stays in the version history',
      '  on deletion: the value stays in Vault: the resource has no finalizer delete.k8s.patoarvizu.dev',
      '',
      'Plan: 1 secret of 1 to write, 1 with errors; keys: 1 to add, 1 to change, 1 to remove, 1 unchanged, 1 cannot be decrypted.',
      '',
    ]);
    expect(code).toBe(1);
    const requests = requestsOfReader();
    expect(requests.length).toBeGreaterThan(2);
    expect(requests.filter((request) => !request.startsWith('GET '))).toEqual([]);
    expect(await fixture.vault.version('secret/data/web')).toBe(1);
    for (const value of [before, after, kept, reader]) expect(tool.printed).not.toContain(value);
  });

  it('says why the finalizer would keep a value', async () => {
    const finalizers = { finalizers: ['delete.k8s.patoarvizu.dev'] };
    tool.write('a.yaml', secret('a', { x: { value: 'one' } }, { path: 'secret/data/both' }, finalizers));
    tool.write('b.yaml', secret('b', { x: { value: 'one' } }, { path: 'secret/data/both' }));
    expect((await plan('-f', 'a.yaml', '-f', 'b.yaml')).stdout).toContain(
      '  on deletion: the value stays in Vault: default/b has the same path, secret/data/both, and takes it over\n',
    );
  });

  it('ends with 0 when there is nothing to do, with 2 for changes, with 1 for errors', async () => {
    tool.write('web.yaml', secret('web', { a: { value: 'one' } }));
    expect((await plan('-f', 'web.yaml')).code).toBe(2);
    await inVault('secret/data/web', { a: 'one' });
    const equal = await plan('-f', 'web.yaml');
    expect(equal.stdout).toContain(
      'default/web (web.yaml:1): no changes\n  secret/data/web (K/V v2): version 1\n',
    );
    expect(equal.code).toBe(0);
    tool.write('web.yaml', secret('web', { a: { value: 'one' } }, { path: 'sys/web' }));
    const refused = await plan('-f', 'web.yaml');
    expect(refused.stdout).toContain('will not be written');
    expect(refused.stdout).toContain('InvalidPath: spec.path sys/web lies in sys/');
    expect(refused.code).toBe(1);
  });

  it('writes a document of a fixed shape', async () => {
    tool.write(
      'b.yaml',
      secret(
        'b',
        { z: { value: 'one' }, a: { value: 'two' } },
        {},
        { finalizers: ['delete.k8s.patoarvizu.dev'] },
      ),
    );
    tool.write(
      'a.yaml',
      secret('a', { x: { value: 'one' } }, { path: 'kv/a', kvSettings: { engineVersion: 'v1' } }),
    );
    const { stdout, code } = await plan('-o', 'json', '-f', 'b.yaml', '-f', 'a.yaml');
    const none = { added: [], changed: [], removed: [], undecryptable: [], kept: [], unchanged: 0 };
    const common = {
      kind: 'KMSVaultSecret',
      namespace: 'default',
      action: 'create',
      findings: [],
      pathConflict: null,
      metadata: null,
      notes: [],
      hasErrors: false,
    };
    expect(JSON.parse(stdout)).toEqual({
      formatVersion: 1,
      resources: [
        {
          ...common,
          name: 'a',
          source: { file: 'a.yaml', line: 1 },
          path: 'kv/a',
          engine: 'v1',
          versions: null,
          keys: { ...none, added: ['x'] },
          onDeletion: { value: 'kept', detail: 'the resource has no finalizer delete.k8s.patoarvizu.dev' },
        },
        {
          ...common,
          name: 'b',
          source: { file: 'b.yaml', line: 1 },
          path: 'secret/data/b',
          engine: 'v2',
          versions: { before: 0, after: 1 },
          keys: { ...none, added: ['a', 'z'] },
          onDeletion: { value: 'deleted', detail: 'secret/data/b' },
        },
      ],
      summary: { resources: 2, toWrite: 2, withErrors: 0 },
    });
    expect(code).toBe(2);
  });

  it('takes partials from the files, a folder and stdin, and keeps what a missing one may define', async () => {
    await inVault('secret/data/web', { a: 'one', shared: 'old', foreign: 'kept' });
    mkdirSync(tool.path('deploy'));
    tool.write('deploy/web.yaml', secret('web', { a: { value: 'one' } }, { includeSecrets: ['common'] }));
    const missing = await planned('-f', 'deploy');
    expect(missing.resources[0]).toMatchObject({
      action: 'none',
      keys: { kept: ['foreign', 'shared'], unchanged: 1, removed: [] },
      findings: [{ reason: 'IncludeNotFound' }],
    });
    expect(missing.code).toBe(1);
    const whole = await tool.run(['plan', '-o', 'json', '-f', 'deploy', '-f', '-'], {
      stdin: partial('common', { shared: 'new' }),
    });
    expect(JSON.parse(whole.stdout).resources[0]).toMatchObject({
      action: 'update',
      keys: { changed: ['shared'], removed: ['foreign'], unchanged: 1 },
      findings: [],
    });
    expect(whole.code).toBe(2);
  });

  it('says what blocks a write', async () => {
    await inVault('secret/data/pinned', { a: 'one' });
    await inVault('secret/data/pinned', { a: 'two' });
    const pinned = { kvSettings: { engineVersion: 'v2', casIndex: 7 } };
    tool.write('pinned.yaml', secret('pinned', { a: { value: 'three' } }, pinned));
    tool.write(
      'engine.yaml',
      secret('engine', { a: { value: 'one' } }, { kvSettings: { engineVersion: 'v1' } }),
    );
    tool.write('elsewhere.yaml', secret('elsewhere', { a: { value: 'one' } }, { path: 'nowhere/data/web' }));
    tool.write('hidden.yaml', secret('hidden', { a: { value: 'one' } }));
    tool.write('outside.yaml', secret('outside', { a: { value: 'one' } }, { path: 'secret/data/other/x' }));
    const names = ['pinned', 'engine', 'elsewhere', 'hidden', 'outside'];
    const { resources, code } = await planned(
      ...names.flatMap((name) => ['-f', `${name}.yaml`]),
      '--allowed-vault-paths',
      'secret/data/*,nowhere/**',
    );
    const found = Object.fromEntries(
      resources.map((one: Json) => [
        one.name,
        [one.action, one.findings[0]?.reason, one.findings[0]?.message],
      ]),
    );
    expect(found).toEqual({
      pinned: ['blocked', 'CasIndexStale', expect.stringContaining('set casIndex to 2')],
      engine: ['blocked', 'EngineMismatch', expect.stringContaining('K/V v2 mount')],
      elsewhere: ['error', 'VaultForbidden', expect.stringContaining('no secrets engine is mounted')],
      hidden: [
        'error',
        'VaultForbidden',
        expect.stringContaining('your token may not read secret/data/hidden'),
      ],
      outside: ['blocked', 'PathNotAllowed', expect.stringContaining('--allowed-vault-paths')],
    });
    expect(code).toBe(1);
  });

  it('finds the owner of a path that several resources name', async () => {
    const spec = { path: 'secret/data/same' };
    tool.write(
      'all.yaml',
      `${secret('b', { a: { value: 'one' } }, spec)}\n---\n${secret('a', { a: { value: 'two' } }, spec)}`,
    );
    const { resources } = await planned('-f', 'all.yaml');
    expect(resources.map(({ name, action, pathConflict }: Json) => ({ name, action, pathConflict }))).toEqual(
      [
        { name: 'a', action: 'create', pathConflict: { owner: 'default/a', others: ['default/b'] } },
        { name: 'b', action: 'blocked', pathConflict: { owner: 'default/a', others: ['default/b'] } },
      ],
    );
    expect(resources[1].source).toEqual({ file: 'all.yaml', line: 1 });
    expect(resources[0].source).toEqual({ file: 'all.yaml', line: 3 });
  });
});
