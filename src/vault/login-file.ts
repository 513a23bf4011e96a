import { readFile } from 'node:fs/promises';

import { VaultError } from './vault-error.js';

/** Printable ASCII without a blank: Vault refuses any other token with a message about something else. */
const TOKEN = /^[\u0021-\u007e]+$/;

/**
 * The text of a file for a login, read each time because it may be rotated.
 *
 * @param what for messages, such as `service-account token`.
 * @param variable that names the file.
 * @throws VaultError `unavailable` when the file is missing, empty or holds no token.
 */
export async function readLoginFile(file: string, what: string, variable: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const content = text?.trim() ?? '';
  if (TOKEN.test(content)) return content;
  if (content !== '') {
    const odd = `the ${what} at ${file} contains a line break or another character that is not allowed in a token`;
    throw new VaultError('unavailable', `${odd}: check the file of ${variable}`, { operation: 'login' });
  }
  const problem =
    text === undefined ? `cannot read the ${what} at ${file}` : `the file of the ${what} is empty: ${file}`;
  throw new VaultError('unavailable', `${problem}: mount one, or set ${variable}`, { operation: 'login' });
}
