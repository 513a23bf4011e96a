import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { DEMO_KEY_ID } from '../servers/kms/demo-key.js';
import { openCiphertext } from '../support/sealed.js';
import { LoopbackKms } from '../servers/kms/server.js';
import { AuthorTool, type ToolResult } from '../support/author-tool.js';

const WEB = `apiVersion: k8s.patoarvizu.dev/v1alpha1
kind: KMSVaultSecret
metadata:
  name: web # the site
spec:
  path: secret/data/web
  kvSettings: {engineVersion: v2}
  secretContext: {app: web}
`;
const CANARY = 'canary-4f1b';

let kms: LoopbackKms;
let tool: AuthorTool;

beforeEach(async () => {
  kms = await LoopbackKms.start();
  tool = new AuthorTool(kms.url);
  tool.write('web.yaml', WEB);
});

afterEach(async () => {
  tool.close();
  await kms.close();
});

async function set(
  key: string,
  args: readonly string[] = [],
  value: string | Buffer = CANARY,
): Promise<ToolResult> {
  return await tool.run(['set', 'web.yaml', key, '--from-file', '-', ...args], { stdin: value });
}

const withKey = ['--key-id', DEMO_KEY_ID];

function ciphertext(file = 'web.yaml'): string {
  return /encryptedSecret: (\S+)/.exec(tool.read(file))?.[1] ?? '';
}

const decrypted = (context: Record<string, string>, file?: string): string =>
  openCiphertext(kms, ciphertext(file), context);

