import { createHmac, randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

import type { VariableSpec } from '../config/config.js';
import { fileVariableOf } from '../config/file-variables.js';
import { valueOfFile } from '../config/stray-characters.js';
import { fileState } from '../runtime/last-good-files.js';
import type { CredentialsInFiles, CredentialsSeen } from './authenticator.js';
import { VaultError } from './vault-error.js';

/** No credential is nearly as long, and a longer text would be kept in memory for nothing. */
const MAX_BYTES = 64 * 1024;

/** A variable and the file that holds its value. */
export interface CredentialFile {
  readonly variable: VariableSpec;
  readonly file: string;
}

type Values = Readonly<Record<string, string>>;

interface Read {
  readonly values: Values;
  readonly id: string;
  /** A file was emptied, which usually is half of a change: the next login takes it, a session does not end for it. */
  readonly isEmptied: boolean;
}

/**
 * Credentials that are read from files at each login. They are not kept in between: what was read is recognised by a
 * keyed digest.
 */
export class CredentialFiles implements CredentialsInFiles {
  private readonly digestKey = randomBytes(32);
  private triedId: string | undefined;
  private usedId: string | undefined;
  private seen: { readonly state: string; readonly id: string | undefined } | undefined;

  constructor(private readonly files: readonly CredentialFile[]) {}

  get variables(): readonly string[] {
    return this.files.map(({ variable }) => fileVariableOf(variable));
  }

  look(): CredentialsSeen {
    const state = this.files.map(({ file }) => fileState(file)).join(' ');
    if (this.seen?.state !== state) {
      const found = this.read();
      // What cannot be used is read again each time, because its problem is part of the answer.
      if ('problem' in found) {
        this.seen = undefined;
        return { id: undefined, problem: found.problem, areTried: false, areInUse: false };
      }
      this.seen = { state, id: found.isEmptied ? undefined : found.id };
    }
    const id = this.seen?.id;
    return { id, areTried: id === this.triedId, areInUse: id === this.usedId };
  }

  /**
   * Reads the files for a login, which calls `succeeded` if Vault accepts what they hold. A missing file leaves out a
   * value that no login requires.
   *
   * @throws VaultError `unavailable` when they cannot be used.
   */
  take(): { readonly values: Values; readonly succeeded: () => void } {
    const found = this.read();
    if ('problem' in found) throw new VaultError('unavailable', found.problem, { operation: 'login' });
    const { values, id } = found;
    this.triedId = id;
    return {
      values,
      succeeded: () => {
        this.usedId = id;
      },
    };
  }

  /** The value of a pair whose other half is not in a file is needed, too. */
  private isNeeded({ required, together }: VariableSpec): boolean {
    const pairIsInFile = this.files.some(({ variable }) => variable.name === together);
    return required === true || (together !== undefined && !pairIsInFile);
  }

  private read(): Read | { readonly problem: string } {
    const values: Record<string, string> = {};
    const problems: string[] = [];
    for (const { variable, file } of this.files) {
      const text = readText(file);
      const parsed = 'problem' in text ? text : valueOfFile(text.value, variable);
      if ('value' in parsed) values[variable.name] = parsed.value;
      else if (!isMissing(text) || this.isNeeded(variable)) {
        problems.push(`${fileVariableOf(variable)}: the file ${file} ${parsed.problem}`);
      }
    }
    for (const { variable, file } of this.files) {
      const isLeftOut = values[variable.name] === undefined && problems.length === 0;
      if (isLeftOut && values[variable.together ?? ''] !== undefined) {
        problems.push(
          `${fileVariableOf(variable)}: the file ${file} does not exist, but that of its pair does`,
        );
      }
    }
    if (problems.length > 0) return { problem: problems.join('; ') };
    const digest = createHmac('sha256', this.digestKey).update(JSON.stringify(values)).digest('base64');
    const isEmptied = this.usedId !== undefined && Object.values(values).includes('');
    return { values, id: digest, isEmptied };
  }
}

function isMissing(text: Text): boolean {
  return 'isMissing' in text && text.isMissing === true;
}

type Text = { readonly value: string } | { readonly problem: string; readonly isMissing?: boolean };

/** The text of a regular file, without a byte order mark. */
function readText(file: string): Text {
  let descriptor: number | undefined;
  try {
    // The open of a named pipe would wait for a writer.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(descriptor);
    if (stats.isDirectory()) return { problem: 'is a directory' };
    if (!stats.isFile()) return { problem: 'is not a regular file' };
    return readBytes(descriptor);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return { problem: 'is not UTF-8 text' };
    if (code === 'ENOENT' || code === 'ENOTDIR') return { problem: 'does not exist', isMissing: true };
    return { problem: `cannot be read (${code})` };
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function readBytes(descriptor: number): Text {
  const bytes = Buffer.alloc(MAX_BYTES + 1);
  try {
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.length; length += count) {
      count = readSync(descriptor, bytes, length, bytes.length - length, null);
    }
    if (length > MAX_BYTES) return { problem: `is larger than ${String(MAX_BYTES / 1024)} KiB` };
    return { value: new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length)) };
  } finally {
    bytes.fill(0);
  }
}
