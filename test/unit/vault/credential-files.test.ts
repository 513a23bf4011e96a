import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { VariableSpec } from '../../../src/config/config.js';
import { CredentialFiles } from '../../../src/vault/credential-files.js';
import { iamMethod } from '../../../src/vault/auth/iam.js';
import { tokenMethod } from '../../../src/vault/auth/token.js';
import { userpassMethod } from '../../../src/vault/auth/userpass.js';

const variableOf = (method: { readonly variables: readonly VariableSpec[] }, name: string): VariableSpec => {
  const found = method.variables.find((variable) => variable.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};
const TOKEN = variableOf(tokenMethod, 'VAULT_TOKEN');
const PASSWORD = variableOf(userpassMethod, 'VAULT_PASSWORD');
const KEY_ID = variableOf(iamMethod, 'VAULT_IAM_AWS_ACCESS_KEY_ID');
const KEY = variableOf(iamMethod, 'VAULT_IAM_AWS_SECRET_ACCESS_KEY');

let folder: string;
const path = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'credential-files-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function filesOf(variable: VariableSpec, content?: string | Uint8Array): CredentialFiles {
  if (content !== undefined) writeFileSync(path('file'), content);
  return new CredentialFiles([{ variable, file: path('file') }]);
}

/** Logs in with what is there. */
function used(files: CredentialFiles): CredentialFiles {
  files.take().succeeded();
  return files;
}

describe('the value in a file', () => {
  it.each([
    ['nothing around it', 't-1', 't-1'],
    ['a line break at the end', 't-1\n', 't-1'],
    ['the line break of Windows', 't-1\r\n', 't-1'],
    ['several line breaks and blanks', '\n  t-1 \n\n', 't-1'],
    ['a byte order mark', '\ufefft-1\n', 't-1'],
    ['nothing at all, which is the token of an agent', '', ''],
    ['only a line break', '\n', ''],
  ])('is a token with %s', (_what, content, token) => {
    expect(filesOf(TOKEN, content).take().values).toEqual({ VAULT_TOKEN: token });
  });

  it.each([
    ['as it is', ' pass word ', ' pass word '],
    ['without one line break at the end', 'pass\n', 'pass'],
    ['without the line break of Windows', 'pass\r\n', 'pass'],
    ['with what is before the last line break', ' a\nb \n\n', ' a\nb \n'],
    ['without a byte order mark', '\ufeffpäss', 'päss'],
  ])('is a password, %s', (_what, content, password) => {
    expect(filesOf(PASSWORD, content).take().values).toEqual({ VAULT_PASSWORD: password });
  });

  it.each<[string, VariableSpec, string | Uint8Array, string]>([
    ['two lines', TOKEN, '5ecret\nother', 'contains a line break: remove it'],
    ['a blank inside', TOKEN, '5ecret other', 'contains characters that are not allowed in a token'],
    ['no text', TOKEN, Buffer.from([0x35, 0xff, 0xfe]), 'is not UTF-8 text'],
    ['no password', PASSWORD, '', 'is empty'],
    ['only a line break', PASSWORD, '\n', 'is empty'],
    ['too much', PASSWORD, '5ecret'.repeat(20_000), 'is larger than 64 KiB'],
  ])('is refused with %s', (_what, variable, content, problem) => {
    const files = filesOf(variable, content);
    const message = `${variable.name}_FILE: the file ${path('file')} ${problem}`;
    expect(() => files.take()).toThrow(message);
    expect(() => files.take()).toThrow(expect.objectContaining({ failure: 'unavailable' }));
    expect(files.look()).toEqual({ id: undefined, problem: message, areTried: false, areInUse: false });
    expect(message).not.toContain('5ecret');
  });

  it('is refused where there is no file, a folder or a pipe, without waiting for a writer', () => {
    expect(() => filesOf(PASSWORD).take()).toThrow('VAULT_PASSWORD_FILE: the file');
    expect(() => filesOf(PASSWORD).take()).toThrow('does not exist');
    mkdirSync(path('file'));
    expect(() => filesOf(PASSWORD).take()).toThrow('is a directory');
    rmSync(path('file'), { recursive: true });
    execFileSync('mkfifo', [path('file')]);
    expect(() => filesOf(PASSWORD).take()).toThrow('is not a regular file');
  });

  it('names every file that cannot be used', () => {
    const files = new CredentialFiles([
      { variable: KEY_ID, file: path('id') },
      { variable: KEY, file: path('key') },
    ]);
    writeFileSync(path('id'), 'AKIA\u00e9');
    writeFileSync(path('key'), '');
    expect(() => files.take()).toThrow(
      /VAULT_IAM_AWS_ACCESS_KEY_ID_FILE: .* non-ASCII character; VAULT_IAM_AWS_SECRET_ACCESS_KEY_FILE: .* is empty/,
    );
  });
});