describe('set', () => {
  it('adds a value with the context of the resource, which it names', async () => {
    const { code, stdout, stderr } = await set('password', withKey);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain('added password of KMSVaultSecret web');
    expect(stderr).toContain('the context app=web of the resource');
    expect(stderr).toContain('--key-id');
    expect(tool.read('web.yaml')).toBe(
      `${WEB}  secrets:\n    - key: password\n      encryptedSecret: ${ciphertext()}\n`,
    );
    expect(decrypted({ app: 'web' })).toBe(CANARY);
    expect(tool.printed).not.toContain(CANARY);
  });

  it('takes the key of the other items, as KMS reports it', async () => {
    const { id, arn } = kms.addKey();
    await set('first', ['--key-id', id]);
    const { code, stderr } = await set('second');
    expect(stderr).toContain(`encrypted with ${arn} (from the item "first")`);
    expect(code).toBe(0);
  });

  it('writes a context that differs as the one of the item', async () => {
    expect((await set('password', [...withKey, '--context', 'a=b', '--context', 'c=d=e'])).code).toBe(0);
    expect(tool.read('web.yaml')).toContain('      secretContext:\n        a: b\n        c: d=e\n');
    expect(decrypted({ a: 'b', c: 'd=e' })).toBe(CANARY);
    // The item's own context is the one in force from now on.
    expect((await set('password', [], 'other')).stderr).toContain('the context a=b,c=d=e of the item');
    expect(decrypted({ a: 'b', c: 'd=e' })).toBe('other');
    expect((await set('password', ['--context', 'a=b', '--context', 'c=d=e'], 'third')).code).toBe(0);
    expect(decrypted({ a: 'b', c: 'd=e' })).toBe('third');
  });

  it('says that a partial without a context takes that of the resources that include it', async () => {
    tool.write('web.yaml', 'kind: PartialKMSVaultSecret\nmetadata: {name: shared}\nspec: {}\n');
    expect((await set('password', withKey)).stderr).toContain(
      'the context of each resource that includes it',
    );
    expect((await set('password', [...withKey, '--context', 'a=b'])).stderr).not.toContain('includes');
  });

  it('says that a patch without a context takes that of the resource that it changes', async () => {
    tool.write('web.yaml', 'kind: KMSVaultSecret\nmetadata: {name: web}\nspec: {secrets: []}\n');
    expect((await set('password', withKey)).stderr).toContain(
      'the context of the resource that it changes, and was encrypted without one: give --context',
    );
    const given = await set('password', [...withKey, '--context', 'a=b']);
    expect(given.stderr).not.toContain('encrypted without one');
    expect(decrypted({ a: 'b' })).toBe(CANARY);
  });

  it('takes key and context from the annotation and from .kms-vault.yaml', async () => {
    const { id } = kms.addKey();
    mkdirSync(tool.path('prod/web'), { recursive: true });
    tool.write(
      '.kms-vault.yaml',
      `creationRules:\n- pathPattern: prod/**\n  keyId: ${id}\n  context: {env: prod}\n- keyId: ${DEMO_KEY_ID}\n`,
    );
    tool.write('prod/web/a.yaml', WEB.replace('  secretContext: {app: web}\n', ''));
    const inProd = await tool.run(['set', 'prod/web/a.yaml', 'x', '--from-file', '-'], { stdin: CANARY });
    expect(inProd.stderr).toContain(`encrypted with ${id} (from ${tool.path('.kms-vault.yaml')})`);
    expect(decrypted({ env: 'prod' }, 'prod/web/a.yaml')).toBe(CANARY);
    expect(tool.read('prod/web/a.yaml')).toContain('env: prod');
    // The context of the resource comes first: the operator uses it.
    expect((await set('x')).stderr).toContain(`encrypted with ${DEMO_KEY_ID}`);
    expect(decrypted({ app: 'web' })).toBe(CANARY);
    tool.write(
      'web.yaml',
      WEB.replace('  name: web', `  name: web\n  annotations: {kms-vault.patoarvizu.dev/key-id: ${id}}`),
    );
    expect((await set('x')).stderr).toContain(`encrypted with ${id} (from the annotation`);
  });

  it.each([
    ['creationRules: [{keyid: x}]\n', 'unknown field keyid'],
    ['creationRules: [{keyId: 1}]\n', 'keyId that is not a text'],
    ['creationRules: [{keyId: x, context: {a: 1}}]\n', 'put numbers between quotes'],
    ['rules: []\n', 'must have one field'],
    ['creationRules: [\n', 'not valid YAML'],
  ])('refuses the rules %j', async (rules, problem) => {
    tool.write('.kms-vault.yaml', rules);
    const { code, stderr } = await set('x');
    expect(stderr).toContain(problem);
    expect(code).toBe(1);
  });

  it('says where a key can be named when none is known', async () => {
    const { code, stderr } = await set('x');
    expect(stderr).toMatch(/--key-id, set the annotation .*, or write a rule into \.kms-vault\.yaml/);
    expect({ code, file: tool.read('web.yaml') }).toEqual({ code: 1, file: WEB });
  });

  it.each([
    ['more than 4,096 bytes', Buffer.alloc(4_097, 'x'), '4097 bytes'],
    ['an empty value', '', '--empty'],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe]), 'base64'],
  ])('refuses %s and says what can be done', async (_what, value, hint) => {
    const { code, stderr } = await set('x', withKey, value);
    expect(stderr).toContain(hint);
    expect({ code, file: tool.read('web.yaml') }).toEqual({ code: 1, file: WEB });
    expect(kms.requests.count(() => true)).toBe(0);
  });

  it('takes 4,096 bytes', async () => {
    expect((await set('x', withKey, 'x'.repeat(4_096))).code).toBe(0);
  });

  it('warns of a line break at the end, and of the history of the shell', async () => {
    expect((await set('x', withKey, `${CANARY}\n`)).stderr).toContain('line break at its end');
    expect((await set('x', withKey, '-----BEGIN-----\nx\n')).stderr).not.toContain('line break');
    const literal = await tool.run(['set', 'web.yaml', 'y', '--from-literal', CANARY]);
    expect(literal.stderr).toContain('history of your shell');
    expect(tool.printed).not.toContain(CANARY);
  });

  it('sets an empty value without KMS', async () => {
    const { code } = await tool.run(['set', 'web.yaml', 'x', '--empty']);
    expect(code).toBe(0);
    expect(tool.read('web.yaml')).toContain('    - key: x\n      emptySecret: true\n');
    expect(kms.requests.count(() => true)).toBe(0);
  });

  it('asks which resource is meant', async () => {
    tool.write('web.yaml', `${WEB}---\n${WEB.replace('name: web', 'name: api\n  namespace: team')}`);
    const unclear = await set('x', withKey);
    expect(unclear.stderr).toContain('KMSVaultSecret web, KMSVaultSecret team/api');
    expect(unclear.stderr).toContain('--resource');
    expect(unclear.code).toBe(1);
    expect((await set('x', [...withKey, '--resource', 'KMSVaultSecret/team/api'])).code).toBe(0);
    // Only one of them has the key now.
    expect((await set('x', withKey)).stderr).toContain('changed x of KMSVaultSecret team/api');
  });

  it('keeps the mode, and replaces the target of a symbolic link', async () => {
    chmodSync(tool.path('web.yaml'), 0o640);
    symlinkSync('web.yaml', tool.path('link.yaml'));
    await tool.run(['set', 'link.yaml', 'x', '--empty']);
    expect(lstatSync(tool.path('link.yaml')).isSymbolicLink()).toBe(true);
    expect(tool.read('web.yaml')).toContain('emptySecret');
    expect(statSync(tool.path('web.yaml')).mode & 0o777).toBe(0o640);
    expect(readdirSync(tool.folder).sort()).toEqual(['link.yaml', 'web.yaml']);
  });

  it.each([
    [
      'a file that is missing',
      ['set', 'nowhere.yaml', 'x', '--empty'],
      'cannot read nowhere.yaml: there is no such file',
    ],
    ['a folder', ['set', '.', 'x', '--empty'], 'it is a folder'],
    ['two sources', ['set', 'web.yaml', 'x', '--empty', '--from-literal', 'x'], 'only one of'],
    ['no source and no terminal', ['set', 'web.yaml', 'x'], 'no value is given'],
    ['a bad context', ['set', 'web.yaml', 'x', '--context', 'x'], 'name=value'],
    ['an unknown option', ['set', 'web.yaml', 'x', '--nonsense'], "unknown option '--nonsense'"],
    ['an unknown command', ['sett'], 'Did you mean set?'],
    ['a missing argument', ['set', 'web.yaml'], "missing required argument 'key'"],
  ])('ends with 1 after %s', async (_what, args, problem) => {
    const { code, stdout, stderr } = await tool.run(args);
    expect(stderr).toContain(problem);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it('reports an environment that is not valid', async () => {
    const { code, stderr } = await tool.run(['set', 'web.yaml', 'x', '--empty'], {
      env: { AWS_REGION: 'no region' },
    });
    expect(stderr).toContain('error: AWS_REGION');
    expect(code).toBe(1);
  });

  it('keeps what somebody else has written while the value was awaited', async () => {
    const { child, ended } = tool.start(['set', 'web.yaml', 'slow', '--from-file', '-', ...withKey]);
    child.stdin.write(CANARY);
    // Whenever the slow one has read the file, it must not undo this.
    expect((await set('quick', withKey)).code).toBe(0);
    child.stdin.end();
    expect((await ended).code).toBe(0);
    expect([...tool.read('web.yaml').matchAll(/key: (\w+)/g)].map(([, key]) => key)).toEqual([
      'quick',
      'slow',
    ]);
  });

  it('names the command whose help explains a wrong usage', async () => {
    expect((await tool.run(['set', 'web.yaml'])).stderr).toContain('(see kubectl kms-vault set --help)');
  });

  it('says nothing with --quiet', async () => {
    expect(await set('x', [...withKey, '--quiet'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('repeats no value after a mistyped option', async () => {
    const { code, stderr } = await tool.run(['set', 'web.yaml', 'x', `--from-literall=it's ${CANARY}`]);
    expect(code).toBe(1);
    expect(stderr).toContain("unknown option '--from-literall=…'");
    expect(stderr).not.toContain(CANARY);
  });
});
