import { mkdirSync, readdirSync, statSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import type { KmsKey } from '../servers/kms/kms-keys.js';
import { LoopbackKms } from '../servers/kms/server.js';
import { AuthorTool, type ToolResult } from '../support/author-tool.js';
import { openCiphertext } from '../support/sealed.js';
import { eventually } from '../support/wait.js';

const CANARY = 'canary-77aa';

let kms: LoopbackKms;
let tool: AuthorTool;
let key: KmsKey;

beforeEach(async () => {
  kms = await LoopbackKms.start();
  key = kms.addKey();
  tool = new AuthorTool(kms.url);
});

afterEach(async () => {
  expect(tool.printed).not.toContain(CANARY);
  tool.close();
  await kms.close();
});

const sealed = (context: Record<string, string>, value = CANARY): string =>
  seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(value), context).toString('base64');

const isUnder = ({ id }: KmsKey, ciphertext: string): boolean =>
  Buffer.from(ciphertext, 'base64').includes(Buffer.from(id));

const ciphertexts = (file: string): string[] =>
  [...tool.read(file).matchAll(/[A-Za-z0-9+/]{80,}={0,2}/g)].map(([text]) => text);

const reencrypt = async (...args: readonly string[]): Promise<ToolResult> =>
  await tool.run(['reencrypt', '--to', key.id, ...args]);

const HEAD = 'apiVersion: k8s.patoarvizu.dev/v1alpha1\n';