describe('a pair that is optional', () => {
  const pair = (): CredentialFiles =>
    new CredentialFiles([
      { variable: KEY_ID, file: path('id') },
      { variable: KEY, file: path('key') },
    ]);

  it('is absent when both files are, and needs both otherwise', () => {
    expect(pair().take().values).toEqual({});
    writeFileSync(path('id'), 'AKIAX\n');
    expect(() => pair().take()).toThrow('SECRET_ACCESS_KEY_FILE: the file');
    writeFileSync(path('key'), 'abc\n');
    expect(pair().take().values).toEqual({
      VAULT_IAM_AWS_ACCESS_KEY_ID: 'AKIAX',
      VAULT_IAM_AWS_SECRET_ACCESS_KEY: 'abc',
    });
  });

  it('needs the file of one when the other is a variable', () => {
    expect(() => filesOf(KEY).take()).toThrow('does not exist');
  });
});

describe('a change', () => {
  it('is seen after a rewrite in place, a rename, and the swap of a mounted Secret', () => {
    mkdirSync(path('..1'));
    mkdirSync(path('..2'));
    writeFileSync(path('..1/token'), 'one');
    writeFileSync(path('..2/token'), 'two');
    symlinkSync('..1', path('..data'));
    symlinkSync('..data/token', path('token'));
    const files = used(new CredentialFiles([{ variable: TOKEN, file: path('token') }]));
    expect(files.look()).toMatchObject({ areTried: true, areInUse: true });
    symlinkSync('..2', path('..data_tmp'));
    renameSync(path('..data_tmp'), path('..data'));
    expect(files.look()).toMatchObject({ areTried: false, areInUse: false });
    used(files);
    writeFileSync(path('..2/token'), 'six');
    expect(files.look()).toMatchObject({ areTried: false });
    used(files);
    writeFileSync(path('new'), 'ten');
    renameSync(path('new'), path('..2/token'));
    expect(files.look()).toMatchObject({ areTried: false });
    expect(readdirSync(folder)).toContain('token');
  });

  it('is none when the same value is written again, with or without a line break', () => {
    const files = used(filesOf(TOKEN, 'same'));
    writeFileSync(path('file'), 'same\n');
    expect(files.look()).toMatchObject({ areTried: true, areInUse: true });
  });

  it('is tried once a login has begun, and in use once it has succeeded', () => {
    const files = used(filesOf(TOKEN, 'one'));
    writeFileSync(path('file'), 'two');
    const { succeeded } = files.take();
    expect(files.look()).toMatchObject({ areTried: true, areInUse: false });
    succeeded();
    expect(files.look()).toMatchObject({ areTried: true, areInUse: true });
  });

  it('is not yet one when a file is emptied or gone, which may be half of it', () => {
    const files = used(filesOf(TOKEN, 'one'));
    truncateSync(path('file'));
    expect(files.look().id).toBeUndefined();
    rmSync(path('file'));
    expect(files.look().id).toBeUndefined();
    writeFileSync(path('file'), 'two');
    expect(files.look()).toMatchObject({ id: expect.any(String), areTried: false });
  });

  it('shows nothing of the value', () => {
    const files = used(filesOf(PASSWORD, '5ecret'));
    expect(JSON.stringify([files, files.look()])).not.toContain('5ecret');
  });
});
