import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { CallerToken } from '../../vault/caller-session.js';
import { fileError } from '../files/manifest-store.js';

/** Where `vault login` leaves the token (command/token/helper_internal.go of Vault). */
const TOKEN_FILE = '.vault-token';

/**
 * The token as Vault's own command line finds it: `VAULT_TOKEN` unless it is empty, else the file that `vault login`
 * writes. Without both, no token is sent: a Vault Agent or Proxy may add one.
 *
 * @param given the value of `VAULT_TOKEN`.
 * @throws AuthorError when the file cannot be read.
 */
export function callerToken(given: string | undefined, home: string): CallerToken {
  if (given !== undefined && given !== '') return { token: given, from: 'VAULT_TOKEN' };
  const file = join(home, TOKEN_FILE);
  try {
    const token = readFileSync(file, 'utf8').trim();
    if (token !== '') return { token, from: `~/${TOKEN_FILE}` };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(file, 'read', error);
  }
  return { token: '', from: undefined };
}
