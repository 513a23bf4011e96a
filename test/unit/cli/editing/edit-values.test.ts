import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { Console } from '../../../../src/cli/console.js';
import { EditValues } from '../../../../src/cli/editing/edit-values.js';
import type { Editor } from '../../../../src/cli/editing/editor.js';
import type { ItemReader } from '../../../../src/cli/editing/item-reader.js';
import type { ValueEncryption } from '../../../../src/cli/editing/value-encryption.js';
import { KmsError } from '../../../../src/kms/kms-error.js';

const TEXT = 'kind: KMSVaultSecret\nspec:\n  secrets:\n  - {key: a, emptySecret: true}\n';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'edit-values-'));
  file = join(folder, 'web.yaml');
  writeFileSync(file, TEXT);
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A person at a terminal who leaves these texts in the editor, and gives these answers. */
async function edit(
  texts: readonly string[],
  answers: readonly string[],
  encrypt: (value: string) => string = (value) => Buffer.from(value).toString('base64'),
): Promise<{ readonly said: string; readonly seen: readonly string[] }> {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const left = [...texts];
  const replies = [...answers];
  const seen: string[] = [];
  let said = '';
  let used = '';
  const stderr = {
    write: (text: string): void => {
      said += text;
      if (text.startsWith('Edit again?')) stdin.write(replies.shift() ?? 'n\n');
    },
  };
  const editor = {
    open: async (path: string, inFolder: string) => {
      used = inFolder;
      seen.push(readFileSync(path, 'utf8'));
      writeFileSync(path, left.shift() ?? '');
    },
    stop: async () => undefined,
  };
  const encryption = {
    plan: async () => ({}),
    encrypt: async (_plan: unknown, _key: string, bytes: Uint8Array) => ({
      value: { encryptedSecret: encrypt(Buffer.from(bytes).toString()) },
      how: '',
    }),
  };
  const command = new EditValues(
    new Console({ stdout: stderr, stderr, environment: {} }),
    {},
    stdin,
    { read: async () => [{ key: 'a', kind: 'empty' }] } as unknown as ItemReader,
    editor as unknown as Editor,
    encryption as unknown as ValueEncryption,
  );
  try {
    await command.run({ file });
  } finally {
    expect(() => readdirSync(used)).toThrow('ENOENT');
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) expect(process.listenerCount(signal)).toBe(0);
  }
  return { said, seen };
}

describe('EditValues', () => {
  it('offers to edit again, with what the author has written so far', async () => {
    const { said, seen } = await edit(['a: [', 'a: value\n'], ['\n']);
    expect(said).toContain('not valid YAML');
    expect(seen[1]).toBe('a: [');
    expect(readFileSync(file, 'utf8')).toBe(TEXT.replace('emptySecret: true', 'encryptedSecret: dmFsdWU='));
  });

  it('does so when KMS refuses, too', async () => {
    let refused = false;
    await edit(['a: value\n', 'a: value\n'], ['yes\n'], () => {
      if (refused) return 'AQIC';
      refused = true;
      throw new KmsError('administrator', 'AccessDenied', 'denied');
    });
    expect(readFileSync(file, 'utf8')).toContain('AQIC');
  });

  it('changes nothing when the author does not want to', async () => {
    await expect(edit(['a: ['], ['n\n'])).rejects.toThrow('nothing was changed');
    expect(readFileSync(file, 'utf8')).toBe(TEXT);
  });
});
