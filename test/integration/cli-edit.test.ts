import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import { seal } from '../servers/kms/ciphertext.js';
import { LoopbackKms } from '../servers/kms/server.js';
import { AuthorTool, type ToolResult } from '../support/author-tool.js';
import { openCiphertext } from '../support/sealed.js';
import { eventually } from '../support/wait.js';

const CANARY = 'canary-91c7';
const sealed = (value: string, context: Record<string, string> = { app: 'web' }): string =>
  seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(value), context).toString('base64');

let kms: LoopbackKms;
let tool: AuthorTool;
/** Where plaintexts may be while the editor is open: in memory, and where there is no such place. */
let places: readonly string[];
let web: string;

beforeEach(async () => {
  kms = await LoopbackKms.start();
  places = [
    mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'edit-')),
    mkdtempSync(join(tmpdir(), 'edit-')),
  ];
  tool = new AuthorTool(kms.url, { XDG_RUNTIME_DIR: places[0] ?? '', TMPDIR: places[1] ?? '' });
  web = `kind: KMSVaultSecret
metadata: {name: web}
spec:
  secretContext: {app: web}
  secrets:
  # the database
  - key: password # rotated yearly
    encryptedSecret: ${sealed(`${CANARY}-password`)}
  - {key: flags, emptySecret: true}
  - key: lost
    encryptedSecret: ${sealed('lost', { other: 'context' })}
  - key: tls.key
    encryptedSecret: "${sealed(`-----BEGIN-----\n${CANARY}-tls\n-----END-----\n`)}"
`;
  tool.write('web.yaml', web);
});

afterEach(async () => {
  for (const place of places) {
    expect(readdirSync(place)).toEqual([]);
    rmSync(place, { recursive: true });
  }
  expect(tool.printed).not.toContain(CANARY);
  tool.close();
  await kms.close();
});

/** Runs `edit` with an editor that does `script` with `path` and `text`. */
async function edit(script: string, args: readonly string[] = []): Promise<ToolResult> {
  return await tool.run(['edit', 'web.yaml', ...args], { env: { EDITOR: editor(script) } });
}

function editor(script: string): string {
  tool.write(
    'the editor.mjs',
    `import * as fs from 'node:fs';
     import { dirname } from 'node:path';
     const path = process.argv.at(-1);
     const text = fs.readFileSync(path, 'utf8');
     ${script}`,
  );
  return `"${process.execPath}" '${tool.path('the editor.mjs')}' --wait`;
}

