import { lstatSync, readdirSync, symlinkSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { DEMO_KEY_ID } from '../servers/kms/demo-key.js';
import { AuthorTool, type ToolResult } from '../support/author-tool.js';
import type { Json } from '../support/http-json.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { openCiphertext } from '../support/sealed.js';

const CANARY = 'canary-e1d0';
const READER = 'path "secret/data/*" { capabilities = ["read"] }\npath "kv/*" { capabilities = ["read"] }\n';

let fixture: OperatorFixture;
let tool: AuthorTool;

beforeEach(async () => {
  fixture = await OperatorFixture.prepare();
  await fixture.vault.write('sys/policies/acl/reader', { policy: READER });
  const created = await fixture.vault.write('auth/token/create', { policies: ['reader'], ttl: '1h' });
  tool = new AuthorTool(fixture.servers.kms.url, { VAULT_ADDR: fixture.servers.vault.url });
  // As `vault login` leaves it.
  tool.write('.vault-token', `${String(created.auth.client_token)}\n`, 0o600);
});

afterEach(async () => {
  expect(tool.printed).not.toContain(CANARY);
  tool.close();
  await fixture.close();
});

const put = async (path: string, data: Json): Promise<unknown> => await fixture.vault.write(path, { data });

const importAs = async (path: string, ...args: readonly string[]): Promise<ToolResult> =>
  await tool.run(['import', path, '--as', 'web', '--key-id', DEMO_KEY_ID, ...args]);

interface Item {
  readonly key: string;
  readonly encryptedSecret: string;
  readonly emptySecret?: boolean;
}

interface Made {
  readonly metadata: Json;
  readonly spec: { readonly secretContext?: unknown; readonly secrets: readonly Item[] };
}

describe('import', () => {
  it('prints a resource that keeps a v2 secret as it is', async () => {
    const data = { password: CANARY, yes: `${CANARY}\n`, empty: '', __proto__x: 'ü', '': 'x', '1e3': 'y' };
    await put('secret/data/web', data);
    const { code, stdout, stderr } = await importAs(
      'secret/web',
      '--context',
      'env=prod',
      '--context',
      'app=yes',
    );
    expect(code).toBe(0);
    const { metadata, spec } = parse(stdout, { version: '1.1' }) as Made;
    expect(metadata).toEqual({ name: 'web' });
    expect(spec).toMatchObject({
      path: 'secret/data/web',
      kvSettings: { engineVersion: 'v2' },
      secretContext: { env: 'prod', app: 'yes' },
    });
    const keys = spec.secrets.map(({ key }) => key);
    expect(keys.sort()).toEqual(Object.keys(data).sort());
    const { encryptedSecret = '' } = spec.secrets.find(({ key }) => key === 'password') ?? {};
    expect(openCiphertext(fixture.servers.kms, encryptedSecret, { env: 'prod', app: 'yes' })).toBe(CANARY);
    expect(stderr).toContain('imported 6 keys of secret/data/web');
    expect(stderr).toContain('finds secret/data/web, version 1, equal and writes nothing');
    // The operator would change nothing.
    const values = spec.secrets.map(({ key, encryptedSecret: ciphertext, emptySecret }) => [
      key,
      emptySecret === true
        ? ''
        : openCiphertext(fixture.servers.kms, ciphertext, { env: 'prod', app: 'yes' }),
    ]);
    expect(Object.fromEntries(values)).toEqual(data);
    tool.write('web.yaml', stdout);
    expect((await tool.run(['validate', '--quiet', 'web.yaml'])).code).toBe(0);
  });

  it('takes a path as the resource spells it, and K/V v1', async () => {
    await put('secret/data/team/web', { a: CANARY });
    await fixture.vault.write('kv/web', { a: CANARY });
    const v2 = parse((await importAs('secret/data/team/web', '--quiet')).stdout) as Made;
    expect(v2.spec).toMatchObject({ path: 'secret/data/team/web', kvSettings: { engineVersion: 'v2' } });
    const made = await tool.run(['import', 'kv/web', '--as', 'team/web', '--key-id', DEMO_KEY_ID]);
    expect(parse(made.stdout)).toMatchObject({
      metadata: { name: 'web', namespace: 'team' },
      spec: { path: 'kv/web', kvSettings: { engineVersion: 'v1' } },
    });
    expect(made.stderr).toContain('K/V v1 keeps no older values');
  });

  it('refuses values that the operator could not keep, by their keys', async () => {
    await put('secret/data/web', {
      good: CANARY,
      number: 7,
      flag: true,
      nothing: null,
      object: { inner: CANARY },
      list: [CANARY],
      long: 'x'.repeat(4_097),
    });
    const { code, stdout, stderr } = await importAs('secret/web');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    for (const text of [
      'key "number" is a number',
      'key "flag" is a boolean',
      'key "nothing" is null',
      'key "object" is an object',
      'key "list" is a list',
      'key "long" has 4097 bytes',
    ]) {
      expect(stderr).toContain(text);
    }
    expect(stderr).not.toContain('"good"');
    expect(fixture.servers.kms.requests.count(({ operation }) => operation === 'Encrypt')).toBe(0);
  });

  it('writes a new file, and never over another one', async () => {
    await put('secret/data/web', { a: CANARY });
    const first = await importAs('secret/web', '--output', 'web.yaml');
    expect(first).toMatchObject({ code: 0, stdout: '' });
    const text = tool.read('web.yaml');
    expect(text).toContain('kind: KMSVaultSecret');
    const again = await importAs('secret/web', '--output', 'web.yaml');
    expect(again.stderr).toContain('web.yaml exists already');
    expect(again.code).toBe(1);
    expect(tool.read('web.yaml')).toBe(text);
    symlinkSync('elsewhere.yaml', tool.path('link.yaml'));
    expect((await importAs('secret/web', '--output', 'link.yaml')).code).toBe(1);
    expect(lstatSync(tool.path('link.yaml')).isSymbolicLink()).toBe(true);
    expect(readdirSync(tool.folder).sort()).toEqual(['.vault-token', 'link.yaml', 'web.yaml']);
  });

  it('takes key and context from .kms-vault.yaml', async () => {
    await put('secret/data/web', { a: CANARY });
    tool.write('.kms-vault.yaml', `creationRules:\n- keyId: ${DEMO_KEY_ID}\n  context: {env: prod}\n`);
    const { stdout } = await tool.run(['import', 'secret/web', '--as', 'web']);
    expect((parse(stdout) as Made).spec.secretContext).toEqual({ env: 'prod' });
    tool.write('.kms-vault.yaml', 'creationRules:\n- context: {env: prod}\n');
    const without = await tool.run(['import', 'secret/web', '--as', 'web']);
    expect(without).toMatchObject({ code: 1, stdout: '' });
    expect(without.stderr).toContain('give --key-id');
  });

  it.each<[string, string, readonly string[], string]>([
    ['a secret that is not there', 'secret/missing', [], 'there is no secret at secret/data/missing'],
    ['a deleted version', 'secret/gone', [], 'version 1 of secret/data/gone is deleted'],
    ['a mount that is not there', 'nowhere/web', [], 'no secrets engine is mounted'],
    ['a path that is not allowed', 'sys/mounts', [], 'lies in sys/'],
    ['a mount alone', 'secret', [], 'is only a mount'],
    ['a name that Kubernetes refuses', 'secret/web', ['--as', 'Web'], '--as must be'],
    ['a key that is missing', 'secret/web', ['--key-id', 'missing'], 'cannot find the key missing'],
  ])('ends with 1 for %s', async (_what, path, args, problem) => {
    await put('secret/data/web', { a: CANARY });
    await put('secret/data/gone', { a: CANARY });
    await fixture.vault.write('secret/delete/gone', { versions: [1] });
    const { code, stdout, stderr } = await importAs(path, ...args);
    expect(stderr).toContain(problem);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it('says that the token is not accepted, and that there is none', async () => {
    const { stderr } = await tool.run(['import', 'secret/web', '--as', 'web', '--key-id', 'x'], {
      env: { VAULT_TOKEN: 'wrong' },
    });
    expect(stderr).toContain('Vault does not accept the token of VAULT_TOKEN');
    tool.write('.vault-token', '');
    const none = await importAs('secret/web');
    expect(none.stderr).toContain('there is no token for Vault');
    expect(none.code).toBe(1);
  });
});
