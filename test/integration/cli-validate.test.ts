import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import type { KmsKey } from '../servers/kms/kms-keys.js';
import { LoopbackKms } from '../servers/kms/server.js';
import { AuthorTool } from '../support/author-tool.js';

const CANARY = 'canary-8c2e';

let kms: LoopbackKms;
let tool: AuthorTool;

beforeEach(async () => {
  kms = await LoopbackKms.start();
  tool = new AuthorTool(kms.url);
});

afterEach(async () => {
  tool.close();
  await kms.close();
});

function sealed(value: string | Buffer, context: Record<string, string> = { app: 'web' }): string {
  return seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(value), context).toString('base64');
}

function web(items: Readonly<Record<string, string>>): string {
  const list = Object.entries(items).map(
    ([key, value]) => `  - key: ${key}\n    encryptedSecret: ${value}\n`,
  );
  return (
    'apiVersion: k8s.patoarvizu.dev/v1alpha1\nkind: KMSVaultSecret\nmetadata:\n  name: web\nspec:\n' +
    `  path: secret/data/web\n  kvSettings: {engineVersion: v2}\n  secretContext: {app: web}\n  secrets:\n${list.join('')}`
  );
}

function sink(): KmsKey {
  const key = kms.addKey();
  key.deniedActions.add('kms:Decrypt').add('kms:ReEncryptFrom');
  return key;
}

describe('validate', () => {
  it('ends with 0 when KMS decrypts everything, warnings included', async () => {
    tool.write('web.yaml', web({ password: sealed(CANARY), line: sealed(`${CANARY}\n`) }));
    const { code, stdout, stderr } = await tool.run(['validate', 'web.yaml']);
    expect(stdout).toMatch(/^web\.yaml:13:22: warning: key "line": the value ends with a line break/);
    expect(stderr).toBe('1 resource in 1 file: 0 errors, 1 warning\n');
    expect(code).toBe(0);
    expect(tool.printed).not.toContain(CANARY);
  });

  it('ends with 1 when KMS rejects something, and tells where', async () => {
    tool.write('web.yaml', web({ good: sealed(CANARY), bad: sealed(CANARY, { app: 'other' }) }));
    const text = await tool.run(['validate', '--quiet', '.']);
    expect(text).toMatchObject({ code: 1, stderr: '' });
    expect(text.stdout).toMatch(/^web\.yaml:13:22: error: key "bad": KMS rejected the ciphertext .*\n$/);
    const github = await tool.run(['validate', '-o', 'github', 'web.yaml']);
    expect(github.stdout).toMatch(/^::error file=web\.yaml,line=13,col=22::key "bad": KMS rejected/);
    const json = JSON.parse((await tool.run(['validate', '-o', 'json', 'web.yaml'])).stdout) as unknown;
    expect(json).toMatchObject({ files: 1, resources: 1, errors: 1, problems: [{ key: 'bad', line: 13 }] });
  });

  it('says what is wrong without KMS', async () => {
    tool.write(
      'web.yaml',
      web({ good: sealed(CANARY), bad: 'no-base64!' }).replace('secret/data/web', 'sys/x'),
    );
    const { code, stdout } = await tool.run(['validate', '--no-kms', 'web.yaml']);
    expect(stdout.split('\n').slice(0, -1)).toEqual([
      expect.stringMatching(/^web\.yaml:6:9: error: spec\.path lies in sys/),
      expect.stringMatching(/^web\.yaml:13:22: error: key "bad": encryptedSecret is not base64/),
    ]);
    expect(code).toBe(1);
    expect(kms.requests.count(() => true)).toBe(0);
  });

  it('judges encryption contexts by the flags of the webhook', async () => {
    tool.write('web.yaml', web({ password: sealed(CANARY) }));
    const validate = (...flags: string[]): ReturnType<typeof tool.run> =>
      tool.run(['validate', '--no-kms', '-n', 'shop', ...flags, 'web.yaml']);
    const pairs = ['--required-context', 'app={{name}},namespace={{namespace}}'];
    const refused = await validate(...pairs);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stdout).toMatch(
      /^web\.yaml:10:5: error: key "password": its encryption context lacks namespace=shop, required by /,
    );
    const audited = await validate(...pairs, '--required-context-mode=audit');
    expect(audited).toMatchObject({ code: 0 });
    expect(audited.stdout).toContain('warning: key "password": its encryption context lacks namespace=shop');
    expect(await validate(...pairs, '--required-context-exempt=shop')).toMatchObject({ code: 0, stdout: '' });
    expect(await validate('--required-context', 'a={{b}}')).toMatchObject({ code: 1, stdout: '' });
  });

  it('says that KMS is not there, and ends with 1', async () => {
    tool.write('web.yaml', web({ a: sealed(CANARY), b: sealed(CANARY) }));
    kms.faults.inject({ matches: () => true, action: { kind: 'answer', status: 500, body: '{}' } });
    const { code, stdout, stderr } = await tool.run(['validate', 'web.yaml']);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/error: KMS is unavailable: .*; 2 ciphertexts were not checked/);
    expect(code).toBe(1);
  });

  describe('with a sink key', () => {
    it('needs no permission to decrypt, and leaves nothing that could be decrypted', async () => {
      kms.keys.get(DEMO_KEY_ID)?.deniedActions.add('kms:Decrypt');
      tool.write('web.yaml', web({ password: sealed(CANARY) }));
      const { id } = sink();
      expect(await tool.run(['validate', '--quiet', '--sink-key', id, 'web.yaml'])).toEqual({
        code: 0,
        stdout: '',
        stderr: '',
      });
      expect(kms.decrypts).toBe(0);
      expect(kms.requests.count(({ operation }) => operation === 'ReEncrypt')).toBe(1);
    });

    it('sees a wrong context, and no text that Vault cannot store', async () => {
      tool.write(
        'web.yaml',
        web({ context: sealed(CANARY, {}), binary: sealed(Buffer.from([0xff])), line: sealed('x\n') }),
      );
      const { id } = sink();
      const { code, stdout } = await tool.run(['validate', '--sink-key', id, 'web.yaml']);
      expect(stdout.split('\n').slice(0, -1)).toEqual([
        expect.stringMatching(/^web\.yaml:11:22: error: key "context": KMS rejected/),
      ]);
      expect(code).toBe(1);
    });

    it('names the permissions that are missing', async () => {
      tool.write('web.yaml', web({ password: sealed(CANARY) }));
      const key = sink();
      key.deniedActions.add('kms:ReEncryptTo');
      const { code, stdout } = await tool.run(['validate', '--sink-key', key.id, 'web.yaml']);
      expect(stdout).toContain(`kms:ReEncryptTo on ${key.id}`);
      expect(code).toBe(1);
    });
  });

  it('ends with 0 when there is nothing of ours, and with 1 when there is no file', async () => {
    tool.write('other.yaml', 'kind: Pod\n');
    expect(await tool.run(['validate', '.'])).toMatchObject({ code: 0, stdout: '' });
    expect(await tool.run(['validate', 'missing'])).toMatchObject({ code: 1, stdout: '' });
  });
});