/** The ciphertexts by key, as they are in the file. */
function ciphertexts(): Record<string, string> {
  return Object.fromEntries(
    [...tool.read('web.yaml').matchAll(/key: (\S+?)(?: #.*)?\n\s+encryptedSecret: "?([^"\s]+)/g)].map(
      ([, key = '', text = '']) => [key, text],
    ),
  );
}

describe('edit', () => {
  it('shows the values, and what cannot be decrypted as a comment, in files that only the user can read', async () => {
    await edit(`
      const folder = dirname(path);
      fs.copyFileSync(path, '${tool.path('seen')}');
      fs.writeFileSync('${tool.path('modes')}', [folder, path].map((p) => (fs.statSync(p).mode & 0o777).toString(8)).join());`);
    expect(tool.read('modes')).toBe('700,600');
    const seen = tool.read('seen');
    expect(seen).toContain(`password: ${CANARY}-password\n`);
    expect(seen).toContain('flags: ""\n');
    expect(seen).toContain(`tls.key: |\n  -----BEGIN-----\n  ${CANARY}-tls\n  -----END-----\n`);
    expect(seen).toMatch(/^#\s+lost: KMS rejected the ciphertext/m);
    expect(tool.read('web.yaml')).toBe(web);
  });

  it('encrypts changed values only, appends new keys and removes those that are gone', async () => {
    const before = ciphertexts();
    const { code, stderr } = await edit(`
      fs.writeFileSync(path, text.replace('${CANARY}-password', '"a new one: 5"').replace('flags: ""\\n', '') + 'port: 5432\\n');`);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const after = ciphertexts();
    expect(openCiphertext(kms, after.password ?? '', { app: 'web' })).toBe('a new one: 5');
    expect(openCiphertext(kms, after.port ?? '', { app: 'web' })).toBe('5432');
    expect(after).toEqual({ ...before, password: after.password, port: after.port });
    const expected = web
      .replace(before.password ?? '', after.password ?? '')
      .replace('  - {key: flags, emptySecret: true}\n', '');
    expect(tool.read('web.yaml')).toBe(
      `${expected}  - key: port\n    encryptedSecret: "${after.port ?? ''}"\n`,
    );
    expect(stderr).toContain('set password of KMSVaultSecret web');
    expect(stderr).toContain('removed flags');
  });

  it('gives a new value to an item that cannot be decrypted, and makes a value empty', async () => {
    await edit(`fs.writeFileSync(path, text.replace(/^password: .*$/m, 'password: ""') + 'lost: found\\n');`);
    expect(openCiphertext(kms, ciphertexts().lost ?? '', { app: 'web' })).toBe('found');
    expect(tool.read('web.yaml')).toContain('  - key: password # rotated yearly\n    emptySecret: true\n');
  });

  it('wipes what the editor has left beside the file', async () => {
    await edit(`
      const folder = dirname(path);
      fs.mkdirSync(folder + '/backup');
      for (const name of ['/.web.yaml.swp', '/web.yaml~', '/backup/1']) fs.writeFileSync(folder + name, text);
      fs.writeFileSync(process.env.TMPDIR + '/other', text);
      fs.renameSync(path, path + '.old');
      fs.writeFileSync(path, text);`);
    expect(tool.read('web.yaml')).toBe(web);
  });

  it.each([
    [
      'YAML that cannot be parsed',
      `fs.writeFileSync(path, 'a: [${CANARY}');`,
      /line 1, column \d+: not valid YAML/,
    ],
    [
      'a value that is not a text',
      `fs.writeFileSync(path, 'a: {${CANARY}: 1}');`,
      /line 1, column 1: the value is not a text/,
    ],
    [
      'a value that is too long',
      `fs.writeFileSync(path, 'a: ' + 'x'.repeat(5000));`,
      /KMS encrypts 4096 at most/,
    ],
    ['an editor that fails', 'process.exit(3);', /ended with 3; nothing was changed/],
    ['an editor that is killed', `process.kill(process.pid, 'SIGKILL');`, /ended with SIGKILL/],
    ['a file that the editor has removed', 'fs.unlinkSync(path);', /has removed the file/],
    ['a file that the editor has emptied', `fs.writeFileSync(path, '\\n');`, /the text is empty/],
    [
      'text in another encoding',
      `fs.writeFileSync(path, Buffer.from('password: caf\u00e9', 'latin1'));`,
      /the text is not UTF-8/,
    ],
    [
      'a value of which YAML takes a part for a comment',
      `fs.writeFileSync(path, text + 'new: ${CANARY} #1');`,
      /column 1: YAML takes a # behind a blank/,
    ],
  ])('changes nothing after %s', async (_what, script, problem) => {
    const { code, stderr } = await edit(script);
    expect(stderr).toMatch(problem);
    expect({ code, file: tool.read('web.yaml') }).toEqual({ code: 1, file: web });
  });

  it('changes nothing when the editor cannot be started, or KMS does not answer', async () => {
    const missing = await tool.run(['edit', 'web.yaml'], { env: { VISUAL: 'no-such-editor -w' } });
    expect(missing.stderr).toContain('the editor no-such-editor cannot be started');
    const { id } = kms.addKey();
    const denied = kms.keys.get(id);
    if (denied !== undefined) denied.denied = true;
    const refused = await edit(`fs.writeFileSync(path, 'password: x');`, ['--key-id', id]);
    expect(refused.stderr).toContain('KMS denied kms:Encrypt');
    expect([missing.code, refused.code, tool.read('web.yaml')]).toEqual([1, 1, web]);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)(
    'leaves nothing behind after %s',
    async (signal) => {
      const waits = editor(`
      process.on('SIGTERM', () => {
        fs.writeFileSync(path + '.saved', text, { flag: 'a' });
        process.exit(0);
      });
      fs.writeFileSync(path + '~', text);
      fs.writeFileSync('${tool.path('open')}', '');
      setInterval(() => undefined, 1_000);`);
      const { child, ended } = tool.start(['edit', 'web.yaml'], { EDITOR: waits });
      await eventually('the editor is open', () => existsSync(tool.path('open')));
      child.kill(signal);
      // SIGQUIT would write the memory to a disk.
      expect(await ended).toMatchObject({ code: null, signal: signal === 'SIGQUIT' ? 'SIGTERM' : signal });
      expect(tool.read('web.yaml')).toBe(web);
    },
  );

  it('kills an editor that does not end', async () => {
    const stubborn = editor(`
      process.on('SIGTERM', () => undefined);
      fs.writeFileSync('${tool.path('open')}', String(process.pid));
      setInterval(() => undefined, 1_000);`);
    const { child, ended } = tool.start(['edit', 'web.yaml'], { EDITOR: stubborn });
    await eventually('the editor is open', () => existsSync(tool.path('open')) && tool.read('open') !== '');
    child.kill('SIGTERM');
    expect((await ended).signal).toBe('SIGTERM');
    expect(() => process.kill(Number(tool.read('open')), 0)).toThrow('ESRCH');
  });

  it('keeps what somebody else has changed in the file meanwhile', async () => {
    await edit(`
      fs.writeFileSync('${tool.path('web.yaml')}', ${JSON.stringify(`# other\n${web}`)});
      fs.writeFileSync(path, text + 'new: value\\n');`);
    expect(tool.read('web.yaml')).toMatch(/^# other\n/);
    expect(openCiphertext(kms, ciphertexts().new ?? '', { app: 'web' })).toBe('value');
  });
});

describe('view', () => {
  it('masks the values, shows their contexts, and says what cannot be decrypted', async () => {
    const { code, stdout } = await tool.run(['view', 'web.yaml']);
    expect(stdout).toContain('KMSVaultSecret web\n');
    expect(stdout).toContain('  password: ********  # the context app=web of the resource\n');
    expect(stdout).toContain('  flags: ""  # empty\n');
    expect(stdout).toContain('  lost: ! KMS rejected the ciphertext or its encryption context');
    expect(code).toBe(1);
    expect(tool.printed).not.toContain(CANARY);
  });

  it('prints a value alone with --reveal, exactly', async () => {
    const { code, stdout } = await tool.run(['view', 'web.yaml', 'tls.key', '--reveal']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `-----BEGIN-----\n${CANARY}-tls\n-----END-----\n` });
    const all = await tool.run(['view', 'web.yaml', '--reveal']);
    expect(all.stdout).toContain(`  password: ${CANARY}-password`);
    expect(all.stderr).not.toContain(CANARY);
    tool.printed = '';
  });

  it('ends with 1 for a key that cannot be decrypted, or is not there', async () => {
    const lost = await tool.run(['view', 'web.yaml', 'lost', '--reveal']);
    expect({ ...lost, stderr: '' }).toEqual({ code: 1, stdout: '', stderr: '' });
    expect(lost.stderr).toContain('cannot be decrypted with the context app=web of the resource');
    expect((await tool.run(['view', 'web.yaml', 'nothing'])).code).toBe(1);
  });

  it('decrypts a partial without a context with that of a resource in the file that includes it', async () => {
    tool.write(
      'web.yaml',
      `kind: PartialKMSVaultSecret
metadata: {name: shared}
spec:
  secrets:
  - {key: a, encryptedSecret: ${sealed('x')}}
---
kind: KMSVaultSecret
metadata: {name: web}
spec:
  secretContext: {app: web}
  includeSecrets: [shared]
`,
    );
    const { code, stdout } = await tool.run(['view', 'web.yaml']);
    expect(stdout).toContain('a: ********  # the context app=web of KMSVaultSecret web, which includes it');
    expect(stdout).toContain('(no items)');
    expect(code).toBe(0);
  });
});

describe('unset', () => {
  it('removes an item and nothing else, without KMS', async () => {
    const { code } = await tool.run(['unset', 'web.yaml', 'flags']);
    expect({ code, file: tool.read('web.yaml') }).toEqual({
      code: 0,
      file: web.replace('  - {key: flags, emptySecret: true}\n', ''),
    });
    expect(kms.requests.count(() => true)).toBe(0);
  });

  it('refuses a key that is not there', async () => {
    const { code, stderr } = await tool.run(['unset', 'web.yaml', 'nothing']);
    expect(stderr).toContain('has no item "nothing"');
    expect({ code, file: readFileSync(tool.path('web.yaml'), 'utf8') }).toEqual({ code: 1, file: web });
  });
});