describe('reencrypt', () => {
  it('changes the ciphertexts and no other byte, with the contexts that they have', async () => {
    const [own, ofResource, kept] = [sealed({ item: 'own' }), sealed({ app: 'web' }), sealed({ app: 'web' })];
    const text =
      `# first\r\n${HEAD}kind: KMSVaultSecret\r\nmetadata: {name: web}   # tab\there\r\nspec:\r\n` +
      `  path: secret/data/web\r\n  kvSettings: {engineVersion: v2}\r\n  secretContext: {app: web}\r\n  secrets:\r\n` +
      `  - {key: own, encryptedSecret: "${own}", secretContext: {item: own}}\r\n\r\n  # between\r\n` +
      `  - key: plain\r\n    encryptedSecret: '${ofResource}'\r\n` +
      `  - key: void\r\n    encryptedSecret: ${kept}\r\n    emptySecret: true\r\n---\r\nkind: ConfigMap\r\ndata: {a: b}`;
    tool.write('web.yaml', text, 0o640);
    const { code, stdout } = await reencrypt('web.yaml');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `re-encrypted 2, already under ${key.id} 0, failed 0\n`,
    });
    const [newOwn = '', newPlain = '', stillKept] = ciphertexts('web.yaml');
    expect(stillKept).toBe(kept);
    expect([isUnder(key, newOwn), isUnder(key, newPlain)]).toEqual([true, true]);
    expect(openCiphertext(kms, newOwn, { item: 'own' })).toBe(CANARY);
    expect(openCiphertext(kms, newPlain, { app: 'web' })).toBe(CANARY);
    expect(tool.read('web.yaml').replace(newOwn, own).replace(newPlain, ofResource)).toBe(text);
    expect(statSync(tool.path('web.yaml')).mode & 0o777).toBe(0o640);
    expect(readdirSync(tool.folder)).toEqual(['web.yaml']);
    // The plaintext never leaves KMS.
    expect(kms.requests.all.map(({ operation }) => operation)).toEqual(['ReEncrypt', 'ReEncrypt']);
  });

  it('changes nothing at a second run', async () => {
    tool.write(
      'web.yaml',
      `${HEAD}kind: PartialKMSVaultSecret\nspec:\n  secrets:\n  - {key: a, encryptedSecret: ${sealed({})}}\n`,
    );
    await reencrypt('.');
    const after = tool.read('web.yaml');
    const { mtimeMs } = statSync(tool.path('web.yaml'));
    expect(await reencrypt('.')).toMatchObject({
      code: 0,
      stdout: `re-encrypted 0, already under ${key.id} 1, failed 0\n`,
    });
    expect(tool.read('web.yaml')).toBe(after);
    expect(statSync(tool.path('web.yaml')).mtimeMs).toBe(mtimeMs);
  });

  it('only says what would be done in a dry run', async () => {
    const text = `${HEAD}kind: PartialKMSVaultSecret\nspec:\n  secrets:\n  - {key: a, encryptedSecret: ${sealed({})}}\n  - {key: b, encryptedSecret: ${sealed({ x: 'y' })}}\n`;
    tool.write('web.yaml', text);
    const { code, stdout, stderr } = await reencrypt('--dry-run', 'web.yaml');
    expect(stdout).toBe(`would re-encrypt 1, already under ${key.id} 0, failed 1\n`);
    expect(stderr).toMatch(/error: web\.yaml:6:\d+: key "b": KMS rejected/);
    expect(code).toBe(1);
    expect(tool.read('web.yaml')).toBe(text);
  });

  it('finds the context of a partial at the resources that include it', async () => {
    mkdirSync(tool.path('base'));
    mkdirSync(tool.path('prod'));
    tool.write(
      'base/all.yaml',
      `${HEAD}kind: KMSVaultSecret\nmetadata: {name: web}\nspec: {includeSecrets: [shared]}\n---\n` +
        `${HEAD}kind: PartialKMSVaultSecret\nmetadata: {name: shared}\nspec:\n  secrets:\n  - {key: a, encryptedSecret: ${sealed({ env: 'prod' })}}\n`,
    );
    // A patch of the including resource gives the context.
    tool.write(
      'prod/patch.yaml',
      'kind: KMSVaultSecret\nmetadata: {name: web}\nspec: {secretContext: {env: prod}}\n',
    );
    const alone = await reencrypt('base');
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain('contexts tried: none');
    expect((await reencrypt('.')).stdout).toContain('re-encrypted 1');
    expect(openCiphertext(kms, ciphertexts('base/all.yaml')[0] ?? '', { env: 'prod' })).toBe(CANARY);
  });

  it('says that a partial is included by none of the files', async () => {
    tool.write(
      'shared.yaml',
      `${HEAD}kind: PartialKMSVaultSecret\nmetadata: {name: shared}\nspec:\n  secrets:\n  - {key: a, encryptedSecret: ${sealed({ env: 'prod' })}}\n`,
    );
    const { code, stderr } = await reencrypt('shared.yaml');
    expect(stderr).toContain('no resource that includes the partial is among the files');
    expect(code).toBe(1);
  });

  it('keeps what fails and changes the rest, the aliases of other items included', async () => {
    const shared = sealed({});
    const text =
      `${HEAD}kind: KMSVaultSecret\nmetadata: {name: web}\nspec:\n  secrets:\n` +
      `  - {key: a, encryptedSecret: &x ${shared}}\n  - {key: b, encryptedSecret: *x}\n  - {key: c, encryptedSecret: ${sealed({})}}\n` +
      `  - {key: d, encryptedSecret: no base64}\n`;
    tool.write('web.yaml', text);
    tool.write('broken.yaml', `${HEAD}kind: KMSVaultSecret\nspec: {\n`);
    const { code, stdout, stderr } = await reencrypt('.');
    expect(stdout).toBe(`re-encrypted 1, already under ${key.id} 0, failed 4\n`);
    expect(stderr).toMatch(/broken\.yaml:\d+:\d+: not valid YAML/);
    expect(stderr).toMatch(/web\.yaml:6:\d+: key "a": .*anchor &x/);
    expect(stderr).toMatch(/web\.yaml:7:\d+: key "b": .*alias/);
    expect(stderr).toMatch(/web\.yaml:9:\d+: key "d": encryptedSecret is not base64/);
    expect(code).toBe(1);
    expect(tool.read('web.yaml')).toContain(`&x ${shared}}`);
    expect(isUnder(key, ciphertexts('web.yaml')[1] ?? '')).toBe(true);
  });

  it('moves a folder of values at the pace that KMS allows', async () => {
    kms.quotaPerSecond = 20;
    const items = Array.from(
      { length: 60 },
      (_, index) => `  - {key: k${String(index)}, encryptedSecret: ${sealed({})}}\n`,
    );
    tool.write('web.yaml', `${HEAD}kind: PartialKMSVaultSecret\nspec:\n  secrets:\n${items.join('')}`);
    expect((await reencrypt('web.yaml')).stdout).toContain('re-encrypted 60');
    expect(kms.requests.peakInFlight).toBeLessThanOrEqual(10);
  });

  it('stops when KMS is gone, keeps what is done, and says what is left', async () => {
    for (const name of ['a', 'b']) {
      tool.write(
        `${name}.yaml`,
        `${HEAD}kind: PartialKMSVaultSecret\nspec:\n  secrets:\n  - {key: x, encryptedSecret: ${sealed({})}}\n`,
      );
    }
    kms.faults.inject({ matches: () => true, action: { kind: 'answer', status: 500, body: '{}' } });
    const { code, stdout, stderr } = await reencrypt('.');
    expect(stdout).toBe(`re-encrypted 0, already under ${key.id} 0, failed 0, not tried 2\n`);
    expect(stderr).toContain('run it again when KMS is available');
    expect(code).toBe(1);
  });

  it('names the permissions that are missing', async () => {
    key.deniedActions.add('kms:ReEncryptTo');
    tool.write(
      'a.yaml',
      `${HEAD}kind: PartialKMSVaultSecret\nspec:\n  secrets:\n  - {key: x, encryptedSecret: ${sealed({})}}\n`,
    );
    expect((await reencrypt('a.yaml')).stderr).toContain(`kms:ReEncryptTo on ${key.id}`);
  });

  it('says who still names the old key', async () => {
    tool.write('.kms-vault.yaml', `creationRules:\n- keyId: ${DEMO_KEY_ID}\n`);
    const annotated = `${HEAD}kind: PartialKMSVaultSecret\nmetadata:\n  name: shared\n  annotations: {kms-vault.patoarvizu.dev/key-id: alias/old}\nspec:\n  secrets:\n  - {key: x, encryptedSecret: ${sealed({})}}\n`;
    tool.write('a.yaml', annotated);
    const { code, stderr } = await reencrypt('a.yaml');
    expect(code).toBe(0);
    expect(stderr).toContain('of PartialKMSVaultSecret shared in a.yaml names alias/old');
    expect(stderr).toContain(`.kms-vault.yaml names ${DEMO_KEY_ID}`);
    tool.write('.kms-vault.yaml', `creationRules:\n- keyId: ${key.id}\n`);
    tool.write('a.yaml', annotated.replace('alias/old', key.arn));
    expect((await reencrypt('a.yaml')).stderr).toBe('');
  });

  it('does not overwrite what somebody else writes in the meantime, and changes no item twice', async () => {
    const text = `${HEAD}kind: PartialKMSVaultSecret\nspec:\n  secrets:\n  - {key: x, encryptedSecret: ${sealed({})}}\n`;
    tool.write('a.yaml', text);
    kms.latencyMs = 1_000;
    const running = reencrypt('a.yaml', './a.yaml');
    await eventually('a request', () => kms.requests.all.length > 0);
    tool.write('a.yaml', `${text}# more\n`);
    const { code, stderr } = await running;
    expect(stderr).toContain('somebody else has changed the file');
    expect(code).toBe(1);
    expect(tool.read('a.yaml')).toBe(`${text}# more\n`);
    expect(kms.requests.all).toHaveLength(1);
    kms.latencyMs = 0;
    tool.write('a.yaml', `${text}  - {key: x, encryptedSecret: ${sealed({})}}\n`);
    expect((await reencrypt('a.yaml')).stdout).toContain('failed 2');
  });

  it('needs a key', async () => {
    expect(await tool.run(['reencrypt', 'a.yaml'])).toMatchObject({ code: 1, stdout: '' });
  });
});
