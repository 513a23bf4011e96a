import { readFile } from 'node:fs/promises';

import { VaultError } from './vault-error.js';

/**
 * The text of a file for a login, read each time because it may be rotated.
 *
 * @param what for messages, such as `service-account token`.
 * @param variable that names the file.
 * @throws VaultError `unavailable` when there is no such file or nothing in it.
 */
export async function readLoginFile(file: string, what: string, variable: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const content = text?.trim() ?? '';
  if (content !== '') return content;
  const problem =
    text === undefined ? `cannot read the ${what} at ${file}` : `the file of the ${what} is empty: ${file}`;
  throw new VaultError('unavailable', `${problem}: mount one, or set ${variable}`, { operation: 'login' });
}
